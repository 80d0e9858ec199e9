/**
 * The attempts of a call: which link takes it, and what happens when that goes wrong or takes long. Calls that want neither
 * retries nor hedging do not come here.
 *
 * - Retried is only what is safe: an error that says that nothing was carried out, or, for a command that is repeatable, one
 *   that leaves it open. {@link ERROR_CODES} says which is which. All other errors are the answer.
 * - A retry waits a random time, up to a limit that doubles, and goes to a link that was not tried, if there is one.
 * - All of it happens within the call's own time, within `maxAttempts`, and within the client's budget.
 */

import { performance } from 'node:perf_hooks'
import { type Started, ZmqRpcError } from '../../errors.ts'
import { checkOptions, type OptionNames } from '../../options.ts'
import { resolveNumber } from '../endpoint.ts'
import { errorText } from '../error/error-text.ts'
import type { Balancer, Choice } from './balancer.ts'
import { hedged } from './hedge.ts'
import { Pauses } from './pauses.ts'
import type { RetryBudget } from './retry-budget.ts'

/** How a call that failed is tried again. */
export interface RetryOptions {
  /** Attempts of a call, the first one included. @default 3 */
  readonly maxAttempts?: number | undefined
  /** The first retry waits up to this long, ms; each further one up to twice as long. @default 50 */
  readonly backoffMs?: number | undefined
  /** No retry waits longer, ms. @default 2000 */
  readonly maxBackoffMs?: number | undefined
  /** Time for each attempt, ms: a repeatable command is tried again when it is over. @default all that the call has left */
  readonly attemptTimeoutMs?: number | undefined
}

/** How a slow answer is hedged against; only for repeatable commands, and with several servers. */
export interface HedgeOptions {
  /** Without an answer for this long, ms, the call is made at another server, too. About the time that 95 of 100 calls need. */
  readonly delayMs: number
  /** Attempts of a call, the first one included. @default 2 */
  readonly maxAttempts?: number | undefined
}

const RETRY_OPTIONS: OptionNames<RetryOptions> = { maxAttempts: true, backoffMs: true, maxBackoffMs: true, attemptTimeoutMs: true }
const HEDGE_OPTIONS: OptionNames<HedgeOptions> = { delayMs: true, maxAttempts: true }

/** Checked, and with all defaults filled in. */
export interface AttemptSettings {
  /** Of a call in all: the larger one of retry and hedge. */
  readonly maxAttempts: number
  readonly backoffMs: number
  readonly maxBackoffMs: number
  readonly attemptTimeoutMs: number
  readonly retries: boolean
  readonly hedge: { readonly delayMs: number; readonly maxAttempts: number } | undefined
}

/** @throws ZmqRpcError BAD_OPTION */
export function resolveAttempts(retry: RetryOptions | undefined, hedge: HedgeOptions | undefined): AttemptSettings {
  if (retry !== undefined) checkOptions('retry', retry, RETRY_OPTIONS)
  if (hedge !== undefined) checkOptions('hedge', hedge, HEDGE_OPTIONS)
  const hedging = hedge && {
    delayMs: resolveNumber('hedge.delayMs', hedge.delayMs, 0, 1),
    maxAttempts: resolveNumber('hedge.maxAttempts', hedge.maxAttempts, 2, 1),
  }
  const tries = retry === undefined ? 1 : resolveNumber('retry.maxAttempts', retry.maxAttempts, 3, 1)
  return {
    maxAttempts: Math.max(tries, hedging?.maxAttempts ?? 1),
    backoffMs: resolveNumber('retry.backoffMs', retry?.backoffMs, 50),
    maxBackoffMs: resolveNumber('retry.maxBackoffMs', retry?.maxBackoffMs, 2000),
    attemptTimeoutMs: resolveNumber('retry.attemptTimeoutMs', retry?.attemptTimeoutMs, Number.POSITIVE_INFINITY, 1),
    retries: tries > 1,
    hedge: hedging,
  }
}

/** A call to be made. */
export interface AttemptedCall<L, T> {
  /** The command's name, for errors. */
  readonly command: string
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** Whether it may be carried out twice. A call that carries a stream must not come here: a stream can be read once. */
  readonly repeatable: boolean
  /** Ends within its time, and soon after the signal aborts. `earlier`: the attempts before this one. */
  attempt(link: L, timeoutMs: number, signal: AbortSignal | undefined, earlier: number): Promise<T>
}

/** Makes the calls of one client. */
export class Attempts<L extends Choice> {
  readonly #links: readonly L[]
  readonly #balancer: Balancer
  readonly #budget: RetryBudget
  /** What ends each wait for another attempt. */
  readonly #pauses = new Pauses()

  constructor(links: readonly L[], balancer: Balancer, budget: RetryBudget) {
    this.#links = links
    this.#balancer = balancer
    this.#budget = budget
  }

