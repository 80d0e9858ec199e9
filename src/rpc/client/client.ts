/** The RPC client: has commands carried out by servers, and publishes them to whoever listens. */

import { randomUUID } from 'node:crypto'
import { toError, ZmqRpcError } from '../../errors.ts'
import { publish } from '../../observability/events.ts'
import { checkFunction, checkList, checkOptions, type OptionNames } from '../../options.ts'
import type { Receipt } from '../../receipt.ts'
import { framesOf, type Message } from '../../wire/index.ts'
import type { BufferOptions } from '../buffer/buffer-options.ts'
import type { BufferStats, DeadLetter } from '../buffer/command-buffer.ts'
import { followCalls } from '../call-scope.ts'
import { type Command, type CommandClass, commandNameOf, OpaqueCommand, type ResultOf, requireCommand } from '../command/command.ts'
import { CommandRegistry } from '../command/command-registry.ts'
import { type Contract, contractOf } from '../command/contract.ts'
import { resolveDialect } from '../dialect/announcement.ts'
import { FLAG, NO_LIMIT } from '../dialect/native/header.ts'
import { encodeCall } from '../dialect/native/message.ts'
import type { WriteHooks } from '../dialect/native/writer.ts'
import { encodeCommand } from '../dialect/pyzmqrpc3.ts'
import { type Endpoint, resolveNumber } from '../endpoint.ts'
import { ErrorRegistry, type ServiceErrorClass } from '../error/service-error.ts'
import { aroundClient, type ClientInterceptor, type OutgoingCall } from '../interceptor.ts'
import { extrasOf, resolveKey } from '../metadata.ts'
import type { ListServices, ServerDescription } from '../server/introspection.ts'
import { type ReceiptReport, ReceiptResult, TrackReceipt } from '../server/receipts.ts'
import type { ClientStats } from '../stats.ts'
import { type AttemptSettings, type Attempts, type HedgeOptions, type RetryOptions, resolveAttempts } from './attempts.ts'
import type { CallSettings } from './call.ts'
import {
  CALL_OPTIONS,
  type CallOptions,
  CLIENT_OPTIONS,
  type ClientOptions,
  Outlets,
  RECEIPT_OPTIONS,
  type ReadyOptions,
  type ReceiptOptions,
  SUBMIT_OPTIONS,
  type SubmitOptions,
} from './client-options.ts'
import { type ContractMismatch, ContractWatch } from './contract-watch.ts'
import type { Inquiries } from './inquiries.ts'
import { OwnBuffer } from './own-buffer.ts'
import { CommandRequest, type RequestSettings, stateOf } from './request.ts'
import type { RequestLink } from './request-link.ts'
import { RetryBudget, type RetryBudgetOptions } from './retry-budget.ts'
import type { Submissions } from './submissions.ts'
import { type SubmitExtras, SubmitRequest } from './submit-request.ts'

/** Options of `RpcClient`. */
export interface RpcClientOptions extends ClientOptions {
  /**
   * Command classes that may stand inside results, and whose contracts are compared with those of each server as soon as it is
   * connected; of others that happens when they are first used. See `onContractMismatch`.
   *
   * @default []
   */
  readonly commands?: readonly CommandClass[] | undefined
  /** Errors of services that are thrown here as what they were thrown there; others come as `RemoteError`. @default [] */
  readonly errors?: readonly ServiceErrorClass[] | undefined
  /** What stands around every `execute` and `submit`, and around each call of `executeAll`; the first is the outermost. @default [] */
  readonly interceptors?: readonly ClientInterceptor[] | undefined
  /**
   * How calls are tried again that failed; false: not at all. Only what is safe: errors that say that nothing was carried out, where
   * there are several servers; and for commands that are `idempotent` also those that leave it open, as with one server for calls that
   * have an idempotency key. A call that streams to the server is not tried again.
   *
   * @default up to 3 attempts
   */
  readonly retry?: RetryOptions | false | undefined
  /**
   * Told of each command that a server means otherwise than this client does. Calls are made nevertheless: it may well be that a newer
   * side only has a field more. What it throws becomes a warning of the process.
   *
   * @default only the event `zmq-rpc:contract:mismatch` is published
   */
  readonly onContractMismatch?: ((mismatch: ContractMismatch) => void) | undefined
  /** With several servers: a second one is asked, too, when the first one is slow. Commands that are `idempotent` or have a key only. @default not done */
  readonly hedge?: HedgeOptions | undefined
  /**
   * Keeps what is submitted on the disk of this machine, until `req` has carried it out, also over restarts of this program: see
   * `docs/delivery.md`. `execute` stays live.
   *
   * @default `submit` needs a server that has a buffer
   */
  readonly buffer?: BufferOptions | undefined
  /** Bounds retries and hedges of all calls together, so that they do not add to a server's trouble. */
  readonly retryBudget?: RetryBudgetOptions | undefined
}

