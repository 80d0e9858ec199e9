/** Seals make opening quick, and nothing else: whatever became of them, the records are what they are without. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DeadEntry, StoreEntry, StoreOpening } from '../../../src/store/buffer-store.ts'
import { crc32 } from '../../../src/store/segment-log/crc32.ts'
import { SegmentLog } from '../../../src/store/segment-log/segment-log.ts'
import { SimulatedDisk } from '../../helpers/simulated-disk.ts'

const ALL = { count: 1e9, bytes: 1e9 }
const PATH = '/buffer'
const RECORDS = 200

async function open(disk: SimulatedDisk, onDamage: 'refuse' | 'quarantine' = 'refuse'): Promise<SegmentLog & { opening: StoreOpening }> {
  const store = new SegmentLog({ path: PATH, segmentBytes: 4096, onDamage }, disk)
  return Object.assign(store, { opening: await store.open() })
}

async function appendAll(store: SegmentLog, from: number, to: number): Promise<void> {
  for (let index = from; index < to; index++) await store.append({ id: `${index}`, data: Buffer.alloc(100, `data of ${index}.`) })
}

/** Two disks with one content never know of each other. */
async function copyOf(disk: SimulatedDisk, isWanted: (name: string) => boolean = () => true): Promise<SimulatedDisk> {
  const copy = new SimulatedDisk()
  for (const name of (await disk.list(PATH)).filter(isWanted)) copy.put(`${PATH}/${name}`, disk.contents(`${PATH}/${name}`))
  return copy
}

async function sealsOf(disk: SimulatedDisk): Promise<string[]> {
  const names = await disk.list(PATH)
  return names.filter((name) => name.endsWith('.ids') && names.includes(name.replace('.ids', '.log'))).sort()
}

async function withoutSeals(disk: SimulatedDisk): Promise<SimulatedDisk> {
  const seals = await sealsOf(disk)
  return await copyOf(disk, (name) => !seals.includes(name))
}

/** As version 1 wrote it: the ids alone. */
function ofVersion1(contents: Buffer): Buffer {
  const header = Buffer.from(contents.subarray(0, 32))
  header[5] = 1
  header.writeUInt32LE(crc32(header.subarray(0, 28)), 28)
  const entries = contents.subarray(32, 32 + 16 * header.readUInt32LE(24))
  const sum = Buffer.alloc(4)
  sum.writeUInt32LE(crc32(entries))
  return Buffer.concat([header, entries, sum])
}

/** Records 0 to 199 in some full files and one that is not, closed; and the seals as they were at a close before. */
async function filled(): Promise<{ disk: SimulatedDisk; earlier: Map<string, Buffer> }> {
  const disk = new SimulatedDisk()
  const first = await open(disk)
  await appendAll(first, 0, 20)
  await first.close()
  const earlier = new Map((await sealsOf(disk)).map((name) => [name, disk.contents(`${PATH}/${name}`)]))
  const second = await open(disk)
  await appendAll(second, 20, RECORDS)
  await second.close()
  return { disk, earlier }
}

async function expectAll(disk: SimulatedDisk): Promise<void> {
  const store = await open(disk)
  expect(store.opening).toMatchObject({ live: RECORDS, nextSeq: RECORDS + 1, tornBytes: 0, damaged: [] })
  expect((await store.read(0, ALL)).map(({ seq, id }) => [seq, id])).toEqual(
    Array.from({ length: RECORDS }, (_, index) => [index + 1, `${index}`]),
  )
  for (let index = 0; index < RECORDS; index++) {
    expect(await store.append({ id: `${index}`, data: Buffer.alloc(0) })).toEqual({ seq: index + 1, duplicate: true })
  }
  expect(await store.append({ id: 'next', data: Buffer.alloc(0) })).toEqual({ seq: RECORDS + 1, duplicate: false })
  await store.close()
}

