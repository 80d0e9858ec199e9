/** What clients and senders have in common: where they send, and as whom. */

import { ZmqRpcError } from '../../errors.ts'
import { checkFunction, checkOptions, type OptionNames } from '../../options.ts'
import { type Auth, type Credentials, clientOptions, serverOptions } from '../auth.ts'
import { timeWithinScope } from '../call-scope.ts'
import { Deadlines } from '../deadlines.ts'
import { resolveDialect } from '../dialect/announcement.ts'
import type { Hello } from '../dialect/native/message.ts'
import { Drops } from '../drops.ts'
import { type Endpoint, resolveEndpoints, resolveNumber } from '../endpoint.ts'
import type { Metadata } from '../server/service.ts'
import { CallCounters, type ClientStats } from '../stats.ts'
import type { HedgeOptions, RetryOptions } from './attempts.ts'
import { type BalancePolicy, resolveBalance } from './balancer.ts'
import type { CallSettings } from './call.ts'
import { HEARTBEAT_MESSAGE, Publication, type Published } from './publication.ts'
import type { RequestLink } from './request-link.ts'
import { Requester } from './requester.ts'

/** Options of `RpcClient` and `Sender`. */
export interface ClientOptions {
  /** Servers to connect to, where an answer matters: one or several. */
  readonly req?: Endpoint | readonly Endpoint[] | undefined
  /** Where to publish, for whoever listens. */
  readonly pub?: Endpoint | undefined
  /** Shown to servers, and to listeners of `pub` that ask for them (a listener that does not ask cannot connect then). */
  readonly credentials?: Credentials | undefined
  /** Asks the listeners of `pub` for a password or key. Takes the place of `credentials` there. @default nobody is asked */
  readonly auth?: Auth | undefined
  /** Time for an answer, ms, where the call does not say; Infinity for ever. @default 60000 */
  readonly timeoutMs?: number | undefined
  /** Calls that may wait for an endpoint that is away or does not keep up; one more fails at once with QUEUE_FULL. @default 1000 */
  readonly maxQueued?: number | undefined
  /**
   * Which of several servers a call goes to, among those that take calls: each in turn, the one with the fewest calls under way, or
   * the first, so that the others stand by.
   *
   * @default 'roundRobin'
   */
  readonly balance?: BalancePolicy | undefined
  /** Published messages that may wait for each listener; what comes beyond it misses that listener. @default 100000, as pyzmqrpc3 */
  readonly maxPublished?: number | undefined
  /** A heartbeat is published so often, ms; 0: only by `sendHeartbeat`. @default 0 */
  readonly heartbeatIntervalMs?: number | undefined
  /** Largest reply taken in, bytes. @default 67108864 (64 MiB) */
  readonly maxMessageBytes?: number | undefined
  /**
   * `auto`: each server is spoken to in the best dialect that it knows. `pyzmqrpc3`: ours is not even announced; for tests, and for
   * those who want to read along.
   *
   * @default 'auto'
   */
  readonly dialect?: 'auto' | 'pyzmqrpc3' | undefined
}

export const CLIENT_OPTIONS: OptionNames<ClientOptions> = {
  req: true,
  pub: true,
  credentials: true,
  auth: true,
  timeoutMs: true,
  maxQueued: true,
  balance: true,
  maxPublished: true,
  heartbeatIntervalMs: true,
  maxMessageBytes: true,
  dialect: true,
}

/** How to wait until everything is there. */
export interface ReadyOptions {
  /** @default the client's `timeoutMs` */
  readonly timeoutMs?: number | undefined
  /** Endpoints of `req` that have to be connected: 1 is enough for `execute`. @default all of them */
  readonly servers?: number | undefined
  /** Listeners that `pub` waits for. @default 0 */
  readonly subscribers?: number | undefined
}

const READY_OPTIONS: OptionNames<ReadyOptions> = { timeoutMs: true, servers: true, subscribers: true }

