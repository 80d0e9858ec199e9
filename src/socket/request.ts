/**
 * REQ: a request, then its reply, in turn [RFC 28]. Each request goes to the next peer, behind an empty frame; only that
 * peer's reply counts.
 *
 * At the high-water mark of all peers, or without any, `send` waits. Out of turn, `send` and `receive` fail with EFSM. When
 * the peer is lost, a strict REQ waits for ever, as in libzmq: set `receiveTimeout`, and `relaxed` with `correlate`.
 */

import { randomInt } from 'node:crypto'
import { ProtocolError, SocketError } from '../errors.ts'
import type { Peer } from '../session/peer.ts'
import type { Message } from '../wire/index.ts'
import { PROBE, PROBE_OPTIONS, type ProbeOptions } from './dealer.ts'
import {
  boolean,
  type CommonOptions,
  defineOptions,
  type OptionTable,
  type ReceiveOptions,
  ROUTING_ID_OPTIONS,
  type RoutingIdOptions,
  type SendOptions,
} from './options.ts'
import type { Pattern, PatternHost } from './pattern.ts'
import { RoundRobin } from './round-robin.ts'
import { DuplexSocket, type SocketOptions } from './socket.ts'

/** Options of a {@link Request} beside those of every socket. */
export interface RequestOptions {
  /** Puts a number before each request and skips replies with another one. @default false (ZMQ_REQ_CORRELATE) */
  correlate: boolean
  /** Lets a new request be sent before the reply came, which then does not count. Set `correlate`, too. @default false (ZMQ_REQ_RELAXED) */
  relaxed: boolean
}

const REQUEST_OPTIONS: OptionTable<RequestOptions> = { correlate: boolean(false), relaxed: boolean(false) }

const DELIMITER = Buffer.alloc(0)

export interface Request extends RequestOptions, RoutingIdOptions, ProbeOptions {}

/** A REQ socket: sends a request, receives its reply, and so on; talks to REP and ROUTER. */
export class Request extends DuplexSocket {
  constructor(options?: SocketOptions<CommonOptions & SendOptions & ReceiveOptions & RequestOptions & RoutingIdOptions & ProbeOptions>) {
    super('REQ', (host, socket) => new RequestPattern(host, socket as RequestOptions & ProbeOptions), options)
  }
}

defineOptions(Request.prototype, REQUEST_OPTIONS)
defineOptions(Request.prototype, ROUTING_ID_OPTIONS)
defineOptions(Request.prototype, PROBE_OPTIONS)

class RequestPattern implements Pattern {
  readonly #host: PatternHost
  readonly #options: RequestOptions & ProbeOptions
  readonly #outgoing = new RoundRobin()
  /** Who was asked; undefined when it is time to send. */
  #asked: Peer | undefined
  /** True from `send` to `receive`. */
  #waiting = false
  #reply: Message | undefined
  #correlation = randomInt(0x1_0000_0000)

  constructor(host: PatternHost, options: RequestOptions & ProbeOptions) {
    this.#host = host
    this.#options = options
  }

  get sendable(): boolean {
    return (!this.#waiting || this.#options.relaxed) && this.#outgoing.sendable
  }

  get receivable(): boolean {
    return this.#reply !== undefined
  }

  get addedFrames(): number {
    return this.#options.correlate ? 2 : 1
  }

  attached(peer: Peer): void {
    this.#outgoing.attached(peer)
    this.#host.writable()
  }

  ready(peer: Peer): void {
    if (this.#options.probeRouter) peer.sendFirst(PROBE)
  }

  message(peer: Peer, message: Message): void {
    // A number of four bytes may stand first whatever our options are, as in libzmq; then it has to be ours.
    const start = message[0]?.length === 4 ? 1 : 0
    if (message[start]?.length !== 0 || message.length < start + 2) {
      peer.disconnect(new ProtocolError('a reply without its empty frame', { endpoint: peer.endpoint }))
      return
    }
    if (!this.#waiting || peer !== this.#asked || this.#reply !== undefined) return this.#host.dropped('unexpected')
    const { correlate } = this.#options
    const ours = start === (correlate ? 1 : 0) && (!correlate || message[0]?.equals(this.#correlationFrame()))
    if (!ours) return this.#host.dropped('unexpected')
    this.#reply = message.slice(start + 1)
    this.#host.readable()
  }

  subscription(): void {}

  writable(): void {
    this.#host.writable()
  }

  lost(): void {}

  detached(peer: Peer): void {
    this.#outgoing.detached(peer)
    if (peer === this.#asked) this.#asked = undefined
  }

  send(message: Message): boolean {
    if (this.#waiting && !this.#options.relaxed) throw new SocketError('EFSM', { text: 'the reply to the last request comes first' })
    if (this.#options.correlate) this.#correlation = (this.#correlation + 1) >>> 0
    const envelope = this.#options.correlate ? [this.#correlationFrame(), DELIMITER] : [DELIMITER]
    const peer = this.#outgoing.send([...envelope, ...message])
    if (peer === undefined) return false
    this.#asked = peer
    this.#waiting = true
    this.#reply = undefined
    return true
  }

  receive(): Message | undefined {
    if (!this.#waiting) throw new SocketError('EFSM', { text: 'a request comes first' })
    const reply = this.#reply
    if (reply === undefined) return undefined
    this.#reply = undefined
    this.#waiting = false
    this.#asked = undefined
    return reply
  }

  #correlationFrame(): Buffer {
    const frame = Buffer.alloc(4)
    frame.writeUInt32BE(this.#correlation)
    return frame
  }
}
