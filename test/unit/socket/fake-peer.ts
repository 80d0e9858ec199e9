/** A peer without a connection, for tests of patterns and queues: it takes so many messages, then no more. */

import { Peer } from '../../../src/session/peer.ts'
import type { Message } from '../../../src/wire/index.ts'

export class FakePeer extends Peer {
  readonly name: string
  readonly sent: Message[] = []
  /** Messages it still takes. */
  room: number
  paused = false
  readonly info = undefined
  readonly remoteAddress = undefined
  readonly connected = true

  constructor(name: string, { room = Number.POSITIVE_INFINITY, receiveHighWaterMark = 0, maxQueueBytes = 0 } = {}) {
    super(`inproc://${name}`, true, { sendHighWaterMark: 0, receiveHighWaterMark, maxQueueBytes, conflate: false })
    this.name = name
    this.room = room
  }

  send(message: Message): boolean {
    if (this.room <= 0) return false
    this.room--
    this.sent.push(message)
    return true
  }

  sendShared(): boolean {
    return true
  }

  sendSubscription(): void {}

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  protected filled(): void {}

  disconnect(): void {}

  async close(): Promise<void> {}
}

export const frame = (text: string): Message => [Buffer.from(text)]
