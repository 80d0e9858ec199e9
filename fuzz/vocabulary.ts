/** The words of ZMTP, written without the code that is tested. */

import type { SocketType } from '../src/wire/index.ts'

export const TYPES: readonly SocketType[] = ['REQ', 'REP', 'DEALER', 'ROUTER', 'PUB', 'SUB', 'XPUB', 'XSUB', 'PUSH', 'PULL', 'PAIR']

/** One of the types that go with each. */
const FITTING: Readonly<Record<SocketType, SocketType>> = {
  REQ: 'REP',
  REP: 'DEALER',
  DEALER: 'ROUTER',
  ROUTER: 'DEALER',
  PUB: 'SUB',
  SUB: 'XPUB',
  XPUB: 'XSUB',
  XSUB: 'PUB',
  PUSH: 'PULL',
  PULL: 'PUSH',
  PAIR: 'PAIR',
}

export function fittingType(type: SocketType): SocketType {
  return FITTING[type]
}

export function greeting(mechanism: string, minor = 1, asServer = 0): Buffer {
  const bytes = Buffer.alloc(64)
  bytes[0] = 0xff
  bytes[9] = 0x7f
  bytes[10] = 3
  bytes[11] = minor
  bytes.write(mechanism, 12, 'latin1')
  bytes[32] = asServer
  return bytes
}

/** `flags` without LONG. */
export function frame(flags: number, body: Buffer): Buffer {
  if (body.length < 256) return Buffer.concat([Buffer.from([flags, body.length]), body])
  const head = Buffer.alloc(9)
  head[0] = flags | 2
  head.writeUInt32BE(body.length, 5)
  return Buffer.concat([head, body])
}

export function words(name: string, ...data: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name, 'latin1'), ...data])
}

export function command(name: string, ...data: Buffer[]): Buffer {
  return frame(4, words(name, ...data))
}

export function property(name: string, value: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(value.length)
  return Buffer.concat([words(name), size, value])
}

export function metadata(type: string, routingId?: Buffer): Buffer {
  const socketType = property('Socket-Type', Buffer.from(type))
  return routingId === undefined ? socketType : Buffer.concat([socketType, property('Identity', routingId)])
}

export function ready(type: string, routingId?: Buffer): Buffer {
  return command('READY', metadata(type, routingId))
}
