/**
 * What servers and receivers have in common: REP and SUB endpoints, messages that are answered now or later, heartbeats,
 * limits, stopping with a drain.
 *
 * The way of a message: {@link RequestListener} or {@link SubscriptionLink} → `#incoming` → `open` (of the subclass: what is to
 * be done?) → {@link Admission} (may it run now?) → {@link ServerCall}, which runs it and answers → `RequestListener.send`.
 */

import { performance } from 'node:perf_hooks'
import { ZmqRpcError } from '../../errors.ts'
import { checkOptions, type OptionNames } from '../../options.ts'
import type { Peer } from '../../session/peer.ts'
import type { Body, Message } from '../../wire/index.ts'
import { type Auth, type Credentials, clientOptions, serverOptions } from '../auth.ts'
import { CallTable } from '../call-table.ts'
import { Deadlines, timerMs } from '../deadlines.ts'
import { nativeKind, resolveDialect, speaksNative } from '../dialect/announcement.ts'
import { amountOf, FLAG, KIND, NO_LIMIT, numberOf } from '../dialect/native/header.ts'
import { encodeGoAway, encodeHello, type Hello } from '../dialect/native/message.ts'
import { encodeReply, isHeartbeat, STATUS_TEXT } from '../dialect/pyzmqrpc3.ts'
import { Drops } from '../drops.ts'
import { type Endpoint, resolveEndpoints, resolveNumber } from '../endpoint.ts'
import { ErrorRegistry } from '../error/service-error.ts'
import { STATUS } from '../error/status.ts'
import { CallCounters, type ServerStats } from '../stats.ts'
import { readReason } from '../stream/stream-port.ts'
import { Admission } from './admission.ts'
import { Farewell } from './farewell.ts'
import { Lanes } from './lanes.ts'
import { type Envelope, RequestListener } from './request-listener.ts'
import { type CallHost, ServerCall } from './server-call.ts'
import type { Refusal, ServiceRun } from './service-run.ts'
import { SubscriptionLink } from './subscription-link.ts'

/** A publisher to listen to, by itself or with its own time-out and passwords. */
export type SubEndpoint =
  | Endpoint
  | {
      readonly endpoint: Endpoint
      /** As {@link MessageServerOptions.heartbeatTimeoutMs}, for this endpoint. */
      readonly heartbeatTimeoutMs?: number | undefined
      /** As {@link MessageServerOptions.credentials}, for this endpoint. */
      readonly credentials?: Credentials | undefined
    }

const SUB_OPTIONS: OptionNames<Exclude<SubEndpoint, string>> = { endpoint: true, heartbeatTimeoutMs: true, credentials: true }

/** Options of `RpcServer` and `Receiver`. */
export interface MessageServerOptions {
  /** Where clients connect to: one endpoint or several. */
  readonly rep?: Endpoint | readonly Endpoint[] | undefined
  /** Publishers to connect to; everything they publish is taken. */
  readonly sub?: SubEndpoint | readonly SubEndpoint[] | undefined
  /**
   * Who may send: asks clients on `rep`, and publishers on `sub`, for a password or key. A publisher shows its own as
   * `RpcClient` with `credentials` and pyzmqrpc3's sender do. Publishers that ask instead: see `credentials`.
   *
   * @default nobody is asked
   */
  readonly auth?: Auth | undefined
  /** Shown to the publishers of `sub`, for those that ask their listeners for a password or key. Takes the place of `auth` there. */
  readonly credentials?: Credentials | undefined
  /**
   * A `sub` connection on which nothing, not even a heartbeat, was heard for so long is closed and made again; 0: never.
   * Milliseconds.
   *
   * @default 600000, as pyzmqrpc3
   */
  readonly heartbeatTimeoutMs?: number | undefined
  /**
   * Calls that may be under way in services at a time. Beyond it they wait: those of native clients in a queue of the server's
   * (`maxQueuedCalls`), those of others with themselves, since no more of theirs are read.
   *
   * @default 1000
   */
  readonly maxConcurrentCalls?: number | undefined
  /** The same for each client by itself. @default Infinity */
  readonly maxConcurrentCallsPerPeer?: number | undefined
  /** Clients that may be connected to each `rep` endpoint; further ones are closed at once (`zmq-rpc:handshake:failed`). @default Infinity */
  readonly maxConnections?: number | undefined
  /**
   * The same, of one address over tcp (of IPv6: of one /64 network). Behind a gateway or a container network all clients have one.
   *
   * @default Infinity
   */
  readonly maxConnectionsPerAddress?: number | undefined
  /** Calls of native clients that may wait for their turn; one more is answered OVERLOADED at once. @default 1000 */
  readonly maxQueuedCalls?: number | undefined
  /** Whether callers are told where in the code an error was thrown. @default false */
  readonly exposeStacks?: boolean | undefined
  /** `pyzmqrpc3`: the native dialect is neither announced nor understood. @default 'auto' */
  readonly dialect?: 'auto' | 'pyzmqrpc3' | undefined
  /** Largest message taken in, bytes; a peer that sends a larger one is disconnected. @default 67108864 (64 MiB) */
  readonly maxMessageBytes?: number | undefined
}

