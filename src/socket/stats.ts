/** A socket in numbers: what it holds now, and what it had to let go. */

/** Messages that were let go, by reason. */
export interface DropCounts {
  /** The peer was at its high-water mark: PUB, XPUB, XSUB, REP, and ROUTER without `mandatory`. */
  highWaterMark: number
  /** There was nobody to send it to: an id that no peer has (ROUTER), or a reply to a peer that is gone (REP). */
  unroutable: number
  /** A request without the empty frame that ends its envelope (REP). */
  noEnvelope: number
  /** A reply that was not asked for, or no longer (REQ); a message of a peer that was turned away (PAIR, ROUTER). */
  unexpected: number
  /** It came without being subscribed to (SUB). */
  filtered: number
  /**
   * It waited to be written when its connection was lost, or when `linger` was over; or it came with the end of a connection that was
   * never read from, since those before it had left too much.
   */
  lost: number
}

export type DropReason = keyof DropCounts

/** Connections that were turned away or ended, by the option whose limit was met. */
export interface RefusalCounts {
  /** One connection too many at an endpoint. */
  maxConnections: number
  /** One connection too many of an address. */
  maxConnectionsPerAddress: number
  /** One handshake too many at an endpoint; the oldest ended. */
  maxHandshakes: number
  /** Too many bytes before the end of the handshake. */
  maxHandshakeBytes: number
  /** The handshake was not over in time. */
  handshakeInterval: number
  /** A message, frame or command was too large, or had too many frames. */
  maxMessageSize: number
  /** A subscriber's topics took too much memory. */
  maxSubscriptionBytes: number
}

/** How often a queue of a peer reached its mark (high-water mark or `maxQueueBytes`), and was told of as `queue:full`. */
export interface FullCounts {
  /** Messages for the peer waited, or were dropped: see {@link DropCounts.highWaterMark}. */
  send: number
  /** The peer was not read from until the application took what had come. */
  receive: number
}

/** What {@link Socket.stats} tells. Sums are since the socket was made. */
export interface SocketStats {
  /** Connections on which messages travel. */
  readonly connections: number
  /** Handshakes under way, with those that connect. */
  readonly handshakes: number
  /** Handshakes that failed, whoever's fault it was. */
  readonly failedHandshakes: number
  /** Connections that were turned away or ended, by the limit that they met. */
  readonly refused: Readonly<RefusalCounts>
  /** How often a queue was full. */
  readonly full: Readonly<FullCounts>
  /** Messages that wait to be written. */
  readonly queuedMessages: number
  /** Bytes of TCP and ipc connections, all that ZMTP adds included. */
  readonly bytesReceived: number
  /** The same, of what was written. */
  readonly bytesSent: number
  /** Messages that were let go, by reason. */
  readonly dropped: Readonly<DropCounts>
}

export function noRefusals(): RefusalCounts {
  return {
    maxConnections: 0,
    maxConnectionsPerAddress: 0,
    maxHandshakes: 0,
    maxHandshakeBytes: 0,
    handshakeInterval: 0,
    maxMessageSize: 0,
    maxSubscriptionBytes: 0,
  }
}

export function noDrops(): DropCounts {
  return { highWaterMark: 0, unroutable: 0, noEnvelope: 0, unexpected: 0, filtered: 0, lost: 0 }
}
