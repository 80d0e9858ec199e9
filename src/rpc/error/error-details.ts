/**
 * The details of an error, as a copy that can surely be written. An error is told when something has gone wrong already:
 * what cannot be written in it is told as text, at the place where it stands, and nothing in it can make the telling fail.
 */

import { types } from 'node:util'
import { errorText } from './error-text.ts'

/** What lies deeper is told as text. */
const MAX_DEPTH = 20
/** Values beyond it are left out: details are for a program to act on, not for a load of data. */
const MAX_VALUES = 10_000

/** A copy of arrays, Maps, Sets and objects; binaries are kept as they are. Never throws. */
export function writableDetails(details: unknown): unknown {
  return copy(details, { left: MAX_VALUES, parents: [] })
}

interface Progress {
  left: number
  readonly parents: object[]
}

function copy(value: unknown, progress: Progress): unknown {
  progress.left--
  switch (typeof value) {
    case 'symbol':
    case 'function':
      return errorText(value)
    case 'bigint':
      return BigInt.asIntN(1024, value) === value ? value : '(a bigint of more than 1024 bits)'
    case 'object':
      break
    default:
      return value
  }
  if (value === null) return value
  if (progress.parents.includes(value)) return '(a cycle)'
  if (progress.parents.length >= MAX_DEPTH) return '(nested too deeply)'
  progress.parents.push(value)
  try {
    return copyObject(value, progress)
  } catch {
    // A getter, an iterator, a toJSON or a trap of a proxy threw.
    return '(cannot be read)'
  } finally {
    progress.parents.pop()
  }
}

function copyObject(value: object, progress: Progress): unknown {
  if (ArrayBuffer.isView(value) || types.isArrayBuffer(value)) return value
  if (types.isDate(value)) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value
  if (types.isNativeError(value) || types.isRegExp(value) || types.isPromise(value)) return errorText(value)
  if (types.isBoxedPrimitive(value)) return copy(value.valueOf(), progress)
  if (types.isMap(value)) return new Map(some(value, progress).map(([key, item]) => [copy(key, progress), copy(item, progress)]))
  if (types.isSet(value)) return new Set(some(value, progress).map((item) => copy(item, progress)))
  if (Array.isArray(value)) return some(value, progress).map((item) => copy(item, progress))
  if ('toJSON' in value && typeof value.toJSON === 'function') return copy(value.toJSON(''), progress)
  const members = some(Object.keys(value), progress).map((key) => [key, (value as Record<string, unknown>)[key]] as const)
  // A function in an object is a method. fromEntries makes `__proto__` an own property.
  return Object.fromEntries(
    members.filter(([, member]) => typeof member !== 'function').map(([key, member]) => [key, copy(member, progress)]),
  )
}

/** As many as may still come. */
function some<T>(items: Iterable<T>, progress: Progress): T[] {
  const taken: T[] = []
  for (const item of items) {
    if (taken.length >= progress.left) break
    taken.push(item)
  }
  return taken
}
