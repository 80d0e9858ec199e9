/**
 * What a command is: a named object whose state travels to the service that carries it out.
 *
 * A command's name on the wire is its class's name, or its own `static commandName` where code is minified or the two
 * should differ. Its state is, unless it says otherwise, the object of its own fields. This file knows no dialect: how
 * name and state are written in frames is the business of `dialect/`.
 */

import { ZmqRpcError } from '../../errors.ts'

/**
 * Carries the result's type. Nothing has this key at run time.
 *
 * @public named in the declarations of every class that extends `Command`
 */
export declare const RESULT: unique symbol

/**
 * Carries the type that a service answers, where that is not what its caller gets. Nothing has this key at run time.
 *
 * @public named in the declarations of every command with a schema
 */
export declare const ANSWER: unique symbol

/**
 * The class has schemas, and this is where they are.
 *
 * @public named in the declarations of every command with a schema
 */
export const SCHEMAS: unique symbol = Symbol.for('zmq-rpc.schemas') as never

const BRAND = Symbol.for('zmq-rpc.command')
/** To the constructor of a class with schemas: the state comes later. */
export const NO_STATE: unique symbol = Symbol.for('zmq-rpc.no-state') as never

/**
 * Base of all commands. `Result` is what its service answers, and so what `client.execute(command)` resolves to.
 *
 * A command class must be constructible without arguments: the receiving side constructs it so, and then gives it the
 * state that arrived. Give every field an initial value, since a field that the constructor does not create is not there
 * to be filled.
 *
 * @example
 * ```ts
 * class Greet extends Command<string> {
 *   static readonly commandName = 'Greet'   // optional: survives minifying
 *   constructor(public name = '', public polite = false) { super() }
 * }
 * ```
 */
export abstract class Command<Result = unknown> {
  declare readonly [RESULT]: Result

  static {
    // A brand instead of `instanceof`, so that two copies of this package in one program know each other's commands.
    Object.defineProperty(this.prototype, BRAND, { value: true })
  }

  /**
   * The state to send. Default: a new object of this command's own enumerable fields. Fields that hold a function are
   * left out: they are methods (`run = () => …`), which the receiving side's constructor makes itself. `#private` fields,
   * accessors and symbol keys are no part of it. A field that is `undefined` is not written, so the far end keeps the
   * value that its own constructor gave.
   *
   * An override may return anything that the dialect can write, other commands in it included.
   */
  getCommandState(): unknown {
    const state = { ...(this as object as Record<string, unknown>) }
    // It makes no list, as `Object.keys` does; what is inherited has nothing to delete here.
    for (const key in state) if (typeof state[key] === 'function') delete state[key]
    return state
  }

  /**
   * Takes over the state that arrived. Default: assigns each key that this command, as its constructor made it, has as
   * an own field. Other keys are ignored, so that a newer peer may add fields; a warning of the process says so once for each
   * class, since it may also be that a field was forgotten. A missing key leaves the field as the constructor set it. A field that
   * holds a function is never replaced, and nothing but own fields is ever written (`__proto__` and `constructor` are only keys that no
   * command has).
   *
   * Values are not checked: override this to validate what comes from afar, and throw to refuse it (the caller then gets
   * status 400).
   *
   * @throws ZmqRpcError `BAD_COMMAND` when the state is not an object.
   */
  setCommandState(state: unknown): void {
    if (typeof state !== 'object' || state === null || Array.isArray(state)) {
      const name = commandNameOf(this)
      throw new ZmqRpcError('BAD_COMMAND', `the state of command "${name}" is ${describe(state)}, not an object of its fields`, {
        command: name,
      })
    }
    const values = state as Record<string, unknown>
    for (const key of Object.keys(values)) setField(this, key, values[key])
  }
}

/** Takes one field of a state over that arrived, as {@link Command.setCommandState} does. */
export function setField(command: object, key: string, value: unknown): void {
  const fields = command as Record<string, unknown>
  if (!Object.hasOwn(fields, key)) warnOfIgnored(command, key)
  else if (typeof fields[key] !== 'function') fields[key] = value
}

/** True where the state to send is just the fields: they need not be copied first. */
export function sendsFields(command: Command): boolean {
  return command.getCommandState === Command.prototype.getCommandState
}

/** True where the state that arrives becomes the fields, and nothing else is done with it. */
export function takesFields(command: Command): boolean {
  return command.setCommandState === Command.prototype.setCommandState
}

/** The prototypes of classes of which it was told that a field was ignored: a peer can bring about one line for each, and no more. */
const TOLD = new WeakSet<object>()

/** So much of a name that a peer has chosen is shown. */
const MAX_SHOWN_KEY = 100

/**
 * Without a word, a field that a class declares and does not make (`declare name: string`; `name: string` where TypeScript is set so
 * that it leaves no trace; one that the constructor makes only when it is given an argument) would get lost on the way.
 */
function warnOfIgnored(command: object, key: string): void {
  // Not `command.constructor`, which may be a field.
  const prototype = Object.getPrototypeOf(command) as object
  if (TOLD.has(prototype) || key in command) return
  TOLD.add(prototype)
  const field = JSON.stringify(key.slice(0, MAX_SHOWN_KEY))
  process.emitWarning(
    `command "${String(prototype.constructor?.name)}" came with the field ${field}, which a new one does not have here: it is ignored. ` +
      'If it is a field of the class, give it an initial value; else the sender has a newer class.',
    { code: 'ZMQ_RPC_FIELD_IGNORED' },
  )
}