export const MESSAGE_SERVER_OPTIONS: OptionNames<MessageServerOptions> = {
  rep: true,
  sub: true,
  auth: true,
  credentials: true,
  heartbeatTimeoutMs: true,
  maxConcurrentCalls: true,
  maxConcurrentCallsPerPeer: true,
  maxConnections: true,
  maxConnectionsPerAddress: true,
  maxQueuedCalls: true,
  exposeStacks: true,
  dialect: true,
  maxMessageBytes: true,
}

/** How to stop. */
export interface StopOptions {
  /** Time for calls that are under way to end, and for their replies to be written, ms; what is left then is aborted. @default 5000 */
  readonly drainMs?: number | undefined
}

const STOP_OPTIONS: OptionNames<StopOptions> = { drainMs: true }

/** Of a second `start`. */
export function startedBefore(running: boolean): ZmqRpcError {
  return new ZmqRpcError('CLOSED', running ? 'it runs already: `start` is called once' : 'it was started before: make a new one')
}

/** How long to drain. @throws ZmqRpcError BAD_OPTION */
export function resolveDrain(options: StopOptions): number {
  checkOptions('stop', options, STOP_OPTIONS)
  return resolveNumber('drainMs', options.drainMs, DEFAULTS.drainMs)
}

const DEFAULTS = {
  heartbeatTimeoutMs: 600_000,
  maxConcurrentCalls: 1000,
  maxConcurrentCallsPerPeer: Number.POSITIVE_INFINITY,
  maxQueuedCalls: 1000,
  maxMessageBytes: 64 * 1024 * 1024,
  drainMs: 5000,
}

/** Time for the last replies to be written, where no more is left of `drainMs`. */
const LINGER_MS = 1000

const OK_REPLY = [encodeReply({ status: STATUS.ok, statusText: STATUS_TEXT.ok })]

/** The number of messages that belong to no call. */
const CONNECTION_ID = 0

export abstract class MessageServer {
  readonly #rep: readonly Endpoint[]
  readonly #listener: RequestListener
  readonly #links: readonly SubscriptionLink[]
  readonly #native: boolean
  readonly #maxMessageBytes: number
  readonly #admission: Admission
  readonly #lanes = new Lanes<Peer>(() => this.#admission.lookAgain())
  readonly #counters = new CallCounters()
  readonly #drops = new Drops()
  readonly #deadlines = new Deadlines()
  readonly #host: CallHost
  /** Calls that wait, run or stream, by the peer that waits for them, and by their number there. */
  readonly #calls = new Map<Peer, CallTable<ServerCall>>()
  #callCount = 0
  /** Of calls without a number of their own: below zero, where no number of a peer is. */
  #nextId = -1
  /** Clients that speak the native dialect. */
  readonly #natives = new Set<Peer>()
  readonly #farewell = new Farewell(() => ({ calls: this.#callCount, handshakes: this.#listener.handshakes }))
  readonly #paused = new Map<Peer, RequestListener | SubscriptionLink>()
  #state: 'new' | 'started' | 'stopping' | 'stopped' = 'new'
  #stopping: Promise<void> | undefined
  #markStopped: () => void = () => {}
  /** Resolves when it has stopped, by `stop` or by a `ShutdownServer` command. */
  readonly stopped: Promise<void>

