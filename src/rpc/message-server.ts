/**
 * What servers and receivers have in common: REP and SUB endpoints, messages that are answered now or later, heartbeats,
 * limits, stopping with a drain.
 *
 * The way of a message: {@link RequestListener} or {@link SubscriptionLink} → `#incoming` → `answer` (of the subclass) →
 * `RequestListener.reply`.
 */

import { performance } from 'node:perf_hooks'
import { ZmqRpcError } from '../errors.ts'
import type { Peer } from '../session/peer.ts'
import type { Message } from '../wire/index.ts'
import { type Auth, type Credentials, clientOptions, type Principal, serverOptions } from './auth.ts'
import { timerMs } from './deadlines.ts'
import { encodeReply, isHeartbeat, STATUS, STATUS_TEXT } from './dialect/pyzmqrpc3.ts'
import { type Endpoint, resolveEndpoints, resolveNumber } from './endpoint.ts'
import { RequestListener } from './request-listener.ts'
import type { PeerInfo, ServiceContext } from './service.ts'
import type { ReplyFrame } from './service-call.ts'
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
  /** Messages that may be under way in services at a time; beyond it no more are read until one is done. @default 1000 */
  readonly maxConcurrentCalls?: number | undefined
  /** Largest message taken in, bytes; a peer that sends a larger one is disconnected. @default 67108864 (64 MiB) */
  readonly maxMessageBytes?: number | undefined
}

/** How to stop. */
export interface StopOptions {
  /** Time for calls that are under way to end, and for their replies to be written, ms; what is left then is aborted. @default 5000 */
  readonly drainMs?: number | undefined
}

const DEFAULTS = { heartbeatTimeoutMs: 600_000, maxConcurrentCalls: 1000, maxMessageBytes: 64 * 1024 * 1024, drainMs: 5000 }

/** Time for the last replies to be written, where no more is left of `drainMs`. */
const LINGER_MS = 1000

const OK_REPLY = encodeReply({ status: STATUS.ok, statusText: STATUS_TEXT.ok })

/** A message, and where it came in. */
interface HeldMessage {
  readonly source: RequestListener | SubscriptionLink
  /** Undefined where nobody waits for a reply. */
  readonly envelope: Message | undefined
  readonly body: Message
}

export abstract class MessageServer {
  readonly #rep: readonly Endpoint[]
  readonly #listener: RequestListener
  readonly #links: readonly SubscriptionLink[]
  readonly #maxConcurrentCalls: number
  /** Calls under way, by the peer that waits for them. */
  readonly #calls = new Map<Peer, Set<CallContext>>()
  #callCount = 0
  /** Messages that wait until a call has ended, the oldest first. One of each peer: one that has to wait is not read. */
  readonly #held = new Map<Peer, HeldMessage>()
  #state: 'new' | 'started' | 'stopping' | 'stopped' = 'new'
  /** Called when the last call under way has ended; set while `stop` waits for it. */
  #idle: (() => void) | undefined
  #stopping: Promise<void> | undefined
  #markStopped: () => void = () => {}
  /** Resolves when it has stopped, by `stop` or by a `ShutdownServer` command. */
  readonly stopped: Promise<void>

