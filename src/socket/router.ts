/**
 * ROUTER: knows its peers by their routing id [RFC 28]. What it receives starts with the sender's id; what it sends goes to
 * the peer whose id comes first.
 *
 * A message to an unknown id, or to a peer at its high-water mark, is dropped; with `mandatory` it fails with EHOSTUNREACH,
 * or waits. A peer without an id of its own gets one: a zero byte and four more.
 *
 * A second peer with an id that is taken is turned away, and may succeed when it comes again (libzmq leaves it connected and
 * deaf); with `handover` it takes the id over.
 */

import { randomInt } from 'node:crypto'
import { SocketError } from '../errors.ts'
import type { Peer } from '../session/peer.ts'
import type { Message } from '../wire/index.ts'
import { PROBE, PROBE_OPTIONS, type ProbeOptions } from './dealer.ts'
import { FairQueue } from './fair-queue.ts'
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
import { FreeDuplexSocket, type SocketOptions } from './socket.ts'

/** Options of a {@link Router} beside those of every socket. */
export interface RouterOptions {
  /** Fails or waits where a message would be dropped. @default false (ZMQ_ROUTER_MANDATORY) */
  mandatory: boolean
  /** Gives an id that is taken to the newcomer, and ends the old connection. @default false (ZMQ_ROUTER_HANDOVER) */
  handover: boolean
}

/** What is known about a peer that a ROUTER connects to. */
export interface RouterConnectOptions {
  /** 1 to 255 bytes of UTF-8. */
  routingId?: string
}

const ROUTER_OPTIONS: OptionTable<RouterOptions> = { mandatory: boolean(false), handover: boolean(false) }

export interface Router extends RouterOptions, RoutingIdOptions, ProbeOptions {}

/** A ROUTER socket: `[routing id, ...frames]` both ways; talks to REQ, DEALER and ROUTER. */
export class Router extends FreeDuplexSocket {
  readonly #pattern: RouterPattern

  constructor(options?: SocketOptions<CommonOptions & SendOptions & ReceiveOptions & RouterOptions & RoutingIdOptions & ProbeOptions>) {
    let pattern: RouterPattern | undefined
    super('ROUTER', (host, socket) => (pattern = new RouterPattern(host, socket as RouterOptions & ProbeOptions)), options)
    this.#pattern = pattern as unknown as RouterPattern
  }

  /**
   * As `Socket.connect`; `routingId` names the peer for us, whatever it calls itself (ZMQ_CONNECT_ROUTING_ID). It may be sent to
   * at once: what is for it waits until it is there (not with `immediate`).
   *
   * @throws SocketError EINVAL also for a `routingId` that is none.
   */
  override connect(address: string, options: RouterConnectOptions = {}): void {
    const { routingId } = options
    const wrong = routingId === undefined ? undefined : ROUTING_ID_OPTIONS.routingId.check(routingId)
    if (wrong !== undefined) throw new SocketError('EINVAL', { text: `routingId is ${wrong}`, address })
    this.#pattern.nextRoutingId = routingId === undefined ? undefined : Buffer.from(routingId)
    try {
      super.connect(address)
    } finally {
      // What was refused leaves no name behind for whoever comes in next.
      this.#pattern.nextRoutingId = undefined
    }
  }
}

defineOptions(Router.prototype, ROUTER_OPTIONS)
defineOptions(Router.prototype, ROUTING_ID_OPTIONS)
defineOptions(Router.prototype, PROBE_OPTIONS)

class RouterPattern implements Pattern {
  readonly sendable = true
  readonly #host: PatternHost
  readonly #options: RouterOptions & ProbeOptions
  readonly #incoming = new FairQueue()
  /** Peers that chose their id, by its bytes as latin1. */
  readonly #named = new Map<string, Peer>()
  /** Peers that were given one, by the number in it: the quick way for most. */
  readonly #numbered = new Map<number, Peer>()
  /** Names that `connect` was given for its peers. */
  readonly #givenNames = new WeakMap<Peer, Buffer>()
  /** The name for the peer that is being connected to. */
  nextRoutingId: Buffer | undefined
  #nextNumber = randomInt(0x1_0000_0000)

  constructor(host: PatternHost, options: RouterOptions & ProbeOptions) {
    this.#host = host
    this.#options = options
  }

