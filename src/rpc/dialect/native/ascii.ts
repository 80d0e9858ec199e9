/**
 * Short texts of ASCII, read without a call into Node: that takes longer than the text itself. All functions here answer
 * `undefined` for what is not ASCII, or too long for them.
 */

/** Longer texts are read faster by Node. */
export const MAX_SHORT_ASCII = 16
const MAX_KEY_LENGTH = 32
const KEYS = 512

/**
 * Keys that were read of late, each in the place that its bytes say. The same few come again and again, and a string that is a
 * key of objects already makes the next object sooner. A stranger's keys can take the places of others; that costs time only.
 */
const keys: string[] = new Array<string>(KEYS).fill('')

/** A key of an object: `length` bytes from `at` on, which are there. */
export function asciiKey(bytes: Buffer, at: number, length: number): string | undefined {
  if (length === 0 || length > MAX_KEY_LENGTH) return undefined
  const last = at + length - 1
  const first = bytes[at] as number
  const place = (length + first * 5 + (bytes[at + (length >> 1)] as number) * 31 + (bytes[last] as number) * 113) & (KEYS - 1)
  const known = keys[place] as string
  if (known.length === length) {
    let index = 0
    while (index < length && known.charCodeAt(index) === bytes[at + index]) index++
    if (index === length) return known
  }
  const key = length <= MAX_SHORT_ASCII ? shortAscii(bytes, at, length) : longAscii(bytes, at, length)
  if (key !== undefined) keys[place] = key
  return key
}

function longAscii(bytes: Buffer, at: number, length: number): string | undefined {
  for (let index = at; index < at + length; index++) if ((bytes[index] as number) > 0x7f) return undefined
  return bytes.toString('latin1', at, at + length)
}

/** `length` bytes from `at` on, which are there. (One call with many characters is much quicker than many with one.) */
export function shortAscii(bytes: Buffer, at: number, length: number): string | undefined {
  if (length <= 8) return upToEight(bytes, at, length)
  if (length > MAX_SHORT_ASCII) return undefined
  const start = upToEight(bytes, at, 8)
  const end = upToEight(bytes, at + 8, length - 8)
  return start === undefined || end === undefined ? undefined : start + end
}

function upToEight(bytes: Buffer, at: number, length: number): string | undefined {
  if (length === 0) return ''
  const a = bytes[at] as number
  if (length === 1) return a < 0x80 ? String.fromCharCode(a) : undefined
  const b = bytes[at + 1] as number
  if (length === 2) return (a | b) < 0x80 ? String.fromCharCode(a, b) : undefined
  const c = bytes[at + 2] as number
  if (length === 3) return (a | b | c) < 0x80 ? String.fromCharCode(a, b, c) : undefined
  const d = bytes[at + 3] as number
  if (length === 4) return (a | b | c | d) < 0x80 ? String.fromCharCode(a, b, c, d) : undefined
  const e = bytes[at + 4] as number
  if (length === 5) return (a | b | c | d | e) < 0x80 ? String.fromCharCode(a, b, c, d, e) : undefined
  const f = bytes[at + 5] as number
  if (length === 6) return (a | b | c | d | e | f) < 0x80 ? String.fromCharCode(a, b, c, d, e, f) : undefined
  const g = bytes[at + 6] as number
  if (length === 7) return (a | b | c | d | e | f | g) < 0x80 ? String.fromCharCode(a, b, c, d, e, f, g) : undefined
  const h = bytes[at + 7] as number
  return (a | b | c | d | e | f | g | h) < 0x80 ? String.fromCharCode(a, b, c, d, e, f, g, h) : undefined
}
