/**
 * One REQ endpoint of a client: many calls in flight on one connection.
 *
 * On the wire a DEALER that sends `[correlation id][empty][body…]`: a REP, pyzmqrpc3's included, returns everything up to the
 * empty frame untouched, so each reply finds its call, and a lost one hurts only its own. Which dialect the body is in, the
 * server's handshake decides, anew for each connection.
 *
 * - Calls wait, up to a limit, while the far end is away or has enough to answer, and are then sent in order.
 * - Calls that were written when the connection is lost fail at once: their replies have nowhere to go. Those that were
 *   not written yet wait on.
 * - When the far end refuses the password or key, all calls fail at once, and so do new ones, until it lets us in. A server
 *   with another key than ours closes without a word: twice in a row counts.
 * - A call that ends before it was written is not written any more.
 * - A server of the native dialect is told when a call was given up, and tells us when it is about to stop: new calls go to
 *   another one then, if there is one. So do those that had crossed with its word, and were turned away.
 * - When the only call in flight to a pyzmqrpc3 server times out and nothing was heard since it was sent, the connection is made
 *   again: such a server may be stuck with it.
 */

import { toError } from '../../errors.ts'
import { isHeard, publish } from '../../observability/events.ts'
import type { Peer } from '../../session/peer.ts'
import { context } from '../../socket/context.ts'
import type { Event } from '../../socket/observer.ts'
import { DEFAULT_OPTIONS } from '../../socket/options.ts'
import type { PeerListener } from '../../socket/pattern.ts'
import { SocketCore } from '../../socket/socket-core.ts'
import { AuthRefused, framesOf, HelloRefused, MechanismMismatch, type Message, numberOfMessage, toNumbered } from '../../wire/index.ts'
import type { SecurityOptions } from '../auth.ts'
import { CallTable } from '../call-table.ts'
import type { Deadlines } from '../deadlines.ts'
import { ANNOUNCEMENT, type Dialect, nativeKind, speaksNative } from '../dialect/announcement.ts'
import { FLAG, KIND, numberOf, setNumber } from '../dialect/native/header.ts'
import { decodeError, decodeGoAway, decodeHello, encodeCancel, encodeGoAway, FEATURE, type Hello } from '../dialect/native/message.ts'
import { Drops } from '../drops.ts'
import { CONNECTION_OPTIONS, type Endpoint, publishSocketEvent } from '../endpoint.ts'
import { STATUS } from '../error/status.ts'
import { Fifo } from '../fifo.ts'
import { CallCounters, type ServerLinkStats } from '../stats.ts'
import { Call, type CallCarrier, type CallSettings } from './call.ts'
import { LinkErrors } from './link-errors.ts'
import { ReadyWaiters } from './ready-waiters.ts'
import type { CallRequest } from './request.ts'

export interface RequestLinkOptions {
  /** The credentials to show. */
  security: SecurityOptions
  maxQueued: number
  maxMessageBytes: number
  /** Whether the native dialect is announced. @default true */
  native?: boolean
  /** Number of the first call; after 2^32 - 1 comes 1. @default 1 */
  firstId?: number
  /** What the client counts. @default of its own */
  counters?: CallCounters
  drops?: Drops
}

/** Told where calls that were not sent could go. */
export interface RequestLinkOwner {
  /** A new connection, before what waits is sent. */
  ready(link: RequestLink): void
  /** The connection is lost, refused, or about to end: what was not sent waits for the next one. */
  away(link: RequestLink): void
  /** What the server tells about itself. */
  hello(link: RequestLink, hello: Hello): void
  /** Who takes a movable call that the server turns away since it is about to stop; undefined where there is only this one. */
  placeFor(link: RequestLink): RequestLink | undefined
}

/** The number of messages that belong to no call. */
const CONNECTION_ID = 0

/**
 * Calls in flight. libzmq's REP throws replies away while 1000 (its ZMQ_SNDHWM) wait for a client to read them; and of those that
 * were read, it may not have heard yet of 499.
 */
