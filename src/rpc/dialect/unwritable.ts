/** What the errors of both dialects' writers have in common: how a path is told, and why a value cannot be written. */

import { types } from 'node:util'

/** One step of a path: `.name`, `[3]` or `["any text"]`. */
export function pathStep(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

/** So many steps of a path are told at each end: one that is nested too deep has a thousand. */
const SHOWN_STEPS = 8

/** The way to a value, the inner steps of a long one left out: `.a.b[0]…[7].c`. */
export function pathOf(keys: readonly (string | number)[]): string {
  if (keys.length <= 2 * SHOWN_STEPS) return keys.map(pathStep).join('')
  return `${pathOf(keys.slice(0, SHOWN_STEPS))}…${pathOf(keys.slice(-SHOWN_STEPS))}`
}

/**
 * Objects whose content is not in their fields would be written as `{}`: why `format` cannot hold this one, and what to send
 * instead. `undefined` for an object that is its fields.
 */
export function whyUnwritable(value: object, format: string): string | undefined {
  if (types.isPromise(value)) return 'is a Promise: await it first'
  if (types.isNativeError(value)) return `is an Error, which ${format} cannot hold: send its message`
  if (types.isRegExp(value)) return `is a RegExp, which ${format} cannot hold: send its source`
  if (types.isBoxedPrimitive(value)) return 'is an object around a primitive: send the primitive'
  if (types.isWeakMap(value) || types.isWeakSet(value)) return `is a weak collection, which ${format} cannot hold`
  return undefined
}
