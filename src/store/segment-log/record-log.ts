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
import { IdHash } from './id-hash.ts'
import { HotIds } from './id-index.ts'
import { encodeRecord, idOffset, RECORD_OVERHEAD_BYTES } from './record.ts'
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
  /** A record of this hash may be there: which one is it? Asked only when `mayKnow` said so. */
  known(id: Buffer, hash: IdHash): Promise<number | undefined>
  mayKnow(hash: IdHash): boolean
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

const ZEROS = Buffer.alloc(64 * 1024)

export class RecordLog {
  readonly kind: FileKind
  readonly segments: Segment[] = []
  readonly #owner: LogOwner
  readonly #withIds: boolean
  #nextSeq = 1
  #file: DiskFile | undefined
  #pending: Pending[] = []
  #running: Promise<void> | undefined
  #buffer = Buffer.allocUnsafe(SMALL_BATCH_BYTES)
  #view = viewOf(this.#buffer)
  readonly #hash = new IdHash()
  #dead: StoreError | undefined
  /** Files of this log are synced so often, and so many bytes are written, headers and zeros included. */
  syncs = 0
  writtenBytes = 0

  constructor(kind: FileKind, owner: LogOwner, withIds: boolean) {
    this.kind = kind
    this.#owner = owner
    this.#withIds = withIds
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
    const staged: Pending[] = []
    const offsets: number[] = []
    /** Those that are the same as one of this batch, and its index in it. */
    const twins: [Pending, number][] = []
    let used = 0
    let taken = 0
    try {
      while (taken < pending.length) {
        const record = pending[taken] as Pending
        const bytes = RECORD_OVERHEAD_BYTES + (record.extra?.length ?? 0) + (record.meta?.length ?? 0) + record.data.length
        if (used > 0 && used + bytes > MAX_BATCH_BYTES) break
        this.#makeRoom(used, bytes + MOST_ID_BYTES)
        const idStart = used + idOffset(record.extra)
        const idLength = this.#buffer.write(record.id, idStart)
        const hash = this.#hash
        if (this.#withIds) {
          hash.of(this.#buffer, idStart, idStart + idLength)
          if (record.once && this.#owner.mayKnow(hash)) {
            const known = await this.#find(record, idStart, idLength, staged)
            if (known !== undefined) {
              taken++
              if (known.staged === undefined) record.resolve({ seq: known.seq, duplicate: true })
              else twins.push([record, known.staged])
              continue
            }
            hash.of(this.#buffer, idStart, idStart + idLength)
          }
        }
        const active = this.segments.at(-1)
        const admission = this.#admit(active, staged.length, used, bytes + idLength, record.once)
        if (typeof admission === 'object') {
          taken++
          record.reject(admission)
          continue
        }
        if (admission !== 'yes') {
          if (staged.length > 0) break
          await this.#roll().catch(async (error: unknown) => {
            if (!isFull(error) || !(await this.#owner.freeSpace())) throw error
          })
          continue
        }
        const seq = (active as Segment).nextSeq + staged.length
        const end = encodeRecord(this.#buffer, this.#view, used, this.#owner.seed, seq, {
          kind: record.kind,
          firstOfBatch: staged.length === 0,
          idLength,
          extra: record.extra,
          meta: record.meta,
          data: record.data,
        })
        const ids = (active as Segment).ids
        if (ids instanceof HotIds) {
          if (staged.length === 0) ids.reserve(Math.min(pending.length - taken, MAX_SEGMENT_RECORDS))
          ids.add(hash, (active as Segment).end + used)
        }
        staged.push(record)
        offsets.push(used)
        used = end
        taken++
      }
      if (staged.length > 0) await this.#write(this.segments.at(-1) as Segment, used)
    } catch (error) {
      this.#refuse([...staged, ...twins.map(([record]) => record)], pending.slice(taken), error)
      return
    }
    this.#pending = taken === pending.length ? this.#pending : [...pending.slice(taken), ...this.#pending]
    if (staged.length > 0) this.#durable(staged, offsets, used)
    const first = (this.segments.at(-1)?.nextSeq ?? 0) - staged.length
    for (const [record, index] of twins) record.resolve({ seq: first + index, duplicate: true })
  }

  #admit(active: Segment | undefined, records: number, used: number, bytes: number, isNew: boolean): Admission {
    const admission = this.#owner.admit(records, used, bytes, isNew)
    if (admission !== 'yes' || active === undefined) return admission === 'yes' ? 'roll' : admission
    const all = active.count + records
    return all > 0 && (all >= MAX_SEGMENT_RECORDS || active.end + used + bytes > this.#owner.segmentBytes) ? 'roll' : 'yes'
  }

  /** The record that a new one is the same as. */
  async #find(
    record: Pending,
    idStart: number,
    idLength: number,
    staged: readonly Pending[],
  ): Promise<{ readonly seq: number; readonly staged?: number } | undefined> {
    const active = this.segments.at(-1)
    const hash = new IdHash(this.#hash.high, this.#hash.low)
    const hot = active?.ids instanceof HotIds ? active.ids.find(hash) : -1
    if (active !== undefined && hot >= active.count) {
      const index = hot - active.count
      if (staged[index]?.id === record.id) return { seq: active.firstSeq + hot, staged: index }
    }
    const seq = await this.#owner.known(Buffer.from(this.#buffer.subarray(idStart, idStart + idLength)), hash)
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
    if (this.#withIds) segment.ids = new HotIds()
    segment.adopt(file)
    this.#file = file
    this.segments.push(segment)
    if (before !== undefined) {
      before.sealed = true
      this.#owner.sealed(before)
    }
  }

  #durable(staged: readonly Pending[], offsets: readonly number[], used: number): void {
    const active = this.segments.at(-1) as Segment
    const { count, end } = active
    for (let index = 0; index < staged.length; index++) active.note(count + index, end + (offsets[index] as number))
    active.count += staged.length
    active.end += used
    if (active.ids instanceof HotIds) active.ids.settle()
    this.#owner.appended(staged.length, used)
    const first = active.firstSeq + count
    for (let index = 0; index < staged.length; index++) (staged[index] as Pending).onDurable?.(first + index)
    for (let index = 0; index < staged.length; index++) (staged[index] as Pending).resolve({ seq: first + index, duplicate: false })
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

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
