/** The RPC server: takes commands, finds the service of each, and answers with its result. */

import { toError, ZmqRpcError } from '../../errors.ts'
import { checkList, checkOptions, type OptionNames } from '../../options.ts'
import type { Peer } from '../../session/peer.ts'
import { version } from '../../socket/capability.ts'
import type { Message } from '../../wire/index.ts'
import type { Principal } from '../auth.ts'
import { type Command, type CommandClass, ShutdownServer } from '../command/command.ts'
import { CommandRegistry, MAX_SHOWN_NAME } from '../command/command-registry.ts'
import { contractHash } from '../command/contract-hash.ts'
import { type CallHead, decodeCallHead, decodeCallState, encodeError, type Hello } from '../dialect/native/message.ts'
import { DEFAULT_LIMITS, decodeCommand, decodeOpaque, STATUS_TEXT } from '../dialect/pyzmqrpc3.ts'
import { resolveNumber } from '../endpoint.ts'
import { wordsOf } from '../error/error-text.ts'
import { ErrorRegistry, type ServiceErrorClass } from '../error/service-error.ts'
import { STATUS } from '../error/status.ts'
import type { ServerInterceptor } from '../interceptor.ts'
import type { DescribedService } from '../threads/port-messages.ts'
import { ServiceThreads } from '../threads/service-threads.ts'
import { contractOfThread } from '../threads/thread-contract.ts'
import { resolveThreads, type ThreadsOptions } from '../threads/threads-options.ts'
import { type Allow, type AllowRequest, isAllowed, isAllowedNow, resolveAllow } from './allow.ts'
import { CommandRunner } from './command-runner.ts'
import { IdempotencyCache, type KeyLookup, MAX_IDEMPOTENCY_KEY_LENGTH, ownedKey } from './idempotency.ts'
import { type IdempotencyOptions, resolveIdempotency } from './idempotency-options.ts'
import {
  BUILT_IN_PREFIX,
  describeServer,
  Health,
  type HealthReport,
  ListServices,
  reportHealth,
  type ServerDescription,
} from './introspection.ts'
import { MESSAGE_SERVER_OPTIONS, MessageServer, type MessageServerOptions } from './message-server.ts'
import { type Registration, type Served, type ServiceOptions, toLimit, toRegistration } from './registration.ts'
import type { ServerCall } from './server-call.ts'
import type { PeerInfo, Service, ServiceFunction } from './service.ts'
import { Answered, type Refusal, Refused, type ServiceRun } from './service-run.ts'
import { noShutdown, shutdownRule } from './shutdown.ts'

export interface RpcServerOptions extends MessageServerOptions {
  /** Command classes that stand inside the states of others, and have no service of their own. @default [] */
  readonly commands?: readonly CommandClass[] | undefined
  /**
   * Who may stop the server with a `ShutdownServer` command: true for everybody, false for nobody. Where `allow` is `nobody`, so is
   * this, unless it is given.
   *
   * @default those who have a principal, by a password or a key (see `auth`)
   */
  readonly allowShutdown?: boolean | undefined
  /** Largest command once it is unpacked, bytes: a few bytes of zlib can stand for a thousand times as many. @default 8388608 (8 MiB) */
  readonly maxInflatedBytes?: number | undefined
  /** Who may have commands carried out whose `register` does not say. `nobody` denies all that is not allowed expressly. @default 'everyone' who may connect */
  readonly allow?: Allow | undefined
  /**
   * Who is told what this server serves and how it is doing (`ListServices`, `Health`): of commands, those that the asker may call.
   * Without it a client cannot tell either that its contracts differ from the server's.
   *
   * @default 'everyone' who may connect
   */
  readonly introspection?: Allow | undefined
  /** What stands around every service; the first is the outermost. Not with `threads`: their module exports its own. @default [] */
  readonly interceptors?: readonly ServerInterceptor[] | undefined
  /**
   * The address of a module whose services run in threads (`threads`): `new URL('./services.js', import.meta.url)`. Its default export is
   * a {@link RegisterServices}. `register` adds services that run here; no command can have both.
   */
  readonly services?: URL | string | undefined
  /** How many threads run the module `services`, 1 to 1024; or that and more. @default no threads */
  readonly threads?: number | ThreadsOptions | undefined
  /** Errors of clients that are known here, in the streams that they send. @default [] */
  readonly errors?: readonly ServiceErrorClass[] | undefined
  /** How long the answer to a call with an idempotency key is kept for repeated calls, ms. @default 600000 */
  readonly idempotencyTtlMs?: number | undefined
  /** Answers kept so; the oldest goes first. @default 10000 */
  readonly maxIdempotencyKeys?: number | undefined
  /** Their bytes in all; the oldest goes first. @default 16777216 (16 MiB) */
  readonly maxIdempotencyBytes?: number | undefined
  /** Keeps those answers on disk, so that they outlive the server; and says what was interrupted by its end. @default in memory only */
  readonly idempotency?: IdempotencyOptions | undefined
}

