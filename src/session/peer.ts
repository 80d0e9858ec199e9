/**
 * A peer: what a socket pattern sees of the other end. Messages in, messages out; never bytes.
 *
 * A peer of `connect` lives as long as the endpoint is connected: its queue takes messages from the first moment on, and
 * keeps those that were not written across reconnects. A peer of `bind` lives as long as its connection.
 */

import { type Body, type EncodedMessage, encodeMessage, type Message, type PeerInfo, toNumbered } from '../wire/index.ts'
import { MessageQueue } from './message-queue.ts'

export interface QueueLimits {
  /** Outgoing messages that may wait for this peer (ZMQ_SNDHWM); 0 for no limit. */
  sendHighWaterMark: number
  /** Incoming messages that may wait for the application (ZMQ_RCVHWM); 0 for no limit. */
  receiveHighWaterMark: number
  /** Bytes that may wait, each way; 0 for no limit. */
  maxQueueBytes: number
  /** Only the last message waits, each way; no mark counts then. */
  conflate: boolean
}

/** Told what a peer does. Called while it happens: nothing here may throw. */
export interface PeerHandler {
  /** The handshake is over: messages travel from now on. Comes again after each reconnect. */
  ready(peer: Peer): void
  /** Frames may be kept. The array is the handler's own. */
  message(peer: Peer, message: Message): void
  /** Where it is there, most numbered messages whose body is one frame come so, in order with the others. The frame may be kept. */
  numbered?(peer: Peer, number: number, body: Buffer): void
  subscription(peer: Peer, subscribe: boolean, topic: Buffer): void
  /** After a `send` that returned false: half of the queue is free again. */
  writable(peer: Peer): void
  /** A queue has reached its mark: `send` is refused, or the peer is not read from. Once, until half of it is free again. */
  full?(peer: Peer, queue: 'send' | 'receive'): void
  /** The connection is gone. `reason` is undefined when the far end closed it in good order. */
  lost(peer: Peer, reason: Error | undefined): void
}

/** A message for many peers: encoded at most once, however many take it; not at all for one, which can do that better. */
export class SharedMessage {
  readonly message: Message
  readonly alone: boolean
  #encoded: EncodedMessage | undefined
  #kept: Message | undefined

  constructor(message: Message, receivers: number) {
    this.message = message
    this.alone = receivers === 1
  }

  get encoded(): EncodedMessage {
    this.#encoded ??= encodeMessage(this.message)
    return this.#encoded
  }

  /** For queues: the list may change under `message`. */
  get kept(): Message {
    this.#kept ??= [...this.message]
    return this.#kept
  }
}

export abstract class Peer {
  /** The endpoint it belongs to: as given to `connect`, or as bound. */
  readonly endpoint: string
  /** True for `connect`: it comes back by itself. */
  readonly connecting: boolean
  /** Outgoing messages that are not written yet. */
  protected readonly outbox: MessageQueue
  /** Incoming messages that the application has not taken; for the pattern to fill and empty. */
  readonly inbox: MessageQueue
  /** The name under which a pattern that addresses peers knows it; given by the pattern. */
  routingId: Buffer | undefined
  /** True after a `send` that returned false, until `writable`. */
  protected refused = false

  constructor(endpoint: string, connecting: boolean, limits: QueueLimits) {
    this.endpoint = endpoint
    this.connecting = connecting
    this.outbox = new MessageQueue(limits.sendHighWaterMark, limits.maxQueueBytes, limits.conflate)
    this.inbox = new MessageQueue(limits.receiveHighWaterMark, limits.maxQueueBytes, limits.conflate)
  }

  /** What it told in the last handshake; undefined before the first. */
  abstract readonly info: PeerInfo | undefined
  /** The far end of the connection, or of the last one, as an endpoint; undefined before the first. */
  abstract readonly remoteAddress: string | undefined
  /** True between the end of a handshake and the loss of the connection. */
  abstract readonly connected: boolean

  /** Messages that wait to be written. */
  get queuedMessages(): number {
    return this.outbox.length
  }

  /** Messages that were given up before they were written, since somebody last counted. */
  lostMessages = 0

  /** Gives up what waits to be written. */
  protected loseQueued(): void {
    this.lostMessages += this.outbox.length
    this.outbox.clear()
  }

  /** Takes back what was not written yet, in order. */
  takeQueued(): Message[] {
    const messages: Message[] = []
    for (let message = this.outbox.shift(); message !== undefined; message = this.outbox.shift()) messages.push(message)
    return messages
  }

  /** Takes the first message back that matches, unless it was written: false. Costs as much as messages wait. */
  takeBack(matches: (message: Message) => boolean): boolean {
    return this.outbox.remove(matches)
  }

  /** True when `send` would take a message. */
  get sendable(): boolean {
    return !this.outbox.full
  }

  /** Has `writable` called once half of a full queue is free again, as after a `send` that returned false. */
  askForRoom(): void {
    if (this.refused) return
    this.refused = true
    this.filled('send')
  }

  /** Has the handler told of a queue at its mark. */
  protected abstract filled(queue: 'send' | 'receive'): void

  /**
   * Writes or queues a message: true. At the high-water mark: false, nothing is kept, and `writable` will be called.
   * Bodies of 2 KiB and more are not copied: they must not change until they are written. The list itself is not kept.
   */
  abstract send(message: Message): boolean

  /** As `send`, of the message `[number][empty][body…]`. */
  sendNumbered(number: number, body: Body): boolean {
    return this.send(toNumbered(number, body))
  }

  /** Only in `ready`: has a message written before those that wait, whatever the high-water mark. */
  sendFirst(message: Message): void {
    this.outbox.unshift(message)
  }

  /** Writes or queues a message that goes to many; at the high-water mark false, and `writable` is not promised. */
  abstract sendShared(shared: SharedMessage): boolean
  /** Tells a publisher what we want to hear. Without a connection nothing happens: the pattern tells it all in `ready`. */
  abstract sendSubscription(subscribe: boolean, topic: Buffer): void
  /** Stops and starts reading. */
  abstract pause(): void
  abstract resume(): void
  /** Ends this connection; a connecting peer makes a new one. */
  abstract disconnect(reason: Error): void
  /** Ends the peer: what waits is written within `lingerMs` (-1: however long it takes), then the connection closes. */
  abstract close(lingerMs: number): Promise<void>
}
