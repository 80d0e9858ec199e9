/** Services in threads behind one endpoint: what callers see of it, and what they do not. */

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Health, ListServices, type RemoteError } from '../../../../src/index.ts'
import { Request } from '../../../../src/socket/index.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { DIALECTS, Echo, failureOf, Greet, toldBy, until, useRpc } from '../../../helpers/rpc.ts'
import { Block, Crash, Fail, ForKeepers, ForNight, ForNobody, Log, Note, Numbers, OutOfPaper, Spin, Wait, WhoAmI } from './commands.ts'
import { Gate } from './gate.ts'
import { SERVICES, serve } from './serve.ts'

const rpc = useRpc()

describe.each(DIALECTS)('services in threads, called in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('answer, beside those of the main thread', async () => {
    const server = await serve(rpc, { threads: { count: 2, data: { from: 'here' } } })
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
    const server = await serve(rpc)
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
    const server = await serve(rpc, { threads: 2 })
    const client = rpc.client({ req: server.endpoints })
    const threads = await Promise.all([client.execute(new Spin(200)), client.execute(new Spin(200))])
    expect(new Set(threads).size).toBe(2)
  })

  it.each(['throws', 'rejects', 'exits'] as const)('fail alone when their thread %s, and a new one takes its place', async (how) => {
    const server = await serve(rpc, { threads: 2 })
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
    const gate = new Gate()
    const server = await serve(rpc, { threads: { data: gate.memory } })
    server.register(Echo2, ({ value }) => value)
    const client = rpc.client({ req: server.endpoints })
    await client.execute(new Greet('x'))
    const blocked = client.execute(new Block())
    await client.execute(new Echo2(1))
    const pulse = new Request({ receiveTimeout: 5000 })
    rpc.defer(() => pulse.close())
    pulse.connect(server.endpoints[0] as string)
    await pulse.send('zmq_sub_heartbeat')
    expect(String(await pulse.receive())).toContain('200')
    if (dialect === 'native') expect((await client.execute(new Health())).running).toBe(2)
    gate.open()
    expect(await blocked).toBeGreaterThan(0)
  })

  it('hear of it when their caller is gone', async () => {
    const server = await serve(rpc)
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
    const server = await serve(rpc)
    const client = rpc.client({ req: server.endpoints, retry: false })
    const giveUp = new AbortController()
    const calls = [client.execute(new Wait('a'), { signal: giveUp.signal }), client.execute(new Wait('b'), { timeoutMs: 1000 })]
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
    const gate = new Gate()
    const server = await serve(rpc, { threads: { data: gate.memory } })
    const client = rpc.client({ req: server.endpoints, retry: false })
    // Until it is sent calls ahead.
    for (let n = 0; n < 8; n++) await client.execute(new Note('warm'))
    const giveUp = new AbortController()
    const block = client.execute(new Block())
    const calls = ['x', 'y'].map((text) => failureOf(client.execute(new Note(text), { signal: giveUp.signal })))
    const late = failureOf(client.execute(new Note('late'), { timeoutMs: 50 }))
    expect((await late).code).toBe('TIMED_OUT')
    giveUp.abort()
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(['ABORTED', 'ABORTED'])
    // The server has heard of it before this one.
    await client.execute(new Health())
    gate.open()
    await block
    expect(new Set(await client.execute(new Log()))).toEqual(new Set(['warm']))
  })

  it('are carried out by another thread when theirs ends before it comes to them', async () => {
    const server = await serve(rpc, { threads: 1 })
    const client = rpc.client({ req: server.endpoints, retry: false })
    for (let n = 0; n < 8; n++) await client.execute(new Greet('warm'))
    const crash = failureOf(client.execute(new Crash('exits', 100)))
    const greetings = Array.from({ length: 20 }, (_, n) => client.execute(new Greet(String(n))))
    expect((await crash).code).toBe('THREAD_FAILED')
    expect(await Promise.all(greetings)).toEqual(Array.from({ length: 20 }, (_, n) => `Hello ${n}`))
  })

  it('that wait for a thread are turned away when too many do, and the server says so at once', async () => {
    const gate = new Gate()
    const server = await serve(rpc, { maxQueuedCalls: 2, threads: { data: gate.memory } })
    const client = rpc.client({ req: server.endpoints, retry: false })
    const calls = Array.from({ length: 5 }, () =>
      client.execute(new Block()).then(
        () => 'let go',
        ({ code }) => code,
      ),
    )
    expect(await Promise.race(calls)).toBe('OVERLOADED')
    gate.open()
    expect((await Promise.all(calls)).sort()).toEqual(['OVERLOADED', 'OVERLOADED', 'let go', 'let go', 'let go'])
  })

  it('do not wait behind one that computes while another thread is free', async () => {
    const gate = new Gate()
    const server = await serve(rpc, { threads: { count: 2, data: gate.memory } })
    const client = rpc.client({ req: server.endpoints })
    for (let n = 0; n < 20; n++) await client.execute(new Greet('warm'))
    const long = client.execute(new Block())
    // Until it is known that the thread does not take more.
    await sleep(50)
    const threads = await Promise.all(Array.from({ length: 5 }, () => client.execute(new Spin(5))))
    gate.open()
    expect(threads).not.toContain(await long)
    expect(new Set(threads).size).toBe(1)
  })

  it('bring principal, roles and metadata, and take metadata back', async () => {
    const users = { owl: { password: 'o', roles: ['keepers'] } }
    const server = await serve(rpc, { auth: { users } })
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
    const server = await serve(rpc, { auth: { authenticate } })
    const client = rpc.client({ req: server.endpoints, credentials: { username: 'owl', password: 'o' } })
    expect(await client.execute(new WhoAmI())).toMatchObject({ username: 'owl', roles: ['keepers'] })
  })

  it('go by the rules of the server and of the module, functions included', async () => {
    const users = { owl: { password: 'o' }, hen: { password: 'h', roles: ['keepers'] } }
    const server = await serve(rpc, { auth: { users }, allow: { users: ['hen'] } })
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
    const server = await serve(rpc)
    const client = rpc.client({ req: server.endpoints, retry: false })
    const idempotencyKey = 'once'
    const answers = [await client.execute(new Note('n'), { idempotencyKey }), await client.execute(new Note('n'), { idempotencyKey })]
    expect(answers).toEqual([1, 1])
    expect((await failureOf(client.execute(new Greet('x'), { idempotencyKey }))).code).toBe('CONFLICT')
    expect((await failureOf(client.execute(new Wait('w', 50), { idempotencyKey: 'w', timeoutMs: 500 }))).code).toBe('TIMED_OUT')
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
    const server = await serve(rpc, { idempotency: { path: temporaryFolder(), interrupted: 'refuse' } })
    const client = rpc.client({ req: server.endpoints, retry: false })
    const idempotencyKey = 'once'
    const codes: (string | undefined)[] = []
    for (let n = 0; n < 2; n++) codes.push((await failureOf(client.execute(new Crash('exits'), { idempotencyKey }))).code)
    expect(codes).toEqual(['THREAD_FAILED', 'INTERRUPTED'])
    expect(await client.execute(new Note('n'), { idempotencyKey: 'n' })).toBe(1)
    expect(await client.execute(new Note('n'), { idempotencyKey: 'n' })).toBe(1)
  })
})

class Echo2 extends Echo {
  static override readonly commandName: string = 'Echo2'
}
