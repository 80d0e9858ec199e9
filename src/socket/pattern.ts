/**
 * What a socket pattern is: which peer a message goes to, whose message comes next, and what happens at the high-water
 * mark. Patterns see peers and messages; endpoints, connections and promises are other people's work.
 */

import type { Peer, PeerHandler } from '../session/peer.ts'
import type { Message } from '../wire/index.ts'
import type { DropReason } from './stats.ts'

/** The peers of a socket, as they come and go. */
export interface PeerListener extends PeerHandler {
  /** A peer was made by `connect`, which is still under way. */
  connecting?(peer: Peer): void
  /**
   * A peer is there to be sent to: one that connects from the beginning (it queues until it is connected), one that was
   * accepted from the end of its handshake on. `ready` follows for both.
   */
  attached(peer: Peer): void
  /** The peer is gone for good. */
  detached(peer: Peer): void
}

/** What a pattern tells the socket it is part of. */
export interface PatternHost {
  /** `receive` has something to give. */
  readable(): void
  /** `send` may go through now. */
  writable(): void
  /** A message was let go; to be counted. */
  dropped(reason: DropReason): void
}

export interface Pattern extends PeerListener {
  /** False when `send` would wait or throw. Where only the message decides, true. */
  readonly sendable?: boolean
  /** Whether `receive` has something to give. */
  readonly receivable?: boolean
  /** Frames that `send` puts before those it is given, or takes off (-1: a routing id). @default 0 */
  readonly addedFrames?: number
  /**
   * Sends, or says that nobody has room now (false).
   *
   * @throws SocketError where waiting would not help: EHOSTUNREACH, EFSM.
   */
  send?(message: Message): boolean
  /**
   * The next message, if there is one.
   *
   * @throws SocketError EFSM when it is not the time to receive.
   */
  receive?(): Message | undefined
}
