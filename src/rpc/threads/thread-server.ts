/**
 * The services of a thread: takes calls from its server over a port, runs them as that would, and answers over the port. Who may call
 * what, how many at a time, and which answers are kept for idempotency keys, is decided before a call comes here.
 */

import { subscribe } from 'node:diagnostics_channel'
import { ZmqRpcError } from '../../errors.ts'
import { checkList, checkOptions, type OptionNames } from '../../options.ts'
import { framesOf, type Message } from '../../wire/index.ts'
import type { Command, CommandClass } from '../command/command.ts'
import { CommandRegistry } from '../command/command-registry.ts'
import { describeContract } from '../command/contract-hash.ts'
import { Deadlines } from '../deadlines.ts'
import { nativeKind } from '../dialect/announcement.ts'
import { KIND } from '../dialect/native/header.ts'
import { decodeCallHead } from '../dialect/native/message.ts'
import { decodeCommand } from '../dialect/pyzmqrpc3.ts'
import { ErrorRegistry, type ServiceErrorClass } from '../error/service-error.ts'
import { STATUS } from '../error/status.ts'
import type { ServerInterceptor } from '../interceptor.ts'
import { isAllowed } from '../server/allow.ts'
import { CommandRunner } from '../server/command-runner.ts'
import { type Registration, type ServiceOptions, toRegistration } from '../server/registration.ts'
import { type Caller, type CallHost, ServerCall } from '../server/server-call.ts'
import type { Service, ServiceFunction } from '../server/service.ts'
import { Refused, type ServiceRun } from '../server/service-run.ts'
import { CallCounters } from '../stats.ts'
import type { ThreadResult } from './closing.ts'
import { fromPort, toPort } from './port-frames.ts'
import {
  type DescribedService,
  type FromThread,
  sharedNow,
  THREAD_EVENTS,
  type ThreadServerSettings,
  type ToThread,
} from './port-messages.ts'
import type { PortQueue } from './port-queue.ts'
import { tellError } from './told-error.ts'

/** Where services are registered: an `RpcServer`, or a thread of one. */
export interface ServiceRegistrar {
  /** As `RpcServer.register`. */
  register<C extends Command>(commandClass: CommandClass<C>, service: Service<C> | ServiceFunction<C>, options?: ServiceOptions): this
}

/** What a module's function is told besides where to register. */
export interface ServicesContext<Data = unknown> {
  /** `threads.data` of the server. */
  readonly data: Data
  /** Which of the threads this is, from 0 on; one that takes the place of another has its number. */
  readonly index: number
}

/**
 * The default export of a module of services: registers them. What it returns (or resolves to) is stopped, or closed, with the thread: a
 * client that its services use, a database; `services` itself is nothing to stop. The server is ready when it has resolved in all threads.
 *
 * @example
 * ```ts
 * export default ((services) => {
 *   services.register(Resize, ({ image, width }) => resize(image, width))
 * }) satisfies RegisterServices
 * ```
 */
export type RegisterServices<Data = unknown> = (
  services: ServiceRegistrar,
  context: ServicesContext<Data>,
) => ThreadResult | ServiceRegistrar | Promise<ThreadResult | ServiceRegistrar>

/** What a module of services may export as `options`: those of `RpcServer` that hold functions, which no thread can be handed. */
export interface ServicesModuleOptions {
  /** As `RpcServerOptions.commands`. */
  readonly commands?: readonly CommandClass[] | undefined
  /** As `RpcServerOptions.interceptors`. */
  readonly interceptors?: readonly ServerInterceptor[] | undefined
  /** As `RpcServerOptions.errors`. */
  readonly errors?: readonly ServiceErrorClass[] | undefined
}

const SERVICES_MODULE_OPTIONS: OptionNames<ServicesModuleOptions> = { commands: true, interceptors: true, errors: true }

/** A call that is under way here. */
interface UnderWay {
  readonly call: ServerCall<Caller>
  answered: boolean
  /** What is to be kept for its idempotency key. */
  answerToKey: Message | undefined
}

/** In front of answers: nothing, since ports have no envelopes. */
const SOMEBODY_WAITS: Message = []

