/** A message of anybody, read without knowing its command: for those who only look at it. */

import { toError } from '../../errors.ts'
import type { Message } from '../../wire/index.ts'
import { type CommandClass, OpaqueCommand } from '../command/command.ts'
import { CommandRegistry, ValueMaker } from '../command/command-registry.ts'
import { wordsOf } from '../error/error-text.ts'
import type { Metadata } from '../server/service.ts'
import type { Dialect } from './announcement.ts'
import { decodeCall } from './native/message.ts'
import { decodeCommand } from './pyzmqrpc3.ts'

/** What a message says. */
export type AnyMessage =
  | {
      readonly kind: 'command'
      readonly name: string
      /** As it came. Commands in it are `OpaqueCommand`s. */
      readonly state: unknown
      readonly dialect: Dialect
      readonly metadata: Metadata
    }
  | { readonly kind: 'text'; readonly text: string }
  /** Neither a command nor text: `reason` says why, for people. */
  | { readonly kind: 'unreadable'; readonly reason: string; readonly frames: readonly Buffer[] }

/** Never throws. */
export function readAnyMessage(body: Message, dialect: Dialect): AnyMessage {
  if (dialect === 'native') {
    try {
      const { name, state, extras } = decodeCall(body, ANY_VALUE)
      return { kind: 'command', name, state, dialect, metadata: extras?.metadata ?? {} }
    } catch (error) {
      return { kind: 'unreadable', reason: wordsOf(toError(error)), frames: body }
    }
  }
  const decoded = decodeCommand(body.length === 1 ? (body[0] as Buffer) : Buffer.alloc(0), ANY_COMMAND)
  if (decoded.kind === 'command') {
    return { kind: 'command', name: decoded.name, state: decoded.command.getCommandState(), dialect, metadata: {} }
  }
  const text = readText(body)
  return text === undefined ? { kind: 'unreadable', reason: 'neither a command nor text', frames: body } : { kind: 'text', text }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of a message that is one frame of UTF-8; undefined for any other. */
export function readText(body: Message): string | undefined {
  if (body.length !== 1) return undefined
  try {
    return UTF8.decode(body[0])
  } catch {
    return undefined
  }
}

/** Knows every command, and none. */
class AnyCommand extends CommandRegistry {
  override has(): boolean {
    return true
  }

  override get(name: string): CommandClass {
    return class extends OpaqueCommand {
      constructor() {
        super(name)
      }

      override setCommandState(state: unknown): void {
        Object.assign(this, { state })
      }
    }
  }
}

const ANY_COMMAND = new AnyCommand()

/** What is kept or published holds no streams. */
const ANY_VALUE = new ValueMaker(ANY_COMMAND, { incoming: () => NOTHING })

const NOTHING: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) }