/** Options of one call. */
export interface CallOptions {
  /** Time for the answer, ms; Infinity for ever. Within a service no more than its own call has left. @default the client's `timeoutMs` */
  readonly timeoutMs?: number | undefined
  /** Gives the call up: it fails with ABORTED. A command that was sent already may still be executed. */
  readonly signal?: AbortSignal | undefined
  /**
   * Goes along with the call, to the service's `context.metadata`. A server of the pyzmqrpc3 dialect does not get it.
   *
   * @default {}; within a service, `traceparent`, `tracestate` and `baggage` of the call that it answers
   */
  readonly metadata?: Metadata | undefined
  /** Told what the service gave back besides its result (`context.replyMetadata`), before the call resolves; not called without any. */
  readonly onMetadata?: ((metadata: Metadata) => void) | undefined
  /**
   * A name for this very command, 1 to 255 characters: a server that has carried it out already answers again what it answered then
   * (for how long: its option `idempotencyTtlMs`), and one that is at it has this call wait for that answer. Refused are a key that
   * was used with another command (CONFLICT), and a result that streams (BAD_RESULT). A server of the pyzmqrpc3 dialect does not know of it.
   */
  readonly idempotencyKey?: string | undefined
  /** How it is tried again when it fails; false: not at all. @default the client's */
  readonly retry?: RetryOptions | false | undefined
  /** A second server is asked, too, when the first one is slow; false: not at all. @default the client's */
  readonly hedge?: HedgeOptions | false | undefined
}

export const CALL_OPTIONS: OptionNames<CallOptions> = {
  timeoutMs: true,
  signal: true,
  metadata: true,
  onMetadata: true,
  idempotencyKey: true,
  retry: true,
  hedge: true,
}

/** Options of `submit`. */
export interface SubmitOptions extends Pick<CallOptions, 'signal' | 'metadata'> {
  /** Time until it is on disk at the first buffer, ms; Infinity for ever. Within a service no more than its own call has left. @default the client's `timeoutMs` */
  readonly timeoutMs?: number | undefined
  /**
   * A name for this very command, 1 to 255 characters; it becomes the `id` of the receipt. Submitted again with the same one, it is kept once,
   * for as long as the buffer remembers; and servers carry it out once, for as long as they do (their `idempotencyTtlMs`).
   *
   * @default a random one
   */
  readonly idempotencyKey?: string | undefined
  /** From now on, ms: a command that was not carried out by then is given up. Infinity: never. @default the buffer's `maxAgeMs` */
  readonly ttlMs?: number | undefined
  /**
   * Commands with the same one, 1 to 255 characters, are carried out one after the other, in the order in which this client submitted them. `null`: in any
   * order.
   *
   * @default one of this client, so that all that it submits is carried out in order
   */
  readonly orderingKey?: string | null | undefined
}

export const SUBMIT_OPTIONS: OptionNames<SubmitOptions> = {
  timeoutMs: true,
  signal: true,
  metadata: true,
  idempotencyKey: true,
  ttlMs: true,
  orderingKey: true,
}

/** Options of `result` and `track`. */
export interface ReceiptOptions extends Pick<CallOptions, 'signal' | 'onMetadata'> {
  /** Time to wait for it, ms; Infinity for ever. @default the client's `timeoutMs` */
  readonly timeoutMs?: number | undefined
}

export const RECEIPT_OPTIONS: OptionNames<ReceiptOptions> = { timeoutMs: true, signal: true, onMetadata: true }

/** The two ways out of a client or sender. */
export class Outlets {
  readonly requester: Requester
  readonly publication: Publication | undefined
  readonly #counters = new CallCounters()
  readonly #drops = new Drops()
  readonly timeoutMs: number
  readonly maxQueued: number