  get receivable(): boolean {
    return !this.#incoming.empty
  }

  /** The routing id stays here. */
  get addedFrames(): number {
    return -1
  }

  subscription(): void {}

  connecting(peer: Peer): void {
    if (this.nextRoutingId !== undefined) this.#givenNames.set(peer, this.nextRoutingId)
  }

  /** A peer that `connect` has named can be sent to before it is there. */
  attached(peer: Peer): void {
    this.#incoming.attached(peer)
    const given = this.#givenNames.get(peer)
    if (given !== undefined && !this.#named.has(given.toString('latin1'))) this.#giveName(peer, given)
  }

  /** Named anew on each connection: an id of ours is good for one connection, as in libzmq. */
  ready(peer: Peer): void {
    const chosen = this.#givenNames.get(peer) ?? peer.info?.routingId
    if (chosen === undefined || chosen.length === 0) {
      this.#giveNumber(peer)
    } else {
      const name = chosen.toString('latin1')
      const holder = this.#named.get(name)
      if (holder !== undefined && holder !== peer) {
        if (!this.#options.handover)
          return peer.disconnect(new SocketError('EADDRINUSE', { text: 'another peer has this routing id', address: peer.endpoint }))
        this.#forget(holder)
        holder.disconnect(new SocketError('EADDRINUSE', { text: 'another peer took over this routing id', address: holder.endpoint }))
      }
      this.#giveName(peer, chosen)
    }
    if (this.#options.probeRouter) peer.sendFirst(PROBE)
    this.#host.writable()
  }

  message(peer: Peer, message: Message): void {
    if (peer.routingId === undefined) return this.#host.dropped('unexpected')
    // Measured: `unshift` on so small an array costs more than a new one.
    this.#incoming.push(peer, message.length === 1 ? [peer.routingId, message[0] as Buffer] : [peer.routingId, ...message])
    this.#host.readable()
  }

  writable(): void {
    this.#host.writable()
  }

  lost(peer: Peer): void {
    // One that we have named waits for its next connection under its name, as its messages do.
    if (!this.#givenNames.has(peer)) this.#forget(peer)
    // Who waits for room at this peer learns that it is gone.
    this.#host.writable()
  }

  detached(peer: Peer): void {
    this.#forget(peer)
    this.#incoming.detached(peer)
  }

  send(message: Message): boolean {
    if (message.length < 2) throw new SocketError('EINVAL', { text: 'a ROUTER sends [routing id, ...frames]' })
    const id = message[0] as Buffer
    // An answer has the very id of what it answers: then there is nothing to look up.
    const last = this.#incoming.lastPeer
    const peer = last !== undefined && last.routingId === id ? last : this.#find(id)
    if (peer === undefined) {
      if (this.#options.mandatory) throw new SocketError('EHOSTUNREACH', { text: 'no peer has this routing id' })
      this.#host.dropped('unroutable')
      return true
    }
    if (peer.send(message.length === 2 ? [message[1] as Buffer] : message.slice(1))) return true
    if (this.#options.mandatory) return false
    this.#host.dropped('highWaterMark')
    return true
  }

  receive(): Message | undefined {
    return this.#incoming.shift()
  }

  #find(id: Buffer): Peer | undefined {
    return id.length === 5 && id[0] === 0 ? this.#numbered.get(id.readUInt32BE(1)) : this.#named.get(id.toString('latin1'))
  }

  #giveName(peer: Peer, id: Buffer): void {
    peer.routingId = id
    this.#named.set(id.toString('latin1'), peer)
  }

  #giveNumber(peer: Peer): void {
    const id = Buffer.allocUnsafe(5)
    id[0] = 0
    id.writeUInt32BE(this.#nextNumber, 1)
    this.#numbered.set(this.#nextNumber, peer)
    this.#nextNumber = (this.#nextNumber + 1) >>> 0
    peer.routingId = id
  }

  #forget(peer: Peer): void {
    const id = peer.routingId
    if (id === undefined || this.#find(id) !== peer) return
    if (id.length === 5 && id[0] === 0) this.#numbered.delete(id.readUInt32BE(1))
    else this.#named.delete(id.toString('latin1'))
    peer.routingId = undefined
  }
}
