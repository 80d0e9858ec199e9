/**
 * What has ended: a journal in two files, `state-a` and `state-b`, of which one is in use. It begins with a snapshot of all that has ended,
 * and goes on with what ends then. When it is full, a snapshot goes to the other file, and counts once it is synced; until then all is
 * still in the first one. Each time the epoch grows, which is in every record: what is left of an earlier use counts for nothing.
 *
 * Both files have had their full length, in zeros, before anything is in them, and grow before a segment is made that would need more.
 * So what was done can be noted down, and room be made by it, when the disk is full.
 */

import { randomBytes, randomInt } from 'node:crypto'
import { join } from 'node:path'
import { StoreError } from '../../errors.ts'
import { decodeFileHeader, encodeFileHeader, FILE_HEADER_BYTES } from './file-header.ts'
import { type DiskFile, type FileSystem, isFull, isMissing, readAll, writeAll } from './file-system.ts'
import { dataAt, encodeRecord, KIND, kindAt, RECORD_OVERHEAD_BYTES } from './record.ts'
import { judgeTail, scanRecords } from './scan.ts'

/** Which log something is about. */
export type LogName = 'live' | 'dead'
const LOG_NUMBERS = { live: 0, dead: 1 } as const
const LOG_NAMES = ['live', 'dead'] as const

/** Records with numbers that follow each other. */
export interface EndedRange {
  readonly log: LogName
  readonly fromSeq: number
  readonly count: number
}

export interface SegmentState {
  readonly log: LogName
  readonly firstSeq: number
  /** All with a lower index have ended. */
  readonly below: number
  readonly bits: Uint8Array
}

/** A segment whose file is gone, and whose ids are still known. */
export interface RetiredSegment {
  readonly firstSeq: number
  /** How many records had ended, of all that ever did, when it went. */
  readonly endedBefore: number
}

/** All that a store knows about its records besides themselves. */
export interface Snapshot {
  readonly segments: readonly SegmentState[]
  readonly retired: readonly RetiredSegment[]
  readonly nextSeq: Readonly<Record<LogName, number>>
  readonly endedCount: number
}

export interface LoadedState {
  readonly storeId: Buffer
  readonly snapshot: Snapshot
  /** What ended since the snapshot, in order. */
  readonly ended: readonly EndedRange[]
}

const NAMES = ['state-a', 'state-b'] as const
const FIRST_BYTES = 256 * 1024
/** Beside a snapshot. */
const LEAST_JOURNAL_BYTES = 64 * 1024
const RANGE_BYTES = 11
/** Of the record that says that the other file is in use now. */
const MOVED_BYTES = RECORD_OVERHEAD_BYTES
const MOST_RANGES = 4096

export const EMPTY_SNAPSHOT: Snapshot = { segments: [], retired: [], nextSeq: { live: 1, dead: 1 }, endedCount: 0 }

export function isStateFile(name: string): boolean {
  return (NAMES as readonly string[]).includes(name)
}

/** What the store's checksums begin with. */
export function seedOf(storeId: Buffer): number {
  return storeId.readUInt32LE(0)
}

interface Loaded extends LoadedState {
  readonly which: number
  readonly epoch: number
  /** Where the next record would go. */
  readonly at: number
  /** It says that the other file is in use. */
  readonly moved: boolean
  readonly damagedAt: number | undefined
}

export interface StateJournalOptions {
  readonly disk: FileSystem
  readonly folder: string
  readonly quarantine: boolean
  /** As it is now: asked for whenever a snapshot is written. */
  readonly snapshot: () => Snapshot
  /** How large a snapshot can become as long as no segment is made. */
  readonly mostSnapshotBytes: () => number
  readonly failed: (error: unknown) => StoreError
}

export class StateJournal {
  readonly #options: StateJournalOptions
  storeId: Buffer = randomBytes(8)
  #seed = 0
  #which = 1
  #epoch = 0
  readonly #files: DiskFile[] = []
  readonly #lengths = [0, 0]
  #at = 0
  #ranges: (EndedRange & { count: number })[] = []
  #retired: RetiredSegment[] = []
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #growing: Promise<void> | undefined
  #buffer: Buffer = Buffer.allocUnsafe(64 * 1024)
  syncs = 0
  writtenBytes = 0

  constructor(options: StateJournalOptions) {
    this.#options = options
  }

