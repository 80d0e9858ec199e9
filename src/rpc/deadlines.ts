/**
 * One timer for any number of deadlines: a wheel of slots, each a linked list, so that adding and removing cost the same
 * with one pending call and with a hundred thousand.
 *
 * Deadlines are met to within {@link TICK_MS}, never early.
 */

import { performance } from 'node:perf_hooks'

/** The grain of the wheel. */
const TICK_MS = 8
const SLOTS = 1024

/** What a timer of Node's can wait; a longer time would be taken for 1 ms. */
export function timerMs(ms: number): number {
  return Math.min(ms, 0x7fff_ffff)
}

/** Something with a deadline: extend it. */
export abstract class Timed {
  /** The links of the slot it stands in; only for {@link Deadlines}. */
  next: Timed | undefined
  previous: Timed | undefined
  slot = -1
  /** When, on the clock of `performance.now()`. */
  deadline = Number.POSITIVE_INFINITY

  /** Infinity without a deadline. */
  get timeLeftMs(): number {
    return this.deadline - performance.now()
  }

  abstract expired(): void
}

export class Deadlines {
  readonly #slots: (Timed | undefined)[] = new Array(SLOTS)
  #size = 0
  #timer: NodeJS.Timeout | undefined
  /** The tick that was looked at last. */
  #tick = 0

  get size(): number {
    return this.#size
  }

  /** `ms` from now; Infinity is none. */
  add(timed: Timed, ms: number): void {
    if (ms === Number.POSITIVE_INFINITY) return
    const now = performance.now()
    timed.deadline = now + ms
    if (this.#size === 0) this.#tick = Math.floor(now / TICK_MS)
    // Rounded up, and never into a slot that has been looked at.
    const slot = Math.max(Math.ceil(timed.deadline / TICK_MS), this.#tick + 1) & (SLOTS - 1)
    timed.slot = slot
    const first = this.#slots[slot]
    timed.next = first
    if (first !== undefined) first.previous = timed
    this.#slots[slot] = timed
    this.#size++
    this.#timer ??= setInterval(() => this.#advance(), TICK_MS)
  }

  remove(timed: Timed): void {
    if (timed.slot < 0) return
    const { next, previous } = timed
    if (previous === undefined) this.#slots[timed.slot] = next
    else previous.next = next
    if (next !== undefined) next.previous = previous
    timed.next = timed.previous = undefined
    timed.slot = -1
    this.#size--
  }

  #advance(): void {
    const now = performance.now()
    const target = Math.floor(now / TICK_MS)
    // After a long pause of the process each slot is looked at once.
    for (let tick = Math.max(this.#tick + 1, target - SLOTS + 1); tick <= target; tick++) {
      this.#tick = tick
      this.#expire(tick & (SLOTS - 1), now)
    }
    if (this.#size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Those that are due later share the slot with those of this turn of the wheel, and stay. */
  #expire(slot: number, now: number): void {
    let timed = this.#slots[slot]
    const due: Timed[] = []
    for (; timed !== undefined; timed = timed.next) if (timed.deadline <= now) due.push(timed)
    for (const one of due) {
      // The one before may have removed it, or given it more time.
      if (one.slot < 0 || one.deadline > now) continue
      this.remove(one)
      one.expired()
    }
  }
}
