/**
 * Errors that a service throws, on their way to the caller: as what they are where both sides know the class, else as a
 * {@link RemoteError} that tells the same.
 *
 * What travels: the class's name, the text, the error's own code, the details of a {@link ServiceError}, and what caused it.
 * A stack only where the server exposes stacks. Anything may be thrown, and whatever it is, telling it does not fail.
 */

import { RemoteError, ZmqRpcError } from '../../errors.ts'
import { MAX_CAUSES } from '../dialect/native/format.ts'
import type { WireError } from '../dialect/native/message.ts'
import { writableDetails } from './error-details.ts'
import { errorText } from './error-text.ts'
import { STATUS } from './status.ts'

const MAX_NAME = 255
const MAX_STACK = 16_384

const BRAND = Symbol.for('zmq-rpc.service-error')

/** What a {@link ServiceError} tells besides its text. */
export interface ServiceErrorOptions<Details> {
  /** For the caller's program: anything that a command's state may hold, but no commands and no streams. */
  readonly details?: Details | undefined
  /** The error's own code, as `remoteCode`. */
  readonly code?: string | number | undefined
  /** What led to it. Its text reaches the caller too. */
  readonly cause?: unknown
}

/**
 * Base of an application's own errors. A service throws one; the caller, if its client has the class in `errors`, catches
 * one of the same class, with the same text, details, code and cause.
 *
 * On the caller's side the constructor of the class is not run, only that of this base: what has to travel belongs into
 * `details`, not into fields of one's own. Details are not checked: a server of another version may send others.
 *
 * @example
 * ```ts
 * class OutOfPaper extends ServiceError<{ tray: number }> {
 *   static readonly errorName = 'OutOfPaper'   // optional: survives minifying
 * }
 * throw new OutOfPaper('tray 2 is empty', { details: { tray: 2 } })
 * ```
 */
export class ServiceError<Details = unknown> extends RemoteError {
  /** The class's name on the wire. */
  override readonly name: string
  declare readonly details: Details

  static {
    Object.defineProperty(this.prototype, BRAND, { value: true })
  }

  constructor(
    text: string,
    ...[options]: undefined extends Details
      ? [options?: ServiceErrorOptions<Details>]
      : [options: ServiceErrorOptions<Details> & { readonly details: Details }]
  ) {
    super(STATUS.serviceRaised, text, options)
    // Its text is what the service said, on both sides: it is the service's error, not one of this package.
    this.message = text
    this.name = errorNameOf(new.target)
    Error.captureStackTrace(this, new.target)
  }
}

/** A class whose instances are errors of an application. */
export interface ServiceErrorClass<E extends ServiceError = ServiceError> {
  new (...args: never[]): E
  /** The class's own name. */
  readonly name: string
  /** The name on the wire, where it is not the class's name. Not inherited. */
  readonly errorName?: string
}

/** The error classes that one client or server knows, by their names on the wire. */
export class ErrorRegistry {
  readonly #classes = new Map<string, ServiceErrorClass>()

  /** @throws ZmqRpcError BAD_REGISTRATION, as `register`. */
  constructor(errorClasses: Iterable<ServiceErrorClass> = []) {
    for (const errorClass of errorClasses) this.register(errorClass)
  }

  /**
   * Makes a class known. To register the same class again changes nothing.
   *
   * @throws ZmqRpcError BAD_REGISTRATION when it does not extend `ServiceError`, has no valid name, or when another class has
   * its name already.
   */
  register(errorClass: ServiceErrorClass): this {
    if (typeof errorClass !== 'function' || !isServiceError(errorClass.prototype) || Object.hasOwn(errorClass.prototype, BRAND)) {
      refuse(`${typeof errorClass === 'function' ? `"${errorClass.name}"` : errorText(errorClass)} is no class that extends ServiceError`)
    }
    const name: unknown = errorNameOf(errorClass)
    if (typeof name !== 'string' || name === '' || name.length > MAX_NAME) {
      refuse(`an error class needs a name of 1 to ${MAX_NAME} characters: name the class or give it a static errorName`)
    }
    const known = this.#classes.get(name)
    if (known !== undefined && known !== errorClass) {
      refuse(`another class is registered as error "${name}" already: give one of them a static errorName`)
    }
    this.#classes.set(name, errorClass)
    return this
  }

