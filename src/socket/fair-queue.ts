/**
 * Incoming messages of many peers, one of each in turn. A peer whose inbox is full is not read from until half of it was
 * taken: TCP then slows it down, and nothing is lost.
 *
 * What a peer has sent is given out even when the peer has gone. All that are gone may leave as much as one that is there may
 * have waiting; with more, peers that come are not read from until half of it was taken. So a peer that comes, fills its inbox
 * and goes, again and again, cannot make the application hold more and more, and still nothing is lost.
 */

import type { Peer } from '../session/peer.ts'
import { type Message, messageBytes } from '../wire/index.ts'

export class FairQueue {
  /** Peers with something in their inbox, once each, or once for each message in the order of arrival. */
  readonly #turns: Peer[] = []
  #next = 0
  readonly #order: 'turns' | 'arrival'
  readonly #paused = new Set<Peer>()
  /** Peers that are gone, and what they have left. */
  readonly #gone = new Set<Peer>()
  #leftMessages = 0
  #leftBytes = 0
  /** Peers that came when too much was left. */
  readonly #held = new Set<Peer>()

  /** The peer that the last `shift` took from. */
  lastPeer: Peer | undefined

  /** `arrival`: as the messages came, for those whose order across peers has a meaning. */
  constructor(order: 'turns' | 'arrival' = 'turns') {
    this.#order = order
  }

  get empty(): boolean {
    return this.#turns.length === 0
  }

  push(peer: Peer, message: Message): void {
    const { inbox } = peer
    if (inbox.length === 0 || this.#order === 'arrival') this.#turns.push(peer)
    // The peer is paused in time: what comes over the mark was under way already, and is not lost for that.
    inbox.pushAnyway(message)
    // Of a peer that is gone there may still be news: an XPUB tells what it no longer wants.
    if (this.#gone.size > 0 && this.#gone.has(peer)) this.#left(1, messageBytes(message))
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
    else if (peer.inbox.length > 0) this.#next++
    else if (turns.length === 1) turns.pop()
    else turns.splice(this.#next, 1)
    this.lastPeer = peer
    if (this.#gone.size > 0 && this.#gone.has(peer)) {
      this.#leftTaken(peer, message)
    } else if (this.#paused.size > 0 && this.#paused.has(peer) && peer.inbox.halfEmpty) {
      this.#paused.delete(peer)
      peer.resume()
    }
    return message
  }

  /** Drops the turns that are over, many at a time: one by one would move all the others each time. */
  #taken(): void {
    this.#next++
    if (this.#next * 2 < this.#turns.length) return
    this.#turns.splice(0, this.#next)
    this.#next = 0
  }

  /** A peer is there, or there again. */
  attached(peer: Peer): void {
    const { inbox } = peer
    if (this.#gone.delete(peer)) this.#left(-inbox.length, -inbox.bytes)
    if (!this.#isLeft(inbox, 1)) return
    this.#held.add(peer)
    peer.pause()
  }

  /** A peer is gone. Should it come back, it is read from. */
  detached(peer: Peer): void {
    const held = this.#held.delete(peer)
    if (this.#paused.delete(peer) || held) peer.resume()
    const { inbox } = peer
    if (inbox.length === 0) return
    this.#gone.add(peer)
    this.#left(inbox.length, inbox.bytes)
  }

  #left(messages: number, bytes: number): void {
    this.#leftMessages += messages
    this.#leftBytes += bytes
  }

  /** True when those that are gone have left more than this part of what one inbox may hold. */
  #isLeft({ highWaterMark, maxBytes }: Peer['inbox'], part: number): boolean {
    return (highWaterMark > 0 && this.#leftMessages > highWaterMark * part) || (maxBytes > 0 && this.#leftBytes > maxBytes * part)
  }

  #leftTaken(peer: Peer, message: Message): void {
    this.#left(-1, -messageBytes(message))
    if (peer.inbox.length === 0) this.#gone.delete(peer)
    // They came one after the other under much the same options: when the first has room, all have.
    const [first] = this.#held
    if (first === undefined || this.#isLeft(first.inbox, 0.5)) return
    const held = [...this.#held]
    this.#held.clear()
    for (const one of held) one.resume()
  }
}
