/**
 * 64 bits of an id, in two halves (after MurmurHash3, with two sets of constants). Ids are compared themselves where they can still be
 * read; of a record whose file is gone, equal hashes count as equal ids.
 *
 * Nothing is to be won by finding two ids with one hash: whoever knows another's id can send that very id.
 */

export class IdHash {
  high: number
  low: number

  constructor(high = 0, low = 0) {
    this.high = high
    this.low = low
  }

  /** The same of the UTF-8 of a text. Most ids are short and ASCII: a call into native code would cost more than the work. */
  ofText(text: string): void {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code >= 0x80) {
        const bytes = Buffer.from(text)
        this.of(bytes, 0, bytes.length)
        return
      }
      scratch[index] = code
    }
    this.of(scratch, 0, text.length)
  }

  /** Sets both halves. No object per id. */
  of(bytes: Uint8Array, start: number, end: number): void {
    let high = 0x2f0b_4c47
    let low = 0x6a09_e667
    let at = start
    for (; at + 4 <= end; at += 4) {
      const word =
        (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
      high = mix(high, word, 0xcc9e_2d51, 0x1b87_3593)
      low = mix(low, word, 0x2399_61b5, 0xab0e_9789)
    }
    let rest = end - start
    for (let shift = 8; at < end; at++, shift += 8) rest |= (bytes[at] as number) << shift
    high = finish(mix(high, rest, 0xcc9e_2d51, 0x1b87_3593))
    low = finish(mix(low, rest, 0x2399_61b5, 0xab0e_9789))
    this.high = high
    this.low = low
  }
}

/** Writes an id as UTF-8, as {@link IdHash.ofText} reads it, and says how many bytes it has. */
export function writeId(buffer: Buffer, start: number, id: string): number {
  for (let index = 0; index < id.length; index++) {
    const code = id.charCodeAt(index)
    if (code >= 0x80) return buffer.write(id, start)
    buffer[start + index] = code
  }
  return id.length
}

/** As long as an id may be. */
const scratch = new Uint8Array(255)

function mix(hash: number, word: number, first: number, second: number): number {
  const key = Math.imul(word, first)
  const mixed = hash ^ Math.imul((key << 15) | (key >>> 17), second)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0x38b3_4ae5) | 0
}

function finish(hash: number): number {
  let value = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35)
  return (value ^ (value >>> 16)) >>> 0
}
