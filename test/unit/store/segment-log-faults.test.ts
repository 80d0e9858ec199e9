/** The segment log on a disk that fills up, fails, forgets and flips bits, and in folders that it should not touch. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StoreOpening } from '../../../src/store/buffer-store.ts'
import type { SegmentLogOptions } from '../../../src/store/segment-log/options.ts'
import { SegmentLog } from '../../../src/store/segment-log/segment-log.ts'
import { SimulatedDisk } from '../../helpers/simulated-disk.ts'

const ALL = { count: 1e9, bytes: 1e9 }
const PATH = '/buffer'

async function open(disk: SimulatedDisk, options: Partial<SegmentLogOptions> = {}): Promise<SegmentLog & { opening: StoreOpening }> {
  const store = new SegmentLog({ path: PATH, segmentBytes: 4096, ...options }, disk)
  return Object.assign(store, { opening: await store.open() })
}

async function appendAll(store: SegmentLog, count: number, bytes = 100, from = 0): Promise<number[]> {
  const seqs: number[] = []
  for (let index = from; index < from + count; index++) seqs.push((await store.append({ id: `${index}`, data: dataOf(index, bytes) })).seq)
  return seqs
}

function dataOf(index: number, bytes = 100): Buffer {
  return Buffer.alloc(bytes, `data of ${index}.`)
}

async function idsOf(store: SegmentLog): Promise<string[]> {
  return (await store.read(0, ALL)).map(({ id }) => id)
}

async function filesOf(disk: SimulatedDisk, ending: string): Promise<string[]> {
  return (await disk.list(PATH)).filter((name) => name.endsWith(ending)).sort()
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `${from + index}`)
}

/** Without the zeros at the end. */
function writtenBytes(contents: Buffer): number {
  let written = contents.length
  while (written > 0 && contents[written - 1] === 0) written--
  return written
}

describe('on a full disk', () => {
  it('refuses what is new, and can be emptied, which makes room', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk)
    disk.faults.capacity = disk.used + 20_000
    const seqs: number[] = []
    const fill = async (): Promise<unknown> => {
      for (;;) seqs.push((await store.append({ id: `${seqs.length}`, data: dataOf(seqs.length, 700) })).seq)
    }
    for (let round = 0; round < 3; round++) {
      await expect(fill()).rejects.toMatchObject({ code: 'STORE_FULL', written: false, cause: { code: 'ENOSPC' } })
    }
    expect(seqs.length).toBeGreaterThan(15)
    expect(await idsOf(store)).toEqual(range(0, seqs.length))
    for (const seq of seqs) await store.ack([seq])
    await expect.poll(() => filesOf(disk, '.log')).toHaveLength(1)
    // No number was used up by what was refused.
    expect(await store.append({ id: 'next', data: dataOf(0) })).toEqual({ seq: seqs.length + 1, duplicate: false })
    await store.close()
    const next = await open(disk.afterKill())
    expect(await idsOf(next)).toEqual(['next'])
    await next.close()
  })

  it('says so when not even the first files have room', async () => {
    const disk = new SimulatedDisk()
    disk.faults.capacity = 100_000
    await expect(open(disk)).rejects.toMatchObject({ code: 'STORE_FULL', cause: { code: 'ENOSPC' } })
    delete disk.faults.capacity
    await (await open(disk)).close()
  })

  it('writes nothing of a batch that has room in part only', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk, { segmentBytes: 1024 * 1024 })
    await appendAll(store, 1, 200_000)
    disk.faults.capacity = disk.used
    const answers = await Promise.allSettled(range(1, 2000).map((id) => store.append({ id, data: dataOf(0, 1000) })))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(['rejected']))
    delete disk.faults.capacity
    expect((await store.append({ id: 'next', data: dataOf(0) })).seq).toBe(2)
    const again = await open(disk.afterPowerCut())
    expect(await idsOf(again)).toEqual(['0', 'next'])
  })

  it("throws away the oldest with 'dropOldest'", async () => {
    const disk = new SimulatedDisk()
    let dropped = 0
    const store = await open(disk, { whenFull: 'dropOldest', onDropped: ({ count }) => (dropped += count) })
    disk.faults.capacity = disk.used + 30_000
    await appendAll(store, 100, 700)
    const ids = await idsOf(store)
    expect(ids).toEqual(range(100 - ids.length, 100))
    expect(dropped).toBe(100 - ids.length)
    expect(ids.length).toBeGreaterThan(10)
    await store.close()
  })
})

