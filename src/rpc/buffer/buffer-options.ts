/** What a buffer may be told, with defaults, checked. */

import { ZmqRpcError } from '../../errors.ts'
import { checkOptions, type OptionNames } from '../../options.ts'
import { resolveNumber } from '../endpoint.ts'
import type { StoreSource } from '../store-source.ts'
import { WINDOW, type Window } from './loader.ts'

/** In which order commands of one kind are delivered that have waited. */
export type DrainOrder = 'oldestFirst' | 'newestFirst' | 'lastValue'

/** How a kind of command is delivered after an outage. */
export interface CommandDrain {
  /**
   * `oldestFirst`: as they came, one after the other for each sender. `newestFirst`: what is new goes out at once, what is old when there
   * is nothing newer. `lastValue`: of those with the same `key` only the newest; the others end as superseded.
   */
  readonly order: DrainOrder
  /** Of `lastValue`: a member of the command's state, whose values tell apart what is not to replace each other. @default one for each sender */
  readonly key?: string | undefined
}

/** How what has waited is delivered after an outage. */
export interface DrainOptions {
  /** Commands that were accepted before the far end was there, delivered in a second, at most. @default Infinity */
  readonly maxPerSecond?: number | undefined
  /** Which part of all that is delivered goes to senders without such a backlog, as long as others have one: 0 to 1. @default 0.5 */
  readonly liveShare?: number | undefined
  /** Kinds of commands, by name, that are not delivered oldest first. @default {} */
  readonly commands?: Readonly<Record<string, CommandDrain>> | undefined
}

/** How long it is known how commands ended, for those who ask. Whatever comes first; the oldest goes first. */
export interface OutcomeOptions {
  /** ms. @default 604800000 (a week) */
  readonly ttlMs?: number | undefined
  /** @default 100000 */
  readonly maxCount?: number | undefined
  /** On disk, bytes. @default 268435456 (256 MiB) */
  readonly maxBytes?: number | undefined
}

/** How many of those that were given up are kept for whoever looks after them. Beyond that the oldest go, and are counted. */
export interface DeadLetterOptions {
  /** @default 100000 */
  readonly maxCount?: number | undefined
  /** On disk, bytes, about. @default a quarter of the buffer's `maxBytes` */
  readonly maxBytes?: number | undefined
}

/** Where a buffer is kept, and what it does. */
export interface BufferOptions {
  /** A folder for this buffer alone; made if it is not there. Either this or `store` and `outcomes`. */
  readonly path?: string | undefined
  /** Where commands are kept; with `outcomes`, in the place of `path`. Give functions that make them, so that they can be opened again. */
  readonly store?: StoreSource | undefined
  /** Where it is kept how they ended. */
  readonly outcomes?: StoreSource | OutcomeOptions | undefined
  /** What receipts call it. @default the endpoint where it takes commands, or `client` */
  readonly name?: string | undefined
  /** On disk, bytes, of what waits or was given up. Of a `store` of one's own, its own limit counts. @default 1073741824 (1 GiB) */
  readonly maxBytes?: number | undefined
  /** How much of that dead letters may take, so that nobody fills the buffer with what is refused. @default 100000, a quarter of `maxBytes` */
  readonly deadLetters?: DeadLetterOptions | undefined
  /** Commands that may wait. @default Infinity */
  readonly maxCommands?: number | undefined
  /** For how long a command is of use whose sender does not say, ms. @default Infinity */
  readonly maxAgeMs?: number | undefined
  /** `refuse`: its sender hears STORE_FULL. `dropOldest`: the oldest is given up for it, and counted. @default 'refuse' */
  readonly whenFull?: 'refuse' | 'dropOldest' | undefined
  /** Attempts that may have reached the service, before a command is given up. @default 20 */
  readonly maxAttempts?: number | undefined
  /** For the answer to one attempt, ms. @default 60000 */
  readonly attemptTimeoutMs?: number | undefined
  /** Between attempts, ms: doubles from the first to the second, with jitter. @default [100, 30000] */
  readonly backoffMs?: readonly [first: number, most: number] | undefined
  /** Commands of one lane on the way at a time, where the far end keeps their order; else it is one. @default 64 */
  readonly pipeline?: number | undefined
  /** Commands on the way at a time, in all. @default 500 */
  readonly maxInFlight?: number | undefined
  /** Callers that may wait for a result at a time; one more is told NOT_YET_EXECUTED at once. @default 10000 */
  readonly maxWaiting?: number | undefined
  /** Which commands are kept; others are passed on live. @default all but what streams, and questions to the server itself */
  readonly keep?: readonly string[] | ((command: string) => boolean) | undefined
  /** How what has waited is delivered. @default all at once, oldest first */
  readonly drain?: DrainOptions | undefined
  /**
   * What an acknowledged command survives: `fsync` power loss, `os-cache` only the end of the process. Of a `store` of one's own, what that says.
   *
   * @default 'fsync'
   */
  readonly durability?: 'fsync' | 'os-cache' | undefined
  /** A damaged record: `refuse` to start, or put it aside and go on. @default 'refuse' */
  readonly onDamage?: 'refuse' | 'quarantine' | undefined
}

