import { MemoryStore } from '../../../src/store/memory-store.ts'
import { storeConformance } from './suite.ts'

storeConformance({
  name: 'the store in memory',
  make: async (limits) => new MemoryStore(limits),
  another: async (store) => store,
  gapFree: true,
  limited: true,
  remote: false,
  dedupeSlack: 0,
})
