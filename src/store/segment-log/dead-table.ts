/** Which records are dead: a table in memory, sorted by the number that each had when it was live. 24 bytes for each. */

export interface DeadPlace {
  readonly seq: number
  /** Its number in the log of the dead. */
  readonly ordinal: number
}

export class DeadTable {
  #seqs = new Float64Array(16)
  #ordinals = new Float64Array(16)
  #hashes = new Uint32Array(16)
  size = 0

  add(seq: number, ordinal: number, hash: number): void {
    if (this.size === this.#seqs.length) this.#grow()
    const index = this.indexAfter(seq - 1)
    // Most often it is the last one anyway.
    for (const column of [this.#seqs, this.#ordinals, this.#hashes]) column.copyWithin(index + 1, index, this.size)
    this.#seqs[index] = seq
    this.#ordinals[index] = ordinal
    this.#hashes[index] = hash
    this.size++
  }

  remove(seq: number): void {
    const index = this.indexAfter(seq - 1)
    if (this.size === 0 || this.#seqs[index] !== seq || index >= this.size) return
    for (const column of [this.#seqs, this.#ordinals, this.#hashes]) column.copyWithin(index, index + 1, this.size)
    this.size--
  }

  /** The ordinal of a record; undefined if it is not dead. */
  ordinalOf(seq: number): number | undefined {
    const index = this.indexAfter(seq - 1)
    return index < this.size && this.#seqs[index] === seq ? this.#ordinals[index] : undefined
  }

  /** Of the first one with a higher number than `seq`. */
  indexAfter(seq: number): number {
    let low = 0
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#seqs[middle] as number) <= seq) low = middle + 1
      else high = middle
    }
    return low
  }

  at(index: number): DeadPlace | undefined {
    return index < this.size ? { seq: this.#seqs[index] as number, ordinal: this.#ordinals[index] as number } : undefined
  }

  /** Those whose ids may have this hash, the newest first. */
  *withHash(hash: number): Iterable<DeadPlace> {
    for (let index = this.size; index > 0; ) {
      index = this.#hashes.lastIndexOf(hash, index - 1)
      if (index < 0) return
      yield this.at(index) as DeadPlace
    }
  }

  #grow(): void {
    const size = this.#seqs.length * 2
    const [seqs, ordinals, hashes] = [new Float64Array(size), new Float64Array(size), new Uint32Array(size)]
    seqs.set(this.#seqs)
    ordinals.set(this.#ordinals)
    hashes.set(this.#hashes)
    ;[this.#seqs, this.#ordinals, this.#hashes] = [seqs, ordinals, hashes]
  }
}
