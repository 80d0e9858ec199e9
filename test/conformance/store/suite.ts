/**
 * What every store keeps to, whatever it keeps its records in: the rules of `src/store/buffer-store.ts`, one test each. A store is
 * put through it by a file beside this one, with a fixture that says how to have it.
 */

import { afterEach, describe, expect, it } from 'vitest'
import type { BufferStore, StoreEntry } from '../../../src/store/buffer-store.ts'
import type { DroppedRecords, StoreLimits } from '../../../src/store/store-limits.ts'

export interface StoreFixture {
  readonly name: string
  /** Not opened yet, in a place of its own. */
  make(limits: StoreLimits): Promise<BufferStore>
  /** Not opened yet: a second store in the place of the first. */
  another(store: BufferStore, limits: StoreLimits): Promise<BufferStore>
  /** Whether `seq` counts 1, 2, 3. */
  readonly gapFree: boolean
  /** Whether it keeps `maxRecords`, `maxBytes` and `maxRecordBytes`. */
  readonly limited: boolean
  /** Its records are durable before their `append` hears of it. */
  readonly remote: boolean
  /** How many records more than `dedupeWindow` it may remember: infinitely many leave a test out. */
  readonly dedupeSlack: number
}

const ALL = { count: 1_000_000, bytes: 1e9 }

