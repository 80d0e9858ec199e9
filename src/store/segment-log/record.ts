/**
 * A record as it lies in a file. `docs/store-format.md` has the picture; all numbers are little-endian.
 *
 * | at | bytes | |
 * |---|---|---|
 * | 0 | 4 | CRC-32 of all between it and the trailer, begun with the store's seed |
 * | 4 | 4 | length of the record, trailer included |
 * | 8 | 6 | number: `seq`; in a state file the file's epoch |
 * | 14 | 1 | kind, and flags: first of a batch, has meta |
 * | 15 | 1 | length of the id |
 * | 16 | 4 | length of the meta; in a gap, how many records are missing |
 * | 20 | 2 | length of the extra |
 * | 22 | | extra, id, meta, data |
 * | | 4 | trailer: made of length and number, never ends in a zero byte |
 *
 * The trailer tells a record that was written to its end from one of which the power cut left zeros: `scan.ts`. The seed keeps bytes
 * that a sender has put into its data from passing for a record.
 */

import { crc32 } from './crc32.ts'

export const RECORD_HEADER_BYTES = 22
const TRAILER_BYTES = 4
export const RECORD_OVERHEAD_BYTES = RECORD_HEADER_BYTES + TRAILER_BYTES

/** The first that a batch wrote: whatever stands before it was synced before it was written. */
export const FIRST_OF_BATCH = 1
const HAS_META = 2

export const KIND = { data: 0x10, dead: 0x20, gap: 0x30, ends: 0x40, segment: 0x50, snapshot: 0x60, retired: 0x70, moved: 0x80 } as const
const KIND_BITS = 0xf0

export interface RecordParts {
  readonly kind: number
  readonly firstOfBatch: boolean
  /** The id's length in bytes: it stands in its place already. */
  readonly idLength: number
  readonly extra?: Uint8Array | undefined
  readonly meta?: Uint8Array | undefined
  readonly data?: Uint8Array | undefined
  /** Instead of a meta: how many records are missing. */
  readonly missing?: number | undefined
}

/** Where in a record its id stands. */
export function idOffset(extra: Uint8Array | undefined): number {
  return RECORD_HEADER_BYTES + (extra?.length ?? 0)
}

/** Writes all but the id at `at`, and says where the record ends. The buffer is large enough. */
export function encodeRecord(buffer: Buffer, view: DataView, at: number, seed: number, seq: number, parts: RecordParts): number {
  const { kind, firstOfBatch, idLength, extra, meta, data, missing } = parts
  let end = at + RECORD_HEADER_BYTES
  if (extra !== undefined) {
    buffer.set(extra, end)
    end += extra.length
  }
  end += idLength
  if (meta !== undefined) {
    buffer.set(meta, end)
    end += meta.length
  }
  if (data !== undefined) {
    buffer.set(data, end)
    end += data.length
  }
  const length = end + TRAILER_BYTES - at
  view.setUint32(at + 4, length, true)
  view.setUint32(at + 8, seq >>> 0, true)
  view.setUint16(at + 12, seq / 0x1_0000_0000, true)
  view.setUint8(at + 14, kind | (firstOfBatch ? FIRST_OF_BATCH : 0) | (meta === undefined ? 0 : HAS_META))
  view.setUint8(at + 15, idLength)
  view.setUint32(at + 16, missing ?? meta?.length ?? 0, true)
  view.setUint16(at + 20, extra?.length ?? 0, true)
  view.setUint32(at, crc32(buffer.subarray(at + 4, end), seed), true)
  view.setUint32(end, trailerOf(length, seq), true)
  return end + TRAILER_BYTES
}

function trailerOf(length: number, seq: number): number {
  return ((Math.imul(length, 0x9e37_79b1) ^ seq ^ 0x5ac3_1e2d) | 0x8000_0000) >>> 0
}

/** The length that the record at `at` says it has; 0 when there is no room for it. */
export function lengthAt(buffer: Buffer, at: number, end: number): number {
  return end - at < RECORD_OVERHEAD_BYTES ? 0 : buffer.readUInt32LE(at + 4)
}

