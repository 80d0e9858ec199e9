/**
 * No command of a lane is kept before the one ahead of it: were that refused for want of room, and a smaller one behind it taken, it would come
 * again too late. So where room is short each waits for the one before it, and is refused with it. Where there is room they are written
 * down together.
 */

import { performance } from 'node:perf_hooks'
import { ZmqRpcError } from '../../errors.ts'

/** Room is short when this share of the bytes is taken, or there was none a moment ago. */
const SHORT = { share: 0.9, forMs: 10_000 }

interface RoomLimits {
  readonly maxCommands: number
  readonly maxBytes: number
}

export class LaneRoom<Appended> {
  /** What the store may have. */
  readonly #limits: RoomLimits
  /** What it has. */
  readonly #count: () => { readonly live: number; readonly bytes: number }
  /** Of each lane, what is being written down last. */
  readonly #last = new Map<string, Promise<Appended>>()
  /** Being written down: the store does not count it yet. */
  #appending = 0
  #appendingBytes = 0
  #refusedAt = Number.NEGATIVE_INFINITY

  constructor(limits: RoomLimits, count: () => { readonly live: number; readonly bytes: number }) {
    this.#limits = limits
    this.#count = count
  }

  /** @throws what `append` throws; ZmqRpcError STORE_FULL */
  append(lane: string, bytes: number, append: () => Promise<Appended>): Promise<Appended> {
    const before = this.#last.get(lane)
    const mine = before !== undefined && this.#isShort ? behind(before, append) : append()
    this.#last.set(lane, mine)
    this.#appending++
    this.#appendingBytes += bytes
    const settled = (): void => {
      this.#appending--
      this.#appendingBytes -= bytes
      if (this.#last.get(lane) === mine) this.#last.delete(lane)
    }
    mine.then(settled, (error: unknown) => {
      if (isFull(error)) this.#refusedAt = performance.now()
      settled()
    })
    return mine
  }

  get #isShort(): boolean {
    const { maxCommands, maxBytes } = this.#limits
    const { live, bytes } = this.#count()
    if (live + this.#appending >= maxCommands || bytes + this.#appendingBytes > SHORT.share * maxBytes) return true
    return performance.now() < this.#refusedAt + SHORT.forMs
  }
}

async function behind<Appended>(before: Promise<Appended>, append: () => Promise<Appended>): Promise<Appended> {
  try {
    await before
  } catch (cause) {
    // Only what had no room is going to be sent again.
    if (isFull(cause))
      throw new ZmqRpcError('STORE_FULL', 'there was no room for the command before it, which it must not overtake', { cause })
  }
  return append()
}

function isFull(error: unknown): boolean {
  return error instanceof ZmqRpcError && error.code === 'STORE_FULL'
}
