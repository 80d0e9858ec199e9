/**
 * Which ids may be known? One look for all files together: what an append costs does not grow with the number of files that an id might be
 * in. Of an unknown id it says "maybe" once in about a thousand times, and then the files' own indices are asked (`id-index.ts`).
 *
 * A Bloom filter in blocks of eight words with a bit in each, so that a look is one place in memory; 16 bits for each id. When one is full,
 * another is begun, as large as all there are; it goes when the last record in it is forgotten.
 */

import type { IdHash } from './id-hash.ts'

const LEAST_IDS = 32_768
const MOST_IDS = 4_194_304
const BLOCK_WORDS = 8
const IDS_PER_BLOCK = 16
/** Odd numbers: each makes another bit of the same hash. */
const SALTS = [0x2c1b_3c6d, 0x297a_2d39, 0x4cf5_ad43, 0x2745_937f, 0x38b3_4ae5, 0x1b56_c4e9, 0x7feb_352d, 0x68e3_1da5] as const

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
  readonly #words: Uint32Array
  /** A block has what has the same top bits: ids come from their files sorted by these, and then go from block to block. */
  readonly #shift: number
  #count = 0

  /** @param most a power of two */
  constructor(most: number) {
    this.most = most
    const blocks = most / IDS_PER_BLOCK
    this.#words = new Uint32Array(blocks * BLOCK_WORDS)
    this.#shift = 32 - Math.log2(blocks)
  }

  get isFull(): boolean {
    return this.#count >= this.most
  }

  mayHave(high: number, low: number): boolean {
    const start = (high >>> this.#shift) * BLOCK_WORDS
    for (let word = 0; word < BLOCK_WORDS; word++) {
      if (((this.#words[start + word] as number) & bitOf(low, word)) === 0) return false
    }
    return true
  }

  add(high: number, low: number, seq: number): void {
    const start = (high >>> this.#shift) * BLOCK_WORDS
    for (let word = 0; word < BLOCK_WORDS; word++) {
      this.#words[start + word] = (this.#words[start + word] as number) | bitOf(low, word)
    }
    this.#count++
    if (seq > this.lastSeq) this.lastSeq = seq
  }
}

function bitOf(low: number, word: number): number {
  return 1 << (Math.imul(low, SALTS[word] as number) >>> 27)
}
