/** What clients and servers count: everything once, and all of it adds up. */

import { describe, expect, it } from 'vitest'
import { type ClientStats, Command, type FailureCounts, Health, type ServerStats } from '../../../src/index.ts'
import { Count, deferred, Echo, endpointOf, failureOf, Greet, Unknown, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()
const TCP = { rep: 'tcp://127.0.0.1:0' }

class Items extends Command<AsyncIterable<number>> {}

const sum = (failed: FailureCounts): number => Object.values(failed).reduce((all, count) => all + count, 0)

function addsUp(server: ServerStats, client: ClientStats): void {
  expect(server.received).toBe(server.ended + server.running + server.waiting)
  expect(client.started).toBe(client.ended + client.queued + client.inFlight)
  expect(sum(server.failed)).toBeLessThanOrEqual(server.ended)
  expect(sum(client.failed)).toBeLessThanOrEqual(client.ended)
}

describe('calls', () => {
  it('are counted as they end, by the code of their failures, the same on both sides', async () => {
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 100 }, (server) => {
      server.register(
        Count,
        ({ n }) => {
          if (n < 0) throw new Error('negative')
          return n
        },
        { allow: async () => true },
      )
      server.register(Items, () => new WeakMap() as never, { allow: 'nobody' })
    })
    const client = rpc.client({ req: endpointOf(server) })
    for (const n of [1, 2, -1, -2, -3]) await client.execute(new Count(n)).catch(() => {})
    await failureOf(client.execute(new Unknown()))
    await failureOf(client.execute(new Items()))
    const failed = { SERVICE_FAILED: 3, NO_SERVICE: 1, NOT_ALLOWED: 1 }
    expect(server.stats()).toMatchObject({ received: 7, started: 5, ended: 7, running: 0, waiting: 0, streams: 0, connections: 1, failed })
    expect(client.stats()).toMatchObject({ started: 7, ended: 7, queued: 0, inFlight: 0, streams: 0, subscribers: 0, failed })
    expect(client.stats().servers).toEqual([
      { endpoint: endpointOf(server), connected: true, available: true, dialect: 'native', queued: 0, inFlight: 0 },
    ])
    addsUp(server.stats(), client.stats())
  })

  it('are running, waiting, queued and in flight in the meantime', async () => {
    const go = deferred()
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 2, maxQueuedCalls: 3 }, (server) =>
      server.register(Count, () => go.promise.then(() => 1)),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const calls = Array.from({ length: 8 }, () => client.execute(new Count()).catch((error: Error) => error))
    expect(client.stats()).toMatchObject({ started: 8, ended: 0, queued: 8, inFlight: 0 })
    await until(() => client.stats().ended === 3, 'those that are too many are refused')
    expect(server.stats()).toMatchObject({ received: 8, started: 2, ended: 3, running: 2, waiting: 3, failed: { OVERLOADED: 3 } })
    expect(client.stats()).toMatchObject({ started: 8, ended: 3, queued: 0, inFlight: 5, failed: { OVERLOADED: 3 } })
    addsUp(server.stats(), client.stats())
    go.resolve()
    await Promise.all(calls)
    expect(server.stats()).toMatchObject({ started: 5, ended: 8, running: 0, waiting: 0 })
  })

  it('that are given up when their metadata comes are counted once', async () => {
    const server = await rpc.started(TCP, (server) =>
      server.register(Count, ({ n }, { replyMetadata }) => {
        replyMetadata['cost'] = '1'
        return n
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const controller = new AbortController()
    const call = client.execute(new Count(1), { signal: controller.signal, onMetadata: () => controller.abort() })
    expect(await failureOf(call)).toMatchObject({ code: 'ABORTED' })
    expect(client.stats()).toMatchObject({ started: 1, ended: 1, failed: { ABORTED: 1 } })
    addsUp(server.stats(), client.stats())
  })

  it('that were given up are counted by why, whether they ran, or waited', async () => {
    const go = deferred()
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 1 }, (server) => server.register(Count, () => go.promise.then(() => 1)))
    const client = rpc.client({ req: endpointOf(server) })
    const giveUp = new AbortController()
    const running = failureOf(client.execute(new Count(), { signal: giveUp.signal }))
    await until(() => server.stats().running === 1, 'one runs')
    const waiting = failureOf(client.execute(new Count(), { signal: giveUp.signal }))
    await until(() => server.stats().waiting === 1, 'one waits')
    giveUp.abort()
    await Promise.all([running, waiting])
    await until(() => server.stats().waiting === 0, 'it waits no more')
    // The service goes on, whoever waits for it.
    expect(server.stats()).toMatchObject({ received: 2, started: 1, ended: 1, running: 1, failed: { ABORTED: 1 } })
    go.resolve()
    await until(() => server.stats().running === 0, 'it has ended')
    expect(server.stats()).toMatchObject({ ended: 2, failed: { ABORTED: 2 } })
    expect(client.stats()).toMatchObject({ ended: 2, failed: { ABORTED: 2 } })
    addsUp(server.stats(), client.stats())
  })

  it('of Python and of publishers are counted, too; heartbeats are not', async () => {
    const publisher = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await publisher.ready()
    const server = await rpc.started({ ...TCP, sub: publisher.publishEndpoint as string })
    const client = rpc.client({ req: endpointOf(server), dialect: 'pyzmqrpc3' })
    await client.execute(new Greet())
    await failureOf(client.execute(new Unknown()))
    await publisher.ready({ subscribers: 1 })
    await publisher.sendHeartbeat()
    await publisher.publish(new Greet())
    await until(() => server.stats().ended === 3, 'all have ended')
    expect(server.stats()).toMatchObject({ received: 3, started: 2, failed: { NO_SERVICE: 1 } })
    expect(publisher.stats()).toMatchObject({ started: 0, subscribers: 1, servers: [] })
  })

  it('of a server that is away are queued; what fails there is counted as well', async () => {
    const client = rpc.client({ req: 'tcp://127.0.0.1:1' })
    expect(await failureOf(client.execute(new Greet(), { timeoutMs: 30 }))).toMatchObject({ code: 'NOT_CONNECTED' })
    expect(client.stats()).toMatchObject({
      started: 1,
      ended: 1,
      failed: { NOT_CONNECTED: 1 },
      servers: [{ connected: false, available: false }],
    })
    // What was never taken on is not counted.
    await failureOf(client.execute(new Greet(), { timeoutMs: -1 }))
    expect(client.stats().started).toBe(1)
  })
})

