/**
 * How many attempts a client may make beyond the first of each call. When servers are in trouble, retries are what keeps them
 * there: so they may be a part of the calls only, plus a few for clients that call seldom.
 *
 * A bucket of tokens that forgets: each call puts a part of a token in, each further attempt takes one out, and what is more or
 * less than the reserve fades away within {@link MEMORY_MS}. A quiet hour saves nothing up, and a bad one leaves no debt.
 */

import { performance } from 'node:perf_hooks'
import { checkOptions, type OptionNames } from '../../options.ts'
import { resolveNumber } from '../endpoint.ts'

/** How many further attempts all calls of a client may make together. */
export interface RetryBudgetOptions {
  /** Further attempts, as a part of the calls; 0: only `minPerSecond`. @default 0.1 */
  readonly ratio?: number | undefined
  /** Further attempts, a second, whatever the number of calls. Ten times as many may come at once. @default 1 */
  readonly minPerSecond?: number | undefined
}

const RETRY_BUDGET_OPTIONS: OptionNames<RetryBudgetOptions> = { ratio: true, minPerSecond: true }

/** What happened this long ago has lost two thirds of its weight. */
const MEMORY_MS = 10_000

export class RetryBudget {
  readonly #ratio: number
  /** What the bucket holds when nothing happens. */
  readonly #reserve: number
  #tokens: number
  #at = performance.now()

  /** @throws ZmqRpcError BAD_OPTION */
  constructor(options: RetryBudgetOptions = {}) {
    checkOptions('retryBudget', options, RETRY_BUDGET_OPTIONS)
    this.#ratio = resolveNumber('retryBudget.ratio', options.ratio, 0.1)
    this.#reserve = (resolveNumber('retryBudget.minPerSecond', options.minPerSecond, 1) * MEMORY_MS) / 1000
    this.#tokens = this.#reserve
  }

  /** A call begins: its first attempt is free. */
  called(): void {
    this.#fade()
    this.#tokens += this.#ratio
  }

  /** Whether a further attempt may be made; then it is paid for. */
  take(): boolean {
    this.#fade()
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  #fade(): void {
    const now = performance.now()
    if (now > this.#at) this.#tokens = this.#reserve + (this.#tokens - this.#reserve) * Math.exp((this.#at - now) / MEMORY_MS)
    this.#at = now
  }
}
