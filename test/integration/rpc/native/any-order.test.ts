/**
 * The life of calls as a property: whatever comes when (the reply, an error, a time-out, the caller giving up, a lost or silent
 * connection, the server draining and coming back, the client closing), each call ends exactly once, with what it should have or a
 * named error, the service is told when nobody waits, and nothing is left on either side.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Command, ERROR_CODES, RpcClient, RpcServer, ZmqRpcError } from '../../../../src/index.ts'
import { simulate } from '../../../../src/testing/index.ts'

class Work extends Command<number | AsyncIterable<number>> {
  id = 0
  /** How long the service takes, ms. */
  tookMs = 0
  how: 'answers' | 'throws' | 'streams' | 'answers at once' = 'answers'
}

class Again extends Work {
  static readonly idempotent = true
}

interface PlannedCall {
  atMs: number
  tookMs: number
  timeoutMs: number
  abortAfterMs: number | undefined
  how: Work['how']
  repeatable: boolean
  /** Items of a stream that are read before its reader leaves. */
  reads: number
}

type Disturbance = { atMs: number; what: 'cut' | 'silence' | 'drop' | 'stop' | 'crash'; forMs: number }

const call: fc.Arbitrary<PlannedCall> = fc.record({
  atMs: fc.nat(300),
  tookMs: fc.nat(120),
  timeoutMs: fc.integer({ min: 1, max: 200 }),
  abortAfterMs: fc.option(fc.nat(120), { nil: undefined }),
  how: fc.constantFrom('answers', 'throws', 'streams', 'answers at once'),
  repeatable: fc.boolean(),
  reads: fc.nat(8),
})

const disturbance: fc.Arbitrary<Disturbance> = fc.record({
  atMs: fc.nat(350),
  what: fc.constantFrom('cut', 'silence', 'drop', 'stop', 'crash'),
  forMs: fc.integer({ min: 1, max: 150 }),
})

const plan = fc.record({
  seed: fc.nat(),
  latencyMs: fc.nat(20),
  calls: fc.array(call, { minLength: 1, maxLength: 12 }),
  disturbances: fc.array(disturbance, { maxLength: 3 }),
  closeAtMs: fc.option(fc.nat(400), { nil: undefined }),
  maxConcurrentCalls: fc.constantFrom(1, 3, 1000),
  maxQueuedCalls: fc.constantFrom(0, 2, 1000),
})

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('calls, whatever comes in whatever order', () => {
  it('each ends once, with its result or a named error, and nothing is left of it', { timeout: 120_000 }, async () => {
    const property = fc.asyncProperty(plan, async (planned) => {
      const { seed, latencyMs, calls, disturbances, closeAtMs, maxConcurrentCalls, maxQueuedCalls } = planned
      await simulate(
        async (network) => {
          /** Runs of each call; of those, which its caller may still be told that they did not happen. */
          const runs = new Map<number, number>()
          const servers: RpcServer[] = []
          const start = async (): Promise<void> => {
            const server = new RpcServer({ rep: 'tcp://*:30000', maxConcurrentCalls, maxQueuedCalls })
            for (const kind of [Work, Again]) server.register(kind, (work, { signal }) => serve(work, signal))
            servers.push(server)
            await server.start()
          }
          const serve = (work: Work, signal: AbortSignal): never => {
            runs.set(work.id, (runs.get(work.id) ?? 0) + 1)
            if (work.how === 'answers at once') return work.id as never
            return answer(work, signal) as never
          }
          const answer = async ({ id, how, tookMs }: Work, signal: AbortSignal): Promise<number | AsyncIterable<number>> => {
            // A service that listens ends with its call: one that was not told would be left running below.
            await Promise.race([later(tookMs), new Promise((resolve) => signal.addEventListener('abort', resolve))])
            if (how === 'throws') throw new Error(`call ${id} fails`)
            return how === 'streams' ? count(id) : id
          }
          const host = network.host('server')
          await host.run(start)
          const client = network.host('client').run(() => new RpcClient({ req: 'tcp://server:30000', maxQueued: 8 }))

          const disturb = async ({ atMs, what, forMs }: Disturbance): Promise<void> => {
            await later(atMs)
            const link = network.link('client', 'server')
            if (what === 'drop') {
              link.drop()
              return
            }
            if (what === 'cut' || what === 'silence') {
              link.cut({ silent: what === 'silence' })
              await later(forMs)
              link.heal()
              return
            }
            const last = servers.at(-1)
            if (!last?.running) return
            if (what === 'stop') await last.stop({ drainMs: forMs })
            else {
              // Nothing of it goes on, and nothing of it counts.
              servers.length = 0
              host.crash()
            }
            await later(forMs)
            if (what === 'crash') await host.restart(start)
            else await host.run(start)
          }
          const make = async (one: PlannedCall, id: number): Promise<void> => {
            await later(one.atMs)
            const command = Object.assign(one.repeatable ? new Again() : new Work(), { id, how: one.how, tookMs: one.tookMs })
            const signal = one.abortAfterMs === undefined ? undefined : AbortSignal.timeout(one.abortAfterMs)
            try {
              const result = await client.execute(command, { timeoutMs: one.timeoutMs, signal })
              expect(one.how).not.toBe('throws')
              if (one.how !== 'streams') return expect(result).toBe(id)
              let next = 0
              for await (const item of result as AsyncIterable<number>) {
                expect(item).toBe(id + next)
                if (++next > one.reads) break
              }
            } catch (error) {
              if (!(error instanceof ZmqRpcError)) throw error
              expect(Object.keys(ERROR_CODES)).toContain(error.code)
              if (error.code === 'SERVICE_FAILED') expect(one.how).toBe('throws')
              if (error.started === 'no') expect(runs.get(id) ?? 0, error.message).toBe(0)
              if (error.started === 'yes') expect(runs.get(id) ?? 0, error.message).toBeGreaterThan(0)
            }
            if (!one.repeatable) expect(runs.get(id) ?? 0).toBeLessThanOrEqual(1)
          }
          const closing = closeAtMs === undefined ? undefined : later(closeAtMs).then(() => client.close())
          await Promise.all([...calls.map(make), ...disturbances.map((one) => disturb(one).catch(bindAgain)), closing])

          // Each call has ended; what the far end still has to notice, it notices within its heartbeats.
          await later(20_000)
          const { started, ended, queued, inFlight, streams } = client.stats()
          expect({ open: started - ended, queued, inFlight, streams }).toEqual({ open: 0, queued: 0, inFlight: 0, streams: 0 })
          for (const server of servers.filter(({ running }) => running)) {
            const left = server.stats()
            expect({ running: left.running, waiting: left.waiting, streams: left.streams }).toEqual({ running: 0, waiting: 0, streams: 0 })
          }
          await client.close()
          await Promise.all(servers.map((server) => server.stop({ drainMs: 0 })))
        },
        { seed, latencyMs },
      )
    })
    await fc.assert(property, { numRuns: 150 })
  })
})

/** Two disturbances may start the server at a time: the second finds the port taken. */
function bindAgain(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
}

async function* count(from: number): AsyncGenerator<number> {
  for (let n = 0; n < 5; n++) {
    await later(1)
    yield from + n
  }
}
