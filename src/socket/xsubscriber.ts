/**
 * XSUB: as SUB, but subscriptions are messages: `01 topic` subscribes, `00 topic` cancels [RFC 29]. Other messages go to all
 * publishers, and wait for those that are away. What comes in is not filtered again. A topic over the limit is EINVAL, as for SUB.
 */

import { SharedMessage } from '../session/peer.ts'
import { type Message, readSubscriptionMessage } from '../wire/index.ts'
import type { CommonOptions, ReceiveOptions, SendOptions } from './options.ts'
import { FreeDuplexSocket, type SocketOptions } from './socket.ts'
import { checkTopic, SubscribingPattern } from './subscriber.ts'

/** An XSUB socket: receives from PUB and XPUB, and sends its subscriptions as messages. */
export class XSubscriber extends FreeDuplexSocket {
  constructor(options?: SocketOptions<CommonOptions & SendOptions & ReceiveOptions>) {
    super('XSUB', (host) => new XSubscriberPattern(host), options)
  }
}

class XSubscriberPattern extends SubscribingPattern {
  readonly sendable = true

  send(message: Message): boolean {
    const subscription = message.length === 1 ? readSubscriptionMessage(message) : undefined
    if (subscription !== undefined) {
      if (subscription.subscribe) {
        checkTopic(subscription.topic)
        this.subscribe(subscription.topic)
      } else this.unsubscribe(subscription.topic)
      return true
    }
    const shared = new SharedMessage(message, this.peers.size)
    for (const peer of this.peers) if (!peer.sendShared(shared)) this.host.dropped('highWaterMark')
    return true
  }
}
