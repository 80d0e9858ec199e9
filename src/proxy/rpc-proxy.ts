/**
 * Joins two networks: takes messages on `rep` and `sub`, as a server does, and passes them on to `req` or `pub`, as a client does.
 *
 * The way of a call: `open` → {@link ForwardedRequest} → `Requester` → the server → {@link ForwardedRequest.read} → the caller. What
 * streams within it goes through {@link CallRelay}.
 */

import { performance } from 'node:perf_hooks'
import { isDeepStrictEqual } from 'node:util'
import { toError, ZmqRpcError } from '../errors.ts'
import { checkOptions, type OptionNames } from '../options.ts'
import type { Auth, Credentials } from '../rpc/auth.ts'
import type { BufferOptions } from '../rpc/buffer/buffer-options.ts'
import type { BufferStats, DeadLetter } from '../rpc/buffer/command-buffer.ts'
import { Custody } from '../rpc/buffer/custody.ts'
import { type ClientOptions, Outlets } from '../rpc/client/client-options.ts'
import type { Published } from '../rpc/client/publication.ts'
import { ShutdownServer } from '../rpc/command/command.ts'
import type { Dialect } from '../rpc/dialect/announcement.ts'
import { FLAG, NO_LIMIT, numberOf, setAmount, setNumber } from '../rpc/dialect/native/header.ts'
import { type CallHead, decodeCallHead, encodeReply, FEATURE, type Hello, withExtras } from '../rpc/dialect/native/message.ts'
import { decodeOpaque, mayAskFor } from '../rpc/dialect/pyzmqrpc3.ts'
import { callToPython, isText } from '../rpc/dialect/translate.ts'
import { type Endpoint, leadsBack, resolveEndpoints } from '../rpc/endpoint.ts'
import { wordsOf } from '../rpc/error/error-text.ts'
import { STATUS } from '../rpc/error/status.ts'
import { type Allow, isAllowedNow } from '../rpc/server/allow.ts'
import {
  MESSAGE_SERVER_OPTIONS,
  MessageServer,
  type MessageServerOptions,
  resolveDrain,
  type StopOptions,
  startedBefore,
} from '../rpc/server/message-server.ts'
import type { ServerCall } from '../rpc/server/server-call.ts'
import { Answered, type Refusal, Refused, type ServiceRun } from '../rpc/server/service-run.ts'
import { noShutdown, shutdownRule } from '../rpc/server/shutdown.ts'
import type { ClientStats, ServerStats } from '../rpc/stats.ts'
import { CallRelay } from '../rpc/stream/call-relay.ts'
import type { Message } from '../wire/index.ts'
import { DONE } from './done.ts'
import { ForwardedRequest } from './forwarded-request.ts'
import { Keeper } from './keeper.ts'

/** Options of `RpcProxy`: those of a server for the side where messages come in, those of a client for the side where they go out. */
export interface RpcProxyOptions
  extends Omit<MessageServerOptions, 'credentials' | 'exposeStacks'>,
    Pick<ClientOptions, 'req' | 'pub' | 'maxQueued' | 'maxPublished' | 'heartbeatIntervalMs' | 'balance'> {
  /** Asks those who send to the proxy, on `rep` and on `sub`. @default nobody is asked */
  readonly auth?: Auth | undefined
  /** Shown where the proxy sends to: to servers on `req`, and to the listeners of `pub` that ask for them. */
  readonly credentials?: Credentials | undefined
  /** Asks the listeners of `pub`; takes the place of `credentials` there. @default nobody is asked */
  readonly pubAuth?: Auth | undefined
  /**
   * Whose `ShutdownServer` is passed on: true for everybody's, false for nobody's. The server behind the proxy cannot tell: to it, they all
   * come from the proxy, which may have a password there.
   *
   * @default those of callers and publishers who have a principal here, by a password or a key (see `auth`)
   */
  readonly allowShutdown?: boolean | undefined
  /** Time for the far end's answer, ms; never more than the caller has left. @default 60000, as pyzmqrpc3 */
  readonly timeoutMs?: number | undefined
  /**
   * Keeps commands on disk until `req` has carried them out: see `docs/delivery.md`. Callers of the pyzmqrpc3 dialect hear that they are kept,
   * and get no result.
   *
   * @default what cannot be passed on at once is refused
   */
  readonly buffer?: BufferOptions | undefined
}

const { exposeStacks: _, ...FRONT_OPTIONS } = MESSAGE_SERVER_OPTIONS

const RPC_PROXY_OPTIONS: OptionNames<RpcProxyOptions> = {
  ...FRONT_OPTIONS,
  req: true,
  pub: true,
  maxQueued: true,
  maxPublished: true,
  heartbeatIntervalMs: true,
  balance: true,
  pubAuth: true,
  allowShutdown: true,
  timeoutMs: true,
  buffer: true,
}

