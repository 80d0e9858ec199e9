/**
 * What a call asks for. It is written when it is known who takes it, in the dialect of that server, and it knows how to
 * read the reply in either dialect.
 */

import { RemoteError, toError, ZmqRpcError } from '../../errors.ts'
import type { Receipt } from '../../receipt.ts'
import { type Body, framesOf, type Message } from '../../wire/index.ts'
import { type Command, commandNameOf, OpaqueCommand, sendsFields } from '../command/command.ts'
import { type CommandRegistry, type IncomingStreams, ValueMaker } from '../command/command-registry.ts'
import { type Dialect, nativeKind } from '../dialect/announcement.ts'
import { FLAG, KIND, NO_LIMIT, setAmount } from '../dialect/native/header.ts'
import { type Accepted, decodeCall, decodeError, decodeReply, type Extras, writeCall } from '../dialect/native/message.ts'
import type { WriteHooks } from '../dialect/native/writer.ts'
import * as pyzmqrpc3 from '../dialect/pyzmqrpc3.ts'
import type { Endpoint } from '../endpoint.ts'
import { errorText, wordsOf } from '../error/error-text.ts'
import { ErrorRegistry, fromWireError } from '../error/service-error.ts'
import type { Relay } from '../stream/relay.ts'
import type { CallSettings } from './call.ts'

/** A reply that was read. */
export interface ReadReply {
  readonly value: unknown
  readonly extras: Extras | undefined
}

export interface CallRequest {
  /** The command's name, for errors; undefined for plain text. */
  readonly command: string | undefined
  /** `command "Greet"`, for the texts of errors. */
  readonly what: string
  /** Errors that are thrown as what they were at the far end. */
  readonly errors: ErrorRegistry
  /** Where the call is passed on: whoever passes on what belongs to it. */
  readonly relay?: Relay
  /** The lane that it belongs to: see `docs/protocol.md`. The flag BEHIND is the link's to set. */
  readonly orderingKey?: string | undefined
  /**
   * Its maker has sent others of the lane, and has not heard yet what came of them: the flag BEHIND is set also where the link has just had
   * their answers.
   */
  readonly behind?: boolean | undefined
  /** The frames to send. @throws ZmqRpcError BAD_COMMAND when they cannot be had. */
  encode(dialect: Dialect, timeLeftMs: number, hooks: WriteHooks): Body
  /** From now on what is sent is the state of this moment: the caller may change the command while it waits. @throws as `encode` */
  freeze(hooks: WriteHooks): void
  /** As `freeze`: the frames of `encode`, which were not sent after all. */
  keep(dialect: Dialect, body: Message): void
  /** For a call that is to be kept: what it resolves to when it is. Of others it is only noted that a buffer has them. */
  accepted?(accepted: Accepted, endpoint: Endpoint): unknown
  /** What came of a call that a buffer has, when the connection on which that would have been told is lost. @throws as `read`, NOT_YET_EXECUTED */
  follow?(receipt: Receipt, settings: CallSettings): Promise<unknown>
  /** The result in a reply's body. @throws RemoteError, ZmqRpcError BAD_REPLY, and the errors that the client knows. */
  read(body: Message, endpoint: Endpoint, streams: IncomingStreams): ReadReply
}

/** A time as it travels. */
export function wireTime(ms: number): number {
  return ms >= NO_LIMIT ? NO_LIMIT : Math.max(0, Math.ceil(ms))
}

/** What all requests of a client share. */
export interface RequestSettings {
  /** Classes that may stand in results. */
  readonly commands: CommandRegistry
  /** Errors that are thrown as what they were at the far end. */
  readonly errors: ErrorRegistry
  /** False where no server is ever spoken to in the native dialect. */
  readonly native: boolean
  /** As {@link CallRequest.follow}. */
  readonly follow: (receipt: Receipt, settings: CallSettings) => Promise<unknown>
}

/** Thrown when a stream was found. One of our own: the writer passes it on as it is. */
const STREAMS = new ZmqRpcError('BAD_COMMAND', 'it streams')

const REFUSE_STREAMS: WriteHooks = {
  stream: () => {
    throw STREAMS
  },
}

/** A command to be carried out. */
export class CommandRequest implements CallRequest {
  readonly command: string
  readonly #subject: Command
  readonly #settings: RequestSettings
  /** May be carried out twice. */
  readonly repeatable: boolean
  readonly #extras: Extras | undefined
  /** What is to be sent, written down in the native dialect; or, for a client that never speaks it, in the other one. */
  #frozen: Message | undefined

  constructor(name: string, subject: Command, settings: RequestSettings, repeatable: boolean, extras: Extras | undefined) {
    this.command = name
    this.#subject = subject
    this.#settings = settings
    this.repeatable = repeatable
    this.#extras = extras
  }

  get what(): string {
    return `command "${this.command}"`
  }

  get errors(): ErrorRegistry {
    return this.#settings.errors
  }