const RPC_SERVER_OPTIONS: OptionNames<RpcServerOptions> = {
  ...MESSAGE_SERVER_OPTIONS,
  commands: true,
  allowShutdown: true,
  maxInflatedBytes: true,
  allow: true,
  introspection: true,
  interceptors: true,
  services: true,
  threads: true,
  errors: true,
  idempotencyTtlMs: true,
  maxIdempotencyKeys: true,
  maxIdempotencyBytes: true,
  idempotency: true,
}

/**
 * Carries out the commands of `RpcClient`s and of pyzmqrpc3's clients.
 *
 * @example
 * ```ts
 * const server = new RpcServer({ rep: 'tcp://*:30000' })
 * server.register(Greet, ({ name }) => `Hello ${name}`)
 * await server.start()
 * ```
 */
export class RpcServer extends MessageServer {
  readonly #registry: CommandRegistry
  /** Those with `execute` are carried out here, the others in threads. */
  readonly #services = new Map<string, Registration | Served>()
  readonly #maxInflatedBytes: number
  readonly #allow: Allow
  readonly #introspection: Allow
  readonly #runner: CommandRunner
  readonly #answers: IdempotencyCache
  /** They are on disk, too. */
  readonly #durable: boolean
  /** What was cut off by the end of its thread is not to run again, as with the end of the server. */
  readonly #refusesInterrupted: boolean
  readonly #threads: ServiceThreads | undefined

