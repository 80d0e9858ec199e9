/**
 * Time that stands still until it is moved, and then jumps from one thing that is due to the next.
 *
 * While it is installed, the timers, clocks and immediates of this thread are its own. Promises, `queueMicrotask` and
 * `process.nextTick` are the real ones.
 */

import { checkOptions, type OptionNames } from '../options.ts'
import { installGlobals } from './globals.ts'
import { Scheduler, StuckError } from './scheduler.ts'
import { timersOf } from './timers.ts'

/** Where virtual time begins. */
export interface VirtualTimeOptions {
  /** What `new Date()` says at the beginning. @default 2026-01-01T00:00:00Z */
  readonly startAt?: Date | undefined
}

/** How long to wait for something. */
export interface RunOptions {
  /** Virtual time, ms, after which waiting is given up. @default 3600000 (one hour) */
  readonly limitMs?: number | undefined
}

export const VIRTUAL_TIME_OPTIONS: OptionNames<VirtualTimeOptions> = { startAt: true }
export const RUN_OPTIONS: OptionNames<RunOptions> = { limitMs: true }

/** A timer that has not fired yet, or something on its way through the network. */
export interface PendingEvent {
  /** `timer`, `interval`, `immediate`, or what the network does. */
  readonly what: string
  /** Virtual milliseconds from now. */
  readonly inMs: number
}

const DEFAULT_LIMIT_MS = 3_600_000

const DEFAULT_START = '2026-01-01T00:00:00Z'

/** Of `performance.now()`. Not zero: to take the beginning for "not yet" is a mistake that does not come up in real life. */
const CLOCK_AT_START = 1000

let installed = false

/**
 * Puts virtual time in the place of the real one: `setTimeout`, `setInterval`, `setImmediate` and what clears them, also those of
 * `node:timers` and `node:timers/promises`; `Date`, `performance.now`, `process.hrtime` and `AbortSignal.timeout`.
 *
 * @throws Error when it is installed already; ZmqRpcError BAD_OPTION.
 * @example
 * ```ts
 * using time = virtualTime()
 * setTimeout(() => console.log('an hour later'), 3_600_000)
 * await time.advance(3_600_000)
 * ```
 */
export function virtualTime(options: VirtualTimeOptions = {}): VirtualTime {
  checkOptions('virtualTime', options, VIRTUAL_TIME_OPTIONS)
  return new VirtualTime(new Scheduler(), options)
}

/** The clock and the timers of a test: what `virtualTime` gives, and `network.time`. */
export class VirtualTime implements Disposable {
  readonly #scheduler: Scheduler
  readonly #restoreGlobals: () => void
  #installed = true

  /** Made by {@link virtualTime}. */
  constructor(scheduler: Scheduler, options: VirtualTimeOptions) {
    if (installed) throw new Error('virtual time is installed already: uninstall the other one first')
    const startAt = (options.startAt ?? new Date(DEFAULT_START)).getTime()
    this.#restoreGlobals = installGlobals(timersOf(scheduler), {
      wallMs: () => startAt + scheduler.now,
      monotonicMs: () => CLOCK_AT_START + scheduler.now,
    })
    this.#scheduler = scheduler
    installed = true
  }

  /** Virtual milliseconds since it was installed. */
  get now(): number {
    return this.#scheduler.now
  }

  /** Timers that have not fired, and what is on its way through the network: what is due first, first. */
  get pending(): PendingEvent[] {
    const { pending, now } = this.#scheduler
    return pending.map(({ what, at }) => ({ what, inMs: at - now }))
  }

  /**
   * Lets time go on until a promise is settled, and gives its result. With a function, time goes on while it runs: everything in
   * it can be awaited as usual.
   *
   * @throws StuckError when nothing can happen any more, or after `limitMs`; what the promise is rejected with; what a timer throws.
   */
  run<T>(task: PromiseLike<T> | (() => T | PromiseLike<T>), options: RunOptions = {}): Promise<T> {
    checkOptions('run', options, RUN_OPTIONS)
    const told = from(this.run)
    return new Promise<T>((resolve, reject) => {
      const goal = { what: 'the promise', limit: this.#limit(options), resolve: () => {}, reject: (error: Error) => reject(told(error)) }
      this.#scheduler.pursue(goal)
      const promise = typeof task === 'function' ? new Promise<T>((give) => give(task())) : Promise.resolve(task)
      void promise.then(resolve, reject).finally(() => this.#scheduler.forget(goal))
    })
  }

  /** Lets all happen that is due within so many milliseconds, and no more. @throws what a timer throws. */
  advance(ms: number): Promise<void> {
    if (!(ms >= 0)) return Promise.reject(new RangeError(`time does not move by ${ms} ms`))
    const until = this.now + ms
    return new Promise((resolve, reject) => this.#scheduler.pursue({ what: `${ms} ms to pass`, until, resolve, reject }))
  }

  /** Lets all happen that can happen now. @throws what a timer throws. */
  settle(): Promise<void> {
    return this.advance(0)
  }

  /**
   * Lets time go on until a condition is true; it is looked at after each event.
   *
   * @throws StuckError when nothing can happen any more, or after `limitMs`; what the condition throws; what a timer throws.
   */
  runUntil(condition: () => boolean, options: RunOptions = {}): Promise<void> {
    checkOptions('runUntil', options, RUN_OPTIONS)
    const told = from(this.runUntil)
    return new Promise((resolve, reject) => {
      const limit = this.#limit(options)
      this.#scheduler.pursue({ what: 'the condition', limit, reached: condition, resolve, reject: (error) => reject(told(error)) })
    })
  }

  /** Time stands still until a promise is settled that takes real time: the answer of another process, a thread or a library. */
  hold<T>(promise: PromiseLike<T>): Promise<T> {
    return this.#scheduler.hold(promise)
  }

  /** Real time is back. What has not happened yet never will. */
  uninstall(): void {
    if (!this.#installed) return
    this.#installed = false
    installed = false
    this.#restoreGlobals()
    this.#scheduler.end()
  }

  [Symbol.dispose](): void {
    this.uninstall()
  }

  #limit({ limitMs = DEFAULT_LIMIT_MS }: RunOptions): number {
    if (!(limitMs >= 0)) throw new RangeError(`limitMs is ${limitMs}, not a number from 0 up`)
    return this.now + limitMs
  }
}

/** Has an error say who waited: there is nothing of the test in its own stack. */
function from(method: (...args: never[]) => unknown): (error: Error) => Error {
  const site: { stack?: string } = {}
  Error.captureStackTrace(site, method)
  return (error) => {
    if (error instanceof StuckError) error.stack = `${error.name}: ${error.message}\n${site.stack?.split('\n').slice(1).join('\n')}`
    return error
  }
}
