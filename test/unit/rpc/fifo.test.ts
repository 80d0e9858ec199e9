import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fifo } from '../../../src/rpc/fifo.ts'

interface Item {
  readonly name: number
}

describe('a Fifo', () => {
  it('is a Set, whatever is done to it', () => {
    const items: Item[] = Array.from({ length: 20 }, (_, name) => ({ name }))
    const deeds = fc.constantFrom('add', 'delete', 'add', 'delete first', 'clear, seldom', 'add')
    const deed = fc.record({ what: deeds, item: fc.constantFrom(...items), luck: fc.nat(30) })
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 500, size: 'max' }), (done) => {
        const [fifo, set] = [new Fifo<Item>(), new Set<Item>()]
        for (const { what, item, luck } of done) {
          if (what === 'add') {
            fifo.add(item)
            set.add(item)
          } else if (what === 'delete') {
            expect(fifo.delete(item)).toBe(set.delete(item))
          } else if (what === 'delete first') {
            const [first] = set
            expect(fifo.first).toBe(first)
            if (first !== undefined) expect(fifo.delete(first)).toBe(set.delete(first))
          } else if (luck === 0) {
            fifo.clear()
            set.clear()
          }
          expect(fifo.size).toBe(set.size)
          expect(fifo.has(item)).toBe(set.has(item))
          expect([...fifo]).toEqual([...set])
        }
      }),
      { numRuns: 200 },
    )
  })

  it('passes over what leaves while it is gone through', () => {
    const items: Item[] = Array.from({ length: 5 }, (_, name) => ({ name }))
    const fifo = new Fifo<Item>()
    for (const item of items) fifo.add(item)
    const seen: number[] = []
    for (const item of fifo) {
      seen.push(item.name)
      fifo.delete(item)
      if (item.name === 1) fifo.delete(items[3] as Item)
    }
    expect(seen).toEqual([0, 1, 2, 4])
    expect(fifo.size).toBe(0)
  })

  it('is emptied by whoever takes the first that he comes to, in a time that grows no faster than it', () => {
    const emptied = (count: number): number => {
      const fifo = new Fifo<Item>()
      for (let name = 0; name < count; name++) fifo.add({ name })
      const before = process.cpuUsage()
      while (fifo.size > 0) {
        for (const item of fifo) {
          fifo.delete(item)
          break
        }
      }
      return process.cpuUsage(before).user / count
    }
    emptied(10_000)
    // Where each passes over all that have left, 16 times as many cost 16 times as much each.
    expect(emptied(80_000)).toBeLessThan(4 * Math.max(1, emptied(5000)))
  })
})
