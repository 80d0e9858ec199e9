/**
 * The 8 bytes that every message of the native dialect starts with, all at fixed offsets, so that a proxy reads and changes
 * them without knowing what follows: `0xF9 kind(1) number(2) amount(4)`, most significant byte first.
 *
 * | kind              | number                           | amount                    |
 * | ----------------- | -------------------------------- | ------------------------- |
 * | call              | flags                            | time left, ms             |
 * | reply             | flags                            | streams in its value      |
 * | error             | flags                            | 0                         |
 * | item, end, failed | the stream, by its number        | sequence number, from 0   |
 * | credit            | the stream, by its number        | bytes                     |
 * | stop              | the stream, by its number        | 0                         |
 * | the others        | 0                                | 0                         |
 */

/** Native, version 1. UTF-8 has no such byte, so no frame of text and none of pyzmqrpc3 starts with it. */
export const NATIVE_1 = 0xf9
export const HEADER_BYTES = 8

export const KIND = {
  call: 1,
  reply: 2,
  error: 3,
  cancel: 4,
  item: 5,
  end: 6,
  failed: 7,
  credit: 8,
  stop: 9,
  hello: 10,
  goAway: 11,
  accepted: 12,
} as const

/** Flags of call, reply and error. */
export const FLAG = {
  /** A map stands in front: metadata, idempotency key. */
  extras: 1,
  /** Of a call: nobody waits for a reply. */
  noReply: 2,
  /** Of a call: it may be carried out twice. */
  repeatable: 4,
  /** Of a call of a lane: others of it that were sent before are not answered yet. */
  behind: 8,
} as const

/** As a call's time left: it has no limit. */
export const NO_LIMIT = 0xffffffff

/** True for the first body frame of a message in this dialect. Other frames of ours, and of pyzmqrpc3, are none. */
export function isNative(frame: Buffer): boolean {
  return frame[0] === NATIVE_1 && frame.length >= HEADER_BYTES
}

/** One of {@link KIND}, or a kind of a later version: to be ignored. */
export function kindOf(frame: Buffer): number {
  return frame[1] as number
}

/** The flags, or the number of the stream. */
export function numberOf(frame: Buffer): number {
  return ((frame[2] as number) << 8) | (frame[3] as number)
}

/** The time left in ms ({@link NO_LIMIT}: no limit), how many streams, the sequence number, or the bytes of credit. */
export function amountOf(frame: Buffer): number {
  return (((frame[4] as number) << 24) | ((frame[5] as number) << 16) | ((frame[6] as number) << 8) | (frame[7] as number)) >>> 0
}

/** Changes the frame itself: only for who owns it, and before it is sent. */
export function setAmount(frame: Buffer, amount: number): void {
  frame[4] = amount >>> 24
  frame[5] = amount >>> 16
  frame[6] = amount >>> 8
  frame[7] = amount
}

/** Changes the flags of a message that is passed on. */
export function setNumber(frame: Buffer, number: number): void {
  frame.writeUInt16BE(number, 2)
}