export function seqAt(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at + 8) + buffer.readUInt16LE(at + 12) * 0x1_0000_0000
}

export function kindAt(buffer: Buffer, at: number): number {
  return (buffer[at + 14] as number) & KIND_BITS
}

export function isFirstOfBatchAt(buffer: Buffer, at: number): boolean {
  return ((buffer[at + 14] as number) & FIRST_OF_BATCH) !== 0
}

/** How many numbers a record takes: more than one where others are missing. */
export function spanAt(buffer: Buffer, at: number): number {
  return kindAt(buffer, at) === KIND.gap ? buffer.readUInt32LE(at + 16) : 1
}

/** What a check finds. A length otherwise. */
export const NOT_WHOLE = 0
export const NOT_VALID = -1

/**
 * The length of the record at `at` if all about it is right. {@link NOT_WHOLE}: it says that it ends behind `end`.
 *
 * @param seq the one that it must have; undefined for any
 */
export function checkRecord(buffer: Buffer, at: number, end: number, seed: number, seq: number | undefined): number {
  if (end - at < RECORD_OVERHEAD_BYTES) return NOT_WHOLE
  const length = buffer.readUInt32LE(at + 4)
  if (length < RECORD_OVERHEAD_BYTES) return NOT_VALID
  const own = seqAt(buffer, at)
  if (seq !== undefined && own !== seq) return NOT_VALID
  if (length > end - at) return NOT_WHOLE
  const trailer = at + length - TRAILER_BYTES
  if (buffer.readUInt32LE(trailer) !== trailerOf(length, own)) return NOT_VALID
  if (buffer.readUInt32LE(at) !== crc32(buffer.subarray(at + 4, trailer), seed)) return NOT_VALID
  const meta = kindAt(buffer, at) === KIND.gap ? 0 : buffer.readUInt32LE(at + 16)
  const inside = (buffer[at + 15] as number) + meta + buffer.readUInt16LE(at + 20)
  return inside <= length - RECORD_OVERHEAD_BYTES ? length : NOT_VALID
}

/** Do `length` bytes at `at` end as a record of that length and number does? */
export function endsAsRecord(buffer: Buffer, at: number, length: number, seq: number): boolean {
  return length >= RECORD_OVERHEAD_BYTES && buffer.readUInt32LE(at + length - TRAILER_BYTES) === trailerOf(length, seq)
}

export function extraAt(buffer: Buffer, at: number): Buffer {
  const start = at + RECORD_HEADER_BYTES
  return buffer.subarray(start, start + buffer.readUInt16LE(at + 20))
}

/** Has it an extra? */
export function hasExtraAt(buffer: Buffer, at: number): boolean {
  return buffer.readUInt16LE(at + 20) !== 0
}

export function idAt(buffer: Buffer, at: number): Buffer {
  const start = at + RECORD_HEADER_BYTES + buffer.readUInt16LE(at + 20)
  return buffer.subarray(start, start + (buffer[at + 15] as number))
}

export function idTextAt(buffer: Buffer, at: number): string {
  const start = at + RECORD_HEADER_BYTES + buffer.readUInt16LE(at + 20)
  return buffer.toString('utf8', start, start + (buffer[at + 15] as number))
}

export function metaAt(buffer: Buffer, at: number): Buffer | undefined {
  if (((buffer[at + 14] as number) & HAS_META) === 0) return undefined
  const start = at + RECORD_HEADER_BYTES + buffer.readUInt16LE(at + 20) + (buffer[at + 15] as number)
  return buffer.subarray(start, start + buffer.readUInt32LE(at + 16))
}

export function dataAt(buffer: Buffer, at: number): Buffer {
  const start = at + RECORD_HEADER_BYTES + buffer.readUInt16LE(at + 20) + (buffer[at + 15] as number)
  const meta = kindAt(buffer, at) === KIND.gap ? 0 : buffer.readUInt32LE(at + 16)
  return buffer.subarray(start + meta, at + buffer.readUInt32LE(at + 4) - TRAILER_BYTES)
}
