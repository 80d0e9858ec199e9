/**
 * One REQ endpoint of a client: many calls in flight on one connection.
 *
 * On the wire a DEALER that sends `[correlation id][empty][body]`: a REP, pyzmqrpc3's included, returns everything up to the
 * empty frame untouched, so each reply finds its call, and a lost one hurts only its own.
 *
 * - Calls wait, up to a limit, while the far end is away or has enough to answer, and are then sent in order.
 * - Calls that were written when the connection is lost fail at once: their replies have nowhere to go. Those that were
 *   not written yet wait on.
 * - When the far end refuses the password or key, all calls fail at once, and so do new ones, until it lets us in. A server
 *   with another key than ours closes without a word: twice in a row counts.
 * - A call that ends before it was written is not written any more.
 * - When the only call in flight times out and nothing was heard since it was sent, the connection is made again.
 */

import { performance } from 'node:perf_hooks'
import { type ErrorCode, ZmqRpcError } from '../errors.ts'
import { publish } from '../observability/events.ts'
import type { Peer } from '../session/peer.ts'
import { context } from '../socket/context.ts'
import type { Event } from '../socket/observer.ts'
import { DEFAULT_OPTIONS } from '../socket/options.ts'
import type { PeerListener } from '../socket/pattern.ts'
import { SocketCore } from '../socket/socket-core.ts'
import { AuthRefused, HelloRefused, MechanismMismatch, type Message } from '../wire/index.ts'
import type { SecurityOptions } from './auth.ts'
import { Call, type CallCarrier, type CallReply } from './call.ts'
import { type Deadlines, timerMs } from './deadlines.ts'
import { CONNECTION_OPTIONS, type Endpoint, publishSocketEvent } from './endpoint.ts'

export interface RequestLinkOptions {
  /** The credentials to show. */
  security: SecurityOptions
  maxQueued: number
  maxMessageBytes: number
  /** Number of the first call; after 2^32 - 1 comes 0. @default 1 */
  firstId?: number
}

export interface CallSettings {
  command: string | undefined
  timeoutMs: number
  signal: AbortSignal | undefined
}

/** Told where calls that were not sent could go. */
export interface RequestLinkOwner {
  /** A new connection, before what waits is sent. */
  ready(link: RequestLink): void
  /** The connection is lost, or refused: what was not sent waits for the next one. */
  away(link: RequestLink): void
}

const DELIMITER = Buffer.alloc(0)

/** Calls in flight. libzmq's REP throws replies away while this many (its ZMQ_SNDHWM) wait for a client to read them. */
const MAX_IN_FLIGHT = 1000

export class RequestLink implements PeerListener, CallCarrier {
  readonly endpoint: Endpoint
  readonly #options: RequestLinkOptions
  readonly #owner: RequestLinkOwner
  readonly #deadlines: Deadlines
  readonly #core: SocketCore
  readonly #peer: Peer
  /** Not written yet, in order. */
  readonly #queue = new Set<Call>()
  /** Written, or about to be: by the number under which the reply will come. */
  readonly #pending = new Map<number, Call>()
  #nextId: number
  #lastHeard = 0
  /** Why the far end does not let us in. */
  #refusal: Error | undefined
  /** Why the last attempt to connect failed. */
  #lastFailure: Error | undefined
  #closed = false
  #readyWaiters: { resolve(): void; reject(error: Error): void }[] = []

