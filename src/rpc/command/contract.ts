/**
 * Contracts: what a client and a server agree on about a command. There are two ways to write one, of equal rank: a class that
 * extends `Command`, and {@link command} with schemas. {@link contractOf} gives one description of both, so that nothing else
 * needs to tell them apart.
 *
 * With schemas, what travels is what the caller wrote (the schema's input); each side reads it through the schema. A state is
 * checked where it is made, so that the fault is told there, and again by the server, which trusts nobody. A result is checked
 * by the server, so that a broken promise is the server's failure, and read through the schema by the client.
 */

import { ZmqRpcError } from '../../errors.ts'
import { checkOptions, type OptionNames } from '../../options.ts'
import { errorText } from '../error/error-text.ts'
import {
  type ANSWER,
  Command,
  type CommandClass,
  type CommandTraits,
  commandNameOf,
  describe,
  makeCommand,
  NO_STATE,
  SCHEMAS,
} from './command.ts'
import { type JsonSchema, jsonSchemaOf, jsonSchemaOfState } from './json-schema.ts'
import { check, isSchema, type Schema, type Verdict } from './schema.ts'
import { describeIssues, type Issue } from './schema-issues.ts'

/** What {@link command} is given. */
export interface CommandDefinition<Input extends object, Output extends object, Answer, Result>
  extends OrUndefined<Omit<CommandTraits, 'name' | 'commandName'>> {
  /** Of its fields: an object. @default no fields */
  readonly state?: Schema<Input, Output> | undefined
  /** Of what its service answers; `streamOf` for a stream. @default anything, not checked */
  readonly result?: Schema<Answer, Result> | undefined
  /**
   * Whether a new command is checked by its constructor. Without it the fields are as they were given, and the server alone says
   * what is wrong with them. A schema that answers later (async) is not waited for in any case.
   *
   * @default true
   */
  readonly checkWhenMade?: boolean | undefined
}

const DEFINITION: OptionNames<CommandDefinition<object, object, unknown, unknown>> = {
  state: true,
  result: true,
  checkWhenMade: true,
  idempotent: true,
  timeoutMs: true,
  description: true,
  version: true,
  deprecated: true,
}

type OrUndefined<T> = { readonly [Key in keyof T]?: T[Key] | undefined }

/** A command made by {@link command}: its fields, as its schema gives them out. They are not to be changed, and the object is frozen unless its class was extended. */
export type SchemaCommand<Output extends object, Answer, Result> = Command<Result> & { readonly [ANSWER]: Answer } & Readonly<Output>

/** What {@link command} returns. */
export interface SchemaCommandClass<Input extends object, Output extends object, Answer, Result> extends CommandTraits {
  /**
   * @throws ZmqRpcError `BAD_COMMAND` when the schema does not take the state, with the field and what is wrong with it.
   */
  new (...state: StateArguments<Input>): SchemaCommand<Output, Answer, Result>
  readonly [SCHEMAS]: Schemas
}

/** A state may be left out when none of its fields is required. */
// biome-ignore lint/complexity/noBannedTypes: it is what every optional field is optional in
type StateArguments<Input extends object> = {} extends Input ? [state?: Input] : [state: Input]

interface Schemas {
  readonly state: Schema | undefined
  readonly result: Schema | undefined
  readonly checkWhenMade: boolean
}

/**
 * A command by its schemas: of zod, valibot, arktype, or any other library that keeps the Standard Schema convention. The types of
 * both sides follow from them. The class may be extended.
 *
 * @example
 * ```ts
 * const SetTemperature = command('SetTemperature', {
 *   state: z.object({ celsius: z.number().min(5).max(30) }),
 *   result: z.object({ reached: z.boolean() }),
 *   idempotent: true,
 * })
 * server.register(SetTemperature, ({ celsius }) => ({ reached: heat(celsius) }))
 * const { reached } = await client.execute(new SetTemperature({ celsius: 20 }))
 * ```
 * @throws ZmqRpcError `BAD_COMMAND` for a name that is none, a schema that is none, a `timeoutMs` that is none; `BAD_OPTION` for an
 * option that there is not.
 */