const BUFFER_OPTIONS: OptionNames<BufferOptions> = {
  path: true,
  store: true,
  outcomes: true,
  name: true,
  maxBytes: true,
  deadLetters: true,
  maxCommands: true,
  maxAgeMs: true,
  whenFull: true,
  maxAttempts: true,
  attemptTimeoutMs: true,
  backoffMs: true,
  pipeline: true,
  maxInFlight: true,
  maxWaiting: true,
  keep: true,
  drain: true,
  durability: true,
  onDamage: true,
}
const DRAIN_OPTIONS: OptionNames<DrainOptions> = { maxPerSecond: true, liveShare: true, commands: true }
const COMMAND_DRAIN: OptionNames<CommandDrain> = { order: true, key: true }
const DEAD_LETTER_OPTIONS: OptionNames<DeadLetterOptions> = { maxCount: true, maxBytes: true }
const OUTCOME_OPTIONS: OptionNames<OutcomeOptions> = { ttlMs: true, maxCount: true, maxBytes: true }

/** All that the engine needs to know. */
export interface BufferSettings {
  readonly maxCommands: number
  readonly maxBytes: number
  readonly deadLetters: { readonly maxCount: number; readonly maxBytes: number }
  readonly maxAgeMs: number
  readonly whenFull: 'refuse' | 'dropOldest'
  readonly maxAttempts: number
  readonly attemptTimeoutMs: number
  readonly backoffMs: readonly [number, number]
  readonly pipeline: number
  readonly maxInFlight: number
  readonly maxWaiting: number
  readonly keeps: (command: string) => boolean
  /** Not an option: tests make it small. */
  readonly window: Window
  readonly drain: { readonly maxPerSecond: number; readonly liveShare: number; readonly commands: ReadonlyMap<string, CommandDrain> }
  readonly outcomes: { readonly ttlMs: number; readonly maxCount: number; readonly maxBytes: number }
}

const ORDERS: readonly unknown[] = ['oldestFirst', 'newestFirst', 'lastValue'] satisfies DrainOrder[]