  /** Begins to connect and to bind. `onChange`: a server of `req` is there, or has gone. @throws ZmqRpcError BAD_OPTION. */
  constructor(options: ClientOptions, onHello?: (link: RequestLink, hello: Hello) => void, onChange?: () => void) {
    const { credentials, auth } = options
    const req = resolveEndpoints('req', options.req, 'connect')
    const [pub] = resolveEndpoints('pub', options.pub, 'bind')
    if (auth !== undefined && pub === undefined)
      throw new ZmqRpcError('BAD_OPTION', 'auth asks the listeners of pub, and there is no pub: what is shown to servers is credentials')
    if (req.length === 0 && pub === undefined) throw new ZmqRpcError('BAD_OPTION', 'it sends nowhere: give it req, pub or both')
    this.timeoutMs = resolveNumber('timeoutMs', options.timeoutMs, 60_000)
    const maxQueued = resolveNumber('maxQueued', options.maxQueued, 1000, 1)
    const maxPublished = resolveNumber('maxPublished', options.maxPublished, 100_000, 1)
    const heartbeatIntervalMs = resolveNumber('heartbeatIntervalMs', options.heartbeatIntervalMs, 0)
    const maxMessageBytes = resolveNumber('maxMessageBytes', options.maxMessageBytes, 64 * 1024 * 1024, 1)
    const balance = resolveBalance(options.balance)
    const native = resolveDialect(options.dialect) === 'auto'
    const ofClient = clientOptions(credentials)
    // A PUB with credentials is the client though it binds, as pyzmqrpc3's: whoever carries commands out asks who sends them.
    const ofPublisher = auth === undefined ? ofClient : serverOptions(auth)
    // Sockets come last: what is refused leaves nothing open.
    const [counters, drops] = [this.#counters, this.#drops]
    this.maxQueued = maxQueued
    const linkOptions = { security: ofClient, maxQueued, maxMessageBytes, native, counters, drops }
    this.requester = new Requester(req, linkOptions, new Deadlines(), balance, onHello, onChange)
    this.publication =
      pub === undefined
        ? undefined
        : new Publication({ endpoint: pub, security: ofPublisher, maxQueued: maxPublished, heartbeatIntervalMs, native, drops })
  }

  /** @throws ZmqRpcError BAD_OPTION; TIMED_OUT within a service whose own call has no time left. */
  settings(options: CallOptions, fallbackMs: number = this.timeoutMs): CallSettings {
    const { signal, onMetadata } = options
    const timeoutMs = timeWithinScope(resolveNumber('timeoutMs', options.timeoutMs, fallbackMs))
    if (signal !== undefined) checkSignal(signal)
    if (onMetadata !== undefined) checkFunction('onMetadata', onMetadata)
    return { timeoutMs, signal, onMetadata }
  }

  /** @throws ZmqRpcError BAD_OPTION without `pub`, and as `Publication.publish`. */
  async publish(message: Published): Promise<void> {
    if (this.publication === undefined) throw new ZmqRpcError('BAD_OPTION', 'there is nowhere to publish: give it pub')
    await this.publication.publish(message)
  }

  /** @throws as `publish` */
  sendHeartbeat(): Promise<void> {
    return this.publish(HEARTBEAT_MESSAGE)
  }

  stats(): ClientStats {
    const { taken, ended, failed } = this.#counters
    const { links } = this.requester
    const servers = links.map((link) => link.stats())
    return {
      started: taken,
      ended,
      failed,
      queued: servers.reduce((sum, { queued }) => sum + queued, 0),
      inFlight: servers.reduce((sum, { inFlight }) => sum + inFlight, 0),
      submitting: 0,
      streams: links.reduce((sum, { streams }) => sum + streams, 0),
      subscribers: this.publication?.subscribers ?? 0,
      servers,
      dropped: this.#drops.counts,
    }
  }

  async ready(options: ReadyOptions): Promise<void> {
    checkOptions('ready', options, READY_OPTIONS)
    const timeoutMs = resolveNumber('timeoutMs', options.timeoutMs, this.timeoutMs)
    const all = this.requester.links.length
    // Of one and a half there are enough with two.
    const servers = Math.ceil(resolveNumber('servers', options.servers, all))
    if ((options.subscribers ?? 0) > 0 && this.publication === undefined)
      throw new ZmqRpcError('BAD_OPTION', 'subscribers are waited for, but there is no pub that they could subscribe to')
    if (servers > all) throw new ZmqRpcError('BAD_OPTION', `servers is ${servers}, but req has ${all} endpoints`)
    await Promise.all([this.requester.whenConnected(servers, timeoutMs), this.publication?.whenHeard(options.subscribers ?? 0, timeoutMs)])
  }

  async close(): Promise<void> {
    await Promise.all([this.requester.close(), this.publication?.close()])
  }
}

/** Whatever makes it may be another one's: what counts is what it can do. @throws ZmqRpcError BAD_OPTION */
function checkSignal(given: unknown): void {
  const { aborted, signal, addEventListener } = Object(given) as { aborted?: unknown; signal?: unknown; addEventListener?: unknown }
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function') return
  const hint = signal === undefined ? '' : ': an AbortController has one as its property signal'
  throw new ZmqRpcError('BAD_OPTION', `signal is no AbortSignal${hint}`)
}
