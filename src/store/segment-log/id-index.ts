/**
 * Which record of a segment has an id? By the id's hash, and never for sure: whoever asks reads the record and compares.
 *
 * The segment that is being written has a {@link HotIds}: a hash table. One that is full has {@link ColdIds}: a file of its own beside it,
 * of which 16 bits per record are in memory. They say whether a look at the file is worth while (one in some thousand lookups of an
 * unknown id is not), and where. `ids-file.ts` has the format.
 */

import { FILE_HEADER_BYTES } from './file-header.ts'
import type { DiskFile } from './file-system.ts'
import { readAll } from './file-system.ts'
import { IdHash } from './id-hash.ts'

export const ENTRY_BYTES = 16
const PER_BUCKET = 8
/** So many ids are gone through before others have a turn: a few milliseconds. */
const STRETCH = 16_384

/** A record that may be the one. */
export interface Candidate {
  readonly index: number
  readonly offset: number
}

export class HotIds {
  #high = new Uint32Array(1024)
  #low = new Uint32Array(1024)
  #offset = new Uint32Array(1024)
  /** The index of a record and 1; 0 is free. Linear probing, at most half full. */
  #slots = new Int32Array(2048)
  /** How many slots are taken: one for each hash. */
  #taken = 0
  /** Indices without a gap; those that are no record have offset 0. */
  #count = 0
  /** Since the last `settle`: the slot that was written, and what was in it. */
  readonly #undo: number[] = []
  #settled = 0

