/**
 * The dialect of pyzmqrpc3, the Python package: commands and replies as its peers write and read them.
 *
 * A request is one frame, the ASCII text `base64(zlib(utf8(json)))` of `{"_icmd_": ["Name", state]}`. Commands may stand
 * anywhere inside a state; every JSON object that has the key `_icmd_` is one, decoded innermost first. A reply is one
 * frame of JSON, not compressed. Status codes and texts are those of Python, to the letter, since its client raises them.
 *
 * What is written here is always ASCII: a frame that is not UTF-8 would end a Python receiver's loop.
 */

import { deflateSync, inflateSync } from 'node:zlib'
import { toError, ZmqRpcError } from '../../errors.ts'
import { type Command, commandNameOf, isCommand, OpaqueCommand, requireCommand } from '../command/command.ts'
import { type CommandRegistry, constructCommand, MAX_SHOWN_NAME } from '../command/command-registry.ts'
import { errorText } from '../error/error-text.ts'
import { STATUS } from '../error/status.ts'
import { DEFAULT_MAX_DEPTH, DEFAULT_MAX_NODES, parsePythonJson } from './python-json-reader.ts'
import { PythonJsonWriter, quote } from './python-json-writer.ts'

export { STATUS } from '../error/status.ts'

/** The text, alone in its frame, that shows a subscriber that the link is alive. It is no message. */
export const HEARTBEAT = 'zmq_sub_heartbeat'

/** The `status_message` of a reply, as Python words it. */
export const STATUS_TEXT = {
  ok: 'OK',
  badCommand: (reason: string) =>
    `Incorrectly marshalled command. Incoming message is no proper json formatted string. Exception: ${reason}`,
  noService: (commandName: string) => `No service on the server is registered for command "${commandName}".`,
  // The space at the end is Python's.
  serviceRaised: (serviceName: string, reason: string) => `Exception raised when calling service ${serviceName}. Exception: ${reason} `,
  proxyFailed: 'Error',
} as const

/** Python tells only these two apart. */
const NOT_UNZIPPED = STATUS_TEXT.badCommand('Could not decode/unzip the contents')
const NOT_INTERPRETED = STATUS_TEXT.badCommand('Could not interpret the unzipped contents')

const COMMAND_KEY = '_icmd_'

/** What a peer may make us allocate. */
export interface Pyzmqrpc3Limits {
  /** How large a request's JSON may be, in bytes: a few bytes of zlib can stand for a thousand times as many. @default 8 MiB */
  readonly maxInflatedBytes?: number
  /** How deeply a request's or reply's arrays and objects may be nested. @default 1000 */
  readonly maxDepth?: number
  /** How many arrays, objects and members a request's JSON may have, all together. @default 1000000 */
  readonly maxNodes?: number
}

/** The limits where none are given. */
export const DEFAULT_LIMITS: Required<Pyzmqrpc3Limits> = {
  maxInflatedBytes: 8 * 1024 * 1024,
  maxDepth: DEFAULT_MAX_DEPTH,
  maxNodes: DEFAULT_MAX_NODES,
}

/** A reply may be eight times as large (`maxMessageBytes`) as a request, and have as many times the nodes. */
const MAX_REPLY_NODES = 8 * DEFAULT_MAX_NODES

/** What {@link decodeCommand} made of a frame. */
export type DecodedCommand = { readonly kind: 'command'; readonly name: string; readonly command: Command } | DecodeFailure

/** A frame that holds no command we know: what to answer, and what to log. */
export interface DecodeFailure {
  readonly kind: 'failure'
  readonly status: typeof STATUS.badCommand | typeof STATUS.noService
  /** For the reply: what a Python server would say. */
  readonly statusText: string
  /** For our own log: what was wrong exactly. Quotes names from the message, but no values of its own accord. */
  readonly detail: string
  /** The command's name, when it could be read. */
  readonly name?: string
  readonly cause?: unknown
}

/** A reply, whatever its status. */
export interface Reply {
  /** `status_code`: {@link STATUS}. */
  readonly status: number
  /** `status_message`. */
  readonly statusText: string
  /** `response_message`; `undefined` when there is none, as when a Python service returned `None`. */
  readonly result?: unknown
}