/** What `RpcProxy.stats()` tells. */
export interface ProxyStats {
  /** On `rep` and `sub`, where messages come in. */
  readonly incoming: ServerStats
  /** On `req` and `pub`, where they go out. */
  readonly outgoing: ClientStats
  /** What it keeps; undefined without a buffer. */
  readonly buffer: BufferStats | undefined
}

/**
 * Passes on commands and texts from one network to another, and answers back: pyzmqrpc3's proxies, all four of them.
 *
 * - `rep` to `req`: calls and their replies, errors, streams, cancellation.
 * - `rep` to `pub`: the caller is told that its message was published, and no result.
 * - `sub` to `req`: as a call whose answer nobody hears.
 * - `sub` to `pub`: heartbeats, too.
 *
 * What it cannot pass on, the caller is told with status 482 and the reason. Messages are not read, except between a side that speaks the
 * native dialect and one that speaks pyzmqrpc3's, where they are translated.
 *
 * @example
 * ```ts
 * const proxy = new RpcProxy({ rep: 'tcp://*:30000', req: 'tcp://lab.example:30000', credentials: { username: 'pi', password: 'secret' } })
 * await proxy.start()
 * ```
 */
export class RpcProxy {
  readonly #front: Front
  readonly #outlets: Outlets
  readonly #custody: Custody | undefined
  readonly #keeper: Keeper | undefined
  #started = false
  #stopping: Promise<void> | undefined
  #markStopped: () => void = () => {}

