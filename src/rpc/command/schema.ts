/**
 * What a schema is here: anything that keeps the Standard Schema convention (zod, valibot, arktype and many others), and two
 * schemas of our own that no library has, {@link streamOf} and {@link fieldsOf}.
 *
 * The type below is ours and names only what is read of a schema. `@standard-schema/spec` would be a second run-time dependency
 * for the sake of three properties that our declarations mention; since types are compared by their shape, every schema of
 * that specification fits (a type test holds the two together).
 */

import { ZmqRpcError } from '../../errors.ts'
import { describeIssues, type Issue, withoutValues } from './schema-issues.ts'

/** A schema of any library that keeps the Standard Schema convention, version 1. */
export interface Schema<Input = unknown, Output = Input> {
  /** What the convention asks of every schema: its version, who made it, how to check a value, and its types. */
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
    readonly validate: (value: unknown, options?: ValidateOptions) => Verdict<Output> | Promise<Verdict<Output>>
  }
}

/** What a schema takes: what is written, and what a service returns. */
export type InputOf<S extends Schema> = NonNullable<S['~standard']['types']>['input']
/** What a schema makes of it: what the reader gets. */
export type OutputOf<S extends Schema> = NonNullable<S['~standard']['types']>['output']

export type Verdict<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly Issue[] }

interface ValidateOptions {
  readonly libraryOptions?: Record<string, unknown> | undefined
}

/** What our own schemas are told besides. */
interface Mode {
  /** The value itself is wanted, not what the schema makes of it: it will be written. */
  readonly keepInput: boolean
  /** The error for an item of a stream: nobody waits for a verdict on it any more. */
  readonly fail: (issues: readonly Issue[], item: number) => Error
}

const VENDOR = 'zmq-rpc'

/**
 * Checks a value.
 *
 * @returns what the schema makes of it, or with `keepInput` the value as it was, or the issues; at once when the schema can
 */
export function check(schema: Schema, value: unknown, mode: Mode): Verdict<unknown> | Promise<Verdict<unknown>> {
  const { vendor, validate } = schema['~standard']
  if (vendor === VENDOR) return validate(value, { libraryOptions: { [VENDOR]: mode } })
  const verdict = validate(value)
  return verdict instanceof Promise ? verdict.then((settled) => settle(settled, value, vendor, mode)) : settle(verdict, value, vendor, mode)
}

function settle(verdict: Verdict<unknown>, value: unknown, vendor: string, mode: Mode): Verdict<unknown> {
  if (verdict.issues !== undefined) return { issues: withoutValues(verdict.issues, vendor) }
  return mode.keepInput ? { value } : verdict
}

/** True for what keeps the convention, as far as it can be seen. */
export function isSchema(value: unknown): value is Schema {
  // arktype's schemas are functions.
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard = (value as Partial<Schema>)['~standard'] as Partial<Schema['~standard']> | undefined
  return standard?.version === 1 && typeof standard.validate === 'function'
}

/**
 * A stream of items: as a command's `result`, or as one of its {@link fieldsOf}. Each item is checked when it comes; one that
 * does not fit ends the stream with an error.
 *
 * @example
 * ```ts
 * const Tail = command('Tail', { state: z.object({ file: z.string() }), result: streamOf(z.string()) })
 * for await (const line of await client.execute(new Tail({ file: 'log' }))) console.log(line)
 * ```
 */
export function streamOf<Input, Output = Input>(item: Schema<Input, Output>): Schema<AsyncIterable<Input>, AsyncIterable<Output>> {
  return ownSchema(
    (value, mode) => {
      if (!isAsyncIterable(value)) return { issues: [{ message: 'expected a stream (an AsyncIterable)' }] }
      return { value: checkedItems(value, item, mode) as AsyncIterable<Output> }
    },
    { stream: item },
  )
}

/**
 * An object whose fields have schemas of their own, of any library, streams among them. Fields without a schema are left out.
 *
 * @example
 * ```ts
 * const Upload = command('Upload', { state: fieldsOf({ name: z.string(), chunks: streamOf(z.instanceof(Uint8Array)) }) })
 * ```
 */
