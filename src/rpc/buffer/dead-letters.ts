/**
 * What was given up, up to a number and a size: whoever may send to a buffer can have as much given up as he likes, and must not fill it with
 * that. Beyond the limit the oldest goes, which is told.
 */

import { toError } from '../../errors.ts'
import type { BufferStore } from '../../store/buffer-store.ts'
import type { BufferSettings } from './buffer-options.ts'

/** Looked at in one go, when the oldest are to go. */
const SWEEP = { count: 256, bytes: 4 * 1024 * 1024 }

export class DeadLetters {
  readonly #store: BufferStore
  readonly #limits: BufferSettings['deadLetters']
  readonly #dropped: (count: number) => void
  #trimming: Promise<void> | undefined
  /** Resolves when the last change is done. */
  #turn: Promise<unknown> = Promise.resolve()

  /** `dropped`: told of those that went. */
  constructor(store: BufferStore, limits: BufferSettings['deadLetters'], dropped: (count: number) => void) {
    this.#store = store
    this.#limits = limits
    this.#dropped = dropped
  }

  /** It is one of them from now on: durable when it resolves. @throws StoreError */
  async add(seq: number, reason: string): Promise<void> {
    await this.#store.deadLetter(seq, reason)
    await this.trim()
  }

  /** Takes some of them away, or puts them back among those that wait. Nothing else goes meanwhile, so that none is counted that goes this way. */
  change<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#turn.then(change)
    this.#turn = changed.catch(toError)
    return changed
  }

  /** The oldest go, as long as there are too many. Never rejects: a store that failed says so where it matters. */
  trim(): Promise<void> {
    this.#trimming ??= this.change(() => this.#dropOldest()).catch(() => {})
    return this.#trimming
  }

  async #dropOldest(): Promise<void> {
    try {
      while (await this.#dropSome());
    } finally {
      // At once: whatever is added from here on is looked at anew.
      this.#trimming = undefined
    }
  }

  /** False: there are not too many, or none that can go. */
  async #dropSome(): Promise<boolean> {
    const { dead, deadBytes } = this.#store.count()
    const over = { count: dead - this.#limits.maxCount, bytes: deadBytes - this.#limits.maxBytes }
    // Said so that nothing goes where a store does not tell its bytes.
    if (!(over.count > 0 || over.bytes > 0)) return false
    // No more than have to go.
    const { count, bytes } = SWEEP
    const limit = over.bytes > 0 ? { count, bytes: Math.min(over.bytes, bytes) } : { count: Math.min(over.count, count), bytes }
    const oldest = await this.#store.readDead(0, limit)
    if (oldest.length === 0) return false
    await this.#store.dropDead(oldest.map(({ seq }) => seq))
    this.#dropped(oldest.length)
    return true
  }
}