  /** The first good answer, or the error of the last attempt. @throws as `call.attempt`; ZmqRpcError ABORTED, BAD_OPTION without links. */
  async run<T>(call: AttemptedCall<L, T>, settings: AttemptSettings): Promise<T> {
    const series = new Series(call, settings, this.#links, this.#balancer)
    this.#budget.called()
    try {
      return await this.#repeat(series, settings)
    } catch (error) {
      throw series.withHistory(error)
    }
  }

  async #repeat<T>(series: Series<L, T>, settings: AttemptSettings): Promise<T> {
    const { call } = series
    for (let failures = 1; ; failures++) {
      try {
        return await (series.hedge === undefined ? series.make(call.signal, series.next) : this.#hedge(series, series.hedge))
      } catch (error) {
        if (!settings.retries || !series.mayRepeat(error)) throw error
        const waitMs = Math.random() * Math.min(settings.maxBackoffMs, settings.backoffMs * 2 ** (failures - 1))
        // Waiting for nothing would only keep the error from the caller.
        if (waitMs + 1 > series.leftMs || !this.#budget.take()) throw error
        await this.#pause(waitMs, call, error as ZmqRpcError)
        // A process that is busy wakes up late.
        if (!series.mayRepeat(error)) throw error
      }
    }
  }

  /** Calls that wait to be tried again end with CLOSED. */
  close(): void {
    this.#pauses.close()
  }

  /** @throws ZmqRpcError ABORTED when the call is given up meanwhile, CLOSED when the client is closed. */
  #pause(ms: number, { command, signal }: Pick<AttemptedCall<unknown, unknown>, 'command' | 'signal'>, last: ZmqRpcError): Promise<void> {
    const { endpoint, started } = last
    return this.#pauses.wait(ms, signal, {
      aborted: (cause) => {
        const text = `command "${command}" was given up by its caller while it waited to be tried again: ${errorText(cause)}`
        return new ZmqRpcError('ABORTED', text, { endpoint, command, started, cause })
      },
      closed: () => {
        const text = `command "${command}" waited to be tried again when the client was closed`
        return new ZmqRpcError('CLOSED', text, { endpoint, command, started, cause: last })
      },
    })
  }

  #hedge<T>(series: Series<L, T>, { delayMs, maxAttempts }: { delayMs: number; maxAttempts: number }): Promise<T> {
    return hedged((signal) => series.make(signal, series.next), {
      delayMs,
      maxAttempts,
      signal: series.call.signal,
      isFinal: (error) => !isSafe(error, true),
      launch: (signal) => {
        const link = series.untried
        return link !== undefined && this.#budget.take() ? series.make(signal, link) : undefined
      },
    })
  }
}

/** One call, and what was tried for it. */
class Series<L extends Choice, T> {
  readonly call: AttemptedCall<L, T>
  readonly #settings: AttemptSettings
  readonly #links: readonly L[]
  readonly #balancer: Balancer
  readonly #began = performance.now()
  readonly #deadline: number
  readonly #tried = new Set<L>()
  /** How far the attempts have come so far, the one that came furthest. */
  #started: Started = 'no'
  #made = 0

  constructor(call: AttemptedCall<L, T>, settings: AttemptSettings, links: readonly L[], balancer: Balancer) {
    this.call = call
    this.#settings = settings
    this.#links = links
    this.#balancer = balancer
    this.#deadline = this.#began + call.timeoutMs
  }

  get leftMs(): number {
    return this.#deadline - performance.now()
  }

  /** How to hedge the next attempt, if at all. */
  get hedge(): AttemptSettings['hedge'] {
    const { repeatable, signal } = this.call
    return repeatable && this.#links.length > 1 && !signal?.aborted ? this.#settings.hedge : undefined
  }

  /** The link for the next attempt. */
  get next(): L | undefined {
    return this.#balancer.pick(this.#links, this.#tried)
  }

  /** A link that was not tried and takes calls now, if one more attempt may be made. */
  get untried(): L | undefined {
    const link = this.#mayMakeMore ? this.next : undefined
    return link?.available && !this.#tried.has(link) ? link : undefined
  }

  mayRepeat(error: unknown): boolean {
    return this.#mayMakeMore && isSafe(error, this.call.repeatable)
  }

  async make(signal: AbortSignal | undefined, link: L | undefined): Promise<T> {
    if (link === undefined) throw new ZmqRpcError('BAD_OPTION', 'there is no endpoint to call: give the client req')
    this.#tried.add(link)
    // Whole milliseconds, as it stands in the texts of errors.
    const leftMs = this.#made === 0 ? this.call.timeoutMs : Math.floor(this.leftMs)
    try {
      return await this.call.attempt(link, Math.min(leftMs, this.#settings.attemptTimeoutMs), signal, this.#made++)
    } catch (error) {
      if (error instanceof ZmqRpcError && (this.#started === 'no' || error.started === 'yes')) this.#started = error.started
      throw error
    }
  }

  /** The error of the last attempt, which says so, and must not say that nothing was carried out if one before it may have been. */
  withHistory(error: unknown): unknown {
    if (!(error instanceof ZmqRpcError)) return error
    if (this.#made > 1 && isSafe(error, this.call.repeatable)) {
      ZmqRpcError.afterAttempts(error, this.#made, Math.round(performance.now() - this.#began))
    }
    ZmqRpcError.earlierStarted(error, this.#started)
    return error
  }

  get #mayMakeMore(): boolean {
    return this.#made < this.#settings.maxAttempts && this.leftMs >= 1
  }
}

/** Whether the same call may be made again after this error. */
function isSafe(error: unknown, repeatable: boolean): boolean {
  return error instanceof ZmqRpcError && (error.retrySafe === 'always' || (error.retrySafe === 'repeatable' && repeatable))
}
