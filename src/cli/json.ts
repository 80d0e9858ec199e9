/**
 * JSON on the command line: states that come in, results that go out.
 *
 * Integers beyond 2^53 stay what they are, both ways. What JSON has no word for goes out as the nearest that it has: dates as ISO text, bytes
 * in base64, maps as objects where their keys are strings, NaN and infinities as null. Commands within a state are written as
 * pyzmqrpc3 writes them: `{"_icmd_": ["Name", {…}]}`, both ways.
 */

import { Command, OpaqueCommand } from '../index.ts'
import { UsageError } from './usage-error.ts'

const COMMAND_KEY = '_icmd_'

/** In front of the digits of a large integer, until it is one. No JSON text holds a lone surrogate unescaped by itself. */
const LARGE = '\udc00zmq-rpc:integer:'

/** A string, or a number with all that belongs to it: so a digit within either is never taken for an integer. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** @throws UsageError that says where it ends to be JSON */
export function readJson(text: string, what: string): unknown {
  const marked = text.replace(STRING_OR_NUMBER, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? JSON.stringify(LARGE + token) : token,
  )
  try {
    return JSON.parse(marked, (_key, value: unknown) => revive(value))
  } catch (error) {
    if (error instanceof UsageError) throw error
    const hint = /^\s*[{[]?\s*['a-z_]/i.test(text) ? `; names and strings need double quotes, as in '{"name": "Ada"}'` : ''
    throw new UsageError(`${what} is no JSON: ${(error as Error).message}${hint}`)
  }
}

function revive(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(LARGE) ? BigInt(value.slice(LARGE.length)) : value
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, COMMAND_KEY)) return value
  const pair = (value as Record<string, unknown>)[COMMAND_KEY]
  if (Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string') return new OpaqueCommand(pair[0], pair[1])
  throw new UsageError(`"${COMMAND_KEY}" stands for a command: ["Name", {its state}]`)
}

export interface WriteJsonOptions {
  /** Spaces for each level; 0: all on one line. @default 0 */
  readonly indent?: number
  /** What stands for a stream within the value. */
  readonly stream?: (stream: AsyncIterable<unknown>, path: string) => unknown
}

/** Never throws for what came over the wire. */
export function writeJson(value: unknown, { indent = 0, stream }: WriteJsonOptions = {}): string {
  const write = (given: unknown, depth: number, path: string): string => {
    const value = plain(given)
    switch (typeof value) {
      case 'string':
        return quote(value)
      case 'bigint':
        return String(value)
      case 'number':
        return Number.isFinite(value) ? String(value) : 'null'
      case 'boolean':
        return String(value)
      case 'object':
        break
      default:
        return 'null'
    }
    if (value === null) return 'null'
    if (Symbol.asyncIterator in value) {
      return write(stream === undefined ? { $stream: path } : stream(value as AsyncIterable<unknown>, path), depth, path)
    }
    const open = Array.isArray(value) ? '[' : '{'
    const parts = Array.isArray(value)
      ? value.map((item, index) => write(item, depth + 1, `${path}[${index}]`))
      : Object.entries(value).flatMap(([key, item]) =>
          item === undefined
            ? []
            : [`${quote(key)}:${indent > 0 ? ' ' : ''}${write(item, depth + 1, path === '' ? key : `${path}.${key}`)}`],
        )
    const close = open === '[' ? ']' : '}'
    if (parts.length === 0) return open + close
    if (indent === 0) return open + parts.join(',') + close
    const [inner, outer] = [' '.repeat(indent * (depth + 1)), ' '.repeat(indent * depth)]
    const short = parts.join(', ')
    if (!short.includes('\n') && short.length <= 70) return open === '[' ? `[${short}]` : `{ ${short} }`
    return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${outer}${close}`
  }
  return write(value, 0, '')
}

/** As what JSON can hold, one level deep. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Command) return { [COMMAND_KEY]: [nameOf(value), value.getCommandState()] }
  if (value instanceof Set) return [...value]
  if (value instanceof Map) return [...value.keys()].every((key) => typeof key === 'string') ? Object.fromEntries(value) : [...value]
  if (value instanceof ArrayBuffer) return Buffer.from(value).toString('base64')
  if (!ArrayBuffer.isView(value)) return value
  const bytes = value instanceof Uint8Array || value instanceof DataView
  return bytes ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') : Array.from(value as Float64Array)
}

function nameOf(command: Command): string {
  return command instanceof OpaqueCommand ? command.name : command.constructor.name
}

/** What moves a terminal's cursor, or turns its text round. */
const UNSHOWN = /[\p{Cc}\p{Bidi_Control}]/gu

/** JSON itself escapes only some of it. */
function quote(text: string): string {
  return JSON.stringify(text).replace(UNSHOWN, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Text of somebody else, for a line of a terminal. */
export function printable(text: string): string {
  return text.replace(UNSHOWN, (character) => (character === '\n' ? '\\n' : character === '\t' ? ' ' : escaped(character)))
}
