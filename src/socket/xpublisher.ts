/**
 * XPUB: publishes, and shows the application who wants what [RFC 29]: `01 topic` for a topic that nobody had, `00 topic` when
 * nobody has it any more. Other messages of subscribers are shown, too.
 *
 * A subscriber at its high-water mark misses the whole message; the others do not. `send` never waits, unless `noDrop` is set.
 * Subscribers whose news the application does not take are not read from.
 */

import { SocketError } from '../errors.ts'
import type { Peer } from '../session/peer.ts'
import { SharedMessage } from '../session/peer.ts'
import { LimitExceeded, type Message, readSubscriptionMessage, subscriptionMessage } from '../wire/index.ts'
import { FairQueue } from './fair-queue.ts'
import {
  boolean,
  type CommonOptions,
  defineOptions,
  integer,
  type OptionTable,
  type ReceiveOptions,
  type SendOptions,
  text,
} from './options.ts'
import type { Pattern, PatternHost } from './pattern.ts'
import { FreeDuplexSocket, type SocketOptions } from './socket.ts'
import { Subscriptions } from './subscriptions.ts'

/** Options of PUB and XPUB. */
export interface PublishOptions {
  /** `send` waits while a subscriber that wants the message is at its high-water mark. @default false (ZMQ_XPUB_NODROP) */
  noDrop: boolean
  /** Sends to those whose subscriptions do *not* match; subscribers must have it set, too. @default false (ZMQ_INVERT_MATCHING) */
  invertMatching: boolean
  /** Memory that one subscriber's topics may take, bytes; with more it is disconnected. Not in `zeromq`. @default 67108864 (64 MiB) */
  maxSubscriptionBytes: number
}

/** Options of XPUB. */
export interface XPublishOptions {
  /** Also shows subscriptions that are not the first (`allSubs`), and cancellations that are not the last (`allSubsUnsubs`). @default null (ZMQ_XPUB_VERBOSE, ..._VERBOSER) */
  verbosity: null | 'allSubs' | 'allSubsUnsubs'
  /**
   * Subscriptions are only shown; `subscribe` and `unsubscribe` make them, for the subscriber whose message was received
   * last. @default false (ZMQ_XPUB_MANUAL)
   */
  manual: boolean
  /** Sent to each new subscriber. @default null (ZMQ_XPUB_WELCOME_MSG) */
  welcomeMessage: string | null
}

export const PUBLISH_OPTIONS: OptionTable<PublishOptions> = {
  noDrop: boolean(false),
  invertMatching: boolean(false),
  maxSubscriptionBytes: integer(64 * 1024 * 1024, 0, Number.MAX_SAFE_INTEGER),
}

const XPUBLISH_OPTIONS: OptionTable<XPublishOptions> = {
  verbosity: {
    default: null,
    check: (value) =>
      value === null || value === 'allSubs' || value === 'allSubsUnsubs' ? undefined : "null, 'allSubs' or 'allSubsUnsubs'",
  },
  manual: boolean(false),
  welcomeMessage: text(0, 0x7fff_ffff),
}

export interface XPublisher extends PublishOptions, XPublishOptions {}

/** An XPUB socket: publishes to SUB and XSUB, and receives their subscriptions. */
export class XPublisher extends FreeDuplexSocket {
  readonly #pattern: XPublisherPattern

  constructor(options?: SocketOptions<CommonOptions & SendOptions & ReceiveOptions & PublishOptions & XPublishOptions>) {
    let pattern: XPublisherPattern | undefined
    super('XPUB', (host, socket) => (pattern = new XPublisherPattern(host, socket as XPublisher)), options)
    this.#pattern = pattern as unknown as XPublisherPattern
  }

  /** With `manual`: subscribes the one whose message was received last. Not in `zeromq`. @throws SocketError EINVAL without. */
  subscribe(...prefixes: (Buffer | string)[]): void {
    for (const prefix of prefixes) this.#pattern.setByHand(true, Buffer.from(prefix as string))
  }

  /** The opposite of {@link subscribe}. */
  unsubscribe(...prefixes: (Buffer | string)[]): void {
    for (const prefix of prefixes) this.#pattern.setByHand(false, Buffer.from(prefix as string))
  }
}

defineOptions(XPublisher.prototype, PUBLISH_OPTIONS)
defineOptions(XPublisher.prototype, XPUBLISH_OPTIONS)

/** To all that subscribed: what PUB and XPUB have in common. */
export class PublishingPattern implements Pattern {
  protected readonly host: PatternHost
  protected readonly subscriptions: Subscriptions<Peer> = new Subscriptions()
  readonly #options: PublishOptions
  readonly #peers = new Set<Peer>()

  constructor(host: PatternHost, options: PublishOptions) {
    this.host = host
    this.#options = options
  }

  get sendable(): boolean {
    return true
  }

  attached(_peer: Peer): void {}
  detached(_peer: Peer): void {}

