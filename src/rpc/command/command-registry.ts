/**
 * The command classes that one server (or client) knows, by their names on the wire.
 *
 * Python fills one process-wide registry whenever a class is defined. JavaScript tells nobody that a class was defined,
 * and a registry of one's own is safer: a peer can only ever make instances of classes that were registered here.
 */

import { ZmqRpcError } from '../../errors.ts'
import type { ReadHooks } from '../dialect/native/reader.ts'
import { type Command, type CommandClass, commandNameOf, isCommand, isCommandBase, isCommandClass, makeCommand } from './command.ts'

/** So much of a name that a peer has chosen goes into replies, logs and events. */
export const MAX_SHOWN_NAME = 255

/** Maps names on the wire to command classes. */
export class CommandRegistry {
  readonly #classes = new Map<string, CommandClass>()

  constructor(commandClasses: Iterable<CommandClass> = []) {
    for (const commandClass of commandClasses) this.register(commandClass)
  }

  /**
   * Makes a class known. To register the same class again changes nothing.
   *
   * @throws ZmqRpcError `BAD_REGISTRATION` when it is `Command` itself, no command class, has no valid name, cannot be
   * constructed without arguments, or when another class has its name already.
   */
  register(commandClass: CommandClass): this {
    const name = checkedName(commandClass)
    const known = this.#classes.get(name)
    if (known === commandClass) return this
    if (known !== undefined) {
      refuse(`another class is registered as command "${name}" already: give one of them a static commandName`, name)
    }
    let made: unknown
    try {
      made = makeCommand(commandClass)
    } catch (cause) {
      const hint = 'the receiving side constructs it so, and then sets its state'
      refuse(`command "${name}" cannot be constructed without arguments (${String(cause)}): ${hint}`, name, cause)
    }
    // A constructor may return another object; that one would fail much later, on a message.
    if (!isCommand(made)) refuse(`the constructor of command "${name}" returns something that is no command`, name)
    this.#classes.set(name, commandClass)
    return this
  }

  /** The class of that name, or `undefined`. */
  get(name: string): CommandClass | undefined {
    return this.#classes.get(name)
  }

  has(name: string): boolean {
    return this.#classes.has(name)
  }

  /** All names, in the order of registration. */
  names(): string[] {
    return [...this.#classes.keys()]
  }
}

/** The class comes from users, who may write JavaScript: its type promises nothing. */
function checkedName(commandClass: unknown): string {
  if (isCommandBase(commandClass)) refuse('Command itself cannot be registered: register a class that extends it')
  if (isCommand(commandClass)) refuse('an instance of a command was given: register its class')
  if (!isCommandClass(commandClass)) {
    const what = typeof commandClass === 'function' ? `"${commandClass.name}"` : `a value of type ${typeof commandClass}`
    refuse(`${what} is no command class: it must extend Command`)
  }
  try {
    return commandNameOf(commandClass)
  } catch (cause) {
    const text = cause instanceof ZmqRpcError ? cause.message.replace(/^\[\w+\] /, '') : String(cause)
    refuse(text, undefined, cause)
  }
}

function refuse(text: string, command?: string, cause?: unknown): never {
  throw new ZmqRpcError('BAD_REGISTRATION', text, { command, cause })
}

/** The call that a message belongs to: it may hold streams. */
export interface IncomingStreams {
  incoming(number: number): AsyncIterable<unknown>
}

/** Makes those values of a message that need a registry or their call. */
export class ValueMaker implements ReadHooks {
  readonly #registry: CommandRegistry
  readonly #call: IncomingStreams

  constructor(registry: CommandRegistry, call: IncomingStreams) {
    this.#registry = registry
    this.#call = call
  }

  /** @throws ZmqRpcError as {@link constructCommand} */
  command(name: string, state: unknown): Command {
    return constructCommand(this.#registry, name, state)
  }

  stream(number: number): AsyncIterable<unknown> {
    return this.#call.incoming(number)
  }
}

/**
 * Makes the command that a message names, and gives it the state that came.
 *
 * @throws ZmqRpcError BAD_COMMAND when there is no such class here, or its `setCommandState` throws.
 */
export function constructCommand(registry: CommandRegistry, name: string, state: unknown): Command {
  const command = newCommand(registry, name)
  setState(command, name, state)
  return command
}

/** A command of that name, without its state. @throws ZmqRpcError BAD_COMMAND */
export function newCommand(registry: CommandRegistry, name: string): Command {
  const commandClass = registry.get(name)
  if (commandClass === undefined) {
    const shown = name.slice(0, MAX_SHOWN_NAME)
    throw new ZmqRpcError('BAD_COMMAND', `no command "${shown}" is registered, and the message holds one`, { command: shown })
  }
  return makeCommand(commandClass)
}

/** @throws ZmqRpcError BAD_COMMAND */
export function setState(command: Command, name: string, state: unknown): void {
  try {
    command.setCommandState(state)
  } catch (cause) {
    // What the command itself says names the field already.
    if (cause instanceof ZmqRpcError && cause.code === 'BAD_COMMAND') throw cause
    throw new ZmqRpcError('BAD_COMMAND', `setCommandState of "${name}" threw ${String(cause)}`, { command: name, cause })
  }
}