  /** @throws ZmqRpcError BAD_OPTION; BAD_REGISTRATION for one of `commands`. */
  constructor(options: RpcServerOptions) {
    checkOptions('RpcServer', options, RPC_SERVER_OPTIONS)
    for (const name of ['commands', 'errors', 'interceptors'] as const) checkList(name, options[name])
    // Before `super` opens the first socket: what is refused leaves nothing open.
    const maxInflatedBytes = resolveNumber('maxInflatedBytes', options.maxInflatedBytes, DEFAULT_LIMITS.maxInflatedBytes, 1)
    const registry = new CommandRegistry(options.commands ?? [])
    const allow = resolveAllow('allow', options.allow, 'everyone')
    const introspection = resolveAllow('introspection', options.introspection, 'everyone')
    const limits = {
      ttlMs: resolveNumber('idempotencyTtlMs', options.idempotencyTtlMs, 600_000),
      maxKeys: resolveNumber('maxIdempotencyKeys', options.maxIdempotencyKeys, 10_000, 1),
      maxBytes: resolveNumber('maxIdempotencyBytes', options.maxIdempotencyBytes, 16 * 1024 * 1024, 1),
    }
    const answers = new IdempotencyCache(limits, resolveIdempotency(options.idempotency, limits))
    const threads = resolveThreads(options.services, options.threads)
    if (threads !== undefined && options.interceptors !== undefined)
      throw new ZmqRpcError(
        'BAD_OPTION',
        'interceptors do not reach into threads: the module of services exports them, as options.interceptors',
      )
    super(options, new ErrorRegistry(options.errors))
    this.#maxInflatedBytes = maxInflatedBytes
    this.#allow = allow
    this.#answers = answers
    this.#durable = options.idempotency !== undefined
    this.#refusesInterrupted = options.idempotency?.interrupted === 'refuse'
    this.#runner = new CommandRunner(registry, [...(options.interceptors ?? [])])
    this.#registry = registry
    this.register(ShutdownServer, new ShutdownServerService(this), {
      allow: shutdownRule(options.allowShutdown, allow === 'nobody' ? 'nobody' : 'authenticated'),
    })
    this.#introspection = introspection
    this.#threads =
      threads &&
      new ServiceThreads({ ...threads, server: { exposeStacks: options.exposeStacks ?? false, maxInflatedBytes } }, () => this.roomAgain())
    this.register(ListServices, (asked, { principal, peer }) => this.#describe(asked, principal, peer), { allow: introspection })
    this.register(Health, () => this.#report(), { allow: introspection })
  }

  /**
   * Gives a kind of command its service: a function, or an object with `execute`. May be called before and after `start`.
   *
   * @throws ZmqRpcError BAD_REGISTRATION for `Command` itself, a class that is no command or cannot be constructed without
   * arguments, another class of the same name, something that is no service, or a second service for one command; BAD_OPTION.
   */
  register<C extends Command>(commandClass: CommandClass<C>, service: Service<C> | ServiceFunction<C>, options: ServiceOptions = {}): this {
    this.#add(toRegistration(this.#registry, commandClass, service, options, this.#allow))
    this.sayHello()
    return this
  }

  #add(registration: Registration | Served): void {
    const { name, what } = registration
    const known = this.#services.get(name)
    if (known !== undefined) {
      const text = `command "${name}" has a service already (${known.what}): a second one, ${what}, is refused`
      throw new ZmqRpcError('BAD_REGISTRATION', text, { command: name })
    }
    this.#services.set(name, registration)
  }

  protected override opening(): Promise<void> | undefined {
    return this.#durable || this.#threads !== undefined ? this.#open() : undefined
  }

  async #open(): Promise<void> {
    if (this.#durable) await this.#answers.open()
    // What threads serve is known once they are ready; only then may anybody connect.
    for (const service of (await this.#threads?.start()) ?? []) this.#add(this.#servedInThreads(service))
  }

  protected override closed(): Promise<void> | undefined {
    return this.#durable || this.#threads !== undefined ? this.#close() : undefined
  }

  async #close(): Promise<void> {
    await this.#threads?.stop()
    if (this.#durable) await this.#answers.close()
  }

  #servedInThreads(told: DescribedService): Served {
    const { name, serviceName, maxConcurrent, allow = this.#allow } = told
    const threads = this.#threads as ServiceThreads
    const rule = allow === 'ask' ? (request: AllowRequest) => threads.ask(request) : allow
    return { contract: contractOfThread(told), name, serviceName, what: serviceName, limit: toLimit(maxConcurrent), allow: rule }
  }

  /** Which contracts a client is told of that has just come: those of commands that it may call, as far as that is known at once. */
  protected override hello(peer: Peer): Hello {
    const told = super.hello(peer)
    const principal = peer.info?.user as Principal | undefined
    const from: PeerInfo = { endpoint: peer.endpoint, remoteAddress: peer.remoteAddress, kind: 'req' }
    const may = (rule: Allow, command: string): boolean => isAllowedNow(rule, { principal, command, peer: from })
    if (!may(this.#introspection, ListServices.commandName)) return told
    const contracts: [string, string][] = []
    for (const { name, allow, contract } of this.#services.values()) {
      if (!name.startsWith(BUILT_IN_PREFIX) && may(allow, name)) contracts.push([name, contractHash(contract)])
    }
    return { ...told, contracts }
  }

  #describe(asked: ListServices, principal: Principal | undefined, peer: PeerInfo): Promise<ServerDescription> {
    const served = [...this.#services.values()].map(({ contract, limit }) => ({
      contract,
      maxConcurrent: limit?.max ?? Number.POSITIVE_INFINITY,
    }))
    return describeServer({ version, limits: this.limits, served }, asked, (command) => {
      const registration = this.#services.get(command)
      return registration !== undefined && isAllowed(registration.allow, { principal, command, peer })
    })
  }

  #report(): HealthReport {
    const { running, waiting, connections: clients } = this.stats()
    return reportHealth({ status: this.running ? 'serving' : 'stopping', version, startedAt: this.startedAt, running, waiting, clients })
  }

  protected override open(body: Message, call: ServerCall): ServiceRun | Refusal {
    return call.dialect === 'native' ? this.#openNative(body, call) : this.#openPlain(body, call)
  }

  /** Only its head is read now: a call that has to wait, or is refused, costs no more. */
  #openNative(body: Message, call: ServerCall): ServiceRun | Refusal {
    let head: CallHead
    try {
      head = decodeCallHead(body)
    } catch (cause) {
      return { status: STATUS.badCommand, text: `The call cannot be read: ${wordsOf(toError(cause))}`, cause }
    }
    const { name, extras } = head
    const registration = this.#services.get(name)
    if (extras?.orderingKey !== undefined) call.orderingKey = extras.orderingKey
    if (registration === undefined) return noService(name)
    if (extras?.metadata !== undefined) call.metadata = extras.metadata
    const key = extras?.idempotencyKey
    call.idempotencyKey = key
    const carryOut = (): unknown =>
      'execute' in registration
        ? this.#runner.readAndRun(registration, body, head, call)
        : this.#runInThread(call, name, body, key !== undefined)
    if (key === undefined) return this.#toRun(registration, call, carryOut)
    if (key === '' || key.length > MAX_IDEMPOTENCY_KEY_LENGTH) {
      const text = `an idempotency key has 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} characters: this one has ${key.length}`
      return { status: STATUS.badCommand, text, name }
    }
    return this.#toRunOnce(key, registration, call, carryOut, () => discardStreams(body, head, call))
  }

