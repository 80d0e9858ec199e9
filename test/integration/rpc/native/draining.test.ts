/** Servers that stop while clients go on: a fleet can be restarted, one server after the other, and no call fails. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Command, RpcClient, RpcProxy, RpcServer } from '../../../../src/index.ts'
import { KIND } from '../../../../src/rpc/dialect/native/header.ts'
import { encodeGoAway } from '../../../../src/rpc/dialect/native/message.ts'
import { simulate } from '../../../../src/testing/index.ts'
import { Count, deferred, endpointOf, failureOf, Greet, until, useRpc } from '../../../helpers/rpc.ts'
import { Source } from './source.ts'
import { outcomeOf, Stranger } from './stranger.ts'

const rpc = useRpc()

const TCP = { rep: 'tcp://127.0.0.1:0' }

class Sum extends Command<number> {
  numbers: AsyncIterable<unknown> = new Source(0)
}

/** Counts, and keeps account of which numbers it was asked for; some take a while. */
async function counting(rep: string, seen: number[]): Promise<RpcServer> {
  const server = new RpcServer({ rep }).register(Count, async ({ n }) => {
    seen.push(n)
    if (n % 3 === 0) await new Promise((resolve) => setTimeout(resolve, n % 17))
    return n
  })
  await server.start()
  return server
}

/** Goes on making calls until it is told to end; what they came to that went wrong. */
class Callers {
  readonly errors: unknown[] = []
  made = 0
  #going = true
  readonly #callers: Promise<void>[]

  constructor(client: RpcClient, count: number) {
    this.#callers = Array.from({ length: count }, async () => {
      while (this.#going) {
        const n = this.made++
        try {
          expect(await client.execute(new Count(n))).toBe(n)
        } catch (error) {
          this.errors.push(error)
        }
      }
    })
  }

  async end(): Promise<void> {
    this.#going = false
    await Promise.all(this.#callers)
  }
}

describe('two servers that are restarted by turns', () => {
  it.each([
    ['tcp', () => TCP.rep, true],
    ['tcp, without retries', () => TCP.rep, false],
    ['ipc, without retries', () => 'ipc://*', false],
  ])('carry out every call, and each once: %s', { timeout: 60_000 }, async (_name, endpoint, retries) => {
    const seen: number[] = []
    const servers = [await counting(endpoint(), seen), await counting(endpoint(), seen)] as [RpcServer, RpcServer]
    for (const index of [0, 1]) rpc.defer(() => servers[index as 0 | 1].stop())
    const client = rpc.client({ req: servers.map(endpointOf), ...(!retries && { retry: false }) })
    await client.ready()
    const callers = new Callers(client, 50)
    for (let restart = 0; restart < 8; restart++) {
      const which = (restart % 2) as 0 | 1
      const rep = endpointOf(servers[which])
      await servers[which].stop()
      servers[which] = await counting(rep, seen)
      await client.ready()
      const goal = callers.made + 200
      await until(() => callers.made > goal, 'calls go on')
    }
    await callers.end()
    expect(callers.errors).toEqual([])
    expect(seen.length).toBe(callers.made)
    expect(new Set(seen).size).toBe(callers.made)
    expect(client.stats()).toMatchObject({ queued: 0, inFlight: 0, failed: {} })
  })

  it('behind a proxy of ours do so, too', { timeout: 60_000 }, async () => {
    const seen: number[] = []
    const servers = [await counting(TCP.rep, seen), await counting(TCP.rep, seen)] as [RpcServer, RpcServer]
    for (const index of [0, 1]) rpc.defer(() => servers[index as 0 | 1].stop())
    const proxy = new RpcProxy({ ...TCP, req: servers.map(endpointOf) })
    rpc.defer(() => proxy.stop({ drainMs: 0 }))
    await proxy.start()
    const client = rpc.client({ req: proxy.endpoints[0] as string, retry: false })
    const watcher = rpc.client({ req: servers.map(endpointOf) })
    await watcher.ready()
    const callers = new Callers(client, 20)
    for (let restart = 0; restart < 4; restart++) {
      const which = (restart % 2) as 0 | 1
      const goal = callers.made + 100
      await until(() => callers.made > goal, 'calls go on')
      const rep = endpointOf(servers[which])
      await servers[which].stop()
      servers[which] = await counting(rep, seen)
      await watcher.ready()
      // The proxy connects by itself, no later than a second one that does the same.
      await until(() => seen.length > goal + 50, 'calls go on')
    }
    await callers.end()
    expect(callers.errors).toEqual([])
    expect(seen.length).toBe(callers.made)
  })
})

