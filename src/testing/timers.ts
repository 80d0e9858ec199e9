/** The timer functions of Node on virtual time, with their promises: what `globals.ts` puts in the place of the real ones. */

import { AsyncResource } from 'node:async_hooks'
import { promisify } from 'node:util'
import type { QueuedEvent } from './event-queue.ts'
import type { Scheduler } from './scheduler.ts'

type Callback = (...args: unknown[]) => unknown

interface WaitOptions {
  signal?: AbortSignal | undefined
  ref?: boolean | undefined
}

/** What is put in the place of the real functions. */
export type Timers = ReturnType<typeof timersOf>

const real = {
  clearTimeout: globalThis.clearTimeout,
  clearInterval: globalThis.clearInterval,
  clearImmediate: globalThis.clearImmediate,
}

/** What a timer of Node's can wait; a longer time is taken for 1 ms. */
const MAX_DELAY_MS = 0x7fff_ffff

let lastId = 0

/** What `setTimeout`, `setInterval` and `setImmediate` return. */
class Timer {
  readonly #time: Scheduler
  readonly #event: QueuedEvent
  readonly #delayMs: number
  readonly #byId: Map<number, Timer>
  #id: number | undefined
  #ref = true

  constructor(time: Scheduler, what: string, delayMs: number, byId: Map<number, Timer>, callback: Callback, args: unknown[]) {
    if (typeof callback !== 'function') {
      throw Object.assign(new TypeError('The "callback" argument must be of type function'), { code: 'ERR_INVALID_ARG_TYPE' })
    }
    this.#time = time
    this.#delayMs = delayMs
    this.#byId = byId
    const scope = new AsyncResource('VirtualTimer', { requireManualDestroy: true })
    this.#event = time.event(what, () => {
      // Set anew first: it may clear itself, and may throw.
      if (what === 'interval') time.schedule(this.#event, delayMs)
      scope.runInAsyncScope(callback, this, ...args)
    })
    if (what === 'immediate') time.scheduleNow(this.#event)
    else time.schedule(this.#event, delayMs)
  }

  refresh(): this {
    this.#time.schedule(this.#event, this.#delayMs)
    return this
  }

  close(): this {
    this.#time.cancel(this.#event)
    if (this.#id !== undefined) this.#byId.delete(this.#id)
    return this
  }

  ref(): this {
    this.#ref = true
    return this
  }

  unref(): this {
    this.#ref = false
    return this
  }

  hasRef(): boolean {
    return this.#ref
  }

  [Symbol.toPrimitive](): number {
    this.#id ??= ++lastId
    this.#byId.set(this.#id, this)
    return this.#id
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

export function timersOf(time: Scheduler) {
  /** Those whose number was asked for. */
  const byId = new Map<number, Timer>()

  const setTimeout = (callback: Callback, ms?: number, ...args: unknown[]): Timer =>
    new Timer(time, 'timer', delay(ms), byId, callback, args)
  const setInterval = (callback: Callback, ms?: number, ...args: unknown[]): Timer =>
    new Timer(time, 'interval', delay(ms), byId, callback, args)
  const setImmediate = (callback: Callback, ...args: unknown[]): Timer => new Timer(time, 'immediate', 0, byId, callback, args)
  /** Timers from before virtual time are the real one's. */
  const clear =
    (clearReal: (timer: never) => void) =>
    (timer?: Timer | number | string | null): void => {
      const own = timer instanceof Timer ? timer : byId.get(Number(timer))
      if (own === undefined) clearReal(timer as never)
      else own.close()
    }

  /** Resolves in time, or is rejected as Node's promises of timers are. */
  const wait = <T>(start: (done: () => void) => Timer, value: T, { signal, ref }: WaitOptions = {}): Promise<T> =>
    new Promise((resolve, reject) => {
      const giveUp = (): void => {
        timer?.close()
        const reason = { code: 'ABORT_ERR', name: 'AbortError', cause: signal?.reason }
        reject(Object.assign(new Error('The operation was aborted'), reason))
      }
      let timer: Timer | undefined
      if (signal?.aborted) return giveUp()
      timer = start(() => {
        signal?.removeEventListener('abort', giveUp)
        resolve(value)
      })
      if (ref === false) timer.unref()
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  const promises = {
    setTimeout: <T>(ms?: number, value?: T, options?: WaitOptions) => wait((done) => setTimeout(done, ms), value, options),
    setImmediate: <T>(value?: T, options?: WaitOptions) => wait((done) => setImmediate(done), value, options),
    async *setInterval<T>(ms?: number, value?: T, options: WaitOptions = {}): AsyncGenerator<T | undefined> {
      let [due, wake] = [0, (): void => {}]
      const timer = setInterval(() => {
        due++
        wake()
      }, ms)
      if (options.ref === false) timer.unref()
      try {
        for (;;) {
          if (due === 0) {
            await wait(
              (done) => {
                wake = done
                return timer
              },
              undefined,
              options,
            )
          }
          for (; due > 0; due--) yield value
        }
      } finally {
        timer.close()
      }
    },
  }
  const custom = { [promisify.custom]: promises.setTimeout }
  return {
    setTimeout: Object.assign(setTimeout, custom),
    setInterval,
    setImmediate: Object.assign(setImmediate, { [promisify.custom]: promises.setImmediate }),
    clearTimeout: clear(real.clearTimeout),
    clearInterval: clear(real.clearInterval),
    clearImmediate: clear(real.clearImmediate),
    promises,
    scheduler: {
      wait: (ms: number, options?: WaitOptions) => promises.setTimeout(ms, undefined, options),
      yield: () => promises.setImmediate(),
    },
    abortSignalTimeout: (ms: number): AbortSignal => {
      const controller = new AbortController()
      setTimeout(() => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms).unref()
      return controller.signal
    },
  }
}

/** As Node takes it: whole milliseconds, at least one. */
function delay(ms: number | undefined): number {
  const given = Number(ms)
  return given >= 1 && given <= MAX_DELAY_MS ? Math.trunc(given) : 1
}
