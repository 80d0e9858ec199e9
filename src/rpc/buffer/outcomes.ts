/**
 * How kept commands ended, for those who ask later: a second store, whose records are looked up by the command's id.
 *
 * Bounded by age, number and bytes; the oldest goes first, and who asks for it then is told that it is not known any more. An id that ended
 * more than once (it was given up, and tried again by hand) has a record for each, of which the last counts.
 */

import { toError, ZmqRpcError } from '../../errors.ts'
import type { BufferStore, StoreEntry } from '../../store/buffer-store.ts'
import type { Message } from '../../wire/index.ts'
import type { BufferClock, Stamp } from './buffer-clock.ts'
import type { BufferSettings } from './buffer-options.ts'
import { fromBytes, toBytes } from './kept-command.ts'

/**
 * `executed`: the service answered. `failed`: it threw. `delivered`: another buffer has it on disk now. `dead`: given up, and among the
 * dead letters. `superseded`: a newer one took its place. `dropped`: it had to make room.
 */
export type EndState = 'executed' | 'failed' | 'delivered' | 'dead' | 'superseded' | 'dropped'

/** It was given up, and is to be delivered once more: what is known of its end before does not count. */
const REQUEUED = 'requeued'

export interface Outcome {
  readonly state: EndState
  /** What its caller is answered, in the dialect of the far end; undefined where nothing is known but `reason`. */
  readonly body: Message | undefined
  /** For people; empty where there is nothing to say. */
  readonly reason: string
  /** The endpoint that has it now, or carried it out; empty where it went nowhere. */
  readonly to: string
  /** The command, so that a key that is used for another one is found out. */
  readonly name: string | undefined
  readonly acceptedAgoMs: number
  readonly endedAgoMs: number
}

interface Recorded {
  readonly state: EndState | typeof REQUEUED
  readonly reason: string
  readonly to: string
  readonly name?: string | undefined
  readonly body: boolean
  /** Of one that was requeued, and whose service is to run anew: what it was among the dead letters. */
  readonly rerunOf?: number | undefined
  /** From its acceptance to its end, ms. */
  readonly tookMs: number
  readonly at: Stamp
}

type NewOutcome = Omit<Outcome, 'acceptedAgoMs' | 'endedAgoMs'>

/** Repeated ends that are looked for. */
const MAX_ENDS = 100
/** Looked at in one go, when the oldest are to go. */
const SWEEP = { count: 256, bytes: 4 * 1024 * 1024 }
const SWEEP_EVERY_MS = 60_000

export class Outcomes {
  readonly #store: BufferStore
  readonly #clock: BufferClock
  readonly #limits: BufferSettings['outcomes']
  #lost = 0
  #sweptAt = Number.NEGATIVE_INFINITY
  #sweeping: Promise<void> | undefined

  constructor(store: BufferStore, clock: BufferClock, limits: BufferSettings['outcomes']) {
    this.#store = store
    this.#clock = clock
    this.#limits = limits
  }

  get count(): number {
    return this.#store.count().live
  }

  /** Those that could not be kept since the disk is full. */
  get lost(): number {
    return this.#lost
  }

