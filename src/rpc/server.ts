/** The RPC server: takes commands, finds the service of each, and answers with its result. */

import { toError, ZmqRpcError } from '../errors.ts'
import type { Message } from '../wire/index.ts'
import { type Command, type CommandClass, commandNameOf, ShutdownServer } from './command.ts'
import { CommandRegistry, constructCommand, MAX_SHOWN_NAME } from './command-registry.ts'
import { type CallHead, decodeCallHead, decodeCallState } from './dialect/native/message.ts'
import { DEFAULT_LIMITS, decodeCommand, STATUS_TEXT } from './dialect/pyzmqrpc3.ts'
import { resolveNumber } from './endpoint.ts'
import { wordsOf } from './error-text.ts'
import { MessageServer, type MessageServerOptions } from './message-server.ts'
import { type Refusal, Refused, type ServerCall, type ServiceRun } from './server-call.ts'
import type { Service, ServiceContext, ServiceFunction } from './service.ts'
import { STATUS } from './status.ts'

export interface RpcServerOptions extends MessageServerOptions {
  /** Command classes that stand inside the states of others, and have no service of their own. @default [] */
  readonly commands?: readonly CommandClass[] | undefined
  /**
   * Who may stop the server with a `ShutdownServer` command: true for everybody, false for nobody.
   *
   * @default those who have a principal, by a password or a key (see `auth`)
   */
  readonly allowShutdown?: boolean | undefined
  /** Largest command once it is unpacked, bytes: a few bytes of zlib can stand for a thousand times as many. @default 8388608 (8 MiB) */
  readonly maxInflatedBytes?: number | undefined
}

interface Registration {
  /** As Python names it in an error's text. */
  readonly serviceName: string
  execute(command: Command, context: ServiceContext): unknown
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
  readonly #services = new Map<string, Registration>()
  readonly #maxInflatedBytes: number

  /** @throws ZmqRpcError BAD_OPTION; BAD_REGISTRATION for one of `commands`. */
  constructor(options: RpcServerOptions) {
    // Before `super` opens the first socket: what is refused leaves nothing open.
    const maxInflatedBytes = resolveNumber('maxInflatedBytes', options.maxInflatedBytes, DEFAULT_LIMITS.maxInflatedBytes, 1)
    const registry = new CommandRegistry(options.commands ?? [])
    super(options)
    this.#maxInflatedBytes = maxInflatedBytes
    this.#registry = registry
    this.register(ShutdownServer, new ShutdownServerService(this, options.allowShutdown))
  }

  /**
   * Gives a kind of command its service: a function, or an object with `execute`. May be called before and after `start`.
   *
   * @throws ZmqRpcError BAD_REGISTRATION for `Command` itself, a class that is no command or cannot be constructed without
   * arguments, another class of the same name, something that is no service, or a second service for one command.
   */
  register<C extends Command>(commandClass: CommandClass<C>, service: Service<C> | ServiceFunction<C>): this {
    const registration = toRegistration(commandClass, service)
    this.#registry.register(commandClass)
    const command = commandNameOf(commandClass)
    const known = this.#services.get(command)
    if (known !== undefined) {
      const text = `command "${command}" has a service already (${known.serviceName}): a second one, ${registration.serviceName}, is refused`
      throw new ZmqRpcError('BAD_REGISTRATION', text, { command })
    }
    this.#services.set(command, registration)
    return this
  }

  protected override open(body: Message, call: ServerCall): ServiceRun | Refusal {
    return call.dialect === 'native' ? this.#openNative(body, call) : this.#openPlain(body)
  }

  /** Only its head is read now: a call that has to wait, or is refused, costs no more. */
  #openNative(body: Message, call: ServerCall): ServiceRun | Refusal {
    let head: CallHead
    try {
      head = decodeCallHead(body)
    } catch (cause) {
      return { status: STATUS.badCommand, text: `The call cannot be read: ${toError(cause).message}`, cause }
    }
    const { name, extras } = head
    const registration = this.#services.get(name)
    if (registration === undefined) return noService(name)
    if (extras?.metadata !== undefined) call.metadata = extras.metadata
    const { serviceName } = registration
    return { command: name, serviceName, execute: (running) => registration.execute(this.#readCommand(body, head, running), running) }
  }

  #openPlain(body: Message): ServiceRun | Refusal {
    // Another number of frames is not of this dialect: the empty frame stands for what cannot be decoded.
    const frame = body.length === 1 ? (body[0] as Buffer) : Buffer.alloc(0)
    const decoded = decodeCommand(frame, this.#registry, { maxInflatedBytes: this.#maxInflatedBytes })
    if (decoded.kind === 'failure') {
      const { status, statusText, detail, name, cause } = decoded
      return { status, text: statusText, detail, name, cause }
    }
    const { name, command } = decoded
    const registration = this.#services.get(name)
    if (registration === undefined) return { ...noService(name), detail: 'the command is known, but has no service' }
    const { serviceName } = registration
    return { command: name, serviceName, execute: (running) => registration.execute(command, running) }
  }

  /** @throws Refused */
  #readCommand(body: Message, head: CallHead, call: ServerCall): Command {
    const { name } = head
    try {
      const state = decodeCallState(body, head, {
        command: (nested, inner) => constructCommand(this.#registry, nested, inner),
        stream: (number) => call.input(number),
      })
      return constructCommand(this.#registry, name, state)
    } catch (cause) {
      const text = `Command "${name}" cannot be read: ${wordsOf(toError(cause))}`
      throw new Refused({ status: STATUS.badCommand, text, name, cause })
    }
  }
}

function noService(name: string): Refusal {
  const shown = name.slice(0, MAX_SHOWN_NAME)
  return { status: STATUS.noService, text: STATUS_TEXT.noService(shown), name: shown }
}

/** The service of {@link ShutdownServer}; its name is pyzmqrpc3's, since it stands in error texts. */
class ShutdownServerService implements Service<ShutdownServer> {
  readonly #server: RpcServer
  readonly #allowed: boolean | undefined

  constructor(server: RpcServer, allowed: boolean | undefined) {
    this.#server = server
    this.#allowed = allowed
  }

  execute(_command: ShutdownServer, context: ServiceContext): void {
    const allowed = this.#allowed ?? context.principal !== undefined
    if (!allowed)
      throw new Error('this server does not let you shut it down: it takes a password, a key that it knows, or its option allowShutdown')
    // The answer first.
    setImmediate(() => void this.#server.stop())
  }
}

function toRegistration<C extends Command>(commandClass: CommandClass<C>, service: unknown): Registration {
  if (typeof service === 'function' && !/^class\b/.test(Function.prototype.toString.call(service))) {
    const execute = service as Registration['execute']
    return { serviceName: service.name || `${String(commandClass?.name)}Service`, execute: (command, context) => execute(command, context) }
  }
  const candidate = service as Partial<Registration> | null | undefined
  if (typeof candidate !== 'object' || candidate === null || typeof candidate.execute !== 'function') {
    const hint =
      typeof service === 'function'
        ? 'a class was given: give an instance of it'
        : `${service === null ? 'null' : typeof service} was given`
    throw new ZmqRpcError('BAD_REGISTRATION', `a service is a function, or an object with a method execute(command, context); ${hint}`)
  }
  const found = candidate as Registration
  return { serviceName: found.constructor?.name || 'Service', execute: (command, context) => found.execute(command, context) }
}
