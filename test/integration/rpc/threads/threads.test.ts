/** Services in threads behind one endpoint: what callers see of it, and what they do not. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Health, ListServices, type RemoteError, RpcServer, type RpcServerOptions, type ThreadsOptions } from '../../../../src/index.ts'
import { Request } from '../../../../src/socket/index.ts'
import { DIALECTS, Echo, failureOf, Greet, toldBy, until, useRpc } from '../../../helpers/rpc.ts'
import { TYPESCRIPT } from '../../../helpers/typescript.ts'
import {
  Binary,
  Crash,
  Double,
  Fail,
  ForKeepers,
  ForNight,
  ForNobody,
  Log,
  Note,
  Numbers,
  OutOfPaper,
  Spin,
  Sum,
  Wait,
  WhoAmI,
} from './commands.ts'
import registerAll, { options as moduleOptions } from './services.ts'

const rpc = useRpc()
const LOCAL = 'tcp://127.0.0.1:0'
const SERVICES = new URL('./services.ts', import.meta.url)

type Options = Omit<RpcServerOptions, 'threads'> & { threads?: Partial<ThreadsOptions> | number }

async function serve({ threads = 1, ...options }: Options = {}): Promise<RpcServer> {
  const own = typeof threads === 'number' ? { count: threads } : { count: 1, ...threads }
  const server = rpc.server({ rep: LOCAL, services: SERVICES, threads: { execArgv: TYPESCRIPT, ...own }, ...options })
  await server.start()
  return server
}

describe.each(DIALECTS)('services in threads, called in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('answer, beside those of the main thread', async () => {
    const server = await serve({ threads: { count: 2, data: { from: 'here' } } })
    server.register(Echo2, ({ value }) => ({ main: value }))
    const client = rpc.client({ req: server.endpoints })
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    expect(await client.execute(new Echo([1, 'two', { three: null }]))).toEqual([1, 'two', { three: null }])
    expect(await client.execute(new Echo2(1))).toEqual({ main: 1 })
    const { thread, data, endpoint, kind } = await client.execute(new WhoAmI())
    expect(thread).toBeGreaterThan(0)
    expect({ data, endpoint, kind }).toEqual({ data: { from: 'here' }, endpoint: server.endpoints[0], kind: 'req' })
  })

  it('fail as those of the main thread do, and the event is heard there', async () => {
    const server = await serve()
    const failed = rpc.hear('zmq-rpc:service:failed')
    const client = rpc.client({ req: server.endpoints, errors: [OutOfPaper] })
    const error = await failureOf(client.execute(new Fail('plain')))
    expect([error.code, (error as RemoteError).statusText]).toEqual(['SERVICE_FAILED', toldBy(dialect, 'FailService', 'too far')])
    const [event] = await failed.atLeast(1)
    expect(event).toMatchObject({ command: 'Fail', endpoint: server.endpoints[0] })
    expect(event?.error).toMatchObject({ name: 'RangeError', code: 'EFAR', message: 'too far' })
    const own = await failureOf(client.execute(new Fail('of our own')))
    if (dialect === 'native') expect(own).toMatchObject({ name: 'OutOfPaper', details: { tray: 2 } })
    else expect(own.message).toContain('tray 2 is empty')
    expect((await failureOf(client.execute(new Fail('result')))).code).toBe(dialect === 'native' ? 'BAD_RESULT' : 'SERVICE_FAILED')
    expect(server.stats().failed).toMatchObject({ SERVICE_FAILED: dialect === 'native' ? 2 : 3 })
  })

  it('compute at the same time, each in its thread', async () => {
    const server = await serve({ threads: 2 })
    const client = rpc.client({ req: server.endpoints })
    const threads = await Promise.all([client.execute(new Spin(200)), client.execute(new Spin(200))])
    expect(new Set(threads).size).toBe(2)
  })

  it.each(['throws', 'rejects', 'exits'] as const)('fail alone when their thread %s, and a new one takes its place', async (how) => {
    const server = await serve({ threads: 2 })
    const failed = rpc.hear('zmq-rpc:thread:failed')
    const client = rpc.client({ req: server.endpoints, retry: false })
    const other = client.execute(new Spin(100))
    const error = await failureOf(client.execute(new Crash(how)))
    expect(error.code).toBe(dialect === 'native' ? 'THREAD_FAILED' : 'SERVICE_FAILED')
    const why = how === 'exits' ? 'process.exit(3) in it' : 'an error in it that nothing caught'
    expect(error.message).toContain(`command "Crash" has no answer: a thread of this server has ended: ${why}`)
    expect(error.message).not.toContain('boom')
    expect(await other).toBeGreaterThan(0)
    const [event] = await failed.atLeast(1)
    expect(event?.error.message).toContain(how === 'exits' ? 'process.exit(3)' : 'TypeError: boom')
    expect(event?.module).toBe(SERVICES.href)
    await until(
      async () => new Set(await Promise.all([client.execute(new Spin(60)), client.execute(new Spin(60))])).size === 2,
      'a new thread',
    )
  })

  it('keep nobody from being answered while they block every thread', async () => {
    const server = await serve()
    server.register(Echo2, ({ value }) => value)
    const client = rpc.client({ req: server.endpoints })
    await client.execute(new Greet('x'))
    const order: string[] = []
    const blocked = client.execute(new Spin(400)).then(() => order.push('spin'))
    await client.execute(new Echo2(1))
    const pulse = new Request({ receiveTimeout: 5000 })
    rpc.defer(() => pulse.close())
    pulse.connect(server.endpoints[0] as string)
    await pulse.send('zmq_sub_heartbeat')
    expect(String(await pulse.receive())).toContain('200')
    if (dialect === 'native') expect((await client.execute(new Health())).running).toBe(2)
    order.push('others')
    await blocked
    expect(order).toEqual(['others', 'spin'])
  })

  it('hear of it when their caller is gone', async () => {
    const server = await serve()
    const caller = rpc.client({ req: server.endpoints })
    const call = caller.execute(new Wait('w'))
    call.catch(() => {})
    const client = rpc.client({ req: server.endpoints })
    await until(async () => (await client.execute(new Log())).length === 1, 'it began')
    await caller.close()
    await until(async () => (await client.execute(new Log())).length === 2, 'it heard')
    expect((await client.execute(new Log()))[1]).toBe('w ended: CONNECTION_LOST')
  })
})

describe('calls of threads', () => {
  it('that are given up, or whose time is over, are heard of there', async () => {
    const server = await serve()
    const client = rpc.client({ req: server.endpoints, retry: false })
    const giveUp = new AbortController()
    const calls = [client.execute(new Wait('a'), { signal: giveUp.signal }), client.execute(new Wait('b'), { timeoutMs: 500 })]
    const codes = Promise.all(calls.map(async (call) => (await failureOf(call)).code))
    await until(async () => (await client.execute(new Log())).length === 2, 'both began')
    giveUp.abort()
    expect(await codes).toEqual(['ABORTED', 'TIMED_OUT'])
    await until(async () => (await client.execute(new Log())).length === 4, 'both ended')
    const log = await client.execute(new Log())
    // Of the time that is over the client says so, too: whoever is first.
    const events = log.map((line) => line.replace('b ended: TIMED_OUT', 'b ended: ABORTED'))
    expect(events.sort()).toEqual(['a began, limited', 'a ended: ABORTED', 'b began, limited', 'b ended: ABORTED'])
    await until(() => server.stats().running === 0, 'nothing is left')
  })

  it('never begin when they are given up while another one has the thread', async () => {
    const server = await serve()
    const client = rpc.client({ req: server.endpoints, retry: false })
    // Until it is sent calls ahead.
    for (let n = 0; n < 8; n++) await client.execute(new Note('warm'))
    const giveUp = new AbortController()
    const spin = client.execute(new Spin(300))
    const calls = ['x', 'y'].map((text) => failureOf(client.execute(new Note(text), { signal: giveUp.signal })))
    const late = failureOf(client.execute(new Note('late'), { timeoutMs: 50 }))
    await sleep(50)
    giveUp.abort()
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(['ABORTED', 'ABORTED'])
    expect((await late).code).toBe('TIMED_OUT')
    await spin
    expect(new Set(await client.execute(new Log()))).toEqual(new Set(['warm']))
  })

  it('are carried out by another thread when theirs ends before it comes to them', async () => {
    const server = await serve({ threads: 1 })
    const client = rpc.client({ req: server.endpoints, retry: false })
    for (let n = 0; n < 8; n++) await client.execute(new Greet('warm'))
    const crash = failureOf(client.execute(new Crash('exits', 100)))
    const greetings = Array.from({ length: 20 }, (_, n) => client.execute(new Greet(String(n))))
    expect((await crash).code).toBe('THREAD_FAILED')
    expect(await Promise.all(greetings)).toEqual(Array.from({ length: 20 }, (_, n) => `Hello ${n}`))
  })

  it('that wait for a thread are turned away when too many do, and the server says so at once', async () => {
    const server = await serve({ maxQueuedCalls: 2 })
    const client = rpc.client({ req: server.endpoints, retry: false })
    const calls = Array.from({ length: 5 }, () =>
      client.execute(new Spin(200)).then(
        () => 'spun',
        ({ code }) => code,
      ),
    )
    const first = await Promise.race(calls)
    expect(first).toBe('OVERLOADED')
    expect((await Promise.all(calls)).sort()).toEqual(['OVERLOADED', 'OVERLOADED', 'spun', 'spun', 'spun'])
  })

  it('do not wait behind one that computes while another thread is free', async () => {
    const server = await serve({ threads: 2 })
    const client = rpc.client({ req: server.endpoints })
    for (let n = 0; n < 20; n++) await client.execute(new Greet('warm'))
    const order: string[] = []
    const long = client.execute(new Spin(500)).then(() => order.push('long'))
    // Until it is known that the thread does not take more.
    await sleep(50)
    await Promise.all(Array.from({ length: 5 }, () => client.execute(new Spin(5)).then(() => order.push('short'))))
    await long
    expect(order).toEqual(['short', 'short', 'short', 'short', 'short', 'long'])
  })

  it('bring principal, roles and metadata, and take metadata back', async () => {
    const users = { owl: { password: 'o', roles: ['keepers'] } }
    const server = await serve({ auth: { users } })
    const client = rpc.client({ req: server.endpoints, credentials: { username: 'owl', password: 'o' } })
    let told: unknown
    const answer = await client.execute(new WhoAmI(), {
      metadata: { noted: 'yes' },
      onMetadata: (metadata) => {
        told = metadata
      },
    })
    expect(answer).toMatchObject({ username: 'owl', roles: ['keepers'], metadata: { noted: 'yes' } })
    expect(told).toEqual({ thread: '0' })
    expect(await client.execute(new Log())).toEqual(['noted WhoAmI'])
  })

  it('have a principal without what cannot be copied', async () => {
    const authenticate = () => ({ username: 'owl', roles: ['keepers'], hoot: () => 'hoo' })
    const server = await serve({ auth: { authenticate } })
    const client = rpc.client({ req: server.endpoints, credentials: { username: 'owl', password: 'o' } })
    expect(await client.execute(new WhoAmI())).toMatchObject({ username: 'owl', roles: ['keepers'] })
  })

  it('go by the rules of the server and of the module, functions included', async () => {
    const users = { owl: { password: 'o' }, hen: { password: 'h', roles: ['keepers'] } }
    const server = await serve({ auth: { users }, allow: { users: ['hen'] } })
    const codes: Record<string, string[]> = {}
    for (const [username, { password }] of Object.entries(users)) {
      const client = rpc.client({ req: server.endpoints, credentials: { username, password } })
      const outcomes = [new Greet('x'), new ForKeepers(), new ForNight(), new ForNobody()].map((command) =>
        client.execute(command as Greet).catch(({ code }) => code as string),
      )
      codes[username] = await Promise.all(outcomes)
      const { services } = await client.execute(new ListServices())
      codes[`${username} sees`] = services.map(({ name }) => name).filter((name) => /^(For|Greet)/.test(name))
    }
    expect(codes).toEqual({
      owl: ['NOT_ALLOWED', 'NOT_ALLOWED', 'dark', 'NOT_ALLOWED'],
      'owl sees': ['ForNight'],
      hen: ['Hello x', 'kept', 'NOT_ALLOWED', 'NOT_ALLOWED'],
      'hen sees': ['ForKeepers', 'Greet'],
    })
  })

  it('with an idempotency key run once, also when their caller gave up; and again when their thread has ended', async () => {
    const server = await serve()
    const client = rpc.client({ req: server.endpoints, retry: false })
    const idempotencyKey = 'once'
    const answers = [await client.execute(new Note('n'), { idempotencyKey }), await client.execute(new Note('n'), { idempotencyKey })]
    expect(answers).toEqual([1, 1])
    expect((await failureOf(client.execute(new Greet('x'), { idempotencyKey }))).code).toBe('CONFLICT')
    expect((await failureOf(client.execute(new Wait('w', 50), { idempotencyKey: 'w', timeoutMs: 100 }))).code).toBe('TIMED_OUT')
    expect(await client.execute(new Wait('w', 50), { idempotencyKey: 'w' })).toBe('w went on')
    expect((await failureOf(client.execute(new Numbers(3), { idempotencyKey: 'stream' }))).code).toBe('BAD_RESULT')
    const crash = new Crash('exits')
    const codes = [
      await failureOf(client.execute(crash, { idempotencyKey: 'c' })),
      await failureOf(client.execute(crash, { idempotencyKey: 'c' })),
    ]
    expect(codes.map(({ code }) => code)).toEqual(['THREAD_FAILED', 'THREAD_FAILED'])
  })
})

describe('calls of threads that are not to be carried out twice', () => {
  it('are refused when their thread ended in the midst of them, where the server says so', async () => {
    const path = mkdtempSync(join(tmpdir(), 'zmq-rpc-threads-'))
    rpc.defer(() => rmSync(path, { recursive: true }))
    const server = await serve({ idempotency: { path, interrupted: 'refuse' } })
    const client = rpc.client({ req: server.endpoints, retry: false })
    const idempotencyKey = 'once'
    const codes: (string | undefined)[] = []
    for (let n = 0; n < 2; n++) codes.push((await failureOf(client.execute(new Crash('exits'), { idempotencyKey }))).code)
    expect(codes).toEqual(['THREAD_FAILED', 'INTERRUPTED'])
    expect(await client.execute(new Note('n'), { idempotencyKey: 'n' })).toBe(1)
    expect(await client.execute(new Note('n'), { idempotencyKey: 'n' })).toBe(1)
  })
})

describe('streams of calls of threads', () => {
  it('go both ways, to their end, whatever their size', async () => {
    const server = await serve()
    const client = rpc.client({ req: server.endpoints })
    const got: number[] = []
    for await (const n of await client.execute(new Numbers(20_000))) got.push(n)
    expect(got).toEqual(Array.from({ length: 20_000 }, (_, n) => n))
    const sum = new Sum()
    sum.items = numbers(20_000)
    expect(await client.execute(sum)).toBe((20_000 * 19_999) / 2)
    const double = new Double()
    double.items = (async function* () {
      for (let n = 0; n < 40; n++) yield n % 2 === 0 ? n : Buffer.alloc(200_000, n)
    })()
    const sizes: unknown[] = []
    for await (const item of await client.execute(double))
      sizes.push(item instanceof Uint8Array ? [item.length, item[0], item.at(-1)] : item)
    expect(sizes).toEqual(Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? 2 * n : [400_000, n, n])))
    await until(() => server.stats().streams === 0 && server.stats().running === 0, 'nothing is left')
  })

  it('wait for a slow reader, and end where it leaves', async () => {
    const server = await serve()
    const client = rpc.client({ req: server.endpoints })
    for await (const n of await client.execute(new Numbers(10_000_000))) if (n === 5) break
    await until(async () => (await client.execute(new Log())).includes('numbers ended'), 'the generator ended')
    await until(() => server.stats().streams === 0, 'nothing is left')
  })

  it('tell what they failed with, at either end', async () => {
    const server = await serve()
    const client = rpc.client({ req: server.endpoints, errors: [OutOfPaper] })
    const got: unknown[] = []
    const read = async (): Promise<void> => {
      for await (const n of await client.execute(new Numbers(2, 'throws'))) got.push(n)
    }
    expect(await failureOf(read())).toMatchObject({ name: 'OutOfPaper', details: { tray: 2 } })
    expect(got).toEqual([0, 1])
    const sum = new Sum()
    sum.items = (async function* () {
      yield 1
      throw new Error('no more')
    })()
    expect((await failureOf(client.execute(sum))).message).toContain('no more')
  })

  it('fail by name when their thread ends, behind what came', async () => {
    const server = await serve({ threads: 2 })
    const client = rpc.client({ req: server.endpoints })
    const got: number[] = []
    const read = async (): Promise<void> => {
      for await (const n of await client.execute(new Numbers(3, 'exits'))) got.push(n)
    }
    expect((await failureOf(read())).code).toBe('THREAD_FAILED')
    expect(got).toEqual([0, 1, 2])
    await until(() => server.stats().streams === 0, 'nothing is left')
  })

  it('of a caller wait while a service has the thread, and none is lost', async () => {
    const server = await serve()
    const client = rpc.client({ req: server.endpoints })
    const double = new Double()
    double.items = (async function* () {
      for (let n = 0; n < 100; n++) yield Buffer.alloc(100_000, n)
    })()
    const stream = await client.execute(double)
    const spin = client.execute(new Spin(300))
    let count = 0
    for await (const item of stream) expect((item as Buffer)[0]).toBe(count++)
    expect(count).toBe(100)
    await spin
  })
})

describe('large binaries', () => {
  it('arrive whole, there and back, and what a service keeps stays its own', async () => {
    const server = await serve()
    const client = rpc.client({ req: server.endpoints })
    for (const size of [0, 1, 4095, 4096, 16_383, 16_384, 100_000, 8 * 1024 * 1024]) {
      const bytes = Buffer.alloc(size, 'abcdefg')
      expect(bytes.equals((await client.execute(new Binary(bytes))) as Buffer)).toBe(true)
      expect(bytes.equals((await client.execute(new Binary(bytes, 'given away'))) as Buffer)).toBe(true)
      expect(bytes.length).toBe(size)
    }
    for (let n = 0; n < 3; n++) expect((await client.execute(new Binary(Buffer.alloc(1), 'kept'))).length).toBe(100_000)
    await until(async () => (await client.execute(new Log())).length === 8, 'they were looked at afterwards')
    expect(await client.execute(new Log())).toContain('0 bytes are left')
  })

  it('of a client in the same process stay its own', async () => {
    const server = await serve({ rep: 'inproc://threads-binaries' })
    const client = rpc.client({ req: 'inproc://threads-binaries' })
    const bytes = new Uint8Array(100_000).fill(3)
    expect((await client.execute(new Binary(bytes))).length).toBe(100_000)
    expect(bytes.length).toBe(100_000)
    expect(server.running).toBe(true)
  })
})

describe('a server with threads', () => {
  it('tells the same of its services as one without', async () => {
    const plain = rpc.server({ rep: LOCAL, ...moduleOptions })
    await registerAll(plain, { data: undefined, index: 0 })
    await plain.start()
    const threaded = await serve()
    const [one, other] = await Promise.all(
      [plain, threaded].map(({ endpoints }) => rpc.client({ req: endpoints }).execute(new ListServices())),
    )
    expect(other).toEqual(one)
    expect(one?.services.length).toBeGreaterThan(10)
  })

  it('does not start when its module does not, says why, and listens nowhere', { timeout: 60_000 }, async () => {
    const modules: [string, RegExp][] = [
      ['./nowhere.js', /its module cannot be loaded: Cannot find module/],
      ['data:text/javascript,throw new Error("early")', /its module cannot be loaded: early/],
      ['data:text/javascript,export const nothing = 1', /its module has no function as its default export/],
      ['data:text/javascript,export default () => { throw new Error("late") }', /its module's function failed: late/],
      ['data:text/javascript,export default (s) => s.register(class {}, () => 1)', /is no command class/],
      ['data:text/javascript,export default () => 5', /returned a number that has neither/],
      ['data:text/javascript,export const options = { comands: [] }; export default () => {}', /has no option comands: is commands meant/],
      ['data:text/javascript,process.exit(0)', /exit code 0 before its module was ready/],
      ['data:text/javascript,await new Promise(() => {})', /exit code 13 before its module was ready/],
    ]
    for (const [address, words] of modules) {
      const services = new URL(address, import.meta.url)
      const server = rpc.server({ rep: LOCAL, services, threads: { count: 2, execArgv: TYPESCRIPT } })
      const error = await failureOf(server.start())
      expect(error).toMatchObject({ code: 'THREAD_FAILED', message: expect.stringMatching(words) })
      expect(error.message).toContain(services.href)
      expect(server.endpoints).toEqual([])
      await server.stopped
    }
  })

  it('does not start with a command that is served here already', async () => {
    const server = rpc.server({ rep: LOCAL, services: SERVICES, threads: { count: 1, execArgv: TYPESCRIPT } })
    server.register(Greet, () => '')
    expect(await failureOf(server.start())).toMatchObject({ code: 'BAD_REGISTRATION', message: expect.stringContaining('"Greet"') })
  })

  it('refuses options that do not go together', () => {
    const bad: [Partial<RpcServerOptions>, RegExp][] = [
      [{ threads: 2 }, /there is none: services is its address/],
      [{ services: SERVICES }, /threads says how many/],
      [{ services: SERVICES, threads: 0 }, /not a whole number from 1/],
      [{ services: './services.js', threads: 1 }, /not the address of a module/],
      [{ services: SERVICES, threads: 1, interceptors: [] }, /interceptors do not reach into threads/],
      [{ services: SERVICES, threads: { count: 1, replaceBlokedMs: 1 } as ThreadsOptions }, /is replaceBlockedMs meant/],
    ]
    for (const [options, words] of bad) expect(() => new RpcServer({ rep: LOCAL, ...options })).toThrow(words)
  })

  it('says that it was stopped when it is, while its threads start', async () => {
    const server = rpc.server({ rep: LOCAL, services: SERVICES, threads: { count: 2, execArgv: TYPESCRIPT } })
    const start = failureOf(server.start())
    await server.stop({ drainMs: 0 })
    expect((await start).code).toBe('CLOSED')
  })

  it('waits for calls of its threads when it stops, and then closes what its module made', async () => {
    const server = await serve()
    const client = rpc.client({ req: server.endpoints, retry: false })
    const spin = client.execute(new Spin(200))
    await until(() => server.stats().running === 1, 'it runs')
    const [thread] = await Promise.all([spin, server.stop()])
    expect(thread).toBeGreaterThan(0)
  })

  it('stops in spite of a service that blocks its thread for ever', async () => {
    const server = await serve()
    const client = rpc.client({ req: server.endpoints, retry: false })
    const spin = failureOf(client.execute(new Spin(1e9)))
    await until(() => server.stats().running === 1, 'it runs')
    const began = performance.now()
    await server.stop({ drainMs: 50 })
    expect(performance.now() - began).toBeLessThan(8000)
    expect((await spin).code).toBe('CONNECTION_LOST')
  })

  it('replaces a thread that is blocked when nobody waits for what it does, and not before', async () => {
    const server = await serve({ threads: { count: 1, replaceBlockedMs: 200 } })
    const failed = rpc.hear('zmq-rpc:thread:failed')
    const client = rpc.client({ req: server.endpoints, retry: false })
    const { thread } = await client.execute(new WhoAmI())
    // Longer than it may be blocked, but somebody waits.
    expect(await client.execute(new Spin(600))).toBe(thread)
    expect((await failureOf(client.execute(new Spin(1e9), { timeoutMs: 100 }))).code).toBe('TIMED_OUT')
    const [event] = await failed.atLeast(1)
    expect(event?.error.message).toContain('a service has blocked it, and nobody has waited for anything it does for 200 ms')
    expect((await client.execute(new WhoAmI())).thread).not.toBe(thread)
    expect(failed.events.length).toBe(1)
  })

  it('does not replace one whose service only waits', async () => {
    const server = await serve({ threads: { count: 1, replaceBlockedMs: 50 } })
    const failed = rpc.hear('zmq-rpc:thread:failed')
    const client = rpc.client({ req: server.endpoints, retry: false })
    expect((await failureOf(client.execute(new Wait('w', 300), { timeoutMs: 50 }))).code).toBe('TIMED_OUT')
    await until(() => server.stats().running === 0, 'it has ended')
    expect(failed.events).toEqual([])
  })

  it('starts threads that die again and again less and less often', async () => {
    const server = await serve()
    const failed = rpc.hear('zmq-rpc:thread:failed')
    const client = rpc.client({ req: server.endpoints, retry: false })
    for (let n = 0; n < 3; n++) await failureOf(client.execute(new Crash('exits well')))
    const waits = (await failed.atLeast(3)).map(({ retryMs }) => retryMs as number)
    expect(waits[0]).toBeLessThan(waits[1] as number)
    expect(waits[1]).toBeLessThan((waits[2] as number) + 100)
    expect(await client.execute(new Greet('again'))).toBe('Hello again')
  })

  it('loses only the thread that is out of memory', { timeout: 60_000 }, async () => {
    const server = await serve({ threads: { count: 2, resourceLimits: { maxOldGenerationSizeMb: 100 } } })
    const client = rpc.client({ req: server.endpoints, retry: false, timeoutMs: 40_000 })
    const error = await failureOf(client.execute(new Crash('runs out of memory')))
    expect(error.message).toContain('it was out of memory')
    expect(await client.execute(new Greet('still'))).toBe('Hello still')
  })
})

async function* numbers(count: number): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) yield n
}

class Echo2 extends Echo {
  static override readonly commandName: string = 'Echo2'
}
