/**
 * One message as it travels, encoded once for many connections.
 *
 * Small ones stand one behind the other in a common slab: a writer that takes several in a row has one piece of it to write,
 * and copies nothing. What was written to a slab never changes.
 */

import { headerLength, type Message, MORE, writeHeader } from './frame.ts'

const SLAB_BYTES = 64 * 1024
/** Longer ones have memory of their own, so that no slab is left half empty. */
const OWN_BYTES = 8 * 1024

export interface EncodedMessage {
  readonly memory: Buffer
  readonly start: number
  readonly end: number
}

let slab = Buffer.alloc(0)
let used = 0

export function encodeMessage(message: Message): EncodedMessage {
  let length = 0
  for (let index = 0; index < message.length; index++) {
    const body = (message[index] as Buffer).length
    length += headerLength(body) + body
  }
  if (length > OWN_BYTES) {
    const memory = Buffer.allocUnsafe(length)
    write(message, memory, 0)
    return { memory, start: 0, end: length }
  }
  if (slab.length - used < length) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
    used = 0
  }
  const start = used
  used = start + length
  write(message, slab, start)
  return { memory: slab, start, end: used }
}

function write(message: Message, target: Buffer, start: number): void {
  let offset = start
  const last = message.length - 1
  for (let index = 0; index <= last; index++) {
    const frame = message[index] as Buffer
    offset = writeHeader(target, offset, index < last ? MORE : 0, frame.length)
    target.set(frame, offset)
    offset += frame.length
  }
}
