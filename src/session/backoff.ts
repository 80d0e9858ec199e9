/** How long to wait before the next attempt to connect. */

export interface BackoffOptions {
  /** First wait, ms; -1 never tries again (ZMQ_RECONNECT_IVL). */
  reconnectInterval: number
  /** The wait doubles up to this, ms; 0: it does not grow (ZMQ_RECONNECT_IVL_MAX). */
  reconnectMaxInterval: number
}

/** After a refusal that no quick retry mends (password, mechanism, protocol), the wait is at least this long. */
const REFUSED_INTERVAL_MS = 5000

export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: () => number
  #failures = 0

  /** `random` gives numbers from 0 to below 1. */
  constructor(options: BackoffOptions, random: () => number = Math.random) {
    this.#options = options
    this.#random = random
  }

  /** After a whole handshake. Not after a mere TCP connection: a server that accepts and closes would be spun on. */
  succeeded(): void {
    this.#failures = 0
  }

  /** Milliseconds until the next attempt, or undefined for no further one. */
  next(refused: boolean): number | undefined {
    const { reconnectInterval: first, reconnectMaxInterval: most } = this.#options
    if (first < 0) return undefined
    const grown = most > 0 ? Math.min(first * 2 ** Math.min(this.#failures, 30), Math.max(most, first)) : first
    this.#failures++
    // A random part of up to one first interval keeps a fleet from coming back all at once.
    const wait = grown + this.#random() * first
    return Math.round(refused ? Math.max(wait, REFUSED_INTERVAL_MS) : wait)
  }
}
