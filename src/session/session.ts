/**
 * The one driver: joins a {@link Connection} (no I/O) and a {@link Pipe} (nothing but I/O) to a {@link Peer}.
 *
 * The life of the bytes: `onData` → `connection.receive` → `message` → pattern; `send` → `connection.send` → `#flush` →
 * `pipe.write`. A flush waits until the current turn's promises are done, or until there is enough for the far end to
 * begin with, so that all replies of one turn are a few writes.
 *
 * Backpressure: while the pipe is full, messages wait in the outbox up to its high-water mark; while the application's
 * inbox is full, `pause` stops reading and TCP slows the far end down.
 */

import { performance } from 'node:perf_hooks'
import type { Pipe, PipeHandler } from '../transport/pipe.ts'
import {
  type AuthAnswer,
  type AuthRequest,
  type Body,
  Connection,
  type ConnectionHandler,
  type ConnectionLimits,
  encodeMetadata,
  type HeartbeatOptions,
  type MechanismFactory,
  type Message,
  type PeerInfo,
  type Property,
  type SocketType,
  socketProperties,
} from '../wire/index.ts'
import { Peer, type PeerHandler, type QueueLimits, type SharedMessage } from './peer.ts'

export interface SessionOptions extends QueueLimits {
  socketType: SocketType
  mechanism: MechanismFactory
  /** Sent as Identity by REQ, DEALER and ROUTER; empty for none. */
  routingId: Buffer
  /** Properties of ours in READY, `X-…`. */
  properties: readonly Property[]
  limits: ConnectionLimits
  heartbeat: HeartbeatOptions
  /** 0 for no limit. */
  handshakeTimeoutMs: number
  /** Decides about the clients of a server. */
  authenticate: (request: AuthRequest, peer: Peer) => AuthAnswer | Promise<AuthAnswer>
}

/**
 * Encoded bytes are given to the pipe at once when there are so many: the far end reads while we write on. Else two ends that keep
 * hundreds of calls in flight wait for each other by turns, each with a core of its own. The first time in a turn it takes few; then
 * twice as many each time, since every write has its price. Two of the largest fit a slab of the writer.
 * Measured, native calls against one write a turn: 1.6 times as many with 100 in flight, 1.1 times with 1000.
 */
const FIRST_FLUSH_BYTES = 1536
const MAX_FLUSH_BYTES = 31 * 1024

/** Time for a peer to take our last words (an ERROR) when we end its connection. */
const ENDING_MS = 1000

/** Whoever made a session and looks after its connections: the dialer or the listener. */
export interface SessionOwner {
  /** A handshake is over. */
  opened(session: Session): void
  /** A connection is gone, once for each pipe. `reason` is undefined when the far end closed it in good order. */
  closed(session: Session, reason: Error | undefined): void
}

export class Session extends Peer implements ConnectionHandler, PipeHandler {
  readonly #options: SessionOptions
  readonly #handler: PeerHandler
  readonly #owner: SessionOwner

  #pipe: Pipe | undefined
  /** Of the last pipe: still wanted when it is told why it closed. */
  #remoteAddress: string | undefined
  #bytesReceived = 0
  #bytesSent = 0
  #connection: Connection | undefined
  #info: PeerInfo | undefined
  #connected = false
  /** The handshake of the last connection was finished; stays true after its loss. */
  #handshaken = false
  /** The last attempt ended in the middle of the greeting. */
  #stagedGreeting = false
  /** The pipe is full: messages wait in the outbox. */
  #blocked = false
  #flushScheduled = false
  /** Encoded bytes that do not wait for the end of this turn. */
  #flushBytes = FIRST_FLUSH_BYTES
  #reading = true
  /** Not read from since its connection is there: whoever paused it has no room at all. */
  #neverRead = false
  /** The connection is gone, and what it has left is too much: it is counted. */
  #losing = false
  /** Why the connection ends, when we found the reason. */
  #reason: Error | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY
  /** Set while a pipe ends for a reason of ours. */
  #ending: NodeJS.Timeout | undefined
  #closing = false
  /** The end that `close` brings about, once. */
  #finished: Promise<void> | undefined
  /** Called when the outbox is empty or lost; set while `close` waits for it. */
  #emptied: (() => void) | undefined
  /** Called when the pipe has closed; set while `close` waits for it. */
  #gone: (() => void) | undefined

