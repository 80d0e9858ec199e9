/**
 * XPUB: publishes, and shows the application who wants what [RFC 29]: `01 topic` for a topic that nobody had, `00 topic` when
 * nobody has it any more. Other messages of subscribers are shown, too.
 *
 * A subscriber at its high-water mark misses the whole message; the others do not. `send` never waits.
 */

import type { Peer } from '../session/peer.ts'
import { SharedMessage } from '../session/peer.ts'
import { type Message, readSubscriptionMessage, subscriptionMessage } from '../wire/index.ts'
import type { CommonOptions, ReceiveOptions, SendOptions } from './options.ts'
import type { Pattern, PatternHost } from './pattern.ts'
import { DuplexSocket, type SocketOptions } from './socket.ts'
import { Subscriptions } from './subscriptions.ts'

/** An XPUB socket: publishes to SUB and XSUB, and receives their subscriptions. */
export class XPublisher extends DuplexSocket {
  constructor(options?: SocketOptions<CommonOptions & SendOptions & ReceiveOptions>) {
    super('XPUB', (host) => new XPublisherPattern(host), options)
  }
}

/** To all that subscribed: what PUB and XPUB have in common. */
export class PublishingPattern implements Pattern {
  readonly #subscriptions = new Subscriptions<Peer>()

  attached(): void {}
  ready(): void {}
  writable(): void {}

  subscription(peer: Peer, subscribe: boolean, topic: Buffer): void {
    if (subscribe) {
      if (this.#subscriptions.add(topic, peer)) this.changed(true, topic)
    } else if (this.#subscriptions.remove(topic, peer)) {
      this.changed(false, topic)
    }
  }

  /** A subscription in the message form counts whatever the peer's version. */
  message(peer: Peer, message: Message): void {
    const subscription = readSubscriptionMessage(message)
    if (subscription === undefined) this.other(message)
    else this.subscription(peer, subscription.subscribe, subscription.topic)
  }

  lost(peer: Peer): void {
    for (const topic of this.#subscriptions.removeAll(peer)) this.changed(false, topic)
  }

  detached(): void {}

  send(message: Message): boolean {
    const holders = this.#subscriptions.holdersFor(message[0] as Buffer)
    if (holders.size === 0) return true
    const shared = new SharedMessage(message)
    for (const peer of holders) if (!peer.sendShared(shared)) this.dropped(peer)
    return true
  }

  /** A topic has its first holder, or lost its last. */
  protected changed(_subscribe: boolean, _topic: Buffer): void {}
  /** A peer at its high-water mark missed a message. */
  protected dropped(_peer: Peer): void {}
  /** A message that is no subscription. */
  protected other(_message: Message): void {}
}

class XPublisherPattern extends PublishingPattern {
  readonly #host: PatternHost
  #news: Message[] = []

  constructor(host: PatternHost) {
    super()
    this.#host = host
  }

  receive(): Message | undefined {
    return this.#news.shift()
  }

  protected override changed(subscribe: boolean, topic: Buffer): void {
    this.other([subscriptionMessage(subscribe, topic)])
  }

  protected override other(message: Message): void {
    this.#news.push(message)
    this.#host.readable()
  }
}