describe('a folder of the version before', () => {
  it('opens, whether its ids are there or not, and has seals afterwards', async () => {
    const { disk } = await filled()
    const old = await copyOf(disk)
    for (const name of await sealsOf(disk)) old.put(`${PATH}/${name}`, ofVersion1(disk.contents(`${PATH}/${name}`)))
    for (const before of [old, await withoutSeals(disk)]) {
      await expectAll(before)
      const seals = await sealsOf(before)
      expect(seals.length).toBeGreaterThan(4)
      for (const name of seals) expect(before.contents(`${PATH}/${name}`)[5]).toBe(2)
    }
  })

  it('still knows the ids of records whose file is gone', async () => {
    const disk = new SimulatedDisk()
    const store = await open(disk)
    await appendAll(store, 0, RECORDS)
    await store.ack({ upTo: 100 })
    await expect.poll(async () => (await disk.list(PATH)).includes('000000000000001.log')).toBe(false)
    await store.close()
    for (const name of (await disk.list(PATH)).filter((each) => each.endsWith('.ids'))) {
      disk.put(`${PATH}/${name}`, ofVersion1(disk.contents(`${PATH}/${name}`)))
    }
    const next = await open(disk)
    for (let index = 0; index < RECORDS; index++) {
      expect(await next.append({ id: `${index}`, data: Buffer.alloc(0) })).toEqual({ seq: index + 1, duplicate: true })
    }
    await next.close()
  })
})

