/** The RPC client: has commands carried out by servers, and publishes them to whoever listens. */

import { toError, ZmqRpcError } from '../../errors.ts'
import { publish } from '../../observability/events.ts'
import { checkFunction, checkList, checkOptions, type OptionNames } from '../../options.ts'
import type { Message } from '../../wire/index.ts'
import { followCalls } from '../call-scope.ts'
import { type Command, type CommandClass, commandNameOf, OpaqueCommand, type ResultOf, requireCommand } from '../command/command.ts'
import { CommandRegistry } from '../command/command-registry.ts'
import { type Contract, contractOf } from '../command/contract.ts'
import { resolveDialect } from '../dialect/announcement.ts'
import { FLAG, NO_LIMIT } from '../dialect/native/header.ts'
import { encodeCall } from '../dialect/native/message.ts'
import type { WriteHooks } from '../dialect/native/writer.ts'
import { encodeCommand } from '../dialect/pyzmqrpc3.ts'
import type { Endpoint } from '../endpoint.ts'
import { ErrorRegistry, type ServiceErrorClass } from '../error/service-error.ts'
import { aroundClient, type ClientInterceptor, type OutgoingCall } from '../interceptor.ts'
import { extrasOf } from '../metadata.ts'
import type { ListServices, ServerDescription } from '../server/introspection.ts'
import type { ClientStats } from '../stats.ts'
import { type AttemptSettings, type Attempts, type HedgeOptions, type RetryOptions, resolveAttempts } from './attempts.ts'
import type { CallSettings } from './call.ts'
import { CALL_OPTIONS, type CallOptions, CLIENT_OPTIONS, type ClientOptions, Outlets, type ReadyOptions } from './client-options.ts'
import { type ContractMismatch, ContractWatch } from './contract-watch.ts'
import { CommandRequest, type RequestSettings, stateOf } from './request.ts'
import type { RequestLink } from './request-link.ts'
import { RetryBudget, type RetryBudgetOptions } from './retry-budget.ts'

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
  /** What stands around every `execute`, and around each call of `executeAll`; the first is the outermost. @default [] */
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
  /** Bounds retries and hedges of all calls together, so that they do not add to a server's trouble. */
  readonly retryBudget?: RetryBudgetOptions | undefined
}

const RPC_CLIENT_OPTIONS: OptionNames<RpcClientOptions> = {
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
    this.#outlets = new Outlets(options, (link, hello) => this.#contracts.heard(link, hello))
    this.#attempts = this.#outlets.requester.attempts(budget)
    this.#interceptors = [...(options.interceptors ?? [])]
    this.#intercepted = aroundClient(this.#interceptors, (call) => this.#call(call.command, call.options))
  }

  /** The `pub` endpoint as bound, with wildcards and port 0 resolved; undefined without one, before it is bound, and once it is closed. */
  get publishEndpoint(): Endpoint | undefined {
    return this.#outlets.publication?.endpoint
  }

  /**
   * Resolves when all of `req` (or as many as asked for) are connected, `pub` is bound, and as many listeners as asked for are
   * there. Not needed for `execute`, which waits for the connection within its own time; for `publish` it tells that somebody hears.
   *
   * @throws ZmqRpcError NOT_CONNECTED, AUTH_REFUSED, CLOSED, BAD_OPTION; SocketError when `pub` cannot be bound.
   */
  ready(options: ReadyOptions = {}): Promise<void> {
    return this.#outlets.ready(options)
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
      const result = plain ? this.#call(command, options) : this.#intercepted({ command, name: commandNameOf(command), options })
      return result as Promise<ResultOf<C>>
    } catch (error) {
      return Promise.reject(toError(error))
    }
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
          return { endpoint, ok: true, value: (await call({ command, name, options })) as ResultOf<C> }
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

  /** What it does and has done, in numbers. Cheap: the counters are always on. */
  stats(): ClientStats {
    return this.#outlets.stats()
  }

  /** Calls under way fail with CLOSED; what was published has a second to be written. Never rejects. */
  close(): Promise<void> {
    this.#attempts.close()
    return this.#outlets.close()
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

/** A result as its contract makes it. */
function readBy({ readResult }: Contract, result: Promise<unknown>): Promise<unknown> {
  return readResult === undefined ? result : result.then(readResult)
}
