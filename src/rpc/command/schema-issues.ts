/**
 * What a schema finds wrong, in words for people: which field, and what is expected there. Never what was there instead: a
 * password in the wrong field would end up in logs. Some libraries quote it, so their messages are cut to size here.
 */

import { pathStep } from '../dialect/unwritable.ts'

/** One thing that is wrong, as Standard Schema says it. */
export interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

const MAX_SHOWN = 10
/** Of a message, which may list all the values that would be allowed. */
const MAX_WORDS = 200
const MAX_PATH = 200

/** In one line, the first ten of them: `celsius: Too big: expected number to be <=30; unit: …`. */
export function describeIssues(issues: readonly Issue[], root: string): string {
  const shown = issues.slice(0, MAX_SHOWN).map((issue) => `${pathOf(issue) || root}: ${shorten(issue.message)}`)
  if (issues.length > MAX_SHOWN) shown.push(`and ${issues.length - MAX_SHOWN} more`)
  return shown.join('; ')
}

/** The same issues, without the values that were there, as far as the library is known to quote them. */
export function withoutValues(issues: readonly Issue[], vendor: string): readonly Issue[] {
  const words = WORDS[vendor]
  return words === undefined ? issues : issues.map((issue) => ({ message: words(issue), path: issue.path }))
}

/** By the vendor's name. zod quotes no values. */
const WORDS: Readonly<Record<string, ((issue: Issue) => string) | undefined>> = { valibot: valibotWords, arktype: arktypeWords }

/** `Invalid type: Expected number but received "secret"` */
function valibotWords({ message, received }: Issue & { readonly received?: unknown }): string {
  if (typeof received !== 'string' || !message.endsWith(received)) return message
  return message.slice(0, -received.length).replace(/(?: but received|: Received) $/, '')
}

interface ArktypeIssue extends Issue {
  readonly code?: string
  readonly expected?: string
  /** The message without the path. */
  readonly problem?: string
  /** Of a union, or an intersection. */
  readonly errors?: readonly ArktypeIssue[]
}

/** `celsius must be a number (was "secret")`, and combinations of it; what it expects stands in a field of its own. */
function arktypeWords(issue: ArktypeIssue): string {
  const { code, errors, problem = issue.message } = issue
  const expected = arktypeExpectation(issue)
  // What an author says with `ctx.reject` is not made of `expected`.
  const isFree = errors === undefined && code === 'predicate' && !problem.includes(expected)
  return expected === '' || isFree ? problem : `must be ${expected}`
}

function arktypeExpectation({ code, expected, errors }: ArktypeIssue): string {
  return errors?.map(arktypeExpectation).join(code === 'union' ? ' or ' : ' and ') ?? expected ?? ''
}

function pathOf({ path = [] }: Issue): string {
  const keys = [...path].map((step) => (typeof step === 'object' ? step.key : step))
  const text = keys.map((key) => pathStep(typeof key === 'symbol' ? String(key) : key)).join('')
  return text.replace(/^\./, '').slice(0, MAX_PATH)
}

function shorten(words: string): string {
  return words.length > MAX_WORDS ? `${words.slice(0, MAX_WORDS)}…` : words
}
