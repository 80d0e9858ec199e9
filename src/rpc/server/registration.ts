/** What a server knows of one kind of command: who carries it out, for whom, and how many at a time. */

import { ZmqRpcError } from '../../errors.ts'
import { checkOptions, type OptionNames } from '../../options.ts'
import type { Command, CommandClass } from '../command/command.ts'
import type { CommandRegistry } from '../command/command-registry.ts'
import { type Contract, contractOf } from '../command/contract.ts'
import { resolveNumber } from '../endpoint.ts'
import type { CommandLimit } from './admission.ts'
import { type Allow, resolveAllow } from './allow.ts'
import type { ServiceContext } from './service.ts'

/** How a command is served. */
export interface ServiceOptions {
  /** Who may have it carried out; others are answered NOT_ALLOWED. @default the server's `allow` */
  readonly allow?: Allow | undefined
  /** How many may be under way at a time; further ones wait, as with `maxConcurrentCalls`. @default Infinity */
  readonly maxConcurrent?: number | undefined
}

const SERVICE_OPTIONS: OptionNames<ServiceOptions> = { allow: true, maxConcurrent: true }

/** What is known of a command that is served, here or in threads. */
export interface Served {
  readonly contract: Contract
  readonly name: string
  /**
   * As Python names it in an error's text: the name of its class, or of the function; of one without, as pyzmqrpc3's own are called:
   * the command's name, the one that the caller knows, and `Service`.
   */
  readonly serviceName: string
  /** The same for whoever registers it: of one without a name, what it is. */
  readonly what: string
  readonly allow: Allow
  readonly limit: CommandLimit | undefined
}

export interface Registration extends Served {
  execute(command: Command, context: ServiceContext): unknown
}

/**
 * Checks what `register` was given, and makes the class known.
 *
 * @throws ZmqRpcError BAD_REGISTRATION for something that is no service, and as `CommandRegistry.register`; BAD_OPTION; BAD_COMMAND, as `contractOf`.
 */
export function toRegistration(
  registry: CommandRegistry,
  commandClass: CommandClass,
  service: unknown,
  options: ServiceOptions,
  fallback: Allow,
): Registration {
  checkOptions('register', options, SERVICE_OPTIONS)
  const { serviceName, what, execute } = toService(service)
  const limit = toLimit(resolveNumber('maxConcurrent', options.maxConcurrent, Number.POSITIVE_INFINITY, 1))
  const allow = resolveAllow('allow', options.allow, fallback)
  registry.register(commandClass)
  const contract = contractOf(commandClass)
  const { name } = contract
  return { contract, name, serviceName: serviceName || `${name}Service`, what, allow, limit, execute }
}

export function toLimit(max: number): CommandLimit | undefined {
  return max === Number.POSITIVE_INFINITY ? undefined : { max, running: 0 }
}

/** A function need not have a name. */
function toService(service: unknown): Pick<Registration, 'serviceName' | 'what' | 'execute'> {
  if (typeof service === 'function' && !/^class\b/.test(Function.prototype.toString.call(service))) {
    const execute = service as Registration['execute']
    return { serviceName: service.name, what: service.name || 'a function', execute: (command, context) => execute(command, context) }
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
  const className = found.constructor?.name ?? ''
  const serviceName = className === 'Object' ? '' : className
  return { serviceName, what: serviceName || 'an object', execute: (command, context) => found.execute(command, context) }
}