/** True for the frame of {@link HEARTBEAT}. */
export function isHeartbeat(frame: Uint8Array): boolean {
  return frame.length === HEARTBEAT.length && asBuffer(frame).toString('latin1') === HEARTBEAT
}

/**
 * The one frame of a request.
 *
 * @throws ZmqRpcError `BAD_COMMAND` when the command has no name, its `getCommandState` throws, or its state holds what JSON
 * cannot (see `python-json-writer.ts`) or a plain object with the key `_icmd_`, which the far end would take for a command.
 */
export function encodeCommand(command: Command): Buffer {
  requireCommand(command)
  const name = commandNameOf(command)
  const json = new CommandWriter({ root: 'state', subject: `command "${name}"`, command: name }).write(command)
  const zipped = json.length <= STORED_MAX_BYTES ? store(json) : deflateSync(json)
  return Buffer.from(zipped.toString('base64'), 'latin1')
}

/**
 * Reads a request's frame. Never throws for what a peer sent: a failure says what to answer.
 *
 * It also makes the objects that the command's state holds, so it runs `setCommandState` of registered classes.
 */
export function decodeCommand(frame: Uint8Array, registry: CommandRegistry, limits: Pyzmqrpc3Limits = {}): DecodedCommand {
  let json: Buffer
  try {
    json = inflate(frame, limits)
  } catch (cause) {
    return failure(NOT_UNZIPPED, `not base64 of zlib data within the limits: ${toError(cause).message}`, cause)
  }
  try {
    return interpret(decodeUtf8(json), registry, limits)
  } catch (cause) {
    return failure(NOT_INTERPRETED, errorText(cause), cause)
  }
}

/** The command in a request's frame, whatever its class, as name and state; undefined for what is none. For who passes commands on. */
export function decodeOpaque(frame: Uint8Array, limits: Pyzmqrpc3Limits = {}): OpaqueCommand | undefined {
  const { maxDepth = DEFAULT_LIMITS.maxDepth, maxNodes = DEFAULT_LIMITS.maxNodes } = limits
  try {
    const value = parsePythonJson(decodeUtf8(inflate(frame, limits)), { maxDepth, maxNodes })
    decodeMembers(value, (name, state) => new OpaqueCommand(name, state))
    return hasCommandKey(value) ? new OpaqueCommand(...nameAndState(value)) : undefined
  } catch {
    return undefined
  }
}

/**
 * Whether a server of ours would take a request's frame for a command of this name, or may do so: also true for what unpacks to more than
 * the limit, since that server may have another one. For those who only pass it on; mostly no JSON needs to be read for it.
 */
