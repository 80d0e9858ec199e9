/** Binary values: which type they have on the wire, and how bytes become such a value again. */

import { endianness } from 'node:os'
import { NativeError } from './native-error.ts'

type View = ArrayBufferView<ArrayBufferLike>
type ViewClass = { new (buffer: ArrayBufferLike, offset: number, length: number): View }

/** Element type on the wire -> name, class, bytes of an element. 0 is plain bytes, which MessagePack has itself. */
const ELEMENTS: readonly (readonly [name: string, viewClass: ViewClass, bytes: number])[] = [
  ['Uint8Array', Buffer as unknown as ViewClass, 1],
  ['Int8Array', Int8Array, 1],
  ['Uint8ClampedArray', Uint8ClampedArray, 1],
  ['Int16Array', Int16Array, 2],
  ['Uint16Array', Uint16Array, 2],
  ['Int32Array', Int32Array, 4],
  ['Uint32Array', Uint32Array, 4],
  ['Float32Array', Float32Array, 4],
  ['Float64Array', Float64Array, 8],
  ['BigInt64Array', BigInt64Array, 8],
  ['BigUint64Array', BigUint64Array, 8],
  ['DataView', DataView, 1],
]

const BIG_ENDIAN = endianness() === 'BE'
const ELEMENT_TYPES = new Map(ELEMENTS.map(([name], type) => [name, type]))
const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)?.get

/** The name of a view's type, whatever realm or subclass it is of. */
export function viewName(view: View): string {
  // A DataView has no such tag of its own.
  return (tagOf?.call(view) as string | undefined) ?? 'DataView'
}

/** The element type of a view on the wire, or `undefined` when it has none. */
export function elementTypeOf(view: View): number | undefined {
  return ELEMENT_TYPES.get(viewName(view))
}

/** The bytes of a view as they travel; shares its memory where it can. */
export function bytesOf(view: View, elementType: number): Buffer {
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength)
  return BIG_ENDIAN ? swapped(bytes, elementType) : bytes
}

/**
 * The value that these bytes are. With `copy` it has memory of its own; else it shares theirs, unless elements must be aligned
 * and are not.
 *
 * @throws NativeError for an unknown element type, or a part of an element.
 */
export function viewOf(given: Buffer, elementType: number, copy: boolean): View {
  if (elementType === 0) return copy ? Buffer.from(given) : given
  const element = ELEMENTS[elementType]
  if (element === undefined) throw new NativeError(`a binary has the unknown element type ${elementType}`)
  const [name, viewClass, elementBytes] = element
  if (given.length % elementBytes !== 0) throw new NativeError(`a ${name} has ${given.length} bytes, no multiple of ${elementBytes}`)
  const bytes = BIG_ENDIAN ? swapped(given, elementType) : given
  const own = copy || bytes.byteOffset % elementBytes !== 0 ? new Uint8Array(bytes) : bytes
  return new viewClass(own.buffer, own.byteOffset, own.byteLength / elementBytes)
}

/** A copy in the other byte order. */
export function swapped(bytes: Buffer, elementType: number): Buffer {
  const copy = Buffer.from(bytes)
  switch (ELEMENTS[elementType]?.[2]) {
    case 2:
      return copy.swap16()
    case 4:
      return copy.swap32()
    case 8:
      return copy.swap64()
    default:
      return copy
  }
}
