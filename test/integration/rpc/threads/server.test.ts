/** A server whose services are in threads: how it starts and stops, and what it does about threads that fail. */

import { describe, expect, it } from 'vitest'
import { ListServices, RpcServer, type RpcServerOptions, type ThreadsOptions } from '../../../../src/index.ts'
import { failureOf, Greet, until, useRpc } from '../../../helpers/rpc.ts'
import { TYPESCRIPT } from '../../../helpers/typescript.ts'
import { Block, Crash, Spin, Wait, WhoAmI } from './commands.ts'
import { Gate } from './gate.ts'
import { LOCAL, SERVICES, serve } from './serve.ts'
import registerAll, { options as moduleOptions } from './services.ts'

const rpc = useRpc()

describe('a server with threads', () => {
  it('tells the same of its services as one without', async () => {
    const plain = rpc.server({ rep: LOCAL, ...moduleOptions })
    await registerAll(plain, { data: undefined, index: 0 })
    await plain.start()
    const threaded = await serve(rpc)
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
    const gate = new Gate()
    const server = await serve(rpc, { threads: { data: gate.memory } })
    const client = rpc.client({ req: server.endpoints, retry: false })
    const block = client.execute(new Block())
    await until(() => server.stats().running === 1, 'it runs')
    const stopped = server.stop()
    gate.open()
    expect(await block).toBeGreaterThan(0)
    await stopped
  })

  it('stops in spite of a service that blocks its thread for ever', async () => {
    const server = await serve(rpc)
    const client = rpc.client({ req: server.endpoints, retry: false })
    const spin = failureOf(client.execute(new Spin(1e9)))
    await until(() => server.stats().running === 1, 'it runs')
    const began = performance.now()
    await server.stop({ drainMs: 50 })
    expect(performance.now() - began).toBeLessThan(8000)
    expect((await spin).code).toBe('CONNECTION_LOST')
  })

  it('replaces a thread that is blocked when nobody waits for what it does, and not before', async () => {
    const server = await serve(rpc, { threads: { count: 1, replaceBlockedMs: 200 } })
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
    const server = await serve(rpc, { threads: { count: 1, replaceBlockedMs: 400 } })
    const failed = rpc.hear('zmq-rpc:thread:failed')
    const client = rpc.client({ req: server.endpoints, retry: false })
    expect((await failureOf(client.execute(new Wait('w', 900), { timeoutMs: 100 }))).code).toBe('TIMED_OUT')
    await until(() => server.stats().running === 0, 'it has ended')
    expect(failed.events).toEqual([])
  })

  it('starts threads that die again and again less and less often', async () => {
    const server = await serve(rpc)
    const failed = rpc.hear('zmq-rpc:thread:failed')
    const client = rpc.client({ req: server.endpoints, retry: false })
    for (let n = 0; n < 3; n++) await failureOf(client.execute(new Crash('exits well')))
    const waits = (await failed.atLeast(3)).map(({ retryMs }) => retryMs as number)
    expect(waits[0]).toBeLessThan(waits[1] as number)
    expect(waits[1]).toBeLessThan((waits[2] as number) + 100)
    expect(await client.execute(new Greet('again'))).toBe('Hello again')
  })

  it('loses only the thread that is out of memory', { timeout: 60_000 }, async () => {
    const server = await serve(rpc, { threads: { count: 2, resourceLimits: { maxOldGenerationSizeMb: 100 } } })
    const client = rpc.client({ req: server.endpoints, retry: false, timeoutMs: 40_000 })
    const error = await failureOf(client.execute(new Crash('runs out of memory')))
    expect(error.message).toContain('it was out of memory')
    expect(await client.execute(new Greet('still'))).toBe('Hello still')
  })
})
