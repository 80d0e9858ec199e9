/** The PUB side of a client or sender: binds, and tells whoever listens. */

import { toError, ZmqRpcError } from '../../errors.ts'
import { type Peer, SharedMessage } from '../../session/peer.ts'
import { context } from '../../socket/context.ts'
import type { Event } from '../../socket/observer.ts'
import { DEFAULT_OPTIONS, defaultsOf } from '../../socket/options.ts'
import { SocketCore } from '../../socket/socket-core.ts'
import { PUBLISH_OPTIONS, PublishingPattern } from '../../socket/xpublisher.ts'
import { AuthRefused, MechanismMismatch, type Message } from '../../wire/index.ts'
import type { SecurityOptions } from '../auth.ts'
import { timerMs } from '../deadlines.ts'
import { ANNOUNCEMENT, speaksNative } from '../dialect/announcement.ts'
import { HEARTBEAT } from '../dialect/pyzmqrpc3.ts'
import type { Drops } from '../drops.ts'
import { CONNECTION_OPTIONS, type Endpoint, publishSocketEvent } from '../endpoint.ts'
import { errorText } from '../error/error-text.ts'

export interface PublicationOptions {
  endpoint: Endpoint
  /** Shows credentials to listeners that ask for them, or asks listeners for theirs. */
  security: SecurityOptions
  /** Messages that may wait for each listener. */
  maxQueued: number
  /** 0 for none. */
  heartbeatIntervalMs: number
  /** Whether the native dialect is announced. */
  native: boolean
  drops: Drops
}

/** What is published: as every listener can read it, and in the native dialect where there is that. Each is made once, when it is wanted. */
export interface Published {
  plain(): Message
  native?(): Message
}

const PUBLISH_DEFAULTS = defaultsOf(PUBLISH_OPTIONS)
const NEVER_WAITS = { readable: () => {}, writable: () => {}, dropped: () => {} }

export const HEARTBEAT_MESSAGE: Published = { plain: () => [Buffer.from(HEARTBEAT)] }

/** Time for the last messages to be written when it is closed. */
const LINGER_MS = 1000

export class Publication {
  readonly #core: SocketCore
  readonly #pattern: CountingPattern
  readonly #bound: Promise<string>
  readonly #heartbeats: NodeJS.Timeout | undefined
  /** Why a listener was lost during its handshake, the last one. */
  #lastRefusal: Error | undefined
  #closed = false

  /** Begins to bind; a failure is told by whatever is called first. */
  constructor(options: PublicationOptions) {
    const { endpoint, security, maxQueued, heartbeatIntervalMs, native, drops } = options
    this.#pattern = new CountingPattern(drops)
    const handshakeProperties = native ? ANNOUNCEMENT : {}
    const socketOptions = { ...DEFAULT_OPTIONS, ...CONNECTION_OPTIONS, ...security, handshakeProperties, sendHighWaterMark: maxQueued }
    this.#core = new SocketCore('PUB', this.#pattern, socketOptions, context, (event) => this.#observe(event))
    this.#bound = this.#core.bind(endpoint)
    this.#bound.catch(() => {})
    if (heartbeatIntervalMs > 0) {
      this.#heartbeats = setInterval(() => this.#pattern.publish(HEARTBEAT_MESSAGE), timerMs(heartbeatIntervalMs))
      this.#heartbeats.unref()
    }
  }

  /** The endpoint as bound; undefined before it is. */
  get endpoint(): Endpoint | undefined {
    return this.#core.boundEndpoints[0]
  }

  /** Those who listen. */
  get subscribers(): number {
    return this.#pattern.subscribers
  }

