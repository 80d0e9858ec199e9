/** The options of the segment log. */

import { checkOptions, type OptionNames } from '../../options.ts'
import { badOption, type ResolvedLimits, resolveLimits, type StoreLimits, whole } from '../store-limits.ts'

/** Options of {@link SegmentLog}. */
export interface SegmentLogOptions extends StoreLimits {
  /** The folder. It is made if it is not there, holds nothing else, and lies on a disk of this machine. */
  readonly path: string
  /**
   * Records are kept in files of this size, and room comes free by whole files. From 4 KiB to 1 GiB.
   * @default an eighth of `maxBytes`, at most 64 MiB
   */
  readonly segmentBytes?: number | undefined
  /**
   * What an acknowledged record survives: `fsync`, a power cut; `os-cache`, the end of the process only, for what may be lost then.
   * @default 'fsync'
   */
  readonly durability?: 'fsync' | 'os-cache' | undefined
  /**
   * When records are damaged: do not open (`STORE_CORRUPT`), or put what is damaged into files that end in `.bad`, keep all other records, and
   * tell which are gone. What ended may be live again where the note of that is damaged.
   * @default 'refuse'
   */
  readonly onDamage?: 'refuse' | 'quarantine' | undefined
  /**
   * Only to look into a folder, also while another process uses it: nothing is locked or written. Shows what was there when it was opened, and
   * no longer what the other process clears away. Whatever would change something is refused.
   * @default false
   */
  readonly readOnly?: boolean | undefined
}

export interface ResolvedSegmentLogOptions extends ResolvedLimits {
  readonly path: string
  readonly segmentBytes: number
  readonly durability: 'fsync' | 'os-cache'
  readonly onDamage: 'refuse' | 'quarantine'
  readonly readOnly: boolean
}

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

const OPTIONS: OptionNames<SegmentLogOptions> = {
  path: true,
  segmentBytes: true,
  durability: true,
  onDamage: true,
  readOnly: true,
  maxRecords: true,
  maxBytes: true,
  maxRecordBytes: true,
  dedupeWindow: true,
  whenFull: true,
  onDropped: true,
}

/** @throws StoreError BAD_OPTION; ZmqRpcError BAD_OPTION for what is no option of it */
export function resolveOptions(options: SegmentLogOptions): ResolvedSegmentLogOptions {
  checkOptions('SegmentLog', options, OPTIONS)
  const { path, durability = 'fsync', onDamage = 'refuse', readOnly = false } = options
  if (typeof path !== 'string' || path === '') throw badOption('path is the folder of the buffer, and must not be empty')
  if (durability !== 'fsync' && durability !== 'os-cache')
    throw badOption(`durability is 'fsync' or 'os-cache', not '${String(durability)}'`)
  if (onDamage !== 'refuse' && onDamage !== 'quarantine') throw badOption(`onDamage is 'refuse' or 'quarantine', not '${String(onDamage)}'`)
  const limits = resolveLimits(options)
  const fitting = Math.min(64 * MiB, Math.max(4 * KiB, Math.floor(limits.maxBytes / 8)))
  const segmentBytes = whole('segmentBytes', options.segmentBytes ?? fitting, 4 * KiB, GiB)
  return { ...limits, path, durability, onDamage, readOnly, segmentBytes }
}
