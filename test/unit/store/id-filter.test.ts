/** The filter of ids: what was added is never denied, what was not hardly ever confirmed, and what is forgotten takes no room. */

import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { IdFilter } from '../../../src/store/segment-log/id-filter.ts'
import { IdHash } from '../../../src/store/segment-log/id-hash.ts'
import { SegmentLog } from '../../../src/store/segment-log/segment-log.ts'
import { SimulatedDisk } from '../../helpers/simulated-disk.ts'

function hashOf(id: string): IdHash {
  const hash = new IdHash()
  hash.ofText(id)
  return hash
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a filter of ids', () => {
  it('knows all that were added, while it grows, and takes few others for known', () => {
    const filter = new IdFilter()
    let mistaken = 0
    for (let seq = 1; seq <= 100_000; seq++) {
      if (filter.mayHave(hashOf(`id ${seq}`))) mistaken++
      filter.add(hashOf(`id ${seq}`), seq)
    }
    expect(mistaken).toBeLessThan(1000)
    for (let seq = 1; seq <= 100_000; seq++) expect(filter.mayHave(hashOf(`id ${seq}`))).toBe(true)
  })

  it('forgets what nobody asks for any more, a part at a time', () => {
    const filter = new IdFilter()
    for (let seq = 1; seq <= 50_000; seq++) filter.add(hashOf(`id ${seq}`), seq)
    filter.forget(50_000)
    for (const seq of [49_999, 50_000]) expect(filter.mayHave(hashOf(`id ${seq}`))).toBe(true)
    filter.forget(50_001)
    expect(filter.mayHave(hashOf('id 50000'))).toBe(false)
  })
})

describe('what a store has its filter learn', () => {
  it('is what it keeps: repeated and refused records take no memory, however many there are', async () => {
    const store = new SegmentLog({ path: '/buffer', maxRecords: 10 }, new SimulatedDisk())
    await store.open()
    const added = vi.spyOn(IdFilter.prototype, 'add')
    const append = async (id: string): Promise<string> => {
      const answer = store.append({ id, data: Buffer.alloc(1) })
      return answer.then(
        ({ duplicate }) => (duplicate ? 'repeated' : 'new'),
        () => 'refused',
      )
    }
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, index) => append(`${index % 5}`)))
    expect(answers.filter((answer) => answer === 'new')).toHaveLength(5)
    expect(answers.filter((answer) => answer === 'repeated')).toHaveLength(995)
    expect(added).toHaveBeenCalledTimes(5)
    const others = await Promise.all(Array.from({ length: 1000 }, (_, index) => append(`${index}`)))
    expect(others.filter((answer) => answer === 'refused')).toHaveLength(990)
    expect(added).toHaveBeenCalledTimes(10)
    await store.close()
  })

  it('is told once of a record that a full disk refuses again and again', async () => {
    const disk = new SimulatedDisk()
    const store = new SegmentLog({ path: '/buffer' }, disk)
    await store.open()
    disk.faults.capacity = disk.used + 2000
    await store.append({ id: 'first', data: Buffer.alloc(1) })
    const added = vi.spyOn(IdFilter.prototype, 'add')
    for (let attempt = 0; attempt < 20; attempt++) {
      await expect(store.append({ id: 'large', data: Buffer.alloc(60_000) })).rejects.toMatchObject({ code: 'STORE_FULL' })
    }
    expect(added).toHaveBeenCalledTimes(1)
    disk.faults.capacity = Number.POSITIVE_INFINITY
    expect(await store.append({ id: 'large', data: Buffer.alloc(60_000) })).toEqual({ seq: 2, duplicate: false })
    expect(await store.append({ id: 'large', data: Buffer.alloc(60_000) })).toEqual({ seq: 2, duplicate: true })
    await store.close()
  })
})

describe('the hash of an id', () => {
  it('is that of its UTF-8, whichever way it is made', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (id) => {
        const bytes = Buffer.from(id)
        const hash = new IdHash()
        hash.of(bytes, 0, bytes.length)
        expect(hashOf(id)).toEqual(hash)
      }),
    )
  })
})
