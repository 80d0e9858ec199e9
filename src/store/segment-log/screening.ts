/**
 * The ids of records that are about to be written: hashed, and asked of the filter whether they may be known, all in one go. Each question is
 * about another place in memory, and the processor waits for many of them at once if nothing else is done in between.
 *
 * The filter learns only what is taken: repeated and refused records, of which there may be any number, leave nothing behind in it.
 */

import type { IdFilter } from './id-filter.ts'
import { IdHash } from './id-hash.ts'
import type { HotIds } from './id-index.ts'

export class Screening {
  readonly #filter: IdFilter
  readonly #hash = new IdHash()
  #high = new Uint32Array(64)
  #low = new Uint32Array(64)
  #suspect = new Uint8Array(64)

  constructor(filter: IdFilter) {
    this.#filter = filter
  }

  /** @param count how many of them, from the first on */
  run(records: readonly { readonly id: string }[], count: number): void {
    if (count > this.#high.length) {
      const size = 2 ** Math.ceil(Math.log2(count))
      ;[this.#high, this.#low, this.#suspect] = [new Uint32Array(size), new Uint32Array(size), new Uint8Array(size)]
    }
    const hash = this.#hash
    for (let index = 0; index < count; index++) {
      hash.ofText((records[index] as { readonly id: string }).id)
      this.#high[index] = hash.high
      this.#low[index] = hash.low
    }
    for (let index = 0; index < count; index++) {
      hash.high = this.#high[index] as number
      hash.low = this.#low[index] as number
      this.#suspect[index] = this.#filter.mayHave(hash) ? 1 : 0
    }
  }

  /** False: this one's id is new, also to those that were taken since. */
  isSuspect(index: number): boolean {
    return this.#suspect[index] === 1 || this.#filter.mayHave(this.#at(index))
  }

  /** It will be written, with this number. */
  take(index: number, seq: number): void {
    if (this.#suspect[index] === 1) this.#filter.addAgain(this.#at(index), seq)
    else this.#filter.add(this.#at(index), seq)
  }

  /** Until the next call. */
  #at(index: number): IdHash {
    this.#hash.high = this.#high[index] as number
    this.#hash.low = this.#low[index] as number
    return this.#hash
  }

  hashOf(index: number): IdHash {
    return new IdHash(this.#high[index], this.#low[index])
  }

  /** @param indices of records that follow each other in the segment @param offsets of them, from `start` on */
  addTo(ids: HotIds, indices: readonly number[], offsets: readonly number[], from: number, start: number): void {
    for (let place = from; place < indices.length; place++) {
      ids.add(this.#at(indices[place] as number), start + (offsets[place] as number))
    }
  }
}