/** @throws ZmqRpcError BAD_OPTION */
export function resolveBuffer(options: BufferOptions): BufferSettings {
  checkOptions('buffer', options, BUFFER_OPTIONS)
  const number = (name: keyof BufferOptions, fallback: number, least: number): number =>
    resolveNumber(`buffer.${name}`, options[name] as number | undefined, fallback, least)
  const count = (name: keyof BufferOptions, fallback: number, least: number): number =>
    wholeNumber(`buffer.${name}`, options[name] as number | undefined, fallback, least)
  const { drain = {}, deadLetters = {}, whenFull = 'refuse', backoffMs = [100, 30_000], keep } = options
  if (whenFull !== 'refuse' && whenFull !== 'dropOldest') refuse(`whenFull is ${String(whenFull)}, not "refuse" or "dropOldest"`)
  // A text would be searched for a part of it.
  if (keep !== undefined && typeof keep !== 'function' && !Array.isArray(keep)) refuse('keep takes names in an array, or a function')
  if (!Array.isArray(backoffMs)) refuse('backoffMs takes two numbers in an array: the first wait, and the longest')
  if (options.name !== undefined && typeof options.name !== 'string') refuse('name takes a text')
  const { outcomes: given = {} } = options
  const outcomes = isStore(given) ? {} : given
  checkOptions('buffer.outcomes', outcomes, OUTCOME_OPTIONS)
  checkOptions('buffer.deadLetters', deadLetters, DEAD_LETTER_OPTIONS)
  checkOptions('buffer.drain', drain, DRAIN_OPTIONS)
  const liveShare = resolveNumber('buffer.drain.liveShare', drain.liveShare, 0.5)
  if (liveShare > 1) refuse(`drain.liveShare is ${liveShare}, not a number from 0 to 1`)
  for (const [name, how] of Object.entries(drain.commands ?? {})) {
    checkOptions(`buffer.drain.commands.${name}`, how, COMMAND_DRAIN)
    if (!ORDERS.includes(how.order)) refuse(`drain.commands.${name}.order is ${String(how.order)}, not one of ${ORDERS.join(', ')}`)
  }
  const maxBytes = number('maxBytes', 1024 ** 3, 1)
  return {
    maxCommands: count('maxCommands', Number.POSITIVE_INFINITY, 1),
    maxBytes,
    deadLetters: {
      maxCount: wholeNumber('buffer.deadLetters.maxCount', deadLetters.maxCount, 100_000, 0),
      maxBytes: resolveNumber('buffer.deadLetters.maxBytes', deadLetters.maxBytes, maxBytes / 4),
    },
    maxAgeMs: number('maxAgeMs', Number.POSITIVE_INFINITY, 1),
    whenFull,
    maxAttempts: count('maxAttempts', 20, 1),
    attemptTimeoutMs: number('attemptTimeoutMs', 60_000, 1),
    backoffMs: [
      resolveNumber('buffer.backoffMs', backoffMs[0], 100, 1),
      resolveNumber('buffer.backoffMs', backoffMs[1], 30_000, backoffMs[0]),
    ],
    pipeline: count('pipeline', 64, 1),
    maxInFlight: count('maxInFlight', 500, 1),
    maxWaiting: count('maxWaiting', 10_000, 0),
    keeps: keep === undefined ? () => true : typeof keep === 'function' ? keep : (command) => keep.includes(command),
    window: WINDOW,
    drain: {
      maxPerSecond: resolveNumber('buffer.drain.maxPerSecond', drain.maxPerSecond, Number.POSITIVE_INFINITY, Number.MIN_VALUE),
      liveShare,
      commands: new Map(Object.entries(drain.commands ?? {})),
    },
    outcomes: {
      ttlMs: resolveNumber('buffer.outcomes.ttlMs', outcomes.ttlMs, 7 * 24 * 3_600_000),
      maxCount: wholeNumber('buffer.outcomes.maxCount', outcomes.maxCount, 100_000, 1),
      maxBytes: resolveNumber('buffer.outcomes.maxBytes', outcomes.maxBytes, 256 * 1024 * 1024, 1),
    },
  }
}

/** Infinity is one, too. */
function wholeNumber(option: string, given: number | undefined, fallback: number, least: number): number {
  const value = resolveNumber(option, given, fallback, least)
  if (Number.isInteger(value) || value === Number.POSITIVE_INFINITY) return value
  throw new ZmqRpcError('BAD_OPTION', `${option} is ${value}, not a whole number`)
}

/** Rather than limits of outcomes. */
export function isStore(given: BufferOptions['outcomes']): given is StoreSource {
  return typeof given === 'function' || (typeof given === 'object' && given !== null && 'append' in given)
}

function refuse(text: string): never {
  throw new ZmqRpcError('BAD_OPTION', `buffer.${text}`)
}
