/**
 * Records appended to segments, in batches: all that was asked for in a turn of the event loop, or while the disk was busy, is one write and
 * one sync. The log of the live records and that of the dead are two of these.
 *
 * The rules:
 *
 * - A batch is written when the one before it is synced. Nobody sees a record before its batch is synced.
 * - A batch that found no room is cut off again before anything else is written, and has used up no number.
 * - A sync that failed is never tried again: what is on disk then is known to nobody. The log is dead.
 * - A segment is made as long as it will be, a piece at a time, with zeros: a sync then has no length of a file to write, only data. Where
 *   batches are large this costs more than it brings, and is left out.
 */

import { dirname, join } from 'node:path'
import { StoreError } from '../../errors.ts'
import { encodeFileHeader, FILE_HEADER_BYTES, type FileKind } from './file-header.ts'
import { type DiskFile, type FileSystem, isFull, writeAll } from './file-system.ts'
import type { IdFilter } from './id-filter.ts'
import { type IdHash, writeId } from './id-hash.ts'
import { HotIds } from './id-index.ts'
import { encodeRecord, idOffset, RECORD_OVERHEAD_BYTES } from './record.ts'
import { Screening } from './screening.ts'
import { MAX_SEGMENT_RECORDS, Segment } from './segment.ts'

export interface Answer {
  readonly seq: number
  readonly duplicate: boolean
}

/** A record on its way to the disk. */
export interface Pending {
  readonly kind: number
  readonly id: string
  readonly data: Uint8Array
  readonly meta: Uint8Array | undefined
  readonly extra: Uint8Array | undefined
  /** Whether one with the same id is to be looked for. */
  readonly once: boolean
  /** Called when it is durable, before anybody else can see it. */
  readonly onDurable?: ((seq: number) => void) | undefined
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** Whether there is room for one more: `wait`, when the ones before it are durable; `roll`, in a new segment. */
export type Admission = 'yes' | 'wait' | 'roll' | StoreError

/** What a log needs of the store that it is part of. */
export interface LogOwner {
  readonly disk: FileSystem
  readonly folder: string
  readonly storeId: Buffer
  /** Of checksums. */
  readonly seed: number
  readonly segmentBytes: number
  /** @param records @param bytes of the batch so far @param isNew not one that moves */
  admit(records: number, bytes: number, more: number, isNew: boolean): Admission
  /** Has the ids of all records that are known. */
  readonly idFilter: IdFilter
  /** A record of this hash may be there: which one is it? */
  known(id: string, hash: IdHash): Promise<number | undefined>
  /** Before a segment is made. @throws when there is no room */
  beforeSegment(): Promise<void>
  sealed(segment: Segment): void
  appended(records: number, bytes: number): void
  /** The disk is full. True when something was thrown away for the new records. */
  freeSpace(): Promise<boolean>
  /** The disk failed: nothing works any more. */
  failed(error: unknown): StoreError
}

const SMALL_BATCH_BYTES = 64 * 1024
const MAX_BATCH_BYTES = 4 * 1024 * 1024
const AHEAD_BYTES = 1024 * 1024
const MOST_ID_BYTES = 3 * 255

/** Records that are in the buffer, one behind the other. */
interface Batch {
  readonly records: Pending[]
  readonly offsets: number[]
  /** Where their ids were screened. */
  readonly indices: number[]
  /** It will not have more. */
  most: number
  used: number
  /** So many of their ids are in the segment's index. */
  indexed: number
}

const ZEROS = Buffer.alloc(64 * 1024)

export class RecordLog {
  readonly kind: FileKind
  readonly segments: Segment[] = []
  readonly #owner: LogOwner
  /** Undefined where nobody asks for ids. */
  readonly #screening: Screening | undefined
  #nextSeq = 1
  #file: DiskFile | undefined
  #pending: Pending[] = []
  #running: Promise<void> | undefined
  #buffer = Buffer.allocUnsafe(SMALL_BATCH_BYTES)
  #view = viewOf(this.#buffer)
  #dead: StoreError | undefined
  /** Files of this log are synced so often, and so many bytes are written, headers and zeros included. */
  syncs = 0
  writtenBytes = 0

