/** What applications hand over and get, as frames. */

import { Buffer } from 'node:buffer' // the global of that name is a getter, which shows at every frame
import { SocketError } from '../errors.ts'
import type { Message } from '../wire/index.ts'

/** One frame as an application may give it. Numbers are written in decimal, null is an empty frame. */
export type MessageLike = ArrayBufferView | ArrayBuffer | SharedArrayBuffer | string | number | null

const EMPTY = Buffer.alloc(0)

/**
 * A list of nothing but buffers is the message itself: it still belongs to the application.
 *
 * @throws SocketError EINVAL for an empty list, or what is no frame.
 */
export function toMessage(message: MessageLike | MessageLike[]): Message {
  if (!Array.isArray(message)) return [toFrame(message)]
  if (message.length === 0) throw new SocketError('EINVAL', { text: 'a message needs at least one frame' })
  for (let index = 0; index < message.length; index++) if (!Buffer.isBuffer(message[index])) return message.map(toFrame)
  return message as Message
}

function toFrame(frame: MessageLike): Buffer {
  if (Buffer.isBuffer(frame)) return frame
  if (typeof frame === 'string') return Buffer.from(frame, 'utf8')
  if (ArrayBuffer.isView(frame)) return Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  if (frame instanceof ArrayBuffer || frame instanceof SharedArrayBuffer) return Buffer.from(frame)
  if (frame === null) return EMPTY
  if (typeof frame === 'number') return Buffer.from(String(frame), 'latin1')
  throw new SocketError('EINVAL', { text: `a frame is a Buffer, a view, a string, a number or null, not ${typeof frame}` })
}