describe('when the disk fails', () => {
  it('is dead after a sync that failed, and never tries it again', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk)
    await appendAll(store, 3)
    disk.faults.failingSyncs = 1
    const answers = await Promise.allSettled([store.append({ id: 'a', data: dataOf(0) }), store.append({ id: 'b', data: dataOf(0) })])
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'STORE_FAILED', cause: { code: 'EIO' } } })
    const { syncs } = disk
    for (const call of [() => store.append({ id: 'c', data: dataOf(0) }), () => store.read(0, ALL), () => store.ack([1])]) {
      await expect(call()).rejects.toMatchObject({ code: 'STORE_FAILED' })
    }
    await store.close()
    expect(disk.syncs).toBe(syncs)
  })

  it('shows nothing after it is opened again that a power cut would still take away', async () => {
    for (let round = 0; round < 20; round++) {
      const disk = new SimulatedDisk()
      const store = await open(disk)
      await appendAll(store, 3)
      disk.faults.failingSyncs = 1
      await expect(store.append({ id: 'a', data: dataOf(0) })).rejects.toMatchObject({ code: 'STORE_FAILED' })
      await store.close()
      const sameBoot = disk.afterKill()
      const again = await open(sameBoot)
      const ids = await idsOf(again)
      expect(await idsOf(await open(sameBoot.afterPowerCut()))).toEqual(ids)
    }
  })

  it('is dead after acknowledgements that could not be noted down', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk)
    const seqs = await appendAll(store, 3)
    disk.faults.failingSyncs = 1
    await expect(store.ack(seqs)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await expect(store.append({ id: 'a', data: dataOf(0) })).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await store.close()
    expect((await idsOf(await open(disk.afterPowerCut()))).length).toBe(3)
  })
})

