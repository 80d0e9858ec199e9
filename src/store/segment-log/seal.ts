/**
 * The seal of a file of records: one checksum over all of them, so that whoever opens the file need not look at each. It lies in the `.ids` file
 * beside it (`ids-file.ts`), written when the file is full, and when the store is closed.
 *
 * A seal speaks of a beginning of the file, up to a record's end: records are only ever appended. Where the bytes are not those that were
 * sealed, it says nothing, and each record is looked at: only then is it known which one is damaged. A seal can be lost, or too old, or of
 * another file: that costs time, and never a record.
 */

import { crc32 } from './crc32.ts'
import { FILE_HEADER_BYTES } from './file-header.ts'
import type { DiskFile } from './file-system.ts'

const PIECE_BYTES = 1024 * 1024

/** A live record that was dead before. */
export interface Requeued {
  readonly seq: number
  /** The number of the dead record that it was. */
  readonly ordinal: number
}

export interface Seal {
  /** It speaks of all before this byte. */
  readonly end: number
  /** CRC-32 of what is between the header and `end`. */
  readonly sum: number
  readonly requeued: readonly Requeued[]
}

/** Are the bytes the ones that were sealed? */
export async function isIntact(file: DiskFile, size: number, { end, sum }: Seal): Promise<boolean> {
  if (end > size) return false
  let found = 0
  const pieces = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)] as const
  const read = (which: 0 | 1, at: number): Promise<number> => file.read(pieces[which], 0, Math.min(PIECE_BYTES, end - at), at)
  let which: 0 | 1 = 0
  let ahead = read(which, FILE_HEADER_BYTES)
  for (let at = FILE_HEADER_BYTES; at < end; ) {
    const length = await ahead
    if (length === 0) return false
    const piece = pieces[which].subarray(0, length)
    at += length
    which = which === 0 ? 1 : 0
    // The next piece is read while this one is looked at.
    if (at < end) ahead = read(which, at)
    found = crc32(piece, found)
  }
  return found === sum
}
