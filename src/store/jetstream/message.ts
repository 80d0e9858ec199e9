/**
 * How a record is written in a message of a stream, and what its subjects are called.
 *
 * The id of a record is part of its subject, hashed: a stream that holds one message for each subject holds each id once, and the server
 * sees to it. The id itself stands in the message: [length of id: 2 bytes] [id] [length of meta: 4 bytes, all ones: none] [meta] [data].
 * A message of those given up begins with [seq it had: 8 bytes] [length of reason: 2 bytes] [reason].
 */

import { createHash } from 'node:crypto'
import { StoreError } from '../../errors.ts'
import type { DeadEntry, StoreEntry, StoreRecord } from '../buffer-store.ts'
import { cutReason } from '../store-limits.ts'

/** 128 bits of an id's hash: who finds two ids with the same ones has broken more than this. */
export type Token = string & { readonly brand: 'Token' }

const NO_META = 0xffffffff
const TOKEN_LENGTH = 22

export function tokenOf(id: string): Token {
  return createHash('sha256').update(id).digest('base64url').slice(0, TOKEN_LENGTH) as Token
}

/** The subjects of a store by this name. */
export class Subjects {
  readonly #root: string

  constructor(name: string) {
    this.#root = `zmq-rpc.${name}`
  }

  live(token: string): string {
    return `${this.#root}.live.${token}`
  }

  dead(token: string, seq: number | '*'): string {
    return `${this.#root}.dead.${token}.${seq}`
  }

  get journal(): string {
    return `${this.#root}.journal`
  }

  get lease(): string {
    return `${this.#root}.lease`
  }

  /** Of a message that is live. */
  static token(subject: string): Token {
    return subject.slice(subject.lastIndexOf('.') + 1) as Token
  }

  /** Of a message that was given up. */
  static dead(subject: string): { token: Token; seq: number } {
    const parts = subject.split('.')
    return { token: parts.at(-2) as Token, seq: Number(parts.at(-1)) }
  }
}

export function encodeRecord({ id, data, meta }: StoreRecord): Buffer {
  const name = Buffer.from(id, 'utf8')
  const head = Buffer.allocUnsafe(2 + name.length + 4)
  head.writeUInt16BE(name.length, 0)
  name.copy(head, 2)
  head.writeUInt32BE(meta === undefined ? NO_META : meta.length, 2 + name.length)
  return Buffer.concat(meta === undefined ? [head, data] : [head, meta, data])
}

/** @throws StoreError STORE_CORRUPT for what no store of ours has written. */
export function decodeRecord(seq: number, message: Uint8Array): StoreEntry {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  try {
    const idLength = bytes.readUInt16BE(0)
    const id = bytes.toString('utf8', 2, 2 + idLength)
    const metaAt = 2 + idLength + 4
    const metaLength = bytes.readUInt32BE(2 + idLength)
    const dataAt = metaLength === NO_META ? metaAt : metaAt + metaLength
    if (dataAt > bytes.length) throw new RangeError('it is cut short')
    const meta = metaLength === NO_META ? undefined : message.subarray(metaAt, dataAt)
    return { seq, id, data: message.subarray(dataAt), meta }
  } catch (cause) {
    throw new StoreError('STORE_CORRUPT', `message ${seq} of the stream is no record of a buffer`, { fromSeq: seq, toSeq: seq, cause })
  }
}

export function encodeDead(seq: number, reason: string, record: Uint8Array): Buffer {
  const why = Buffer.from(cutReason(reason), 'utf8')
  const head = Buffer.allocUnsafe(10)
  head.writeBigUInt64BE(BigInt(seq), 0)
  head.writeUInt16BE(why.length, 8)
  return Buffer.concat([head, why, record])
}

/** The record as it was when it was live, and why it is not any more. @throws StoreError STORE_CORRUPT */
export function decodeDead(message: Uint8Array): { entry: DeadEntry; record: Uint8Array } {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  if (bytes.length < 10) throw new StoreError('STORE_CORRUPT', 'a message of the stream of those given up is cut short')
  const seq = Number(bytes.readBigUInt64BE(0))
  const recordAt = 10 + bytes.readUInt16BE(8)
  const record = message.subarray(recordAt)
  return { entry: { ...decodeRecord(seq, record), reason: bytes.toString('utf8', 10, recordAt) }, record }
}
