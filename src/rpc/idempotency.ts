/**
 * What a server answered to calls with an idempotency key, for as long as it remembers: the same key again gets the same answer,
 * and the service does not run a second time.
 *
 * - A key belongs to whoever sent it (its principal) and to one command: the same key with another command is refused.
 * - A call that comes while the first one of its key is under way waits for that one's answer.
 * - What is kept has limits: a time, a number of keys, and bytes; the oldest goes first. Beyond them a repeated call runs again.
 * - Results, and errors that the service threw, are kept; refusals are not, nor is the failure of a call that was given up, since
 *   trying again may well succeed.
 */

import { performance } from 'node:perf_hooks'
import type { Message } from '../wire/index.ts'

export interface IdempotencyLimits {
  readonly ttlMs: number
  readonly maxKeys: number
  readonly maxBytes: number
}

interface Entry {
  readonly command: string
  /** The answer, once it is there. */
  answer: Message | undefined
  bytes: number
  expiresAt: number
  /** Who waits for the first call of the key; told undefined when that one leaves no answer. */
  readonly waiting: ((answer: Message | undefined) => void)[]
}

/** What a key means for a call. */
export type KeyLookup =
  /** It is the first one: it runs, and says how it ended. */
  | { readonly kind: 'first'; readonly end: (answer: Message | undefined) => void }
  | { readonly kind: 'answered'; readonly answer: Message }
  /** Resolves to undefined when the first one left no answer. */
  | { readonly kind: 'under way'; readonly answer: Promise<Message | undefined> }
  | { readonly kind: 'taken'; readonly command: string }

export class IdempotencyCache {
  readonly #limits: IdempotencyLimits
  /** In the order in which they were answered; those under way stand anywhere. */
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  constructor(limits: IdempotencyLimits) {
    this.#limits = limits
  }

  /** Keys that are kept, or under way. */
  get size(): number {
    return this.#entries.size
  }

  lookUp(owner: string, key: string, command: string): KeyLookup {
    this.#expire(performance.now())
    const name = `${owner}\0${key}`
    const entry = this.#entries.get(name)
    if (entry === undefined) return { kind: 'first', end: this.#begin(name, command) }
    if (entry.command !== command) return { kind: 'taken', command: entry.command }
    if (entry.answer !== undefined) return { kind: 'answered', answer: entry.answer }
    return { kind: 'under way', answer: new Promise((resolve) => entry.waiting.push(resolve)) }
  }

  #begin(name: string, command: string): (answer: Message | undefined) => void {
    const entry: Entry = { command, answer: undefined, bytes: 0, expiresAt: Number.POSITIVE_INFINITY, waiting: [] }
    this.#entries.set(name, entry)
    return (answer) => {
      // Anew, so that the map is in the order of ends.
      if (!this.#entries.delete(name)) return
      for (const tell of entry.waiting.splice(0)) tell(answer)
      if (answer === undefined) return
      entry.answer = answer
      entry.bytes = name.length + answer.reduce((sum, frame) => sum + frame.length, 0)
      entry.expiresAt = performance.now() + this.#limits.ttlMs
      this.#entries.set(name, entry)
      this.#bytes += entry.bytes
      this.#shrink()
    }
  }

  #expire(now: number): void {
    for (const [name, entry] of this.#entries) {
      if (entry.answer === undefined) continue
      if (entry.expiresAt > now) return
      this.#forget(name, entry)
    }
  }

  #shrink(): void {
    const { maxKeys, maxBytes } = this.#limits
    for (const [name, entry] of this.#entries) {
      if (this.#entries.size <= maxKeys && this.#bytes <= maxBytes) return
      if (entry.answer !== undefined) this.#forget(name, entry)
    }
  }

  #forget(name: string, entry: Entry): void {
    this.#entries.delete(name)
    this.#bytes -= entry.bytes
  }
}
