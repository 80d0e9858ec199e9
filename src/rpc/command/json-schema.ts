/**
 * Schemas as JSON Schema (draft 2020-12), for introspection and for telling whether two peers mean the same.
 *
 * A library writes it, where it keeps the Standard JSON Schema convention: zod and arktype do by themselves, valibot by
 * `toStandardJsonSchema` of `@valibot/to-json-schema`. What says nothing about itself is `{}`, which means anything.
 */

import { ownPartsOf, type Schema } from './schema.ts'

/** A JSON Schema. Every key is optional, so this says little; validators take it as it is. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** Our word for a stream: JSON Schema has none. Its value is the schema of the items. */
export const STREAM_KEYWORD = 'x-zmq-rpc-stream'

const NOTHING_KNOWN: JsonSchema = Object.freeze({ $comment: 'its library does not describe it' })

interface Describing {
  readonly '~standard': {
    readonly jsonSchema?: { readonly input?: (options: { target: string; libraryOptions?: Record<string, unknown> }) => unknown }
  }
}

/** What a schema takes, which is what travels. Never throws. */
export function jsonSchemaOf(schema: Schema): JsonSchema {
  const parts = ownPartsOf(schema)
  if (parts !== undefined) {
    if ('stream' in parts) return { [STREAM_KEYWORD]: jsonSchemaOf(parts.stream) }
    const entries = Object.entries(parts.fields)
    const required = entries.filter(([, field]) => !takesUndefined(field)).map(([key]) => key)
    const properties = Object.fromEntries(entries.map(([key, field]) => [key, jsonSchemaOf(field)]))
    return { type: 'object', properties, ...(required.length > 0 && { required }) }
  }
  const write = (schema as Describing)['~standard'].jsonSchema?.input
  if (typeof write !== 'function') return NOTHING_KNOWN
  // What JSON Schema has no word for, as a Date, shall be `{}` and not the end of it. Each library has an option of its own for that.
  const lenient = { unrepresentable: 'any', fallback: (context: { base: unknown }) => context.base, errorMode: 'ignore' }
  for (const libraryOptions of [lenient, undefined]) {
    try {
      const written = write({ target: 'draft-2020-12', ...(libraryOptions && { libraryOptions }) })
      if (typeof written === 'object' && written !== null) return written as JsonSchema
    } catch {
      // The next way, then none.
    }
  }
  return NOTHING_KNOWN
}

/** A field of `fieldsOf` may be left out when its schema says so; one that answers later is taken for required. */
function takesUndefined(schema: Schema): boolean {
  try {
    const verdict = schema['~standard'].validate(undefined)
    if (!(verdict instanceof Promise)) return verdict.issues === undefined
    verdict.catch(() => undefined)
  } catch {
    // As in `jsonSchemaOf`.
  }
  return false
}

/** What can be told of a class's commands from the state of a new one: the kind of each value. Nothing is required. */
export function jsonSchemaOfState(state: unknown): JsonSchema {
  if (typeof state !== 'object' || state === null || Array.isArray(state)) return kindOf(state)
  return { type: 'object', properties: Object.fromEntries(Object.entries(state).map(([key, value]) => [key, kindOf(value)])) }
}

function kindOf(value: unknown): JsonSchema {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      return { type: typeof value }
    case 'bigint':
      return { type: 'integer' }
    case 'object':
      if (value === null) return {}
      if (Array.isArray(value)) return { type: 'array' }
      if (value instanceof Date) return { type: 'string', format: 'date-time' }
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return { type: 'string', contentEncoding: 'base64' }
      return Symbol.asyncIterator in value ? { [STREAM_KEYWORD]: {} } : { type: 'object' }
    default:
      return {}
  }
}