describe('when bits flip', () => {
  const flips = fc.record({
    records: fc.integer({ min: 1, max: 60 }),
    atOnce: fc.boolean(),
    closed: fc.boolean(),
    file: fc.nat(100),
    byte: fc.nat(1_000_000),
    bit: fc.nat(7),
  })

  it('refuses to open, or keeps all other records and says which are gone', async () => {
    await fc.assert(
      fc.asyncProperty(flips, async ({ records, atOnce, closed, file, byte, bit }) => {
        const disk = new SimulatedDisk()
        const store = await open(disk)
        if (atOnce) await Promise.all(range(0, records).map((id, index) => store.append({ id, data: dataOf(index) })))
        else await appendAll(store, records)
        const files = await filesOf(disk, '.log')
        const path = `${PATH}/${files[file % files.length]}`
        const written = writtenBytes(disk.contents(path))
        if (closed) await store.close()
        const found = disk.afterKill()
        found.flip(path, byte % written, bit)

        const refusing = new SegmentLog({ path: PATH, segmentBytes: 4096 }, found)
        await expect(refusing.open()).rejects.toMatchObject({ code: 'STORE_CORRUPT', file: path })
        const next = await open(found, { onDamage: 'quarantine' })
        expect(next.opening).toMatchObject({ tornBytes: 0 })
        expect(next.opening.damaged.length).toBeLessThanOrEqual(1)
        const gone = next.opening.damaged.flatMap(({ fromSeq, toSeq }) => range(fromSeq - 1, toSeq))
        // Of a header nothing is needed.
        expect(gone.length).toBeLessThanOrEqual(1)
        expect(await idsOf(next)).toEqual(range(0, records).filter((id) => !gone.includes(id)))
        expect(await next.append({ id: 'next', data: dataOf(0) })).toMatchObject({ seq: records + 1 })
        await next.close()
        if (gone.length > 0) expect(await filesOf(found, '.bad')).toHaveLength(1)

        const again = await open(found.afterKill())
        expect(again.opening).toMatchObject({ damaged: [], live: records + 1 - gone.length })
        await again.close()
      }),
      { numRuns: 150, endOnFailure: true },
    )
  })

  it('loses no record by a bit of a state file, and no end of one but of the last', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.nat(1_000_000), fc.nat(7), async (acks, byte, bit) => {
        const disk = new SimulatedDisk()
        const store = await open(disk)
        const seqs = await appendAll(store, 30)
        for (const seq of seqs.slice(0, acks)) await store.ack([seq])
        const found = disk.afterKill()
        const path = `${PATH}/state-a`
        const written = writtenBytes(found.contents(path))
        if (written === 0) return
        found.flip(path, byte % written, bit)
        const next = new SegmentLog({ path: PATH, segmentBytes: 4096 }, found)
        const opening = await next.open().catch((error: unknown) => error)
        if (opening instanceof Error) expect(opening).toMatchObject({ code: 'STORE_CORRUPT' })
        else expect((await idsOf(next)).slice(-(30 - acks))).toEqual(range(acks, 30))
        if (!(opening instanceof Error)) expect((await idsOf(next)).length).toBeLessThanOrEqual(30 - acks + 1)
      }),
      { numRuns: 100, endOnFailure: true },
    )
  })

  it('tells of a damaged record when it is read', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk)
    await appendAll(store, 5)
    disk.flip(`${PATH}/000000000000001.log`, 32 + 2 * 132 + 50)
    await expect(store.read(0, ALL)).rejects.toMatchObject({ code: 'STORE_CORRUPT', fromSeq: 3, toSeq: 3 })
    expect((await store.read(3, ALL)).map(({ id }) => id)).toEqual(['3', '4'])
    await store.close()
  })
})

describe('when the power goes', () => {
  it('drops what is torn, says how much, and takes no number for it', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk)
    await appendAll(store, 5)
    const path = `${PATH}/000000000000001.log`
    const bytes = disk.contents(path)
    const end = 32 + 5 * (26 + 1 + 100)
    const found = disk.afterKill()
    found.put(path, Buffer.concat([bytes.subarray(0, end - 40), Buffer.alloc(1000)]))
    const next = await open(found)
    expect(next.opening).toMatchObject({ live: 4, tornBytes: 26 + 1 + 100 - 40, nextSeq: 5, damaged: [] })
    expect((await next.append({ id: 'next', data: dataOf(0) })).seq).toBe(5)
    await next.close()
  })
})