  /** Hands a message to each listener's queue. @throws SocketError when the endpoint could not be bound; ZmqRpcError CLOSED. */
  async publish(message: Published): Promise<void> {
    if (this.#closed || this.endpoint === undefined) await this.#open()
    this.#pattern.publish(message)
  }

  /**
   * Resolves when it is bound and that many listen.
   *
   * @throws ZmqRpcError after `timeoutMs`: AUTH_REFUSED when a listener and we did not agree on credentials, else NOT_CONNECTED; CLOSED;
   * SocketError when it cannot be bound.
   */
  async whenHeard(subscribers: number, timeoutMs: number): Promise<void> {
    const endpoint = await this.#open()
    const heard = await this.#pattern.whenHeard(subscribers, timeoutMs)
    await this.#open()
    if (heard) return
    const text = `${this.#pattern.subscribers} of ${subscribers} subscribers were there within ${timeoutMs} ms`
    const refusal = this.#lastRefusal
    if (refusal === undefined) throw new ZmqRpcError('NOT_CONNECTED', `${endpoint}: ${text}`, { endpoint })
    throw new ZmqRpcError('AUTH_REFUSED', `${endpoint}: ${text}; with one, ${errorText(refusal)}`, { endpoint, cause: refusal })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#heartbeats)
    this.#pattern.close()
    await this.#bound.catch(toError)
    await this.#core.close(LINGER_MS)
  }

  #observe(event: Event): void {
    publishSocketEvent(event)
    if (event.type !== 'handshake:error:auth' && event.type !== 'handshake:error:protocol') return
    if (event.error instanceof AuthRefused || event.error instanceof MechanismMismatch) this.#lastRefusal = event.error
  }

  /** The endpoint, once it is bound. @throws SocketError when it cannot be; ZmqRpcError CLOSED. */
  async #open(): Promise<Endpoint> {
    try {
      return await this.#bound
    } finally {
      // biome-ignore lint/correctness/noUnsafeFinally: whatever became of binding, that it was closed says more
      if (this.#closed) throw new ZmqRpcError('CLOSED', 'it is closed: nothing is published')
    }
  }
}

/** Knows how many listen, and who of them reads the native dialect. */
class CountingPattern extends PublishingPattern {
  readonly #drops: Drops
  readonly #listeners = new Set<Peer>()
  readonly #natives = new Set<Peer>()
  readonly #waiters = new Set<{ check(): void; giveUp(): void }>()

  constructor(drops: Drops) {
    super(NEVER_WAITS, PUBLISH_DEFAULTS)
    this.#drops = drops
  }

  get subscribers(): number {
    return this.#listeners.size
  }

  override subscription(peer: Peer, subscribe: boolean, topic: Buffer): void {
    super.subscription(peer, subscribe, topic)
    // One that takes back all it had asked for hears nothing any more.
    if (this.subscriptions.bytesOf(peer) > 0) this.#listeners.add(peer)
    else this.#listeners.delete(peer)
    for (const waiter of this.#waiters) waiter.check()
  }

  /** To each listener in the dialect that it reads. A native one asks for everything: topics are of the other dialect's texts. */
  publish(message: Published): void {
    if (message.native === undefined) {
      this.send(message.plain())
      return
    }
    // Written even where nobody hears it: what cannot be is told.
    const native = message.native()
    const natives = [...this.#natives].filter((peer) => this.#listeners.has(peer))
    const plain = this.#listeners.size === natives.length ? undefined : message.plain()
    // Both are there: nobody hears of it what others cannot be told.
    this.#sendTo(natives, native)
    if (plain === undefined) return
    this.#sendTo(
      [...this.subscriptions.holdersFor(plain[0] as Buffer)].filter((peer) => !this.#natives.has(peer)),
      plain,
    )
  }

  override ready(peer: Peer): void {
    super.ready(peer)
    if (speaksNative(peer.info)) this.#natives.add(peer)
  }

  override lost(peer: Peer): void {
    super.lost(peer)
    this.#listeners.delete(peer)
    this.#natives.delete(peer)
  }

  #sendTo(peers: readonly Peer[], message: Message): void {
    const shared = new SharedMessage(message, peers.length)
    for (const peer of peers) if (!peer.sendShared(shared)) this.dropped(peer)
  }

  protected override dropped(peer: Peer): void {
    this.#drops.drop('slowSubscriber', peer)
  }

  /** False when the time was over first. */
  whenHeard(subscribers: number, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (heard: boolean): void => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
        resolve(heard)
      }
      const waiter = {
        check: () => {
          if (this.#listeners.size >= subscribers) settle(true)
        },
        giveUp: () => settle(false),
      }
      const timer = setTimeout(waiter.giveUp, timerMs(timeoutMs))
      this.#waiters.add(waiter)
      waiter.check()
    })
  }

  /** Whoever waits is told that the time is over. */
  close(): void {
    for (const waiter of this.#waiters) waiter.giveUp()
  }
}