  /**
   * Begins to connect to `req`, or to bind `pub`.
   *
   * @throws ZmqRpcError BAD_OPTION, also unless there is one of `rep` and `sub`, and either `req` or `pub`; `buffer` goes with `req`;
   * and for a `req` that is its own `rep`.
   */
  constructor(options: RpcProxyOptions) {
    checkOptions('RpcProxy', options, RPC_PROXY_OPTIONS)
    const {
      req,
      pub,
      credentials,
      pubAuth,
      allowShutdown,
      timeoutMs,
      maxQueued,
      maxPublished,
      heartbeatIntervalMs,
      balance,
      buffer,
      ...front
    } = options
    if ((req === undefined) === (pub === undefined))
      throw new ZmqRpcError('BAD_OPTION', 'a proxy passes messages on either to req or to pub: give it one of the two')
    if (buffer !== undefined && req === undefined)
      throw new ZmqRpcError(
        'BAD_OPTION',
        'buffer keeps what req has to carry out: nobody could say of what is published that it has arrived',
      )
    const { dialect, maxMessageBytes } = options
    const back: ClientOptions = {
      req,
      pub,
      credentials,
      auth: pubAuth,
      timeoutMs,
      maxQueued,
      maxPublished,
      heartbeatIntervalMs,
      balance,
      dialect,
      maxMessageBytes,
    }
    this.#custody = buffer === undefined ? undefined : new Custody(buffer, defaultName(front.rep), () => this.#outlets.requester.links)
    this.#keeper = this.#custody && new Keeper(this.#custody)
    this.#front = new Front(front, shutdownRule(allowShutdown, 'authenticated'), () => this.#outlets, this.#keeper)
    try {
      refuseLoop(req, front.rep)
      const changed = (): void => this.#custody?.buffer.changed()
      this.#outlets = new Outlets(
        back,
        (_link, hello) => {
          this.#front.heard(hello)
          changed()
        },
        changed,
      )
    } catch (error) {
      void this.#front.stop({ drainMs: 0 })
      throw error
    }
    this.stopped = new Promise((resolve) => {
      this.#markStopped = resolve
    })
  }

  /** The `rep` endpoints as bound: wildcards and port 0 resolved. None before `start`, and none once it has stopped. */
  get endpoints(): Endpoint[] {
    return this.#front.endpoints
  }

  /** The `pub` endpoint as bound; undefined without one, before it is bound, and once it has stopped. */
  get publishEndpoint(): Endpoint | undefined {
    return this.#outlets.publication?.endpoint
  }

  /** True from the end of `start` to the beginning of `stop`. */
  get running(): boolean {
    return this.#front.running
  }

  /** Resolves when it has stopped. */
  readonly stopped: Promise<void>

  /** What it does and has done, in numbers. Cheap: the counters are always on. */
  stats(): ProxyStats {
    return { incoming: this.#front.stats(), outgoing: this.#outlets.stats(), buffer: this.#custody?.buffer.stats() }
  }

  /**
   * Commands that the buffer has given up, a hundred at a time, those behind `afterSeq`: see `docs/delivery.md`. None without a buffer.
   *
   * @throws StoreError; ZmqRpcError STORE_FAILED, CLOSED while the buffer is not open.
   */
  async deadLetters(afterSeq = 0): Promise<DeadLetter[]> {
    return this.#custody === undefined ? [] : this.#custody.buffer.deadLetters(afterSeq)
  }

  /** Has one of those delivered once more, behind all that wait. False if there is none. @throws as {@link deadLetters} */
  async requeue(seq: number): Promise<boolean> {
    return this.#custody === undefined ? false : this.#custody.buffer.requeue(seq)
  }

  /** Forgets some of those. @throws as {@link deadLetters} */
  async dropDeadLetters(seqs: readonly number[]): Promise<void> {
    await this.#custody?.buffer.drop(seqs)
  }

  /**
   * Binds `rep` and `pub`, and begins to connect to `sub`. Resolves when all is bound.
   *
   * @throws as `RpcServer.start`, and StoreError where the buffer cannot be opened: nothing is left open then.
   */
  async start(): Promise<void> {
    if (this.#started) throw startedBefore(this.running)
    this.#started = true
    try {
      await this.#outlets.publication?.whenHeard(0, Number.POSITIVE_INFINITY)
      await this.#custody?.buffer.open()
      await this.#front.start()
      const [endpoint] = this.endpoints
      if (endpoint !== undefined) this.#custody?.buffer.boundAt(endpoint)
    } catch (error) {
      await this.stop({ drainMs: 0 })
      throw error
    }
  }

  /** Takes no more messages, waits for the answers that are on their way (`drainMs`), and closes both sides. Never rejects. */
  stop(options: StopOptions = {}): Promise<void> {
    const drainMs = resolveDrain(options)
    this.#stopping ??= this.#stop(drainMs)
    return this.#stopping
  }

  async #stop(drainMs: number): Promise<void> {
    const drainedBy = performance.now() + drainMs
    this.#keeper?.stopWaiting()
    await this.#front.stop({ drainMs })
    await this.#custody?.buffer.close(Math.max(0, drainedBy - performance.now()))
    await this.#outlets.close()
    this.#markStopped()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** What goes back to where it came from would go round until its time is over. */
function refuseLoop(req: RpcProxyOptions['req'], rep: RpcProxyOptions['rep']): void {
  const own = resolveEndpoints('rep', rep, 'bind')
  const endpoint = resolveEndpoints('req', req, 'connect').find((dialled) => own.some((bound) => leadsBack(dialled, bound)))
  if (endpoint === undefined) return
  throw new ZmqRpcError('BAD_OPTION', `req leads back to the proxy itself: ${endpoint} is its rep`, { endpoint })
}

/**
 * What could not be passed on is answered so much before its caller's time is over, as a share of that and at most: the caller hears why,
 * and that nothing was carried out, where it would else know nothing.
 */
const RESERVE_SHARE = 0.1
const MAX_RESERVE_MS = 1000

const lostFarEnd = (error: Error) => ({ status: STATUS.proxyFailed, text: `the proxy lost the far end: ${wordsOf(error)}` })

const NO_SHUTDOWN = noShutdown('this proxy does not let you shut down what is behind it')

/** The side where messages come in. */
class Front extends MessageServer {
  readonly #outlets: () => Outlets
  readonly #keeper: Keeper | undefined
  readonly #shutdown: Allow
  /** What the far end says that it serves. */
  #contracts: Hello['contracts']

  constructor(options: MessageServerOptions, shutdown: Allow, outlets: () => Outlets, keeper: Keeper | undefined) {
    super(options)
    this.#shutdown = shutdown
    this.#outlets = outlets
    this.#keeper = keeper
  }

  /** The far end tells about itself: those who come in are told the same. */
  heard({ contracts }: Hello): void {
    // Said again only when it is news: two proxies that point at each other would never stop.
    if (isDeepStrictEqual(contracts, this.#contracts)) return
    this.#contracts = contracts
    this.sayHello()
  }

  protected override hello(peer: Parameters<MessageServer['hello']>[0]): Hello {
    const told = super.hello(peer)
    const features = this.#keeper === undefined ? told.features : [...told.features, FEATURE.buffer]
    return { ...told, features, ...(this.#contracts !== undefined && { contracts: this.#contracts }) }
  }

  /** A heartbeat only says something about the link that it came on; where there are listeners, theirs depends on it. */
  protected override heartbeat(): void {
    const { publication } = this.#outlets()
    if (publication !== undefined) void this.#outlets().sendHeartbeat().catch(toError)
  }

  protected override open(body: Message, call: ServerCall): ServiceRun | Refusal {
    const keeper = this.#keeper
    let name: string | undefined
    let head: CallHead | undefined
    if (call.dialect === 'native') {
      try {
        head = decodeCallHead(body)
        name = head.name
      } catch (cause) {
        return { status: STATUS.badCommand, text: `The call cannot be read: ${wordsOf(toError(cause))}`, cause }
      }
    } else if (!isText(body)) {
      return { status: STATUS.badCommand, text: 'The message is not one frame of UTF-8 text.' }
    }
    if (this.#isForbiddenShutdown(name, body, call)) return NO_SHUTDOWN
    // One shape for all: it is made for every call.
    const run = (execute: () => unknown, overlaps = false): ServiceRun => {
      return { command: name ?? '(message)', serviceName: 'RpcProxy', limit: undefined, ready: undefined, overlaps, execute }
    }
    call.orderingKey = head?.extras?.orderingKey
    if (keeper !== undefined) {
      const answer = head && keeper.question(head.name, body, head, call)
      if (answer !== undefined) return run(answer)
      const incoming = { call, body, name: name ?? decodeOpaque(body[0] as Buffer)?.name, extras: head?.extras }
      // The store keeps the order.
      if (keeper.keeps(incoming)) return run(() => keeper.keep(incoming), true)
    }
    const { requester } = this.#outlets()
    if (requester.links.length === 0) return run(() => this.#publish(name, body, call.dialect))
    return run(() => this.#forward(name, withoutKeep(body, head), call, head?.extras?.keep !== undefined))
  }

  /** `name`: undefined where it is not known, since what Python sends is not read; here it must be. */
  #isForbiddenShutdown(name: string | undefined, body: Message, { principal, peer }: ServerCall): boolean {
    const command = ShutdownServer.commandName
    if (name !== undefined && name !== command) return false
    if (isAllowedNow(this.#shutdown, { principal, command, peer })) return false
    return name === command || mayAskFor(command, body[0] as Buffer)
  }

  /** `wasToBeKept`: its caller takes ACCEPTED for the end of it. */
  async #forward(name: string | undefined, body: Message, call: ServerCall, wasToBeKept: boolean): Promise<unknown> {
    const outlets = this.#outlets()
    const relay = call.envelope === undefined ? undefined : new CallRelay(call, lostFarEnd, !wasToBeKept)
    const request = new ForwardedRequest(name, body, call.dialect, relay)
    if (relay !== undefined) call.passOn(relay)
    try {
      const timeoutMs = Math.min(outlets.settings({}).timeoutMs, call.timeLeftMs)
      const reserveMs = Math.min(MAX_RESERVE_MS, RESERVE_SHARE * timeoutMs)
      return await outlets.requester.call(request, { timeoutMs, signal: undefined, reserveMs })
    } catch (cause) {
      if (call.aborted) return undefined
      const text = `the proxy could not pass it on: ${wordsOf(toError(cause))}`
      const started = cause instanceof ZmqRpcError ? cause.started : 'maybe'
      const isKept = cause instanceof ZmqRpcError && cause.code === 'NOT_YET_EXECUTED' && call.dialect === 'native'
      throw new Refused({ status: isKept ? STATUS.notYetExecuted : STATUS.proxyFailed, text, name, cause, started })
    }
  }

  async #publish(name: string | undefined, body: Message, dialect: Dialect): Promise<unknown> {
    try {
      await this.#outlets().publish(published(body, dialect))
    } catch (cause) {
      throw new Refused({ status: STATUS.proxyFailed, text: `the proxy could not publish it: ${wordsOf(toError(cause))}`, name, cause })
    }
    return new Answered(dialect === 'native' ? encodeReply(undefined) : DONE)
  }
}

/** What is not kept here is answered here, and so it is carried out behind: nobody there is to keep it, and to say no more. */
function withoutKeep(body: Message, head: CallHead | undefined): Message {
  if (head?.extras?.keep === undefined) return body
  const { keep: _, ...extras } = head.extras
  return withExtras(body, head, extras)
}

/** What receipts call its buffer. */
function defaultName(rep: MessageServerOptions['rep']): string {
  const [first] = [rep].flat()
  return first ?? 'proxy'
}

/** What goes to each listener in a dialect that it reads: all read pyzmqrpc3's. */
function published(body: Message, dialect: Dialect): Published {
  if (dialect === 'pyzmqrpc3') return { plain: () => body }
  return { plain: () => callToPython(body), native: () => withoutReply(body) }
}

/** A call that nobody answers, and whose time nobody counts. */
function withoutReply(body: Message): Message {
  const head = body[0] as Buffer
  setNumber(head, numberOf(head) | FLAG.noReply)
  setAmount(head, NO_LIMIT)
  return body
}
