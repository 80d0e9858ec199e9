import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CallTable, type Identified } from '../../../src/rpc/call-table.ts'

const id = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: -5, max: 0xffff_ffff }), fc.string({ maxLength: 3 }))
const step = fc.record({ id, action: fc.constantFrom('add', 'add', 'delete', 'get') })

describe('A table of calls', () => {
  it('holds what a Map would hold, whatever is added and removed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const table = new CallTable<Identified>()
        const model = new Map<number | string, Identified>()
        for (const { id, action } of steps) {
          const call = { id }
          if (action === 'add') {
            table.add(call)
            model.set(id, call)
          } else if (action === 'delete') {
            expect(table.delete(id)).toBe(model.delete(id))
          }
          expect(table.get(id)).toBe(model.get(id))
          expect(table.size).toBe(model.size)
        }
        for (const [id, call] of model) expect(table.get(id)).toBe(call)
        expect(new Set(table.all())).toEqual(new Set(model.values()))
      }),
    )
  })

  it('grows with many calls, in any order of their ends', () => {
    const table = new CallTable<Identified>()
    for (let id = 1; id <= 5000; id++) table.add({ id })
    for (let id = 1; id <= 5000; id += 2) expect(table.delete(id)).toBe(true)
    for (let id = 1; id <= 5000; id++) expect(table.has(id)).toBe(id % 2 === 0)
    for (let id = 5000; id >= 2; id -= 2) expect(table.delete(id)).toBe(true)
    expect(table.all()).toEqual([])
  })

  it('is empty after it was cleared', () => {
    const table = new CallTable<Identified>()
    table.add({ id: 'a proxy, and the number of a call' })
    table.clear()
    expect([table.size, table.has('a proxy, and the number of a call')]).toEqual([0, false])
  })
})