/** The type that a command's service answers: `ResultOf<Greet>` is `string` for a `Greet extends Command<string>`. */
export type ResultOf<C extends Command> = C extends Command<infer Result> ? Result : never

/**
 * The type that a service of the command returns. It is the {@link ResultOf} of a class of one's own; a schema may make something
 * else of it before the caller gets it.
 */
export type AnswerOf<C extends Command> = C extends { readonly [ANSWER]: infer Answer } ? Answer : ResultOf<C>

/** A class whose instances are commands: constructible without arguments, or made by `command()`. */
export type CommandClass<C extends Command = Command> = (
  | PlainCommandClass<C>
  | ((new (state: never) => C) & { readonly [SCHEMAS]: object })
) &
  CommandTraits

type PlainCommandClass<C extends Command> = new () => C

/** What a class says about its commands, as static properties; all but its name are inherited. */
export interface CommandTraits {
  /** The class's own name. */
  readonly name: string
  /** The name on the wire, where it is not the class's name. Not inherited: a subclass is another command. */
  readonly commandName?: string
  /** May be carried out twice without harm: calls may be sent again when a connection is lost. @default false */
  readonly idempotent?: boolean
  /** Time for an answer, ms, where the call does not say. @default the client's */
  readonly timeoutMs?: number
  /** What it does, for people. */
  readonly description?: string
  /** Of the contract, for people. */
  readonly version?: string
  /** True, or what to use instead. */
  readonly deprecated?: boolean | string
}

/** Stops the server that receives it, where that server obeys its sender. Has no state. */
export class ShutdownServer extends Command<void> {
  static readonly commandName: string = 'ShutdownServer'
}

/**
 * A command whose class is not known here, as name and state: for programs that make calls which somebody else has thought of, such as gateways
 * and tools. Its state may be anything that a dialect can write.
 *
 * @example
 * ```ts
 * const result = await client.execute(new OpaqueCommand('Greet', { name: 'Ada' }))
 * ```
 */
export class OpaqueCommand extends Command {
  /** Its name on the wire. */
  readonly name: string
  /** As it came, or is to be sent: plain values. */
  readonly state: unknown

  constructor(name = '', state: unknown = {}) {
    super()
    this.name = name
    this.state = state
  }

  override getCommandState(): unknown {
    return this.state
  }
}

/** An instance whose state comes later, as the receiving side makes it. */
export function makeCommand<C extends Command>(commandClass: CommandClass<C>): C {
  if (SCHEMAS in commandClass) return new commandClass(NO_STATE as never)
  return new (commandClass as PlainCommandClass<C>)()
}

/** True for an instance of a command class, whichever copy of this package made it. */
export function isCommand(value: unknown): value is Command {
  return typeof value === 'object' && value !== null && BRAND in value
}

/** True for a class that extends {@link Command}. */
export function isCommandClass(value: unknown): value is CommandClass {
  return typeof value === 'function' && isCommand(value.prototype) && !isCommandBase(value)
}

/** True for {@link Command} itself, whichever copy of this package it comes from. */
export function isCommandBase(value: unknown): boolean {
  return typeof value === 'function' && isCommand(value.prototype) && Object.hasOwn(value.prototype, BRAND)
}

/**
 * A command's name on the wire: the own `static commandName` of its class, else the class's name.
 *
 * @throws ZmqRpcError `BAD_COMMAND` when that is no valid name, as with an anonymous class.
 */
export function commandNameOf(command: Command | CommandClass): string {
  if (command instanceof OpaqueCommand) return command.name
  const commandClass = typeof command === 'function' ? command : (Object.getPrototypeOf(command).constructor as CommandClass)
  // Own only: in Python a subclass has a name of its own too, and two classes of one name could not both be registered.
  const name: unknown = Object.hasOwn(commandClass, 'commandName') ? commandClass.commandName : commandClass.name
  if (typeof name === 'string' && NAME.test(name)) return name
  if (name === '') throw new ZmqRpcError('BAD_COMMAND', 'a command class has no name: name the class or give it a static commandName')
  throw new ZmqRpcError(
    'BAD_COMMAND',
    `${typeof name === 'string' ? JSON.stringify(name.slice(0, 100)) : describe(name)} is no valid command name: ` +
      'it must be 1 to 255 characters, start with a letter, "_" or "$", and go on with those, digits, "." or "-"',
  )
}

/** For what somebody wants to send. @throws ZmqRpcError `BAD_COMMAND` */
export function requireCommand(subject: unknown): asserts subject is Command {
  if (!isCommand(subject)) throw new ZmqRpcError('BAD_COMMAND', 'this is no command: make an instance of a class that extends Command')
}

/** Every class name of Python and JavaScript, and dots and dashes for those who like namespaces. */
const NAME = /^[\p{ID_Start}_$][\p{ID_Continue}$.-]{0,254}$/u

/** What kind of value it is, without the value. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object'
  return value === undefined ? 'undefined' : `a ${typeof value}`
}
