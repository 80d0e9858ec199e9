/**
 * Brings what waits in the store into memory, as much as may be there at a time, whatever the length of the queue.
 *
 * The store is read once, in order. Of a lane whose commands are not taken only the first ones stay in memory; the rest is passed over, and
 * where it begins is noted: so a lane that is stuck keeps nobody waiting. Once a lane has room again, the store is read from there, for all lanes
 * together that have.
 */

import type { BufferStore, StoreEntry } from '../../store/buffer-store.ts'
import type { CommandDrain, DrainOrder } from './buffer-options.ts'
import { fromEntry, type KeptCommand } from './kept-command.ts'
import { Lane, type Range, type Waiting } from './lane.ts'

/** What may be in memory at a time. */
export interface Window {
  readonly commands: number
  readonly bytes: number
  /** Of one lane, where there are few; where there are many, as many as `leastOfLane`. */
  readonly mostOfLane: number
  readonly leastOfLane: number
  /** Commands that are read at a time. */
  readonly read: number
}

export const WINDOW: Window = { commands: 8192, bytes: 64 * 1024 * 1024, mostOfLane: 256, leastOfLane: 8, read: 256 }
/** What a command costs besides its bytes, about. */
const COMMAND_BYTES = 512
const READ_BYTES = 1024 * 1024
/** Values that are told apart by `lastValue`; those beyond it are delivered as they come. */
const MAX_VALUES = 100_000

export interface LoaderHost {
  /** One has come into memory. */
  loaded(waiting: Waiting): void
  /** It cannot be read: it is none of ours. */
  unreadable(entry: StoreEntry, error: unknown): void
  /**
   * The command with what was known of it before; undefined where it had ended before the program did, and only its ack was lost: the host
   * sees to that then. @throws StoreError
   */
  recall(command: KeptCommand): Promise<KeptCommand | undefined>
}

export class Loader {
  readonly lanes = new Map<string, Lane>()
  readonly #store: BufferStore
  readonly #window: Window
  readonly #drains: ReadonlyMap<string, CommandDrain>
  readonly #host: LoaderHost
  /** Everything up to here is in memory, was passed over, or has ended. */
  #frontier = 0
  /** The store has more than that. */
  #more = true
  /** Lanes with room, and commands that were passed over. */
  readonly #wanting = new Set<Lane>()
  /** Of `lastValue`: the newest of each value. */
  readonly #newest = new Map<string, number>()
  /** In memory, or ended, and not yet gone from the store. */
  readonly #present = new Set<number>()
  #size = 0
  #bytes = 0

  constructor(store: BufferStore, window: Window, drains: ReadonlyMap<string, CommandDrain>, host: LoaderHost) {
    this.#window = window
    this.#store = store
    this.#drains = drains
    this.#host = host
  }

  /** Commands in memory. */
  get size(): number {
    return this.#size
  }

  /** All that waits was looked at, or as much as can be. */
  get caughtUp(): boolean {
    return !this.#more || !this.#hasRoom
  }

  /** There is something to bring into memory, and room for it. */
  get wants(): boolean {
    return this.#hasRoom ? this.#wanting.size > 0 || (this.#more && this.lanes.size < this.#window.commands) : this.#starving !== undefined
  }

  /** Something was appended. */
  appended(): void {
    this.#more = true
  }

  /** A newer one with the same value waits, or has been sent. */
  isSuperseded({ valueKey, seq }: KeptCommand): boolean {
    return valueKey !== undefined && (this.#newest.get(valueKey) ?? 0) > seq
  }

  /** One has ended: there is room for others. */
  ended(waiting: Waiting): void {
    const { lane } = waiting
    lane.remove(waiting)
    this.#forget(waiting)
    if (lane.idle) {
      this.lanes.delete(lane.key)
      this.#wanting.delete(lane)
    } else if (lane.skipped.length > 0 && lane.size <= this.#share / 2) this.#wanting.add(lane)
  }

  /** It is not to come into memory. False where it is there, or has ended. */
  passOver(seq: number): boolean {
    if (this.#present.has(seq)) return false
    this.#present.add(seq)
    return true
  }

  /** It is not in the store any more. */
  gone(seq: number): void {
    this.#present.delete(seq)
  }

  /** Reads once. @throws StoreError */
  async step(): Promise<void> {
    const starving = this.#hasRoom ? undefined : this.#starving
    const [wanting] = starving === undefined ? this.#wanting : [starving]
    if (wanting === undefined) return this.#advance()
    if (wanting.newestFirst) return this.#refillNewest(wanting)
    return this.#refill()
  }

  get #hasRoom(): boolean {
    return this.#size < this.#window.commands && this.#bytes < this.#window.bytes
  }

  /** A lane with nothing in memory gets some even where there is hardly any room. */
  get #starving(): Lane | undefined {
    if (this.#size >= 2 * this.#window.commands || this.#bytes >= 2 * this.#window.bytes) return undefined
    for (const lane of this.#wanting) if (lane.size === 0) return lane
    return undefined
  }

  /** What a lane may have in memory now. */
  get #share(): number {
    const { commands, leastOfLane, mostOfLane } = this.#window
    return Math.min(Math.max(Math.floor(commands / 2 / this.lanes.size), leastOfLane), mostOfLane)
  }

  #isFull(lane: Lane): boolean {
    return lane.size >= this.#share || (lane.size > 0 && lane.bytes >= this.#window.bytes / 16)
  }

  /** Reads what nobody has looked at. */
  async #advance(): Promise<void> {
    this.#more = false
    const entries = await this.#read(this.#frontier)
    for (const { seq, command } of entries) {
      if (!this.#hasRoom || this.lanes.size >= this.#window.commands) {
        this.#more = true
        return
      }
      this.#frontier = seq
      if (command !== undefined) this.#place(command)
    }
    if (entries.length > 0) this.#more = true
  }

