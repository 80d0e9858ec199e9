/** Whatever happens in whatever order: what was accepted ends once, is carried out once, and in the order of its lane. */

import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CommandBuffer } from '../../../../src/rpc/buffer/command-buffer.ts'
import { MemoryStore } from '../../../../src/store/memory-store.ts'
import { simulate } from '../../../../src/testing/index.ts'
import { commandToKeep, crashable, World } from './crashable.ts'

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('accept' as const),
      lane: fc.integer({ min: 0, max: 3 }),
      count: fc.integer({ min: 1, max: 20 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 200 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('down' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('up' as const) }) },
)

const numberOf = (id: string): number => Number(id.slice(3))

describe('a buffer, whatever happens', () => {
  it.each([
    ['one after the other', false],
    ['many of a lane on the way at a time', true],
  ])(
    'carries out what it accepted, once and in order: %s',
    async (_, keepsOrder) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), fc.integer(), (steps, seed) =>
          simulate(
            async () => {
              const world = new World(() => Math.random())
              const disks = { store: new MemoryStore(), outcomes: new MemoryStore({ dedupeWindow: 0 }) }
              const slowly = (): Promise<unknown> => sleep(Math.floor(Math.random() * 4))
              let run = begin()
              function begin() {
                const [store, outcomes] = [crashable(disks.store, slowly), crashable(disks.outcomes, slowly)]
                const farEnd = world.connect({ keepsOrder, changed: () => buffer.changed() })
                const buffer: CommandBuffer = new CommandBuffer(
                  { store: () => store.store, outcomes: () => outcomes.store, maxAttempts: 1000, backoffMs: [5, 50] },
                  'test',
                  () => [farEnd],
                )
                // So small that hardly anything of a lane is in memory.
                Object.assign(buffer.settings, { window: { commands: 12, bytes: 1e6, mostOfLane: 4, leastOfLane: 2, read: 3 } })
                return { buffer, farEnd, store, outcomes, opened: buffer.open() }
              }
              const crash = (): void => {
                run.farEnd.gone()
                run.store.crash()
                run.outcomes.crash()
              }
              const accepted = new Map<string, string[]>()
              let n = 0
              for (const one of steps) {
                if (one.kind === 'accept') {
                  const { opened, buffer } = run
                  for (let left = one.count; left > 0; left--) {
                    const lane = `lane ${one.lane}`
                    const command = commandToKeep(n++, lane)
                    void opened
                      .then(() => buffer.accept(command))
                      .then(
                        () => accepted.set(lane, [...(accepted.get(lane) ?? []), command.id]),
                        () => {},
                      )
                  }
                  await sleep(1)
                } else if (one.kind === 'wait') await sleep(one.ms)
                else if (one.kind === 'crash') {
                  await run.opened
                  crash()
                  run = begin()
                } else if (one.kind === 'close') {
                  await run.opened
                  await run.buffer.close(10)
                  run = begin()
                } else {
                  world.up = one.kind === 'up'
                  run.buffer.changed()
                }
              }
              world.up = true
              await run.opened
              run.buffer.changed()
              await sleep(100)
              while (run.buffer.stats().waiting > 0) await sleep(100)
              await sleep(100)
              for (const [lane, ids] of accepted) {
                const executed = world.executed.get(lane) ?? []
                expect(new Set(executed).size, 'once per key').toBe(executed.length)
                // One that was not acknowledged may have been kept all the same.
                expect(
                  executed.filter((id) => ids.includes(id)),
                  'in order',
                ).toEqual([...ids].sort((a, b) => numberOf(a) - numberOf(b)))
              }
              for (const id of [...accepted.values()].flat()) {
                const standing = await run.buffer.standing(id)
                expect(standing?.state).toMatch(/^(executed|failed)$/)
              }
              await run.buffer.close()
            },
            { seed, limitMs: 3_600_000 },
          ),
        ),
        { numRuns: Number(process.env['RUNS'] ?? 100) },
      )
    },
    60_000,
  )
})
