/**
 * inproc: peers of one thread, joined without bytes.
 *
 * Connecting before binding works. What a sender's outbox and the receiver's inbox hold adds up to the high-water marks of
 * both. Frames are copied on the way, so that neither side can change what the other has.
 */

import { SocketError } from '../errors.ts'
import type { Message, PeerInfo, SocketType } from '../wire/index.ts'
import { IncompatiblePeer, mayTalk } from '../wire/index.ts'
import { Peer, type PeerHandler, type QueueLimits, type SharedMessage } from './peer.ts'

export interface InprocOptions extends QueueLimits {
  socketType: SocketType
  routingId: Buffer
  properties: readonly (readonly [string, Buffer])[]
}

/** Told about inproc peers; the socket turns it into events. */
export interface InprocHandler {
  connected(peer: InprocPeer): void
  disconnected(peer: InprocPeer, reason: Error | undefined): void
}

/** One end of an inproc pair. */
export class InprocPeer extends Peer {
  readonly #options: InprocOptions
  readonly #handler: PeerHandler
  readonly #owner: InprocHandler
  #other: InprocPeer | undefined
  #info: PeerInfo | undefined
  #reading = true
  #pumpScheduled = false
  #emptied: (() => void) | undefined

  constructor(endpoint: string, connecting: boolean, options: InprocOptions, handler: PeerHandler, owner: InprocHandler) {
    super(endpoint, connecting, options)
    this.#options = options
    this.#handler = handler
    this.#owner = owner
  }

  get info(): PeerInfo | undefined {
    return this.#info
  }

  get remoteAddress(): string | undefined {
    return this.#other === undefined ? undefined : this.endpoint
  }

  get connected(): boolean {
    return this.#other !== undefined
  }

  /** Joins two ends. @throws IncompatiblePeer when their types do not go together. */
  static join(one: InprocPeer, two: InprocPeer): void {
    const [a, b] = [one.#options.socketType, two.#options.socketType]
    if (!mayTalk(a, b)) throw new IncompatiblePeer(`a ${b} socket does not go with ${a}`)
    one.#other = two
    two.#other = one
    one.#info = two.#describe()
    two.#info = one.#describe()
    for (const peer of [one, two]) {
      peer.#owner.connected(peer)
      peer.#handler.ready(peer)
      peer.#pump()
    }
  }

  send(message: Message): boolean {
    const copy = message.map((frame) => Buffer.from(frame))
    if (!this.outbox.push(copy)) {
      this.refused = true
      return false
    }
    this.#schedulePump()
    return true
  }

  sendShared(shared: SharedMessage): boolean {
    if (this.outbox.full) return false
    return this.send(shared.message)
  }

  sendSubscription(subscribe: boolean, topic: Buffer): void {
    const other = this.#other
    if (other !== undefined) other.#handler.subscription(other, subscribe, Buffer.from(topic))
  }

  pause(): void {
    this.#reading = false
  }

  resume(): void {
    this.#reading = true
    const other = this.#other
    if (other !== undefined) other.#schedulePump()
  }

  /** There is no connection to lose without losing the peer. */
  disconnect(reason: Error): void {
    this.#part(reason)
  }

  async close(lingerMs: number): Promise<void> {
    if (lingerMs !== 0 && this.outbox.length > 0) {
      await new Promise<void>((resolve) => {
        this.#emptied = resolve
        if (lingerMs > 0) setTimeout(resolve, lingerMs).unref()
      })
    }
    this.#part(undefined)
  }

  #describe(): PeerInfo {
    const { socketType, routingId, properties } = this.#options
    const metadata = new Map(properties.map(([name, value]) => [name.toLowerCase(), value]))
    return { socketType, routingId, metadata, user: undefined }
  }

  /** Later, so that two sockets that answer each other do not grow the stack. */
  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    process.nextTick(() => {
      this.#pumpScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    for (let other = this.#other; other !== undefined; other = this.#other) {
      if (!other.#reading) break
      const message = this.outbox.shift()
      if (message === undefined) break
      other.#handler.message(other, message)
    }
    if (this.refused && this.outbox.halfEmpty) {
      this.refused = false
      this.#handler.writable(this)
    }
    if (this.outbox.length === 0) this.#emptied?.()
  }

  #part(reason: Error | undefined): void {
    const other = this.#other
    if (other === undefined) return
    this.#other = undefined
    other.#other = undefined
    for (const peer of [this, other]) {
      peer.outbox.clear()
      peer.#emptied?.()
      peer.#handler.lost(peer, reason)
      peer.#owner.disconnected(peer, reason)
    }
  }
}

/** Bound names of one context, and who waits for a name. */
export class InprocRegistry {
  readonly #bound = new Map<string, (connecting: InprocPeer) => void>()
  readonly #waiting = new Map<string, Set<InprocPeer>>()

  /**
   * `accept` makes the other end of each peer that connects, now or later.
   *
   * @throws SocketError EADDRINUSE when the name is bound already.
   */
  bind(name: string, accept: (connecting: InprocPeer) => void): void {
    if (this.#bound.has(name)) throw new SocketError('EADDRINUSE', { text: `'inproc://${name}'`, address: `inproc://${name}` })
    this.#bound.set(name, accept)
    for (const peer of this.#waiting.get(name) ?? []) accept(peer)
    this.#waiting.delete(name)
  }

  unbind(name: string): void {
    this.#bound.delete(name)
  }

  connect(name: string, peer: InprocPeer): void {
    const accept = this.#bound.get(name)
    if (accept !== undefined) return accept(peer)
    const waiting = this.#waiting.get(name)
    if (waiting === undefined) this.#waiting.set(name, new Set([peer]))
    else waiting.add(peer)
  }

  /** The peer no longer waits for the name. */
  forget(name: string, peer: InprocPeer): void {
    this.#waiting.get(name)?.delete(peer)
  }
}