const RPC_CLIENT_OPTIONS: OptionNames<RpcClientOptions> = {
  buffer: true,
  ...CLIENT_OPTIONS,
  commands: true,
  errors: true,
  interceptors: true,
  retry: true,
  onContractMismatch: true,
  hedge: true,
  retryBudget: true,
}

/** Time for a server to say what it means by a command. */
const ASK_MS = 10_000

/** What is streamed has one reader. */
const NO_STREAMS: WriteHooks = {
  stream: () => {
    throw new ZmqRpcError('BAD_COMMAND', 'a stream can be sent to one server only: use execute')
  },
}

/** What one of several servers answered. */
export type Answer<Result> =
  | { readonly endpoint: Endpoint; readonly ok: true; readonly value: Result }
  | { readonly endpoint: Endpoint; readonly ok: false; readonly error: ZmqRpcError }

/**
 * Sends commands to `RpcServer`s and to pyzmqrpc3's servers. Connects by itself, and again whenever a connection is lost.
 *
 * @example
 * ```ts
 * await using client = new RpcClient({ req: 'tcp://localhost:30000' })
 * const text = await client.execute(new Greet('Ada'), { timeoutMs: 3000 })
 * ```
 */
export class RpcClient {
  readonly #outlets: Outlets
  readonly #native: boolean
  readonly #retry: RetryOptions | false
  readonly #hedge: HedgeOptions | false
  readonly #attemptSettings: AttemptSettings
  readonly #attempts: Attempts<RequestLink>
  readonly #submissions: Submissions<RequestLink>
  readonly #inquiries: Inquiries
  readonly #ownBuffer: OwnBuffer | undefined
  /** Of the classes that were submitted, by name: what makes something of their results. */
  readonly #submitted = new Map<string, Contract>()
  /** Of what is submitted without a word about order. Made when it is needed. */
  #orderingKey: string | undefined
  readonly #contracts: ContractWatch<RequestLink>
  readonly #interceptors: readonly ClientInterceptor[]
  /** A call with all that stands around it. */
  readonly #intercepted: (call: OutgoingCall) => Promise<unknown>
  readonly #requestSettings: RequestSettings

