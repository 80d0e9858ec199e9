/** Metadata of READY and INITIATE: it is judged by ProtocolErrors alone, and what is good comes out as it was put in. */

import { ProtocolError } from '../../src/errors.ts'
import { decodeMetadata, encodeMetadata, type Property, routingIdOf, socketTypeOf } from '../../src/wire/metadata.ts'
import { allocatedBytes } from '../allocations.ts'
import type { Random } from '../random.ts'
import { kindOf, must, type Target } from '../target.ts'
import { property, TYPES } from '../vocabulary.ts'

const NAMES = ['Socket-Type', 'socket-type', 'Identity', 'IDENTITY', 'Resource', 'X-App', '__proto__', 'constructor', '', 'n'.repeat(255)]

function somePiece(random: Random): Buffer {
  const value = random.oneIn(2) ? Buffer.from(random.pick(TYPES)) : random.bytes(random.pick([0, 1, 5, 255, 256, 600]))
  return property(random.oneIn(8) ? `X-${random.below(1000)}` : random.pick(NAMES), value)
}

export const metadataTarget: Target = {
  name: 'metadata',

  generate: (random) => [
    Buffer.alloc(0),
    property('Socket-Type', Buffer.from(random.pick(TYPES))),
    ...Array.from({ length: random.below(random.oneIn(20) ? 60 : 4) }, () => somePiece(random)),
  ],
  piece: somePiece,

  run(input) {
    const body = Buffer.concat(input.slice(1))
    const before = allocatedBytes()
    let reached: string
    try {
      const metadata = decodeMetadata(body)
      reached = `${Math.min(metadata.size, 4)}`
      must(metadata.size <= 128, 'there are no more than 128 properties')
      const properties: Property[] = [...metadata]
      const again = encodeMetadata(properties)
      must(again.length === body.length, 'what is good fills the body')
      must(again.toString('latin1').toLowerCase() === body.toString('latin1').toLowerCase(), 'what is good is written as it was read')
      socketTypeOf(metadata)
      const id = routingIdOf(metadata)
      must(id.length <= 255 && id[0] !== 0, 'a routing id is short, and none of ours')
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      reached = kindOf(error.message)
    }
    must(allocatedBytes() - before <= 4 * body.length + 4096, 'no announced size is allocated')
    must(Object.getPrototypeOf({}) === Object.prototype, 'no prototype is touched')
    return reached
  },
}