export function storeConformance(fixture: StoreFixture): void {
  describe(`${fixture.name} keeps the rules of a store`, () => {
    const opened: BufferStore[] = []

    async function open(limits: StoreLimits = {}): Promise<BufferStore> {
      const store = await fixture.make(limits)
      opened.push(store)
      await store.open()
      return store
    }

    async function reopen(store: BufferStore, limits: StoreLimits = {}): Promise<BufferStore> {
      await store.close()
      const next = await fixture.another(store, limits)
      opened.push(next)
      await next.open()
      return next
    }

    afterEach(async () => {
      await Promise.all(opened.splice(0).map((store) => store.close()))
    })

    describe('opening', () => {
      it('finds nothing where there was nothing', async () => {
        const store = await fixture.make({})
        opened.push(store)
        expect(await store.open()).toEqual({ live: 0, dead: 0, nextSeq: 1, tornBytes: 0, damaged: [] })
        expect(store.count()).toMatchObject({ live: 0, dead: 0 })
        expect(await store.read(0, ALL)).toEqual([])
        expect(await store.readDead(0, ALL)).toEqual([])
      })

      it('finds what was there', async () => {
        const store = await open()
        for (const id of ['a', 'b', 'c', 'd']) await store.append(record(id))
        const [a, b] = await store.read(0, ALL)
        await store.ack([seqOf(a)])
        await store.deadLetter(seqOf(b), 'no such service')
        await store.close()

        const next = await fixture.another(store, {})
        opened.push(next)
        const opening = await next.open()
        expect(opening).toMatchObject({ live: 2, dead: 1, tornBytes: 0, damaged: [] })
        if (fixture.gapFree) expect(opening.nextSeq).toBe(5)
        expect(next.count()).toMatchObject({ live: 2, dead: 1 })
        expect((await next.read(0, ALL)).map(({ id }) => id)).toEqual(['c', 'd'])
        expect(await next.readDead(0, ALL)).toMatchObject([{ id: 'b', reason: 'no such service' }])
      })

      it('is refused while another has the place', async () => {
        const store = await open()
        const second = await fixture.another(store, {})
        await expect(second.open()).rejects.toMatchObject({ code: 'STORE_LOCKED', pid: process.pid })
        expect(await store.append(record('a'))).toMatchObject({ duplicate: false })
      })
    })

    describe('appending', () => {
      it('gives back what it was given, byte for byte', async () => {
        const store = await open()
        const records = [
          { id: 'plain', data: bytes(1, 2, 3) },
          { id: 'with meta', data: bytes(4), meta: bytes(5, 6) },
          { id: 'without data', data: bytes() },
          { id: 'empty meta', data: bytes(0), meta: bytes() },
          { id: 'ümläut 🦉', data: new Uint8Array(100_000).fill(7) },
          { id: 'x'.repeat(255), data: new Uint8Array(64 * 1024) },
        ]
        for (const each of records) await store.append(each)
        const entries = await (await reopen(store)).read(0, ALL)
        expect(entries.map(({ id }) => id)).toEqual(records.map(({ id }) => id))
        for (const [index, { data, meta }] of entries.entries()) {
          expect(Buffer.compare(data, records[index]?.data as Uint8Array)).toBe(0)
          expect([...(meta ?? [])]).toEqual([...(records[index]?.meta ?? [])])
        }
      })

      it('gives numbers in the order of the calls', async () => {
        const store = await open()
        const answers = await Promise.all(range(500).map((index) => store.append(record(`id ${index}`))))
        const seqs = answers.map(({ seq }) => seq)
        expect(seqs).toEqual([...seqs].sort((one, other) => one - other))
        expect(new Set(seqs).size).toBe(500)
        if (fixture.gapFree) expect(seqs).toEqual(range(500).map((index) => index + 1))
        expect((await store.read(0, ALL)).map(({ id }) => id)).toEqual(range(500).map((index) => `id ${index}`))
      })

      it('never gives a number twice, though all records are gone', async () => {
        const store = await open()
        const { seq } = await store.append(record('a'))
        await store.ack([seq])
        const next = await reopen(store)
        expect((await next.append(record('b'))).seq).toBeGreaterThan(seq)
      })

      it('makes one record of an id, though it is appended a hundred times at once', async () => {
        const store = await open()
        const answers = await Promise.all(range(100).map(() => store.append(record('a'))))
        expect(new Set(answers.map(({ seq }) => seq)).size).toBe(1)
        expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
        expect(store.count().live).toBe(1)
      })

      it('knows the id of a live, an ended and a dead record, and still does when it is opened again', async () => {
        let store = await open()
        const seqs: number[] = []
        for (const id of ['live', 'ended', 'dead']) seqs.push((await store.append(record(id))).seq)
        await store.ack([seqs[1] as number])
        await store.deadLetter(seqs[2] as number, 'why')
        for (const again of [false, true]) {
          if (again) store = await reopen(store)
          for (const [index, id] of ['live', 'ended', 'dead'].entries()) {
            expect(await store.append(record(id)), `${id}, opened again: ${again}`).toEqual({ seq: seqs[index], duplicate: true })
          }
          expect(store.count()).toMatchObject({ live: 1, dead: 1 })
        }
      })

      it.runIf(Number.isFinite(fixture.dedupeSlack))('forgets the id of a record that ended long ago', async () => {
        const store = await open({ dedupeWindow: 5 })
        await store.ack([(await store.append(record('first'))).seq])
        for (const index of range(5 + fixture.dedupeSlack)) await store.ack([(await store.append(record(`later ${index}`))).seq])
        expect(await store.append(record('first'))).toMatchObject({ duplicate: false })
      })

      it('refuses an id that is none', async () => {
        const store = await open()
        for (const id of ['', 'x'.repeat(256), 'ü'.repeat(128), '\ud800']) {
          await expect(store.append(record(id))).rejects.toMatchObject({ code: 'BAD_OPTION', written: false })
        }
        expect(store.count().live).toBe(0)
      })

      it.runIf(fixture.limited)('refuses what is too large, and takes what is not', async () => {
        const store = await open({ maxRecordBytes: 1000 })
        await expect(store.append({ id: 'a', data: new Uint8Array(1000) })).rejects.toMatchObject({
          code: 'RECORD_TOO_LARGE',
          written: false,
        })
        expect(await store.append({ id: 'a', data: new Uint8Array(999) })).toMatchObject({ duplicate: false })
      })
    })

    describe('reading', () => {
      it('gives as many as were asked for, from behind where it was asked', async () => {
        const store = await open()
        for (const index of range(20)) await store.append({ id: `${index}`, data: new Uint8Array(100) })
        const first = await store.read(0, { count: 3, bytes: 1e6 })
        expect(first.map(({ id }) => id)).toEqual(['0', '1', '2'])
        const second = await store.read(seqOf(first.at(-1)), { count: 100, bytes: 450 })
        expect(second.map(({ id }) => id)).toEqual(['3', '4', '5', '6'])
        expect(await store.read(seqOf(second.at(-1)), { count: 100, bytes: 1 })).toHaveLength(1)
        expect(await store.read(1_000_000_000, ALL)).toEqual([])
      })

      it('takes nothing away', async () => {
        const store = await open()
        await store.append(record('a'))
        expect(await store.read(0, ALL)).toEqual(await store.read(0, ALL))
        expect(store.count().live).toBe(1)
      })

      it.runIf(!fixture.remote)('shows nothing before it is durable', async () => {
        const store = await open()
        let durable = 0
        const appends = range(50).map(async (index) => {
          await store.append(record(`${index}`))
          durable++
        })
        const seen = await store.read(0, ALL)
        expect(seen.length).toBeLessThanOrEqual(Math.max(durable, store.count().live))
        await Promise.all(appends)
        expect(await store.read(0, ALL)).toHaveLength(50)
      })

      it('finds a record by its id, as long as it is live or dead', async () => {
        const store = await open()
        const { seq } = await store.append(record('a'))
        expect(asBuffers(await store.find('a'))).toMatchObject({
          state: 'live',
          entry: { seq, id: 'a', data: Buffer.from(record('a').data) },
        })
        await store.deadLetter(seq, 'why')
        expect(asBuffers(await store.find('a'))).toMatchObject({
          state: 'dead',
          entry: { seq, id: 'a', data: Buffer.from(record('a').data) },
        })
        await store.dropDead([seq])
        expect(await store.find('a')).toBeUndefined()
        expect(await store.find('b')).toBeUndefined()
      })
    })

    describe('acknowledging', () => {
      it('takes away what it names, in any order, more than once, and nothing else', async () => {
        let store = await open()
        const seqs = await appendAll(store, 10)
        await store.ack([at(seqs, 7), at(seqs, 2), at(seqs, 2)])
        await store.ack([at(seqs, 2), 0, -1, 1.5, 1_000_000])
        await Promise.all([store.ack([at(seqs, 0)]), store.ack([at(seqs, 9)]), store.ack([])])
        for (const again of [false, true]) {
          if (again) store = await reopen(store)
          expect((await store.read(0, ALL)).map(({ id }) => id)).toEqual(['1', '3', '4', '5', '6', '8'])
          expect(store.count().live).toBe(6)
        }
      })

      it('takes away all up to one', async () => {
        let store = await open()
        const seqs = await appendAll(store, 10)
        await store.ack([at(seqs, 1)])
        await store.ack({ upTo: at(seqs, 6) })
        await store.ack({ upTo: at(seqs, 3) })
        for (const again of [false, true]) {
          if (again) store = await reopen(store)
          expect((await store.read(0, ALL)).map(({ id }) => id)).toEqual(['7', '8', '9'])
        }
        await store.ack({ upTo: 1_000_000 })
        expect(store.count().live).toBe(0)
        expect((await store.append(record('next'))).duplicate).toBe(false)
        expect((await store.read(0, ALL)).map(({ id }) => id)).toEqual(['next'])
      })
    })

    describe('giving up', () => {
      it('moves a record from the live to the dead, with why', async () => {
        let store = await open()
        const [seq] = await appendAll(store, 2)
        await store.deadLetter(seq as number, `no paper: ${'ü'.repeat(5000)}`)
        for (const again of [false, true]) {
          if (again) store = await reopen(store)
          expect((await store.read(0, ALL)).map(({ id }) => id)).toEqual(['1'])
          const [dead] = await store.readDead(0, ALL)
          expect(asBuffers(dead)).toMatchObject({ seq, id: '0', data: Buffer.from(record('0').data) })
          expect(dead?.reason).toMatch(/^no paper: ü+$/)
          expect(Buffer.byteLength(dead?.reason as string)).toBeLessThanOrEqual(4096)
          expect(store.count()).toMatchObject({ live: 1, dead: 1 })
        }
      })

      it('does nothing to what is not live', async () => {
        const store = await open()
        const [one, two] = (await appendAll(store, 2)) as [number, number]
        await store.ack([one])
        await Promise.all([store.deadLetter(two, 'first'), store.deadLetter(two, 'second')])
        await store.deadLetter(one, 'why')
        await store.deadLetter(two, 'third')
        await store.deadLetter(1_000_000, 'why')
        expect(await store.readDead(0, ALL)).toMatchObject([{ seq: two, reason: 'first' }])
        expect(store.count()).toMatchObject({ live: 0, dead: 1 })
      })

      it('reads the dead in order of their numbers, in portions', async () => {
        const store = await open()
        const seqs = await appendAll(store, 6)
        for (const index of [4, 1, 3, 0]) await store.deadLetter(at(seqs, index), `why ${index}`)
        const first = await store.readDead(0, { count: 2, bytes: 1e6 })
        expect(first.map(({ reason }) => reason)).toEqual(['why 0', 'why 1'])
        const rest = await store.readDead(seqOf(first.at(-1)), ALL)
        expect(rest.map(({ reason }) => reason)).toEqual(['why 3', 'why 4'])
      })

      it('makes a dead record the newest live one', async () => {
        let store = await open()
        const seqs = await appendAll(store, 3)
        await store.deadLetter(at(seqs, 0), 'why')
        const seq = (await store.requeue(at(seqs, 0))) as number
        expect(seq).toBeGreaterThan(at(seqs, 2))
        for (const again of [false, true]) {
          if (again) store = await reopen(store)
          expect((await store.read(0, ALL)).map(({ id }) => id)).toEqual(['1', '2', '0'])
          expect(asBuffers((await store.read(0, ALL)).at(-1))).toMatchObject({ seq, id: '0', data: Buffer.from(record('0').data) })
          expect(await store.readDead(0, ALL)).toEqual([])
          expect(await store.find('0')).toMatchObject({ state: 'live', entry: { seq } })
          expect(await store.append(record('0'))).toEqual({ seq, duplicate: true })
          expect(store.count()).toMatchObject({ live: 3, dead: 0 })
        }
        expect(await store.requeue(at(seqs, 0))).toBeUndefined()
        expect(await store.requeue(at(seqs, 1))).toBeUndefined()
      })

      it('tells how many bytes the dead take', async () => {
        let store = await open()
        const seqs: number[] = []
        for (const index of range(4)) seqs.push((await store.append({ id: `${index}`, data: new Uint8Array(10_000) })).seq)
        expect(store.count().deadBytes).toBe(0)
        for (const seq of seqs.slice(1)) await store.deadLetter(seq, 'why')
        await store.dropDead([at(seqs, 1)])
        await store.requeue(at(seqs, 2))
        for (const again of [false, true]) {
          if (again) store = await reopen(store)
          const { bytes, deadBytes } = store.count()
          expect(deadBytes).toBeGreaterThan(10_000)
          expect(deadBytes).toBeLessThan(15_000)
          expect(bytes).toBeGreaterThan(deadBytes)
        }
        await store.dropDead([at(seqs, 3)])
        expect(store.count().deadBytes).toBe(0)
      })

      it('forgets the dead that are dropped', async () => {
        let store = await open()
        const seqs = await appendAll(store, 4)
        for (const seq of seqs) await store.deadLetter(seq, 'why')
        await store.dropDead([at(seqs, 2), at(seqs, 0), 1_000_000])
        await store.dropDead([at(seqs, 2)])
        for (const again of [false, true]) {
          if (again) store = await reopen(store)
          expect((await store.readDead(0, ALL)).map(({ id }) => id)).toEqual(['1', '3'])
          expect(store.count()).toMatchObject({ live: 0, dead: 2 })
        }
      })
    })

    describe.runIf(fixture.limited)('at its limits', () => {
      it('refuses one record more than maxRecords, until one is gone', async () => {
        const store = await open({ maxRecords: 3 })
        const seqs = await appendAll(store, 3)
        await expect(store.append(record('more'))).rejects.toMatchObject({ code: 'STORE_FULL', written: false })
        expect(await store.append(record('1'))).toEqual({ seq: seqs[1], duplicate: true })
        await store.ack([at(seqs, 1)])
        const { seq } = await store.append(record('more'))
        if (fixture.gapFree) expect(seq).toBe(4)
        expect((await store.read(0, ALL)).map(({ id }) => id)).toEqual(['0', '2', 'more'])
      })

      it('refuses what goes beyond maxBytes, until there is room', async () => {
        const store = await open({ maxBytes: 100_000 })
        const seqs: number[] = []
        const fill = async (): Promise<unknown> => {
          for (;;) seqs.push((await store.append({ id: `${seqs.length}`, data: new Uint8Array(1000) })).seq)
        }
        await expect(fill()).rejects.toMatchObject({ code: 'STORE_FULL', written: false })
        expect(seqs.length).toBeGreaterThan(70)
        expect(seqs.length).toBeLessThan(100)
        expect(store.count().bytes).toBeLessThanOrEqual(100_000)
        expect(await store.read(0, ALL)).toHaveLength(seqs.length)
        await store.ack(seqs)
        expect(await store.append(record('more'))).toMatchObject({ duplicate: false })
        expect((await store.read(0, ALL)).map(({ id }) => id)).toEqual(['more'])
      })

      it("throws away the oldest with 'dropOldest', and says so", async () => {
        const dropped: DroppedRecords[] = []
        const store = await open({ maxRecords: 3, whenFull: 'dropOldest', onDropped: (those) => dropped.push(those) })
        const seqs = await appendAll(store, 5)
        expect((await store.read(0, ALL)).map(({ id }) => id)).toEqual(['2', '3', '4'])
        expect(dropped.reduce((sum, { count }) => sum + count, 0)).toBe(2)
        expect(dropped.at(-1)?.toSeq).toBe(seqs[1])
      })

      it('goes on for ever on little room', async () => {
        const store = await open({ maxBytes: 100_000, dedupeWindow: 10 })
        for (const round of range(30)) {
          const seqs = await Promise.all(
            range(20).map(async (index) => (await store.append({ id: `${round} ${index}`, data: new Uint8Array(1000) })).seq),
          )
          await store.ack(seqs)
        }
        expect(store.count()).toMatchObject({ live: 0 })
      })
    })

    describe('closing', () => {
      it('settles what is under way', async () => {
        const store = await open()
        const appends = range(20).map((index) => store.append(record(`${index}`)))
        await store.close()
        const settled = await Promise.allSettled(appends)
        const next = await reopen(store)
        const live = (await next.read(0, ALL)).map(({ id }) => id)
        for (const [index, { status }] of settled.entries()) if (status === 'fulfilled') expect(live).toContain(`${index}`)
      })

      it('ends everything else, and may be repeated', async () => {
        const store = await open()
        await Promise.all([store.close(), store.close()])
        await store.close()
        for (const call of [
          () => store.append(record('a')),
          () => store.read(0, ALL),
          () => store.find('a'),
          () => store.ack([1]),
          () => store.deadLetter(1, 'why'),
          () => store.readDead(0, ALL),
          () => store.requeue(1),
          () => store.dropDead([1]),
        ]) {
          await expect(call()).rejects.toMatchObject({ code: 'CLOSED' })
        }
      })

      it('is fine for one that was never opened', async () => {
        await (await fixture.make({})).close()
      })
    })
  })
}

function record(id: string): { id: string; data: Uint8Array } {
  return { id, data: Uint8Array.from(Buffer.from(`data of ${id}`)) }
}

/** One kind of bytes, to be compared. */
function asBuffers(found: object | undefined): unknown {
  return Object.fromEntries(
    Object.entries(found ?? {}).map(([key, value]) => [
      key,
      value instanceof Uint8Array ? Buffer.from(value) : key === 'entry' ? asBuffers(value) : value,
    ]),
  )
}

async function appendAll(store: BufferStore, count: number): Promise<number[]> {
  const answers = await Promise.all(range(count).map((index) => store.append(record(`${index}`))))
  return answers.map(({ seq }) => seq)
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}

function range(count: number): number[] {
  return [...Array(count).keys()]
}

function at(seqs: readonly number[], index: number): number {
  return seqs[index] as number
}

function seqOf(entry: StoreEntry | undefined): number {
  return (entry as StoreEntry).seq
}
