/**
 * Numbered messages: `[number][empty][body…]`, an envelope of one address of 4 bytes [RFC 28]. Calls and replies travel so, and
 * nothing else is as frequent: where somebody asks for them, they are written and read without a frame for the number. A
 * {@link ShortBody} is not even copied on its way out.
 */

import { bufferOver } from './buffer-over.ts'
import { type Message, MORE } from './frame.ts'

const EMPTY = Buffer.alloc(0)

/** Bytes on the wire before the body. */
export const NUMBER_BYTES = 8

/** Free bytes before a {@link ShortBody}: for the number, and for the header of its frame. */
export const SHORT_BODY_ROOM = NUMBER_BYTES + 2

/**
 * One frame of at most 255 bytes where it was written, with {@link SHORT_BODY_ROOM} bytes before it that are free. It is sent once at most, since what
 * goes in front of it is written there; what stands there does not change any more.
 */
export class ShortBody {
  readonly memory: Buffer
  readonly start: number
  readonly end: number

  constructor(memory: Buffer, start: number, end: number) {
    this.memory = memory
    this.start = start
    this.end = end
  }
}

export type Body = Message | ShortBody

/** The body as frames, to be kept, or to be sent more than once. */
export function framesOf(body: Body): Message {
  if (Array.isArray(body)) return body
  const { memory, start, end } = body
  return [bufferOver(memory.buffer, memory.byteOffset + start, end - start)]
}

/** All the frames. `number`: 0 to 2^32 - 1. */
export function toNumbered(number: number, body: Body): Message {
  const frame = Buffer.allocUnsafe(4)
  frame.writeUInt32BE(number, 0)
  return [frame, EMPTY, ...framesOf(body)]
}

/** The number; undefined for what is no numbered message. */
export function numberOfMessage(message: Message): number | undefined {
  if (message.length < 3 || message[0]?.length !== 4 || message[1]?.length !== 0) return undefined
  return message[0].readUInt32BE(0)
}

/** Writes what stands before the body. Returns the offset behind it. */
export function writeNumber(target: Buffer, offset: number, number: number): number {
  target[offset] = MORE
  target[offset + 1] = 4
  target[offset + 2] = number >>> 24
  target[offset + 3] = number >>> 16
  target[offset + 4] = number >>> 8
  target[offset + 5] = number
  target[offset + 6] = MORE
  target[offset + 7] = 0
  return offset + NUMBER_BYTES
}
