/**
 * Frames as ZMTP 3.1 writes them: `flags(1) size(1 or 8) body` [RFC 37, Framing].
 *
 * A message is one or more frames, all but the last with MORE. Commands are single frames with COMMAND, and may stand
 * between the frames of a message without disturbing it.
 */

export const MORE = 0x01
export const LONG = 0x02
export const COMMAND = 0x04
/** Bits 3 to 7 must be zero: anything else means that framing was lost. */
export const RESERVED = 0xf8

/** The longest body that the one-byte size can tell. */
export const MAX_SHORT_BODY = 0xff

/** A whole message: its frames, in order. Never empty. */
export type Message = Buffer[]

/** Bytes on the wire before a body of this length. */
export function headerLength(bodyLength: number): 2 | 9 {
  return bodyLength > MAX_SHORT_BODY ? 9 : 2
}

/** Writes a frame header at `offset` and returns the offset behind it. `flags` without LONG: the size decides. */
export function writeHeader(target: Buffer, offset: number, flags: number, bodyLength: number): number {
  if (bodyLength <= MAX_SHORT_BODY) {
    target[offset] = flags
    target[offset + 1] = bodyLength
    return offset + 2
  }
  target[offset] = flags | LONG
  target.writeUInt32BE(Math.floor(bodyLength / 0x1_0000_0000), offset + 1)
  target.writeUInt32BE(bodyLength >>> 0, offset + 5)
  return offset + 9
}

/** Body bytes of a message, headers not counted. */
export function messageBytes(message: Message): number {
  let bytes = 0
  for (const frame of message) bytes += frame.length
  return bytes
}