  #openPlain(body: Message, call: ServerCall): ServiceRun | Refusal {
    // Another number of frames is not of this dialect: the empty frame stands for what cannot be decoded.
    const frame = body.length === 1 ? (body[0] as Buffer) : Buffer.alloc(0)
    const limits = { maxInflatedBytes: this.#maxInflatedBytes }
    const threads = this.#threads
    if (threads !== undefined) {
      // Its class is known there alone.
      const name = decodeOpaque(frame, limits)?.name
      const served = name === undefined ? undefined : this.#services.get(name)
      if (served !== undefined && !('execute' in served)) {
        return this.#toRun(served, call, () => threads.run(call, served.name, body, false))
      }
    }
    const decoded = decodeCommand(frame, this.#registry, limits)
    if (decoded.kind === 'failure') {
      const { status, statusText, detail, name, cause } = decoded
      return { status, text: statusText, detail, name, cause }
    }
    const { name, command } = decoded
    const registration = this.#services.get(name)
    if (registration === undefined || !('execute' in registration))
      return { ...noService(name), detail: 'the command is known, but has no service' }
    return this.#toRun(registration, call, () => this.#runner.run(registration, command, call))
  }

  /** What carries the command out, if it is allowed. */
  #toRun(registration: Registration | Served, call: ServerCall, carryOut: () => unknown): ServiceRun | Refusal {
    const { name, serviceName, limit, allow } = registration
    let allowed: boolean | Promise<boolean>
    try {
      allowed = allow === 'everyone' || isAllowed(allow, { principal: call.principal, command: name, peer: call.peer })
    } catch (cause) {
      return notAllowed(name, call, cause)
    }
    if (allowed === false) return notAllowed(name, call)
    const ready = 'execute' in registration ? undefined : this.#threadMayHaveCall
    if (allowed === true) return { command: name, serviceName, limit, ready, execute: carryOut }
    // Asked already: whatever it answers must be heard, even if the call is never run.
    const decided = allowed.then(
      (yes) => (yes === true ? undefined : notAllowed(name, call)),
      (cause: unknown) => Refused.of(cause) ?? notAllowed(name, call, cause),
    )
    const execute = async (): Promise<unknown> => {
      const refusal = await decided
      if (refusal !== undefined) throw new Refused(refusal)
      return carryOut()
    }
    return { command: name, serviceName, limit, ready, execute }
  }

