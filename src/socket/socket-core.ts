/**
 * A socket without its pattern: endpoints, connections, events, closing. The socket classes stand on it, and so does the
 * RPC layer, which takes messages from it without a promise each.
 *
 * `immediate` and the queue of a connecting peer: an outgoing connection owns its queue from `connect` on, before it is
 * there and across reconnects, so that a pattern feeds endpoints that are away, too; with `immediate` a peer is only
 * attached while it is connected.
 */

import { ProtocolError, SocketError, toError } from '../errors.ts'
import { Acceptor, bindError } from '../session/acceptor.ts'
import { Backoff } from '../session/backoff.ts'
import { Dialer } from '../session/dialer.ts'
import { InprocPeer } from '../session/inproc.ts'
import type { Peer, PeerHandler } from '../session/peer.ts'
import type { Session, SessionOptions } from '../session/session.ts'
import { type Address, parseEndpoint } from '../transport/endpoint.ts'
import type { Listener, ListenHandler, Pipe, TransportOptions } from '../transport/pipe.ts'
import { dial, listen } from '../transport/transports.ts'
import { type AuthAnswer, AuthRefused, LimitExceeded, type SocketType } from '../wire/index.ts'
import type { Context } from './context.ts'
import { MAX_COMMAND_BYTES, MAX_MESSAGE_FRAMES } from './limits.ts'
import { mechanismOf } from './mechanism.ts'
import type { Event } from './observer.ts'
import type { SocketOptionValues } from './options.ts'
import type { PeerListener } from './pattern.ts'
import { type FullCounts, noRefusals, type SocketStats } from './stats.ts'

const DEFAULT_MAX_MESSAGE_BYTES = 256 * 1024 * 1024

interface BoundEndpoint {
  readonly endpoint: string
  close(lingerMs: number): Promise<void>
}

interface ConnectedEndpoint {
  /** As given to `connect`. */
  readonly endpoint: string
  readonly peer: Peer
  close(lingerMs: number): Promise<void>
}

export class SocketCore {
  readonly type: SocketType
  readonly #listener: PeerListener
  readonly #options: SocketOptionValues
  readonly #context: Context
  readonly #emit: (event: Event) => void
  readonly #peers: PeerHandler
  readonly #attached = new Set<Peer>()
  #bound: BoundEndpoint[] = []
  #connected: ConnectedEndpoint[] = []
  /** Those with a connection of bytes, from its first moment to its last. */
  readonly #sessions = new Set<Session>()
  readonly #refused = noRefusals()
  readonly #full: FullCounts = { send: 0, receive: 0 }
  #failedHandshakes = 0
  #lostMessages = 0
  /** Bytes of connections that are over. */
  #bytesReceived = 0
  #bytesSent = 0
  /** Unbound or disconnected, and not done with what they have to write. */
  readonly #ending = new Set<{ close(lingerMs: number): Promise<void> }>()
  /** Binding under way, which comes to nothing when the socket is closed meanwhile. */
  readonly #binding = new Set<Promise<unknown>>()
  #lastEndpoint: string | null = null
  #closed: Promise<void> | undefined