describe('a fleet on any network', () => {
  const course = fc.record({
    seed: fc.nat(),
    latencyMs: fc.constantFrom(0, 1, 20, 150),
    jitterMs: fc.constantFrom(0, 5, 60),
    servers: fc.integer({ min: 2, max: 4 }),
    clients: fc.integer({ min: 1, max: 4 }),
    callers: fc.integer({ min: 1, max: 12 }),
    pausesMs: fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 6 }),
  })

  it('carries out every call once, whenever its servers are restarted', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(course, async ({ seed, latencyMs, jitterMs, servers, clients, callers, pausesMs }) => {
        await simulate(
          async (network) => {
            const seen: number[] = []
            const start = (index: number): Promise<RpcServer> =>
              network.host(`server${index}`).run(() => counting('tcp://*:30000', seen)) as Promise<RpcServer>
            const fleet = await Promise.all(Array.from({ length: servers }, (_, index) => start(index)))
            const req = fleet.map((_, index) => `tcp://server${index}:30000`)
            const made = Array.from({ length: clients }, (_, index) =>
              network.host(`client${index}`).run(() => new RpcClient({ req, retry: false })),
            ) as RpcClient[]
            // Whoever operates a fleet stops a server when the others are in service, as both sides see it.
            const inService = async (): Promise<void> => {
              await Promise.all(made.map((client) => client.ready()))
              while (fleet.some((server) => server.stats().connections < clients)) await new Promise((resolve) => setTimeout(resolve, 1))
            }
            await inService()
            const busy = made.map((client) => new Callers(client, callers))
            for (const [restart, pauseMs] of pausesMs.entries()) {
              await new Promise((resolve) => setTimeout(resolve, pauseMs))
              const index = restart % servers
              await (fleet[index] as RpcServer).stop()
              fleet[index] = await start(index)
              await inService()
            }
            for (const one of busy) await one.end()
            const stats = made.map((client) => client.stats())
            for (const client of made) await client.close()
            for (const server of fleet) await server.stop()
            expect(busy.flatMap(({ errors }) => errors)).toEqual([])
            expect(seen.length).toBe(busy.reduce((sum, one) => sum + one.made, 0))
            expect(stats.map(({ queued, inFlight }) => queued + inFlight)).toEqual(made.map(() => 0))
          },
          { seed, latencyMs, jitterMs, chunking: 'random' },
        )
      }),
      { numRuns: 15 },
    )
  })
})