  constructor(endpoint: string, connecting: boolean, options: SessionOptions, handler: PeerHandler, owner: SessionOwner) {
    super(endpoint, connecting, options)
    this.#options = options
    this.#handler = handler
    this.#owner = owner
  }

  get info(): PeerInfo | undefined {
    return this.#info
  }

  get remoteAddress(): string | undefined {
    return this.#remoteAddress
  }

  get connected(): boolean {
    return this.#connected
  }

  /** Whether the last connection finished its handshake. */
  get wasConnected(): boolean {
    return this.#handshaken
  }

  /** Of this connection, or of the last one. */
  get bytesReceived(): number {
    return this.#pipe?.bytesReceived ?? this.#bytesReceived
  }

  get bytesSent(): number {
    return this.#pipe?.bytesSent ?? this.#bytesSent
  }

  /** True from `close` on. */
  get closing(): boolean {
    return this.#closing
  }

  /** Takes a fresh pipe and starts the handshake. */
  open(pipe: Pipe): void {
    const { socketType, routingId, properties, mechanism, limits, heartbeat, handshakeTimeoutMs } = this.#options
    const metadata = encodeMetadata(socketProperties(socketType, routingId, properties))
    const connection = new Connection(
      {
        socketType,
        mechanism: mechanism(metadata),
        limits,
        heartbeat,
        handshakeTimeoutMs,
        stagedGreeting: this.#stagedGreeting,
        numbered: this.#handler.numbered !== undefined,
      },
      this,
    )
    this.#pipe = pipe
    this.#remoteAddress = pipe.remoteAddress
    this.#connection = connection
    this.#reason = undefined
    this.#handshaken = false
    connection.start(performance.now())
    pipe.open(this)
    this.#flush()
    this.#armTimer(connection)
  }

  // ── Peer: what the pattern asks for ─────────────────────────────────────────────────────────────────────────────────

  send(message: Message): boolean {
    // Nothing overtakes what waits already.
    if (this.#connected && !this.#blocked && this.outbox.length === 0) {
      const connection = this.#connection as Connection
      connection.send(message)
      this.#written(connection)
      return true
    }
    if (!this.outbox.full) {
      this.outbox.push([...message])
      return true
    }
    this.askForRoom()
    return false
  }

