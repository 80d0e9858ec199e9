/** Whatever is done, and whenever the power goes or the process dies: what was promised is kept. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StoreError } from '../../../src/errors.ts'
import type { StoreEntry } from '../../../src/store/buffer-store.ts'
import { SegmentLog } from '../../../src/store/segment-log/segment-log.ts'
import { SimulatedDisk } from '../../helpers/simulated-disk.ts'

const ALL = { count: 1e9, bytes: 1e9 }

type Place = 'nowhere' | 'live' | 'dead'

/** What is known of one record: where it may be, which are several places while something is under way. */
interface Known {
  readonly id: string
  seq: number | undefined
  places: Set<Place>
}

type Step =
  | { readonly name: 'append'; readonly size: number }
  | { readonly name: 'ack' | 'deadLetter' | 'requeue' | 'dropDead'; readonly which: number }
  | { readonly name: 'ackUpTo'; readonly which: number }
  | { readonly name: 'wait' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ name: fc.constant('append' as const), size: fc.oneof(fc.nat(100), fc.nat(3000)) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      name: fc.constantFrom('ack', 'ack', 'deadLetter', 'requeue', 'dropDead'),
      which: fc.nat(1000),
    }) as fc.Arbitrary<Step>,
  },
  { weight: 1, arbitrary: fc.record({ name: fc.constant('ackUpTo' as const), which: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ name: fc.constant('wait' as const) }) },
)

/** Steps, and an end after some number of changes of the disk. */
const life = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 60 }),
  changes: fc.integer({ min: 1, max: 150 }),
  end: fc.constantFrom('power', 'kill', 'close'),
  /** For records and ids, besides the two state files. */
  room: fc.option(fc.integer({ min: 0, max: 40_000 }), { freq: 4, nil: undefined }),
})

/** Drives a store, and knows what must be there. */
class Model {
  readonly records: Known[] = []
  #next = 0

  async live(store: SegmentLog, steps: readonly Step[]): Promise<void> {
    const underWay: Promise<void>[] = []
    for (const step of steps) {
      if (step.name === 'wait') await Promise.all(underWay.splice(0))
      else underWay.push(this.#run(store, step))
    }
    await Promise.all(underWay)
  }

  async #run(store: SegmentLog, step: Exclude<Step, { name: 'wait' }>): Promise<void> {
    if (step.name === 'append') {
      const record: Known = { id: `id ${this.#next++}`, seq: undefined, places: new Set(['nowhere', 'live']) }
      this.records.push(record)
      const answer = await unlessFull(store.append({ id: record.id, data: dataOf(record.id, step.size) }))
      if (answer === 'full') {
        record.places = new Set(['nowhere'])
        return
      }
      const { seq, duplicate } = answer
      expect(duplicate).toBe(false)
      record.seq = seq
      record.places = new Set(['live'])
      return
    }
    // One thing at a time is done to a record: what comes out of two at once depends on which is first.
    const from = step.name === 'requeue' || step.name === 'dropDead' ? 'dead' : 'live'
    const settled = this.records.filter(({ places }) => places.size === 1 && places.has(from))
    const record = step.name === 'ackUpTo' ? settled[Math.min(step.which, settled.length - 1)] : settled[step.which % settled.length]
    if (record?.seq === undefined) return
    if (step.name === 'ackUpTo') {
      const upTo = record.seq
      const busy = this.records.some(({ seq, places }) => places.size > 1 && (seq === undefined || seq <= upTo))
      if (busy) return
      const those = settled.filter(({ seq }) => (seq as number) <= upTo)
      await moves(those, ['live', 'nowhere'], () => store.ack({ upTo }))
    } else if (step.name === 'ack') {
      await moves([record], ['live', 'nowhere'], () => store.ack([record.seq as number]))
    } else if (step.name === 'deadLetter') {
      await moves([record], ['live', 'dead'], () => unlessFull(store.deadLetter(record.seq as number, `why ${record.id}`)))
    } else if (step.name === 'dropDead') {
      await moves([record], ['dead', 'nowhere'], () => store.dropDead([record.seq as number]))
    } else {
      await moves([record], ['dead', 'live'], async () => {
        const seq = await unlessFull(store.requeue(record.seq as number))
        if (seq === 'full') return 'full'
        record.seq = seq as number
        return undefined
      })
    }
  }

