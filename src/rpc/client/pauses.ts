/** The waits of a client between two attempts: each ends with its time, with its caller's signal, or with the client. */

import { onAbort } from '../abort-listeners.ts'
import { timerMs } from '../deadlines.ts'

/** What a wait that is cut short rejects with. */
export interface PauseErrors {
  aborted(reason: unknown): Error
  closed(): Error
}

export class Pauses {
  readonly #ends = new Set<() => void>()

  /** @throws what `errors` makes of it, when the caller gives up or the client is closed meanwhile. */
  wait(ms: number, signal: AbortSignal | undefined, errors: PauseErrors): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => {
        clearTimeout(timer)
        forgetSignal?.()
        this.#ends.delete(close)
        if (error === undefined) resolve()
        else reject(error)
      }
      const abort = (): void => end(errors.aborted(signal?.reason))
      const close = (): void => end(errors.closed())
      const timer = setTimeout(() => end(), timerMs(ms))
      const forgetSignal = signal && onAbort(signal, abort)
      this.#ends.add(close)
      if (signal?.aborted) abort()
    })
  }

  /** Those that wait end with `closed`. */
  close(): void {
    for (const end of this.#ends) end()
  }
}
