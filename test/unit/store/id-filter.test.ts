/** The filter of ids: what was added is never denied, what was not hardly ever confirmed, and what is forgotten takes no room. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IdFilter } from '../../../src/store/segment-log/id-filter.ts'
import { IdHash } from '../../../src/store/segment-log/id-hash.ts'

function hashOf(id: string): IdHash {
  const hash = new IdHash()
  hash.ofText(id)
  return hash
}

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