const MAX_IN_FLIGHT: Readonly<Record<Dialect, number>> = { native: 1000, pyzmqrpc3: 500 }

export class RequestLink implements PeerListener, CallCarrier {
  readonly endpoint: Endpoint
  readonly counters: CallCounters
  readonly #drops: Drops
  readonly #options: RequestLinkOptions
  readonly #owner: RequestLinkOwner
  readonly #deadlines: Deadlines
  readonly #core: SocketCore
  #peer: Peer
  /** Not written yet, in order. */
  readonly #queue = new Fifo<Call>()
  /** Written, or about to be: by the number under which the reply will come. */
  readonly #pending = new CallTable<Call>()
  /** Answered, but with streams that are still open: by the same number. */
  readonly #streaming = new CallTable<Call>()
  /** Messages of calls under way that must not be lost, and found the peer's queue full. */
  readonly #overflow: Message[] = []
  #dialect: Dialect = 'native'
  #draining = false
  #keeps: boolean | undefined
  /** Lanes, and how many calls of each are in flight. */
  readonly #lanes = new Map<string, number>()
  #nextId: number
  /** Messages heard so far. */
  #heard = 0
  /** Why the far end does not let us in. */
  #refusal: Error | undefined
  readonly #errors: LinkErrors
  #closed = false
  readonly #waiters = new ReadyWaiters()