  /** Room for so many more: no slot moves until then. */
  reserve(more: number): void {
    const needed = this.#count + more
    if (needed > this.#high.length) {
      const size = 2 ** Math.ceil(Math.log2(needed))
      this.#high = grown(this.#high, size)
      this.#low = grown(this.#low, size)
      this.#offset = grown(this.#offset, size)
    }
    if ((this.#taken + more) * 2 <= this.#slots.length) return
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(needed * 2)))
    this.#taken = 0
    for (let index = 0; index < this.#count; index++) if (this.#offset[index] !== 0) this.#put(index)
  }

  /** The newest record of a hash; -1 if there is none. */
  find(hash: IdHash): number {
    const slot = this.#slotOf(hash.high, hash.low)
    return (this.#slots[slot] as number) - 1
  }

  get count(): number {
    return this.#count
  }

  offsetOf(index: number): number {
    return this.#offset[index] as number
  }

  /** Of the next record; `reserve` has made room. */
  add(hash: IdHash, offset: number): void {
    const index = this.#count++
    this.#high[index] = hash.high
    this.#low[index] = hash.low
    this.#offset[index] = offset
    const slot = this.#slotOf(hash.high, hash.low)
    this.#undo.push(slot, this.#slots[slot] as number)
    if (this.#slots[slot] === 0) this.#taken++
    this.#slots[slot] = index + 1
  }

  /** Numbers without a record. */
  skip(count: number): void {
    this.reserve(count)
    this.#offset.fill(0, this.#count, this.#count + count)
    this.#count += count
    this.settle()
  }

  /** What was added stays. */
  settle(): void {
    this.#undo.length = 0
    this.#settled = this.#count
  }

  /** What was added since `settle` was not written after all. */
  undo(): void {
    while (this.#undo.length > 0) {
      const before = this.#undo.pop() as number
      const slot = this.#undo.pop() as number
      this.#slots[slot] = before
      if (before === 0) this.#taken--
    }
    this.#count = this.#settled
  }

  /** As a file has them, of the first `count` records. */
  static async of(entries: Buffer, count: number, onId: (hash: IdHash) => void): Promise<HotIds> {
    const ids = new HotIds()
    ids.reserve(count)
    const hash = new IdHash()
    const view = viewOf(entries)
    for (let rank = 0; rank < count; rank++) {
      if (rank % STRETCH === 0) await nextTurn()
      const at = rank * ENTRY_BYTES
      hash.high = view.getUint32(at, true)
      hash.low = view.getUint32(at + 4, true)
      const index = view.getUint32(at + 8, true)
      ids.#high[index] = hash.high
      ids.#low[index] = hash.low
      ids.#offset[index] = view.getUint32(at + 12, true)
      onId(hash)
    }
    ids.#count = count
    for (let index = 0; index < count; index++) if (ids.#offset[index] !== 0) ids.#put(index)
    ids.settle()
    return ids
  }

  /** As a file has them. Nothing is added meanwhile. */
  async toEntries(): Promise<Buffer> {
    const count = this.#count
    const bits = bucketBits(count)
    const shift = 32 - bits
    const starts = new Uint32Array(2 ** bits + 1)
    for (let index = 0; index < count; index++) starts[bucketOf(this.#high[index] as number, shift) + 1]!++
    for (let bucket = 0; bucket < 2 ** bits; bucket++) starts[bucket + 1]! += starts[bucket] as number
    const entries = Buffer.allocUnsafe(count * ENTRY_BYTES)
    const view = viewOf(entries)
    // From the newest on: of records with the same id it is found first.
    for (let index = count - 1; index >= 0; index--) {
      if (index % STRETCH === 0) await nextTurn()
      const high = this.#high[index] as number
      const at = starts[bucketOf(high, shift)]!++ * ENTRY_BYTES
      view.setUint32(at, high, true)
      view.setUint32(at + 4, this.#low[index] as number, true)
      view.setUint32(at + 8, index, true)
      view.setUint32(at + 12, this.#offset[index] as number, true)
    }
    return entries
  }

  #put(index: number): void {
    const slot = this.#slotOf(this.#high[index] as number, this.#low[index] as number)
    if (this.#slots[slot] === 0) this.#taken++
    this.#slots[slot] = index + 1
  }

  #slotOf(high: number, low: number): number {
    const mask = this.#slots.length - 1
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const index = (this.#slots[slot] as number) - 1
      if (index < 0 || (this.#high[index] === high && this.#low[index] === low)) return slot
    }
  }
}

export class ColdIds {
  readonly #prints: Uint16Array
  /** Where in it each bucket begins. */
  readonly #starts: Uint32Array
  readonly #shift: number

  /** As a file has them. @param onId is given one object for all of them */
  static async of(entries: Buffer, count: number, onId?: (hash: IdHash) => void): Promise<ColdIds> {
    const bits = bucketBits(count)
    const shift = 32 - bits
    const hash = new IdHash()
    const view = viewOf(entries)
    const prints = new Uint16Array(count)
    const starts = new Uint32Array(2 ** bits + 1)
    for (let rank = 0; rank < count; rank++) {
      if (rank % STRETCH === 0) await nextTurn()
      hash.high = view.getUint32(rank * ENTRY_BYTES, true)
      hash.low = view.getUint32(rank * ENTRY_BYTES + 4, true)
      prints[rank] = hash.low
      starts[bucketOf(hash.high, shift) + 1]!++
      onId?.(hash)
    }
    for (let bucket = 0; bucket < 2 ** bits; bucket++) starts[bucket + 1]! += starts[bucket] as number
    return new ColdIds(prints, starts, shift)
  }

  private constructor(prints: Uint16Array, starts: Uint32Array, shift: number) {
    this.#prints = prints
    this.#starts = starts
    this.#shift = shift
  }

  /** False: surely not. */
  mayHave(hash: IdHash): boolean {
    return this.#rank(hash.high, hash.low, 0) >= 0
  }

  /** The newest record of a hash. */
  async find(file: DiskFile, high: number, low: number): Promise<Candidate | undefined> {
    for (let rank = this.#rank(high, low, 0); rank >= 0; rank = this.#rank(high, low, rank + 1)) {
      const entry = await readAll(file, ENTRY_BYTES, FILE_HEADER_BYTES + rank * ENTRY_BYTES)
      if (entry.length < ENTRY_BYTES) return undefined
      if (entry.readUInt32LE(0) === high && entry.readUInt32LE(4) === low && entry.readUInt32LE(12) !== 0) {
        return { index: entry.readUInt32LE(8), offset: entry.readUInt32LE(12) }
      }
    }
    return undefined
  }

  #rank(high: number, low: number, from: number): number {
    const bucket = bucketOf(high, this.#shift)
    const print = low & 0xffff
    const prints = this.#prints
    const end = this.#starts[bucket + 1] as number
    for (let rank = Math.max(from, this.#starts[bucket] as number); rank < end; rank++) if (prints[rank] === print) return rank
    return -1
  }
}

/** There are 2^n buckets. */
function bucketBits(count: number): number {
  return Math.max(0, Math.ceil(Math.log2(count / PER_BUCKET)))
}

/** By the top bits. */
function bucketOf(high: number, shift: number): number {
  return shift === 32 ? 0 : high >>> shift
}

/** Where each record is, 0 for one that is missing. */
export function offsetsOf(entries: Buffer): Uint32Array {
  const view = viewOf(entries)
  const offsets = new Uint32Array(entries.length / ENTRY_BYTES)
  for (let at = 0; at < entries.length; at += ENTRY_BYTES) offsets[view.getUint32(at + 8, true)] = view.getUint32(at + 12, true)
  return offsets
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function grown(old: Uint32Array<ArrayBuffer>, size: number): Uint32Array<ArrayBuffer> {
  const next = new Uint32Array(size)
  next.set(old)
  return next
}
