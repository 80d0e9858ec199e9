/**
 * A command as a buffer keeps it, and how it is written into a record of the store: what is to be known of it before it is read
 * (`meta`), and the frames in which it came (`data`), as they came.
 *
 * meta: version (1), flags (1), then as float 64 the buffer's time, the machine's and the wall clock's at acceptance and the time to
 * live (Infinity: none), the boot in which that was (8 bytes), and texts, each with its length (2) before it: name, key, lane, user,
 * value key. data: number of frames (4), then each with its length (4) before it. Most significant byte first.
 */

import { createHash } from 'node:crypto'
import type { StoreEntry, StoreRecord } from '../../store/buffer-store.ts'
import type { Message } from '../../wire/index.ts'
import type { Principal } from '../auth.ts'
import type { Dialect } from '../dialect/announcement.ts'
import { ownedKey } from '../server/idempotency.ts'
import type { Stamp } from './buffer-clock.ts'

/** What is to be kept. */
export interface CommandToKeep {
  /** By which the store knows it: see {@link keptId}. */
  readonly id: string
  /** By which its sender knows it; undefined where nobody can ask for it. */
  readonly key: string | undefined
  /** Undefined for a text. */
  readonly name: string | undefined
  readonly dialect: Dialect
  readonly body: Message
  /** Commands of one lane are carried out one after the other, in order; they are its sender's, or of one ordering key. */
  readonly lane: string
  /** False where only its place in the queue counts: it does not wait for the end of others. */
  readonly ordered: boolean
  /** Who sent it. */
  readonly user: string | undefined
  /** From its acceptance, ms; Infinity: for ever. */
  readonly ttlMs: number
  /** Of the commands that wait with the same one only the last counts; undefined: all count. */
  readonly valueKey: string | undefined
}

export interface KeptCommand extends CommandToKeep {
  readonly seq: number
  readonly acceptedAt: Stamp
  readonly bytes: number
  /** The key under which it goes on, where that is not its id: its service had failed, and is to run anew. */
  readonly rerunKey?: string | undefined
}

const VERSION = 1
const FLAGS = { native: 1, named: 2, keyed: 4, ofUser: 8, valued: 16, ordered: 32 } as const
const FIXED_BYTES = 2 + 4 * 8 + 8
/** A little less than what a store takes: outcomes put a number behind it. */
const MAX_ID_BYTES = 240
/** What looks like that. */
const NUMBERED = /\n\d+$/

/**
 * The same key is another one where somebody else sends it. Also the key under which it goes on: the far end sees one user, the
 * buffer's, whoever sent it. That of nobody in particular stays as it is, unless it looks like somebody's.
 */
export function keptId(principal: Principal | undefined, key: string): string {
  const id = principal === undefined && !/^\d*:/.test(key) ? key : ownedKey(principal, key)
  return NUMBERED.test(id) ? hashed(id) : fitting(id)
}

/** The key under which it goes on whose service had failed, and is to run anew. `seq`: what it was among the dead letters. */
export function rerunKeyOf(id: string, seq: number): string {
  return fitting(`${id}\n${seq}`)
}

function fitting(id: string): string {
  return Buffer.byteLength(id) <= MAX_ID_BYTES && id.isWellFormed() ? id : hashed(id)
}

function hashed(id: string): string {
  return `sha256-${createHash('sha256').update(id, 'utf16le').digest('base64url')}`
}

/** `ttlMs`: what the buffer leaves of the command's own. */
export function toRecord(command: CommandToKeep, ttlMs: number, acceptedAt: Stamp): StoreRecord {
  const { id, key, name, dialect, body, lane, ordered, user, valueKey } = command
  const texts = [name ?? '', key ?? '', lane, user ?? '', valueKey ?? '']
  let length = FIXED_BYTES
  for (const text of texts) length += 2 + Buffer.byteLength(text)
  const meta = Buffer.allocUnsafe(length)
  meta[0] = VERSION
  meta[1] =
    (dialect === 'native' ? FLAGS.native : 0) |
    (name === undefined ? 0 : FLAGS.named) |
    (key === undefined ? 0 : FLAGS.keyed) |
    (user === undefined ? 0 : FLAGS.ofUser) |
    (valueKey === undefined ? 0 : FLAGS.valued) |
    (ordered ? FLAGS.ordered : 0)
  let at = 2
  for (const number of [acceptedAt.bufferMs, acceptedAt.machineMs, acceptedAt.wallMs, ttlMs]) at = meta.writeDoubleBE(number, at)
  at += meta.write(acceptedAt.boot, at, 8, 'hex')
  for (const text of texts) {
    const bytes = meta.write(text, at + 2)
    at = meta.writeUInt16BE(bytes, at) + bytes
  }
  return { id, data: toBytes(body), meta }
}

/** @throws Error when it is no record of ours: another program's store, or a later version's. */
export function fromEntry({ seq, id, data, meta: bytes }: StoreEntry): KeptCommand {
  const meta = asBuffer(bytes ?? new Uint8Array())
  if (meta[0] !== VERSION) throw new Error(`record ${seq} was not written by a buffer of this version`)
  const flags = meta[1] as number
  const [bufferMs, machineMs, wallMs, ttlMs] = [2, 10, 18, 26].map((at) => meta.readDoubleBE(at)) as [number, number, number, number]
  const boot = meta.toString('hex', 34, FIXED_BYTES)
  let at = FIXED_BYTES
  const text = (): string => {
    const length = meta.readUInt16BE(at)
    at += 2 + length
    return meta.toString('utf8', at - length, at)
  }
  const [name, key, lane, user, valueKey] = [text(), text(), text(), text(), text()]
  const has = (flag: number): boolean => (flags & flag) !== 0
  return {
    seq,
    id,
    key: has(FLAGS.keyed) ? key : undefined,
    name: has(FLAGS.named) ? name : undefined,
    dialect: has(FLAGS.native) ? 'native' : 'pyzmqrpc3',
    body: fromBytes(data),
    lane,
    ordered: has(FLAGS.ordered),
    user: has(FLAGS.ofUser) ? user : undefined,
    ttlMs,
    valueKey: has(FLAGS.valued) ? valueKey : undefined,
    acceptedAt: { boot, bufferMs, machineMs, wallMs },
    bytes: data.length + meta.length,
  }
}

/** Undefined for a record that is none of ours. */
export function understood(entry: StoreEntry): KeptCommand | undefined {
  try {
    return fromEntry(entry)
  } catch {
    return undefined
  }
}

/** The frames of a message as one piece of memory. */
export function toBytes(frames: Message): Buffer {
  const bytes = Buffer.allocUnsafe(frames.reduce((sum, { length }) => sum + 4 + length, 4))
  let at = bytes.writeUInt32BE(frames.length, 0)
  for (const frame of frames) {
    at = bytes.writeUInt32BE(frame.length, at)
    at += frame.copy(bytes, at)
  }
  return bytes
}

/** Views of the same memory. @throws RangeError for what was cut off. */
export function fromBytes(data: Uint8Array): Message {
  const bytes = asBuffer(data)
  const frames: Buffer[] = []
  let at = 4
  for (let left = bytes.readUInt32BE(0); left > 0; left--) {
    const length = bytes.readUInt32BE(at)
    at += 4 + length
    if (at > bytes.length) throw new RangeError('a record that ends within a frame')
    frames.push(bytes.subarray(at - length, at))
  }
  return frames
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