  ready(peer: Peer): void {
    this.#peers.add(peer)
  }

  writable(): void {
    this.host.writable()
  }

  subscription(peer: Peer, subscribe: boolean, topic: Buffer): void {
    this.set(peer, subscribe, topic)
  }

  /** A subscription in the message form counts whatever the peer's version. */
  message(peer: Peer, message: Message): void {
    const subscription = readSubscriptionMessage(message)
    if (subscription === undefined) this.other(peer, message)
    else this.subscription(peer, subscription.subscribe, subscription.topic)
  }

  lost(peer: Peer): void {
    this.#peers.delete(peer)
    for (const topic of this.subscriptions.removeAll(peer)) this.changed(peer, false, topic)
    // With `noDrop`, whoever waits for room at this peer no longer has to.
    this.host.writable()
  }

  send(message: Message): boolean {
    const receivers = this.#receivers(message[0] as Buffer)
    if (receivers.size === 0) return true
    if (this.#options.noDrop && this.#anyFull(receivers)) return false
    const shared = new SharedMessage(message, receivers.size)
    for (const peer of receivers) if (!peer.sendShared(shared)) this.dropped(peer)
    return true
  }

  /** Subscribes a peer, or takes the subscription back. True when that was the topic's first, or last, holder. */
  protected set(peer: Peer, subscribe: boolean, topic: Buffer): boolean {
    if (!subscribe) {
      const last = this.subscriptions.remove(topic, peer)
      if (last) this.changed(peer, false, topic)
      return last
    }
    const first = this.subscriptions.add(topic, peer)
    if (first) this.changed(peer, true, topic)
    const { maxSubscriptionBytes } = this.#options
    if (this.subscriptions.bytesOf(peer) > maxSubscriptionBytes) {
      peer.disconnect(new LimitExceeded('maxSubscriptionBytes', `the peer's subscriptions take more than ${maxSubscriptionBytes} bytes`))
    }
    return first
  }

  /** A topic has its first holder, or lost its last. */
  protected changed(_peer: Peer, _subscribe: boolean, _topic: Buffer): void {}
  /** A peer at its high-water mark missed a message. */
  protected dropped(_peer: Peer): void {
    this.host.dropped('highWaterMark')
  }
  /** A message that is no subscription. */
  protected other(_peer: Peer, _message: Message): void {}

  #receivers(frame: Buffer): ReadonlySet<Peer> {
    const holders = this.subscriptions.holdersFor(frame)
    if (!this.#options.invertMatching) return holders
    return new Set([...this.#peers].filter((peer) => !holders.has(peer)))
  }

  /** Each that is full is asked for room, so that `writable` follows. */
  #anyFull(receivers: ReadonlySet<Peer>): boolean {
    const full = [...receivers].filter((peer) => !peer.sendable)
    for (const peer of full) peer.askForRoom()
    return full.length > 0
  }
}

class XPublisherPattern extends PublishingPattern {
  readonly #options: XPublishOptions
  /** In order: who takes a topic over may be another peer than who gave it up. */
  readonly #news = new FairQueue('arrival')

  constructor(host: PatternHost, options: PublishOptions & XPublishOptions) {
    super(host, options)
    this.#options = options
  }

  get receivable(): boolean {
    return !this.#news.empty
  }

  override ready(peer: Peer): void {
    super.ready(peer)
    const { welcomeMessage } = this.#options
    if (welcomeMessage !== null) peer.sendFirst([Buffer.from(welcomeMessage)])
  }

  override attached(peer: Peer): void {
    this.#news.attached(peer)
  }

  override detached(peer: Peer): void {
    this.#news.detached(peer)
  }

  override subscription(peer: Peer, subscribe: boolean, topic: Buffer): void {
    const { manual, verbosity } = this.#options
    if (manual) return this.#show(peer, subscribe, topic)
    const shown = this.set(peer, subscribe, topic)
    if (!shown && (subscribe ? verbosity !== null : verbosity === 'allSubsUnsubs')) this.#show(peer, subscribe, topic)
  }

  receive(): Message | undefined {
    return this.#news.shift()
  }

  setByHand(subscribe: boolean, topic: Buffer): void {
    if (!this.#options.manual) throw new SocketError('EINVAL', { text: 'subscriptions are made by hand with the option manual only' })
    const peer = this.#news.lastPeer
    if (peer?.connected) this.set(peer, subscribe, topic)
  }

  protected override changed(peer: Peer, subscribe: boolean, topic: Buffer): void {
    // With `manual` the application has seen it already; what a lost peer takes along it has not.
    if (!this.#options.manual || !peer.connected) this.#show(peer, subscribe, topic)
  }

  protected override other(peer: Peer, message: Message): void {
    this.#news.push(peer, message)
    this.host.readable()
  }

  #show(peer: Peer, subscribe: boolean, topic: Buffer): void {
    this.other(peer, [subscriptionMessage(subscribe, topic)])
  }
}