  override sendNumbered(number: number, body: Body): boolean {
    if (!this.#connected || this.#blocked || this.outbox.length > 0) return super.sendNumbered(number, body)
    const connection = this.#connection as Connection
    connection.sendNumbered(number, body)
    this.#written(connection)
    return true
  }

  sendShared(shared: SharedMessage): boolean {
    if (this.#connected && !this.#blocked && this.outbox.length === 0) {
      const connection = this.#connection as Connection
      if (shared.alone || connection.encrypted) connection.send(shared.message)
      else connection.sendEncoded(shared.encoded)
      this.#written(connection)
      return true
    }
    if (this.outbox.push(shared.kept)) return true
    this.askForRoom()
    return false
  }

  sendSubscription(subscribe: boolean, topic: Buffer): void {
    if (!this.#connected) return
    this.#connection?.sendSubscription(subscribe, topic)
    this.#scheduleFlush()
  }

  pause(): void {
    if (!this.#reading) return
    this.#reading = false
    this.filled('receive')
    // A handshake goes on whoever is paused: `ready` sees to the rest.
    if (this.#connected) this.#stopReading()
  }

  protected override filled(queue: 'send' | 'receive'): void {
    this.#handler.full?.(this, queue)
  }

  resume(): void {
    if (this.#reading) return
    this.#reading = true
    this.#neverRead = false
    const connection = this.#connection
    if (connection === undefined || !this.#connected) return
    connection.resume(performance.now())
    this.#afterInput(connection)
    // What was kept may have filled the inbox again.
    if (this.#reading) this.#pipe?.resume()
  }

  disconnect(reason: Error): void {
    if (this.#connection !== undefined) this.#end(reason)
  }

  async close(lingerMs: number): Promise<void> {
    this.#closing = true
    if (lingerMs === 0) this.#giveUp()
    const timer = lingerMs > 0 ? setTimeout(() => this.#giveUp(), lingerMs) : undefined
    this.#finished ??= this.#finish()
    await this.#finished
    clearTimeout(timer)
  }

  async #finish(): Promise<void> {
    // An accepted connection that is gone takes its queue along; a connecting peer may still come back.
    if (this.outbox.length > 0 && (this.connecting || this.#pipe !== undefined)) {
      await new Promise<void>((resolve) => {
        this.#emptied = resolve
      })
    }
    const pipe = this.#pipe
    if (pipe === undefined) return
    const gone = new Promise<void>((resolve) => {
      this.#gone = resolve
    })
    this.#flush()
    this.#connected = false
    pipe.end()
    await gone
  }

  /** The linger time is over. */
  #giveUp(): void {
    this.loseQueued()
    this.#emptied?.()
    this.#flush()
    this.#pipe?.destroy()
  }

  // ── PipeHandler: what the transport brings ──────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer): void {
    const connection = this.#connection
    if (connection === undefined) return
    connection.receive(chunk, performance.now())
    this.#afterInput(connection)
  }

  onDrained(): void {
    if (!this.#blocked) return
    this.#blocked = false
    this.#connection?.setOutputBlocked(false)
    this.#pump()
  }

  onClosed(error: Error | undefined): void {
    const reason = this.#reason ?? this.#connection?.reasonIfClosedNow ?? error
    // Most likely it has another mechanism: the next time it is to say so first.
    if (this.connecting && this.#connection?.state === 'greeting') this.#stagedGreeting = true
    this.#bytesReceived = this.bytesReceived
    this.#bytesSent = this.bytesSent
    this.#pipe = undefined
    this.#connected = false
    this.#blocked = false
    this.#drain()
    this.#connection?.close()
    this.#connection = undefined
    clearTimeout(this.#ending)
    this.#ending = undefined
    this.#armTimer(undefined)
    if (!this.connecting) {
      this.loseQueued()
      this.#emptied?.()
    }
    if (this.#handshaken) this.#handler.lost(this, reason)
    this.#owner.closed(this, reason)
    this.#gone?.()
  }

  /**
   * What came before the end counts, also when nobody was ready for it. But peers that come and go while there is no room at all
   * must not make us hold a chunk of each.
   */
  #drain(): void {
    this.#losing = this.#neverRead
    this.#connection?.drain(performance.now())
    this.#losing = false
  }

  // ── ConnectionHandler: what the bytes mean ──────────────────────────────────────────────────────────────────────────

  authenticate(request: AuthRequest): void {
    const connection = this.#connection as Connection
    const answer = this.#options.authenticate(request, this)
    if (!(answer instanceof Promise)) return connection.answer(answer, performance.now())
    void answer.then((answered) => {
      // The client may have left meanwhile, or the handshake's time may be over: then nobody listens.
      if (connection !== this.#connection) return
      connection.answer(answered, performance.now())
      this.#afterInput(connection)
    })
  }

  /** [RFC 37] The handshake is over: what waited goes first, after the pattern's own greeting (subscriptions). */
  ready(info: PeerInfo): void {
    this.#info = info
    this.#connected = true
    this.#handshaken = true
    this.#stagedGreeting = false
    if (!this.#reading) this.#stopReading()
    this.#owner.opened(this)
    this.#handler.ready(this)
    this.#neverRead = !this.#reading
    this.#pump()
  }

  message(message: Message): void {
    if (this.#losing) this.lostMessages++
    else if (!this.#closing) this.#handler.message(this, message)
  }

  numbered(number: number, body: Buffer): void {
    if (this.#losing) this.lostMessages++
    else if (!this.#closing) this.#handler.numbered?.(this, number, body)
  }

  subscription(subscribe: boolean, topic: Buffer): void {
    if (!this.#closing) this.#handler.subscription(this, subscribe, topic)
  }

  /** The connection found a reason to end: what it still has to say (an ERROR) is written first. */
  closed(reason: Error): void {
    this.#end(reason)
  }

  // ── Output ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A message is encoded: it goes out with the turn, or at once when there is enough of it. */
  #written(connection: Connection): void {
    if (connection.outputBytes >= this.#flushBytes) {
      this.#flushBytes = Math.min(2 * this.#flushBytes, MAX_FLUSH_BYTES)
      this.#flush()
    }
    // Also after a flush: the end of the turn is to be seen.
    if (!this.#flushScheduled) this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    // Not a microtask: `nextTick` runs once all promises of this turn have settled, and so takes all that they sent.
    process.nextTick(flushScheduled, this)
  }

  /** Only for {@link flushScheduled}. */
  flushNow(): void {
    this.#flushScheduled = false
    this.#flushBytes = FIRST_FLUSH_BYTES
    this.#flush()
  }

  #flush(): void {
    const connection = this.#connection
    const pipe = this.#pipe
    if (connection === undefined || pipe === undefined || connection.outputBytes === 0) return
    if (pipe.write(connection.takeOutput()) || this.#blocked) return
    this.#blocked = true
    connection.setOutputBlocked(true)
  }

  /** Writes what waits, as far as the pipe takes it. */
  #pump(): void {
    const connection = this.#connection
    if (connection === undefined || !this.#connected) return
    while (!this.#blocked) {
      const message = this.outbox.shift()
      if (message === undefined) break
      connection.send(message)
      if (connection.outputBytes >= MAX_FLUSH_BYTES) this.#flush()
    }
    if (!this.#blocked) this.#flush()
    if (this.refused && this.outbox.halfEmpty) {
      this.refused = false
      this.#handler.writable(this)
    }
    if (this.outbox.length === 0) this.#emptied?.()
  }

  #afterInput(connection: Connection): void {
    if (connection !== this.#connection) return
    if (connection.outputBytes > 0 && !this.#flushScheduled) this.#flush()
    this.#armTimer(connection)
  }

  #stopReading(): void {
    this.#connection?.pause()
    this.#pipe?.pause()
  }

  /** Ends the connection under way for a reason of ours; `onClosed` does the rest. Messages wait from now on. */
  #end(reason: Error): void {
    this.#reason ??= reason
    this.#connected = false
    this.#flush()
    this.#connection?.close()
    // A peer that does not read would never let the pipe end in good order: it gets no more than a moment.
    const pipe = this.#pipe
    if (this.#blocked) return pipe?.destroy()
    pipe?.end()
    this.#ending ??= setTimeout(() => pipe?.destroy(), ENDING_MS).unref()
  }

  // ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * One timer a connection, moved only when a deadline comes nearer; one that has moved away is seen when it fires. Without
   * a deadline there is none: most connections need no timer once the handshake is over.
   */
  #armTimer(connection: Connection | undefined): void {
    const deadline = connection?.deadline ?? Number.POSITIVE_INFINITY
    if (deadline >= this.#timerAt && (deadline !== Number.POSITIVE_INFINITY || this.#timer === undefined)) return
    clearTimeout(this.#timer)
    this.#timerAt = deadline
    if (deadline === Number.POSITIVE_INFINITY) {
      this.#timer = undefined
      return
    }
    // Rounded up: a timer that fires early would be armed again for the rest of a millisecond.
    this.#timer = setTimeout(timerFired, Math.ceil(deadline - performance.now()), this)
    this.#timer.unref()
  }

  /** Only for {@link timerFired}. */
  timerFired(): void {
    const connection = this.#connection
    this.#timerAt = Number.POSITIVE_INFINITY
    if (connection === undefined) return
    // After the process has stood still, timers come before what has arrived meanwhile: that is read first, lest a peer
    // that has answered long ago is taken for dead.
    if (performance.now() >= connection.deadline) setImmediate(inputRead, this)
    else this.#armTimer(connection)
  }

  /** Only for {@link inputRead}. */
  tick(): void {
    const connection = this.#connection
    if (connection === undefined) return
    const now = performance.now()
    if (now >= connection.deadline) connection.tick(now)
    if (connection === this.#connection && !this.#blocked) this.#flush()
    this.#armTimer(connection)
  }
}

function flushScheduled(session: Session): void {
  session.flushNow()
}

function timerFired(session: Session): void {
  session.timerFired()
}

function inputRead(session: Session): void {
  session.tick()
}
