/**
 * Tests of distributed programs without waiting and without luck: `zmq-rpc/testing`.
 *
 * @packageDocumentation
 */

export { MemoryStore } from '../store/memory-store.ts'
export type { DroppedRecords, StoreLimits } from '../store/store-limits.ts'
export type { Chaos, ChaosOptions } from './chaos.ts'
export type { LinkConditions } from './direction.ts'
export type { CrashOptions, Host } from './host.ts'
export type { CutOptions, Link } from './link.ts'
export { TestNetwork, type TestNetworkOptions } from './network.ts'
export { StuckError } from './scheduler.ts'
export { simulate } from './simulate.ts'
export type { Chunking } from './topology.ts'
export { type PendingEvent, type RunOptions, type VirtualTime, type VirtualTimeOptions, virtualTime } from './virtual-time.ts'
