/**
 * Where a buffer keeps its records: the embedded store, and the interface for others: `zmq-rpc/store`.
 *
 * @packageDocumentation
 */

export type {
  BufferStore,
  DeadEntry,
  Durability,
  ReadLimit,
  StoreCounts,
  StoreEntry,
  StoreOpening,
  StoreRecord,
} from './buffer-store.ts'
export type { SegmentLogOptions } from './segment-log/options.ts'
export { SegmentLog } from './segment-log/segment-log.ts'
export type { DroppedRecords, StoreLimits } from './store-limits.ts'
