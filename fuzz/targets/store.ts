/**
 * A file of records as a damaged disk gives it back: nothing is thrown, what is read was written so, and what is good is found whatever stands
 * before it.
 */

import {
  checkRecord,
  dataAt,
  encodeRecord,
  idAt,
  idOffset,
  KIND,
  metaAt,
  RECORD_OVERHEAD_BYTES,
  spanAt,
} from '../../src/store/segment-log/record.ts'
import { judgeBytes } from '../../src/store/segment-log/scan.ts'
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
    let seq = 1
    let offset = 0
    let records = 0
    for (;;) {
      const length = checkRecord(bytes, offset, bytes.length, SEED, seq)
      if (length <= 0) break
      const inside = idAt(bytes, offset).length + dataAt(bytes, offset).length + (metaAt(bytes, offset)?.length ?? 0)
      must(inside <= length - RECORD_OVERHEAD_BYTES && offset + length <= bytes.length, 'what a record holds lies within it')
      must(spanAt(bytes, offset) > 0, 'numbers go up')
      seq += spanAt(bytes, offset)
      offset += length
      records++
    }
    const from = { offset: 0, seq: 1, counting: true, seed: SEED, size: bytes.length }
    const reached = [true, false].map((mayBeTorn) => {
      const tail = judgeBytes(bytes.subarray(offset), from, { offset, seq, lastBatch: undefined }, mayBeTorn)
      must(mayBeTorn || tail.name !== 'torn', 'nothing is torn in a file that is complete')
      must((tail.name === 'end') === bytes.subarray(offset).every((byte) => byte === 0), 'the end is zeros, and nothing else is')
      if (tail.name === 'damaged' && tail.resume !== undefined) {
        must(tail.resume.seq > seq && tail.resume.offset > offset, 'records go on behind the damage')
        must(checkRecord(bytes, tail.resume.offset, bytes.length, SEED, tail.resume.seq) > 0, 'they go on with a good one')
      }
      return tail.name
    })
    return `${Math.min(records, 4)} ${reached.join(' ')}`
  },
}
