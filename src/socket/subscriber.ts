/**
 * SUB: hears what it subscribed to [RFC 29]. Topics are told to each publisher as soon as it is connected, each once, and are
 * filtered here once more: a message may have been under way when a topic was given up.
 *
 * A full inbox stops reading; the publisher then drops what is over its own mark.
 */

import { SocketError } from '../errors.ts'
import type { Peer } from '../session/peer.ts'
import type { Message } from '../wire/index.ts'
import { FairQueue } from './fair-queue.ts'
import { MAX_TOPIC_BYTES } from './limits.ts'
import {
  boolean,
  CONFLATE_OPTIONS,
  type CommonOptions,
  type ConflateOptions,
  defineOptions,
  type OptionTable,
  type ReceiveOptions,
} from './options.ts'
import type { Pattern, PatternHost } from './pattern.ts'
import { ReadableSocket, type SocketOptions } from './socket.ts'
import { Subscriptions } from './subscriptions.ts'

/** Options of SUB. */
export interface SubscribeOptions {
  /** Takes what does *not* match; publishers must have it set, too. @default false (ZMQ_INVERT_MATCHING) */
  invertMatching: boolean
}

const SUBSCRIBE_OPTIONS: OptionTable<SubscribeOptions> = { invertMatching: boolean(false) }

export interface Subscriber extends SubscribeOptions, ConflateOptions {}

/** A SUB socket: receives from PUB and XPUB what it has subscribed to. */
export class Subscriber extends ReadableSocket {
  readonly #pattern: SubscriberPattern

  constructor(options?: SocketOptions<CommonOptions & ReceiveOptions & SubscribeOptions & ConflateOptions>) {
    let pattern: SubscriberPattern | undefined
    super('SUB', (host, socket) => (pattern = new SubscriberPattern(host, socket as Subscriber)), options)
    this.#pattern = pattern as unknown as SubscriberPattern
  }

  /**
   * Messages whose first frame starts with one of the prefixes; without any, all messages.
   *
   * @throws SocketError EINVAL for a prefix of more than 65,526 bytes, which publishers refuse; then none of them is subscribed to.
   */
  subscribe(...prefixes: (Buffer | string)[]): void {
    const topics = (prefixes.length === 0 ? [''] : prefixes).map((prefix) => Buffer.from(prefix as string))
    for (const topic of topics) checkTopic(topic)
    for (const topic of topics) this.#pattern.subscribe(topic)
  }

  /** Takes back as many subscriptions. Those that were never made are ignored. */
  unsubscribe(...prefixes: (Buffer | string)[]): void {
    for (const prefix of prefixes.length === 0 ? [''] : prefixes) this.#pattern.unsubscribe(Buffer.from(prefix as string))
  }
}

defineOptions(Subscriber.prototype, SUBSCRIBE_OPTIONS)
defineOptions(Subscriber.prototype, CONFLATE_OPTIONS)

/** A publisher disconnects whoever sends a longer one, again after each reconnect. @throws SocketError EINVAL */
export function checkTopic(topic: Buffer): void {
  if (topic.length <= MAX_TOPIC_BYTES) return
  throw new SocketError('EINVAL', { text: `a topic of ${topic.length} bytes is over the limit of ${MAX_TOPIC_BYTES} bytes` })
}

/** What SUB and XSUB have in common: subscriptions that outlive connections. */
export class SubscribingPattern implements Pattern {
  protected readonly host: PatternHost
  protected readonly incoming: FairQueue = new FairQueue()
  protected readonly peers: Set<Peer> = new Set()
  /** How often each topic was subscribed to, by its bytes as latin1: a publisher does not count, so we do. */
  readonly #counts = new Map<string, number>()
  protected readonly topics: Subscriptions<true> = new Subscriptions()

  constructor(host: PatternHost) {
    this.host = host
  }

  get receivable(): boolean {
    return !this.incoming.empty
  }

  attached(peer: Peer): void {
    this.peers.add(peer)
    this.incoming.attached(peer)
  }

  ready(peer: Peer): void {
    for (const topic of this.topics.topics()) peer.sendSubscription(true, topic)
  }

  message(peer: Peer, message: Message): void {
    this.incoming.push(peer, message)
    this.host.readable()
  }

  subscription(): void {}
  writable(): void {}
  lost(): void {}

  detached(peer: Peer): void {
    this.peers.delete(peer)
    this.incoming.detached(peer)
  }

  receive(): Message | undefined {
    return this.incoming.shift()
  }

  subscribe(topic: Buffer): void {
    const key = topic.toString('latin1')
    const count = this.#counts.get(key) ?? 0
    this.#counts.set(key, count + 1)
    if (count > 0) return
    this.topics.add(topic, true)
    for (const peer of this.peers) peer.sendSubscription(true, topic)
  }

  unsubscribe(topic: Buffer): void {
    const key = topic.toString('latin1')
    const count = this.#counts.get(key) ?? 0
    if (count === 0) return
    if (count > 1) {
      this.#counts.set(key, count - 1)
      return
    }
    this.#counts.delete(key)
    this.topics.remove(topic, true)
    for (const peer of this.peers) peer.sendSubscription(false, topic)
  }
}

class SubscriberPattern extends SubscribingPattern {
  readonly #options: SubscribeOptions

  constructor(host: PatternHost, options: SubscribeOptions) {
    super(host)
    this.#options = options
  }

  override message(peer: Peer, message: Message): void {
    if (this.topics.matches(message[0] as Buffer) !== this.#options.invertMatching) super.message(peer, message)
    else this.host.dropped('filtered')
  }
}
