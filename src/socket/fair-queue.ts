/**
 * Incoming messages of many peers, one of each in turn. A peer whose inbox is full is not read from until half of it was
 * taken: TCP then slows it down, and nothing is lost.
 */

import type { Peer } from '../session/peer.ts'
import type { Message } from '../wire/index.ts'

export class FairQueue {
  /** Peers with something in their inbox, once each, or once for each message in the order of arrival. */
  readonly #turns: Peer[] = []
  #next = 0
  readonly #order: 'turns' | 'arrival'
  readonly #paused = new Set<Peer>()

  /** The peer that the last `shift` took from. */
  lastPeer: Peer | undefined

  /** `arrival`: as the messages came, for those whose order across peers has a meaning. */
  constructor(order: 'turns' | 'arrival' = 'turns') {
    this.#order = order
  }

  push(peer: Peer, message: Message): void {
    const { inbox } = peer
    if (inbox.length === 0 || this.#order === 'arrival') this.#turns.push(peer)
    // The peer is paused in time: what comes over the mark was under way already, and is not lost for that.
    inbox.pushAnyway(message)
    // Said again while it lasts: a peer that comes back reads from a new connection.
    if (inbox.full) {
      this.#paused.add(peer)
      peer.pause()
    }
  }

  shift(): Message | undefined {
    const turns = this.#turns
    if (turns.length === 0) return undefined
    if (this.#next >= turns.length) this.#next = 0
    const peer = turns[this.#next] as Peer
    const message = peer.inbox.shift() as Message
    if (this.#order === 'arrival') this.#taken()
    else if (peer.inbox.length === 0) turns.splice(this.#next, 1)
    else this.#next++
    if (this.#paused.size > 0 && this.#paused.has(peer) && peer.inbox.halfEmpty) {
      this.#paused.delete(peer)
      peer.resume()
    }
    this.lastPeer = peer
    return message
  }

  /** Drops the turns that are over, many at a time: one by one would move all the others each time. */
  #taken(): void {
    this.#next++
    if (this.#next * 2 < this.#turns.length) return
    this.#turns.splice(0, this.#next)
    this.#next = 0
  }

  /** A peer is gone: what it has sent is still given out. Should it come back, it is read from. */
  detached(peer: Peer): void {
    if (this.#paused.delete(peer)) peer.resume()
  }
}
