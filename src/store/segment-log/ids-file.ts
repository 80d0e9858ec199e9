/**
 * An `.ids` file: which ids a file of records has, where each record is, and the seal of that file (`seal.ts`).
 *
 * | behind the header, which says how many records | bytes |
 * |---|---|
 * | for each record, by bucket (`id-index.ts`): hash high, hash low, index, offset | 16 |
 * | the seal: where the records end; 0 if there is none | 4 |
 * | CRC-32 of the records | 4 |
 * | how many of them were dead before | 4 |
 * | for each of these: index, number of the dead record | 4 + 6 |
 * | CRC-32 of all this | 4 |
 *
 * Version 1 had no seal.
 */

import { crc32 } from './crc32.ts'
import { decodeFileHeader, encodeFileHeader, FILE_HEADER_BYTES } from './file-header.ts'
import { ENTRY_BYTES } from './id-index.ts'
import type { Seal } from './seal.ts'

const SEAL_BYTES = 12
const REQUEUED_BYTES = 10
const CRC_BYTES = 4

export interface IdsFile {
  readonly firstSeq: number
  readonly count: number
  /** An entry for each record. */
  readonly entries: Buffer
  readonly seal: Seal | undefined
}

const NO_SEAL: Seal = { end: 0, sum: 0, requeued: [] }

export function encodeIdsFile(storeId: Buffer, { firstSeq, count, entries, seal = NO_SEAL }: IdsFile): Buffer {
  const tail = Buffer.alloc(SEAL_BYTES + seal.requeued.length * REQUEUED_BYTES + CRC_BYTES)
  tail.writeUInt32LE(seal.end, 0)
  tail.writeUInt32LE(seal.sum, 4)
  tail.writeUInt32LE(seal.requeued.length, 8)
  let at = SEAL_BYTES
  for (const { seq, ordinal } of seal.requeued) {
    tail.writeUInt32LE(seq - firstSeq, at)
    tail.writeUIntLE(ordinal, at + 4, 6)
    at += REQUEUED_BYTES
  }
  tail.writeUInt32LE(crc32(tail.subarray(0, at), crc32(entries)), at)
  return Buffer.concat([encodeFileHeader({ kind: 'I', storeId, first: firstSeq, count }), entries, tail])
}

/** Undefined if it is damaged, or is about other records. @throws StoreError BAD_OPTION when it is of a newer version */
export function decodeIdsFile(bytes: Buffer, storeId: Buffer, firstSeq: number, path: string): IdsFile | undefined {
  const header = decodeFileHeader(bytes.subarray(0, FILE_HEADER_BYTES), 'I', path)
  if (header?.first !== firstSeq || !header.storeId.equals(storeId)) return undefined
  const { count, version } = header
  const end = bytes.length - CRC_BYTES
  const tail = FILE_HEADER_BYTES + count * ENTRY_BYTES
  if (end < tail || bytes.readUInt32LE(end) !== crc32(bytes.subarray(FILE_HEADER_BYTES, end))) return undefined
  const entries = bytes.subarray(FILE_HEADER_BYTES, tail)
  if (version === 1) return end === tail ? { firstSeq, count, entries, seal: undefined } : undefined
  const seal = decodeSeal(bytes.subarray(tail, end), firstSeq)
  return seal && { firstSeq, count, entries, seal: seal.end === 0 ? undefined : seal }
}

function decodeSeal(bytes: Buffer, firstSeq: number): Seal | undefined {
  if (bytes.length < SEAL_BYTES || bytes.length !== SEAL_BYTES + bytes.readUInt32LE(8) * REQUEUED_BYTES) return undefined
  const requeued = []
  for (let at = SEAL_BYTES; at < bytes.length; at += REQUEUED_BYTES) {
    requeued.push({ seq: firstSeq + bytes.readUInt32LE(at), ordinal: bytes.readUIntLE(at + 4, 6) })
  }
  return { end: bytes.readUInt32LE(0), sum: bytes.readUInt32LE(4), requeued }
}
