/**
 * DEALER: asynchronous, no envelope [RFC 28]. Sends to each peer in turn, receives from all in turn.
 *
 * At the high-water mark of all peers, or without any, `send` waits; nothing is dropped.
 */

import type { Peer } from '../session/peer.ts'
import type { Message } from '../wire/index.ts'
import { FairQueue } from './fair-queue.ts'
import {
  boolean,
  CONFLATE_OPTIONS,
  type CommonOptions,
  type ConflateOptions,
  defineOptions,
  type OptionTable,
  type ReceiveOptions,
  ROUTING_ID_OPTIONS,
  type RoutingIdOptions,
  type SendOptions,
} from './options.ts'
import type { Pattern, PatternHost } from './pattern.ts'
import { RoundRobin } from './round-robin.ts'
import { FreeDuplexSocket, type SocketOptions } from './socket.ts'

/** To each in turn, from each in turn: what DEALER, PUSH and PULL have in common. */
export class BalancedPattern implements Pattern {
  protected readonly host: PatternHost
  protected readonly incoming: FairQueue = new FairQueue()
  protected readonly outgoing: RoundRobin = new RoundRobin()

  constructor(host: PatternHost) {
    this.host = host
  }

  get sendable(): boolean {
    return this.outgoing.sendable
  }

  get receivable(): boolean {
    return !this.incoming.empty
  }

  attached(peer: Peer): void {
    this.incoming.attached(peer)
    this.outgoing.attached(peer)
    this.host.writable()
  }

  ready(_peer: Peer): void {}

  message(peer: Peer, message: Message): void {
    this.incoming.push(peer, message)
    this.host.readable()
  }

  subscription(): void {}

  writable(): void {
    this.host.writable()
  }

  lost(): void {}

  detached(peer: Peer): void {
    this.outgoing.detached(peer)
    this.incoming.detached(peer)
  }

  send(message: Message): boolean {
    return this.outgoing.send(message) !== undefined
  }

  receive(): Message | undefined {
    return this.incoming.shift()
  }
}

/** Options of sockets that may present themselves to a ROUTER. */
export interface ProbeOptions {
  /** Sends an empty message on each new connection, so that a ROUTER learns of it. @default false (ZMQ_PROBE_ROUTER) */
  probeRouter: boolean
}

export const PROBE_OPTIONS: OptionTable<ProbeOptions> = { probeRouter: boolean(false) }

/** What a ROUTER is told first. */
export const PROBE: Message = [Buffer.alloc(0)]

export interface DealerOptions extends CommonOptions, SendOptions, ReceiveOptions, RoutingIdOptions, ProbeOptions, ConflateOptions {}

export interface Dealer extends RoutingIdOptions, ProbeOptions, ConflateOptions {}

/** A DEALER socket: sends to its peers in turn, without an envelope; talks to REP, DEALER and ROUTER. */
export class Dealer extends FreeDuplexSocket {
  constructor(options?: SocketOptions<DealerOptions>) {
    super('DEALER', (host, socket) => new DealerPattern(host, socket as ProbeOptions), options)
  }
}

defineOptions(Dealer.prototype, ROUTING_ID_OPTIONS)
defineOptions(Dealer.prototype, PROBE_OPTIONS)
defineOptions(Dealer.prototype, CONFLATE_OPTIONS)

class DealerPattern extends BalancedPattern {
  readonly #options: ProbeOptions

  constructor(host: PatternHost, options: ProbeOptions) {
    super(host)
    this.#options = options
  }

  override ready(peer: Peer): void {
    if (this.#options.probeRouter) peer.sendFirst(PROBE)
  }
}