describe('a call that was not sent', () => {
  it.each([
    ['whose time is over', 'NOT_CONNECTED', () => ({ timeoutMs: 30 }), () => {}],
    ['that was given up', 'ABORTED', () => ({ signal: AbortSignal.timeout(30) }), () => {}],
    ['whose client was closed', 'CLOSED', () => ({}), (close: () => void) => setImmediate(close)],
  ])('%s says that it was not carried out', async (_name, code, options, then) => {
    const client = rpc.client({ req: 'tcp://127.0.0.1:1' })
    const error = failureOf(client.execute(new Greet(), options()))
    then(() => void client.close())
    expect(await error).toMatchObject({ code, started: 'no' })
    expect(client.stats()).toMatchObject({ started: 1, ended: 1, failed: { [code]: 1 } })
  })

  it('since too many are in flight says so, too', async () => {
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 1, maxQueuedCalls: 5000 }, (server) =>
      server.register(Count, () => new Promise<number>(() => {})),
    )
    const client = rpc.client({ req: endpointOf(server), maxQueued: 5000 })
    await client.ready()
    const calls = Array.from({ length: 1000 }, () => failureOf(client.execute(new Count())))
    expect(await failureOf(client.execute(new Count(), { timeoutMs: 30 }))).toMatchObject({ code: 'TIMED_OUT', started: 'no' })
    await client.close()
    expect((await calls[0])?.code).toBe('CLOSED')
    await Promise.all(calls)
  })
})

describe('streams', () => {
  it('are open as long as they are read, on both sides', async () => {
    const server = await rpc.started(TCP, (server) =>
      server.register(Items, async function* () {
        for (let n = 0; ; n++) yield n
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const items = await client.execute(new Items())
    expect(client.stats()).toMatchObject({ ended: 1, inFlight: 0, streams: 1 })
    await until(() => server.stats().streams === 1, 'it is open there')
    for await (const _item of items) break
    expect(client.stats().streams).toBe(0)
    await until(() => server.stats().streams === 0, 'it is closed there')
    addsUp(server.stats(), client.stats())
  })
})

describe('a server that stops', () => {
  it('counts what it turns away', async () => {
    const go = deferred()
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 1 }, (server) => server.register(Count, () => go.promise.then(() => 1)))
    const client = rpc.client({ req: endpointOf(server) })
    const first = client.execute(new Count())
    const second = failureOf(client.execute(new Count()))
    await until(() => server.stats().waiting === 1, 'one waits')
    const stopped = server.stop()
    expect(await second).toMatchObject({ code: 'SHUTTING_DOWN' })
    expect(client.stats().servers).toMatchObject([{ connected: true, available: false }])
    go.resolve()
    await Promise.all([first, stopped])
    expect(server.stats()).toMatchObject({ received: 2, started: 1, ended: 2, connections: 0, failed: { SHUTTING_DOWN: 1 } })
    addsUp(server.stats(), client.stats())
  })
})

describe('health', () => {
  it('tells the same numbers to whoever asks', async () => {
    const server = await rpc.started(TCP)
    const client = rpc.client({ req: endpointOf(server) })
    rpc.client({ req: endpointOf(server), dialect: 'pyzmqrpc3' })
    await until(() => server.stats().connections === 2, 'both are there')
    expect(await client.execute(new Health())).toMatchObject({ status: 'serving', running: 1, waiting: 0, clients: 2 })
    await client.execute(new Echo(1))
  })
})
