/**
 * One SUB endpoint of a server: connects to a publisher, subscribes to everything, and makes the connection again when
 * nothing, not even a heartbeat, was heard for too long.
 */

import { performance } from 'node:perf_hooks'
import { publish } from '../../observability/events.ts'
import type { Peer } from '../../session/peer.ts'
import { context } from '../../socket/context.ts'
import { DEFAULT_OPTIONS } from '../../socket/options.ts'
import type { PeerListener } from '../../socket/pattern.ts'
import { SocketCore } from '../../socket/socket-core.ts'
import type { Message } from '../../wire/index.ts'
import type { SecurityOptions } from '../auth.ts'
import { timerMs } from '../deadlines.ts'
import { ANNOUNCEMENT, speaksNative } from '../dialect/announcement.ts'
import { CONNECTION_OPTIONS, publishSocketEvent } from '../endpoint.ts'

export interface SubscriptionLinkOptions {
  endpoint: string
  /** 0 for never. */
  heartbeatTimeoutMs: number
  /** Shows credentials to the publisher, or asks it for its own, as pyzmqrpc3's publishers show theirs. */
  security: SecurityOptions
  maxMessageBytes: number
  /** Whether the native dialect is announced. */
  native: boolean
}

const EVERYTHING = Buffer.alloc(0)

export class SubscriptionLink implements PeerListener {
  readonly #core: SocketCore
  readonly #options: SubscriptionLinkOptions
  readonly #onMessage: (peer: Peer, body: Message) => void
  #peer: Peer | undefined
  #timer: NodeJS.Timeout | undefined
  #lastHeard = 0
  #paused = false
  #speaksNative = false
  #closed = false

  constructor(options: SubscriptionLinkOptions, onMessage: (peer: Peer, body: Message) => void) {
    const { security, maxMessageBytes, native } = options
    const handshakeProperties = native ? ANNOUNCEMENT : {}
    this.#options = options
    this.#onMessage = onMessage
    this.#core = new SocketCore(
      'SUB',
      this,
      { ...DEFAULT_OPTIONS, ...CONNECTION_OPTIONS, ...security, handshakeProperties, maxMessageSize: maxMessageBytes },
      context,
      publishSocketEvent,
    )
  }

  /** Whether the publisher has announced the native dialect. */
  get speaksNative(): boolean {
    return this.#speaksNative
  }

  start(): void {
    this.#core.connect(this.#options.endpoint)
    const { heartbeatTimeoutMs } = this.#options
    if (heartbeatTimeoutMs === 0) return
    this.#lastHeard = performance.now()
    this.#watch(heartbeatTimeoutMs)
  }

  /** Stops and starts reading from the publisher, reconnects included. */
  pause(peer: Peer): void {
    this.#paused = true
    peer.pause()
  }

  resume(peer: Peer): void {
    this.#paused = false
    this.#lastHeard = performance.now()
    peer.resume()
  }

  close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    return this.#core.close(0)
  }

  /** One timer, set for when the silence would be too long if nothing more were heard. */
  #watch(ms: number): void {
    this.#timer = setTimeout(() => {
      const left = this.#silenceLeftMs
      if (left > 0) return this.#watch(left)
      // After the process has stood still, timers come before what has arrived meanwhile.
      setImmediate(() => this.#look())
    }, timerMs(ms))
  }

  #look(): void {
    if (this.#closed) return
    const left = this.#silenceLeftMs
    if (left > 0) return this.#watch(left)
    const { endpoint, heartbeatTimeoutMs } = this.#options
    this.#lastHeard = performance.now()
    publish('zmq-rpc:sub:silent', () => ({ endpoint, heartbeatTimeoutMs }))
    this.#peer?.disconnect(new Error(`nothing was heard from ${endpoint} for ${heartbeatTimeoutMs} ms`))
    this.#watch(heartbeatTimeoutMs)
  }

  get #silenceLeftMs(): number {
    const { heartbeatTimeoutMs } = this.#options
    // While it is not read, its silence proves nothing: to end the connection would lose what it has said.
    return this.#paused ? heartbeatTimeoutMs : this.#lastHeard + heartbeatTimeoutMs - performance.now()
  }

  // ── PeerListener ────────────────────────────────────────────────────────────────────────────────────────────────────

  attached(peer: Peer): void {
    this.#peer = peer
  }

  ready(peer: Peer): void {
    // Its silence counts from now on: a publisher that was long away is not to be cut off as soon as it is back.
    this.#lastHeard = performance.now()
    this.#speaksNative = speaksNative(peer.info)
    peer.sendSubscription(true, EVERYTHING)
  }

  message(peer: Peer, message: Message): void {
    this.#lastHeard = performance.now()
    this.#onMessage(peer, message)
  }

  subscription(): void {}
  writable(): void {}
  lost(): void {}
  detached(): void {}
}
