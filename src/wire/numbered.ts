/**
 * Numbered messages: `[number][empty][body…]`, an envelope of one address of 4 bytes [RFC 28]. Calls and replies travel so, and
 * nothing else is as frequent: where somebody asks for them, they are written and read without a frame for the number.
 */

import type { Message } from './frame.ts'

const EMPTY = Buffer.alloc(0)

/** Bytes on the wire before the body. */
export const NUMBER_BYTES = 8

/** All the frames. `number`: 0 to 2^32 - 1. */
export function toNumbered(number: number, body: Message): Message {
  const frame = Buffer.allocUnsafe(4)
  frame.writeUInt32BE(number, 0)
  return [frame, EMPTY, ...body]
}

/** The number; undefined for what is no numbered message. */
export function numberOfMessage(message: Message): number | undefined {
  if (message.length < 3 || message[0]?.length !== 4 || message[1]?.length !== 0) return undefined
  return message[0].readUInt32BE(0)
}