export class ThreadServer implements ServiceRegistrar {
  readonly #settings: ThreadServerSettings
  readonly #queue: PortQueue<FromThread>
  readonly #registry: CommandRegistry
  readonly #runner: CommandRunner
  readonly #services = new Map<string, Registration>()
  /** Those whose rule is not the server's. */
  readonly #ruled = new Set<string>()
  readonly #calls = new Map<number, UnderWay>()
  readonly #deadlines = new Deadlines()
  readonly #host: CallHost<Caller>

  /** @throws ZmqRpcError BAD_OPTION, BAD_REGISTRATION */
  constructor(settings: ThreadServerSettings, given: ServicesModuleOptions, queue: PortQueue<FromThread>) {
    checkOptions("the module's options", given, SERVICES_MODULE_OPTIONS)
    const { commands, interceptors, errors } = given
    checkList('interceptors', interceptors)
    this.#settings = settings
    this.#queue = queue
    this.#registry = new CommandRegistry(commands ?? [])
    this.#runner = new CommandRunner(this.#registry, [...(interceptors ?? [])])
    this.#host = {
      errors: new ErrorRegistry(errors),
      exposeStacks: settings.exposeStacks,
      early: { bytes: 0 },
      load: { running: 0, waiting: 0 },
      counters: new CallCounters(),
      send: (call, body) => this.#send(call, framesOf(body)),
      // Streams keep within their windows, and what waits for its caller waits in the main thread.
      hasRoom: () => true,
      // Whose turn it is was decided in the main thread.
      started: () => {},
      madeRoom: () => {},
      turnAway: () => {},
      left: (call) => this.#left(call),
      over: (call) => this.#over(call),
    }
    for (const name of THREAD_EVENTS) subscribe(name, (payload) => this.#tell(name, payload as { error: unknown }))
  }

  register<C extends Command>(commandClass: CommandClass<C>, service: Service<C> | ServiceFunction<C>, options: ServiceOptions = {}): this {
    const registration = toRegistration(this.#registry, commandClass, service, options, 'everyone')
    const { name } = registration
    if (this.#services.has(name)) {
      throw new ZmqRpcError('BAD_REGISTRATION', `command "${name}" has a service in this thread already`, { command: name })
    }
    this.#services.set(name, registration)
    if (options.allow !== undefined) this.#ruled.add(name)
    return this
  }

  describe(): DescribedService[] {
    return [...this.#services.values()].map(({ name, serviceName, limit, allow, contract }) => {
      const { idempotent, timeoutMs, description, version, deprecated } = contract
      const { hasSchemas, state, result } = describeContract(contract)
      return {
        name,
        serviceName,
        maxConcurrent: limit?.max ?? Number.POSITIVE_INFINITY,
        allow: !this.#ruled.has(name) ? undefined : typeof allow === 'function' ? 'ask' : allow,
        ...{ idempotent, timeoutMs, description, version, deprecated, hasSchemas },
        // What JSON cannot hold is no part of a schema, and might not travel.
        state: JSON.parse(JSON.stringify(state)),
        result: result && JSON.parse(JSON.stringify(result)),
      }
    })
  }

  /** @param cancelled calls that were given up: what tells so may be further back */
  take(item: Exclude<ToThread, { kind: 'stop' }>, cancelled: ReadonlySet<number>): void {
    switch (item.kind) {
      case 'call':
        return this.#begin(item, cancelled.has(item.id))
      case 'message': {
        const body = fromPort(item.body)
        return this.#calls.get(item.id)?.call.receive(nativeKind(body[0]) ?? 0, body)
      }
      case 'cancel': {
        const found = this.#calls.get(item.id)
        const { code, text } = item.error
        found?.call.abort(new ZmqRpcError(code as 'ABORTED', text, { endpoint: found.call.endpoint }))
        return
      }
      case 'ask':
        return void this.#ask(item)
      default:
        item satisfies never
    }
  }

