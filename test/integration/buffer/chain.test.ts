/**
 * The whole: clients, two proxies with buffers one behind the other, a server that remembers on disk, on a network that breaks, with crashes of
 * each of them. What was accepted is carried out once, in the order of its lane, and its caller can have what came of it.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BufferStore, Command, type Receipt, RpcClient, RpcProxy, RpcServer, type ZmqRpcError } from '../../../src/index.ts'
import { MemoryStore, simulate } from '../../../src/testing/index.ts'

class Note extends Command<number> {
  n = 0
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What a crash leaves of a store: all that was said to be on disk. */
function disk(limits: ConstructorParameters<typeof MemoryStore>[0] = {}): () => BufferStore {
  const memory = new MemoryStore(limits)
  return () => {
    void memory.close()
    return memory
  }
}

const HOSTS = ['first', 'second', 'server'] as const
const LINKS = [
  ['client', 'first'],
  ['first', 'second'],
  ['second', 'server'],
] as const

const plan = fc.record({
  seed: fc.nat(),
  latencyMs: fc.nat(10),
  submissions: fc.array(fc.record({ atMs: fc.nat(2000), lane: fc.constantFrom(undefined, 'a', null), tookMs: fc.nat(30) }), {
    minLength: 1,
    maxLength: 30,
  }),
  disturbances: fc.array(
    fc.oneof(
      fc.record({ atMs: fc.nat(2500), what: fc.constant('crash' as const), host: fc.constantFrom(...HOSTS), forMs: fc.nat(300) }),
      fc.record({
        atMs: fc.nat(2500),
        what: fc.constantFrom('cut' as const, 'silence' as const),
        link: fc.constantFrom(...LINKS),
        forMs: fc.nat(300),
      }),
    ),
    { maxLength: 5 },
  ),
})

describe('a chain of buffers, whatever breaks', () => {
  it('carries out once, and in order, what it has accepted', { timeout: 120_000 }, async () => {
    const property = fc.asyncProperty(plan, async ({ seed, latencyMs, submissions, disturbances }) => {
      await simulate(
        async (network) => {
          const ran: number[] = []
          let runs = 0
          const buffers = {
            first: { store: disk(), outcomes: disk({ dedupeWindow: 0 }) },
            second: { store: disk(), outcomes: disk({ dedupeWindow: 0 }) },
          }
          const answers = disk()
          const proxy = async (name: 'first' | 'second', req: string): Promise<RpcProxy> => {
            const made = new RpcProxy({ rep: 'tcp://*:30000', req, buffer: { ...buffers[name], name, maxAttempts: 1000 } })
            await made.start()
            return made
          }
          const starts: Record<(typeof HOSTS)[number], () => Promise<RpcProxy | RpcServer>> = {
            first: () => proxy('first', 'tcp://second:30000'),
            second: () => proxy('second', 'tcp://server:30000'),
            server: async () => {
              const server = new RpcServer({ rep: 'tcp://*:30000', idempotency: { store: answers, interrupted: 'again' } })
              server.register(Note, async ({ n }) => {
                await later(submissions[n]?.tookMs ?? 0)
                // The effect, last of all, where nothing is forgotten.
                runs++
                if (!ran.includes(n)) ran.push(n)
                return n * 2
              })
              await server.start()
              return server
            },
          }
          const running = new Map<string, RpcProxy | RpcServer>()
          for (const host of HOSTS) running.set(host, await network.host(host).run(starts[host]))
          const client = network.host('client').run(() => new RpcClient({ req: 'tcp://first:30000', timeoutMs: 60_000 }))

          const disturb = async (one: (typeof disturbances)[number]): Promise<void> => {
            await later(one.atMs)
            if (one.what === 'crash') {
              if (!running.delete(one.host)) return
              network.host(one.host).crash()
              await later(one.forMs)
              running.set(one.host, await network.host(one.host).restart(starts[one.host]))
            } else {
              const [from, to] = one.link
              const link = network.link(from, to)
              link.cut({ silent: one.what === 'silence' })
              await later(one.forMs)
              link.heal()
            }
          }
          const order: number[] = []
          const receipts: Receipt<number>[] = []
          const submit = async ({ atMs, lane }: (typeof submissions)[number], n: number): Promise<void> => {
            await later(atMs)
            order.push(n)
            receipts[n] = await client.submit(Object.assign(new Note(), { n }), { orderingKey: lane })
          }
          await Promise.all([...submissions.map(submit), ...disturbances.map(disturb)])
          const results = await Promise.all(
            receipts.map((receipt) =>
              client.result(receipt, { timeoutMs: 600_000 }).catch((error: unknown) => (error as ZmqRpcError).message),
            ),
          )
          expect(results).toEqual(submissions.map((_, n) => n * 2))
          // Twice only what its crash had cut off.
          if (!disturbances.some((one) => one.what === 'crash' && one.host === 'server')) expect(runs).toBe(ran.length)
          for (const lane of [undefined, 'a']) {
            const numbers = ran.filter((n) => submissions[n]?.lane === lane).map((n) => order.indexOf(n))
            expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
          }
          const report = await client.track(receipts[0] as Receipt<number>)
          expect([report.state, report.hops.map(({ by }) => by)]).toEqual(['executed', ['first', 'second']])
          await client.close()
          for (const one of running.values()) await one.stop({ drainMs: 0 })
        },
        { seed, latencyMs },
      )
    })
    await fc.assert(property, { numRuns: 40, interruptAfterTimeLimit: 60_000 })
  })
})
