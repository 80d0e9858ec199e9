/**
 * One call at its server: what came, what its service is told of it, and how it is answered, in the dialect that it came in.
 *
 * Its life: it waits for its turn ({@link Admission}), runs, is answered at most once, and lives on while streams of it are open.
 * Whoever gives it up in between (the caller, its time, the connection, the server) aborts it: its signal tells the service,
 * and nothing is sent any more.
 */

import { performance } from 'node:perf_hooks'
import { codeOfStatus, toError, ZmqRpcError } from '../../errors.ts'
import { isHeard, publish } from '../../observability/events.ts'
import type { Peer } from '../../session/peer.ts'
import { type Body, framesOf, type Message, messageBytes } from '../../wire/index.ts'
import type { Principal } from '../auth.ts'
import { runInScope } from '../call-scope.ts'
import { Timed } from '../deadlines.ts'
import type { Dialect } from '../dialect/announcement.ts'
import { KIND, numberOf } from '../dialect/native/header.ts'
import { encodeError, writeReply } from '../dialect/native/message.ts'
import type { WriteHooks } from '../dialect/native/writer.ts'
import * as pyzmqrpc3 from '../dialect/pyzmqrpc3.ts'
import { errorText, wordsOf } from '../error/error-text.ts'
import { type ErrorRegistry, toWireError } from '../error/service-error.ts'
import { pythonStatusOf, STATUS } from '../error/status.ts'
import { resolveMetadata } from '../metadata.ts'
import type { CallCounters } from '../stats.ts'
import type { NearCall, Relay } from '../stream/relay.ts'
import { receiveForStreams, streamPort } from '../stream/stream-port.ts'
import { CallStreams } from '../stream/streams.ts'
import type { Candidate, CommandLimit } from './admission.ts'
import { isForNow, type Lane, type LaneCall } from './lanes.ts'
import type { Envelope } from './request-listener.ts'
import type { Metadata, PeerInfo, ServiceContext } from './service.ts'
import { Answered, type Refusal, Refused, type ServiceRun } from './service-run.ts'

/** Whom a call is from: a peer, or what is known of one in another thread. */
export interface Caller {
  readonly endpoint: string
  readonly remoteAddress: string | undefined
  readonly info: { readonly user?: unknown } | undefined
}

/** The server of a call. */
export interface CallHost<From extends Caller = Peer> {
  readonly errors: ErrorRegistry
  readonly exposeStacks: boolean
  /** What all calls keep of streams that have not begun, bytes. */
  readonly early: { bytes: number }
  /** Calls that run, and that wait for their turn. */
  readonly load: { readonly running: number; readonly waiting: number }
  readonly counters: CallCounters
  /** Sends a message of the call. False only where `optional`: it cannot be taken now, and `call.writable` will be called. */
  send(call: ServerCall<From>, body: Body, optional: boolean): boolean
  /** Whether an optional message would be sent; else `call.writable` is called once it would. */
  hasRoom(call: ServerCall<From>): boolean
  /** It runs now, after it had to wait. */
  started(call: ServerCall<From>): void
  /** It still runs, but others may begin in its place. */
  madeRoom(call: ServerCall<From>): void
  /** It must not be carried out now, since another of its lane has to come first. */
  turnAway(call: ServerCall<From>): void
  /** It runs no more. */
  left(call: ServerCall<From>): void
  /** Nothing more is to come. */
  over(call: ServerCall<From>): void
}

/** What may come of streams before a call has its turn, bytes: several windows, and items that overshoot. */
const MAX_EARLY_BYTES = 8 * 1024 * 1024
/** The same for all calls of a server together. */
const MAX_EARLY_BYTES_IN_ALL = 64 * 1024 * 1024

const NOTHING: Metadata = Object.freeze({})

const { STATUS_TEXT } = pyzmqrpc3