  /** @throws ZmqRpcError BAD_OPTION. */
  constructor(options: MessageServerOptions) {
    const security = serverOptions(options.auth)
    const maxMessageBytes = resolveNumber('maxMessageBytes', options.maxMessageBytes, DEFAULTS.maxMessageBytes, 1)
    const heartbeatTimeoutMs = resolveNumber('heartbeatTimeoutMs', options.heartbeatTimeoutMs, DEFAULTS.heartbeatTimeoutMs)
    this.#maxConcurrentCalls = resolveNumber('maxConcurrentCalls', options.maxConcurrentCalls, DEFAULTS.maxConcurrentCalls, 1)
    this.#rep = resolveEndpoints('rep', options.rep, 'bind')
    const subscriptions = subEndpoints(options.sub).map(({ endpoint, ...own }) => {
      resolveEndpoints('sub', endpoint, 'connect')
      const credentials = own.credentials ?? options.credentials
      return {
        endpoint,
        heartbeatTimeoutMs: resolveNumber('sub.heartbeatTimeoutMs', own.heartbeatTimeoutMs, heartbeatTimeoutMs),
        security: credentials === undefined ? security : clientOptions(credentials),
        maxMessageBytes,
      }
    })
    if (this.#rep.length + subscriptions.length === 0) throw new ZmqRpcError('BAD_OPTION', 'it listens nowhere: give it rep, sub or both')
    // Sockets come last: what is refused leaves nothing open.
    this.#listener = new RequestListener(
      { security, maxMessageBytes },
      {
        request: (peer, envelope, body) => this.#incoming({ source: this.#listener, envelope, body }, peer),
        lost: (peer) => {
          this.#held.delete(peer)
          this.#abortCalls(peer, new ZmqRpcError('CONNECTION_LOST', 'the caller is gone', { endpoint: peer.endpoint }))
        },
      },
    )
    this.#links = subscriptions.map((options) => {
      const link = new SubscriptionLink(options, (peer, body) => this.#incoming({ source: link, envelope: undefined, body }, peer))
      return link
    })
    this.stopped = new Promise((resolve) => {
      this.#markStopped = resolve
    })
  }

  /** The `rep` endpoints as bound: wildcards and port 0 resolved. */
  get endpoints(): Endpoint[] {
    return this.#listener.endpoints
  }

  /** True from the call of `start` to the beginning of `stop`. */
  get running(): boolean {
    return this.#state === 'started'
  }

  /**
   * Binds `rep`, and begins to connect to `sub`. Resolves when all is bound.
   *
   * @throws SocketError when an endpoint cannot be bound (EADDRINUSE, EACCES, …): nothing is left bound then, and it cannot
   * be started again.
   * @throws ZmqRpcError CLOSED when it was started before, or is stopped meanwhile.
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new ZmqRpcError('CLOSED', 'it was started before: make a new one')
    this.#state = 'started'
    try {
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
   * Takes no more messages, lets calls under way end (`drainMs`), sends their replies, and closes everything. Requests that
   * were not read yet are not executed; their clients see the connection close. Never rejects.
   */
  stop(options: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(resolveNumber('drainMs', options.drainMs, DEFAULTS.drainMs))
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Makes the answer to a message, now or later. Must not throw, nor reject.
   *
   * `context.peer.kind` tells whether anybody waits for the answer.
   */
  protected abstract answer(body: Message, context: ServiceContext): ReplyFrame | Promise<ReplyFrame>

  async #stop(drainMs: number): Promise<void> {
    this.#state = 'stopping'
    // A service may have asked for it: its own reply comes first.
    await undefined
    const drainedBy = performance.now() + drainMs
    if (this.#callCount > 0 && drainMs > 0) {
      const drained = new Promise<void>((resolve) => {
        this.#idle = resolve
      })
      const timer = setTimeout(() => this.#idle?.(), timerMs(drainMs))
      await drained
      clearTimeout(timer)
    }
    for (const peer of [...this.#calls.keys()])
      this.#abortCalls(peer, new ZmqRpcError('CLOSED', 'the server stops', { endpoint: peer.endpoint }))
    const lingerMs = timerMs(Math.max(drainedBy - performance.now(), LINGER_MS))
    await Promise.all([this.#listener.close(lingerMs), ...this.#links.map((link) => link.close())])
    this.#held.clear()
    this.#state = 'stopped'
    this.#markStopped()
  }

  /** A message of either side. */
  #incoming(message: HeldMessage, peer: Peer): void {
    const { source, envelope, body } = message
    if (body.length === 1 && isHeartbeat(body[0] as Buffer)) {
      // Python's REP would be stuck after this one; ours says that it is alive.
      if (envelope !== undefined) this.#listener.reply(peer, envelope, OK_REPLY)
      return
    }
    // Each peer in turn: one with much to do does not keep the others waiting.
    if (!this.running || this.#callCount >= this.#maxConcurrentCalls || this.#held.size > 0) {
      this.#held.set(peer, message)
      return source.pause(peer)
    }
    this.#serve(peer, envelope, body)
  }

  #serve(peer: Peer, envelope: Message | undefined, body: Message): void {
    const context = new CallContext(peer, envelope === undefined ? 'pub' : 'req')
    const answer = this.answer(body, context)
    if (!(answer instanceof Promise)) return this.#answered(peer, envelope, answer)
    this.#begin(peer, context)
    void answer.then((frame) => {
      this.#answered(peer, envelope, frame)
      this.#end(peer, context)
    })
  }

  #answered(peer: Peer, envelope: Message | undefined, frame: ReplyFrame): void {
    if (envelope !== undefined && frame !== undefined) this.#listener.reply(peer, envelope, frame)
  }

  #begin(peer: Peer, context: CallContext): void {
    const calls = this.#calls.get(peer)
    if (calls === undefined) this.#calls.set(peer, new Set([context]))
    else calls.add(context)
    this.#callCount++
  }

  #end(peer: Peer, context: CallContext): void {
    const calls = this.#calls.get(peer)
    calls?.delete(context)
    if (calls?.size === 0) this.#calls.delete(peer)
    this.#callCount--
    if (this.#callCount === 0) this.#idle?.()
    if (this.#held.size > 0) this.#admit()
  }

  /** Serves who has waited longest, as far as there is room. A peer that is read again may have the next message ready: it waits behind the others. */
  #admit(): void {
    for (const [peer, { source, envelope, body }] of this.#held) {
      if (!this.running || this.#callCount >= this.#maxConcurrentCalls) return
      this.#held.delete(peer)
      this.#serve(peer, envelope, body)
      source.resume(peer)
    }
  }

  #abortCalls(peer: Peer, reason: ZmqRpcError): void {
    for (const context of this.#calls.get(peer) ?? []) context.abort(reason)
  }
}

function subEndpoints(sub: SubEndpoint | readonly SubEndpoint[] | undefined): Exclude<SubEndpoint, string>[] {
  const endpoints = sub === undefined ? [] : Array.isArray(sub) ? (sub as readonly SubEndpoint[]) : [sub as SubEndpoint]
  return endpoints.map((endpoint) => (typeof endpoint === 'string' ? { endpoint } : endpoint))
}

/** The context of one call. Its signal is only made when the service asks for it. */
class CallContext implements ServiceContext, PeerInfo {
  readonly kind: 'req' | 'pub'
  readonly #peer: Peer
  /** As it was when the message came: a publisher may come back as somebody else. */
  readonly #user: unknown
  #controller: AbortController | undefined
  #reason: ZmqRpcError | undefined

  constructor(peer: Peer, kind: 'req' | 'pub') {
    this.#peer = peer
    this.#user = peer.info?.user
    this.kind = kind
  }

  get peer(): PeerInfo {
    return this
  }

  get endpoint(): string {
    return this.#peer.endpoint
  }

  get remoteAddress(): string | undefined {
    return this.#peer.remoteAddress
  }

  get principal(): Principal | undefined {
    return this.#user as Principal | undefined
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  abort(reason: ZmqRpcError): void {
    this.#reason ??= reason
    this.#controller?.abort(reason)
  }
}
