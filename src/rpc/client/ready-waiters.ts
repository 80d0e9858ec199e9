/** Who waits for a connection, each for a time of its own. */

import { timerMs } from '../deadlines.ts'

interface Waiter {
  resolve(): void
  reject(error: Error): void
}

export class ReadyWaiters {
  readonly #waiters = new Set<Waiter>()

  /** Resolves with the next {@link settle}. @throws what that is given; `late()` when the time is over. */
  wait(timeoutMs: number, late: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter)
        reject(late())
      }, timerMs(timeoutMs))
      const waiter: Waiter = {
        resolve: () => {
          clearTimeout(timer)
          resolve()
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
      this.#waiters.add(waiter)
    })
  }

  /** `error`: why there will be no connection. */
  settle(error: Error | undefined): void {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter)
      if (error === undefined) waiter.resolve()
      else waiter.reject(error)
    }
  }
}
