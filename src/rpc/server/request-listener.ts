/**
 * The REP side of a server: binds, takes requests of any number of clients at once, and sends each its reply.
 *
 * On the wire a ROUTER, which REQ and DEALER peers cannot tell from a REP but which answers in any order. A request is
 * `[envelope…, empty frame, body…]`; the envelope comes back unchanged.
 *
 * A client that does not read its replies is not read from either; nothing of it is dropped.
 */

import type { Peer } from '../../session/peer.ts'
import { context } from '../../socket/context.ts'
import { DEFAULT_OPTIONS } from '../../socket/options.ts'
import type { PeerListener } from '../../socket/pattern.ts'
import { envelopeLength } from '../../socket/reply.ts'
import { SocketCore } from '../../socket/socket-core.ts'
import { type Body, framesOf, type Message, numberOfMessage, toNumbered } from '../../wire/index.ts'
import type { SecurityOptions } from '../auth.ts'
import { ANNOUNCEMENT } from '../dialect/announcement.ts'
import type { Drops } from '../drops.ts'
import { CONNECTION_OPTIONS, publishSocketEvent } from '../endpoint.ts'

export interface RequestListenerOptions {
  /** Asks clients for their credentials. */
  security: SecurityOptions
  maxMessageBytes: number
  /** Infinity for any number. */
  maxConnections: number
  maxConnectionsPerAddress: number
  /** Whether the native dialect is announced. */
  native: boolean
  drops: Drops
}

/** What goes in front of everything that is sent to a caller: most often the number of its call; through proxies, more. */
export type Envelope = number | Message

/** Told about requests and clients. */
export interface RequestHandler {
  /** A client is there. */
  ready(peer: Peer): void
  /** Answer with {@link RequestListener.send}. */
  request(peer: Peer, envelope: Envelope, body: Message): void
  /** After a {@link RequestListener.trySend} that said no: the client takes more. */
  writable(peer: Peer): void
  /** The client's connection is gone: its replies have nowhere to go. */
  lost(peer: Peer): void
}

/** Replies that may wait for each client, bytes, before it is not read any more: what a deaf client may cost. Nothing is lost beyond it. */
const MAX_QUEUE_BYTES = 16 * 1024 * 1024

export class RequestListener implements PeerListener {
  readonly #core: SocketCore
  readonly #handler: RequestHandler
  readonly #drops: Drops
  /** Clients that are not read, since the server has enough to do. */
  readonly #waiting = new Set<Peer>()
  /** Replies that found their client's queue full. While there are any, the client is not read from. */
  readonly #overflow = new Map<Peer, Message[]>()

  constructor(options: RequestListenerOptions, handler: RequestHandler) {
    const { security, maxMessageBytes, maxConnections, maxConnectionsPerAddress, native, drops } = options
    const handshakeProperties = native ? ANNOUNCEMENT : {}
    this.#handler = handler
    this.#drops = drops
    this.#core = new SocketCore(
      'ROUTER',
      this,
      {
        ...DEFAULT_OPTIONS,
        ...CONNECTION_OPTIONS,
        ...security,
        handshakeProperties,
        // Sockets say 0 for "any number".
        maxConnections: Number.isFinite(maxConnections) ? maxConnections : 0,
        maxConnectionsPerAddress: Number.isFinite(maxConnectionsPerAddress) ? maxConnectionsPerAddress : 0,
        maxMessageSize: maxMessageBytes,
        maxQueueBytes: MAX_QUEUE_BYTES,
      },
      context,
      publishSocketEvent,
    )
  }

  get endpoints(): string[] {
    return this.#core.boundEndpoints
  }

  /** Clients that are connected. */
  get connections(): number {
    return this.#core.stats().connections
  }

  /** Clients that are about to be. */
  get handshakes(): number {
    return this.#core.stats().handshakes
  }

  /** @throws SocketError when the endpoint cannot be had. */
  async bind(endpoint: string): Promise<void> {
    await this.#core.bind(endpoint)
  }

  /** Sends a message that must not be lost: where the client does not keep up, it waits, and the client is not read any more. */
  send(peer: Peer, envelope: Envelope, body: Body): void {
    if (!peer.connected) {
      this.#drops.drop('callerGone', peer)
      return
    }
    const waiting = this.#overflow.get(peer)
    if (waiting !== undefined) {
      waiting.push(joined(envelope, body))
    } else if (!sendTo(peer, envelope, body)) {
      this.#overflow.set(peer, [joined(envelope, body)])
      peer.pause()
    }
  }

  /** Whether `trySend` would send; else `writable` follows. */
  hasRoom(peer: Peer): boolean {
    if (!peer.connected || (!this.#overflow.has(peer) && peer.sendable)) return true
    peer.askForRoom()
    return false
  }

  /** Sends a message if the client keeps up; else false, and `writable` follows. */
  trySend(peer: Peer, envelope: Envelope, body: Body): boolean {
    if (this.#overflow.has(peer)) return false
    return !peer.connected || sendTo(peer, envelope, body)
  }

  /** Stops and starts reading from a client. */
  pause(peer: Peer): void {
    this.#waiting.add(peer)
    peer.pause()
  }

  resume(peer: Peer): void {
    this.#waiting.delete(peer)
    if (!this.#overflow.has(peer)) peer.resume()
  }

  /** Replies that are not written yet get `lingerMs` to be. */
  close(lingerMs: number): Promise<void> {
    return this.#core.close(lingerMs)
  }

  // ── PeerListener ────────────────────────────────────────────────────────────────────────────────────────────────────

  attached(): void {}
  subscription(): void {}

  ready(peer: Peer): void {
    this.#handler.ready(peer)
  }

  numbered(peer: Peer, number: number, body: Buffer): void {
    this.#handler.request(peer, number, [body])
  }

  message(peer: Peer, message: Message): void {
    const number = numberOfMessage(message)
    if (number !== undefined) return this.#handler.request(peer, number, message.slice(2))
    const length = envelopeLength(message)
    if (length === 0) return this.#drops.drop('noEnvelope', peer)
    // No copy: frames as short as these do not keep the chunk they came in.
    this.#handler.request(peer, message.slice(0, length), message.slice(length))
  }

  writable(peer: Peer): void {
    const waiting = this.#overflow.get(peer)
    if (waiting !== undefined) {
      while (waiting.length > 0) {
        if (!peer.send(waiting[0] as Message)) return
        waiting.shift()
      }
      this.#overflow.delete(peer)
      if (!this.#waiting.has(peer)) peer.resume()
    }
    this.#handler.writable(peer)
  }

  lost(peer: Peer): void {
    this.#waiting.delete(peer)
    this.#overflow.delete(peer)
    this.#handler.lost(peer)
  }

  detached(): void {}
}

function sendTo(peer: Peer, envelope: Envelope, body: Body): boolean {
  return typeof envelope === 'number' ? peer.sendNumbered(envelope, body) : peer.send(joined(envelope, body))
}

function joined(envelope: Envelope, body: Body): Message {
  return typeof envelope === 'number' ? toNumbered(envelope, body) : [...envelope, ...framesOf(body)]
}
