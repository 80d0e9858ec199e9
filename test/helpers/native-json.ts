/**
 * Values of the native dialect as JSON, in the notation of `docs/protocol.md`: for its test vectors, and for other
 * implementations to say what they have read.
 */

import { OpaqueCommand } from '../../src/rpc/command/command.ts'
import type { ReadHooks } from '../../src/rpc/dialect/native/reader.ts'
import type { WriteHooks } from '../../src/rpc/dialect/native/writer.ts'

/** A stream that stands in a value. */
export class NumberedStream {
  readonly number: number

  constructor(number: number) {
    this.number = number
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<never> {}
}

/** Commands and streams are written and read as what they are. */
export const WRITE: WriteHooks = { stream: (iterable) => (iterable as unknown as NumberedStream).number }
export const READ: ReadHooks = {
  command: (name, state) => new OpaqueCommand(name, state),
  stream: (number) => new NumberedStream(number),
}

type Elements = Iterable<number | bigint> & { readonly length: number }
type ArrayClass = { new (elements: never): Elements; readonly name: string }

/** The typed arrays that travel as what they are; a `Uint8Array` travels as bytes. */
export const TYPED_ARRAYS = [
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
]

const ARRAYS: readonly ArrayClass[] = TYPED_ARRAYS

/** Bytes in hex, in any grouping; `2a*16` is the same bytes 16 times. */
export function fromHex(text: string): Buffer {
  const words = text.split(/\s+/).filter((word) => word !== '')
  return Buffer.concat(
    words.map((word) => {
      const [hex = '', times = '1'] = word.split('*')
      if (!/^([0-9a-f]{2})+$/.test(hex)) throw new Error(`this is not hex: ${word}`)
      return Buffer.from(hex.repeat(Number(times)), 'hex')
    }),
  )
}

/** A value in JSON's own types, with tags for the others. Numbers that are not safe integers stay what `JSON.stringify` makes of them. */
export function toJson(value: unknown): unknown {
  if (value === undefined) return { $undefined: true }
  if (typeof value === 'bigint') return { $bigint: String(value) }
  if (typeof value === 'number')
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: Object.is(value, -0) ? '-0' : String(value) }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(toJson)
  if (value instanceof NumberedStream) return { $stream: value.number }
  if (value instanceof OpaqueCommand) return { $command: value.name, state: toJson(value.state) }
  if (value instanceof Date) return { $date: value.getTime() }
  if (value instanceof Map) return { $map: [...value].map(([key, item]) => [toJson(key), toJson(item)]) }
  if (value instanceof Set) return { $set: [...value].map(toJson) }
  if (Buffer.isBuffer(value)) return { $bytes: value.toString('hex') }
  if (value instanceof DataView) return { $DataView: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex') }
  const arrayClass = ARRAYS.find((candidate) => value.constructor === candidate)
  if (arrayClass !== undefined) return { [`$${arrayClass.name}`]: [...(value as Elements)].map(elementJson) }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]))
}

function elementJson(element: number | bigint): unknown {
  return typeof element === 'bigint' ? String(element) : toJson(element)
}

/** The value that such JSON describes. */
export function fromJson(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(fromJson)
  const [tag = '', content] = Object.entries(json)[0] ?? []
  if (!tag.startsWith('$')) return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, fromJson(item)]))
  switch (tag) {
    case '$undefined':
      return undefined
    case '$bigint':
      return BigInt(content)
    case '$number':
      return Number(content)
    case '$date':
      return new Date(content)
    case '$bytes':
      return fromHex(content)
    case '$DataView':
      return new DataView(new Uint8Array(fromHex(content)).buffer)
    case '$map':
      return new Map(fromJson(content) as [unknown, unknown][])
    case '$set':
      return new Set(fromJson(content) as unknown[])
    case '$stream':
      return new NumberedStream(content)
    case '$command':
      return new OpaqueCommand(content, fromJson((json as { state?: unknown }).state))
    default: {
      const arrayClass = ARRAYS.find(({ name }) => tag === `$${name}`)
      if (arrayClass === undefined) throw new Error(`nobody knows ${tag}`)
      return new arrayClass(elementsOf(content, arrayClass.name.startsWith('Big')) as never)
    }
  }
}

/** `[1, 2]`, or `"1*1500"`. */
function elementsOf(content: unknown, big: boolean): unknown[] {
  if (Array.isArray(content)) return content.map((element) => (big ? BigInt(element) : fromJson(element)))
  const [element = '', times = '1'] = String(content).split('*')
  return new Array(Number(times)).fill(big ? BigInt(element) : Number(element))
}