  /** Begins to connect to `req` and to bind `pub`. @throws ZmqRpcError BAD_OPTION; BAD_REGISTRATION for one of `commands` or `errors`. */
  constructor(options: RpcClientOptions) {
    checkOptions('RpcClient', options, RPC_CLIENT_OPTIONS)
    checkFunction('onContractMismatch', options.onContractMismatch)
    for (const name of ['commands', 'errors', 'interceptors'] as const) checkList(name, options[name])
    this.#native = resolveDialect(options.dialect) === 'auto'
    this.#requestSettings = {
      commands: new CommandRegistry(options.commands),
      errors: new ErrorRegistry(options.errors),
      native: this.#native,
      follow: (receipt, settings) => this.#inquiries.ask(new ReceiptResult(receipt.id), receipt, this.#requestSettings, settings),
    }
    const { retry, hedge } = options
    this.#retry = retry ?? {}
    this.#hedge = hedge ?? false
    this.#attemptSettings = resolveBoth(this.#retry, this.#hedge)
    const budget = new RetryBudget(options.retryBudget)
    // Sockets come last: what is refused leaves nothing open.
    this.#contracts = new ContractWatch(
      options.commands ?? [],
      (link, question) => this.#askServer(link, question),
      options.onContractMismatch,
    )
    followCalls()
    const { buffer } = options
    if (buffer !== undefined && options.req === undefined)
      throw new ZmqRpcError('BAD_OPTION', 'buffer keeps what req has to carry out, and there is no req')
    this.#ownBuffer = buffer === undefined ? undefined : new OwnBuffer(buffer, this.#requestSettings, () => this.#outlets.requester.links)
    const news = (): void => {
      // Over inproc a server is there before the constructor is done: then nothing was submitted yet.
      const submissions = this.#submissions as Submissions<RequestLink> | undefined
      submissions?.news()
      this.#ownBuffer?.commands.changed()
    }
    this.#outlets = new Outlets(
      options,
      (link, hello) => {
        this.#contracts.heard(link, hello)
        news()
      },
      news,
    )
    const { requester, maxQueued } = this.#outlets
    this.#attempts = requester.attempts(budget)
    this.#submissions = requester.submissions(maxQueued)
    this.#inquiries = requester.inquiries()
    this.#interceptors = [...(options.interceptors ?? [])]
    this.#intercepted = aroundClient(this.#interceptors, ({ kind, command, options }) =>
      kind === 'submit' ? this.#submit(command, options) : this.#call(command, options),
    )
    this.#ownBuffer?.begin()
  }

  /** The `pub` endpoint as bound, with wildcards and port 0 resolved; undefined without one, before it is bound, and once it is closed. */
  get publishEndpoint(): Endpoint | undefined {
    return this.#outlets.publication?.endpoint
  }

  /**
   * Resolves when all of `req` (or as many as asked for) are connected, `pub` is bound, and as many listeners as asked for are
   * there. Not needed for `execute`, which waits for the connection within its own time; for `publish` it tells that somebody hears.
   *
   * @throws ZmqRpcError NOT_CONNECTED, AUTH_REFUSED, CLOSED, BAD_OPTION; SocketError when `pub` cannot be bound; StoreError when its own
   * buffer cannot be opened.
   */
  async ready(options: ReadyOptions = {}): Promise<void> {
    await Promise.all([this.#outlets.ready(options), this.#ownBuffer?.ready()])
  }

  /**
   * Has a command carried out by one of the servers, each in turn, and resolves to its result.
   *
   * A result may hold streams (`AsyncIterable`), and so may the command's state: they go on after this has resolved, as long as the
   * connection holds, and end early when they are no longer read or `signal` aborts. `timeoutMs` is the time for the result itself.
   *
   * @throws RemoteError when the service threw, there is none, or the command could not be read; errors of the service's own that
   * the client knows (`errors`); ZmqRpcError TIMED_OUT, NOT_CONNECTED, CONNECTION_LOST, AUTH_REFUSED, QUEUE_FULL, BAD_REPLY, BAD_COMMAND,
   * ABORTED, CLOSED. See `docs/errors.md`.
   */
  execute<C extends Command>(command: C, options: CallOptions = {}): Promise<ResultOf<C>> {
    try {
      requireCommand(command)
      const plain = this.#interceptors.length === 0
      const result = plain
        ? this.#call(command, options)
        : this.#intercepted({ kind: 'execute', command, name: commandNameOf(command), options })
      return result as Promise<ResultOf<C>>
    } catch (error) {
      return Promise.reject(toError(error))
    }
  }

  /**
   * Has a command kept by a buffer, its own or that of the server (or rather of a proxy), and resolves to the receipt as soon as it is on disk there. From then on it
   * will be carried out, or come to an end with a name, whatever becomes of this client: see `docs/delivery.md`. What came of it `result` tells, and
   * where it is `track`.
   *
   * When the connection breaks meanwhile, the command is submitted again, with the same id, within `timeoutMs`: it is kept once. What this client
   * submits is carried out one after the other, in that order, as long as it goes to one buffer; `orderingKey` says otherwise. What the command
   * holds is written down at once; it cannot hold streams.
   *
   * @throws ZmqRpcError NO_BUFFER when none of the servers that are there has one, STORE_FULL, RECORD_TOO_LARGE; NOT_CONNECTED and TIMED_OUT
   * when the time is over (`started` says whether it may have been kept all the same: submit it again with the same `idempotencyKey`), QUEUE_FULL,
   * NOT_ALLOWED, AUTH_REFUSED, BAD_COMMAND, BAD_OPTION, ABORTED, CLOSED.
   */
  submit<C extends Command>(command: C, options: SubmitOptions = {}): Promise<Receipt<ResultOf<C>>> {
    try {
      requireCommand(command)
      checkOptions('submit', options, SUBMIT_OPTIONS)
      const plain = this.#interceptors.length === 0
      const receipt = plain
        ? this.#submit(command, options)
        : this.#intercepted({ kind: 'submit', command, name: commandNameOf(command), options })
      return receipt as Promise<Receipt<ResultOf<C>>>
    } catch (error) {
      return Promise.reject(toError(error))
    }
  }

  /**
   * What came of a command: its result, or the error that `execute` would have thrown. Waits for it, and asks again when the connection breaks. Also after a
   * restart, of this program and of the buffer: how long a buffer knows it is a matter of its options.
   *
   * @throws what the service threw; ZmqRpcError EXPIRED and such for a command that was given up; NOT_YET_EXECUTED when the time is over,
   * UNKNOWN_RECEIPT, NOT_CONNECTED, AUTH_REFUSED, BAD_OPTION, ABORTED, CLOSED.
   */
  async result<Result>(receipt: Receipt<Result>, options: ReceiptOptions = {}): Promise<Result> {
    checkOptions('result', options, RECEIPT_OPTIONS)
    requireReceipt(receipt)
    const known = this.#requestSettings.commands.get(receipt.command)
    const contract = known === undefined ? this.#submitted.get(receipt.command) : contractOf(known)
    const settings = this.#outlets.settings(options)
    const result =
      this.#ownBuffer !== undefined && receipt.endpoint === undefined
        ? this.#ownBuffer.result(receipt, settings)
        : this.#inquiries.ask(new ReceiptResult(receipt.id), receipt, this.#requestSettings, settings)
    return (contract === undefined ? result : readBy(contract, result)) as Promise<Result>
  }

  /**
   * Where a command is: on disk, with the next buffer, carried out, given up; with the way that it took.
   *
   * @throws ZmqRpcError UNKNOWN_RECEIPT, NOT_CONNECTED, TIMED_OUT, AUTH_REFUSED, BAD_OPTION, ABORTED, CLOSED.
   */
  async track(receipt: Receipt, options: ReceiptOptions = {}): Promise<ReceiptReport> {
    checkOptions('track', options, RECEIPT_OPTIONS)
    requireReceipt(receipt)
    if (this.#ownBuffer !== undefined && receipt.endpoint === undefined) return this.#ownBuffer.track(receipt)
    const settings = this.#outlets.settings(options)
    return this.#inquiries.ask(new TrackReceipt(receipt.id), receipt, this.#requestSettings, settings) as Promise<ReceiptReport>
  }

  /**
   * Has a command carried out by every server, and resolves to all answers, in the order of `req`: a value or an error each.
   *
   * @throws ZmqRpcError BAD_COMMAND for a command that cannot be written, BAD_OPTION without `req`; nothing else.
   */
  async executeAll<C extends Command>(command: C, options: CallOptions = {}): Promise<Answer<ResultOf<C>>[]> {
    const { links } = this.#outlets.requester
    if (links.length === 0) throw new ZmqRpcError('BAD_OPTION', 'there is no endpoint to call: give the client req')
    requireCommand(command)
    checkOptions('executeAll', options, CALL_OPTIONS)
    const contract = contractOf(command)
    const { name } = contract
    // Written once for all to see whether it can be, and that nothing in it can be read only once.
    this.#request(command, contract, options).freeze(NO_STREAMS)
    return Promise.all(
      links.map(async (link): Promise<Answer<ResultOf<C>>> => {
        const { endpoint } = link
        const call = aroundClient(this.#interceptors, (one) =>
          readBy(contract, link.call(this.#request(one.command, contract, one.options), this.#settings(contract, one.options))),
        )
        try {
          return { endpoint, ok: true, value: (await call({ kind: 'execute', command, name, options })) as ResultOf<C> }
        } catch (thrown) {
          const error =
            thrown instanceof ZmqRpcError
              ? thrown
              : new ZmqRpcError('REMOTE_ERROR', toError(thrown).message, { endpoint, command: name, cause: thrown })
          return { endpoint, ok: false, error }
        }
      }),
    )
  }

  /**
   * Publishes a command to whoever listens. Nobody answers: see `ready` for how to know that somebody is there. Resolves when
   * it is with each listener's queue.
   *
   * @throws ZmqRpcError BAD_OPTION without `pub`, BAD_COMMAND, CLOSED; SocketError when `pub` cannot be bound.
   */
  async publish(command: Command): Promise<void> {
    requireCommand(command)
    const name = commandNameOf(command)
    const plain = (): Message => [encodeCommand(command)]
    if (!this.#native) return this.#outlets.publish({ plain })
    const native = (): Message => encodeCall({ name, state: stateOf(command, name), timeLeftMs: NO_LIMIT, flags: FLAG.noReply }, NO_STREAMS)
    await this.#outlets.publish({ plain, native })
  }

  /**
   * Publishes a heartbeat, which keeps silent links from being made again. Only on `pub`: connections to servers have their
   * own, and pyzmqrpc3's servers would be stuck after one.
   *
   * @throws as `publish`
   */
  sendHeartbeat(): Promise<void> {
    return this.#outlets.sendHeartbeat()
  }

  /** What it does and has done, in numbers. Cheap: the counters are always on. `buffer`: where it has one of its own. */
  stats(): ClientStats & { readonly buffer?: BufferStats } {
    const stats = { ...this.#outlets.stats(), submitting: this.#submissions.size }
    return this.#ownBuffer === undefined ? stats : { ...stats, buffer: this.#ownBuffer.commands.stats() }
  }

  /**
   * Commands that its own buffer has given up, a hundred at a time, those behind `afterSeq`: see `docs/delivery.md`.
   *
   * @throws StoreError; ZmqRpcError STORE_FAILED, CLOSED while the buffer is not open.
   */
  async deadLetters(afterSeq = 0): Promise<DeadLetter[]> {
    await this.#ownBuffer?.ready()
    return this.#ownBuffer === undefined ? [] : this.#ownBuffer.commands.deadLetters(afterSeq)
  }

  /** Has one of those delivered once more, behind all that wait. False if there is none. @throws as {@link deadLetters} */
  async requeue(seq: number): Promise<boolean> {
    await this.#ownBuffer?.ready()
    return this.#ownBuffer === undefined ? false : this.#ownBuffer.commands.requeue(seq)
  }

  /** Forgets some of those. @throws as {@link deadLetters} */
  async dropDeadLetters(seqs: readonly number[]): Promise<void> {
    await this.#ownBuffer?.ready()
    await this.#ownBuffer?.commands.drop(seqs)
  }

  /** Calls under way fail with CLOSED; what was published has a second to be written. Never rejects. */
  close(): Promise<void> {
    this.#attempts.close()
    this.#submissions.close()
    this.#inquiries.close()
    return this.#ownBuffer === undefined ? this.#outlets.close() : this.#ownBuffer.close().then(() => this.#outlets.close())
  }

  /** @throws ZmqRpcError BAD_COMMAND, BAD_OPTION */
  #call(command: Command, options: CallOptions): Promise<unknown> {
    checkOptions('execute', options, CALL_OPTIONS)
    const contract = contractOf(command)
    this.#contracts.uses(contract)
    const request = this.#request(command, contract, options)
    const settings = this.#settings(contract, options)
    const attempts = this.#attemptsFor(request, options)
    const result = attempts === undefined ? this.#outlets.requester.call(request, settings) : this.#tryOften(request, settings, attempts)
    return readBy(contract, result)
  }

  /** @throws ZmqRpcError BAD_COMMAND, BAD_OPTION */
  #submit(command: Command, options: SubmitOptions): Promise<Receipt> {
    const contract = contractOf(command)
    const name = command instanceof OpaqueCommand ? command.name : contract.name
    if (this.#outlets.requester.links.length === 0)
      throw new ZmqRpcError('BAD_OPTION', 'there is no endpoint to submit to: give the client req')
    if (this.#ownBuffer !== undefined) return this.#submitHere(this.#ownBuffer, command, contract, name, options)
    if (!this.#native)
      throw new ZmqRpcError('NO_BUFFER', `command "${name}" was not submitted: this client speaks the pyzmqrpc3 dialect only`)
    this.#contracts.uses(contract)
    const extras = this.#extrasToKeep(options)
    const inner = new CommandRequest(name, command, this.#requestSettings, contract.idempotent, extras)
    if (!(command instanceof OpaqueCommand)) this.#submitted.set(name, contract)
    return this.#submissions.submit(new SubmitRequest(inner, extras), this.#outlets.settings(options))
  }

  /** @throws ZmqRpcError BAD_COMMAND, BAD_OPTION */
  #submitHere(own: OwnBuffer, command: Command, contract: Contract, name: string, options: SubmitOptions): Promise<Receipt> {
    const { idempotencyKey = randomUUID(), metadata, orderingKey } = options
    const ttlMs = resolveNumber('ttlMs', options.ttlMs, Number.POSITIVE_INFINITY, 1)
    if (typeof orderingKey === 'string') resolveKey('orderingKey', orderingKey)
    const dialect = this.#native ? 'native' : 'pyzmqrpc3'
    const extras = extrasOf({ metadata, idempotencyKey })
    const request = new CommandRequest(name, command, this.#requestSettings, true, extras)
    // What is written may lie in memory that is used again.
    const body = framesOf(request.encode(dialect, NO_LIMIT, NO_STREAMS)).map((frame) => Buffer.from(frame))
    if (!(command instanceof OpaqueCommand)) this.#submitted.set(name, contract)
    return own.submit({ name, dialect, body, idempotencyKey, orderingKey, ttlMs })
  }

  /** @throws ZmqRpcError BAD_OPTION */
  #extrasToKeep({ idempotencyKey = randomUUID(), metadata, ttlMs, orderingKey }: SubmitOptions): SubmitExtras {
    const extras = extrasOf({ metadata, idempotencyKey })
    const end = resolveNumber('ttlMs', ttlMs, Number.POSITIVE_INFINITY, 1)
    if (orderingKey === undefined) this.#orderingKey ??= randomUUID()
    const lane = orderingKey === undefined ? this.#orderingKey : orderingKey === null ? undefined : resolveKey('orderingKey', orderingKey)
    return { metadata: extras?.metadata, idempotencyKey, orderingKey: lane, keep: end === Number.POSITIVE_INFINITY ? {} : { ttlMs: end } }
  }

  #askServer(link: RequestLink, question: ListServices): Promise<ServerDescription> {
    const contract = contractOf(question)
    return link.call(this.#request(question, contract, {}), { timeoutMs: ASK_MS, signal: undefined }) as Promise<ServerDescription>
  }

  /** Undefined for a call that has one attempt, which costs less. */
  #attemptsFor(request: CommandRequest, { retry, hedge }: CallOptions): AttemptSettings | undefined {
    const settings =
      retry === undefined && hedge === undefined ? this.#attemptSettings : resolveBoth(retry ?? this.#retry, hedge ?? this.#hedge)
    if (!request.repeatable && this.#outlets.requester.links.length < 2) return undefined
    if (!settings.retries && settings.hedge === undefined) return undefined
    return request.freezeUnlessStreaming() ? settings : undefined
  }

  #tryOften(request: CommandRequest, settings: CallSettings, attempts: AttemptSettings): Promise<unknown> {
    const { timeoutMs, signal, onMetadata } = settings
    const { command, repeatable } = request
    return this.#attempts.run(
      {
        command,
        timeoutMs,
        signal,
        repeatable,
        attempt: (link, attemptMs, attemptSignal, earlier) => {
          if (earlier > 0) publish('zmq-rpc:call:repeated', () => ({ endpoint: link.endpoint, command, earlier }))
          return link.call(request, { timeoutMs: attemptMs, signal: attemptSignal, onMetadata }, earlier === 0)
        },
      },
      attempts,
    )
  }

  /** @throws ZmqRpcError BAD_COMMAND, BAD_OPTION */
  #request(command: Command, contract: Contract, options: CallOptions): CommandRequest {
    const name = command instanceof OpaqueCommand ? command.name : contract.name
    // Each server knows the keys that came to it, and no other's: at another one the command would be carried out again.
    const repeatable = contract.idempotent || (options.idempotencyKey !== undefined && this.#outlets.requester.links.length < 2)
    return new CommandRequest(name, command, this.#requestSettings, repeatable, extrasOf(options))
  }

  #settings(contract: Contract, options: CallOptions): CallSettings {
    return this.#outlets.settings(options, contract.timeoutMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** @throws ZmqRpcError BAD_OPTION */
function resolveBoth(retry: RetryOptions | false, hedge: HedgeOptions | false): AttemptSettings {
  return resolveAttempts(retry === false ? undefined : retry, hedge === false ? undefined : hedge)
}

/** @throws ZmqRpcError BAD_OPTION for what cannot be one, such as a receipt that was read back as text. */
function requireReceipt(receipt: unknown): asserts receipt is Receipt {
  const { id, command } = (typeof receipt === 'object' && receipt !== null ? receipt : {}) as Partial<Record<'id' | 'command', unknown>>
  if (typeof id === 'string' && id !== '' && typeof command === 'string') return
  throw new ZmqRpcError('BAD_OPTION', 'this is no receipt: it takes the object that submit resolved to, or what JSON.parse makes of it')
}

/** A result as its contract makes it. */
function readBy({ readResult }: Contract, result: Promise<unknown>): Promise<unknown> {
  return readResult === undefined ? result : result.then(readResult)
}
