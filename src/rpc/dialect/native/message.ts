/**
 * The messages of the native dialect, kind by kind: their body frames, and what stands in them. `docs/protocol.md` is the word
 * on them.
 *
 * What encodes throws ZmqRpcError `BAD_COMMAND` for a value that cannot be written, with the path to it. What decodes throws
 * {@link NativeError} for anything malformed, and nothing else but what hooks throw. Kinds are for the caller to tell
 * apart (`kindOf`); what stands behind the last value that a decoder knows is ignored.
 */

import type { Started } from '../../../errors.ts'
import { type Body, framesOf, type Message } from '../../../wire/index.ts'
import { MAX_CAUSES } from './format.ts'
import { amountOf, FLAG, KIND, NO_LIMIT, numberOf, setAmount } from './header.ts'
import { NativeReader, type ReadHooks, type ReadLimits } from './reader.ts'
import { NativeWriter, type WriteHooks } from './writer.ts'

/** What travels beside a call, a reply or an error. */
export interface Extras {
  metadata?: Readonly<Record<string, string>> | undefined
  idempotencyKey?: string | undefined
  /** The lane of a call: those of one connection with the same key are carried out one after the other. */
  orderingKey?: string | undefined
  /** Whoever has a buffer is to keep the call, and to answer ACCEPTED alone. */
  keep?: Keep | undefined
}

/** How a call is to be kept. */
export interface Keep {
  /** Time until it is worth nothing any more, ms; a duration, so that clocks need not agree. @default no end */
  ttlMs?: number
}

export interface CallToEncode {
  name: string
  state?: unknown
  /** In place of a state: a command whose fields are its state. */
  fields?: object | undefined
  /** Infinity (or more than 49 days) for no limit; 0 or less when it is over. */
  timeLeftMs: number
  /** Of {@link FLAG}, without `extras`. */
  flags: number
  extras?: Extras | undefined
}

/** What must be known of a call before its state is worth reading. */
export interface CallHead {
  name: string
  extras: Extras | undefined
  /** Where its state begins. */
  stateAt: number
}

/** An error as it travels. */
export interface WireError {
  status: number
  text: string
  /** Of a class of errors that both sides know. */
  name?: string
  /** The thrown error's own. */
  code?: string | number
  details?: unknown
  cause?: WireError
  stack?: string
  /** Where more is known than the status says. */
  started?: Started
}

/** What each side tells first. */
export interface Hello {
  features: string[]
  /** Commands, and hashes of their contracts. */
  contracts?: [name: string, hash: string][]
  maxMessageBytes?: number
}

/** A buffer's word that a call is on disk. */
export interface Accepted {
  /** The idempotency key of the call, or what the buffer has given it in place of one: by this it can be asked about. */
  id: string
  /** The buffer's name, for people. */
  by?: string
  /** How long ago it was accepted, ms: of a call that came again, the first time. */
  ageMs?: number
}

/** What a peer may say of itself in {@link Hello.features}. */
export const FEATURE = {
  /** It has a buffer: calls with {@link Extras.keep} are kept. */
  buffer: 'buffer',
} as const

const EXTRA = { metadata: 1, idempotencyKey: 2, orderingKey: 3, keep: 4 } as const
const KEEP = { ttlMs: 1 } as const

/** A command's name is no longer, see `commandNameOf`. */
export const MAX_NAME_LENGTH = 255

/** Not in use. There is one, but for values whose getters or `toJSON` write messages themselves. */
let idle: NativeWriter | undefined

function claim(): NativeWriter {
  const writer = idle ?? new NativeWriter()
  idle = undefined
  return writer
}

function release(writer: NativeWriter): void {
  writer.reset()
  idle = writer
}

export function encodeCall(call: CallToEncode, hooks?: WriteHooks): Message {
  return framesOf(writeCall(call, hooks))
}

/** As {@link encodeCall}, to be sent once. */
export function writeCall(call: CallToEncode, hooks?: WriteHooks): Body {
  const writer = claim()
  try {
    const { name, extras } = call
    writer.begin(KIND.call, flagsOf(call.flags, extras), toTimeLeft(call.timeLeftMs), 'state', name, hooks)
    writeExtras(writer, extras)
    writer.text(name)
    if (call.fields === undefined) writer.value(call.state)
    else writer.fields(call.fields)
    return writer.finishToSend()
  } finally {
    release(writer)
  }
}