  /** The class of that name, or `undefined`. */
  get(name: string): ServiceErrorClass | undefined {
    return this.#classes.get(name)
  }
}

/** What was thrown, as it travels. Never throws. */
export function toWireError(thrown: unknown, options: { readonly exposeStacks?: boolean } = {}): WireError {
  return tell(thrown, options.exposeStacks === true, [])
}

/** The error that a caller gets: of the class that the far end threw, where `registry` has it. */
export function fromWireError(
  wire: WireError,
  registry: ErrorRegistry,
  about: { readonly endpoint?: string | undefined; readonly command?: string | undefined } = {},
): RemoteError {
  return read(wire, registry, about, 0)
}

function tell(thrown: unknown, exposeStacks: boolean, before: readonly unknown[]): WireError {
  const error: WireError = { status: STATUS.serviceRaised, text: textOf(thrown) }
  if (typeof thrown !== 'object' || thrown === null) return error
  const name = nameOf(thrown)
  if (typeof name === 'string' && name !== '') error.name = name.slice(0, MAX_NAME)
  const code = codeOf(thrown)
  if (typeof code === 'string') error.code = code.slice(0, MAX_NAME)
  else if (typeof code === 'number') error.code = code
  if (isRemoteError(thrown)) {
    const details = property(thrown, 'details')
    if (details !== undefined) error.details = writableDetails(details)
  }
  if (exposeStacks) {
    const stack = property(thrown, 'stack')
    if (typeof stack === 'string') error.stack = stack.slice(0, MAX_STACK)
  }
  const cause = property(thrown, 'cause')
  if (cause !== undefined && before.length < MAX_CAUSES && !before.includes(cause) && cause !== thrown) {
    error.cause = tell(cause, exposeStacks, [...before, thrown])
  }
  return error
}

/** The message of an error that came from another server says so with its endpoint, which is nobody else's business. */
function textOf(thrown: unknown): string {
  if (isRemoteError(thrown)) {
    const text = property(thrown, 'statusText')
    if (typeof text === 'string') return text
  }
  return errorText(thrown)
}

/** An error that came from another server, and is thrown on, stays what it was there. */
function nameOf(thrown: object): unknown {
  return (isRemoteError(thrown) && !isServiceError(thrown) ? property(thrown, 'remoteName') : undefined) ?? property(thrown, 'name')
}

function codeOf(thrown: object): unknown {
  if (isServiceError(thrown)) return property(thrown, 'remoteCode')
  return (isRemoteError(thrown) ? property(thrown, 'remoteCode') : undefined) ?? property(thrown, 'code')
}

function read(
  wire: WireError,
  registry: ErrorRegistry,
  about: { readonly endpoint?: string | undefined; readonly command?: string | undefined },
  depth: number,
): RemoteError {
  const { status, text, name, code, details, stack, started } = wire
  const cause = wire.cause === undefined || depth >= MAX_CAUSES ? undefined : read(wire.cause, registry, {}, depth + 1)
  const told = { ...about, name, code, details, stack, cause, started }
  const errorClass = name === undefined || status !== STATUS.serviceRaised ? undefined : registry.get(name)
  if (errorClass !== undefined) {
    try {
      return Reflect.construct(ServiceError, [text, told], errorClass) as ServiceError
    } catch {
      // Something of the class is in the way, as an accessor of that name: the caller gets the other one.
    }
  }
  return new RemoteError(status, text, told)
}

/** Own only: a subclass is another error. */
function errorNameOf(errorClass: ServiceErrorClass): string {
  return (Object.hasOwn(errorClass, 'errorName') ? errorClass.errorName : undefined) ?? errorClass.name
}

/** Whichever copy of this package made it. */
function isServiceError(value: unknown): value is ServiceError {
  return has(value, BRAND)
}

function isRemoteError(value: unknown): value is RemoteError {
  return has(value, 'statusText') && value instanceof ZmqRpcError
}

function has(value: unknown, key: PropertyKey): boolean {
  try {
    return typeof value === 'object' && value !== null && key in value
  } catch {
    return false
  }
}

/** Of something that anybody may have made: a getter may throw. */
function property(owner: object, key: string): unknown {
  try {
    return (owner as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

function refuse(text: string): never {
  throw new ZmqRpcError('BAD_REGISTRATION', text)
}
