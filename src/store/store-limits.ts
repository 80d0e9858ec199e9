/** What every store on this machine limits, the defaults, and what is refused at once. */

import { StoreError } from '../errors.ts'
import type { StoreRecord } from './buffer-store.ts'

/** Records that were thrown away to make room: only with `whenFull: 'dropOldest'`. */
export interface DroppedRecords {
  /** How many. */
  readonly count: number
  /** The first of them. */
  readonly fromSeq: number
  /** The last of them. */
  readonly toSeq: number
}

/** What a store limits. */
export interface StoreLimits {
  /**
   * How many records are kept, live and dead.
   * @default 10_000_000
   */
  readonly maxRecords?: number | undefined
  /**
   * How many bytes are kept. On disk they come free by whole segments.
   * @default 1 GiB
   */
  readonly maxBytes?: number | undefined
  /**
   * How large a record's id, data and meta may be together; more is refused with `RECORD_TOO_LARGE`. At most 256 MiB.
   * @default 16 MiB
   */
  readonly maxRecordBytes?: number | undefined
  /**
   * How many records that ended are remembered, so that their ids make no new records. At least so many are; it may be more.
   * @default 100_000
   */
  readonly dedupeWindow?: number | undefined
  /**
   * At `maxRecords` or `maxBytes`: refuse the new record (`STORE_FULL`), or throw away the oldest live ones, which were promised to be
   * kept. Only for what loses its worth with time.
   * @default 'refuse'
   */
  readonly whenFull?: 'refuse' | 'dropOldest' | undefined
  /** Told of what `dropOldest` threw away. */
  readonly onDropped?: ((dropped: DroppedRecords) => void) | undefined
}

const KiB = 1024
const MiB = 1024 * KiB

/** How large `maxRecordBytes` may be. */
const MOST_RECORD_BYTES = 256 * MiB

export const STORE_LIMITS = {
  maxRecords: 10_000_000,
  maxBytes: 1024 * MiB,
  maxRecordBytes: 16 * MiB,
  dedupeWindow: 100_000,
  whenFull: 'refuse',
} as const satisfies StoreLimits

export interface ResolvedLimits {
  readonly maxRecords: number
  readonly maxBytes: number
  readonly maxRecordBytes: number
  readonly dedupeWindow: number
  readonly whenFull: 'refuse' | 'dropOldest'
  readonly onDropped: ((dropped: DroppedRecords) => void) | undefined
}

/** @throws StoreError BAD_OPTION */
export function resolveLimits(limits: StoreLimits): ResolvedLimits {
  const whenFull = limits.whenFull ?? STORE_LIMITS.whenFull
  if (whenFull !== 'refuse' && whenFull !== 'dropOldest') throw badOption(`whenFull is 'refuse' or 'dropOldest', not '${String(whenFull)}'`)
  return {
    maxRecords: whole('maxRecords', limits.maxRecords ?? STORE_LIMITS.maxRecords, 1, Number.MAX_SAFE_INTEGER),
    maxBytes: whole('maxBytes', limits.maxBytes ?? STORE_LIMITS.maxBytes, 1, Number.MAX_SAFE_INTEGER),
    maxRecordBytes: whole('maxRecordBytes', limits.maxRecordBytes ?? STORE_LIMITS.maxRecordBytes, 1, MOST_RECORD_BYTES),
    dedupeWindow: whole('dedupeWindow', limits.dedupeWindow ?? STORE_LIMITS.dedupeWindow, 0, 100_000_000),
    whenFull,
    onDropped: limits.onDropped,
  }
}

/** @throws StoreError BAD_OPTION */
export function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value
  throw badOption(`${name} is a whole number from ${least} to ${most}, not ${value}`)
}

/** Why a record cannot be taken, whatever room there is. */
export function refusalOf({ id, data, meta }: StoreRecord, { maxRecordBytes }: ResolvedLimits): StoreError | undefined {
  if (typeof id !== 'string' || id.length === 0 || id.length > 255) return badOption("a record's id has 1 to 255 bytes")
  if ((id.length > 85 && Buffer.byteLength(id) > 255) || !id.isWellFormed()) {
    return badOption("a record's id has 1 to 255 bytes of well-formed UTF-8")
  }
  const rest = data.length + (meta?.length ?? 0)
  // A unit of a string is three bytes at most: most often there is no need to count.
  if (rest + id.length * 3 <= maxRecordBytes) return undefined
  const bytes = rest + Buffer.byteLength(id)
  if (bytes <= maxRecordBytes) return undefined
  return new StoreError('RECORD_TOO_LARGE', `the record has ${bytes} bytes, and maxRecordBytes is ${maxRecordBytes}`, { written: false })
}

export function badOption(text: string): StoreError {
  return new StoreError('BAD_OPTION', text, { written: false })
}

/** `reason` as it is kept: 4096 bytes of UTF-8 at most, and no character cut in half. */
export function cutReason(reason: string): string {
  if (reason.length <= MAX_REASON_BYTES / 3) return reason
  const bytes = Buffer.from(reason)
  if (bytes.length <= MAX_REASON_BYTES) return reason
  let end = MAX_REASON_BYTES
  while (((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

const MAX_REASON_BYTES = 4096
