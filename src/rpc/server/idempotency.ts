/**
 * What a server answered to calls with an idempotency key, for as long as it remembers: the same key again gets the same answer,
 * and the service does not run a second time.
 *
 * - A key belongs to whoever sent it (its principal; all who have none are one) and to one command: the same key with another
 *   command is refused.
 * - A key is under way from the moment its first call runs. Calls that come meanwhile wait for that one's answer.
 * - Answers are kept within limits: a time, a number of keys, and bytes; the oldest goes first. Beyond them a repeated call runs
 *   again. An answer that is larger than all the bytes together is not kept, and drives no other out.
 * - With a journal all of it is on disk as well: an answer before it is sent, and, if that is wanted, the key before its service begins.
 * - Results, and errors that the service threw, are kept; refusals are not, nor is the failure of a call that was given up, since
 *   trying again may well succeed.
 */

import { performance } from 'node:perf_hooks'
import { toError } from '../../errors.ts'
import { type Message, messageBytes } from '../../wire/index.ts'
import type { Principal } from '../auth.ts'
import { Fifo } from '../fifo.ts'
import type { AnswerJournal, Noted } from './answer-journal.ts'

export const MAX_IDEMPOTENCY_KEY_LENGTH = 255

export interface IdempotencyLimits {
  readonly ttlMs: number
  readonly maxKeys: number
  readonly maxBytes: number
}

/** A key together with whose it is. */
export type OwnedKey = string & { readonly brand: 'OwnedKey' }

interface Remembered {
  readonly key: OwnedKey
  readonly command: string
  /** Undefined: its service was cut off by the end of the server. */
  readonly answer: Message | undefined
  readonly bytes: number
  readonly expiresAt: number
}

/** What a key means for a call. */
export type KeyLookup =
  /**
   * It runs, and says how it ended: undefined when it leaves no answer. Where it is to wait until that is on disk, `end` says so; and so does `begun`,
   * which rejects where it must not run.
   */
  | {
      readonly kind: 'first'
      readonly begun: Promise<void> | undefined
      readonly end: (answer: Message | undefined) => Promise<void> | undefined
    }
  /** Its first call was cut off by the end of the server, and is not to run again. */
  | { readonly kind: 'interrupted' }
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
  readonly #journal: AnswerJournal | undefined
  readonly #refuseInterrupted: boolean
  /** The commands of keys whose first call runs: as many as the server runs at a time. */
  readonly #underWay = new Map<OwnedKey, string>()
  readonly #remembered = new Map<OwnedKey, Remembered>()
  /** The same, in the order in which they were answered. */
  readonly #byAge = new Fifo<Remembered>()
  #bytes = 0

  constructor(limits: IdempotencyLimits, durable?: { readonly journal: AnswerJournal; readonly refuseInterrupted: boolean }) {
    this.#limits = limits
    this.#journal = durable?.journal
    this.#refuseInterrupted = durable?.refuseInterrupted ?? false
  }

  /** Reads what is on disk. @throws StoreError */
  async open(): Promise<void> {
    const now = performance.now()
    // What has begun is followed by its answer, if there is one.
    const last = new Map(((await this.#journal?.open()) ?? []).map((noted) => [noted.key, noted]))
    for (const { key, command, answer, ageMs } of last.values()) {
      const leftMs = this.#limits.ttlMs - ageMs
      if (leftMs > 0 && (answer !== undefined || this.#refuseInterrupted)) this.#keep(key, command, answer, now + leftMs)
      else this.#journal?.forget(key)
    }
  }

  async close(): Promise<void> {
    await this.#journal?.close()
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
      return { kind: 'first', begun: this.#begin(key, command), end: (answer) => this.#end(key, command, answer) }
    }
    if (remembered.command !== command) return { kind: 'taken', command: remembered.command }
    return remembered.answer === undefined ? { kind: 'interrupted' } : { kind: 'answered', answer: remembered.answer }
  }

  #begin(key: OwnedKey, command: string): Promise<void> | undefined {
    // After a failure nothing runs whose answer could not be kept.
    if (this.#journal === undefined || !(this.#refuseInterrupted || this.#journal.doubtful)) return undefined
    return this.#journal.begin(key, command, () => this.#known())
  }

  *#known(): Iterable<Noted> {
    const now = performance.now()
    for (const { key, command, answer, expiresAt } of this.#byAge)
      yield { key, command, answer, ageMs: Math.max(0, this.#limits.ttlMs - (expiresAt - now)) }
    for (const [key, command] of this.#underWay) yield { key, command, answer: undefined, ageMs: 0 }
  }

  #end(key: OwnedKey, command: string, answer: Message | undefined): Promise<void> | undefined {
    if (answer === undefined || key.length + messageBytes(answer) > this.#limits.maxBytes) {
      this.#underWay.delete(key)
      this.#journal?.forget(key)
      return undefined
    }
    // The first frame is our own. Others may be the service's memory, which it may use again.
    const copy = answer.map(ownCopy)
    const keep = (): void => {
      this.#underWay.delete(key)
      this.#keep(key, command, copy, performance.now() + this.#limits.ttlMs)
    }
    if (this.#journal === undefined) {
      keep()
      return undefined
    }
    return this.#journal.end(key, command, copy).then(keep).catch(toError) as Promise<void>
  }

  #keep(key: OwnedKey, command: string, answer: Message | undefined, expiresAt: number): void {
    const before = this.#remembered.get(key)
    if (before !== undefined) {
      this.#byAge.delete(before)
      this.#bytes -= before.bytes
    }
    const bytes = key.length + (answer === undefined ? 0 : messageBytes(answer))
    const remembered = { key, command, answer, bytes, expiresAt }
    this.#remembered.set(key, remembered)
    this.#byAge.add(remembered)
    this.#bytes += bytes
    this.#shrink()
  }

  #expire(now: number): void {
    for (let oldest = this.#byAge.first; oldest !== undefined && oldest.expiresAt <= now; oldest = this.#byAge.first) this.#forget(oldest)
  }

  #shrink(): void {
    const { maxKeys, maxBytes } = this.#limits
    for (let oldest = this.#byAge.first; oldest !== undefined; oldest = this.#byAge.first) {
      if (this.#byAge.size <= maxKeys && this.#bytes <= maxBytes) return
      this.#forget(oldest)
    }
  }

  #forget(remembered: Remembered): void {
    const { key, bytes } = remembered
    this.#byAge.delete(remembered)
    this.#remembered.delete(key)
    this.#bytes -= bytes
    this.#journal?.forget(key)
  }
}

/** A short frame is a view of a larger block, which would be kept alive; a large one is the service's own memory. */
function ownCopy(frame: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(frame.length)
  frame.copy(copy)
  return copy
}
