/**
 * Where the oldest has to go for what is new: those for which there was no room wait here, in the order in which they came, until room was made
 * for them, and so does whoever comes meanwhile. So nobody overtakes anybody, and no more is given up than has to be.
 */

import { toError, ZmqRpcError } from '../../errors.ts'
import type { BufferStore, StoreRecord } from '../../store/buffer-store.ts'

type Appended = Awaited<ReturnType<BufferStore['append']>>

export interface OverflowHost {
  /** How many more there is room for, as far as can be told before it is tried. */
  room(): number
  /** @throws ZmqRpcError STORE_FULL and others */
  append(record: StoreRecord): Promise<Appended>
  /** Gives up some of the oldest, for so many that wait; resolves to how many went. @throws StoreError */
  makeRoom(wanted: number): Promise<number>
}

interface Waiting {
  readonly record: StoreRecord
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: Error) => void
  /** Why there was no room for it. */
  full: Error
}

/** Times that room is made in a row, and none of those that wait has found any. */
const MAX_ROUNDS = 64

export class Overflow {
  readonly #host: OverflowHost
  #line: Waiting[] = []
  #busy = false

  constructor(host: OverflowHost) {
    this.#host = host
  }

  /** Room is being made: what comes has to wait for it. */
  get busy(): boolean {
    return this.#busy
  }

  /** `full`: that there was no room for it. @throws that, where none can be made */
  append(record: StoreRecord, full: Error): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#line.push({ record, resolve, reject, full })
      if (!this.#busy) void this.#serve()
    })
  }

  async #serve(): Promise<void> {
    this.#busy = true
    try {
      for (let rounds = 0; this.#line.length > 0; rounds++) {
        if (await this.#appendAll()) rounds = 0
        const { length } = this.#line
        if (length === 0) break
        if (rounds >= MAX_ROUNDS || (await this.#host.makeRoom(length)) === 0) this.#refuse(({ full }) => full)
      }
    } catch (error) {
      this.#refuse(() => toError(error))
    }
    this.#busy = false
  }

  /** As many as there is room for, together; the others wait on. Whether there was room for any. */
  async #appendAll(): Promise<boolean> {
    const going = this.#line.splice(0, Math.max(0, this.#host.room()))
    const refused: Waiting[] = []
    await Promise.all(
      going.map(async (waiting) => {
        try {
          waiting.resolve(await this.#host.append(waiting.record))
        } catch (thrown) {
          const error = toError(thrown)
          if (!(error instanceof ZmqRpcError) || error.code !== 'STORE_FULL') return waiting.reject(error)
          waiting.full = error
          refused.push(waiting)
        }
      }),
    )
    this.#line = [...going.filter((waiting) => refused.includes(waiting)), ...this.#line]
    return refused.length < going.length
  }

  #refuse(why: (waiting: Waiting) => Error): void {
    for (const waiting of this.#line.splice(0)) waiting.reject(why(waiting))
  }
}