export function mayAskFor(name: string, frame: Uint8Array, limits: Pyzmqrpc3Limits = {}): boolean {
  let json: Buffer
  try {
    json = inflate(frame, limits)
  } catch (cause) {
    // What is no zlib data at all is no command: it may be the text of a sender.
    return (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
  }
  // Letters may be written as escapes.
  if (!json.includes(name) && !json.includes('\\u')) return false
  try {
    const { maxDepth = DEFAULT_LIMITS.maxDepth, maxNodes = DEFAULT_LIMITS.maxNodes } = limits
    const value = parsePythonJson(decodeUtf8(json), { maxDepth, maxNodes })
    return hasCommandKey(value) && nameAndState(value)[0] === name
  } catch {
    return false
  }
}

/**
 * The JSON of a request's frame, as text: for tools that show messages whose classes they do not have.
 *
 * @throws when it is not base64 of zlib data within the limits. Bytes that are no UTF-8 become `�`.
 */
export function readCommandText(frame: Uint8Array, limits: Pyzmqrpc3Limits = {}): string {
  return new TextDecoder().decode(inflate(frame, limits))
}

/**
 * The one frame of a reply.
 *
 * @throws ZmqRpcError `BAD_COMMAND` when the result holds what JSON cannot. Commands too: a client of this dialect does not
 * decode them in replies.
 */
export function encodeReply(reply: Reply): Buffer {
  let text = `{"status_code": ${reply.status}, "status_message": ${quote(reply.statusText)}`
  if (reply.result !== undefined && reply.result !== null) {
    const result = new ResultWriter({ root: 'result', subject: 'the result' }).write(reply.result)
    // A toJSON may turn out to say nothing.
    if (result !== 'null') text += `, "response_message": ${result}`
  }
  return Buffer.from(`${text}}`, 'latin1')
}

/**
 * Reads a reply's frame.
 *
 * @throws ZmqRpcError `BAD_REPLY` when it is no JSON object with a number as its `status_code`.
 */
export function decodeReply(frame: Uint8Array, limits: Pick<Pyzmqrpc3Limits, 'maxDepth'> = {}): Reply {
  let reply: unknown
  try {
    reply = parsePythonJson(decodeUtf8(asBuffer(frame)), {
      maxDepth: limits.maxDepth ?? DEFAULT_LIMITS.maxDepth,
      maxNodes: MAX_REPLY_NODES,
    })
  } catch (cause) {
    throw new ZmqRpcError('BAD_REPLY', `the reply is no JSON text: ${toError(cause).message}`, { cause })
  }
  if (typeof reply !== 'object' || reply === null || Array.isArray(reply)) {
    throw new ZmqRpcError('BAD_REPLY', `the reply is JSON, but no object with a status_code`)
  }
  const members = new Map<string, unknown>(Object.entries(reply))
  const status = members.get('status_code')
  if (typeof status !== 'number') throw new ZmqRpcError('BAD_REPLY', 'the reply has no status_code that is a number')
  const text = members.get('status_message')
  // Python's words for a peer that gives none.
  const fallback = status === STATUS.ok ? STATUS_TEXT.ok : `Error occurred with code ${status}`
  return { status, statusText: typeof text === 'string' && text !== '' ? text : fallback, result: members.get('response_message') }
}

/** What went wrong, in the far end's words: those of a proxy are its result. */
export function reasonOf({ status, statusText, result }: Reply): string {
  return status === STATUS.proxyFailed && typeof result === 'string' ? result : statusText
}

/** Writes commands as such, wherever they stand. */
class CommandWriter extends PythonJsonWriter {
  protected override special(value: object, key: string | number | undefined): string | undefined {
    if (Symbol.asyncIterator in value) this.fail(key, 'is a stream, which the pyzmqrpc3 dialect does not have')
    if (isCommand(value)) {
      const name = commandNameOf(value)
      let state: unknown
      try {
        state = value.getCommandState()
      } catch (cause) {
        this.fail(key, `cannot be had: getCommandState of "${name}" threw ${String(cause)}`, cause)
      }
      return `{"${COMMAND_KEY}": [${quote(name)}, ${this.within(value, 2, key, state)}]}`
    }
    // Data that a user copied from somewhere must not become a command at the far end.
    if (Object.hasOwn(value, COMMAND_KEY)) this.fail(key, `has the key "${COMMAND_KEY}", which the far end would take for a command`)
    return undefined
  }
}

class ResultWriter extends PythonJsonWriter {
  protected override special(value: object, key: string | number | undefined): undefined {
    if (Symbol.asyncIterator in value) this.fail(key, 'is a stream, which the pyzmqrpc3 dialect does not have')
    if (!isCommand(value)) return
    this.fail(key, `is a command ("${commandNameOf(value)}"), which no client of the pyzmqrpc3 dialect decodes in a reply`)
  }
}

function inflate(frame: Uint8Array, limits: Pyzmqrpc3Limits): Buffer {
  // Like Python's, this reader of base64 skips what is not in the alphabet; unlike Python's it does not insist on the
  // padding. No harm: zlib's checksum judges the bytes.
  const compressed = Buffer.from(asBuffer(frame).toString('latin1'), 'base64')
  return inflateSync(compressed, { maxOutputLength: limits.maxInflatedBytes ?? DEFAULT_LIMITS.maxInflatedBytes })
}

/**
 * Up to this size a request is put in zlib's format as it is, which every zlib reads. Measured: zlib would save 5 bytes of
 * 100 and 40 of 200, and take 9 µs more for it, most of them to set itself up.
 */
const STORED_MAX_BYTES = 200

/** ASCII text as zlib data of one stored block. [RFC 1950, 2.2; RFC 1951, 3.2.4] */
function store(text: string): Buffer {
  const length = text.length
  const zipped = Buffer.allocUnsafe(length + 11)
  // The header of zlib's default settings, so that it starts `eJ` in base64 as Python's does.
  zipped.writeUInt16BE(0x789c, 0)
  zipped[2] = 0x01
  zipped.writeUInt16LE(length, 3)
  zipped.writeUInt16LE(length ^ 0xffff, 5)
  // Adler-32. So short a text needs no modulo before the end.
  let low = 1
  let high = 0
  for (let at = 0; at < length; at++) {
    const byte = text.charCodeAt(at)
    zipped[7 + at] = byte
    low += byte
    high += low
  }
  zipped.writeUInt16BE(high % 65521, length + 7)
  zipped.writeUInt16BE(low % 65521, length + 9)
  return zipped
}

function interpret(text: string, registry: CommandRegistry, limits: Pyzmqrpc3Limits): DecodedCommand {
  const { maxDepth = DEFAULT_LIMITS.maxDepth, maxNodes = DEFAULT_LIMITS.maxNodes } = limits
  const value = parsePythonJson(text, { maxDepth, maxNodes })
  decodeMembers(value, (name, state) => constructCommand(registry, name, state))
  if (!hasCommandKey(value)) {
    const type = pythonTypeOf(value, text)
    return noService(type, `the message is JSON, but no command: a ${type}`)
  }
  const [name, state] = nameAndState(value)
  // Python cannot construct a class that it does not know, and answers 400. With no registry of all classes of the
  // process, "not registered here" is all that we can know, and 451 is what tells the caller what to do about it.
  if (!registry.has(name)) {
    const shown = name.slice(0, MAX_SHOWN_NAME)
    return { ...noService(shown, `no command "${shown}" is registered`), name: shown }
  }
  return { kind: 'command', name, command: constructCommand(registry, name, state) }
}

type MakeCommand = (name: string, state: unknown) => Command

/** Replaces, in a value fresh from the parser, every object that stands for a command; innermost first. */
function decodeMembers(container: unknown, make: MakeCommand): void {
  if (Array.isArray(container)) {
    // By number: to ask for the keys of an array makes a string of each, and a peer may send an array of millions.
    for (let index = 0; index < container.length; index++) container[index] = decodeMember(container[index], make)
  } else if (typeof container === 'object' && container !== null) {
    const members = container as Record<string, unknown>
    // The key exists as an own property, so that even `__proto__` is assigned as one.
    for (const key of Object.keys(members)) members[key] = decodeMember(members[key], make)
  }
}

function decodeMember(member: unknown, make: MakeCommand): unknown {
  if (typeof member !== 'object' || member === null) return member
  decodeMembers(member, make)
  return hasCommandKey(member) ? make(...nameAndState(member)) : member
}

function hasCommandKey(value: unknown): value is { [COMMAND_KEY]: unknown } {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, COMMAND_KEY)
}

