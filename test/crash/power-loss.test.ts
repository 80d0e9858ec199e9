/** A buffer on a disk whose power goes at random moments: what was not synced is gone, or there in part; what was accepted is carried out. */

import { describe, expect, it } from 'vitest'
import { CommandBuffer } from '../../src/rpc/buffer/command-buffer.ts'
import { SegmentLog } from '../../src/store/segment-log/segment-log.ts'
import { SimulatedDisk } from '../helpers/simulated-disk.ts'
import { commandToKeep, World } from '../unit/rpc/buffer/crashable.ts'

const CUTS = 15
const SEEDS = [1, 2]

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

describe('a buffer whose power goes', () => {
  it.each(SEEDS)(
    'has what it accepted carried out, once and in order (seed %i)',
    async (seed) => {
      const random = randomOf(seed)
      const world = new World(random)
      const accepted = new Map<string, number[]>()
      let [disk, outcomesDisk] = [new SimulatedDisk(random), new SimulatedDisk(random)]
      let n = 0
      for (let cut = 0; cut <= CUTS; cut++) {
        const farEnd = world.connect({ keepsOrder: cut % 2 === 0, changed: () => buffer.changed() })
        const [commands, outcomes] = [disk, outcomesDisk]
        const buffer: CommandBuffer = new CommandBuffer(
          {
            store: () => new SegmentLog({ path: '/commands', segmentBytes: 16 * 1024 }, commands),
            outcomes: () => new SegmentLog({ path: '/outcomes', segmentBytes: 16 * 1024, dedupeWindow: 0 }, outcomes),
            maxAttempts: 1000,
            backoffMs: [1, 10],
          },
          'test',
          () => [farEnd],
        )
        const last = cut === CUTS
        if (!last) {
          commands.faults.changesUntilEnd = 1 + Math.floor(random() * 200)
          outcomes.faults.changesUntilEnd = 1 + Math.floor(random() * 200)
        }
        const ended = Promise.race([commands.end, outcomes.end])
        const opened = await Promise.race([buffer.open().then(() => true), ended.then(() => false)])
        if (opened) {
          for (let left = last ? 0 : 100; left > 0; left--) {
            const lane = `lane ${n % 3}`
            const number = n++
            void buffer.accept(commandToKeep(number, lane)).then(
              () => accepted.set(lane, [...(accepted.get(lane) ?? []), number]),
              () => {},
            )
          }
        }
        if (last) {
          while (buffer.stats().waiting > 0) await new Promise((resolve) => setTimeout(resolve, 10))
          await buffer.close()
          break
        }
        await ended
        farEnd.gone()
        // Both go at once.
        ;[disk, outcomesDisk] = [commands.afterPowerCut(), outcomes.afterPowerCut()]
      }
      expect([...accepted.values()].flat().length).toBeGreaterThan(100)
      for (const [lane, numbers] of accepted) {
        const executed = (world.executed.get(lane) ?? []).map((id) => Number(id.slice(3)))
        expect(new Set(executed).size, 'once').toBe(executed.length)
        expect(
          executed.filter((number) => numbers.includes(number)),
          'in order',
        ).toEqual([...numbers].sort((a, b) => a - b))
      }
    },
    60_000,
  )
})