describe('a seal', () => {
  it('costs no record when it is torn, flipped, too old, of another file or of another buffer', async () => {
    const { disk, earlier } = await filled()
    const other = (await filled()).disk
    const seals = await sealsOf(disk)
    const fault = fc.record({
      name: fc.constantFrom('torn', 'sector', 'flipped', 'old', 'elsewhere', 'foreign'),
      seal: fc.nat(seals.length - 1),
      byte: fc.nat(100_000),
      bit: fc.nat(7),
    })
    await fc.assert(
      fc.asyncProperty(fault, async ({ name, seal, byte, bit }) => {
        const broken = await copyOf(disk)
        const file = name === 'old' ? ([...earlier.keys()][0] as string) : (seals[seal] as string)
        const path = `${PATH}/${file}`
        const bytes = disk.contents(path)
        const at = byte % bytes.length
        if (name === 'torn') broken.put(path, bytes.subarray(0, at))
        if (name === 'sector') broken.put(path, bytes.fill(0, at - (at % 512), Math.min(bytes.length, at - (at % 512) + 512)))
        if (name === 'flipped') broken.flip(path, at, bit)
        if (name === 'old') broken.put(path, earlier.get(file) as Buffer)
        if (name === 'elsewhere') broken.put(path, disk.contents(`${PATH}/${seals[byte % seals.length]}`))
        if (name === 'foreign') broken.put(path, other.contents(path))
        await expectAll(broken)
      }),
      { numRuns: 60, endOnFailure: true },
    )
  })

  it('of a file that is written on afterwards hides nothing of what came then', async () => {
    const disk = new SimulatedDisk()
    const first = await open(disk)
    await appendAll(first, 0, 20)
    await first.close()
    expect(await sealsOf(disk)).toHaveLength(1)
    const second = await open(disk)
    expect(second.opening).toMatchObject({ live: 20 })
    await appendAll(second, 20, 25)
    for (const [found, live] of [[disk.afterPowerCut(), 25] as const, [await copyOf(disk), 25] as const]) {
      const next = await open(found)
      expect(next.opening).toMatchObject({ live, nextSeq: 26, damaged: [] })
      expect(await next.append({ id: '22', data: Buffer.alloc(0) })).toEqual({ seq: 23, duplicate: true })
    }
  })

  it('tells that records at the end of the last file are missing, which without it could be a tail that was never written', async () => {
    const { disk } = await filled()
    const last = (await disk.list(PATH))
      .filter((name) => /^\d+\.log$/.test(name))
      .sort()
      .at(-1) as string
    const contents = disk.contents(`${PATH}/${last}`)
    const halves = [
      contents.subarray(0, contents.length >> 1),
      Buffer.concat([contents.subarray(0, contents.length >> 1), Buffer.alloc(contents.length >> 1)]),
    ]
    for (const half of halves) {
      const cut = await copyOf(disk)
      cut.put(`${PATH}/${last}`, half)
      await expect(open(cut)).rejects.toMatchObject({ code: 'STORE_CORRUPT', toSeq: RECORDS })
      const rest = await open(cut, 'quarantine')
      const { damaged, live, nextSeq } = rest.opening
      expect(nextSeq).toBe(RECORDS + 1)
      expect(damaged).toMatchObject([{ toSeq: RECORDS }])
      expect(live).toBe((damaged[0]?.fromSeq as number) - 1)
      await rest.close()
      // It was told once, and everything can be appended again.
      const again = await open(cut)
      expect(again.opening).toMatchObject({ live, damaged: [], nextSeq })
      expect(await again.append({ id: `${RECORDS - 1}`, data: Buffer.alloc(0) })).toEqual({ seq: RECORDS + 1, duplicate: false })
      await again.close()
    }
  })

  it('makes no difference to what is found, whatever was done and whichever bit of a record flipped', async () => {
    const step = fc.record({ name: fc.constantFrom('append', 'append', 'ack', 'deadLetter', 'requeue'), which: fc.nat(1000) })
    const life = fc.record({
      steps: fc.array(step, { minLength: 20, maxLength: 120 }),
      flip: fc.option(fc.record({ file: fc.nat(100), byte: fc.nat(1_000_000), bit: fc.nat(7) }), { nil: undefined }),
      withState: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(life, async ({ steps, flip, withState }) => {
        const disk = new SimulatedDisk()
        const store = await open(disk)
        let next = 0
        for (const { name, which } of steps) {
          if (name === 'append') {
            await appendAll(store, next, next + 3)
            next += 3
          } else if (name === 'requeue') await store.requeue(which % (next + 1))
          else if (name === 'ack') await store.ack([which % (next + 1)])
          else await store.deadLetter(which % (next + 1), 'why')
        }
        await store.close()
        const logs = (await disk.list(PATH)).filter((name) => name.endsWith('.log')).sort()
        const path = `${PATH}/${logs[(flip?.file ?? 0) % logs.length]}`
        if (flip !== undefined) disk.flip(path, flip.byte % disk.contents(path).length, flip.bit)
        if (!withState) for (const name of ['state-a', 'state-b']) await disk.remove(`${PATH}/${name}`)
        for (const onDamage of ['refuse', 'quarantine'] as const) {
          const [sealed, bare] = [await found(await copyOf(disk), onDamage), await found(await withoutSeals(disk), onDamage)]
          // Of the last record only a seal knows that it was there.
          if (isTorn(bare) && !isTorn(sealed)) expect(sealed).toMatchObject(damageBehind(bare, onDamage))
          else expect(sealed).toEqual(bare)
        }
      }),
      { numRuns: 60, endOnFailure: true },
    )
  })
})

interface Found {
  readonly opening: StoreOpening
  readonly live: readonly StoreEntry[]
  readonly dead: readonly DeadEntry[]
}

function isTorn(what: Found | Record<string, unknown>): what is Found {
  return 'opening' in what && (what as Found).opening.tornBytes > 0
}

function damageBehind({ opening, live, dead }: Found, onDamage: 'refuse' | 'quarantine'): object {
  const fromSeq = opening.nextSeq
  return onDamage === 'refuse' ? { code: 'STORE_CORRUPT', fromSeq } : { opening: { tornBytes: 0, damaged: [{ fromSeq }] }, live, dead }
}

/** All that a store finds, or why it does not open; and that it finds the same once more. */
async function found(disk: SimulatedDisk, onDamage: 'refuse' | 'quarantine'): Promise<Found | Record<string, unknown>> {
  try {
    const store = await open(disk, onDamage)
    const { opening } = store
    const [live, dead] = [await store.read(0, ALL), await store.readDead(0, ALL)]
    await store.close()
    const again = await open(disk)
    expect(again.opening).toMatchObject({ live: live.length, dead: dead.length, damaged: [], nextSeq: opening.nextSeq })
    expect(await again.read(0, ALL)).toEqual(live)
    await again.close()
    return { opening, live, dead }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    return { ...error, message: error.message }
  }
}