  #place(command: KeptCommand): void {
    const { seq, valueKey } = command
    if (valueKey !== undefined && (this.#newest.size < MAX_VALUES || this.#newest.has(valueKey))) this.#newest.set(valueKey, seq)
    const lane = this.#laneOf(command)
    if (lane.newestFirst) {
      this.#load(lane, command)
      if (!this.#isFull(lane)) return
      for (const waiting of lane.evict()) {
        this.#forget(waiting)
        this.#present.delete(waiting.command.seq)
      }
      return
    }
    const [range] = lane.skipped
    if (range === undefined && !this.#isFull(lane)) return this.#load(lane, command)
    if (range === undefined) lane.skipped.push({ from: seq, to: seq })
    else range.to = seq
  }

  /** Reads on where the first of those lanes has room, for all of them. */
  async #refill(): Promise<void> {
    const wanting = [...this.#wanting].filter(({ newestFirst }) => !newestFirst)
    const from = Math.min(...wanting.map((lane) => (lane.skipped[0] as Range).from))
    const entries = await this.#read(from - 1)
    let last = entries.length === 0 ? this.#frontier : from - 1
    for (const { seq, command } of entries) {
      if (seq > this.#frontier) last = this.#frontier
      if (seq > this.#frontier || this.#size >= 2 * this.#window.commands) break
      last = seq
      const lane = command && this.lanes.get(this.#laneKey(command))
      const range = lane?.skipped[0]
      if (command === undefined || lane === undefined || lane.newestFirst || range === undefined || seq < range.from) continue
      // What is before it was not read now.
      if (range.from < from) continue
      if (this.#isFull(lane)) {
        this.#wanting.delete(lane)
        continue
      }
      this.#load(lane, command)
      this.#loadedTo(lane, range, seq)
    }
    // What was read has nothing more of them.
    for (const lane of wanting) {
      const [range] = lane.skipped
      if (range !== undefined && this.#wanting.has(lane) && !this.#isFull(lane)) this.#loadedTo(lane, range, last)
      if (this.#isFull(lane)) this.#wanting.delete(lane)
    }
  }

  #loadedTo(lane: Lane, range: Range, seq: number): void {
    range.from = Math.max(range.from, seq + 1)
    if (range.from <= range.to) return
    lane.skipped.shift()
    this.#wanting.delete(lane)
    if (lane.idle) this.lanes.delete(lane.key)
  }

  async #refillNewest(lane: Lane): Promise<void> {
    const range = lane.skipped[lane.skipped.length - 1] as Range
    const entries = await this.#read(range.from - 1)
    const last = entries[entries.length - 1]?.seq ?? range.to
    for (const { seq, command } of entries) {
      if (seq > range.to) break
      if (command !== undefined && this.#laneKey(command) === lane.key) this.#load(lane, command)
    }
    range.from = last + 1
    if (range.from > range.to) lane.skipped.splice(lane.skipped.indexOf(range), 1)
    if (lane.skipped.length === 0 || lane.size > 0) this.#wanting.delete(lane)
    if (lane.idle) this.lanes.delete(lane.key)
  }

  /** What still has to be delivered has a command. @throws StoreError */
  async #read(afterSeq: number): Promise<{ readonly seq: number; readonly command: KeptCommand | undefined }[]> {
    const entries = await this.#store.read(afterSeq, { count: this.#window.read, bytes: READ_BYTES })
    return Promise.all(
      entries.map(async (entry) => {
        const { seq } = entry
        const command = this.#present.has(seq) ? undefined : this.#understand(entry)
        const recalled = command && (await this.#host.recall(command))
        if (command !== undefined && recalled === undefined) this.#present.add(seq)
        return { seq, command: recalled }
      }),
    )
  }

  #understand(entry: StoreEntry): KeptCommand | undefined {
    try {
      return fromEntry(entry)
    } catch (error) {
      this.#present.add(entry.seq)
      this.#host.unreadable(entry, error)
      return undefined
    }
  }

  #orderOf({ name }: KeptCommand): DrainOrder {
    return (name === undefined ? undefined : this.#drains.get(name)?.order) ?? 'oldestFirst'
  }

  /** Those that are not delivered in the order of the others have a lane of their own. */
  #laneKey(command: KeptCommand): string {
    const { lane, ordered, name } = command
    const order = this.#orderOf(command)
    if (order === 'oldestFirst') return `${ordered ? '' : 'free '}${lane}`
    return `${order} ${name} ${lane}`
  }

  #laneOf(command: KeptCommand): Lane {
    const key = this.#laneKey(command)
    let lane = this.lanes.get(key)
    if (lane === undefined) {
      lane = new Lane(key, this.#orderOf(command), command.ordered)
      this.lanes.set(key, lane)
    }
    return lane
  }

  #load(lane: Lane, command: KeptCommand): void {
    if (this.#present.has(command.seq)) return
    this.#present.add(command.seq)
    this.#size++
    this.#bytes += command.bytes + COMMAND_BYTES
    this.#host.loaded(lane.load(command))
  }

  #forget({ command }: Waiting): void {
    this.#size--
    this.#bytes -= command.bytes + COMMAND_BYTES
  }
}
