/** Values that the native dialect can hold, as fast-check arbitraries. */

import fc from 'fast-check'
import { OpaqueCommand } from '../../../../../src/rpc/command/command.ts'
import { NumberedStream, TYPED_ARRAYS } from '../../../../helpers/native-json.ts'

/** Texts of every UTF-16 code unit, lone surrogates included, around the lengths where their heads change. */
export const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 6 }).map((units) => String.fromCharCode(...units)),
  fc
    .tuple(fc.constantFrom('a', 'é', '漢', '😀', '\ufffd', '\ud800'), fc.integer({ min: 0, max: 300 }))
    .map(([char, times]) => char.repeat(times)),
)
export const key = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', 'toJSON', '7', ''))

/** Some with so many bytes that they become frames; all of them somewhere within a larger buffer. */
const bytes = fc
  .tuple(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(0, 0, 0, 0, 4095, 4096, 5000), fc.integer({ min: 0, max: 7 }))
  .map(([content, more, offset]) => {
    const buffer = Buffer.alloc(offset + content.length + more, 0x2a)
    buffer.set(content, offset)
    return buffer.subarray(offset)
  })

/** Numbers in an array of any type, whose start is aligned, but not by more than it must. */
const typedArray = fc
  .tuple(bytes, fc.constantFrom(...TYPED_ARRAYS), fc.integer({ min: 0, max: 3 }))
  .map(([content, ArrayClass, skipped]) => {
    const size = ArrayClass.BYTES_PER_ELEMENT
    const length = Math.floor(content.length / size)
    const buffer = new ArrayBuffer((skipped + length) * size)
    new Uint8Array(buffer).set(content.subarray(0, length * size), skipped * size)
    return new ArrayClass(buffer, skipped * size, length)
  })

export const number = fc.oneof(
  fc.double(),
  fc.maxSafeInteger(),
  fc.integer({ min: -70_000, max: 70_000 }),
  fc.constantFrom(-0, 2 ** 53, -(2 ** 53), 2 ** 63, 2 ** 64, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
)
export const bigint = fc.oneof(
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }).chain((value) => fc.constantFrom(value, -value)),
)
export const date = fc.date({ noInvalidDate: true })

export const { value: nativeValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false, undefined),
    number,
    bigint,
    text,
    date,
    bytes,
    typedArray,
    bytes.map((content) => new DataView(content.buffer, content.byteOffset, content.byteLength)),
    fc.integer({ min: 0, max: 0xffff }).map((streamNumber) => new NumberedStream(streamNumber)),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(tie('value'), { minLength: 14, maxLength: 18 }),
    // Object.fromEntries makes even `__proto__` an own property.
    fc.array(fc.tuple(key, tie('value')), { maxLength: 18 }).map((entries) => Object.fromEntries(entries)),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => new Set(items)),
    fc.tuple(fc.constantFrom('Greet', 'é'), tie('value')).map(([name, state]) => new OpaqueCommand(name, state)),
  ),
}))

/** What arrives of a value: in an object, `undefined` does not. */
export function arriving(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(arriving)
  if (value instanceof Map) return new Map([...value].map(([mapKey, item]) => [arriving(mapKey), arriving(item)]))
  if (value instanceof Set) return new Set([...value].map(arriving))
  if (value instanceof OpaqueCommand) return new OpaqueCommand(value.name, arriving(value.state))
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).flatMap(([name, item]) => (item === undefined ? [] : [[name, arriving(item)]])))
}