function nameAndState(encoded: { [COMMAND_KEY]: unknown }): [name: string, state: unknown] {
  const pair = encoded[COMMAND_KEY]
  if (Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string') return [pair[0], pair[1]]
  throw new ZmqRpcError('BAD_COMMAND', `"${COMMAND_KEY}" is not a pair of a name and a state`)
}

/** Python's name for the type of a value that is no command, as its `type(value).__name__`. */
function pythonTypeOf(value: unknown, text: string): string {
  if (value === null) return 'NoneType'
  if (Array.isArray(value)) return 'list'
  switch (typeof value) {
    case 'string':
      return 'str'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      // Our numbers do not tell 1 from 1.0: the text does.
      return /^\s*-?[0-9]+\s*$/.test(text) ? 'int' : 'float'
    default:
      return 'dict'
  }
}

function noService(name: string, detail: string): DecodeFailure {
  return { kind: 'failure', status: STATUS.noService, statusText: STATUS_TEXT.noService(name), detail }
}

function failure(statusText: string, detail: string, cause: unknown): DecodeFailure {
  return { kind: 'failure', status: STATUS.badCommand, statusText, detail, cause }
}

// Takes UTF-8's byte order mark away, as Python does.
const UTF8 = new TextDecoder('utf-8', { fatal: true })

function decodeUtf8(bytes: Uint8Array): string {
  return UTF8.decode(bytes)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