  /** Durable when it resolves; or else not kept, where there is no room for it whatever goes. @throws StoreError when the store failed. */
  async put(id: string, { state, reason, to, name, body }: NewOutcome, tookMs: number): Promise<void> {
    const recorded: Recorded = { state, reason, to, name, body: body !== undefined, tookMs, at: this.#clock.stamp() }
    await this.#write(id, recorded, toBytes(body ?? []))
    this.#sweepSometimes()
  }

  /** What came of it so far does not count any more. `rerunOf`: its `seq`, where its service had failed and is to run anew. @throws StoreError */
  async requeued(id: string, rerunOf: number | undefined): Promise<void> {
    const recorded: Recorded = { state: REQUEUED, reason: '', to: '', rerunOf, body: false, tookMs: 0, at: this.#clock.stamp() }
    await this.#write(id, recorded, toBytes([]))
  }

  async find(id: string): Promise<Outcome | undefined> {
    const { last } = await this.#last(id)
    return last && this.#outcomeOf(last)
  }

  /** What is known of one that waits: that it has ended, or that it was requeued. */
  async recall(id: string): Promise<{ readonly end?: Outcome | undefined; readonly rerunOf?: number | undefined }> {
    if (this.count === 0) return {}
    const { last, rerunOf } = await this.#last(id)
    return last === undefined ? {} : { end: this.#outcomeOf(last), rerunOf }
  }

  #outcomeOf(last: StoreEntry): Outcome | undefined {
    const { state, reason, to, name, body, tookMs, at } = read(last)
    const ageMs = this.#clock.ageMs(at)
    if (state === REQUEUED || ageMs > this.#limits.ttlMs) return undefined
    const frames = body ? fromBytes(last.data) : undefined
    return { state, reason, to, name, body: frames, acceptedAgoMs: ageMs + tookMs, endedAgoMs: ageMs }
  }

  /** Ends what is under way. */
  async settled(): Promise<void> {
    await this.#sweeping
  }

  async #write(id: string, recorded: Recorded, data: Uint8Array): Promise<void> {
    const meta = Buffer.from(JSON.stringify(recorded), 'utf8')
    try {
      const { duplicate } = await this.#appendOrMakeRoom(id, data, meta)
      if (!duplicate) return
      const { last, ends } = await this.#last(id)
      // The same end again, after a crash.
      if (last !== undefined && isSame(read(last), recorded)) return
      await this.#appendOrMakeRoom(numbered(id, ends), data, meta)
    } catch (error) {
      const code = error instanceof ZmqRpcError ? error.code : undefined
      if (code !== 'STORE_FULL' && code !== 'RECORD_TOO_LARGE') throw error
      this.#lost++
    }
  }

  /** The last of its ends, how many there were, and what it was among the dead letters when it was to run anew the last time. */
  async #last(id: string): Promise<{ last: StoreEntry | undefined; ends: number; rerunOf: number | undefined }> {
    let last: StoreEntry | undefined
    let rerunOf: number | undefined
    for (let ends = 0; ends < MAX_ENDS; ends++) {
      const found = await this.#store.find(numbered(id, ends))
      if (found === undefined) return { last, ends, rerunOf }
      last = found.entry
      rerunOf = read(last).rerunOf ?? rerunOf
    }
    return { last, ends: MAX_ENDS, rerunOf }
  }

  async #appendOrMakeRoom(id: string, data: Uint8Array, meta: Uint8Array): Promise<{ duplicate: boolean }> {
    try {
      return await this.#store.append({ id, data, meta })
    } catch (error) {
      if (!(error instanceof ZmqRpcError) || error.code !== 'STORE_FULL') throw error
      await this.#dropOldest(SWEEP.count)
      return this.#store.append({ id, data, meta })
    }
  }

  #sweepSometimes(): void {
    const { live, bytes } = this.#store.count()
    const over = live > this.#limits.maxCount || bytes > this.#limits.maxBytes
    if (this.#sweeping !== undefined || (!over && this.#clock.now() < this.#sweptAt + SWEEP_EVERY_MS)) return
    this.#sweptAt = this.#clock.now()
    // A store that failed says so where it matters.
    this.#sweeping = this.#sweep()
      .catch(toError)
      .then(() => {
        this.#sweeping = undefined
      })
  }

  async #sweep(): Promise<void> {
    const { ttlMs, maxCount, maxBytes } = this.#limits
    for (;;) {
      const oldest = await this.#store.read(0, SWEEP)
      if (oldest.length === 0) return
      const { live, bytes } = this.#store.count()
      const share = Math.max(live - maxCount, bytes > maxBytes ? Math.ceil(live / 16) : 0)
      const old = oldest.findIndex((entry) => this.#clock.ageMs(read(entry).at) <= ttlMs)
      const go = Math.max(Math.min(share, oldest.length), old < 0 ? oldest.length : old)
      if (go === 0) return
      await this.#store.ack({ upTo: (oldest[go - 1] as StoreEntry).seq })
    }
  }

  async #dropOldest(count: number): Promise<void> {
    const oldest = await this.#store.read(0, { ...SWEEP, count })
    if (oldest.length > 0) await this.#store.ack({ upTo: (oldest[oldest.length - 1] as StoreEntry).seq })
  }
}

function isSame(one: Recorded, other: Recorded): boolean {
  return one.state === other.state && one.rerunOf === other.rerunOf
}

function numbered(id: string, ends: number): string {
  return ends === 0 ? id : `${id}\n${ends}`
}

function read({ meta }: StoreEntry): Recorded {
  return JSON.parse(Buffer.from(meta ?? []).toString('utf8')) as Recorded
}
