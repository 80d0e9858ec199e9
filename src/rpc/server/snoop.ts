/**
 * Hears all that publishers say, whatever it is, without knowing their commands: for recorders, gateways, and people who want to read
 * along.
 */

import { toError } from '../../errors.ts'
import { publish } from '../../observability/events.ts'
import { checkFunction, checkOptions, type OptionNames } from '../../options.ts'
import type { Peer } from '../../session/peer.ts'
import type { Message } from '../../wire/index.ts'
import { type CommandClass, OpaqueCommand } from '../command/command.ts'
import { CommandRegistry, ValueMaker } from '../command/command-registry.ts'
import type { Dialect } from '../dialect/announcement.ts'
import { decodeCall } from '../dialect/native/message.ts'
import { decodeCommand } from '../dialect/pyzmqrpc3.ts'
import { wordsOf } from '../error/error-text.ts'
import { MessageServer, type MessageServerOptions } from './message-server.ts'
import { readText } from './receiver.ts'
import type { Refusal, ServerCall, ServiceRun } from './server-call.ts'
import type { Metadata, PeerInfo } from './service.ts'

/** What was heard. */
export type Overheard = { readonly peer: PeerInfo } & (
  | {
      readonly kind: 'command'
      readonly name: string
      /** As it came. Commands in it are `OpaqueCommand`s. */
      readonly state: unknown
      readonly dialect: Dialect
      readonly metadata: Metadata
    }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'heartbeat' }
  /** Neither a command nor text: `reason` says why, for people. */
  | { readonly kind: 'unreadable'; readonly reason: string; readonly frames: readonly Buffer[] }
)

/** Options of `Snoop`: where it listens, and as whom. */
export interface SnoopOptions
  extends Pick<MessageServerOptions, 'auth' | 'credentials' | 'heartbeatTimeoutMs' | 'maxMessageBytes' | 'dialect'> {
  /** The publishers to listen to. */
  readonly sub: NonNullable<MessageServerOptions['sub']>
}

const SNOOP_OPTIONS: OptionNames<SnoopOptions> = {
  sub: true,
  auth: true,
  credentials: true,
  heartbeatTimeoutMs: true,
  maxMessageBytes: true,
  dialect: true,
}

/**
 * Listens to publishers of commands, in both dialects, and of texts. Connects by itself, and again whenever a connection is lost. It carries
 * nothing out, and nobody notices that it is there.
 *
 * @example
 * ```ts
 * const snoop = new Snoop({ sub: 'tcp://localhost:30001' }, (heard) => {
 *   if (heard.kind === 'command') console.log(heard.name, heard.state)
 * })
 * await snoop.start()
 * ```
 */
export class Snoop extends MessageServer {
  readonly #hear: (heard: Overheard) => unknown

  /**
   * @param hear called for each message, in order; of heartbeats at once. While a promise of it is open, its publisher is not read: that
   * one keeps what it may (`maxPublished`), and drops the rest for this listener. What it throws is an event `zmq-rpc:service:failed`.
   * @throws ZmqRpcError BAD_OPTION.
   */
  constructor(options: SnoopOptions, hear: (heard: Overheard) => unknown) {
    checkOptions('Snoop', options, SNOOP_OPTIONS)
    checkFunction('hear', hear)
    super({ ...options, maxConcurrentCallsPerPeer: 1 })
    this.#hear = hear
  }

  protected override heartbeat({ endpoint, remoteAddress }: Peer): void {
    const failed = (error: unknown): void =>
      publish('zmq-rpc:service:failed', () => ({ endpoint, remoteAddress, command: '(heartbeat)', error }))
    const told = async (): Promise<unknown> => this.#hear({ kind: 'heartbeat', peer: { endpoint, remoteAddress, kind: 'pub' } })
    told().catch(failed)
  }

  protected override open(body: Message, call: ServerCall): ServiceRun | Refusal {
    const heard = { ...read(body, call.dialect), peer: call.peer }
    const command = heard.kind === 'command' ? heard.name : `(${heard.kind})`
    return { command, serviceName: 'Snoop', execute: () => this.#hear(heard) }
  }
}

/** Never throws. */
function read(body: Message, dialect: Dialect): DistributiveOmit<Overheard, 'peer'> {
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

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

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

/** What is published holds no streams. */
const ANY_VALUE = new ValueMaker(ANY_COMMAND, { incoming: () => NOTHING })

const NOTHING: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) }