  #begin({ id, dialect, answered, keyed, from, deadline, body: frames }: Extract<ToThread, { kind: 'call' }>, cancelled: boolean): void {
    const leftMs = deadline - sharedNow()
    if (cancelled || leftMs <= 0) {
      this.#queue.push(() => ({ kind: 'answered', id, status: STATUS.aborted, body: undefined, remembered: false }))
      return
    }
    Atomics.store(this.#settings.begun, 0, id)
    const call = new ServerCall(this.#host, from, answered ? SOMEBODY_WAITS : undefined, dialect)
    const underWay: UnderWay = { call, answered: false, answerToKey: undefined }
    call.id = id
    call.kept = true
    this.#calls.set(id, underWay)
    if (keyed) {
      call.remember = (answer) => {
        underWay.answerToKey = answer
        return undefined
      }
    }
    this.#deadlines.add(call, leftMs)
    call.prepare(this.#toRun(call, fromPort(frames)))
    call.start()
  }

  /** Whatever is wrong with it is told when it runs: there is one way to answer. */
  #toRun(call: ServerCall<Caller>, body: Message): ServiceRun {
    try {
      return call.dialect === 'native' ? this.#native(call, body) : this.#plain(call, body)
    } catch (error) {
      const execute = (): never => {
        throw error
      }
      return { command: '(unknown)', serviceName: 'Service', execute }
    }
  }

  #native(call: ServerCall<Caller>, body: Message): ServiceRun {
    const head = decodeCallHead(body)
    const registration = this.#find(head.name)
    if (head.extras?.metadata !== undefined) call.metadata = head.extras.metadata
    call.idempotencyKey = head.extras?.idempotencyKey
    const { name: command, serviceName } = registration
    return { command, serviceName, execute: () => this.#runner.readAndRun(registration, body, head, call) }
  }

  #plain(call: ServerCall<Caller>, [frame]: Message): ServiceRun {
    const decoded = decodeCommand(frame as Buffer, this.#registry, { maxInflatedBytes: this.#settings.maxInflatedBytes })
    if (decoded.kind === 'failure') {
      const { status, statusText, detail, name, cause } = decoded
      throw new Refused({ status, text: statusText, detail, name, cause })
    }
    const registration = this.#find(decoded.name)
    const { name: command, serviceName } = registration
    return { command, serviceName, execute: () => this.#runner.run(registration, decoded.command, call) }
  }

  /** Its server asks for nothing that was not described to it; but this thread may have been started after the one that was asked. */
  #find(name: string): Registration {
    const registration = this.#services.get(name)
    if (registration !== undefined) return registration
    throw new Refused({ status: STATUS.noService, text: `this thread has no service for command "${name}"`, name })
  }

  async #ask({ id, request }: Extract<ToThread, { kind: 'ask' }>): Promise<void> {
    let answer: FromThread & { kind: 'allowed' }
    try {
      const rule = this.#find(request.command).allow
      answer = { kind: 'allowed', id, answer: await isAllowed(rule, request) }
    } catch (error) {
      answer = { kind: 'allowed', id, answer: tellError(error) }
    }
    this.#queue.push(() => answer)
  }

  // ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #send(call: ServerCall<Caller>, body: Message): boolean {
    const id = call.id as number
    const kind = nativeKind(body[0])
    if (kind === undefined || kind === KIND.reply || kind === KIND.error) this.#answer(call, body)
    else this.#queue.push((transfer) => ({ kind: 'message', id, body: toPort(body, transfer, false) }))
    return true
  }

  #left(call: ServerCall<Caller>): void {
    this.#deadlines.remove(call)
    const underWay = this.#calls.get(call.id as number)
    if (underWay?.answered === false) this.#answer(call, underWay.answerToKey)
  }

  #answer(call: ServerCall<Caller>, body: Message | undefined): void {
    const id = call.id as number
    const underWay = this.#calls.get(id)
    const { status } = call
    const remembered = underWay?.answerToKey !== undefined
    if (underWay !== undefined) underWay.answered = true
    this.#queue.push((transfer) => ({ kind: 'answered', id, status, remembered, body: body && toPort(body, transfer, false) }))
  }

  #over(call: ServerCall<Caller>): void {
    this.#deadlines.remove(call)
    const underWay = this.#calls.get(call.id as number)
    // Given up: its service may go on, and says when it is through.
    if (underWay?.answered === true) this.#calls.delete(call.id as number)
  }

  /** Where nobody listens here, somebody may there. */
  #tell(name: (typeof THREAD_EVENTS)[number], { error, ...payload }: { error: unknown }): void {
    this.#queue.push(() => ({
      kind: 'event',
      name,
      payload: { ...payload, error: undefined },
      error: error === undefined ? undefined : tellError(error),
    }))
  }
}
