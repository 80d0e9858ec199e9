/** The plain part of the native dialect is MessagePack as others know it, byte for byte. */

import { isDeepStrictEqual } from 'node:util'
import { decode, encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HEADER_BYTES } from '../../../../../src/rpc/dialect/native/header.ts'
import { decodeReply, encodeReply } from '../../../../../src/rpc/dialect/native/message.ts'

/** What both have: no `__proto__`, which the other refuses; -0 is 0 there. */
const string = fc.string({ unit: 'binary', maxLength: 300 })
const { value: plainValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.double().filter((value) => !Object.is(value, -0)),
    fc.maxSafeInteger(),
    fc.integer(),
    string,
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      string.filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
}))

/** As the other one has binaries. */
function withUint8Arrays(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(withUint8Arrays)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withUint8Arrays(item)]))
}

describe('@msgpack/msgpack and we', () => {
  it('write the same bytes', () => {
    fc.assert(
      fc.property(plainValue, (value) => {
        const ours = encodeReply(value)[0] as Buffer
        expect(ours.subarray(HEADER_BYTES).toString('hex')).toBe(Buffer.from(encode(value)).toString('hex'))
      }),
      { numRuns: 2000 },
    )
  })

  it('read what the other writes', () => {
    fc.assert(
      fc.property(plainValue, (value) => {
        const ours = encodeReply(value)[0] as Buffer
        expect(isDeepStrictEqual(decode(new Uint8Array(ours.subarray(HEADER_BYTES))), withUint8Arrays(value))).toBe(true)
        const theirs = Buffer.concat([ours.subarray(0, HEADER_BYTES), encode(value)])
        expect(isDeepStrictEqual(decodeReply([theirs], {}).value, value)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('read floats of four bytes, too', () => {
    fc.assert(
      fc.property(fc.float(), (value) => {
        const theirs = Buffer.concat([
          Buffer.from('f902000000000000', 'hex'),
          encode(value, { forceFloat32: true, forceIntegerToFloat: true }),
        ])
        expect(decodeReply([theirs], {}).value).toBe(value)
      }),
    )
  })
})
