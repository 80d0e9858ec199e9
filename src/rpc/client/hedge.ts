/**
 * A hedge against a slow server: when an answer takes long, the same call is made once more elsewhere, and the first good answer
 * counts. Only for calls that may be carried out twice.
 */

import { onAbort } from '../abort-listeners.ts'
import { timerMs } from '../deadlines.ts'

export interface Hedge<T> {
  /** A further attempt is made whenever this time has passed without an answer, ms. */
  readonly delayMs: number
  /** Attempts under way at a time, the first one included. */
  readonly maxAttempts: number
  /** Ends them all. It has not aborted yet. */
  readonly signal: AbortSignal | undefined
  /** Makes an attempt, which ends soon after its signal aborts; undefined when none can be made at the moment. Must not throw. */
  launch(signal: AbortSignal): Promise<T> | undefined
  /** Whether an error is the answer. Other errors count when no attempt is left. */
  isFinal(error: unknown): boolean
}

/** The result of the first attempt, made now, or of one that was quicker. Those that lose are aborted. */
export function hedged<T>(first: (signal: AbortSignal) => Promise<T>, hedge: Hedge<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const underWay = new Set<AbortController>()
    let made = 0
    const timer = setInterval(() => make(hedge.launch), timerMs(hedge.delayMs))
    const abortAll = (reason: unknown): void => {
      for (const controller of underWay) controller.abort(reason)
    }
    const forgetSignal = hedge.signal && onAbort(hedge.signal, () => abortAll(hedge.signal?.reason))

    const end = (): void => {
      clearInterval(timer)
      forgetSignal?.()
      if (underWay.size > 0) abortAll(new Error('another attempt was quicker'))
    }
    const make = (attempt: (signal: AbortSignal) => Promise<T> | undefined): void => {
      const controller = new AbortController()
      const result = attempt(controller.signal)
      if (result === undefined) return
      underWay.add(controller)
      if (++made === hedge.maxAttempts) clearInterval(timer)
      // A promise settles once: what comes after the end changes nothing.
      result.then(
        (value) => {
          underWay.delete(controller)
          resolve(value)
          end()
        },
        (error: unknown) => {
          underWay.delete(controller)
          if (underWay.size > 0 && !hedge.isFinal(error)) return
          reject(error)
          end()
        },
      )
    }
    make(first)
  })
}