  encode(dialect: Dialect, timeLeftMs: number, hooks: WriteHooks): Body {
    if (dialect === 'pyzmqrpc3') {
      if (this.#frozen === undefined) return [pyzmqrpc3.encodeCommand(this.#subject)]
      return this.#settings.native ? [pyzmqrpc3.encodeCommand(thaw(this.#frozen, this.#subject))] : this.#frozen
    }
    if (this.#frozen === undefined) return this.#write(wireTime(timeLeftMs), hooks)
    setAmount(this.#frozen[0] as Buffer, wireTime(timeLeftMs))
    return this.#frozen
  }

  /** Freezes it unless it streams, which can be done only once: false. @throws as `encode` */
  freezeUnlessStreaming(): boolean {
    try {
      this.freeze(REFUSE_STREAMS)
      return true
    } catch (error) {
      if (error === STREAMS) return false
      throw error
    }
  }

  keep(dialect: Dialect, body: Message): void {
    // Of the other dialect's frames ours cannot be made.
    if (this.#settings.native === (dialect === 'native')) this.#frozen ??= body
  }

  freeze(hooks: WriteHooks): void {
    if (this.#frozen !== undefined) return
    const [head, ...binaries] = this.#settings.native ? framesOf(this.#write(0, hooks)) : [pyzmqrpc3.encodeCommand(this.#subject)]
    // Large binaries are the caller's own memory.
    this.#frozen = [head as Buffer, ...binaries.map((binary) => Buffer.from(binary))]
  }

  #write(timeLeftMs: number, hooks: WriteHooks): Body {
    const fields = sendsFields(this.#subject) ? this.#subject : undefined
    return writeCall(
      {
        name: this.command,
        state: fields === undefined ? stateOf(this.#subject, this.command) : undefined,
        fields,
        timeLeftMs,
        flags: this.repeatable ? FLAG.repeatable : 0,
        extras: this.#extras,
      },
      hooks,
    )
  }

  read(body: Message, endpoint: Endpoint, streams: IncomingStreams): ReadReply {
    return readReply(this.#settings, this.command, body, endpoint, streams)
  }

  follow(receipt: Receipt, settings: CallSettings): Promise<unknown> {
    return this.#settings.follow(receipt, settings)
  }
}

/** The reply to a command, in whichever dialect it is. @throws as {@link CallRequest.read} */
export function readReply(
  { commands, errors }: Pick<RequestSettings, 'commands' | 'errors'>,
  command: string,
  body: Message,
  endpoint: Endpoint,
  streams: IncomingStreams,
): ReadReply {
  const about = { endpoint, command }
  const kind = nativeKind(body[0] as Buffer)
  if (kind === undefined) return readPlain(body, endpoint, command)
  if (kind === KIND.error) throw fromWireError(readOrThrow(() => decodeError(body), about).error, errors, about)
  try {
    return decodeReply(body, new ValueMaker(commands, streams))
  } catch (cause) {
    throw unreadable(cause, about)
  }
}

/** @throws ZmqRpcError BAD_COMMAND when its `getCommandState` throws. */
export function stateOf(command: Command, name: string): unknown {
  try {
    return command.getCommandState()
  } catch (cause) {
    const text = `cannot write command "${name}": its state cannot be had: getCommandState threw ${errorText(cause)}`
    throw new ZmqRpcError('BAD_COMMAND', text, { command: name, cause })
  }
}

const NO_ERRORS = new ErrorRegistry()

/** A plain text, which travels as it is. */
export class TextRequest implements CallRequest {
  readonly command = undefined
  readonly what = 'the message'
  readonly errors = NO_ERRORS
  readonly #frames: Message

  constructor(frame: Buffer) {
    this.#frames = [frame]
  }

  encode(): Message {
    return this.#frames
  }

  freeze(): void {}
  keep(): void {}

  read(body: Message, endpoint: Endpoint): ReadReply {
    return readPlain(body, endpoint, undefined)
  }
}

/** The pyzmqrpc3 dialect's reply. */
function readPlain(body: Message, endpoint: Endpoint, command: string | undefined): ReadReply {
  const about = { endpoint, command }
  if (body.length !== 1) throw new ZmqRpcError('BAD_REPLY', `the reply of ${endpoint} has ${body.length} frames, not one`, about)
  const reply = readOrThrow(() => pyzmqrpc3.decodeReply(body[0] as Buffer), about)
  if (reply.status !== pyzmqrpc3.STATUS.ok) throw new RemoteError(reply.status, pyzmqrpc3.reasonOf(reply), about)
  return { value: reply.result, extras: undefined }
}

function readOrThrow<T>(read: () => T, about: { endpoint: Endpoint; command: string | undefined }): T {
  try {
    return read()
  } catch (cause) {
    throw unreadable(cause, about)
  }
}

function unreadable(cause: unknown, about: { endpoint: Endpoint; command: string | undefined }): ZmqRpcError {
  const what = about.command === undefined ? '' : ` to command "${about.command}"`
  const text = `${about.endpoint} answered${what} with something that cannot be read: ${wordsOf(toError(cause))}`
  return new ZmqRpcError('BAD_REPLY', text, { ...about, cause })
}

/** A command that was written down already, to be written in the other dialect. */
function thaw(frozen: Message, subject: Command): Command {
  const refuse = (): never => {
    const text = 'a stream cannot be sent to a peer that speaks the pyzmqrpc3 dialect'
    throw new ZmqRpcError('BAD_COMMAND', text, { command: commandNameOf(subject) })
  }
  const { name, state } = decodeCall(frozen, { command: (nested, inner) => new OpaqueCommand(nested, inner), stream: refuse })
  return subject instanceof OpaqueCommand ? subject : new OpaqueCommand(name, state)
}
