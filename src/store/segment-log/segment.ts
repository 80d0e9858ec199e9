/**
 * One file of records with numbers that follow each other, and what memory holds of it: where every 64th record is, which have ended (a
 * bit each, once one has), and its ids.
 */

import { crc32 } from './crc32.ts'
import { FILE_HEADER_BYTES, type FileKind } from './file-header.ts'
import type { DiskFile, FileSystem } from './file-system.ts'
import type { ColdIds, HotIds } from './id-index.ts'
import type { Requeued, Seal } from './seal.ts'

/** So that a state file has room for the bits of each. */
export const MAX_SEGMENT_RECORDS = 262_144

const MARK_RECORDS = 64
const MARK_BYTES = 64 * 1024

export class Segment {
  readonly kind: FileKind
  readonly path: string
  readonly firstSeq: number
  /** Records that are durable, those that have ended and those that are missing among them. */
  count = 0
  /** Where the next record goes; all before it is durable. */
  end = FILE_HEADER_BYTES
  /** CRC-32 of all up to `end`, from the header on. */
  sum = 0
  /** So much of it has a seal in a file, if that was not lost. */
  sealedTo = FILE_HEADER_BYTES
  /** Which of its records were dead before, until its seal is in a file. */
  requeued: Requeued[] = []
  /** How far the file goes: zeros behind `end`. */
  allocated = FILE_HEADER_BYTES
  /** Nothing is written to it any more. */
  sealed = false
  /** Undefined in a log that has no index of ids. */
  ids: HotIds | ColdIds | undefined
  endedCount = 0
  #ended: Uint8Array | undefined
  /** All below it have ended. */
  #firstLive = 0
  readonly #markIndices: number[] = []
  readonly #markOffsets: number[] = []
  readonly #disk: FileSystem
  #file: Promise<DiskFile> | undefined
  #users = 0
  #closing = false

  constructor(disk: FileSystem, kind: FileKind, path: string, firstSeq: number) {
    this.kind = kind
    this.#disk = disk
    this.path = path
    this.firstSeq = firstSeq
  }

  get nextSeq(): number {
    return this.firstSeq + this.count
  }

  get isDone(): boolean {
    return this.endedCount === this.count
  }

  has(seq: number): boolean {
    return seq >= this.firstSeq && seq < this.nextSeq
  }

  get seal(): Seal {
    const { end, sum, requeued } = this
    return { end, sum, requeued }
  }

  /** These bytes stand at `end`. */
  extend(bytes: Uint8Array): void {
    this.sum = crc32(bytes, this.sum)
    this.end += bytes.length
  }

  /** A record is durable at this offset. */
  note(index: number, offset: number): void {
    const last = this.#markIndices.length - 1
    const [lastIndex, lastOffset] = [this.#markIndices[last], this.#markOffsets[last]]
    if (lastIndex !== undefined && lastOffset !== undefined && index - lastIndex < MARK_RECORDS && offset - lastOffset < MARK_BYTES) return
    this.#markIndices.push(index)
    this.#markOffsets.push(offset)
  }

  /** The nearest record at or before `index` of which the place is known. */
  markBefore(index: number): { index: number; offset: number } {
    let low = 0
    let high = this.#markIndices.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#markIndices[middle] as number) <= index) low = middle + 1
      else high = middle
    }
    return { index: this.#markIndices[low - 1] ?? 0, offset: this.#markOffsets[low - 1] ?? FILE_HEADER_BYTES }
  }

  hasEnded(index: number): boolean {
    if (index < this.#firstLive) return true
    const bits = this.#ended
    return bits !== undefined && ((bits[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0
  }

  /** False if it had ended before. */
  markEnded(index: number): boolean {
    if (this.hasEnded(index)) return false
    this.endedCount++
    if (index === this.#firstLive && this.#ended === undefined) {
      this.#firstLive++
      return true
    }
    this.#setBit(index)
    if (index === this.#firstLive) this.#firstLive = this.nextLive(index)
    return true
  }

  /** The first from `index` on that has not ended; `count` if all have. */
  nextLive(index: number): number {
    let at = Math.max(index, this.#firstLive)
    const bits = this.#ended
    if (bits === undefined) return Math.min(at, this.count)
    while (at < this.count && ((bits[at >>> 3] ?? 0) & (1 << (at & 7))) !== 0) at += (at & 7) === 0 && bits[at >>> 3] === 0xff ? 8 : 1
    return Math.min(at, this.count)
  }

  /** Which have ended, for a state file: all below the first number, and those whose bits are set. */
  endedBits(): { readonly below: number; readonly bits: Uint8Array } {
    return { below: this.#firstLive, bits: this.#ended?.subarray(0, Math.ceil(this.count / 8)) ?? new Uint8Array(0) }
  }

  /** What `endedBits` said. Records that are not there any more are left out. */
  restoreEnded(below: number, bits: Uint8Array): void {
    for (let index = 0; index < Math.min(below, this.count); index++) this.markEnded(index)
    for (let index = below; index < Math.min(this.count, bits.length * 8); index++) {
      if (((bits[index >>> 3] as number) & (1 << (index & 7))) !== 0) this.markEnded(index)
    }
  }

  /** The file stays open until `release`. */
  async acquire(): Promise<DiskFile> {
    this.#users++
    this.#file ??= this.#disk.open(this.path, 'read')
    try {
      return await this.#file
    } catch (error) {
      this.#file = undefined
      this.#users--
      throw error
    }
  }

  release(): void {
    this.#users--
    if (this.#closing && this.#users === 0) this.#close()
  }

  /** Once nobody uses it any more. It is opened again when somebody does. */
  closeFile(): void {
    this.#closing = true
    if (this.#users === 0) this.#close()
  }

  /** It was opened already, to be written. */
  adopt(file: DiskFile): void {
    this.#file = Promise.resolve(file)
  }

  #close(): void {
    this.#closing = false
    const file = this.#file
    this.#file = undefined
    // Whatever goes wrong here, nothing is lost by it.
    file?.then((open) => open.close()).catch(() => {})
  }

  #setBit(index: number): void {
    const byte = index >>> 3
    if (this.#ended === undefined || byte >= this.#ended.length) {
      const bits = new Uint8Array(Math.max(128, 2 ** Math.ceil(Math.log2(byte + 1))))
      if (this.#ended !== undefined) bits.set(this.#ended)
      this.#ended = bits
    }
    this.#ended[byte] = (this.#ended[byte] as number) | (1 << (index & 7))
  }
}
