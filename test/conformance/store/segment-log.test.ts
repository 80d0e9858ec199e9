import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { BufferStore } from '../../../src/store/buffer-store.ts'
import { SegmentLog } from '../../../src/store/segment-log/segment-log.ts'
import { storeConformance } from './suite.ts'

const folders = new Map<BufferStore, string>()

afterAll(() => {
  for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true })
})

/** Small segments: most tests have several. */
for (const segmentBytes of [undefined, 4096]) {
  storeConformance({
    name: segmentBytes === undefined ? 'the segment log' : 'the segment log with small segments',
    async make(limits) {
      const path = mkdtempSync(join(tmpdir(), 'zmq-rpc-store-'))
      return remember(new SegmentLog({ ...limits, path, segmentBytes }), path)
    },
    async another(store, limits) {
      const path = folders.get(store) as string
      return remember(new SegmentLog({ ...limits, path, segmentBytes }), path)
    },
    gapFree: true,
    limited: true,
    remote: false,
    dedupeSlack: segmentBytes === undefined ? Number.POSITIVE_INFINITY : 200,
  })
}

function remember(store: SegmentLog, path: string): SegmentLog {
  folders.set(store, path)
  return store
}