describe('in the folder', () => {
  it('refuses what is not of a buffer, of another one, or of a newer version', async () => {
    const alien = new SimulatedDisk()
    alien.put(`${PATH}/notes.txt`, Buffer.from('mine'))
    await expect(open(alien)).rejects.toMatchObject({ code: 'BAD_OPTION', file: `${PATH}/notes.txt` })

    const [one, two] = [new SimulatedDisk(), new SimulatedDisk()]
    for (const disk of [one, two]) {
      const store = await open(disk)
      await appendAll(store, 3)
      await store.close()
    }
    one.put(`${PATH}/000000000000001.log`, two.contents(`${PATH}/000000000000001.log`))
    await expect(open(one)).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('another buffer') })

    const header = two.contents(`${PATH}/000000000000001.log`)
    header[5] = 2
    const { crc32 } = await import('../../../src/store/segment-log/crc32.ts')
    header.writeUInt32LE(crc32(header.subarray(0, 28)), 28)
    two.put(`${PATH}/000000000000001.log`, header)
    await expect(open(two)).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('version 2') })
  })

  it('refuses records whose state is gone, or takes them all for live', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk)
    await store.ack(await appendAll(store, 3))
    await store.close()
    for (const name of ['state-a', 'state-b']) await disk.remove(`${PATH}/${name}`)
    await expect(open(disk)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    const next = await open(disk, { onDamage: 'quarantine' })
    expect(next.opening).toMatchObject({ live: 3 })
    await next.close()
  })

  it('keeps no file of records that have all ended', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk, { dedupeWindow: 50 })
    for (let round = 0; round < 20; round++) await store.ack(await appendAll(store, 50, 100, round * 50))
    await expect.poll(() => filesOf(disk, '.log')).toHaveLength(1)
    expect((await filesOf(disk, '.ids')).length).toBeLessThan(6)
    expect(store.count()).toMatchObject({ live: 0, dead: 0 })
    expect(store.count().bytes).toBeLessThan(5000)
    await store.close()
  })

  it('knows ids of records whose file is gone, when it is opened again', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk)
    const seqs = await appendAll(store, 200)
    await store.ack(seqs)
    await expect.poll(() => filesOf(disk, '.log')).toHaveLength(1)
    await store.close()
    const next = await open(disk.afterPowerCut())
    for (const [index, seq] of seqs.entries())
      expect(await next.append({ id: `${index}`, data: dataOf(0) })).toEqual({ seq, duplicate: true })
    await next.close()
  })

  it('makes the index of ids again where it is gone or damaged', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk)
    await appendAll(store, 200)
    await store.close()
    const [first, second] = await filesOf(disk, '.ids')
    disk.flip(`${PATH}/${first}`, 100)
    await disk.remove(`${PATH}/${second}`)
    const next = await open(disk)
    for (const id of range(0, 200)) expect(await next.append({ id, data: dataOf(0) })).toMatchObject({ duplicate: true })
    expect(await next.append({ id: 'next', data: dataOf(0) })).toEqual({ seq: 201, duplicate: false })
    await next.close()
  })

  it('notes down more ends than a state file holds', async () => {
    const disk = new SimulatedDisk(() => 0.5)
    const store = await open(disk, { segmentBytes: 1024 * 1024 })
    const seqs = (await Promise.all(range(0, 10_000).map((id) => store.append({ id, data: dataOf(0, 10) })))).map(({ seq }) => seq)
    for (const seq of seqs) if (seq % 3 !== 0) await store.ack([seq])
    const next = await open(disk.afterPowerCut(), { segmentBytes: 1024 * 1024 })
    expect((await next.read(0, ALL)).map(({ seq }) => seq)).toEqual(seqs.filter((seq) => seq % 3 === 0))
    await next.close()
  })

  it('can be looked at while it is in use, without a trace', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk)
    const seqs = await appendAll(store, 100)
    await store.ack(seqs.slice(0, 50))
    await store.deadLetter(60, 'why')
    const { changes } = disk
    const view = await open(disk, { readOnly: true })
    expect(view.opening).toMatchObject({ live: 49, dead: 1 })
    expect((await view.read(0, ALL)).length).toBe(49)
    expect(await view.readDead(0, ALL)).toMatchObject([{ seq: 60, reason: 'why' }])
    for (const call of [() => view.append({ id: 'a', data: dataOf(0) }), () => view.ack([70]), () => view.requeue(60)]) {
      await expect(call()).rejects.toMatchObject({ code: 'BAD_OPTION' })
    }
    await view.close()
    expect(disk.changes).toBe(changes)
    await appendAll(store, 1, 100, 100)
    await store.close()
  })
})

describe('options', () => {
  it('are refused when they are wrong', () => {
    for (const wrong of [
      { path: '' },
      { segmentBytes: 10 },
      { maxBytes: 0 },
      { durability: 'none' },
      { onDamage: 'ignore' },
      { whenFull: 'wait' },
    ]) {
      expect(() => new SegmentLog({ path: PATH, ...wrong } as SegmentLogOptions)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
    }
  })
})
