/** Values that the JSON of Python can hold, as fast-check arbitraries. */

import fc from 'fast-check'

/** Texts of every UTF-16 code unit, lone surrogates included, and keys that are dangerous in JavaScript. */
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 6 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('NaN', '1234567890123456789', '\\"', '[{', '\\\\'),
)
const key = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '7'))

/** A `number` where it is exact, else a `bigint`: as we read Python's integers. */
const integer = fc
  .oneof(fc.maxSafeInteger(), fc.bigInt(), fc.bigInt({ min: 2n ** 52n, max: 2n ** 54n }))
  .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : BigInt(value)))

export const { value: pythonValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.double(),
    integer,
    text,
    fc.array(tie('value'), { maxLength: 5 }),
    // Object.fromEntries makes even `__proto__` an own property.
    fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((entries) => Object.fromEntries(entries)),
  ),
}))