  async #runInThread(call: ServerCall, name: string, body: Message, keyed: boolean): Promise<unknown> {
    try {
      return await this.#threads?.run(call, name, body, keyed)
    } catch (error) {
      const refusal = Refused.of(error)
      if (keyed && this.#refusesInterrupted && refusal?.status === STATUS.threadFailed && refusal.started !== 'no') {
        const { remember } = call
        call.remember = undefined
        await remember?.(encodeError({ status: STATUS.interrupted, text: interruptedText(name, 'A thread of the server') }))
      }
      throw error
    }
  }

  readonly #threadMayHaveCall = (): boolean => this.#threads?.mayHaveCall ?? false

  /**
   * A call with an idempotency key: only the first one of it runs. Those that come meanwhile wait for its end in the queue, where
   * they keep nobody from running; if it left no answer, the next of them is the first.
   */
  #toRunOnce(
    key: string,
    registration: Registration | Served,
    call: ServerCall,
    carryOut: () => unknown,
    discard: () => void,
  ): ServiceRun | Refusal {
    const { name } = registration
    const owned = ownedKey(call.principal, key)
    let found: KeyLookup | undefined
    const run = this.#toRun(registration, call, () => {
      if (found?.kind === 'first') return carryOut()
      discard()
      if (found?.kind === 'answered') return new Answered(found.answer)
      throw new Refused(notFirst(found, name))
    })
    if ('status' in run) return run
    return {
      ...run,
      ready: () => !this.#answers.isUnderWay(owned, name) && run.ready?.() !== false,
      execute: () => {
        // Before a rule that takes its time: no second one may begin meanwhile.
        found = this.#answers.lookUp(owned, name)
        if (found.kind !== 'first') return run.execute(call)
        call.remember = found.end
        return found.begun === undefined ? run.execute(call) : runOnceBegun(found.begun, run, call)
      },
    }
  }
}

/** The key is on disk before the service begins. @throws Refused */
async function runOnceBegun(begun: Promise<void>, run: ServiceRun, call: ServerCall): Promise<unknown> {
  const { command: name } = run
  try {
    await begun
  } catch (cause) {
    const text = `Command "${name}" was not carried out: its idempotency key cannot be written down (${wordsOf(toError(cause))}).`
    throw new Refused({ status: STATUS.storeFull, text, name, cause })
  }
  if (call.aborted) throw new Refused({ status: STATUS.aborted, text: `Command "${name}" was given up before it was carried out.`, name })
  return run.execute(call)
}

function interruptedText(name: string, who: string): string {
  return `${who} ended while it carried out command "${name}" for this idempotency key: nobody knows how far it came.`
}

function notFirst(found: KeyLookup | undefined, name: string): Refusal {
  if (found?.kind === 'interrupted') {
    return { status: STATUS.interrupted, text: interruptedText(name, 'The server'), name }
  }
  return found?.kind === 'taken'
    ? { status: STATUS.conflict, text: `The idempotency key was used for command "${found.command}" before.`, name }
    : { status: STATUS.overloaded, text: `A call of command "${name}" with the same idempotency key is under way.`, name }
}

/** What the caller streams is not going to be read: known to the call, it is stopped when that is answered. */
function discardStreams(body: Message, head: CallHead, call: ServerCall): void {
  try {
    decodeCallState(body, head, { command: () => undefined, stream: (number) => call.incoming(number) })
  } catch {
    // It was readable the first time; if it is not now, what counts is the answer.
  }
}

function notAllowed(name: string, { principal }: ServerCall, cause?: unknown): Refusal {
  if (name === ShutdownServer.commandName) return NO_SHUTDOWN
  const who = principal === undefined ? 'Those who are not known by a password or key' : `User "${principal.username}"`
  return { status: STATUS.notAllowed, text: `${who} may not have command "${name}" carried out.`, name, cause }
}

const NO_SHUTDOWN = noShutdown('this server does not let you shut it down')

function noService(name: string): Refusal {
  const shown = name.slice(0, MAX_SHOWN_NAME)
  return { status: STATUS.noService, text: STATUS_TEXT.noService(shown), name: shown }
}

/** The service of {@link ShutdownServer}. */
class ShutdownServerService implements Service<ShutdownServer> {
  readonly #server: RpcServer

  constructor(server: RpcServer) {
    this.#server = server
  }

  execute(): void {
    // The answer first.
    setImmediate(() => void this.#server.stop())
  }
}
