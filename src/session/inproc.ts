/**
 * inproc: peers of one process, joined without bytes. Those of other threads are reached through `inproc-threads.ts`.
 *
 * Connecting before binding works. What a sender's outbox and the receiver's inbox hold adds up to the high-water marks of
 * both. Frames are copied on the way, so that neither side can change what the other has.
 */

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
  /** Two that do not go together have met. */
  refused(peer: InprocPeer, error: IncompatiblePeer): void
}

/** One end of an inproc pair. */
export class InprocPeer extends Peer {
  /** What it tells the other end about itself. */
  readonly options: InprocOptions
  readonly #handler: PeerHandler
  readonly #owner: InprocHandler
  #other: InprocPeer | undefined
  #info: PeerInfo | undefined
  #reading = true
  #pumpScheduled = false
  #closing = false
  #over = false
  /** Being joined; whoever parts the two meanwhile is heard afterwards. */
  #joining = false
  #parting: { reason: Error | undefined } | undefined
  /** The waiting for messages to go that `close` brings about, once. */
  #finished: Promise<void> | undefined
  #emptied: (() => void) | undefined

  constructor(endpoint: string, connecting: boolean, options: InprocOptions, handler: PeerHandler, owner: InprocHandler) {
    super(endpoint, connecting, options)
    this.options = options
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

  /** True from `close` on. */
  get closing(): boolean {
    return this.#closing
  }

  /** True once `close` is over: nobody is to be joined with it any more. */
  get finished(): boolean {
    return this.#over
  }

  /** Joins two ends, if their types go together. */
  static join(one: InprocPeer, two: InprocPeer): void {
    const [a, b] = [one.options.socketType, two.options.socketType]
    if (!mayTalk(a, b)) {
      const error = new IncompatiblePeer(`a ${b} socket does not go with ${a}`)
      for (const peer of [one, two]) peer.#owner.refused(peer, error)
      return
    }
    one.#other = two
    two.#other = one
    one.#joining = two.#joining = true
    one.#info = two.#describe()
    two.#info = one.#describe()
    for (const peer of [one, two]) {
      peer.#owner.connected(peer)
      peer.#handler.ready(peer)
    }
    one.#joining = two.#joining = false
    const parting = one.#parting ?? two.#parting
    one.#parting = two.#parting = undefined
    if (parting !== undefined) return one.#part(parting.reason)
    one.#pump()
    two.#pump()
  }

  send(message: Message): boolean {
    const copy = message.map((frame) => Buffer.from(frame))
    if (!this.outbox.push(copy)) {
      this.askForRoom()
      return false
    }
    this.#schedulePump()
    return true
  }

  sendShared(shared: SharedMessage): boolean {
    return this.send(shared.message)
  }

  sendSubscription(subscribe: boolean, topic: Buffer): void {
    const other = this.#other
    if (other !== undefined) other.#handler.subscription(other, subscribe, Buffer.from(topic))
  }

  pause(): void {
    if (!this.#reading) return
    this.#reading = false
    this.filled('receive')
  }

  protected override filled(queue: 'send' | 'receive'): void {
    this.#handler.full?.(this, queue)
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
    this.#closing = true
    if (lingerMs === 0) {
      this.#pump()
      this.#giveUp()
    }
    const timer = lingerMs > 0 ? setTimeout(() => this.#giveUp(), lingerMs) : undefined
    this.#finished ??= new Promise((resolve) => {
      this.#emptied = resolve
      if (this.outbox.length === 0) resolve()
    })
    await this.#finished
    clearTimeout(timer)
    this.#over = true
    this.#part(undefined)
  }

  #giveUp(): void {
    this.loseQueued()
    this.#emptied?.()
  }

  #describe(): PeerInfo {
    const { socketType, routingId, properties } = this.options
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
      if (!other.#closing) other.#handler.message(other, message)
    }
    if (this.refused && this.outbox.halfEmpty) {
      this.refused = false
      this.#handler.writable(this)
    }
    if (this.outbox.length === 0) this.#emptied?.()
  }

  /** What waits at one that connects waits for its next connection. */
  #part(reason: Error | undefined): void {
    const other = this.#other
    if (other === undefined) return
    if (this.#joining) {
      this.#parting ??= { reason }
      return
    }
    this.#other = undefined
    other.#other = undefined
    for (const peer of [this, other]) {
      if (!peer.connecting) peer.#giveUp()
      peer.#handler.lost(peer, reason)
      peer.#owner.disconnected(peer, reason)
    }
  }
}