  constructor(
    endpoint: Endpoint,
    options: RequestLinkOptions,
    deadlines: Deadlines,
    owner: RequestLinkOwner = { ready: () => {}, away: () => {} },
  ) {
    this.endpoint = endpoint
    this.#owner = owner
    this.#options = options
    this.#deadlines = deadlines
    this.#nextId = options.firstId ?? 1
    const { security, maxQueued, maxMessageBytes } = options
    this.#core = new SocketCore(
      'DEALER',
      this,
      {
        ...DEFAULT_OPTIONS,
        ...CONNECTION_OPTIONS,
        ...security,
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

  /** Calls that wait or are in flight. */
  get callCount(): number {
    return this.#queue.size + this.#pending.size
  }

  /** The reply, or a ZmqRpcError. A movable call may end up with another endpoint that is connected sooner. */
  call(body: Buffer, settings: CallSettings, movable = false): Promise<CallReply> {
    return new Promise((resolve, reject) => {
      const call = new Call(this, body, { ...settings, movable }, resolve, reject)
      if (this.#closed) return call.reject(this.#error('CLOSED', call, `${call.what} was not sent: the client is closed`))
      if (settings.signal?.aborted)
        return call.reject(this.#error('ABORTED', call, `${call.what} was given up before it was sent`, settings.signal.reason))
      if (this.#refusal !== undefined) return call.reject(this.#refusalError(call, this.#refusal))
      const taken =
        this.#peer.connected && this.#queue.size === 0 && this.#pending.size < MAX_IN_FLIGHT ? this.#send(call) : this.#enqueue(call)
      if (!taken) {
        const why = this.#peer.connected ? 'the far end does not keep up' : `it is not connected${this.#because()}`
        const text = `${call.what} was not sent: ${this.#options.maxQueued} calls wait for ${this.endpoint} already; ${why}`
        return call.reject(this.#error('QUEUE_FULL', call, text))
      }
      this.#deadlines.add(call, settings.timeoutMs)
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
    const { endpoint } = this
    if (this.#peer.connected) return Promise.resolve()
    if (this.#closed) return Promise.reject(new ZmqRpcError('CLOSED', 'the client is closed', { endpoint }))
    if (this.#refusal !== undefined) return Promise.reject(this.#refusalError(undefined, this.#refusal))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#readyWaiters = this.#readyWaiters.filter((other) => other !== waiter)
        reject(
          new ZmqRpcError('NOT_CONNECTED', `no connection to ${endpoint} within ${timeoutMs} ms${this.#because()}`, {
            endpoint,
            cause: this.#lastFailure,
          }),
        )
      }, timerMs(timeoutMs))
      const waiter = {
        resolve: () => {
          clearTimeout(timer)
          resolve()
        },
        reject: (error: Error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
      this.#readyWaiters.push(waiter)
    })
  }

  /** Fails what is under way, and closes. */
  close(): Promise<void> {
    this.#closed = true
    this.#failAll((call) => {
      const text =
        call.sentAt > 0 ? 'was under way when the client was closed; it may have been executed' : 'was not sent: the client was closed'
      return this.#error('CLOSED', call, `${call.what} ${text}`)
    })
    this.#settleReady(new ZmqRpcError('CLOSED', 'the client was closed', { endpoint: this.endpoint }))
    return this.#core.close(0)
  }

  // ── CallCarrier ─────────────────────────────────────────────────────────────────────────────────────────────────────

  timedOut(call: Call): void {
    this.#forget(call)
    const { timeoutMs, what, sentAt } = call
    const takenBack = this.#takeBack(call)
    if (takenBack || (sentAt === 0 && this.#peer.connected)) {
      const why = takenBack ? 'the far end does not keep up' : `${this.#pending.size} calls before it are not answered yet`
      const text = `${what} was not sent to ${this.endpoint} within ${timeoutMs} ms, nor executed: ${why}`
      call.reject(this.#error('TIMED_OUT', call, text))
      if (takenBack) this.#askAgain(sentAt, timeoutMs)
      return
    }
    if (call.sentAt === 0) {
      const text = `${what} was not sent: no connection to ${this.endpoint} within ${timeoutMs} ms${this.#because()}`
      return call.reject(this.#error('NOT_CONNECTED', call, text, this.#lastFailure))
    }
    call.reject(
      this.#error('TIMED_OUT', call, `no reply from ${this.endpoint} to ${what} within ${timeoutMs} ms; it may have been executed`),
    )
    this.#askAgain(sentAt, timeoutMs)
  }

  abandoned(call: Call): void {
    this.#forget(call)
    this.#takeBack(call)
    this.#sendQueued()
  }

  // ── PeerListener ────────────────────────────────────────────────────────────────────────────────────────────────────

  attached(): void {}
  detached(): void {}
  subscription(): void {}

  ready(): void {
    this.#refusal = undefined
    this.#lastFailure = undefined
    this.#owner.ready(this)
    this.#sendQueued()
    this.#settleReady(undefined)
  }

  message(peer: Peer, message: Message): void {
    this.#lastHeard = performance.now()
    const id = message[0] as Buffer
    if (message.length < 3 || id.length !== 4 || (message[1] as Buffer).length !== 0)
      return this.#dropped(peer, 'a reply without our envelope')
    const call = this.#pending.get(id.readUInt32BE(0))
    if (call === undefined) return this.#dropped(peer, 'a reply to a call that has ended')
    this.#forget(call)
    if (this.#queue.size > 0) this.#sendQueued()
    if (message.length === 3) call.resolve(message[2] as Buffer)
    else call.reject(this.#error('BAD_REPLY', call, `the reply to ${call.what} has ${message.length - 2} frames, not one`))
  }

  writable(): void {
    this.#sendQueued()
  }

  lost(_peer: Peer, reason: Error | undefined): void {
    // What was not written goes back in front of the queue, in order.
    const unwritten = new Set(this.#peer.takeQueued().map((message) => (message[0] as Buffer).readUInt32BE(0)))
    const waiting = [...this.#queue]
    this.#queue.clear()
    for (const [id, call] of [...this.#pending]) {
      this.#pending.delete(id)
      if (unwritten.has(id)) {
        call.sentAt = 0
        this.#queue.add(call)
        continue
      }
      this.#deadlines.remove(call)
      const why = reason === undefined ? '' : ` (${reason.message})`
      const text = `the connection to ${this.endpoint} was lost while ${call.what} was under way${why}; it may have been executed`
      call.reject(this.#error('CONNECTION_LOST', call, text, reason))
    }
    for (const call of waiting) this.#queue.add(call)
    this.#lastFailure = reason ?? new Error('the far end closed the connection')
    this.#owner.away(this)
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** False when the peer's queue is full. */
  #send(call: Call): boolean {
    // A number that is still in use belongs to a very old call: it is skipped.
    while (this.#pending.has(this.#nextId)) this.#nextId = (this.#nextId + 1) >>> 0
    const id = Buffer.allocUnsafe(4)
    id.writeUInt32BE(this.#nextId, 0)
    if (!this.#peer.send([id, DELIMITER, call.body])) return false
    call.id = this.#nextId
    call.sentAt = performance.now()
    this.#pending.set(call.id, call)
    this.#nextId = (this.#nextId + 1) >>> 0
    return true
  }

  #enqueue(call: Call): boolean {
    if (this.#queue.size >= this.#options.maxQueued) return false
    this.#queue.add(call)
    return true
  }

  #sendQueued(): void {
    for (const call of this.#queue) {
      if (!this.#peer.connected || this.#pending.size >= MAX_IN_FLIGHT || !this.#send(call)) return
      this.#queue.delete(call)
    }
  }

  #forget(call: Call): void {
    this.#deadlines.remove(call)
    if (call.sentAt > 0) this.#pending.delete(call.id)
    else this.#queue.delete(call)
  }

  /** Has a call that the connection has not written yet left unsaid: nobody waits for its reply. */
  #takeBack(call: Call): boolean {
    if (call.sentAt === 0 || !this.#peer.takeBack((message) => (message[0] as Buffer).readUInt32BE(0) === call.id)) return false
    call.sentAt = 0
    return true
  }

  /** After a call that got no reply in time: on a new connection, if this one is silent. */
  #askAgain(sentAt: number, timeoutMs: number): void {
    if (this.#pending.size === 0 && this.#lastHeard < sentAt) {
      this.#peer.disconnect(new Error(`nothing was heard from ${this.endpoint} for ${timeoutMs} ms after a request`))
    } else {
      this.#sendQueued()
    }
  }

  #failAll(error: (call: Call) => Error): void {
    for (const call of [...this.#pending.values(), ...this.#queue]) {
      this.#forget(call)
      call.reject(error(call))
    }
  }

  #observe(event: Event): void {
    publishSocketEvent(event)
    if (this.#closed) return
    if (event.type === 'connect:retry') {
      this.#lastFailure = event.error ?? this.#lastFailure
    } else if (event.type === 'handshake:error:auth' || event.type === 'handshake:error:protocol') {
      const { error } = event
      const certain = error instanceof MechanismMismatch || (error instanceof AuthRefused && error.status !== 300)
      // Once, it may also be a far end that just ended.
      const likely = error instanceof HelloRefused && this.#lastFailure instanceof HelloRefused
      if (certain || likely) this.#refusedBy(error)
    }
  }

  #refusedBy(error: Error): void {
    this.#refusal = error
    this.#owner.away(this)
    this.#failAll((call) => this.#refusalError(call, error))
    this.#settleReady(this.#refusalError(undefined, error))
  }

  #settleReady(error: Error | undefined): void {
    for (const waiter of this.#readyWaiters.splice(0)) {
      if (error === undefined) waiter.resolve()
      else waiter.reject(error)
    }
  }

  #refusalError(call: Call | undefined, cause: Error): ZmqRpcError {
    const { plainUsername, curvePublicKey } = this.#options.security
    const name = plainUsername === undefined ? 'without credentials' : `as user "${plainUsername}"`
    const who = curvePublicKey === undefined ? name : `with the public key ${curvePublicKey}`
    const what = call === undefined ? '' : `; ${call.what} was not executed`
    return this.#error('AUTH_REFUSED', call, `${this.endpoint} does not let us in ${who}: ${textOf(cause)}${what}`, cause)
  }

  #error(code: ErrorCode, call: Call | undefined, text: string, cause?: unknown): ZmqRpcError {
    return new ZmqRpcError(code, text, { endpoint: this.endpoint, command: call?.command, cause })
  }

  #because(): string {
    return this.#lastFailure === undefined ? '' : ` (last reason: ${textOf(this.#lastFailure)})`
  }

  #dropped(peer: Peer, reason: string): void {
    publish('zmq-rpc:dropped', () => ({ endpoint: this.endpoint, remoteAddress: peer.remoteAddress, reason }))
  }
}

/** An error's own words, without our code before them. */
function textOf(error: Error): string {
  // Node gives several addresses' failures as one error without a text.
  const errors = error instanceof AggregateError ? error.errors : [error]
  return errors.map((one: Error) => one.message.replace(/^\[[A-Z_]+\] /, '')).join('; ')
}
