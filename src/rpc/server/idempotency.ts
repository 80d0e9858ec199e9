/**
 * What a server answered to calls with an idempotency key, for as long as it remembers: the same key again gets the same answer,
 * and the service does not run a second time.
 *
 * - A key belongs to whoever sent it (its principal; all who have none are one) and to one command: the same key with another
 *   command is refused.
 * - A key is under way from the moment its first call runs. Calls that come meanwhile wait for that one's answer.
 * - Answers are kept within limits: a time, a number of keys, and bytes; the oldest goes first. Beyond them a repeated call runs
 *   again. An answer that is larger than all the bytes together is not kept, and drives no other out.
 * - Results, and errors that the service threw, are kept; refusals are not, nor is the failure of a call that was given up, since
 *   trying again may well succeed.
 */

import { performance } from 'node:perf_hooks'
import { type Message, messageBytes } from '../../wire/index.ts'
import type { Principal } from '../auth.ts'

export const MAX_IDEMPOTENCY_KEY_LENGTH = 255

export interface IdempotencyLimits {
  readonly ttlMs: number
  readonly maxKeys: number
  readonly maxBytes: number
}

/** A key together with whose it is. */
export type OwnedKey = string & { readonly brand: 'OwnedKey' }

interface Remembered {
  readonly command: string
  readonly answer: Message
  readonly bytes: number
  readonly expiresAt: number
}

/** What a key means for a call. */
export type KeyLookup =
  /** It runs, and says how it ended: undefined when it leaves no answer. */
  | { readonly kind: 'first'; readonly end: (answer: Message | undefined) => void }
  | { readonly kind: 'answered'; readonly answer: Message }
  /** Its first call is still running. */
  | { readonly kind: 'under way' }
  /** It belongs to another command. */
  | { readonly kind: 'taken'; readonly command: string }

/** The same text is another key where somebody else sends it. */
export function ownedKey(principal: Principal | undefined, key: string): OwnedKey {
  const username = principal?.username
  return `${username === undefined ? '' : `${username.length}:${username}`}:${key}` as OwnedKey
}

export class IdempotencyCache {
  readonly #limits: IdempotencyLimits
  /** The commands of keys whose first call runs: as many as the server runs at a time. */
  readonly #underWay = new Map<OwnedKey, string>()
  /** In the order in which they were answered. */
  readonly #remembered = new Map<OwnedKey, Remembered>()
  #bytes = 0

  constructor(limits: IdempotencyLimits) {
    this.#limits = limits
  }

  /** Answers that are kept. */
  get size(): number {
    return this.#remembered.size
  }

  /** Bytes of the answers that are kept, with their keys. */
  get bytes(): number {
    return this.#bytes
  }

  /** True while a call of this key would have to wait. */
  isUnderWay(key: OwnedKey, command: string): boolean {
    return this.#underWay.get(key) === command
  }

  /** For a call that is about to run. */
  lookUp(key: OwnedKey, command: string): KeyLookup {
    this.#expire(performance.now())
    const running = this.#underWay.get(key)
    if (running !== undefined) return running === command ? { kind: 'under way' } : { kind: 'taken', command: running }
    const remembered = this.#remembered.get(key)
    if (remembered === undefined) {
      this.#underWay.set(key, command)
      return { kind: 'first', end: (answer) => this.#end(key, command, answer) }
    }
    if (remembered.command !== command) return { kind: 'taken', command: remembered.command }
    return { kind: 'answered', answer: remembered.answer }
  }

  #end(key: OwnedKey, command: string, answer: Message | undefined): void {
    this.#underWay.delete(key)
    if (answer === undefined) return
    const bytes = key.length + messageBytes(answer)
    if (bytes > this.#limits.maxBytes) return
    // The first frame is our own. Others may be the service's memory, which it may use again.
    const copy = answer.map(ownCopy)
    this.#remembered.set(key, { command, answer: copy, bytes, expiresAt: performance.now() + this.#limits.ttlMs })
    this.#bytes += bytes
    this.#shrink()
  }

  #expire(now: number): void {
    for (const [key, { expiresAt, bytes }] of this.#remembered) {
      if (expiresAt > now) return
      this.#forget(key, bytes)
    }
  }

  #shrink(): void {
    const { maxKeys, maxBytes } = this.#limits
    for (const [key, { bytes }] of this.#remembered) {
      if (this.#remembered.size <= maxKeys && this.#bytes <= maxBytes) return
      this.#forget(key, bytes)
    }
  }

  #forget(key: OwnedKey, bytes: number): void {
    this.#remembered.delete(key)
    this.#bytes -= bytes
  }
}

/** A short frame is a view of a larger block, which would be kept alive; a large one is the service's own memory. */
function ownCopy(frame: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(frame.length)
  frame.copy(copy)
  return copy
}