  constructor(kind: FileKind, owner: LogOwner, withIds: boolean) {
    this.kind = kind
    this.#owner = owner
    this.#screening = withIds ? new Screening(owner.idFilter) : undefined
  }

  /** What the next record gets. */
  get nextSeq(): number {
    return this.segments.at(-1)?.nextSeq ?? this.#nextSeq
  }

  /** Where no segment says so. */
  set nextSeq(seq: number) {
    this.#nextSeq = seq
  }

  /** The segment that has a record, or the first one behind it. */
  indexOf(seq: number): number {
    let low = 0
    let high = this.segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.segments[middle] as Segment).nextSeq <= seq) low = middle + 1
      else high = middle
    }
    return low
  }

  segmentOf(seq: number): Segment | undefined {
    const segment = this.segments[this.indexOf(seq)]
    return segment?.has(seq) ? segment : undefined
  }

  append(pending: Pending): void {
    if (this.#dead !== undefined) {
      pending.reject(this.#dead)
      return
    }
    this.#pending.push(pending)
    this.#running ??= this.#run()
  }

  /** What is under way is done, or failed. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** All that is under way, and all that comes, is refused. */
  kill(error: StoreError): void {
    this.#dead ??= error
    for (const pending of this.#pending.splice(0)) pending.reject(error)
  }

  /** Writes on at the end of the last segment, as it was found. */
  resume(file: DiskFile): void {
    this.#file = file
    this.segments.at(-1)?.adopt(file)
  }

  /** Cuts off the zeros. */
  async close(): Promise<void> {
    const active = this.segments.at(-1)
    const file = this.#file
    if (active === undefined || file === undefined || this.#dead !== undefined) return
    if (active.allocated > active.end) {
      await file.truncate(active.end)
      await file.sync()
    }
    active.allocated = active.end
  }

  async #run(): Promise<void> {
    // Whoever comes in this turn of the event loop comes along; so does whoever was waiting for the batch before.
    await nextTurn()
    while (this.#pending.length > 0 && this.#dead === undefined) {
      await this.#commit()
      await nextTurn()
    }
    this.#running = undefined
  }

  async #commit(): Promise<void> {
    const pending = this.#pending
    this.#pending = []
    const batch: Batch = { records: [], offsets: [], indices: [], most: 0, used: 0, indexed: 0 }
    /** Those that are the same as one of this batch, and its index in it. */
    const twins: [Pending, number][] = []
    let taken = 0
    try {
      batch.most = this.#screen(pending)
      while (taken < batch.most) {
        const record = pending[taken] as Pending
        const known = record.once && this.#screening?.isSuspect(taken) === true ? await this.#find(record.id, taken, batch) : undefined
        if (known !== undefined) {
          taken++
          if (known.inBatch === undefined) record.resolve({ seq: known.seq, duplicate: true })
          else twins.push([record, known.inBatch])
          continue
        }
        this.#makeRoom(batch.used, bytesOf(record) + MOST_ID_BYTES)
        const idLength = writeId(this.#buffer, batch.used + idOffset(record.extra), record.id)
        const admission = this.#admit(this.segments.at(-1), batch, bytesOf(record) + idLength, record.once)
        if (typeof admission === 'object') {
          taken++
          record.reject(admission)
          continue
        }
        if (admission !== 'yes') {
          if (batch.records.length > 0) break
          await this.#roll().catch(async (error: unknown) => {
            if (!isFull(error) || !(await this.#owner.freeSpace())) throw error
          })
          continue
        }
        this.#stage(record, idLength, taken, batch)
        taken++
      }
      if (batch.records.length > 0) {
        const written = this.#write(this.segments.at(-1) as Segment, batch.used)
        // While the disk is busy.
        this.#index(batch)
        await written
      }
    } catch (error) {
      this.#refuse([...batch.records, ...twins.map(([record]) => record)], pending.slice(taken), error)
      return
    }
    this.#pending = taken === pending.length ? this.#pending : [...pending.slice(taken), ...this.#pending]
    if (batch.records.length > 0) this.#durable(batch)
    const first = (this.segments.at(-1)?.nextSeq ?? 0) - batch.records.length
    for (const [record, index] of twins) record.resolve({ seq: first + index, duplicate: true })
  }

  /** Finds out which ids may be known. Returns how many records a batch may have. */
  #screen(pending: readonly Pending[]): number {
    let bytes = 0
    let most = 0
    while (most < pending.length && bytes < MAX_BATCH_BYTES) {
      const record = pending[most++] as Pending
      bytes += bytesOf(record) + record.id.length
    }
    this.#screening?.run(pending, most)
    return most
  }

  #stage(record: Pending, idLength: number, index: number, batch: Batch): void {
    const { kind, extra, meta, data } = record
    const seq = this.nextSeq + batch.records.length
    const firstOfBatch = batch.records.length === 0
    const parts = { kind, firstOfBatch, idLength, extra, meta, data }
    batch.offsets.push(batch.used)
    batch.used = encodeRecord(this.#buffer, this.#view, batch.used, this.#owner.seed, seq, parts)
    this.#screening?.take(index, seq)
    batch.records.push(record)
    batch.indices.push(index)
  }

  /** What is in the batch can be found by its id. */
  #index(batch: Batch): void {
    const active = this.segments.at(-1)
    if (!(active?.ids instanceof HotIds)) return
    if (batch.indexed === 0) active.ids.reserve(batch.most)
    this.#screening?.addTo(active.ids, batch.indices, batch.offsets, batch.indexed, active.end)
    batch.indexed = batch.indices.length
  }

  #admit(active: Segment | undefined, { records, used }: Batch, bytes: number, isNew: boolean): Admission {
    const admission = this.#owner.admit(records.length, used, bytes, isNew)
    if (admission !== 'yes' || active === undefined) return admission === 'yes' ? 'roll' : admission
    const all = active.count + records.length
    return all > 0 && (all >= MAX_SEGMENT_RECORDS || active.end + used + bytes > this.#owner.segmentBytes) ? 'roll' : 'yes'
  }

  /** The record that a new one is the same as. */
  async #find(id: string, index: number, batch: Batch): Promise<{ readonly seq: number; readonly inBatch?: number } | undefined> {
    const active = this.segments.at(-1)
    const hash = (this.#screening as Screening).hashOf(index)
    this.#index(batch)
    const hot = active?.ids instanceof HotIds ? active.ids.find(hash) : -1
    if (active !== undefined && hot >= active.count) {
      const inBatch = hot - active.count
      if (batch.records[inBatch]?.id === id) return { seq: active.firstSeq + hot, inBatch }
    }
    const seq = await this.#owner.known(id, hash)
    return seq === undefined ? undefined : { seq }
  }

  /** @throws whatever the disk says, when the batch is cut off again; a StoreError when the log is dead */
  async #write(active: Segment, used: number): Promise<void> {
    const file = this.#file as DiskFile
    for (;;) {
      try {
        if (used <= SMALL_BATCH_BYTES && active.end + used > active.allocated) await this.#allocate(active, file, used)
        await writeAll(file, this.#buffer, used, active.end)
        this.writtenBytes += used
        break
      } catch (error) {
        if (!isFull(error)) throw this.#owner.failed(error)
        await this.#cutOff(active, file)
        if (!(await this.#owner.freeSpace())) throw error
      }
    }
    active.allocated = Math.max(active.allocated, active.end + used)
    await this.#sync(file)
  }

  async #sync(file: DiskFile): Promise<void> {
    try {
      this.syncs++
      await file.sync()
    } catch (error) {
      throw this.#owner.failed(error)
    }
  }

  /** What was written behind the end is gone, and stays so. */
  async #cutOff(active: Segment, file: DiskFile): Promise<void> {
    try {
      await file.truncate(active.end)
      active.allocated = active.end
      await file.sync()
    } catch (error) {
      throw this.#owner.failed(error)
    }
  }

  /** Zeros ahead of the records. On a full disk there are fewer of them, or none. */
  async #allocate(active: Segment, file: DiskFile, used: number): Promise<void> {
    const wanted = Math.min(active.end + used + AHEAD_BYTES, this.#owner.segmentBytes)
    try {
      while (active.allocated < wanted) {
        const bytes = await file.write(ZEROS, 0, Math.min(ZEROS.length, wanted - active.allocated), active.allocated)
        if (bytes === 0) return
        active.allocated += bytes
        this.writtenBytes += bytes
      }
    } catch (error) {
      if (!isFull(error)) throw error
    }
  }

  /** A new segment. The one before it is complete before the new one is there. */
  async #roll(): Promise<void> {
    const { disk, folder, storeId } = this.#owner
    const before = this.segments.at(-1)
    const firstSeq = this.nextSeq
    const path = join(folder, segmentName(this.kind, firstSeq))
    let file: DiskFile
    try {
      await this.#owner.beforeSegment()
      if (before !== undefined && before.allocated > before.end) await this.#cutOff(before, this.#file as DiskFile)
      file = await disk.open(path, 'create')
      try {
        await writeAll(file, encodeFileHeader({ kind: this.kind, storeId, first: firstSeq, count: 0 }), FILE_HEADER_BYTES, 0)
      } catch (error) {
        await file.close()
        await disk.remove(path)
        throw error
      }
    } catch (error) {
      if (error instanceof StoreError || isFull(error)) throw error
      throw this.#owner.failed(error)
    }
    await this.#sync(file)
    try {
      await disk.syncFolder(dirname(path))
    } catch (error) {
      throw this.#owner.failed(error)
    }
    this.writtenBytes += FILE_HEADER_BYTES
    const segment = new Segment(disk, this.kind, path, firstSeq)
    if (this.#screening !== undefined) segment.ids = new HotIds()
    segment.adopt(file)
    this.#file = file
    this.segments.push(segment)
    if (before !== undefined) {
      before.sealed = true
      this.#owner.sealed(before)
    }
  }

  #durable({ records, offsets, used }: Batch): void {
    const active = this.segments.at(-1) as Segment
    const { count, end } = active
    for (let index = 0; index < records.length; index++) active.note(count + index, end + (offsets[index] as number))
    active.count += records.length
    active.extend(this.#buffer.subarray(0, used))
    if (active.ids instanceof HotIds) active.ids.settle()
    this.#owner.appended(records.length, used)
    const first = active.firstSeq + count
    for (let index = 0; index < records.length; index++) (records[index] as Pending).onDurable?.(first + index)
    for (let index = 0; index < records.length; index++) (records[index] as Pending).resolve({ seq: first + index, duplicate: false })
  }

  #refuse(batch: readonly Pending[], rest: Pending[], cause: unknown): void {
    const ids = this.segments.at(-1)?.ids
    if (ids instanceof HotIds) ids.undo()
    // Nothing of the batch is left on disk, unless the log is dead.
    const error = cause instanceof StoreError ? cause : isFull(cause) ? full(this.#owner.folder, cause) : this.#owner.failed(cause)
    // Without a batch it was the first of the rest that found no room, for a segment of its own.
    const refused = batch.length > 0 ? batch : rest.splice(0, 1)
    for (const record of refused) record.reject(error)
    if (this.#dead !== undefined) for (const record of rest.splice(0)) record.reject(this.#dead)
    this.#pending = [...rest, ...this.#pending]
  }

  #makeRoom(used: number, more: number): void {
    if (used + more <= this.#buffer.length) {
      if (used > 0 || this.#buffer.length <= 2 * MAX_BATCH_BYTES) return
    }
    // Larger as long as it is needed, and not for ever because of one large record.
    const size = Math.max(SMALL_BATCH_BYTES, 2 ** Math.ceil(Math.log2(used + more)))
    if (size === this.#buffer.length) return
    const next = Buffer.allocUnsafe(size)
    this.#buffer.copy(next, 0, 0, used)
    this.#buffer = next
    this.#view = viewOf(next)
  }
}

export function full(folder: string, cause: unknown): StoreError {
  return new StoreError('STORE_FULL', `the disk of ${folder} is full`, { cause, written: false })
}

/** Sorted by name, files are sorted by number. */
export function segmentName(kind: FileKind, firstSeq: number): string {
  return `${kind === 'D' ? 'dead-' : ''}${String(firstSeq).padStart(15, '0')}.log`
}

/** Without its id. */
function bytesOf({ extra, meta, data }: Pending): number {
  return RECORD_OVERHEAD_BYTES + (extra?.length ?? 0) + (meta?.length ?? 0) + data.length
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