  /** @throws ZmqRpcError BAD_OPTION. */
  constructor(options: MessageServerOptions, errors: ErrorRegistry = new ErrorRegistry()) {
    const security = serverOptions(options.auth)
    const anyNumber = Number.POSITIVE_INFINITY
    const maxConnections = resolveNumber('maxConnections', options.maxConnections, anyNumber, 1)
    const maxConnectionsPerAddress = resolveNumber('maxConnectionsPerAddress', options.maxConnectionsPerAddress, anyNumber, 1)
    const maxMessageBytes = resolveNumber('maxMessageBytes', options.maxMessageBytes, DEFAULTS.maxMessageBytes, 1)
    const heartbeatTimeoutMs = resolveNumber('heartbeatTimeoutMs', options.heartbeatTimeoutMs, DEFAULTS.heartbeatTimeoutMs)
    this.#maxMessageBytes = maxMessageBytes
    const native = resolveDialect(options.dialect) === 'auto'
    this.#native = native
    const given = (name: 'maxConcurrentCalls' | 'maxConcurrentCallsPerPeer' | 'maxQueuedCalls', least: number): number =>
      resolveNumber(name, options[name], DEFAULTS[name], least)
    const maxConcurrent = given('maxConcurrentCalls', 1)
    const maxConcurrentPerPeer = given('maxConcurrentCallsPerPeer', 1)
    const maxQueued = given('maxQueuedCalls', 0)
    this.#admission = new Admission({ maxConcurrent, maxConcurrentPerPeer, maxQueued })
    this.limits = {
      maxConcurrentCalls: maxConcurrent,
      maxConcurrentCallsPerPeer: maxConcurrentPerPeer,
      maxQueuedCalls: maxQueued,
      maxMessageBytes,
    }
    this.#host = {
      errors,
      exposeStacks: options.exposeStacks ?? false,
      early: { bytes: 0 },
      load: this.#admission,
      counters: this.#counters,
      send: (call, body, optional) => this.#send(call, body, optional),
      hasRoom: ({ from }) => this.#listener.hasRoom(from),
      started: ({ from }) => this.#readOn(from),
      turnAway: (call) => {
        this.#admission.withdraw(call)
        call.refuse(OUT_OF_TURN)
      },
      left: (call) => this.#left(call),
      madeRoom: (call) => this.#admission.leave(call),
      over: (call) => this.#over(call),
    }
    this.#rep = resolveEndpoints('rep', options.rep, 'bind')
    const subscriptions = subEndpoints(options.sub).map(({ endpoint, ...own }) => {
      resolveEndpoints('sub', endpoint, 'connect')
      const credentials = own.credentials ?? options.credentials
      return {
        endpoint,
        heartbeatTimeoutMs: resolveNumber('sub.heartbeatTimeoutMs', own.heartbeatTimeoutMs, heartbeatTimeoutMs),
        security: credentials === undefined ? security : clientOptions(credentials),
        maxMessageBytes,
        native,
      }
    })
    if (this.#rep.length + subscriptions.length === 0) throw new ZmqRpcError('BAD_OPTION', 'it listens nowhere: give it rep, sub or both')
    if (options.credentials !== undefined && subscriptions.length === 0) {
      throw new ZmqRpcError('BAD_OPTION', 'credentials are shown to the publishers of sub, and there is no sub: what asks clients is auth')
    }
    // Sockets come last: what is refused leaves nothing open.
    this.#listener = new RequestListener(
      { security, maxMessageBytes, maxConnections, maxConnectionsPerAddress, native, drops: this.#drops },
      {
        ready: (peer) => this.#welcome(peer),
        request: (peer, envelope, body) => this.#incoming(peer, this.#listener, envelope, body),
        writable: (peer) => {
          for (const call of this.#calls.get(peer)?.all() ?? []) call.writable()
        },
        lost: (peer) => {
          this.#paused.delete(peer)
          this.#lanes.forget(peer)
          this.#abortCalls(peer, new ZmqRpcError('CONNECTION_LOST', 'the caller is gone', { endpoint: peer.endpoint }))
        },
      },
    )
    this.#links = subscriptions.map((options) => {
      const link = new SubscriptionLink(options, (peer, body) => this.#incoming(peer, link, undefined, body))
      return link
    })
    this.stopped = new Promise((resolve) => {
      this.#markStopped = resolve
    })
  }

