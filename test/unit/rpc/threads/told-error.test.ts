/** What travels between threads besides frames: errors and principals, whatever they hold. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cloneable } from '../../../../src/rpc/threads/cloneable.ts'
import { readError, tellError } from '../../../../src/rpc/threads/told-error.ts'

describe('an error of another thread', () => {
  it('has its name, text, code, stack and causes', () => {
    const thrown = Object.assign(new RangeError('too far', { cause: new TypeError('no number') }), { code: 'EFAR', more: () => {} })
    const read = readError(structuredClone(tellError(thrown)))
    expect(read).toMatchObject({ name: 'RangeError', message: 'too far', code: 'EFAR', stack: thrown.stack })
    expect(read.cause).toMatchObject({ name: 'TypeError', message: 'no number' })
  })

  it('can be told whatever was thrown', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withMap: true, withSparseArray: true }), (thrown) => {
        expect(readError(structuredClone(tellError(thrown)))).toBeInstanceOf(Error)
      }),
    )
  })
})

describe('a principal for another thread', () => {
  it('is the same where it can be copied, and else without what cannot', () => {
    const plain = { username: 'owl', roles: ['keepers'] }
    expect(cloneable(plain)).toBe(plain)
    expect(cloneable(undefined)).toBeUndefined()
    const odd = { username: 'owl', hoot: () => 'hoo', nested: { deep: Symbol('no') }, since: new Date(0) }
    expect(cloneable(odd)).toEqual({ username: 'owl', since: new Date(0) })
    expect(cloneable(odd)).toBe(cloneable(odd))
  })
})
