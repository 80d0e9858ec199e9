/** What is kept of what comes to a buffer, and in which lane. */

import { createHash } from 'node:crypto'
import type { Message } from '../../wire/index.ts'
import { OpaqueCommand, ShutdownServer } from '../command/command.ts'
import type { Dialect } from '../dialect/announcement.ts'
import { decodeCall } from '../dialect/native/message.ts'
import { decodeOpaque } from '../dialect/pyzmqrpc3.ts'
import { BUILT_IN_PREFIX } from '../server/introspection.ts'
import type { CommandDrain } from './buffer-options.ts'

/** Longer names of lanes and values are told apart by their hash. */
const MAX_NAME = 200
/** A stream in a command's state: an extension of type 7, in whichever of MessagePack's formats. */
const STREAM_MARKS = [Buffer.of(0xd5, 7), Buffer.of(2, 7)]

/** Questions to the server itself are of no use later. */
export function isQuestion(name: string): boolean {
  return name.startsWith(BUILT_IN_PREFIX) || name === ShutdownServer.commandName
}

/** Whether a native call's state holds streams, which end with their connection. Only what may be one is read. */
export function hasStreams(body: Message): boolean {
  if (!STREAM_MARKS.some((mark) => (body[0] as Buffer).includes(mark))) return false
  let found = false
  try {
    decodeCall(body, {
      command: () => undefined,
      stream: () => {
        found = true
      },
    })
  } catch {
    // The far end will say so.
  }
  return found
}

/** The lane of a sender; with an ordering key, one of its own beside the others. */
export function laneOf(sender: string, orderingKey: string | undefined): string {
  return short(orderingKey === undefined ? sender : `${sender}\n${orderingKey}`)
}

/** Who sent it, where nobody has a name: those of one machine are one. */
export function hostOf(remoteAddress: string | undefined): string {
  return remoteAddress?.replace(/:\d+$/, '') ?? ''
}

/** What tells values apart of which only the last one counts. */
export function valueKeyOf(
  drain: CommandDrain | undefined,
  name: string,
  { body, dialect, lane }: { body: Message; dialect: Dialect; lane: string },
): string | undefined {
  if (drain?.order !== 'lastValue') return undefined
  if (drain.key === undefined) return short(`${name}\n${lane}`)
  const state = stateOf(body, dialect)
  const value = typeof state === 'object' && state !== null ? (state as Record<string, unknown>)[drain.key] : undefined
  return short(`${name}\n${typeof value === 'string' ? value : JSON.stringify(value)}`)
}

function stateOf(body: Message, dialect: Dialect): unknown {
  if (dialect === 'pyzmqrpc3') return decodeOpaque(body[0] as Buffer)?.state
  try {
    return decodeCall(body, { command: (name, state) => new OpaqueCommand(name, state), stream: () => undefined }).state
  } catch {
    return undefined
  }
}

function short(name: string): string {
  return name.length <= MAX_NAME ? name : `sha256-${createHash('sha256').update(name, 'utf16le').digest('base64url')}`
}
