/**
 * Which ids may be known? One look for all files together: what an append costs does not grow with the number of files that an id might be
 * in. Of an unknown id it says "maybe" once in about a thousand times, or twice in a hundred where it knows millions; then the files' own indices
 * are asked (`id-index.ts`).
 *
 * A Bloom filter in blocks of four words with two bits in each, so that a look is one place in memory; 16 bits for each id. When one is full,
 * another is begun, as large as all there are; it goes when the last record in it is forgotten.
 */

import type { IdHash } from './id-hash.ts'

const LEAST_IDS = 32_768
const MOST_IDS = 4_194_304
const BLOCK_WORDS = 4
const IDS_PER_BLOCK = 8

export class IdFilter {
  /** The newest last. */
  readonly #parts: Part[] = []

  /** False: surely not. */
  mayHave({ high, low }: IdHash): boolean {
    for (let index = this.#parts.length - 1; index >= 0; index--) if ((this.#parts[index] as Part).mayHave(high, low)) return true
    return false
  }

  /** @param seq of the record that has it, or of a later one */
  add({ high, low }: IdHash, seq: number): void {
    let newest = this.#parts.at(-1)
    if (newest === undefined || newest.isFull) newest = this.#grow()
    newest.add(high, low, seq)
  }

  /** The same for one that may be there: then it takes no room. */
  addAgain(hash: IdHash, seq: number): void {
    const newest = this.#parts.at(-1)
    if (newest?.mayHave(hash.high, hash.low) !== true) this.add(hash, seq)
    else if (seq > newest.lastSeq) newest.lastSeq = seq
  }

  /** Nobody asks any more for records before this one. */
  forget(beforeSeq: number): void {
    for (let index = this.#parts.length - 1; index >= 0; index--) {
      if ((this.#parts[index] as Part).lastSeq < beforeSeq) this.#parts.splice(index, 1)
    }
  }

  #grow(): Part {
    const ids = this.#parts.reduce((sum, { most }) => sum + most, 0)
    const part = new Part(Math.min(MOST_IDS, Math.max(LEAST_IDS, 2 ** Math.ceil(Math.log2(ids)))))
    this.#parts.push(part)
    return part
  }
}

class Part {
  readonly most: number
  lastSeq = 0
  readonly #words: Int32Array
  /** A block has what has the same top bits: ids come from their files sorted by these, and then go from block to block. */
  readonly #shift: number
  #count = 0

  /** @param most a power of two */
  constructor(most: number) {
    this.most = most
    const blocks = most / IDS_PER_BLOCK
    this.#words = new Int32Array(blocks * BLOCK_WORDS)
    this.#shift = 32 - Math.log2(blocks)
  }

  get isFull(): boolean {
    return this.#count >= this.most
  }

  mayHave(high: number, low: number): boolean {
    const words = this.#words
    const start = (high >>> this.#shift) * BLOCK_WORDS
    return (
      hasBits(words[start], low) &&
      hasBits(words[start + 1], low >>> 10) &&
      hasBits(words[start + 2], low >>> 20) &&
      hasBits(words[start + 3], high)
    )
  }

  add(high: number, low: number, seq: number): void {
    const words = this.#words
    const start = (high >>> this.#shift) * BLOCK_WORDS
    words[start] = (words[start] as number) | bitsOf(low)
    words[start + 1] = (words[start + 1] as number) | bitsOf(low >>> 10)
    words[start + 2] = (words[start + 2] as number) | bitsOf(low >>> 20)
    words[start + 3] = (words[start + 3] as number) | bitsOf(high)
    this.#count++
    if (seq > this.lastSeq) this.lastSeq = seq
  }
}

/** Two bits of a word: a shift takes the lowest five bits of its number. */
function bitsOf(hash: number): number {
  return (1 << hash) | (1 << (hash >>> 5))
}

function hasBits(word: number | undefined, hash: number): boolean {
  const bits = bitsOf(hash)
  return ((word as number) & bits) === bits
}
