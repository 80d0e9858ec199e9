/**
 * REP: a request, then its reply, in turn [RFC 28]. Everything up to and including the first empty frame of a request is
 * its envelope, and comes back unchanged; requests without one are dropped.
 *
 * Out of turn, `send` and `receive` fail with EFSM. A reply to a peer that is gone, or is at its high-water mark, is
 * dropped: `send` never waits.
 */

import { SocketError } from '../errors.ts'
import type { Peer } from '../session/peer.ts'
import type { Message } from '../wire/index.ts'
import { FairQueue } from './fair-queue.ts'
import {
  type CommonOptions,
  defineOptions,
  type ReceiveOptions,
  ROUTING_ID_OPTIONS,
  type RoutingIdOptions,
  type SendOptions,
} from './options.ts'
import type { Pattern, PatternHost } from './pattern.ts'
import { DuplexSocket, type SocketOptions } from './socket.ts'

export interface Reply extends RoutingIdOptions {}

/** A REP socket: receives a request, sends its reply, and so on; talks to REQ and DEALER. */
export class Reply extends DuplexSocket {
  constructor(options?: SocketOptions<CommonOptions & SendOptions & ReceiveOptions & RoutingIdOptions>) {
    super('REP', (host) => new ReplyPattern(host), options)
  }
}

defineOptions(Reply.prototype, ROUTING_ID_OPTIONS)

/** Frames of an envelope, its empty frame included; 0 when the message has none, or nothing behind it. */
export function envelopeLength(message: Message): number {
  for (let index = 0; index < message.length - 1; index++) if ((message[index] as Buffer).length === 0) return index + 1
  return 0
}

class ReplyPattern implements Pattern {
  readonly #host: PatternHost
  readonly #incoming = new FairQueue()
  /** Whose request is being answered, and its envelope; undefined when it is time to receive. */
  #asking: { peer: Peer; envelope: Message } | undefined

  constructor(host: PatternHost) {
    this.#host = host
  }

  get sendable(): boolean {
    return this.#asking !== undefined
  }

  get receivable(): boolean {
    return this.#asking === undefined && !this.#incoming.empty
  }

  get addedFrames(): number {
    return this.#asking?.envelope.length ?? 0
  }

  ready(): void {}
  subscription(): void {}
  writable(): void {}
  lost(): void {}

  message(peer: Peer, message: Message): void {
    if (envelopeLength(message) === 0) return this.#host.dropped('noEnvelope')
    this.#incoming.push(peer, message)
    if (this.#asking === undefined) this.#host.readable()
  }

  attached(peer: Peer): void {
    this.#incoming.attached(peer)
  }

  detached(peer: Peer): void {
    this.#incoming.detached(peer)
  }

  receive(): Message | undefined {
    if (this.#asking !== undefined) throw new SocketError('EFSM', { text: 'the reply to the last request comes first' })
    const message = this.#incoming.shift()
    if (message === undefined) return undefined
    const length = envelopeLength(message)
    this.#asking = { peer: this.#incoming.lastPeer as Peer, envelope: message.slice(0, length) }
    return message.slice(length)
  }

  send(message: Message): boolean {
    if (this.#asking === undefined) throw new SocketError('EFSM', { text: 'a request comes first' })
    const { peer, envelope } = this.#asking
    this.#asking = undefined
    if (!peer.connected) this.#host.dropped('unroutable')
    else if (!peer.send([...envelope, ...message])) this.#host.dropped('highWaterMark')
    // Somebody may have been waiting to receive the next one.
    this.#host.readable()
    return true
  }
}