  /** After an end: everything is in a place where it may be, and then it is known where. */
  async check(store: SegmentLog, nextSeq: number): Promise<void> {
    const [live, dead] = [await store.read(0, ALL), await store.readDead(0, ALL)]
    expect(store.count()).toMatchObject({ live: live.length, dead: dead.length })
    expect(isAscending(live.map(({ seq }) => seq))).toBe(true)
    expect(isAscending(dead.map(({ seq }) => seq))).toBe(true)
    for (const entry of [...live, ...dead]) {
      expect(Buffer.compare(entry.data, dataOf(entry.id, entry.data.length))).toBe(0)
      expect(entry.seq).toBeLessThan(nextSeq)
    }
    for (const { id, reason } of dead) expect(reason).toBe(`why ${id}`)
    const where = new Map<string, [Place, StoreEntry]>()
    for (const [place, entries] of [['live', live] as const, ['dead', dead] as const]) {
      for (const entry of entries) {
        expect(where.has(entry.id), `${entry.id} is there twice`).toBe(false)
        where.set(entry.id, [place, entry])
      }
    }
    for (const record of this.records) {
      const [place, entry] = where.get(record.id) ?? (['nowhere', undefined] as const)
      where.delete(record.id)
      expect([...record.places], `${record.id} (${record.seq}) is ${place}`).toContain(place)
      // What moved to the live ones has a new number, unless it did not.
      if (entry !== undefined && record.seq !== undefined && record.places.size === 1) expect(entry.seq).toBe(record.seq)
      record.places = new Set([place])
      if (entry !== undefined) record.seq = entry.seq
      if (record.seq !== undefined) expect(record.seq).toBeLessThan(nextSeq)
    }
    expect([...where.keys()], 'nobody appended these').toEqual([])
  }

  /** Every id that was answered is known still. */
  async checkIds(store: SegmentLog, wasFull: boolean): Promise<void> {
    for (const { id, seq, places } of this.records) {
      if (seq === undefined) continue
      const place = [...places][0]
      // Rather than stay full, a disk forgets ids of what is not live any more.
      if (wasFull && place !== 'live') continue
      const answer = await store.append({ id, data: Buffer.alloc(0) })
      // Of what is gone, it may be the number of a record that was requeued halfway.
      expect(answer, id).toMatchObject(place === 'nowhere' ? { duplicate: true } : { seq, duplicate: true })
      const found = await store.find(id)
      expect(found?.state ?? 'nowhere').toBe(place)
      if (found !== undefined) expect(found.entry.id).toBe(id)
    }
  }
}

async function moves(records: readonly Known[], [from, to]: readonly [Place, Place], act: () => Promise<unknown>): Promise<void> {
  for (const record of records) record.places = new Set([from, to])
  const outcome = await act()
  for (const record of records) record.places = new Set([outcome === 'full' ? from : to])
}

/** A full disk refuses, and changes nothing. */
async function unlessFull<Value>(call: Promise<Value>): Promise<Value | 'full'> {
  return await call.catch((error: unknown) => {
    if (error instanceof StoreError && error.code === 'STORE_FULL' && error.written === false) return 'full'
    throw error
  })
}

function isAscending(seqs: readonly number[]): boolean {
  return seqs.every((seq, index) => index === 0 || seq > (seqs[index - 1] as number))
}

function dataOf(id: string, size: number): Buffer {
  return Buffer.alloc(size, `${id}.`)
}

function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b_79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

const STATE_BYTES = 2 * 256 * 1024
const OPTIONS = { path: '/buffer', segmentBytes: 4096 } as const

describe('a segment log whose machine or process ends at any moment', () => {
  const RUNS = Number(process.env['STORE_CRASH_RUNS'] ?? 100)

  it('keeps what it has promised, and has everything in one place', { timeout: RUNS * 500 + 20_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(life, { minLength: 1, maxLength: 5 }), async (seed, lives) => {
        let disk = new SimulatedDisk(randomFrom(seed))
        const model = new Model()
        for (const { steps, changes, end, room } of lives) {
          const store = new SegmentLog(OPTIONS, disk)
          if (room !== undefined) disk.faults.capacity = STATE_BYTES + room
          if (end !== 'close') disk.faults.changesUntilEnd = changes
          const whole = (async () => {
            const opening = await unlessFull(store.open())
            if (opening === 'full') return
            expect(opening.damaged).toEqual([])
            await model.check(store, opening.nextSeq)
            await model.live(store, steps)
            if (end === 'close') await store.close()
          })()
          await Promise.race([whole, disk.end])
          whole.catch(() => {})
          disk = end === 'kill' ? disk.afterKill() : disk.afterPowerCut()
        }
        const store = new SegmentLog(OPTIONS, disk)
        const { nextSeq, damaged } = await store.open()
        expect(damaged).toEqual([])
        await model.check(store, nextSeq)
        await model.checkIds(
          store,
          lives.some(({ room }) => room !== undefined),
        )
        await store.close()
      }),
      {
        numRuns: RUNS,
        endOnFailure: true,
        ...(process.env['STORE_CRASH_SEED'] === undefined ? {} : { seed: Number(process.env['STORE_CRASH_SEED']) }),
      },
    )
  })
})
