/**
 * What peers tell about themselves in READY and INITIATE: `nameLength(1) name valueLength(4) value`, repeated
 * [RFC 37, Metadata]. Names compare without case; we write them as libzmq expects them, which does not.
 */

import { ProtocolError } from '../errors.ts'
import { type SocketType, sendsRoutingId, socketTypeNamed } from './socket-type.ts'

/** Properties by their lower-case name. A `Map`, so that no name can touch a prototype. */
export type Metadata = ReadonlyMap<string, Buffer>

/** One property as it is sent. Names of our own begin with `X-` [RFC 37, Metadata]. */
export type Property = readonly [name: string, value: Buffer]

const MAX_PROPERTIES = 128
const MAX_ROUTING_ID_BYTES = 255

const NO_ID = Buffer.alloc(0)
const NO_PROPERTIES: Metadata = new Map()

export function encodeMetadata(properties: readonly Property[]): Buffer {
  const pieces: Buffer[] = []
  for (const [name, value] of properties) {
    const head = Buffer.allocUnsafe(1 + name.length + 4)
    head[0] = name.length
    head.write(name, 1, 'latin1')
    head.writeUInt32BE(value.length, 1 + name.length)
    pieces.push(head, value)
  }
  return Buffer.concat(pieces)
}

/** The properties that a socket sends: its type first, then its routing id, then its own. */
export function socketProperties(type: SocketType, routingId: Buffer, own: readonly Property[]): Property[] {
  const properties: Property[] = [['Socket-Type', Buffer.from(type, 'latin1')]]
  if (sendsRoutingId(type)) properties.push(['Identity', routingId])
  properties.push(...own)
  return properties
}

/**
 * Values are copied: they outlive the chunk they came in.
 *
 * @throws ProtocolError unless the properties fill the body exactly, with no empty name and nothing important twice.
 */
export function decodeMetadata(body: Buffer): Metadata {
  const properties = new Map<string, Buffer>()
  let offset = 0
  while (offset < body.length) {
    const nameLength = body[offset] as number
    const nameEnd = offset + 1 + nameLength
    if (nameLength === 0 || nameEnd + 4 > body.length) throw new ProtocolError('metadata with a broken property name')
    const valueEnd = nameEnd + 4 + body.readUInt32BE(nameEnd)
    if (valueEnd > body.length) throw new ProtocolError('metadata with a property value longer than the command')
    const name = body.toString('latin1', offset + 1, nameEnd).toLowerCase()
    if (properties.has(name)) throw new ProtocolError(`metadata with the property ${printable(name)} twice`)
    if (properties.size >= MAX_PROPERTIES) throw new ProtocolError(`metadata with more than ${MAX_PROPERTIES} properties`)
    properties.set(name, Buffer.from(body.subarray(nameEnd + 4, valueEnd)))
    offset = valueEnd
  }
  return properties
}

/** @throws ProtocolError for a missing or unknown type. */
export function socketTypeOf(metadata: Metadata): SocketType {
  const type = metadata.get('socket-type')?.toString('latin1')
  if (type === undefined) throw new ProtocolError('the peer does not say its socket type')
  const known = socketTypeNamed(type)
  if (known === undefined) throw new ProtocolError(`the peer has an unknown socket type, ${printable(type)}`)
  return known
}

/**
 * The peer's routing id; empty when it has none.
 *
 * @throws ProtocolError for one that is too long, or that starts with a zero byte: those are ours to give, and a peer
 * that chose one could take another peer's messages.
 */
export function routingIdOf(metadata: Metadata): Buffer {
  const id = metadata.get('identity') ?? NO_ID
  if (id.length > MAX_ROUTING_ID_BYTES) throw new ProtocolError(`the peer's routing id has ${id.length} bytes, 255 are allowed`)
  if (id[0] === 0) throw new ProtocolError("the peer's routing id starts with a zero byte")
  return id.length === 0 ? NO_ID : id
}

/** What is left without the socket type and the routing id: nothing, for most peers, and then it is one for all. */
export function otherProperties(metadata: Metadata): Metadata {
  const others = [...metadata].filter(([name]) => name !== 'socket-type' && name !== 'identity')
  return others.length === 0 ? NO_PROPERTIES : new Map(others)
}

/** Text of a peer, fit for a log line. */
function printable(text: string): string {
  return `'${text.slice(0, 64).replace(/[^ -~]/g, '?')}'`
}