/** Reads what stands before the state, so that a call which is refused costs no more. */
export function decodeCallHead(body: Message): CallHead {
  const reader = new NativeReader(body)
  const extras = readExtras(reader, body)
  const name = reader.text("the command's name")
  if (name.length > MAX_NAME_LENGTH) reader.fail(`a command's name of ${name.length} characters`)
  return { name, extras, stateAt: reader.position }
}

/** The state of a call whose head was read. */
export function decodeCallState(body: Message, head: CallHead, hooks: ReadHooks, limits?: ReadLimits): unknown {
  const reader = new NativeReader(body, hooks, limits)
  reader.position = head.stateAt
  return reader.value()
}

/** The state of such a call, straight into the fields of a command; false, with nothing done, for a state that is no object. */
export function decodeCallFields(body: Message, head: CallHead, hooks: ReadHooks, command: object): boolean {
  const reader = new NativeReader(body, hooks)
  reader.position = head.stateAt
  return reader.fields(command)
}

export function decodeCall(
  body: Message,
  hooks: ReadHooks,
  limits?: ReadLimits,
): { name: string; state: unknown; extras: Extras | undefined } {
  const head = decodeCallHead(body)
  return { name: head.name, state: decodeCallState(body, head, hooks, limits), extras: head.extras }
}

export function encodeReply(value: unknown, extras?: Extras, hooks?: WriteHooks): Message {
  return framesOf(writeReply(value, extras, hooks))
}

/** As {@link encodeReply}, to be sent once. */
export function writeReply(value: unknown, extras?: Extras, hooks?: WriteHooks): Body {
  const writer = claim()
  try {
    writer.begin(KIND.reply, flagsOf(0, extras), 0, 'result', undefined, hooks)
    writeExtras(writer, extras)
    writer.value(value)
    const { streams } = writer
    if (streams === 0) return writer.finishToSend()
    const message = writer.finish()
    // A proxy learns from it when the call is over.
    setAmount(message[0] as Buffer, streams)
    return message
  } finally {
    release(writer)
  }
}

export function decodeReply(body: Message, hooks: ReadHooks, limits?: ReadLimits): { value: unknown; extras: Extras | undefined } {
  const reader = new NativeReader(body, hooks, limits)
  const extras = readExtras(reader, body)
  return { value: reader.value(), extras }
}

export function encodeError(error: WireError, extras?: Extras): Message {
  const writer = claim()
  try {
    writer.begin(KIND.error, flagsOf(0, extras), 0, 'details', undefined, undefined)
    writeExtras(writer, extras)
    writeError(writer, error, 0)
    return writer.finish()
  } finally {
    release(writer)
  }
}

export function decodeError(body: Message, hooks?: ReadHooks, limits?: ReadLimits): { error: WireError; extras: Extras | undefined } {
  const reader = new NativeReader(body, hooks, limits)
  const extras = readExtras(reader, body)
  return { error: readError(reader, 0), extras }
}

export function encodeCancel(reason?: string): Message {
  return encodeReason(KIND.cancel, 0, reason)
}

/** Streams within an item are refused. */
export function encodeItem(stream: number, sequence: number, value: unknown): Message {
  const writer = claim()
  try {
    writer.begin(KIND.item, stream, sequence, 'item', undefined, undefined)
    writer.value(value)
    return writer.finish()
  } finally {
    release(writer)
  }
}

export function decodeItem(body: Message, hooks?: ReadHooks, limits?: ReadLimits): unknown {
  return new NativeReader(body, hooks, limits).value()
}

export function encodeEnd(stream: number, sequence: number): Message {
  return encodeBare(KIND.end, stream, sequence)
}

export function encodeFailed(stream: number, sequence: number, error: WireError): Message {
  const writer = claim()
  try {
    writer.begin(KIND.failed, stream, sequence, 'details', undefined, undefined)
    writeError(writer, error, 0)
    return writer.finish()
  } finally {
    release(writer)
  }
}

export function decodeFailed(body: Message, hooks?: ReadHooks, limits?: ReadLimits): WireError {
  return readError(new NativeReader(body, hooks, limits), 0)
}

export function encodeCredit(stream: number, bytes: number): Message {
  return encodeBare(KIND.credit, stream, bytes)
}

export function encodeStop(stream: number, reason?: string): Message {
  return encodeReason(KIND.stop, stream, reason)
}

/** Of cancel and stop. */
export function decodeReason(body: Message): string | undefined {
  return new NativeReader(body).textOrNil('the reason')
}

