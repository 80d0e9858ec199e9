/** Outgoing messages for many peers, each to the next that has room. */

import type { Peer } from '../session/peer.ts'
import type { Message } from '../wire/index.ts'

export class RoundRobin {
  readonly #peers: Peer[] = []
  #next = 0

  get size(): number {
    return this.#peers.length
  }

  /** Whether anybody has room. */
  get sendable(): boolean {
    return this.#peers.some((peer) => peer.sendable)
  }

  attached(peer: Peer): void {
    this.#peers.push(peer)
  }

  detached(peer: Peer): void {
    const index = this.#peers.indexOf(peer)
    if (index < 0) return
    this.#peers.splice(index, 1)
    if (index < this.#next) this.#next--
  }

  /** The peer that took the message, or undefined when none has room. */
  send(message: Message): Peer | undefined {
    const peers = this.#peers
    for (let tries = peers.length; tries > 0; tries--) {
      if (this.#next >= peers.length) this.#next = 0
      const peer = peers[this.#next++] as Peer
      if (peer.send(message)) return peer
    }
    return undefined
  }
}