export function command<Input extends object = object, Output extends object = Input, Answer = unknown, Result = Answer>(
  name: string,
  definition: CommandDefinition<Input, Output, Answer, Result> = {},
): SchemaCommandClass<Input, Output, Answer, Result> {
  checkOptions(`command "${String(name).slice(0, 100)}"`, definition, DEFINITION)
  const { state, result, checkWhenMade = true, ...traits } = definition
  for (const [what, schema] of Object.entries({ state, result })) {
    if (schema !== undefined && !isSchema(schema))
      refuse(name, `its ${what} is ${describe(schema)}, not a schema (Standard Schema, version 1)`)
  }
  const made = class extends CommandOfSchema {}
  // Own, so that the name holds even where this file was minified.
  Object.defineProperties(made, {
    name: { value: name, configurable: true },
    commandName: { value: name, enumerable: true },
    [SCHEMAS]: { value: Object.freeze({ state, result, checkWhenMade } satisfies Schemas) },
  })
  Object.assign(made, traits)
  contractOf(made as unknown as CommandClass)
  return made as unknown as SchemaCommandClass<Input, Output, Answer, Result>
}

/** What can be said about a command's class, in whichever way it was written. */
export interface Contract {
  /** The command's name on the wire. */
  readonly name: string
  /** May be carried out twice without harm. */
  readonly idempotent: boolean
  /** ms; undefined: the client's. */
  readonly timeoutMs: number | undefined
  /** What the command does, for people. */
  readonly description: string | undefined
  /** Of the contract, for people. */
  readonly version: string | undefined
  /** False, true, or what to use instead. */
  readonly deprecated: boolean | string
  /** Whether it has schemas; else what it says about state and result is only what a new instance shows. */
  readonly hasSchemas: boolean
  /**
   * For the caller: what the schema makes of a result that came. Absent without a schema. A promise only if the schema
   * answers later; so with all of these.
   *
   * @throws ZmqRpcError BAD_RESULT with the field and what is wrong with it
   */
  readonly readResult: ((result: unknown) => unknown) | undefined
  /**
   * For the server: the result to be written, which is the one that was given. Absent without a schema.
   *
   * @throws ZmqRpcError BAD_RESULT
   */
  readonly checkResult: ((result: unknown) => unknown) | undefined
  /**
   * What the schema makes of a state; commands do so themselves in `setCommandState`. Absent without a schema.
   *
   * @throws ZmqRpcError BAD_COMMAND with the field and what is wrong with it
   */
  readonly validateState: ((state: unknown) => unknown) | undefined
  /** JSON Schema of the state. Written when it is first asked for. */
  stateSchema(): JsonSchema
  /** JSON Schema of the result; undefined when nothing is known about it. */
  resultSchema(): JsonSchema | undefined
}

const CONTRACTS = new WeakMap<CommandClass, Contract>()

/**
 * The contract of a command, or of its class; the same object each time.
 *
 * @throws ZmqRpcError `BAD_COMMAND` for a class without a valid name, or whose static properties (`idempotent`, `timeoutMs`,
 * `description`, `version`, `deprecated`) are of another type than they must be.
 */
export function contractOf(subject: Command | CommandClass): Contract {
  const commandClass = typeof subject === 'function' ? subject : (Object.getPrototypeOf(subject).constructor as CommandClass)
  let contract = CONTRACTS.get(commandClass)
  if (contract === undefined) {
    contract = makeContract(commandClass)
    CONTRACTS.set(commandClass, contract)
  }
  return contract
}

/** Resolves when a command's state was checked by a schema that answers later; undefined for all others. Rejects with BAD_COMMAND. */
export function pendingCheck(subject: Command): Promise<void> | undefined {
  return subject instanceof CommandOfSchema ? CommandOfSchema.pendingOf(subject) : undefined
}

function makeContract(commandClass: CommandClass): Contract {
  const name = commandNameOf(commandClass)
  const { idempotent = false, timeoutMs, description, version, deprecated = false } = commandClass
  if (typeof idempotent !== 'boolean') refuse(name, `its idempotent is ${describe(idempotent)}, not true or false`)
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs > 0)) refuse(name, 'its timeoutMs is no number above 0')
  for (const [key, text] of Object.entries({ description, version })) {
    if (text !== undefined && typeof text !== 'string') refuse(name, `its ${key} is ${describe(text)}, not a string`)
  }
  if (typeof deprecated !== 'boolean' && typeof deprecated !== 'string') refuse(name, 'its deprecated is neither true nor a string')
  const { state, result }: Partial<Schemas> = schemasOf(commandClass) ?? {}
  const of = (schema: Schema | undefined, root: 'state' | 'result', keepInput: boolean) =>
    schema === undefined ? undefined : reader({ schema, root, keepInput, name })
  let stateSchema: JsonSchema | undefined
  let resultSchema: JsonSchema | undefined
  return Object.freeze({
    name,
    idempotent,
    timeoutMs,
    description,
    version,
    deprecated,
    hasSchemas: SCHEMAS in commandClass,
    readResult: of(result, 'result', false),
    checkResult: of(result, 'result', true),
    validateState: of(state, 'state', false),
    stateSchema() {
      stateSchema ??= state === undefined ? jsonSchemaOfState(stateOfNew(commandClass)) : jsonSchemaOf(state)
      return stateSchema
    },
    resultSchema() {
      resultSchema ??= result === undefined ? undefined : jsonSchemaOf(result)
      return resultSchema
    },
  })
}

