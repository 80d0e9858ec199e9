/**
 * A store that lives as long as its process: for tests. It keeps every rule of {@link BufferStore} but one: nothing survives.
 * A store that is closed may be opened again, and has kept what it had, as a disk would.
 */

import { StoreError } from '../errors.ts'
import type { BufferStore, DeadEntry, ReadLimit, StoreCounts, StoreEntry, StoreOpening, StoreRecord } from './buffer-store.ts'
import { cutReason, type ResolvedLimits, refusalOf, resolveLimits, type StoreLimits } from './store-limits.ts'

/** What a record costs besides its bytes. */
const OVERHEAD_BYTES = 32

/** A store in memory, for tests: nothing survives the process. */
export class MemoryStore implements BufferStore {
  readonly durability = 'os-cache'
  readonly #limits: ResolvedLimits
  #open = false
  /** The record of a `seq` stands at `seq - #first`. */
  readonly #live: (StoreEntry | undefined)[] = []
  #first = 1
  #liveCount = 0
  readonly #dead = new Map<number, DeadEntry>()
  #bytes = 0
  #deadBytes = 0
  readonly #seqs = new Map<string, number>()
  /** Ids of records that ended, in the order in which they did. */
  readonly #ended = new Map<string, number>()

  /** @throws StoreError BAD_OPTION */
  constructor(limits: StoreLimits = {}) {
    this.#limits = resolveLimits(limits)
  }

