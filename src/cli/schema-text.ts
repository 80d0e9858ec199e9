/** A JSON Schema in a few characters, for people: `{ name: string, polite?: boolean }`. What is more than that is in `--json`. */

import { printable, writeJson } from './json.ts'

/** `ListServices` writes a stream so. */
const STREAM = 'x-zmq-rpc-stream'

const MAX_DEPTH = 4

/** Never throws, whatever a server sends as its schema. */
export function schemaText(schema: unknown, depth = 0): string {
  if (typeof schema !== 'object' || schema === null) return 'any'
  if (depth > MAX_DEPTH) return '…'
  const parts = schema as Readonly<Record<string, unknown>>
  const { type, properties, items, required, format } = parts
  const nested = (inner: unknown): string => schemaText(inner, depth + 1)
  if (STREAM in parts) return `stream of ${nested(parts[STREAM])}`
  if ('const' in parts) return writeJson(parts['const'])
  if (Array.isArray(parts['enum'])) return parts['enum'].map((value) => writeJson(value)).join(' | ')
  const choices = parts['anyOf'] ?? parts['oneOf']
  if (Array.isArray(choices)) return choices.map(nested).join(' | ')
  if (Array.isArray(type)) return type.map((one) => (typeof one === 'string' ? printable(one) : 'any')).join(' | ')
  if (typeof properties === 'object' && properties !== null) {
    const needed = new Set(Array.isArray(required) ? required : Object.keys(properties))
    const fields = Object.entries(properties).map(([key, field]) => `${printable(key)}${needed.has(key) ? '' : '?'}: ${nested(field)}`)
    return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`
  }
  if (type === 'array') {
    const of = items === undefined ? 'any' : nested(items)
    return of.includes(' ') ? `(${of})[]` : `${of}[]`
  }
  if (type === 'string' && format === 'date-time') return 'date'
  if (type === 'string' && parts['contentEncoding'] === 'base64') return 'bytes'
  return typeof type === 'string' ? printable(type) : 'any'
}
