/**
 * Hears all that publishers say, whatever it is, without knowing their commands: for recorders, gateways, and people who want to read
 * along.
 */

import { publish } from '../../observability/events.ts'
import { checkFunction, checkOptions, type OptionNames } from '../../options.ts'
import type { Peer } from '../../session/peer.ts'
import type { Message } from '../../wire/index.ts'
import { type AnyMessage, readAnyMessage } from '../dialect/any-message.ts'
import { MessageServer, type MessageServerOptions } from './message-server.ts'
import type { ServerCall } from './server-call.ts'
import type { PeerInfo } from './service.ts'
import type { Refusal, ServiceRun } from './service-run.ts'

/** What was heard. */
export type Overheard = { readonly peer: PeerInfo } & (AnyMessage | { readonly kind: 'heartbeat' })

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
    const heard = { ...readAnyMessage(body, call.dialect), peer: call.peer }
    const command = heard.kind === 'command' ? heard.name : `(${heard.kind})`
    return { command, serviceName: 'Snoop', execute: () => this.#hear(heard) }
  }
}