/** Of messages that are a map with known keys. */
function encodeMap(kind: 'hello' | 'goAway' | 'accepted', map: object): Message {
  const writer = claim()
  try {
    writer.begin(KIND[kind], 0, 0, kind, undefined, undefined)
    writer.value(map)
    return writer.finish()
  } finally {
    release(writer)
  }
}

export function encodeHello({ features, contracts, maxMessageBytes }: Hello): Message {
  return encodeMap('hello', { features, contracts, maxMessageBytes })
}

export function decodeHello(body: Message): Hello {
  const reader = new NativeReader(body)
  const hello: Hello = { features: [] }
  for (let left = reader.map('the greeting'); left > 0; left--) {
    switch (reader.text('a key')) {
      case 'features':
        for (let count = reader.array('features'); count > 0; count--) hello.features.push(reader.text('a feature'))
        break
      case 'contracts':
        hello.contracts = []
        for (let count = reader.array('contracts'); count > 0; count--) {
          if (reader.array('a contract') !== 2) reader.fail('a contract is no pair')
          hello.contracts.push([reader.text("a contract's name"), reader.text("a contract's hash")])
        }
        break
      case 'maxMessageBytes':
        hello.maxMessageBytes = reader.count('maxMessageBytes')
        break
      default:
        reader.skip()
    }
  }
  return hello
}

export function encodeGoAway({ reason }: { reason: string }): Message {
  return encodeMap('goAway', { reason })
}

export function decodeGoAway(body: Message): { reason: string } {
  const reader = new NativeReader(body)
  let reason = ''
  for (let left = reader.map('the farewell'); left > 0; left--) {
    if (reader.text('a key') === 'reason') reason = reader.text('the reason')
    else reader.skip()
  }
  return { reason }
}

export function encodeAccepted({ id, by, ageMs }: Accepted): Message {
  return encodeMap('accepted', { id, by, ageMs })
}

export function decodeAccepted(body: Message): Accepted {
  const reader = new NativeReader(body)
  const accepted: Accepted = { id: '' }
  for (let left = reader.map('the word of a buffer'); left > 0; left--) {
    switch (reader.text('a key')) {
      case 'id':
        accepted.id = reader.text('the id')
        break
      case 'by':
        accepted.by = reader.text('the name of a buffer')
        break
      case 'ageMs':
        accepted.ageMs = reader.count('ageMs')
        break
      default:
        reader.skip()
    }
  }
  if (accepted.id === '') reader.fail('accepted without an id')
  return accepted
}

/**
 * The same call with other extras: what stands behind them is copied as it is, unread, and large binaries are not even copied. For who
 * passes calls on.
 */
export function withExtras(body: Message, head: Pick<CallHead, 'name' | 'stateAt'>, extras: Extras | undefined): Message {
  const [frame, ...binaries] = body as [Buffer, ...Buffer[]]
  const writer = claim()
  try {
    writer.begin(KIND.call, flagsOf(numberOf(frame) & ~FLAG.extras, extras), amountOf(frame), 'state', head.name, undefined)
    writeExtras(writer, extras)
    writer.text(head.name)
    const [start] = writer.finish() as [Buffer]
    return [Buffer.concat([start, frame.subarray(head.stateAt)]), ...binaries]
  } finally {
    release(writer)
  }
}

function encodeBare(kind: number, number: number, amount: number): Message {
  const writer = claim()
  try {
    writer.begin(kind, number, amount, '', undefined, undefined)
    return writer.finish()
  } finally {
    release(writer)
  }
}

function encodeReason(kind: number, number: number, reason: string | undefined): Message {
  const writer = claim()
  try {
    writer.begin(kind, number, 0, 'reason', undefined, undefined)
    if (reason === undefined) writer.nil()
    else writer.text(reason)
    return writer.finish()
  } finally {
    release(writer)
  }
}

/** A part of a millisecond counts as one: the time is not over yet. */
function toTimeLeft(ms: number): number {
  if (ms <= 0) return 0
  return ms < NO_LIMIT ? Math.ceil(ms) : NO_LIMIT
}

function flagsOf(flags: number, extras: Extras | undefined): number {
  return extras === undefined ? flags : flags | FLAG.extras
}

