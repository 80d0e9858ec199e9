/**
 * Commands: frames that peers say to each other, not to the application: `nameLength(1) name data`
 * [RFC 37, Commands]. This file has the ones of traffic; those of a handshake stand in `mechanism/`.
 */

import { ProtocolError } from '../errors.ts'
import { COMMAND, type Message } from './frame.ts'

/** A command's name and the data behind it (a view of the frame). */
export interface Command {
  name: string
  data: Buffer
}

/** @throws ProtocolError for a body that does not hold a whole name. */
export function decodeCommand(body: Buffer): Command {
  const length = body[0]
  if (length === undefined || length === 0 || 1 + length > body.length) {
    throw new ProtocolError('a command without a whole name')
  }
  return { name: body.toString('latin1', 1, 1 + length), data: body.subarray(1 + length) }
}

/** The body of a command frame. */
export function encodeCommand(name: string, ...data: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name, 'latin1'), ...data])
}

/** At most so many bytes of context travel with a PING [RFC 37, Connection Heartbeating]. */
const MAX_PING_CONTEXT = 16

/** `ttlMs`: after so long without a byte from us the peer may give us up; sent in tenths of a second. */
export function encodePing(ttlMs: number): Buffer {
  const ttl = Buffer.allocUnsafe(2)
  // libzmq multiplies in 16 bits: 656 tenths would wrap to 64 ms and end the connection.
  ttl.writeUInt16BE(Math.min(Math.round(ttlMs / 100), 655))
  return encodeCommand('PING', ttl)
}

/** @throws ProtocolError for a PING without its two bytes of time to live. */
export function decodePing(data: Buffer): { ttlMs: number; context: Buffer } {
  if (data.length < 2) throw new ProtocolError('a PING without a time to live')
  return { ttlMs: data.readUInt16BE(0) * 100, context: data.subarray(2, 2 + MAX_PING_CONTEXT) }
}

export function encodePong(context: Buffer): Buffer {
  return encodeCommand('PONG', context)
}

/** The frame of a subscription: a command to a peer of ZMTP 3.1, a message to one of 3.0. */
export function encodeSubscription(subscribe: boolean, topic: Buffer, peerMinor: 0 | 1): { flags: number; body: Buffer } {
  if (peerMinor === 0) return { flags: 0, body: subscriptionMessage(subscribe, topic) }
  return { flags: COMMAND, body: encodeCommand(subscribe ? 'SUBSCRIBE' : 'CANCEL', topic) }
}

/** A subscription in the message form, which XPUB also shows to its application. */
export function subscriptionMessage(subscribe: boolean, topic: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(1 + topic.length)
  frame[0] = subscribe ? 1 : 0
  frame.set(topic, 1)
  return frame
}

/** Reads a subscription in the message form: only the first byte counts. Anything else is `undefined`. */
export function readSubscriptionMessage(message: Message): { subscribe: boolean; topic: Buffer } | undefined {
  const frame = message[0]
  const first = frame?.[0]
  if (frame === undefined || (first !== 0 && first !== 1)) return undefined
  return { subscribe: first === 1, topic: frame.subarray(1) }
}