export function fieldsOf<Fields extends Readonly<Record<string, Schema>>>(
  fields: Fields,
): Schema<FieldInputs<Fields>, FieldOutputs<Fields>> {
  const entries = Object.entries(fields)
  return ownSchema(
    (value, mode) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return { issues: [{ message: 'expected an object' }] }
      const given = value as Record<string, unknown>
      const verdicts = entries.map(([key, schema]) => check(schema, Object.hasOwn(given, key) ? given[key] : undefined, mode))
      const merged = (settled: Verdict<unknown>[]) => merge(entries, settled) as Verdict<FieldOutputs<Fields>>
      return verdicts.some((verdict) => verdict instanceof Promise)
        ? Promise.all(verdicts).then(merged)
        : merged(verdicts as Verdict<unknown>[])
    },
    { fields },
  )
}

type FieldInputs<Fields extends Readonly<Record<string, Schema>>> = Simplify<
  { [Key in OptionalKeys<Fields>]?: InputOf<Fields[Key]> } & { [Key in Exclude<keyof Fields, OptionalKeys<Fields>>]: InputOf<Fields[Key]> }
>
type FieldOutputs<Fields extends Readonly<Record<string, Schema>>> = { [Key in keyof Fields]: OutputOf<Fields[Key]> }
type OptionalKeys<Fields extends Readonly<Record<string, Schema>>> = {
  [Key in keyof Fields]: undefined extends InputOf<Fields[Key]> ? Key : never
}[keyof Fields]
type Simplify<T> = { [Key in keyof T]: T[Key] }

function merge(entries: readonly (readonly [string, Schema])[], verdicts: readonly Verdict<unknown>[]): Verdict<unknown> {
  const issues = verdicts.flatMap((verdict, index) =>
    (verdict.issues ?? []).map(({ message, path }) => ({ message, path: [entries[index]?.[0] as string, ...(path ?? [])] })),
  )
  if (issues.length > 0) return { issues }
  const present = entries.flatMap(([key], index) => {
    const { value } = verdicts[index] as { value: unknown }
    return value === undefined ? [] : [[key, value] as const]
  })
  return { value: Object.fromEntries(present) }
}

/** What a schema of our own is made of: for its JSON Schema. */
export type OwnParts = { readonly stream: Schema } | { readonly fields: Readonly<Record<string, Schema>> }

const PARTS = Symbol('parts')

/** Of {@link streamOf} and {@link fieldsOf}; undefined for the schema of a library. */
export function ownPartsOf(schema: Schema): OwnParts | undefined {
  return (schema as { [PARTS]?: OwnParts })[PARTS]
}

function ownSchema<Input, Output>(
  judge: (value: unknown, mode: Mode) => Verdict<Output> | Promise<Verdict<Output>>,
  parts: OwnParts,
): Schema<Input, Output> {
  const validate = (value: unknown, options?: ValidateOptions) =>
    judge(value, (options?.libraryOptions?.[VENDOR] as Mode | undefined) ?? ALONE)
  return { '~standard': { version: 1, vendor: VENDOR, validate }, [PARTS]: parts } as Schema<Input, Output>
}

/** Used outside a command. */
const ALONE: Mode = {
  keepInput: false,
  fail: (issues, item) => new ZmqRpcError('BAD_RESULT', `a stream breaks its contract: ${describeIssues(issues, `item ${item}`)}`),
}

/**
 * Not a generator: one that was never started ends without a word to its source, and a stream that is not told goes on for
 * nobody.
 */
function checkedItems(source: AsyncIterable<unknown>, schema: Schema, mode: Mode): AsyncIterable<unknown> {
  return {
    [Symbol.asyncIterator]() {
      const items = source[Symbol.asyncIterator]()
      let count = 0
      let over = false
      return {
        async next() {
          if (over) return { done: true, value: undefined }
          const next = await items.next()
          if (next.done) {
            over = true
            return next
          }
          const verdict = await check(schema, next.value, mode)
          const item = count++
          if (verdict.issues === undefined) return { done: false, value: verdict.value }
          over = true
          const error = mode.fail(verdict.issues, item)
          await items.return?.(undefined)
          throw error
        },
        async return(value?: unknown) {
          over = true
          await items.return?.(value)
          return { done: true, value }
        },
      }
    },
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