function schemasOf(commandClass: object): Schemas | undefined {
  return (commandClass as { readonly [SCHEMAS]?: Schemas })[SCHEMAS]
}

/** The state that a class's own constructor makes; nothing when that cannot be had. */
function stateOfNew(commandClass: CommandClass): unknown {
  try {
    return makeCommand(commandClass).getCommandState()
  } catch {
    return {}
  }
}

interface Reading {
  readonly schema: Schema
  readonly root: 'state' | 'result'
  readonly keepInput: boolean
  /** The command's. */
  readonly name: string
}

function reader({ schema, root, keepInput, name }: Reading): (value: unknown) => unknown {
  const code = root === 'state' ? 'BAD_COMMAND' : 'BAD_RESULT'
  const error = (words: string, cause?: unknown) =>
    new ZmqRpcError(code, `the ${root} of command "${name}" does not fit: ${words}`, { command: name, cause })
  const fail = (issues: readonly Issue[], item: number) => error(describeIssues(issues, `item ${item} of a stream`))
  const mode = { keepInput, fail }
  const threw = (cause: unknown) => error(`its schema threw ${errorText(cause)}`, cause)
  const settle = (verdict: Verdict<unknown>): unknown => {
    if (verdict.issues !== undefined) throw error(describeIssues(verdict.issues, `the ${root}`))
    return verdict.value
  }
  return (value) => {
    let verdict: Verdict<unknown> | Promise<Verdict<unknown>>
    try {
      verdict = check(schema, value, mode)
    } catch (cause) {
      throw threw(cause)
    }
    if (!(verdict instanceof Promise)) return settle(verdict)
    return verdict.then(settle, (cause: unknown) => {
      throw threw(cause)
    })
  }
}

/** Base of the classes that {@link command} makes. */
class CommandOfSchema extends Command {
  /** What travels: as it was given, or as it came. */
  #state: Readonly<Record<string, unknown>> = {}
  #pending: Promise<void> | undefined
  #isSet = false

  static pendingOf(command: CommandOfSchema): Promise<void> | undefined {
    return command.#pending
  }

  constructor(state: unknown = {}) {
    super()
    if (state === NO_STATE) return
    const output = schemasOf(this.constructor)?.checkWhenMade === false ? state : this.#read(state)
    if (!(output instanceof Promise)) {
      this.#adopt(state, output)
      return
    }
    // Whoever makes a command does not wait: its fields are as they were given, and the server says what is wrong.
    output.catch(() => undefined)
    this.#adopt(state, state)
  }

  override getCommandState(): unknown {
    return this.#state
  }

  /**
   * Once: a command does not change.
   *
   * @throws ZmqRpcError `BAD_COMMAND` when the schema does not take it, with the field and what is wrong with it.
   */
  override setCommandState(state: unknown): void {
    const output = this.#read(state)
    if (!(output instanceof Promise)) return this.#adopt(state, output)
    this.#pending = output.then((settled) => this.#adopt(state, settled))
    // It may be that nobody asks: then it is a command without fields.
    this.#pending.catch(() => undefined)
  }

  #read(state: unknown): unknown {
    const { validateState } = contractOf(this)
    return validateState === undefined ? {} : validateState(state)
  }

  /** Gives the command its fields. A key that it has already, as a method, is no field. */
  #adopt(state: unknown, output: unknown): void {
    this.#mustHaveFields('state', state)
    this.#mustHaveFields('output', output)
    if (this.#isSet) throw new ZmqRpcError('BAD_COMMAND', `command "${commandNameOf(this)}" has its state already`)
    this.#isSet = true
    this.#state = { ...(state as object) }
    const fields = this as Record<string, unknown>
    for (const key of Object.keys(output as object)) if (!(key in this)) fields[key] = (output as Record<string, unknown>)[key]
    // What is changed would not be sent. The constructor of a subclass has fields of its own to add.
    if (Object.hasOwn(this.constructor, SCHEMAS)) Object.freeze(this)
  }

  #mustHaveFields(what: string, value: unknown): void {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return
    const name = commandNameOf(this)
    throw new ZmqRpcError('BAD_COMMAND', `the ${what} of command "${name}" is ${describe(value)}, not an object of its fields`, {
      command: name,
    })
  }
}

function refuse(name: string, text: string): never {
  throw new ZmqRpcError('BAD_COMMAND', `command "${String(name).slice(0, 100)}": ${text}`, { command: name })
}