describe('a call that crosses with the word that its server stops', () => {
  const crossing = async (options: object = {}): Promise<{ client: RpcClient; stopping: RpcServer; seen: number[]; end: () => void }> => {
    const go = deferred()
    const seen: number[] = []
    const stopping = await rpc.started(TCP, (server) =>
      server.register(Count, async ({ n }) => {
        seen.push(n)
        await go.promise
        return n
      }),
    )
    const client = rpc.client({ req: endpointOf(stopping), retry: false, ...options })
    const first = client.execute(new Count(0))
    await until(() => seen.length === 1, 'the first is under way')
    const draining = rpc.hear('zmq-rpc:server:draining')
    void stopping.stop({ drainMs: 20_000 })
    rpc.defer(async () => {
      go.resolve()
      expect(await first).toBe(0)
      expect(draining.events).toEqual([{ endpoint: endpointOf(stopping) || draining.events[0]?.endpoint, reason: 'the server stops' }])
    })
    return { client, stopping, seen, end: () => go.resolve() }
  }

  it('fails at once, where there is no other server', async () => {
    const { client, seen } = await crossing()
    const error = await failureOf(client.execute(new Count(1)))
    expect(error).toMatchObject({ code: 'SHUTTING_DOWN', status: 503, command: 'Count', started: 'no', retrySafe: 'always' })
    expect(seen).toEqual([0])
  })

  it('fails where it has streamed already: what was streamed is gone', async () => {
    const other = await rpc.started(TCP)
    const { client, stopping } = await crossing()
    const both = rpc.client({ req: [endpointOf(stopping), endpointOf(other)], retry: false })
    void both
    const error = await failureOf(client.execute(Object.assign(new Sum(), { numbers: new Source(2) })))
    expect(error).toMatchObject({ code: 'SHUTTING_DOWN' })
  })

  it('one that comes later waits for the server to come back', async () => {
    const { client, stopping, end } = await crossing()
    const rep = endpointOf(stopping)
    await failureOf(client.execute(new Count(1)))
    expect(client.stats().servers[0]).toMatchObject({ connected: true, available: false })
    const late = client.execute(new Count(2))
    expect(await failureOf(client.execute(new Count(3), { timeoutMs: 30 }))).toMatchObject({
      code: 'TIMED_OUT',
      message: `[TIMED_OUT] command "Count" was not sent to ${rep} within 30 ms, nor executed: it is about to stop`,
    })
    end()
    await stopping.stopped
    await rpc.started({ rep })
    expect(await late).toBe(2)
  })
})

describe('a server that stops', () => {
  it('tells clients that come meanwhile, too', async () => {
    const go = deferred()
    const begun = deferred()
    const server = await rpc.started(TCP, (server) =>
      server.register(Count, async ({ n }) => {
        begun.resolve()
        await go.promise
        return n
      }),
    )
    const call = rpc.client({ req: endpointOf(server) }).execute(new Count(1))
    await begun.promise
    const endpoint = endpointOf(server)
    const stopped = server.stop({ drainMs: 20_000 })
    const other = await rpc.started(TCP)
    const newcomer = rpc.client({ req: [endpoint, endpointOf(other)], retry: false })
    await newcomer.ready()
    await until(() => newcomer.stats().servers[0]?.available === false, 'it has heard')
    for (let n = 0; n < 10; n++) expect(await newcomer.execute(new Count(n))).toBe(n)
    go.resolve()
    expect(await call).toBe(1)
    await stopped
  })

  it('does not wait long for clients that do not say that they have heard it, and answers what they still say', () =>
    rpc.virtually(async () => {
      const server = await rpc.started(TCP)
      const stranger = new Stranger(rpc, endpointOf(server))
      await stranger.probe()
      const start = performance.now()
      const stopped = server.stop({ drainMs: 20_000 })
      await stranger.call(1, 'Greet', { name: 'Ada' })
      expect(outcomeOf(await stranger.hear())).toBe(503)
      await stopped
      expect(performance.now() - start).toBeCloseTo(1000, 6)
    }))

  it('does not wait at all with drainMs 0, nor once all have said so', () =>
    rpc.virtually(async () => {
      const server = await rpc.started(TCP)
      const [stranger, client] = [new Stranger(rpc, endpointOf(server)), rpc.client({ req: endpointOf(server) })]
      await Promise.all([stranger.probe(), client.execute(new Greet())])
      const start = performance.now()
      const stopped = server.stop({ drainMs: 20_000 })
      await stranger.say(0, encodeGoAway({ reason: 'understood' }))
      await stopped
      expect(performance.now() - start).toBeLessThan(1)
      const deaf = await rpc.started(TCP)
      const other = new Stranger(rpc, endpointOf(deaf))
      await other.probe()
      const again = performance.now()
      await deaf.stop({ drainMs: 0 })
      expect(performance.now() - again).toBe(0)
    }))

  it('takes no word of parting before it stops', async () => {
    const server = await rpc.started(TCP)
    const stranger = new Stranger(rpc, endpointOf(server))
    await stranger.say(0, encodeGoAway({ reason: 'too early' }))
    await stranger.call(1, 'Greet', { name: 'Ada' })
    expect(await stranger.hear()).toMatchObject({ id: 1, kind: KIND.reply })
  })
})
