/**
 * Options that there are not are refused, and the one that was probably meant is named: without types a misspelt name would do
 * nothing, and nobody would know.
 *
 * Beside each interface of options stands the list of its names ({@link OptionNames}). A list that lacks one does not compile, so a new
 * option needs no second thought.
 */

import { ZmqRpcError } from './errors.ts'

/** The names of a type's options, each of them. Lists are joined as objects are: `{ ...CLIENT_OPTIONS, retry: true }`. */
export type OptionNames<Options> = { readonly [Name in keyof Required<Options>]: true }

/**
 * Of `execute`, for each call: it makes nothing.
 *
 * @param where whose options they are, as the text of an error begins
 * @throws ZmqRpcError BAD_OPTION for what is no object, and for a name that is not in the list, unless its value is undefined.
 */
export function checkOptions(where: string, given: unknown, names: Readonly<Record<string, true>>): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new ZmqRpcError('BAD_OPTION', `${where} takes an object of options, and was given ${kindOf(given)}`)
  }
  for (const name in given) if (!Object.hasOwn(names, name)) refuseUnlessUndefined(where, given, name, Object.keys(names))
}

/** @throws ZmqRpcError BAD_OPTION for what is no function, unless it is undefined. */
export function checkFunction(option: string, given: unknown): void {
  if (given === undefined || typeof given === 'function') return
  throw new ZmqRpcError('BAD_OPTION', `${option} has to be a function, and is ${kindOf(given)}`)
}

/** @throws ZmqRpcError BAD_OPTION for what is no array, unless it is undefined. */
export function checkList(option: string, given: unknown): void {
  if (given === undefined || Array.isArray(given)) return
  throw new ZmqRpcError('BAD_OPTION', `${option} has to be an array, and is ${kindOf(given)}`)
}

function refuseUnlessUndefined(where: string, given: object, name: string, names: readonly string[]): void {
  // What is inherited was not written by whoever gave the options; of undefined, sockets think the same.
  if (!Object.hasOwn(given, name) || (given as Record<string, unknown>)[name] === undefined) return
  const meant = nearestName(name, names)
  const hint = meant === undefined ? `there are ${names.join(', ')}` : `is ${meant} meant?`
  throw new ZmqRpcError('BAD_OPTION', `${where} has no option ${name.slice(0, MAX_SHOWN)}: ${hint}`)
}

/** So much of a name is shown. */
const MAX_SHOWN = 100

/** What kind of value it is, without the value, which may be a secret. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** Letters that may be wrong, missing or too many. */
const MOST_EDITS = 2

/** The name that a wrong one is most like, if it is much like any. */
export function nearestName(wrong: string, names: Iterable<string>): string | undefined {
  const given = wrong.toLowerCase()
  let nearest: string | undefined
  let least = MOST_EDITS + 1
  for (const name of names) {
    const distance = edits(given, name.toLowerCase())
    // A short name is soon like any other.
    if (distance < least && distance * 3 < name.length) [nearest, least] = [name, distance]
  }
  return nearest
}

/** How many letters have to be changed, added or left out (Levenshtein). */
function edits(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MOST_EDITS) return MOST_EDITS + 1
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
