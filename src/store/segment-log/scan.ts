/**
 * Reads a file of records from its beginning, and judges what comes behind the last good one.
 *
 * What may stand there, and what it means:
 *
 * - zeros, or nothing: the end. Files are made longer ahead, with zeros.
 * - a record that was being written when the power went: **torn**, and no error; nobody was told that it is safe. What the disk did not
 *   write is zeros, by whole sectors, so that a torn record has a sector without a byte, or does not end as a record does.
 * - anything else is **damage**. So is all that stands before a later batch: a batch is written when the one before it is synced.
 */

import type { DiskFile } from './file-system.ts'
import { readAll } from './file-system.ts'
import { checkRecord, endsAsRecord, isFirstOfBatchAt, lengthAt, NOT_WHOLE, RECORD_OVERHEAD_BYTES, seqAt, spanAt } from './record.ts'

const WINDOW_BYTES = 1024 * 1024
const SECTOR_BYTES = 512
/** How far the number of a record behind damage may be from the one expected: no segment has more. */
const MOST_MISSING = 1 << 20

export interface ScanFrom {
  readonly offset: number
  /** The number of the first record. */
  readonly seq: number
  /** Whether numbers count up; all the same in a state file. */
  readonly counting: boolean
  readonly seed: number
  readonly size: number
}

export interface ScanEnd {
  /** Behind the last good record. */
  readonly offset: number
  /** What the next record would have. */
  readonly seq: number
  /** Where the last batch begins; undefined if there is none. */
  readonly lastBatch: number | undefined
}

/** Stops at the first record that is not good. @param onStretch is given the bytes of many good records at once */
export async function scanRecords(
  file: DiskFile,
  from: ScanFrom,
  onRecord: (buffer: Buffer, at: number, offset: number, seq: number) => void,
  onStretch?: (records: Buffer) => void,
): Promise<ScanEnd> {
  const { counting, seed, size } = from
  let { offset, seq } = from
  let lastBatch: number | undefined
  let windowBytes = WINDOW_BYTES
  let ahead = readAll(file, Math.min(windowBytes, size - offset), offset)
  for (;;) {
    const buffer = await ahead
    const start = offset
    // The next window is read while this one is looked through; where a record is cut by the end of this one, it is read anew.
    const next = start + buffer.length
    const nextRead = next < size ? readAll(file, Math.min(windowBytes, size - next), next) : undefined
    nextRead?.catch(() => {})
    let at = 0
    let length = NOT_WHOLE
    for (;;) {
      length = checkRecord(buffer, at, buffer.length, seed, seq)
      if (length <= 0) break
      if (isFirstOfBatchAt(buffer, at)) lastBatch = start + at
      onRecord(buffer, at, start + at, seq)
      if (counting) seq += spanAt(buffer, at)
      at += length
    }
    offset = start + at
    onStretch?.(buffer.subarray(0, at))
    if (length < 0 || nextRead === undefined) return { offset, seq, lastBatch }
    const needed = Math.max(lengthAt(buffer, at, buffer.length), 1)
    const rest = buffer.subarray(at)
    if (needed > size - offset) return { offset, seq, lastBatch }
    windowBytes = Math.max(WINDOW_BYTES, needed)
    const following = await nextRead
    ahead =
      rest.length + following.length >= Math.min(needed, size - offset)
        ? Promise.resolve(Buffer.concat([rest, following]))
        : readAll(file, Math.min(windowBytes, size - offset), offset)
  }
}

export type Tail =
  | { readonly name: 'end' }
  | { readonly name: 'torn'; readonly bytes: number }
  | {
      readonly name: 'damaged'
      /** Where records are good again, and the number of the first of them; undefined when none are. */
      readonly resume: { readonly offset: number; readonly seq: number } | undefined
      readonly bytes: number
    }

/**
 * What stands behind the last good record of a scan.
 *
 * @param mayBeTorn whether the file was the one being written last
 */
export async function judgeTail(file: DiskFile, from: ScanFrom, end: ScanEnd, mayBeTorn: boolean): Promise<Tail> {
  return judgeBytes(await readAll(file, from.size - end.offset, end.offset), from, end, mayBeTorn)
}

/** @param tail from `end` on */
export function judgeBytes(tail: Buffer, from: ScanFrom, end: ScanEnd, mayBeTorn: boolean): Tail {
  const { seed, counting } = from
  let written = tail.length
  while (written > 0 && tail[written - 1] === 0) written--
  if (written === 0) return { name: 'end' }
  const resumeAt = findRecord(tail, seed, end.seq, counting)
  const resume = resumeAt === undefined ? undefined : { offset: end.offset + resumeAt, seq: seqAt(tail, resumeAt) }
  const damaged: Tail = { name: 'damaged', resume, bytes: resumeAt ?? written }
  if (!mayBeTorn || (resumeAt !== undefined && hasLaterBatch(tail, resumeAt, seed, counting))) return damaged
  const whole = [lengthAt(tail, 0, tail.length), resumeAt ?? 0, written].some((length) =>
    isWhole(tail, length, end, counting ? end.seq : from.seq),
  )
  return whole ? damaged : { name: 'torn', bytes: written }
}

/** The first good record behind the start. */
function findRecord(tail: Buffer, seed: number, expected: number, counting: boolean): number | undefined {
  for (let at = 1; at <= tail.length - RECORD_OVERHEAD_BYTES; at++) {
    const length = lengthAt(tail, at, tail.length)
    if (length < RECORD_OVERHEAD_BYTES || length > tail.length - at) continue
    const seq = seqAt(tail, at)
    if (counting ? seq <= expected || seq > expected + MOST_MISSING : seq !== expected) continue
    if (checkRecord(tail, at, tail.length, seed, seq) > 0) return at
  }
  return undefined
}

function hasLaterBatch(tail: Buffer, start: number, seed: number, counting: boolean): boolean {
  let seq = seqAt(tail, start)
  for (let at = start; ; ) {
    const length = checkRecord(tail, at, tail.length, seed, seq)
    if (length <= 0) return false
    if (isFirstOfBatchAt(tail, at)) return true
    if (counting) seq += spanAt(tail, at)
    at += length
  }
}

/** Was the record at the start of the tail written to its end, if it has this length? Then something was changed in it later. */
function isWhole(tail: Buffer, length: number, { offset }: ScanEnd, seq: number): boolean {
  if (length <= 0 || length > tail.length) return false
  const saysSo = lengthAt(tail, 0, tail.length) === length && tail[length - 1] !== 0
  if (!saysSo && !endsAsRecord(tail, 0, length, seq)) return false
  for (let at = 0; at < length; ) {
    const end = Math.min(length, at + SECTOR_BYTES - ((offset + at) % SECTOR_BYTES))
    if (tail.subarray(at, end).every((byte) => byte === 0)) return false
    at = end
  }
  return true
}
