/**
 * The first 32 bytes of every file: what it is, of which version, and which store it belongs to.
 *
 * | at | bytes | |
 * |---|---|---|
 * | 0 | 4 | `ZRPC` |
 * | 4 | 1 | kind: `L` live records, `D` dead ones, `S` state, `I` ids |
 * | 5 | 1 | version: 2 for ids, else 1 |
 * | 8 | 8 | the store's own random number |
 * | 16 | 6 | the first record's `seq`; of a state file, its epoch |
 * | 24 | 4 | how many, where the kind needs it |
 * | 28 | 4 | CRC-32 of the 28 bytes before it |
 */

import { StoreError } from '../../errors.ts'
import { crc32 } from './crc32.ts'

export const FILE_HEADER_BYTES = 32
const MAGIC = 'ZRPC'
const VERSIONS = { L: 1, D: 1, S: 1, I: 2 } as const

export type FileKind = keyof typeof VERSIONS

export interface FileHeader {
  readonly kind: FileKind
  readonly version: number
  readonly storeId: Buffer
  readonly first: number
  readonly count: number
}

export function encodeFileHeader({ kind, storeId, first, count }: Omit<FileHeader, 'version'>): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES)
  header.write(MAGIC, 0, 'latin1')
  header.write(kind, 4, 'latin1')
  header[5] = VERSIONS[kind]
  storeId.copy(header, 8)
  header.writeUIntLE(first, 16, 6)
  header.writeUInt32LE(count, 24)
  header.writeUInt32LE(crc32(header.subarray(0, 28)), 28)
  return header
}

/**
 * Undefined when it is damaged, or none.
 *
 * @throws StoreError BAD_OPTION when it is of a newer version
 */
export function decodeFileHeader(header: Buffer, kind: FileKind, file: string): FileHeader | undefined {
  if (header.length < FILE_HEADER_BYTES || header.toString('latin1', 0, 4) !== MAGIC) return undefined
  if (header.readUInt32LE(28) !== crc32(header.subarray(0, 28))) return undefined
  if (header.toString('latin1', 4, 5) !== kind) return undefined
  const version = header[5] as number
  if (version > VERSIONS[kind]) {
    throw new StoreError(
      'BAD_OPTION',
      `${file} is of version ${version} of the format, and this program knows ${VERSIONS[kind]}: use a newer one`,
      { file },
    )
  }
  return { kind, version, storeId: Buffer.from(header.subarray(8, 16)), first: header.readUIntLE(16, 6), count: header.readUInt32LE(24) }
}
