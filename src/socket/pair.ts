/**
 * PAIR: exactly one peer [RFC 31]. A second one is turned away (libzmq leaves it connected and mute), and taken when it comes
 * again after the first is gone. At the high-water mark, or without the peer, `send` waits.
 */

import { SocketError } from '../errors.ts'
import type { Peer } from '../session/peer.ts'
import type { Message } from '../wire/index.ts'
import { BalancedPattern } from './dealer.ts'
import type { CommonOptions, ReceiveOptions, SendOptions } from './options.ts'
import { FreeDuplexSocket, type SocketOptions } from './socket.ts'

/** A PAIR socket: one peer, both ways. */
export class Pair extends FreeDuplexSocket {
  constructor(options?: SocketOptions<CommonOptions & SendOptions & ReceiveOptions>) {
    super('PAIR', (host) => new PairPattern(host), options)
  }
}

class PairPattern extends BalancedPattern {
  #only: Peer | undefined
  /** Connecting peers that come again and again, in order: the first takes the place once it is free. */
  readonly #others = new Set<Peer>()

  override attached(peer: Peer): void {
    if (this.#only === undefined) {
      this.#only = peer
      super.attached(peer)
    } else if (peer.connecting) {
      this.#others.add(peer)
    }
  }

  override ready(peer: Peer): void {
    if (peer !== this.#only) peer.disconnect(new SocketError('EBUSY', { text: 'a PAIR socket has one peer only', address: peer.endpoint }))
  }

  override message(peer: Peer, message: Message): void {
    if (peer === this.#only) super.message(peer, message)
    else this.host.dropped('unexpected')
  }

  override detached(peer: Peer): void {
    super.detached(peer)
    this.#others.delete(peer)
    if (peer !== this.#only) return
    this.#only = undefined
    const [next] = this.#others
    if (next === undefined) return
    this.#others.delete(next)
    this.attached(next)
  }
}
