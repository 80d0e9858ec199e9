/**
 * Where a program keeps what has to outlive it: in a store of its own, or in a folder. The log for a folder is loaded when it is opened: who
 * keeps nothing does not pay for it at start-up.
 */

import type { BufferStore } from '../store/buffer-store.ts'
import { resolveOptions, type SegmentLogOptions } from '../store/segment-log/options.ts'

/** A store, or what makes one: only that can be opened again after the disk failed. */
export type StoreSource = BufferStore | (() => BufferStore)

/** Makes one each time that it is to be opened. */
export type StoreMaker = () => BufferStore | Promise<BufferStore>

/** Whatever a message may have, and what is kept with it. Bytes. */
export const MAX_KEPT_BYTES = 65 * 1024 * 1024

/** Where the limit is in bytes. */
export const MANY_RECORDS = 1_000_000_000

export function storeMaker(source: StoreSource): StoreMaker {
  return typeof source === 'function' ? source : () => source
}

/** @throws ZmqRpcError BAD_OPTION, at once */
export function segmentLogMaker(options: SegmentLogOptions): () => Promise<BufferStore> {
  resolveOptions(options)
  return async () => {
    const { SegmentLog } = await import('../store/segment-log/segment-log.ts')
    return new SegmentLog(options)
  }
}
