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

  /** The oldest go, as long as there are too many. Never rejects: a store that failed says so where it matters. */
  trim(): Promise<void> {
    this.#trimming ??= this.#dropOldest()
      .catch(toError)
      .then(() => {
        this.#trimming = undefined
      })
    return this.#trimming
  }

  async #dropOldest(): Promise<void> {
    for (;;) {
      const { dead, deadBytes } = this.#store.count()
      const over = { count: dead - this.#limits.maxCount, bytes: deadBytes - this.#limits.maxBytes }
      if (dead === 0 || (over.count <= 0 && over.bytes <= 0)) return
      const going: number[] = []
      for (const { seq, data, meta } of await this.#store.readDead(0, SWEEP)) {
        if (going.length >= over.count && over.bytes <= 0) break
        going.push(seq)
        over.bytes -= data.length + (meta?.length ?? 0)
      }
      if (going.length === 0) return
      await this.#store.dropDead(going)
      this.#dropped(going.length)
    }
  }
}