  /** The `rep` endpoints as bound: wildcards and port 0 resolved. None before `start`, and none once it has stopped. */
  get endpoints(): Endpoint[] {
    return this.#listener.endpoints
  }

  /** True from the call of `start` to the beginning of `stop`. */
  get running(): boolean {
    return this.#state === 'started'
  }

  /** What it does and has done, in numbers. Cheap: the counters are always on. */
  stats(): ServerStats {
    const { taken, started, ended, failed } = this.#counters
    const { running, waiting } = this.#admission
    let streams = 0
    for (const calls of this.#calls.values()) for (const call of calls.all()) streams += call.openStreams
    const { connections } = this.#listener
    return { received: taken, started, ended, failed, running, waiting, streams, connections, dropped: this.#drops.counts }
  }

  /**
   * Binds `rep`, and begins to connect to `sub`. Resolves when all is bound.
   *
   * @throws SocketError when an endpoint cannot be bound (EADDRINUSE, EACCES, …): nothing is left bound then, and it cannot
   * be started again.
   * @throws ZmqRpcError CLOSED when it was started before, or is stopped meanwhile.
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw startedBefore(this.running)
    this.#state = 'started'
    this.startedAt = performance.now()
    try {
      const opening = this.opening()
      if (opening !== undefined) await opening
      for (const endpoint of this.#rep) await this.#listener.bind(endpoint)
    } catch (error) {
      if (this.running) {
        await this.stop({ drainMs: 0 })
        throw error
      }
    }
    if (!this.running) throw new ZmqRpcError('CLOSED', 'it was stopped before it had started')
    for (const link of this.#links) link.start()
  }

  /**
   * Takes no more messages, lets calls under way end (`drainMs`), sends their replies, and closes everything. Native clients are told,
   * and send what they have to another server, if they know one: none of their calls is lost. Requests of others that were not
   * read yet are not executed; their clients see the connection close. Never rejects.
   */
  stop(options: StopOptions = {}): Promise<void> {
    const drainMs = resolveDrain(options)
    this.#stopping ??= this.#stop(drainMs)
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * What is to be done about a message, or why nothing is. Reads no more of it than that needs: it may yet have to wait. Must not
   * throw. A message of the native dialect tells the call what came along with it (`call.metadata`).
   */
  protected abstract open(body: Message, call: ServerCall): ServiceRun | Refusal

  /** A heartbeat has come; it is answered, where it has to be. */
  protected heartbeat(_from: Peer): void {}

  /** What a native client is told about this server when it is there. */
  protected hello(_peer: Peer): Hello {
    return { features: [], maxMessageBytes: this.#maxMessageBytes }
  }

  /** Tells native clients again what {@link hello} says: it has changed. */
  protected sayHello(): void {
    for (const peer of this.#natives) this.#welcome(peer)
  }

  /** Before it begins to listen. What it throws is what `start` rejects with. */
  protected opening(): Promise<void> | undefined {
    return undefined
  }

  /** Nobody is connected any more, and what calls there were are given up. Must not reject. */
  protected closed(): Promise<void> | undefined {
    return undefined
  }

  /** Calls may run that had to wait, since their {@link ServiceRun.ready} said so. */
  protected roomAgain(): void {
    this.#admission.lookAgain()
  }

  /** When it was started, on the clock of `performance.now()`. */
  protected startedAt = 0

  /** Its limits, by the names of the options. */
  protected readonly limits: Readonly<Record<string, number>>

  async #stop(drainMs: number): Promise<void> {
    this.#state = 'stopping'
    for (const peer of this.#natives) this.#sendAway(peer)
    for (const call of this.#admission.withdrawAll() as ServerCall[]) {
      if (call.refusable) call.refuse(STOPPING)
      else call.abort(new ZmqRpcError('CLOSED', 'the server stops', { endpoint: call.endpoint }))
    }
    // A service may have asked for it: its own reply comes first.
    await undefined
    const drainedBy = performance.now() + drainMs
    if (drainMs > 0) await this.#farewell.take(drainMs)
    for (const peer of [...this.#calls.keys()])
      this.#abortCalls(peer, new ZmqRpcError('CLOSED', 'the server stops', { endpoint: peer.endpoint }))
    const lingerMs = timerMs(Math.max(drainedBy - performance.now(), LINGER_MS))
    await Promise.all([this.#listener.close(lingerMs), ...this.#links.map((link) => link.close())])
    await this.closed()
    this.#paused.clear()
    this.#state = 'stopped'
    this.#markStopped()
  }

  /** A client that hears it sends no more calls, and says so. */
  #sendAway(peer: Peer): void {
    this.#farewell.told(peer)
    this.#listener.send(peer, CONNECTION_ID, encodeGoAway({ reason: 'the server stops' }))
  }

  /** A client of the native dialect hears what there is to know. */
  #welcome(peer: Peer): void {
    if (!this.#native || !speaksNative(peer.info)) return
    this.#natives.add(peer)
    this.#listener.send(peer, CONNECTION_ID, encodeHello(this.hello(peer)))
    if (this.#state === 'stopping') this.#sendAway(peer)
  }

  // ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `envelope`: undefined where nobody waits for a reply. */
  #incoming(peer: Peer, source: RequestListener | SubscriptionLink, envelope: Envelope | undefined, body: Message): void {
    // Nobody else says anything in it, whatever it may look like.
    const isNative = source instanceof SubscriptionLink ? source.speaksNative : this.#natives.has(peer)
    const kind = isNative && this.#native ? nativeKind(body[0]) : undefined
    if (kind !== undefined && kind !== KIND.call) return this.#continue(peer, envelope, kind, body)
    if (kind === undefined && body.length === 1 && isHeartbeat(body[0] as Buffer)) {
      // Python's REP would be stuck after this one; ours says that it is alive.
      if (envelope !== undefined) this.#listener.send(peer, envelope, OK_REPLY)
      this.heartbeat(peer)
      return
    }
    const unanswered = kind !== undefined && (numberOf(body[0] as Buffer) & FLAG.noReply) !== 0
    const call = new ServerCall(this.#host, peer, unanswered ? undefined : envelope, kind === undefined ? 'pyzmqrpc3' : 'native')
    if (!this.running && !call.refusable) {
      source.pause(peer)
      return this.#farewell.parted(peer)
    }
    // Only native callers come back to a call of theirs.
    call.id = call.refusable ? idOf(envelope) : this.#nextId--
    if (call.refusable && this.#calls.get(peer)?.has(call.id)) return this.#drops.drop('duplicateCall', peer)
    this.#counters.taken++
    if (!this.running) return call.refuse(STOPPING)
    const opened = this.open(body, call)
    if (call.orderingKey !== undefined && call.refusable) {
      call.lane = this.#lanes.enter(call, peer, call.orderingKey, (numberOf(body[0] as Buffer) & FLAG.behind) !== 0)
      if (call.lane === undefined) return call.refuse(OUT_OF_TURN)
    }
    if ('status' in opened) return call.refuse(opened)
    call.prepare(opened)
    if (kind !== undefined && !this.#setDeadline(call, amountOf(body[0] as Buffer), opened.command)) return
    switch (this.#admission.enter(call)) {
      case 'started':
        if (!call.isOver) this.#keep(call)
        return
      case 'waiting':
        this.#keep(call)
        if (!call.refusable) {
          this.#paused.set(peer, source)
          source.pause(peer)
        }
        return
      case 'refused':
        this.#deadlines.remove(call)
        return call.refuse(overloaded(opened.command, this.#admission))
    }
  }

  /** A message of a call that came before. One that has ended meanwhile needs nothing more. */
  #continue(peer: Peer, envelope: Envelope | undefined, kind: number, body: Message): void {
    if (kind === KIND.goAway) return this.#farewell.parted(peer)
    const call = this.#calls.get(peer)?.get(idOf(envelope))
    if (call === undefined) return
    if (kind !== KIND.cancel) return call.receive(kind, body)
    const text = `the call was given up by its caller: ${readReason(body) ?? 'no reason given'}`
    call.abort(new ZmqRpcError('ABORTED', text, { endpoint: peer.endpoint }))
  }

  /** False when its time is over already: it is not started. */
  #setDeadline(call: ServerCall, timeLeftMs: number, name: string): boolean {
    if (timeLeftMs === NO_LIMIT) return true
    if (timeLeftMs > 0) {
      this.#deadlines.add(call, timeLeftMs)
      return true
    }
    call.refuse({ status: STATUS.expired, text: `the time of command "${name}" was over before it was started`, name })
    return false
  }

  #send(call: ServerCall, body: Body, optional: boolean): boolean {
    if (call.envelope === undefined) return true
    if (optional) return this.#listener.trySend(call.from, call.envelope, body)
    this.#listener.send(call.from, call.envelope, body)
    return true
  }

  // ── Calls under way ─────────────────────────────────────────────────────────────────────────────────────────────────

  #keep(call: ServerCall): void {
    let calls = this.#calls.get(call.from)
    if (calls === undefined) {
      calls = new CallTable()
      this.#calls.set(call.from, calls)
    }
    calls.add(call)
    call.kept = true
    this.#callCount++
  }

  #left(call: ServerCall): void {
    this.#deadlines.remove(call)
    call.lane?.leave(call)
    if (!call.makesRoom) this.#admission.leave(call)
  }

  #over(call: ServerCall): void {
    this.#deadlines.remove(call)
    // One that runs leaves when it does not any more, even if nobody waits for that.
    if (!call.running) call.lane?.leave(call)
    if (!call.kept) return
    call.kept = false
    // It may have ended before its turn: then nothing of its own starts, and so nothing else has its peer read on.
    if (this.#admission.withdraw(call) && !call.refusable) this.#readOn(call.from)
    const calls = this.#calls.get(call.from)
    if (calls?.get(call.id) === call) calls.delete(call.id)
    if (calls?.size === 0) this.#calls.delete(call.from)
    this.#callCount--
    this.#farewell.look()
  }

  /** The call that it waited with waits no more. */
  #readOn(peer: Peer): void {
    const source = this.#paused.get(peer)
    // First of all: what is read then may have to wait again.
    this.#paused.delete(peer)
    source?.resume(peer)
  }

  #abortCalls(peer: Peer, reason: ZmqRpcError): void {
    this.#natives.delete(peer)
    this.#farewell.parted(peer)
    for (const call of this.#calls.get(peer)?.all() ?? []) call.abort(reason)
  }
}

const STOPPING: Refusal = { status: STATUS.shuttingDown, text: 'the server is about to stop and takes no more calls' }

const OUT_OF_TURN: Refusal = {
  status: STATUS.overloaded,
  text: 'another call with the same ordering key, in front of this one, was not carried out and has to come first',
}

function overloaded(name: string, { running, waiting }: Admission): Refusal {
  const text = `command "${name}" was not carried out: ${running} calls are under way here, and ${waiting} wait already`
  return { status: STATUS.overloaded, text, name }
}

/** A call's number at its client; through a proxy, all that stands before the empty frame. */
function idOf(envelope: Envelope | undefined): number | string {
  if (envelope === undefined) return ''
  return typeof envelope === 'number' ? envelope : envelope.map((frame) => frame.toString('latin1')).join('\0')
}

function subEndpoints(sub: SubEndpoint | readonly SubEndpoint[] | undefined): Exclude<SubEndpoint, string>[] {
  const endpoints = sub === undefined ? [] : Array.isArray(sub) ? (sub as readonly SubEndpoint[]) : [sub as SubEndpoint]
  return endpoints.map((endpoint) => {
    if (typeof endpoint === 'string') return { endpoint }
    checkOptions('sub', endpoint, SUB_OPTIONS)
    return endpoint
  })
}