  constructor(
    endpoint: Endpoint,
    options: RequestLinkOptions,
    deadlines: Deadlines,
    owner: RequestLinkOwner = { ready: () => {}, away: () => {}, hello: () => {}, placeFor: () => undefined },
  ) {
    this.endpoint = endpoint
    this.counters = options.counters ?? new CallCounters()
    this.#drops = options.drops ?? new Drops()
    this.#owner = owner
    this.#options = options
    this.#deadlines = deadlines
    this.#nextId = options.firstId ?? 1
    const { security, maxQueued, maxMessageBytes } = options
    this.#errors = new LinkErrors(endpoint, security)
    this.#core = new SocketCore(
      'DEALER',
      this,
      {
        ...DEFAULT_OPTIONS,
        ...CONNECTION_OPTIONS,
        ...security,
        handshakeProperties: options.native === false ? {} : ANNOUNCEMENT,
        sendHighWaterMark: maxQueued,
        maxMessageSize: maxMessageBytes,
      },
      context,
      (event) => this.#observe(event),
    )
    this.#peer = this.#core.connect(endpoint)
  }

  get connected(): boolean {
    return this.#peer.connected
  }

  /** True while the far end does not let us in. */
  get refused(): boolean {
    return this.#refusal !== undefined
  }

  /** True when it takes calls: it is connected, and not about to stop. */
  get available(): boolean {
    return this.#peer.connected && !this.#draining
  }

  /** Why there is no connection, in words; undefined while there is one. */
  get whyAway(): string | undefined {
    return this.connected ? undefined : this.#errors.away(this.#refusal)
  }

  /** Whether the far end has a buffer that keeps calls; undefined as long as it has not said so, nor otherwise. */
  get keeps(): boolean | undefined {
    return this.#keeps
  }

  /** What the far end is spoken to in; of the last one, where none is connected. */
  get dialect(): Dialect {
    return this.#dialect
  }

  /** Calls that wait or are in flight. */
  get callCount(): number {
    return this.#queue.size + this.#pending.size
  }

  /** Streams of its calls that are open. */
  get streams(): number {
    let open = 0
    for (const call of this.#pending.all()) open += call.openStreams
    for (const call of this.#streaming.all()) open += call.openStreams
    return open
  }

  stats(): ServerLinkStats {
    const { endpoint, connected, available } = this
    const dialect = connected ? this.#dialect : undefined
    return { endpoint, connected, available, dialect, queued: this.#queue.size, inFlight: this.#pending.size }
  }

  /** The result, or an error. A movable call may end up with another endpoint that is connected sooner. */
  call(request: CallRequest, settings: CallSettings, movable = false): Promise<unknown> {
    return new Promise((resolve) => {
      const call = new Call(this, request, settings, movable, resolve)
      this.counters.taken++
      if (isHeard('zmq-rpc:call:started')) this.#tellStart(call)
      if (this.#closed) return call.fail(this.#errors.closed(call))
      if (settings.signal?.aborted) return call.fail(this.#errors.givenUp(call, settings.signal.reason))
      if (this.#refusal !== undefined) return call.fail(this.#errors.refused(call, this.#refusal))
      if (call.thisConnection && !this.available) return call.fail(this.#errors.notThisTime(call, this.#draining))
      const waits = !this.#mayWrite || this.#queue.size > 0
      this.#deadlines.add(call, waits ? settings.timeoutMs - call.reserveMs : settings.timeoutMs)
      try {
        if (waits ? this.#enqueue(call) : this.#send(call, settings.timeoutMs)) return
      } catch (error) {
        this.#deadlines.remove(call)
        return call.fail(toError(error))
      }
      this.#deadlines.remove(call)
      call.fail(this.#errors.queueFull(call, this.#options.maxQueued, this.#peer.connected))
    })
  }

  /** Gives away the movable calls that were not sent yet, in order. */
  takeMovable(): Call[] {
    const calls = [...this.#queue].filter(({ movable }) => movable)
    for (const call of calls) this.#queue.delete(call)
    return calls
  }

  /** Takes calls over that another link gave away. */
  adopt(calls: readonly Call[]): void {
    for (const call of calls) {
      call.carrier = this
      this.#queue.add(call)
    }
    this.#sendQueued()
  }

  /** Resolves once messages can travel. @throws ZmqRpcError AUTH_REFUSED, NOT_CONNECTED after `timeoutMs`, CLOSED. */
  whenConnected(timeoutMs: number): Promise<void> {
    if (this.#peer.connected) return Promise.resolve()
    if (this.#closed) return Promise.reject(this.#errors.neverReady('the client is closed'))
    if (this.#refusal !== undefined) return Promise.reject(this.#errors.refused(undefined, this.#refusal))
    return this.#waiters.wait(timeoutMs, () => this.#errors.notReady(timeoutMs))
  }

  /** Fails what is under way, and closes. */
  close(): Promise<void> {
    this.#closed = true
    this.#failAll((call) => this.#errors.closedMeanwhile(call))
    this.#waiters.settle(this.#errors.neverReady('the client was closed'))
    return this.#core.close(0)
  }

  // ── CallCarrier ─────────────────────────────────────────────────────────────────────────────────────────────────────

  timedOut(call: Call): void {
    this.#forget(call)
    const { sent } = call
    const takenBack = this.#takeBack(call)
    const waitedMs = Math.round(call.timeoutMs - call.reserveMs)
    if (takenBack || (!sent && this.#peer.connected)) {
      const why = takenBack
        ? 'the far end does not keep up'
        : this.#draining
          ? 'it is about to stop'
          : `${this.#pending.size} calls before it are not answered yet`
      call.fail(this.#errors.notSent(call, takenBack ? call.timeoutMs : waitedMs, why))
      if (takenBack) this.#askAgain(call)
      return
    }
    if (!sent) return call.fail(this.#errors.notConnected(call, waitedMs))
    call.fail(this.#errors.notAnswered(call))
    this.#cancel(call, 'its time is over')
    this.#askAgain(call)
  }

  abandoned(call: Call): void {
    this.#forget(call)
    if (!this.#takeBack(call)) this.#cancel(call, 'its caller gave it up')
    this.#sendQueued()
  }

  finished(call: Call): void {
    this.#streaming.delete(call.id)
  }

  get hasRoom(): boolean {
    if (!this.#peer.connected || (this.#overflow.length === 0 && this.#peer.sendable)) return true
    this.#peer.askForRoom()
    return false
  }

  continue(call: Call, body: Message, optional: boolean): boolean {
    if (!this.#peer.connected) return true
    return this.#post(call.id, body, optional)
  }

  // ── PeerListener ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Over inproc it is ready before `connect` has returned it. */
  attached(peer: Peer): void {
    this.#peer = peer
  }

  detached(): void {}
  subscription(): void {}

  ready(): void {
    this.#refusal = undefined
    this.#errors.lastFailure = undefined
    this.#draining = false
    this.#dialect = this.#options.native !== false && speaksNative(this.#peer.info) ? 'native' : 'pyzmqrpc3'
    this.#keeps = this.#dialect === 'native' ? undefined : false
    this.#owner.ready(this)
    this.#sendQueued()
    this.#waiters.settle(undefined)
  }

  message(peer: Peer, message: Message): void {
    const number = numberOfMessage(message)
    if (number !== undefined) return this.#hear(peer, number, message.slice(2))
    this.#heard++
    this.#drops.drop('strangeReply', peer)
  }

  numbered(peer: Peer, number: number, body: Buffer): void {
    this.#hear(peer, number, [body])
  }

  #hear(peer: Peer, number: number, body: Message): void {
    this.#heard++
    if (number === CONNECTION_ID) return this.#control(body)
    const pending = this.#pending.get(number)
    const call = pending ?? this.#streaming.get(number)
    if (call === undefined) {
      // A server says so for each stream that nobody needs any more; the client has ended them by itself.
      if (nativeKind(body[0] as Buffer) !== KIND.stop) this.#drops.drop('lateReply', peer)
      return
    }
    if (pending !== undefined && this.#draining && this.#sendElsewhere(pending, body)) return
    call.receive(body)
    if (pending === undefined || !pending.settled) return
    this.#forget(pending)
    if (!pending.over) this.#streaming.add(pending)
    if (this.#queue.size > 0) this.#sendQueued()
  }

  writable(): void {
    while (this.#overflow.length > 0) {
      if (!this.#peer.send(this.#overflow[0] as Message)) return
      this.#overflow.shift()
    }
    for (const call of [...this.#sent, ...this.#streaming.all()]) call.writable()
    this.#sendQueued()
  }

  lost(_peer: Peer, reason: Error | undefined): void {
    // What was not written goes back in front of the queue, in order.
    const unwritten = new Map(this.#peer.takeQueued().map((message) => [calledBy(message), message.slice(2)]))
    const waiting = [...this.#queue]
    this.#queue.clear()
    this.#overflow.length = 0
    this.#draining = false
    this.#keeps = undefined
    this.#lanes.clear()
    for (const call of this.#sent) {
      this.#pending.delete(call.id)
      // Its streams have begun, and what they sent is gone.
      const body = unwritten.get(call.id)
      if (body !== undefined && call.thisConnection) {
        call.sent = false
        waiting.push(call)
        continue
      }
      if (body !== undefined && !call.begun) {
        this.#takenBack(call)
        // As it was when it was called for: its caller may have changed the command since.
        call.request.keep(call.dialect, body)
        this.#queue.add(call)
        continue
      }
      this.#deadlines.remove(call)
      if (call.follow()) continue
      call.fail(this.#errors.lost(call, reason))
    }
    for (const call of this.#streaming.all()) call.fail(this.#errors.lostStreaming(call, reason))
    this.#streaming.clear()
    this.#errors.lastFailure = reason ?? new Error('the far end closed the connection')
    for (const call of waiting) {
      if (!call.thisConnection) this.#queue.add(call)
      else {
        this.#deadlines.remove(call)
        call.fail(this.#errors.notThisTime(call, this.#draining))
      }
    }
    this.#owner.away(this)
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #tellStart({ command }: Call): void {
    const { endpoint } = this
    publish('zmq-rpc:call:started', () => ({ endpoint, command, queued: this.#queue.size, inFlight: this.#pending.size }))
  }

  /** Calls that wait for their reply, in the order in which they were sent. */
  get #sent(): Call[] {
    // Numbers begin again some day: the oldest is the one that would come up next.
    const age = ({ id }: Call): number => (id - this.#nextId) >>> 0
    return this.#pending.all().sort((one, other) => age(one) - age(other))
  }

  /** True when calls may be written now. */
  get #mayWrite(): boolean {
    return this.available && this.#pending.size < MAX_IN_FLIGHT[this.#dialect]
  }

  /**
   * False when the peer's queue is full: then it waits on, if it did.
   *
   * @throws ZmqRpcError BAD_COMMAND when the command cannot be written in the server's dialect.
   */
  #send(call: Call, timeLeftMs: number): boolean {
    if (!this.#peer.sendable) {
      this.#peer.askForRoom()
      return false
    }
    let body = call.request.encode(this.#dialect, timeLeftMs, call)
    const { orderingKey } = call.request
    if (orderingKey !== undefined && this.#dialect === 'native') {
      body = framesOf(body)
      setBehind(body, this.#lanes.has(orderingKey) || call.request.behind === true)
    }
    // A number that is still in use belongs to a very old call: it is skipped. 0 is the connection's own.
    while (this.#nextId === CONNECTION_ID || this.#pending.has(this.#nextId) || this.#streaming.has(this.#nextId)) {
      this.#nextId = (this.#nextId + 1) >>> 0
    }
    if (!this.#peer.sendNumbered(this.#nextId, body)) return false
    call.id = this.#nextId
    call.dialect = this.#dialect
    call.sent = true
    call.heardBefore = this.#heard
    // Before anything of the caller's runs, which may give it up, and have the next one sent.
    if (this.#queue.size > 0 && this.#queue.delete(call) && call.reserveMs > 0) this.#setDeadline(call, timeLeftMs)
    this.#pending.add(call)
    if (orderingKey !== undefined) this.#lanes.set(orderingKey, (this.#lanes.get(orderingKey) ?? 0) + 1)
    this.#nextId = (this.#nextId + 1) >>> 0
    call.startStreams()
    return true
  }

  #setDeadline(call: Call, leftMs: number): void {
    this.#deadlines.remove(call)
    this.#deadlines.add(call, leftMs)
  }

  /** It waits once more. */
  #takenBack(call: Call): void {
    call.takeBack()
    if (call.reserveMs > 0) this.#setDeadline(call, call.timeLeftMs - call.reserveMs)
  }

  #enqueue(call: Call): boolean {
    if (this.#queue.size >= this.#options.maxQueued) return false
    // Written down now: the caller may change the command while it waits.
    call.request.freeze(call)
    this.#queue.add(call)
    return true
  }

  #sendQueued(): void {
    for (let call = this.#queue.first; call !== undefined; call = this.#queue.first) {
      if (!this.#mayWrite) return
      try {
        if (!this.#send(call, call.timeLeftMs + call.reserveMs)) return
      } catch (error) {
        this.#forget(call)
        call.fail(toError(error))
      }
    }
  }

  /** A message of the connection itself. */
  #control(body: Message): void {
    const kind = nativeKind(body[0] as Buffer)
    if (kind === KIND.goAway) {
      this.#draining = true
      // From here on no more calls: it need not wait for any.
      this.#post(CONNECTION_ID, encodeGoAway({ reason: 'no more calls follow' }), false)
      const { endpoint } = this
      publish('zmq-rpc:server:draining', () => ({ endpoint, reason: readGoAway(body) }))
      for (const call of [...this.#queue].filter(({ thisConnection }) => thisConnection)) {
        this.#forget(call)
        call.fail(this.#errors.notThisTime(call, this.#draining))
      }
      this.#owner.away(this)
    } else if (kind === KIND.hello) {
      try {
        const hello = decodeHello(body)
        this.#keeps = hello.features.includes(FEATURE.buffer)
        this.#owner.hello(this, hello)
      } catch {
        this.#drops.drop('badHello', this.#peer)
      }
    }
  }

  /** Sends a message under a number. False only where `optional`: it cannot be taken now. */
  #post(id: number, body: Message, optional: boolean): boolean {
    if (this.#overflow.length === 0 && this.#peer.sendNumbered(id, body)) return true
    if (!optional) this.#overflow.push(toNumbered(id, body))
    return !optional
  }

  /** For a call that was turned away, and not begun. False for any other, and when there is no other server. */
  #sendElsewhere(call: Call, body: Message): boolean {
    if (!call.movable || call.begun || !saysShuttingDown(body)) return false
    const place = this.#owner.placeFor(this)
    if (place === undefined) return false
    this.#leave(call)
    this.#takenBack(call)
    place.adopt([call])
    return true
  }

  /** Tells the server that nobody waits any more, where it can be told. */
  #cancel(call: Call, reason: string): void {
    this.#streaming.delete(call.id)
    if (call.sent && call.dialect === 'native') this.continue(call, encodeCancel(reason), false)
  }

  #forget(call: Call): void {
    this.#deadlines.remove(call)
    if (call.sent) this.#leave(call)
    else this.#queue.delete(call)
  }

  /** It is not in flight any more. */
  #leave(call: Call): void {
    if (!this.#pending.delete(call.id)) return
    const { orderingKey } = call.request
    if (orderingKey === undefined) return
    const left = (this.#lanes.get(orderingKey) ?? 1) - 1
    if (left > 0) this.#lanes.set(orderingKey, left)
    else this.#lanes.delete(orderingKey)
  }

  /** Has a call that the connection has not written yet left unsaid: nobody waits for its reply. */
  #takeBack(call: Call): boolean {
    if (!call.sent || !this.#peer.takeBack((message) => calledBy(message) === call.id)) return false
    call.sent = false
    return true
  }

  /** After a call that got no reply in time: on a new connection, if the far end may be stuck. */
  #askAgain({ heardBefore, timeoutMs }: Call): void {
    if (this.#dialect === 'pyzmqrpc3' && this.#pending.size === 0 && this.#heard === heardBefore) {
      this.#peer.disconnect(new Error(`nothing was heard from ${this.endpoint} for ${timeoutMs} ms after a request`))
    } else {
      this.#sendQueued()
    }
  }

  #failAll(error: (call: Call) => Error): void {
    for (const call of [...this.#sent, ...this.#streaming.all(), ...this.#queue]) {
      this.#forget(call)
      this.#streaming.delete(call.id)
      call.fail(error(call))
    }
  }

  #observe(event: Event): void {
    publishSocketEvent(event)
    if (this.#closed) return
    if (event.type === 'connect:retry') {
      this.#errors.lastFailure = event.error ?? this.#errors.lastFailure
    } else if (event.type === 'handshake:error:auth' || event.type === 'handshake:error:protocol') {
      const { error } = event
      const certain = error instanceof MechanismMismatch || (error instanceof AuthRefused && error.status !== 300)
      // Once, it may also be a far end that just ended.
      const likely = error instanceof HelloRefused && this.#errors.lastFailure instanceof HelloRefused
      if (certain || likely) this.#refusedBy(error)
    }
  }

  #refusedBy(error: Error): void {
    this.#refusal = error
    this.#owner.away(this)
    this.#failAll((call) => this.#errors.refused(call, error))
    this.#waiters.settle(this.#errors.refused(undefined, error))
  }
}

/** Says in a call's header whether calls of its lane are in flight. */
function setBehind(body: Message, behind: boolean): void {
  const head = body[0] as Buffer
  const flags = numberOf(head)
  setNumber(head, behind ? flags | FLAG.behind : flags & ~FLAG.behind)
}

/** The number of the call that a message makes; undefined for one that belongs to a call made before. */
function calledBy(message: Message): number | undefined {
  const kind = nativeKind(message[2] as Buffer)
  return kind === undefined || kind === KIND.call ? numberOfMessage(message) : undefined
}

function saysShuttingDown(body: Message): boolean {
  if (nativeKind(body[0] as Buffer) !== KIND.error) return false
  try {
    return decodeError(body).error.status === STATUS.shuttingDown
  } catch {
    return false
  }
}

function readGoAway(body: Message): string {
  try {
    return decodeGoAway(body).reason
  } catch {
    return 'no reason given'
  }
}
