import { MemoryStore } from '../../src/store/memory-store.ts'

export interface MemoryDisk {
  readonly store: MemoryStore
  readonly outcomes: MemoryStore
}

/** The stores of a buffer. They outlive whoever opens them, as a disk does. */
export function memoryDisk(): MemoryDisk {
  return { store: new MemoryStore(), outcomes: new MemoryStore({ dedupeWindow: 0 }) }
}