  async open(): Promise<StoreOpening> {
    if (this.#open) throw new StoreError('STORE_LOCKED', 'the store is open already', { pid: process.pid })
    this.#open = true
    return { live: this.#liveCount, dead: this.#dead.size, nextSeq: this.#nextSeq, tornBytes: 0, damaged: [] }
  }

  async append(record: StoreRecord): Promise<{ readonly seq: number; readonly duplicate: boolean }> {
    this.#mustBeOpen()
    const refusal = refusalOf(record, this.#limits)
    if (refusal !== undefined) throw refusal
    const known = this.#seqs.get(record.id) ?? this.#ended.get(record.id)
    if (known !== undefined) return { seq: known, duplicate: true }
    this.#makeRoom(bytesOf(record))
    return { seq: this.#add(record), duplicate: false }
  }

  async read(afterSeq: number, limit: ReadLimit): Promise<StoreEntry[]> {
    this.#mustBeOpen()
    return take(this.#liveAfter(afterSeq), limit)
  }

  async find(id: string): Promise<{ readonly state: 'live' | 'dead'; readonly entry: StoreEntry } | undefined> {
    this.#mustBeOpen()
    const entry = this.#liveEntry(this.#seqs.get(id) ?? 0)
    if (entry !== undefined) return { state: 'live', entry }
    const dead = [...this.#dead.values()].findLast((other) => other.id === id)
    return dead === undefined ? undefined : { state: 'dead', entry: dead }
  }

  async ack(seqs: readonly number[] | { readonly upTo: number }): Promise<void> {
    this.#mustBeOpen()
    if ('upTo' in seqs) {
      while (this.#live.length > 0 && this.#first <= seqs.upTo) this.#end(this.#first)
    } else {
      for (const seq of seqs) this.#end(seq)
    }
  }

  async deadLetter(seq: number, reason: string): Promise<void> {
    this.#mustBeOpen()
    const entry = this.#liveEntry(seq)
    if (entry === undefined) return
    this.#end(seq)
    this.#bytes += bytesOf(entry)
    this.#deadBytes += bytesOf(entry)
    this.#dead.set(seq, { ...entry, reason: cutReason(reason) })
  }

  async readDead(afterSeq: number, limit: ReadLimit): Promise<DeadEntry[]> {
    this.#mustBeOpen()
    const entries = [...this.#dead.values()].filter(({ seq }) => seq > afterSeq).sort((one, other) => one.seq - other.seq)
    return take(entries, limit)
  }

  async requeue(seq: number): Promise<number | undefined> {
    this.#mustBeOpen()
    const entry = this.#dead.get(seq)
    if (entry === undefined) return undefined
    this.#forget(entry)
    return this.#add(entry)
  }

  async dropDead(seqs: readonly number[]): Promise<void> {
    this.#mustBeOpen()
    for (const seq of seqs) {
      const entry = this.#dead.get(seq)
      if (entry !== undefined) this.#forget(entry)
    }
  }

  count(): StoreCounts {
    return { live: this.#liveCount, dead: this.#dead.size, bytes: this.#bytes, deadBytes: this.#deadBytes }
  }

  async close(): Promise<void> {
    this.#open = false
  }

  get #nextSeq(): number {
    return this.#first + this.#live.length
  }

  #mustBeOpen(): void {
    if (!this.#open) throw new StoreError('CLOSED', 'the store is not open', { written: false })
  }

  #makeRoom(bytes: number): void {
    const { maxRecords, maxBytes, whenFull, onDropped } = this.#limits
    const isFull = (): boolean => this.#liveCount + this.#dead.size >= maxRecords || this.#bytes + bytes > maxBytes
    const dropped: number[] = []
    while (whenFull === 'dropOldest' && this.#liveCount > 0 && isFull()) {
      dropped.push(this.#first)
      this.#end(this.#first)
    }
    const [fromSeq, toSeq] = [dropped[0], dropped.at(-1)]
    if (fromSeq !== undefined && toSeq !== undefined) onDropped?.({ count: dropped.length, fromSeq, toSeq })
    if (!isFull()) return
    const { live, dead } = this.count()
    throw new StoreError('STORE_FULL', `${live} live and ${dead} dead records of ${this.#bytes} bytes are kept already`, { written: false })
  }

  #add({ id, data, meta }: StoreRecord): number {
    const seq = this.#nextSeq
    const entry = { seq, id, data: Uint8Array.from(data), meta: meta && Uint8Array.from(meta) }
    this.#live.push(entry)
    this.#liveCount++
    this.#bytes += bytesOf(entry)
    this.#seqs.set(id, seq)
    return seq
  }

  #liveEntry(seq: number): StoreEntry | undefined {
    return this.#live[seq - this.#first]
  }

  *#liveAfter(afterSeq: number): Iterable<StoreEntry> {
    for (let index = Math.max(0, afterSeq + 1 - this.#first); index < this.#live.length; index++) {
      const entry = this.#live[index]
      if (entry !== undefined) yield entry
    }
  }

  #end(seq: number): void {
    const entry = this.#liveEntry(seq)
    if (entry === undefined) return
    this.#live[seq - this.#first] = undefined
    this.#liveCount--
    this.#bytes -= bytesOf(entry)
    while (this.#live.length > 0 && this.#live[0] === undefined) {
      this.#live.shift()
      this.#first++
    }
    if (this.#seqs.get(entry.id) === seq) this.#seqs.delete(entry.id)
    this.#ended.delete(entry.id)
    this.#ended.set(entry.id, seq)
    for (const id of this.#ended.keys()) {
      if (this.#ended.size <= this.#limits.dedupeWindow) break
      this.#ended.delete(id)
    }
  }

  #forget(entry: DeadEntry): void {
    this.#dead.delete(entry.seq)
    this.#bytes -= bytesOf(entry)
    this.#deadBytes -= bytesOf(entry)
  }
}

function bytesOf({ id, data, meta }: StoreRecord): number {
  return OVERHEAD_BYTES + Buffer.byteLength(id) + data.length + (meta?.length ?? 0)
}

function take<Entry extends StoreEntry>(entries: Iterable<Entry>, { count, bytes }: ReadLimit): Entry[] {
  const taken: Entry[] = []
  let sum = 0
  for (const entry of entries) {
    sum += entry.data.length + (entry.meta?.length ?? 0)
    if (taken.length >= count || (taken.length > 0 && sum > bytes)) break
    taken.push(entry)
  }
  return taken
}