  /** `options` is read anew for each endpoint. `emit` is told every event. */
  constructor(type: SocketType, listener: PeerListener, options: SocketOptionValues, context: Context, emit: (event: Event) => void) {
    this.type = type
    this.#listener = listener
    this.#options = options
    this.#context = context
    this.#emit = emit
    const { numbered } = listener
    this.#peers = {
      ready: (peer) => {
        // One that was disconnected is here to write what waits, and for nothing else.
        if (peer.connecting && !this.#connected.some((endpoint) => endpoint.peer === peer)) return
        this.#attach(peer)
        listener.ready(peer)
      },
      message: (peer, message) => listener.message(peer, message),
      ...(numbered && { numbered: numbered.bind(listener) }),
      subscription: (peer, subscribe, topic) => listener.subscription(peer, subscribe, topic),
      writable: (peer) => listener.writable(peer),
      full: (peer, queue) => {
        this.#full[queue]++
        emit({ type: 'queue:full', queue, address: peer.endpoint, remoteAddress: peer.remoteAddress })
      },
      lost: (peer, reason) => {
        listener.lost(peer, reason)
        if (!peer.connecting || this.#options.immediate) this.#detach(peer)
      },
    }
    context.opened(this)
  }

  get closed(): boolean {
    return this.#closed !== undefined
  }

  /** The endpoint of the last `bind` or `connect`, resolved; null before the first (ZMQ_LAST_ENDPOINT). */
  get lastEndpoint(): string | null {
    return this.#lastEndpoint
  }

  /** Endpoints that are bound, resolved; none from the beginning of `close` on. */
  get boundEndpoints(): string[] {
    if (this.#closed !== undefined) return []
    return this.#bound.map(({ endpoint }) => endpoint)
  }

  /** Resolves with the endpoint as bound. @throws SocketError EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL, … */
  async bind(endpoint: string): Promise<string> {
    this.#checkOpen()
    const address = parseEndpoint(endpoint, 'bind')
    const binding = this.#listenOpen(endpoint, address)
    this.#binding.add(binding)
    try {
      return await binding
    } finally {
      this.#binding.delete(binding)
    }
  }

  async #listenOpen(endpoint: string, address: Address): Promise<string> {
    const bound = await this.#listen(endpoint, address).catch((error: unknown) => {
      const failure = error instanceof SocketError ? error : bindError(endpoint, toError(error))
      this.#emit({ type: 'bind:error', address: endpoint, error: failure })
      throw failure
    })
    if (this.closed) {
      await bound.close(0)
      throw new SocketError('EBADF', { address: endpoint })
    }
    this.#bound.push(bound)
    this.#lastEndpoint = bound.endpoint
    this.#emit({ type: 'bind', address: bound.endpoint })
    return bound.endpoint
  }

  /** Stops listening and ends the connections that came in. @throws SocketError ENOENT: it wants the resolved endpoint. */
  async unbind(endpoint: string): Promise<void> {
    this.#checkOpen()
    const bound = this.#bound.find((candidate) => candidate.endpoint === endpoint)
    if (bound === undefined) {
      throw new SocketError('ENOENT', {
        text: `'${endpoint}' is not bound (after a wildcard or port 0, unbind lastEndpoint)`,
        address: endpoint,
      })
    }
    this.#bound = this.#bound.filter((candidate) => candidate !== bound)
    await this.#finish(bound, this.#options.linger)
    this.#emit({ type: 'close', address: endpoint })
  }

  /** Starts to connect and returns the peer, which may be sent to at once. @throws SocketError EINVAL, … */
  connect(endpoint: string): Peer {
    this.#checkOpen()
    const address = parseEndpoint(endpoint, 'connect')
    const connected = address.transport === 'inproc' ? this.#connectInproc(endpoint, address.name) : this.#dial(endpoint, address)
    this.#lastEndpoint = endpoint
    return connected.peer
  }

  /** @throws SocketError ENOENT when it is not connected. */
  disconnect(endpoint: string): Promise<void> {
    this.#checkOpen()
    const connected = this.#connected.find((candidate) => candidate.endpoint === endpoint)
    if (connected === undefined) throw new SocketError('ENOENT', { text: `'${endpoint}' is not connected`, address: endpoint })
    return this.#drop(connected, this.#options.linger)
  }

  #drop(connected: ConnectedEndpoint, lingerMs: number): Promise<void> {
    this.#connected = this.#connected.filter((candidate) => candidate !== connected)
    // Closing first: a peer that is not read from any more must not hand over what it kept when it is let go.
    const finished = this.#finish(connected, lingerMs)
    this.#detach(connected.peer)
    return finished.then(() => this.#countLost(connected.peer))
  }

  async #finish(endpoint: BoundEndpoint, lingerMs: number): Promise<void> {
    this.#ending.add(endpoint)
    await endpoint.close(lingerMs)
    this.#ending.delete(endpoint)
  }

  /** Resolves when everything is closed; `lingerMs` as the option `linger`. A second call waits for the first. */
  close(lingerMs: number): Promise<void> {
    if (this.#closed !== undefined) return this.#closed
    let end: (closed: Promise<void>) => void = () => {}
    // There from the first moment on: what closing brings about may ask, or close again.
    this.#closed = new Promise((resolve) => {
      end = resolve
    })
    end(this.#close(lingerMs))
    return this.#closed
  }

  async #close(lingerMs: number): Promise<void> {
    const endpoints = [...this.#bound, ...this.#connected, ...this.#ending]
    await Promise.all([...endpoints.map((endpoint) => endpoint.close(lingerMs)), Promise.allSettled(this.#binding)])
    for (const { endpoint } of this.#bound) this.#emit({ type: 'close', address: endpoint })
    for (const peer of [...this.#attached]) this.#detach(peer)
    this.#context.closed(this)
    this.#emit({ type: 'end' })
  }

  /** See {@link SocketStats}; `lost` is one of its drops. */
  stats(): Omit<SocketStats, 'dropped'> & { lost: number } {
    let [connections, handshakes, queuedMessages] = [0, 0, 0]
    let [bytesReceived, bytesSent] = [this.#bytesReceived, this.#bytesSent]
    for (const session of this.#sessions) {
      if (!session.connected) handshakes++
      bytesReceived += session.bytesReceived
      bytesSent += session.bytesSent
    }
    for (const peer of this.#attached) {
      if (peer.connected) connections++
      queuedMessages += peer.queuedMessages
    }
    const refused = { ...this.#refused }
    return {
      connections,
      handshakes,
      failedHandshakes: this.#failedHandshakes,
      refused,
      full: { ...this.#full },
      queuedMessages,
      bytesReceived,
      bytesSent,
      lost: this.#lostMessages,
    }
  }

  #checkOpen(): void {
    if (this.closed) throw new SocketError('EBADF')
  }

  // ── Binding ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #listen(endpoint: string, address: Address): Promise<BoundEndpoint> {
    if (address.transport === 'inproc') return this.#bindInproc(endpoint, address.name)
    const { mechanism, load } = mechanismOf(this.#options)
    const transportOptions = this.#transportOptions()
    const start = async (handler: ListenHandler): Promise<Listener> => {
      if (load !== undefined) await load()
      return listen(address, transportOptions, handler)
    }
    const { maxConnections, maxConnectionsPerAddress, maxHandshakes } = this.#options
    const limits = { maxConnections, maxConnectionsPerAddress, maxHandshakes }
    return Acceptor.listen(start, { ...this.#sessionOptions(), mechanism, ...limits }, this.#peers, {
      accepted: (session) => {
        this.#sessions.add(session)
        this.#emit({ type: 'accept', address: session.endpoint, remoteAddress: session.remoteAddress })
      },
      refused: (limit, error, remoteAddress, session) => {
        this.#refused[limit]++
        // One that was accepted is told of when it has ended.
        if (session === undefined) this.#emit({ type: 'accept:error', address: error.address ?? endpoint, remoteAddress, error })
      },
      handshake: (session) => this.#emit({ type: 'handshake', address: session.endpoint, remoteAddress: session.remoteAddress }),
      disconnected: (session, reason) => this.#ended(session, reason),
      failed: (bound, error) => this.#emit({ type: 'accept:error', address: bound, error }),
    })
  }

  #bindInproc(endpoint: string, name: string): BoundEndpoint {
    const peers = new Set<InprocPeer>()
    const owner = {
      connected: () => this.#emit({ type: 'handshake', address: endpoint }),
      refused: (peer: InprocPeer, error: Error) => {
        peers.delete(peer)
        this.#emit({ type: 'handshake:error:protocol', address: endpoint, error })
      },
      disconnected: (peer: InprocPeer, reason: Error | undefined) => {
        peers.delete(peer)
        if (!peer.closing) this.#emit({ type: 'disconnect', address: endpoint, error: reason })
      },
    }
    const accept = (connecting: InprocPeer): void => {
      const peer = new InprocPeer(endpoint, false, this.#sessionOptions(), this.#peers, owner)
      peers.add(peer)
      InprocPeer.join(peer, connecting)
    }
    this.#context.inproc.bind(name, accept)
    return {
      endpoint,
      close: async (lingerMs) => {
        this.#context.inproc.unbind(name, accept)
        await Promise.all([...peers].map((peer) => peer.close(lingerMs)))
      },
    }
  }

  // ── Connecting ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #dial(endpoint: string, address: Exclude<Address, { transport: 'inproc' }>): ConnectedEndpoint {
    const { mechanism, load } = mechanismOf(this.#options)
    const attempt = async (signal: AbortSignal): Promise<Pipe> => {
      if (load !== undefined) await load()
      return dial(address, this.#transportOptions(), signal)
    }
    const { reconnectInterval, reconnectMaxInterval } = this.#options
    const dialerOptions = { ...this.#sessionOptions(), mechanism, reconnectInterval, reconnectMaxInterval }
    const dialer = new Dialer(endpoint, attempt, dialerOptions, this.#peers, {
      connected: (session) => {
        this.#sessions.add(session)
        this.#emit({ type: 'connect', address: endpoint, remoteAddress: session.remoteAddress })
      },
      handshake: (session) => this.#emit({ type: 'handshake', address: endpoint, remoteAddress: session.remoteAddress }),
      disconnected: (session, reason) => this.#ended(session, reason),
      waiting: (_session, reason, retryMs) => {
        // Without a next attempt the endpoint is given up, as in libzmq: its queue would take messages for nobody.
        if (retryMs === undefined) void this.#drop(connected, 0)
        else this.#emit({ type: 'connect:retry', address: endpoint, interval: retryMs, error: reason })
      },
    })
    const connected: ConnectedEndpoint = { endpoint, peer: dialer.session, close: (lingerMs) => dialer.close(lingerMs) }
    this.#connected.push(connected)
    this.#listener.connecting?.(dialer.session)
    if (!this.#options.immediate) this.#attach(dialer.session)
    this.#emit({ type: 'connect:delay', address: endpoint })
    dialer.start()
    return connected
  }

  #connectInproc(endpoint: string, name: string): ConnectedEndpoint {
    const peer = new InprocPeer(endpoint, true, this.#sessionOptions(), this.#peers, {
      connected: () => this.#emit({ type: 'handshake', address: endpoint }),
      disconnected: (_peer, reason) => {
        if (!peer.closing) this.#emit({ type: 'disconnect', address: endpoint, error: reason })
        again(false)
      },
      refused: (_peer, error) => {
        this.#emit({ type: 'handshake:error:protocol', address: endpoint, error })
        again(true)
      },
    })
    const { reconnectInterval, reconnectMaxInterval } = this.#options
    const backoff = new Backoff({ reconnectInterval, reconnectMaxInterval })
    let finished = false
    // It comes back as over any transport (libzmq's does not), whether the name is still bound or will be again.
    const again = (refused: boolean): void => {
      const retryMs = backoff.next(refused)
      if (finished) return
      if (retryMs === undefined) void this.#drop(connected, 0)
      else setTimeout(() => finished || this.#context.inproc.connect(name, peer), retryMs).unref()
    }
    const close = async (lingerMs: number): Promise<void> => {
      await peer.close(lingerMs)
      finished = true
      this.#context.inproc.forget(name, peer)
    }
    const connected: ConnectedEndpoint = { endpoint, peer, close }
    this.#connected.push(connected)
    this.#listener.connecting?.(peer)
    if (!this.#options.immediate) this.#attach(peer)
    this.#emit({ type: 'connect:delay', address: endpoint })
    this.#context.inproc.connect(name, peer)
    return connected
  }

  // ── Peers and events ────────────────────────────────────────────────────────────────────────────────────────────────

  #attach(peer: Peer): void {
    if (this.#attached.has(peer)) return
    this.#attached.add(peer)
    this.#listener.attached(peer)
  }

  #detach(peer: Peer): void {
    if (this.#attached.delete(peer)) this.#listener.detached(peer)
    this.#countLost(peer)
  }

  #countLost(peer: Peer): void {
    this.#lostMessages += peer.lostMessages
    peer.lostMessages = 0
  }

  /** A connection is gone, before or after its handshake. What we end ourselves is no news, as in libzmq. */
  #ended(session: Session, reason: Error | undefined): void {
    this.#sessions.delete(session)
    this.#bytesReceived += session.bytesReceived
    this.#bytesSent += session.bytesSent
    if (session.closing) return
    const about = { address: session.endpoint, remoteAddress: session.remoteAddress }
    if (!session.wasConnected) this.#failedHandshakes++
    if (reason instanceof LimitExceeded) this.#refused[reason.limit]++
    if (session.wasConnected) this.#emit({ type: 'disconnect', ...about, error: reason })
    else if (reason instanceof AuthRefused) this.#emit({ type: 'handshake:error:auth', ...about, error: reason })
    else if (reason instanceof ProtocolError) this.#emit({ type: 'handshake:error:protocol', ...about, error: reason })
    else
      this.#emit({
        type: 'handshake:error:other',
        ...about,
        error: reason ?? new Error('the peer closed the connection during the handshake'),
      })
  }

  // ── Options as the floors below want them ───────────────────────────────────────────────────────────────────────────

  #transportOptions(): TransportOptions {
    const { backlog, ipv6, connectTimeout, tcpKeepalive, tcpKeepaliveIdle } = this.#options
    const tcpKeepaliveMs = tcpKeepalive === 1 ? Math.max(tcpKeepaliveIdle, 0) * 1000 : undefined
    return { backlog, ipv6, connectTimeoutMs: connectTimeout, tcpKeepaliveMs }
  }

  /** All but the mechanism: peers of inproc have none. */
  #sessionOptions(): Omit<SessionOptions, 'mechanism'> {
    const options = this.#options
    const maxMessageBytes = options.maxMessageSize < 0 ? DEFAULT_MAX_MESSAGE_BYTES : options.maxMessageSize
    return {
      socketType: this.type,
      routingId: Buffer.from(options.routingId ?? '', 'utf8'),
      properties: Object.entries(options.handshakeProperties).map(([name, value]) => [name, Buffer.from(value)]),
      sendHighWaterMark: options.sendHighWaterMark,
      receiveHighWaterMark: options.receiveHighWaterMark,
      maxQueueBytes: options.maxQueueBytes,
      conflate: options.conflate,
      limits: {
        maxFrameBytes: maxMessageBytes,
        maxMessageBytes,
        maxMessageFrames: MAX_MESSAGE_FRAMES,
        maxCommandBytes: MAX_COMMAND_BYTES,
        maxHandshakeBytes: options.maxHandshakeBytes,
      },
      heartbeat: {
        intervalMs: options.heartbeatInterval,
        timeoutMs: options.heartbeatTimeout < 0 ? options.heartbeatInterval : options.heartbeatTimeout,
        ttlMs: options.heartbeatTimeToLive,
      },
      handshakeTimeoutMs: options.handshakeInterval,
      authenticate: async (request, peer): Promise<AuthAnswer> => {
        if (options.authenticate === null) {
          // Without an authenticator any key will do, since the client knows ours, as in libzmq; but no password. Nobody is
          // refused for good, either: an authenticator may yet be set.
          return request.mechanism === 'CURVE' ? { status: 200, user: undefined } : { status: 300 }
        }
        try {
          return checked(await options.authenticate(request, { endpoint: peer.endpoint, remoteAddress: peer.remoteAddress }))
        } catch (error) {
          this.#emit({ type: 'handshake:error:other', address: peer.endpoint, remoteAddress: peer.remoteAddress, error: toError(error) })
          // Our trouble, and it may pass: on any ERROR a libzmq client would give up for good.
          return { status: 300 }
        }
      },
    }
  }
}

/** An application may answer anything. @throws TypeError for what is no answer */
function checked(answer: AuthAnswer): AuthAnswer {
  const status: unknown = (answer as AuthAnswer | null | undefined)?.status
  if (status === 200 || status === 300 || status === 400 || status === 500) return answer
  throw new TypeError('`authenticate` answers with a status of 200, 300, 400 or 500')
}