function writeExtras(writer: NativeWriter, extras: Extras | undefined): void {
  if (extras === undefined) return
  const { metadata, idempotencyKey, orderingKey, keep } = extras
  const count = +(metadata !== undefined) + +(idempotencyKey !== undefined) + +(orderingKey !== undefined) + +(keep !== undefined)
  writer.map(count)
  if (metadata !== undefined) {
    writer.integer(EXTRA.metadata)
    const entries = Object.entries(metadata)
    writer.map(entries.length)
    for (const [key, value] of entries) {
      writer.text(key)
      writer.text(value)
    }
  }
  if (idempotencyKey !== undefined) {
    writer.integer(EXTRA.idempotencyKey)
    writer.text(idempotencyKey)
  }
  if (orderingKey !== undefined) {
    writer.integer(EXTRA.orderingKey)
    writer.text(orderingKey)
  }
  if (keep !== undefined) {
    writer.integer(EXTRA.keep)
    const { ttlMs } = keep
    writer.map(ttlMs === undefined ? 0 : 1)
    if (ttlMs !== undefined) {
      writer.integer(KEEP.ttlMs)
      writer.integer(Math.max(0, Math.ceil(ttlMs)))
    }
  }
}

function readExtras(reader: NativeReader, body: Message): Extras | undefined {
  if ((numberOf(body[0] as Buffer) & FLAG.extras) === 0) return undefined
  const extras: Extras = {}
  for (let left = reader.map('the extras'); left > 0; left--) {
    switch (reader.count('the key of an extra')) {
      case EXTRA.metadata: {
        const entries: [string, string][] = []
        for (let count = reader.map('the metadata'); count > 0; count--) entries.push([reader.text('a key'), reader.text('metadata')])
        // Makes even `__proto__` a field.
        extras.metadata = Object.fromEntries(entries)
        break
      }
      case EXTRA.idempotencyKey:
        extras.idempotencyKey = reader.text('the idempotency key')
        break
      case EXTRA.orderingKey:
        extras.orderingKey = reader.text('the ordering key')
        break
      case EXTRA.keep:
        extras.keep = readKeep(reader)
        break
      default:
        reader.skip()
    }
  }
  return extras
}

function readKeep(reader: NativeReader): Keep {
  const keep: Keep = {}
  for (let left = reader.map('how to keep it'); left > 0; left--) {
    if (reader.count('the key of how to keep it') === KEEP.ttlMs) keep.ttlMs = reader.count('ttlMs')
    else reader.skip()
  }
  return keep
}

function writeError(writer: NativeWriter, error: WireError, causes: number): void {
  const { status, text, name, code, details, stack, started } = error
  const cause = causes < MAX_CAUSES ? error.cause : undefined
  let count = 2
  for (const optional of [name, code, details, cause, stack, started]) if (optional !== undefined) count++
  writer.map(count)
  writer.text('status')
  writer.integer(status)
  writer.text('text')
  writer.text(text)
  if (name !== undefined) {
    writer.text('name')
    writer.text(name)
  }
  if (code !== undefined) {
    writer.text('code')
    writer.value(code)
  }
  if (details !== undefined) {
    writer.text('details')
    writer.value(details)
  }
  if (cause !== undefined) {
    writer.text('cause')
    writeError(writer, cause, causes + 1)
  }
  if (stack !== undefined) {
    writer.text('stack')
    writer.text(stack)
  }
  if (started !== undefined) {
    writer.text('started')
    writer.text(started)
  }
}

function readError(reader: NativeReader, causes: number): WireError {
  const error: WireError = { status: -1, text: '' }
  for (let left = reader.map('an error'); left > 0; left--) {
    switch (reader.text('a key')) {
      case 'status':
        error.status = reader.count('the status')
        break
      case 'text':
        error.text = reader.text('the text of an error')
        break
      case 'name':
        error.name = reader.text('the name of an error')
        break
      case 'code': {
        const code = reader.value()
        if (typeof code !== 'string' && typeof code !== 'number') reader.fail('the code of an error is no string and no number')
        error.code = code
        break
      }
      case 'details':
        error.details = reader.value()
        break
      case 'cause':
        if (causes < MAX_CAUSES) error.cause = readError(reader, causes + 1)
        else reader.skip()
        break
      case 'stack':
        error.stack = reader.text('the stack of an error')
        break
      case 'started': {
        const started = reader.text('whether a call was started')
        // Another word is of a later version.
        if (started === 'no' || started === 'maybe' || started === 'yes') error.started = started
        break
      }
      default:
        reader.skip()
    }
  }
  if (error.status < 0) reader.fail('an error without a status')
  return error
}