  get #paths(): readonly string[] {
    return NAMES.map((name) => join(this.#options.folder, name))
  }

  /**
   * What the files say; undefined where there is no store yet.
   *
   * @param recordFiles names of files with live records: a store without state cannot have any
   * @throws StoreError STORE_CORRUPT
   */
  async load(recordFiles: readonly string[]): Promise<LoadedState | undefined> {
    const found = await Promise.all(this.#paths.map((path, which) => this.#loadFile(path, which)))
    const newest = found.filter((state) => state !== undefined).sort((one, other) => other.epoch - one.epoch)[0]
    if (newest === undefined) {
      if (recordFiles.length === 0) return undefined
      const storeId = this.#options.quarantine ? await this.#storeIdOf(recordFiles) : undefined
      if (storeId !== undefined) {
        this.storeId = storeId
        return { storeId, snapshot: EMPTY_SNAPSHOT, ended: [] }
      }
      throw corrupt(this.#paths[0] as string, 0, `${this.#options.folder} has records, but its state files are damaged or missing`)
    }
    // Of the other file nothing is asked: a snapshot that was to replace it may have been torn.
    if (newest.damagedAt !== undefined && !this.#options.quarantine) {
      const path = this.#paths[newest.which] as string
      throw corrupt(path, newest.damagedAt, `${path} is damaged at byte ${newest.damagedAt}`)
    }
    if (newest.moved && !this.#options.quarantine) {
      const path = this.#paths[1 - newest.which] as string
      throw corrupt(path, 0, `${path} is damaged: what ended since it was begun is not known`)
    }
    this.storeId = newest.storeId
    this.#which = newest.which
    this.#epoch = newest.epoch
    this.#at = newest.at
    return newest
  }

  async #storeIdOf(recordFiles: readonly string[]): Promise<Buffer | undefined> {
    for (const name of recordFiles) {
      const path = join(this.#options.folder, name)
      const file = await this.#options.disk.open(path, 'read')
      const header = await readAll(file, FILE_HEADER_BYTES, 0).finally(() => file.close())
      const found = decodeFileHeader(header, 'L', path)
      if (found !== undefined) return found.storeId
    }
    return undefined
  }

  /** From here on it is written to. Begins with a snapshot. @throws whatever the disk says */
  async begin(): Promise<void> {
    const { disk, folder } = this.#options
    this.#seed = seedOf(this.storeId)
    for (const path of this.#paths) {
      const file = await disk.open(path, 'write').catch(async (error: unknown) => {
        if (isMissing(error)) return await disk.open(path, 'create')
        throw error
      })
      this.#lengths[this.#files.length] = await file.size()
      this.#files.push(file)
    }
    await disk.syncFolder(folder)
    await this.reserve(0)
    await this.#writeSnapshot()
  }

  /** These have ended. Durable with the next `commit`. */
  end(log: LogName, seq: number): void {
    const last = this.#ranges.at(-1)
    if (last?.log === log && last.fromSeq + last.count === seq) {
      last.count++
    } else {
      this.#ranges.push({ log, fromSeq: seq, count: 1 })
    }
  }

  retire(segment: RetiredSegment): void {
    this.#retired.push(segment)
  }

  /** All that has ended until now is durable. Calls of a turn, or made while the disk is busy, share one sync. */
  commit(): Promise<void> {
    this.#next ??= this.#afterRunning()
    return this.#next
  }

  async #afterRunning(): Promise<void> {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    await this.#running?.catch(() => {})
    this.#next = undefined
    this.#running = this.#write()
    await this.#running
  }

  /** Room for snapshots that become larger by so much. @throws whatever the disk says when there is none */
  async reserve(moreBytes: number): Promise<void> {
    await this.#growing?.catch(() => {})
    this.#growing = this.#grow(this.#options.mostSnapshotBytes() + moreBytes + LEAST_JOURNAL_BYTES)
    await this.#growing
  }

  async #grow(needed: number): Promise<void> {
    for (const [which, file] of this.#files.entries()) {
      const length = this.#lengths[which] as number
      if (length >= needed && length >= FIRST_BYTES) continue
      const wanted = Math.max(FIRST_BYTES, 2 ** Math.ceil(Math.log2(needed)))
      try {
        const zeros = Buffer.alloc(Math.min(wanted - length, 1024 * 1024))
        for (let at = length; at < wanted; at += zeros.length) await writeAll(file, zeros, Math.min(zeros.length, wanted - at), at)
      } catch (error) {
        // What is there stays of use, and the next attempt goes on from where it was.
        throw isFull(error) ? error : this.#options.failed(error)
      }
      await this.#sync(file)
      this.writtenBytes += wanted - length
      this.#lengths[which] = wanted
    }
  }

  async close(): Promise<void> {
    await this.#next?.catch(() => {})
    await this.#running?.catch(() => {})
    await Promise.all(this.#files.splice(0).map((file) => file.close().catch(() => {})))
  }

  async #write(): Promise<void> {
    const [ranges, retired] = [this.#ranges, this.#retired]
    if (ranges.length === 0 && retired.length === 0) return
    this.#ranges = []
    this.#retired = []
    const bytes =
      (ranges.length + retired.length + 2) * (RANGE_BYTES + RECORD_OVERHEAD_BYTES) +
      Math.ceil(ranges.length / MOST_RANGES) * RECORD_OVERHEAD_BYTES
    if (this.#at + bytes + MOVED_BYTES > (this.#lengths[this.#which] as number)) {
      // All that is to be noted down is in it.
      await this.#writeSnapshot()
      return
    }
    const writer = new StateWriter(this.#buffer, this.#seed, this.#epoch)
    for (let at = 0; at < ranges.length; at += MOST_RANGES) writer.ranges(ranges.slice(at, at + MOST_RANGES))
    for (const segment of retired) writer.retired(segment)
    await this.#put(this.#which, writer, this.#at)
    this.#buffer = writer.buffer
    this.#at += writer.length
  }

  async #writeSnapshot(): Promise<void> {
    const which = 1 - this.#which
    const epoch = laterEpoch(this.#epoch)
    const snapshot = this.#options.snapshot()
    // As the snapshot has them already.
    this.#ranges = []
    this.#retired = []
    const writer = new StateWriter(Buffer.allocUnsafe(snapshotBytes(snapshot) + FILE_HEADER_BYTES), this.#seed, epoch)
    writer.raw(encodeFileHeader({ kind: 'S', storeId: this.storeId, first: epoch, count: 0 }))
    for (const segment of snapshot.segments) writer.segment(segment)
    for (const segment of snapshot.retired) writer.retired(segment)
    writer.snapshot(snapshot)
    if (writer.length + LEAST_JOURNAL_BYTES / 2 > (this.#lengths[which] as number)) {
      throw this.#options.failed(new Error(`a snapshot of ${writer.length} bytes has no room in ${this.#paths[which]}`))
    }
    await this.#put(which, writer, 0)
    await this.#leave(this.#which, this.#at)
    this.#which = which
    this.#epoch = epoch
    this.#at = writer.length
  }

  /** Whoever finds only this file in order knows that the other one was, too. Nothing depends on it, so nobody waits for the disk. */
  async #leave(which: number, at: number): Promise<void> {
    if (at === 0 || at + MOVED_BYTES > (this.#lengths[which] as number)) return
    const writer = new StateWriter(Buffer.allocUnsafe(MOVED_BYTES), this.#seed, this.#epoch)
    writer.moved()
    await writeAll(this.#files[which] as DiskFile, writer.buffer, writer.length, at).catch((error: unknown) => {
      throw this.#options.failed(error)
    })
  }

  async #put(which: number, writer: StateWriter, at: number): Promise<void> {
    const file = this.#files[which] as DiskFile
    try {
      await writeAll(file, writer.buffer, writer.length, at)
    } catch (error) {
      throw this.#options.failed(error)
    }
    this.writtenBytes += writer.length
    await this.#sync(file)
  }

  async #sync(file: DiskFile): Promise<void> {
    try {
      this.syncs++
      await file.sync()
    } catch (error) {
      throw this.#options.failed(error)
    }
  }

  async #loadFile(path: string, which: number): Promise<Loaded | undefined> {
    let file: DiskFile
    try {
      file = await this.#options.disk.open(path, 'read')
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
    try {
      return await this.#read(file, path, which)
    } finally {
      await file.close()
    }
  }

  async #read(file: DiskFile, path: string, which: number): Promise<Loaded | undefined> {
    const header = decodeFileHeader(await readAll(file, FILE_HEADER_BYTES, 0), 'S', path)
    if (header === undefined) return undefined
    const reader = new StateReader()
    const size = await file.size()
    const seed = seedOf(header.storeId)
    const from = { offset: FILE_HEADER_BYTES, seq: header.first, counting: false, seed, size }
    let end = await scanRecords(file, from, (buffer, at) => reader.record(buffer, at))
    let damagedAt: number | undefined
    for (;;) {
      const tail = await judgeTail(file, from, end, true)
      if (tail.name !== 'damaged' || tail.resume === undefined) break
      damagedAt ??= end.offset
      end = await scanRecords(file, { ...from, offset: tail.resume.offset }, (buffer, at) => reader.record(buffer, at))
    }
    // The power went while it was written: the other file still has all of it.
    if (reader.snapshot === undefined) return undefined
    const { segments, ended, retired, snapshot } = reader
    const state = { storeId: header.storeId, snapshot: { ...snapshot, segments, retired }, ended }
    return { ...state, which, epoch: header.first, at: end.offset, moved: reader.moved, damagedAt }
  }
}

/**
 * Not the next number: another process may have begun with that one, before the power went, and have left records of it behind, of which this
 * one would know nothing. 48 bits.
 */
function laterEpoch(epoch: number): number {
  return Math.max(epoch, Date.now() * 32) + 1 + randomInt(65_536)
}

function corrupt(file: string, offset: number, text: string): StoreError {
  return new StoreError('STORE_CORRUPT', text, { file, offset })
}

function snapshotBytes({ segments, retired }: Snapshot): number {
  const bits = segments.reduce((sum, segment) => sum + segment.bits.length, 0)
  return bits + (segments.length + retired.length + 2) * (RECORD_OVERHEAD_BYTES + 32)
}

class StateWriter {
  buffer: Buffer
  length = 0
  readonly #seed: number
  readonly #epoch: number
  #first = true

  constructor(buffer: Buffer, seed: number, epoch: number) {
    this.buffer = buffer
    this.#seed = seed
    this.#epoch = epoch
  }

  raw(bytes: Buffer): void {
    bytes.copy(this.buffer, this.length)
    this.length += bytes.length
  }

  ranges(ranges: readonly EndedRange[]): void {
    const data = Buffer.allocUnsafe(ranges.length * RANGE_BYTES)
    for (const [index, { log, fromSeq, count }] of ranges.entries()) {
      const at = index * RANGE_BYTES
      data[at] = LOG_NUMBERS[log]
      data.writeUIntLE(fromSeq, at + 1, 6)
      data.writeUInt32LE(count, at + 7)
    }
    this.#record(KIND.ends, data)
  }

  segment({ log, firstSeq, below, bits }: SegmentState): void {
    const data = Buffer.allocUnsafe(11 + bits.length)
    data[0] = LOG_NUMBERS[log]
    data.writeUIntLE(firstSeq, 1, 6)
    data.writeUInt32LE(below, 7)
    data.set(bits, 11)
    this.#record(KIND.segment, data)
  }

  retired({ firstSeq, endedBefore }: RetiredSegment): void {
    const data = Buffer.allocUnsafe(12)
    data.writeUIntLE(firstSeq, 0, 6)
    data.writeUIntLE(endedBefore, 6, 6)
    this.#record(KIND.retired, data)
  }

  snapshot({ nextSeq, endedCount }: Snapshot): void {
    const data = Buffer.allocUnsafe(18)
    data.writeUIntLE(nextSeq.live, 0, 6)
    data.writeUIntLE(nextSeq.dead, 6, 6)
    data.writeUIntLE(endedCount, 12, 6)
    this.#record(KIND.snapshot, data)
  }

  moved(): void {
    this.#record(KIND.moved, Buffer.alloc(0))
  }

  #record(kind: number, data: Buffer): void {
    const needed = this.length + data.length + RECORD_OVERHEAD_BYTES
    if (needed > this.buffer.length) {
      const next = Buffer.allocUnsafe(needed * 2)
      this.buffer.copy(next, 0, 0, this.length)
      this.buffer = next
    }
    const view = new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.length)
    const parts = { kind, firstOfBatch: this.#first, idLength: 0, data }
    this.length = encodeRecord(this.buffer, view, this.length, this.#seed, this.#epoch, parts)
    this.#first = false
  }
}

class StateReader {
  readonly segments: SegmentState[] = []
  readonly retired: RetiredSegment[] = []
  readonly ended: EndedRange[] = []
  snapshot: Pick<Snapshot, 'nextSeq' | 'endedCount'> | undefined
  moved = false

  record(buffer: Buffer, at: number): void {
    const data = dataAt(buffer, at)
    const kind = kindAt(buffer, at)
    if (kind === KIND.moved) {
      this.moved = true
    } else if (kind === KIND.segment) {
      const log = LOG_NAMES[data[0] as 0 | 1]
      this.segments.push({ log, firstSeq: data.readUIntLE(1, 6), below: data.readUInt32LE(7), bits: Uint8Array.from(data.subarray(11)) })
    } else if (kind === KIND.retired) {
      this.retired.push({ firstSeq: data.readUIntLE(0, 6), endedBefore: data.readUIntLE(6, 6) })
    } else if (kind === KIND.snapshot) {
      const nextSeq = { live: data.readUIntLE(0, 6), dead: data.readUIntLE(6, 6) }
      this.snapshot = { nextSeq, endedCount: data.readUIntLE(12, 6) }
    } else if (kind === KIND.ends) {
      for (let from = 0; from < data.length; from += RANGE_BYTES) {
        const log = LOG_NAMES[data[from] as 0 | 1]
        this.ended.push({ log, fromSeq: data.readUIntLE(from + 1, 6), count: data.readUInt32LE(from + 7) })
      }
    }
  }
}
