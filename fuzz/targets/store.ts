/**
 * A file of records as a damaged disk gives it back: nothing is thrown, what is read was written so, and what is good is found whatever stands
 * before it.
 */

import { encodeRecord, idAt, idOffset, KIND, RECORD_OVERHEAD_BYTES, dataAt, metaAt, spanAt } from '../../src/store/segment-log/record.ts'
import { scanBytes } from '../../src/store/segment-log/scan.ts'
import type { Random } from '../random.ts'
import { must, type Pieces, type Target } from '../target.ts'

const SEED = 0x1234_5678

function record(random: Random, seq: number): Buffer {
  const [id, data] = [random.bytes(1 + random.below(40)), random.bytes(random.pick([0, 1, 10, 500, 600]))]
  const meta = random.oneIn(3) ? random.bytes(random.below(20)) : undefined
  const buffer = Buffer.alloc(RECORD_OVERHEAD_BYTES + id.length + data.length + (meta?.length ?? 0))
  id.copy(buffer, idOffset(undefined))
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
  const parts = { kind: KIND.data, firstOfBatch: random.oneIn(3), idLength: id.length, meta, data }
  encodeRecord(buffer, view, 0, SEED, seq, parts)
  return buffer
}

export const storeTarget: Target = {
  name: 'store',

  generate(random) {
    const records = Array.from({ length: random.below(12) }, (_, index) => record(random, index + 1))
    return [Buffer.alloc(0), ...records, Buffer.alloc(random.pick([0, 10, 2000]))]
  },
  piece: (random) => record(random, 1 + random.below(12)),

  run(input: Pieces) {
    const bytes = Buffer.concat(input.slice(1))
    let last = 0
    let end = 0
    const { tail, records } = scanBytes(bytes, SEED, (buffer, at, offset, seq) => {
      must(seq > last && offset >= end, 'records are found in order')
      const inside = idAt(buffer, at).length + dataAt(buffer, at).length + (metaAt(buffer, at)?.length ?? 0)
      end = offset + inside + RECORD_OVERHEAD_BYTES
      must(end <= bytes.length, 'a record lies within the file')
      last = seq + spanAt(buffer, at) - 1
    })
    if (tail.name === 'damaged' && tail.resume !== undefined) {
      must(tail.resume.seq > last && tail.resume.offset > end - 1, 'damage ends behind what is good')
    }
    return `${Math.min(records, 4)} ${tail.name}`
  },
}