export class ServerCall<From extends Caller = Peer>
  extends Timed
  implements ServiceContext, WriteHooks, NearCall, Candidate<From>, LaneCall
{
  readonly from: From
  /** What goes in front of everything that is sent to the caller; undefined where nobody waits for an answer. */
  readonly envelope: Envelope | undefined
  readonly dialect: Dialect
  metadata: Metadata = NOTHING
  /** What it is known by among the calls of its peer. */
  id: number | string = 0
  /** See {@link makeRoom}. */
  makesRoom = false
  /** Whether its server keeps account of it: not if it ended as soon as it began. */
  kept = false
  /**
   * Told how a call with an idempotency key has ended: the result, or what the service threw. Undefined when there is nothing to keep:
   * it was refused, or given up. Called once.
   */
  remember: ((answer: Message | undefined) => Promise<void> | undefined) | undefined
  limit: CommandLimit | undefined
  idempotencyKey: string | undefined
  /** Of a call whose order counts: what its lane is known by. */
  orderingKey: string | undefined
  lane: Lane | undefined
  /** It runs, and another of its lane, in front of it, has ended without an answer: only where they overlap. */
  outOfTurn = false
  /** Where the call is passed on. */
  relay: Relay | undefined
  readonly #host: CallHost<From>
  /** As it was when the message came: a publisher may come back as somebody else. */
  readonly #user: unknown
  #run: ServiceRun | undefined
  #state: 'new' | 'running' | 'answered' = 'new'
  #status = 0
  /** When it came, and then when it began; 0 where nobody wants to know. */
  #arrivedAt = isHeard('zmq-rpc:service:started') || isHeard('zmq-rpc:service:ended') ? performance.now() : 0
  #controller: AbortController | undefined
  #reason: ZmqRpcError | undefined
  #streams: CallStreams | undefined
  /** Messages of streams that came before the state was read. */
  #early: [kind: number, body: Message][] | undefined
  #earlyBytes = 0
  #replyMetadata: Record<string, string> | undefined

  constructor(host: CallHost<From>, from: From, envelope: Envelope | undefined, dialect: Dialect) {
    super()
    this.#host = host
    this.from = from
    this.#user = from.info?.user
    this.envelope = envelope
    this.dialect = dialect
  }

  // ── ServiceContext ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** For the eyes of others: not the call itself, with all that it holds. */
  get peer(): PeerInfo {
    const { endpoint, remoteAddress, kind } = this
    return { endpoint, remoteAddress, kind }
  }

  get kind(): 'req' | 'pub' {
    return this.envelope === undefined ? 'pub' : 'req'
  }

  get endpoint(): string {
    return this.from.endpoint
  }

  get remoteAddress(): string | undefined {
    return this.from.remoteAddress
  }

  get principal(): Principal | undefined {
    return this.#user as Principal | undefined
  }

  get remainingMs(): number {
    return Math.max(0, this.timeLeftMs)
  }

  get replyMetadata(): Record<string, string> {
    this.#replyMetadata ??= {}
    return this.#replyMetadata
  }

  /** Only made when somebody asks for it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  // ── Its life ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Clients of the native dialect are read on while theirs waits, so that they can give it up; others, and publishers, are not. */
  get refusable(): boolean {
    return this.dialect === 'native' && this.envelope !== undefined
  }

  /** What it was answered with, one of {@link STATUS}; 0 before. */
  get status(): number {
    return this.#status
  }

  get ready(): boolean {
    const run = this.#run
    if (this.lane !== undefined && !this.lane.mayBegin(this, run?.overlaps === true)) return false
    return run?.ready?.() ?? true
  }

  turnAway(): void {
    if (this.#state === 'running') this.outOfTurn = true
    else if (this.#state === 'new' && !this.aborted) this.#host.turnAway(this)
  }

  /** Its service, or whatever else carries it out, is at it. */
  get running(): boolean {
    return this.#state === 'running'
  }

  get aborted(): boolean {
    return this.#reason !== undefined
  }

  get openStreams(): number {
    return (this.#streams === undefined ? 0 : this.#streams.open) + (this.relay === undefined ? 0 : this.relay.open)
  }

  /** True once it was answered, or given up, and no stream of it is open. */
  get isOver(): boolean {
    if (this.#state !== 'answered' && !this.aborted) return false
    return (this.#streams === undefined || this.#streams.open === 0) && (this.relay === undefined || this.relay.open === 0 || this.aborted)
  }

  /** What is to be done when it is its turn. */
  prepare(run: ServiceRun): void {
    this.#run = run
    this.limit = run.limit
  }

  start(): void {
    const run = this.#run as ServiceRun
    this.#state = 'running'
    this.lane?.begin(this)
    this.#host.counters.started++
    if (this.#arrivedAt > 0) this.#tellStart(run.command)
    if (this.kept) this.#host.started(this)
    try {
      const result = runInScope<ServerCall<Caller>, unknown>(this, ServerCall.#execute)
      if (!isPromiseLike(result)) return this.#succeeded(run, result)
      Promise.resolve(result).then(
        (value) => this.#succeeded(run, value),
        (error: unknown) => this.#failed(run, error),
      )
    } catch (error) {
      this.#failed(run, error)
    }
  }

  /** One function for all calls. */
  static #execute(this: void, call: ServerCall<Caller>): unknown {
    return (call.#run as ServiceRun).execute(call)
  }

  #tellStart(command: string): void {
    const { endpoint, remoteAddress } = this
    const { running, waiting } = this.#host.load
    const waitedMs = performance.now() - this.#arrivedAt
    this.#arrivedAt += waitedMs
    publish('zmq-rpc:service:started', () => ({ endpoint, remoteAddress, command, waitedMs, running, waiting }))
  }

  #tellRefusal({ status, name: command, text, detail = text, cause: error }: Refusal): void {
    const { endpoint, remoteAddress } = this
    publish('zmq-rpc:command:refused', () => ({ endpoint, remoteAddress, status, command, detail, error }))
  }

  #tellFailure(command: string, error: unknown): void {
    const { endpoint, remoteAddress } = this
    publish('zmq-rpc:service:failed', () => ({ endpoint, remoteAddress, command, error }))
  }

  #tellEnd(status: number): void {
    if (this.#arrivedAt === 0) return
    const { endpoint, remoteAddress } = this
    const command = this.#run?.command ?? ''
    const durationMs = performance.now() - this.#arrivedAt
    publish('zmq-rpc:service:ended', () => ({ endpoint, remoteAddress, command, durationMs, status }))
  }

  /** Answers that it is not carried out; also told as an event. */
  refuse(refusal: Refusal): void {
    const { status, text, name, cause, started } = refusal
    if (status === STATUS.badResult) this.#tellFailure(name ?? '', cause ?? new ZmqRpcError('BAD_RESULT', text))
    else this.#tellRefusal(refusal)
    if (this.dialect === 'native') {
      const body = encodeError({ status, text, ...(started !== undefined && { started }) })
      // The service ran, and is not to run again for nothing.
      return this.#answerWhen(status === STATUS.badResult && !this.aborted ? this.#remember(body) : undefined, status, body)
    }
    if (status === STATUS.proxyFailed) {
      return this.#answer(status, [pyzmqrpc3.encodeReply({ status, statusText: STATUS_TEXT.proxyFailed, result: text })])
    }
    const pythonStatus = pythonStatusOf(status)
    const statusText = pythonStatus === status ? text : STATUS_TEXT.serviceRaised(refusal.pythonName ?? name ?? 'Service', text)
    this.#answer(status, [pyzmqrpc3.encodeReply({ status: pythonStatus, statusText })])
  }

  /** Nobody waits any more. */
  abort(reason: ZmqRpcError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#takeEarly()
    if (this.#state === 'new') this.#host.counters.end(reason.code)
    // What overlaps goes on, and says how it ended.
    if (this.#state === 'new' || (this.#state === 'running' && this.#run?.overlaps !== true)) this.lane?.broken(this)
    this.#streams?.abort(reason)
    this.relay?.callerGone(reason)
    this.#controller?.abort(reason)
    if (this.isOver) this.#host.over(this)
  }

  /** The deadline that came with it; the caller is not told: its own clock has run out before. */
  override expired(): void {
    const text = `the time of command "${this.#run?.command ?? ''}" is over`
    this.abort(new ZmqRpcError('TIMED_OUT', text, { endpoint: this.endpoint, command: this.#run?.command }))
  }

  // ── Streams ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(body: Message, optional: boolean): boolean {
    return this.#host.send(this, body, optional)
  }

  get hasRoom(): boolean {
    return this.#host.hasRoom(this)
  }

  /** A stream in the result becomes one of this call. */
  stream(iterable: AsyncIterable<unknown>): number {
    return this.#ownStreams().outgoing(iterable)
  }

  /** A stream of the caller, for the service to read. What came of it while the call had to wait is there. */
  incoming(number: number): AsyncIterable<unknown> {
    // A proxy publishes what it does not read.
    if (this.envelope === undefined) throw new ZmqRpcError('BAD_COMMAND', 'what is published cannot stream')
    const input = this.#ownStreams().incoming(number)
    for (const [kind, body] of this.#early ?? []) if (numberOf(body[0] as Buffer) === number) this.receive(kind, body)
    return input
  }

  /** From now on it only waits, and no longer counts among those that are under way. */
  makeRoom(): void {
    if (this.#state !== 'running' || this.makesRoom) return
    this.makesRoom = true
    this.#host.madeRoom(this)
  }

  /** It is passed on, with what belongs to it: what has come of that already, too. */
  passOn(relay: Relay): void {
    this.relay = relay
    for (const [kind, body] of this.#takeEarly()) relay.fromCaller(kind, body)
  }

  /** A message of the caller that belongs to a stream. */
  receive(kind: number, body: Message): void {
    if (this.relay !== undefined) return this.relay.fromCaller(kind, body)
    if (this.#streams === undefined) return this.#keepForLater(kind, body)
    receiveForStreams(this.#streams, kind, body, this.#host.errors, { endpoint: this.endpoint, command: this.#run?.command })
    if (kind === KIND.stop && this.isOver) this.#unread()
  }

  /**
   * Its last stream was stopped by its reader. A generator that waits for something of its own at that moment, and not in a `yield`, is
   * not reached by `return`: the signal is what it hears.
   */
  #unread(): void {
    this.#reason ??= new ZmqRpcError('ABORTED', 'nobody reads its streams any more', {
      endpoint: this.endpoint,
      command: this.#run?.command,
    })
    this.#controller?.abort(this.#reason)
  }

  /** Its streams begin when its state is read, and its caller does not wait for that. */
  #keepForLater(kind: number, body: Message): void {
    if (this.#state === 'answered' || this.aborted) return
    const bytes = messageBytes(body)
    const { early } = this.#host
    // Who keeps within the windows hardly ever comes so far; the stream will be found broken, and its writer is told.
    if (this.#earlyBytes + bytes > MAX_EARLY_BYTES || early.bytes + bytes > MAX_EARLY_BYTES_IN_ALL) return
    this.#earlyBytes += bytes
    early.bytes += bytes
    this.#early ??= []
    this.#early.push([kind, body])
  }

  /** What came early; it is not kept any more. */
  #takeEarly(): [kind: number, body: Message][] {
    if (this.#early === undefined) return []
    const early = this.#early
    this.#early = undefined
    this.#host.early.bytes -= this.#earlyBytes
    this.#earlyBytes = 0
    return early
  }

  writable(): void {
    this.#streams?.writable()
    this.relay?.writable()
  }

  /** Its last stream has ended. */
  idle(): void {
    if (this.isOver) this.#host.over(this)
  }

  #ownStreams(): CallStreams {
    if (this.#streams !== undefined) return this.#streams
    const onFailed = (error: unknown): void => this.#tellFailure(this.#run?.command ?? '', error)
    this.#streams = new CallStreams(streamPort(this, { exposeStacks: this.#host.exposeStacks, onFailed }), {
      onIdle: () => this.idle(),
      onSourceError: onFailed,
      details: { endpoint: this.endpoint, command: this.#run?.command },
    })
    return this.#streams
  }

  // ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #succeeded(run: ServiceRun, result: unknown): void {
    const answered = Answered.of(result)
    if (answered !== undefined) {
      return this.#answerWhen(this.#remember(answered.answerToKey), answered.status, answered.body)
    }
    if ((this.envelope === undefined || this.aborted) && this.remember === undefined) return this.#answer(STATUS.ok, undefined)
    let body: Body
    try {
      body = this.dialect === 'native' ? writeReply(result, this.#extras(), this) : [pyzmqrpc3.encodeReply({ ...OK, result })]
    } catch (error) {
      this.#streams?.withdraw()
      // pyzmqrpc3 sends nothing here, and its REP socket is stuck from then on.
      if (this.dialect === 'pyzmqrpc3') return this.#failed(run, error)
      const why = wordsOf(toError(error)).replace(/^cannot write the result: /, '')
      const text = `The result of command "${run.command}" cannot be written: ${why}`
      return this.refuse({ status: STATUS.badResult, text, name: run.command, cause: error })
    }
    if (this.remember !== undefined && this.#streams !== undefined && this.#streams.openOutgoing > 0) {
      this.#streams.withdraw()
      const text = `The result of command "${run.command}" streams: it cannot be kept for an idempotency key.`
      return this.refuse({ status: STATUS.badResult, text, name: run.command })
    }
    if (this.remember === undefined) return this.#answer(STATUS.ok, body)
    // Sent more than once.
    body = framesOf(body)
    this.#answerWhen(this.#remember(body), STATUS.ok, body)
  }

  #failed(run: ServiceRun, error: unknown): void {
    const refusal = Refused.of(error)
    if (refusal !== undefined) return this.refuse(refusal)
    const { command, serviceName } = run
    this.#tellFailure(command, error)
    if (this.dialect === 'native') {
      const { exposeStacks } = this.#host
      const body = encodeError(toWireError(error, { exposeStacks }), this.#extrasOfFailure())
      return this.#answerWhen(this.aborted ? undefined : this.#remember(body), STATUS.serviceRaised, body)
    }
    const statusText = STATUS_TEXT.serviceRaised(serviceName, errorText(error))
    this.#answer(STATUS.serviceRaised, [pyzmqrpc3.encodeReply({ status: STATUS.serviceRaised, statusText })])
  }

  /** Resolves, if it takes its time, when the answer may be sent. */
  #remember(answer: Message | undefined): Promise<void> | undefined {
    const { remember } = this
    this.remember = undefined
    return remember?.(answer)
  }

  #answerWhen(ready: Promise<void> | undefined, status: number, body: Body | undefined): void {
    if (ready === undefined) return this.#answer(status, body)
    // Its service has ended: what is behind it may begin, so that their answers are written down together.
    this.lane?.leave(this)
    void ready.then(() => this.#answer(status, body))
  }

  /** @throws ZmqRpcError BAD_OPTION for metadata that is no text. */
  #extras(): { metadata: Metadata } | undefined {
    return this.#replyMetadata === undefined ? undefined : { metadata: resolveMetadata('replyMetadata', this.#replyMetadata) }
  }

  /** What failed is told in any case. */
  #extrasOfFailure(): { metadata: Metadata } | undefined {
    try {
      return this.#extras()
    } catch {
      return undefined
    }
  }

  /** Once. What it streams follows; what the caller streams and nobody is going to read is stopped. */
  #answer(status: number, body: Body | undefined): void {
    const ran = this.#state === 'running'
    if (this.#state === 'answered') return
    this.#state = 'answered'
    this.#status = status
    if (ran) this.#tellEnd(this.aborted ? STATUS.aborted : status)
    if (ran || !this.aborted) this.#host.counters.end(this.#reason?.code ?? (status === STATUS.ok ? undefined : codeOfStatus(status)))
    void this.#remember(undefined)
    // Its time was for the answer: what it streams, and calls that are made for that, have no limit.
    if (!this.aborted) this.deadline = Number.POSITIVE_INFINITY
    if (body !== undefined && this.envelope !== undefined && !this.aborted) this.#host.send(this, body, false)
    if (this.#streams !== undefined) runInScope(this, () => this.#streams?.start())
    this.relay?.answered()
    if (isForNow(status)) this.lane?.broken(this)
    if (ran) this.#host.left(this)
    this.#takeEarly()
    this.#streams?.finish()
    if (this.isOver) this.#host.over(this)
  }
}
const OK = { status: STATUS.ok, statusText: STATUS_TEXT.ok }

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
