/**
 * The embedded store: records in append-only files, in pure TypeScript. `docs/store-format.md` says what lies in its folder.
 *
 * - A log of the live records and one of the dead (`record-log.ts`), each a series of segments (`segment.ts`), and a journal of what has
 *   ended in them (`state-journal.ts`). A segment of which all has ended is removed; the ids of the live log's stay for a while.
 * - **A dead letter** is written to the log of the dead first, and then ends in the live one. That is the moment: a record that is in both is
 *   live, and the other one is void when the store is opened again. **Requeueing** is the same the other way round: the new record names the dead one
 *   that it comes from, and is void as long as that has not ended.
 * - Ids are found by hash (`id-index.ts`), and compared with the record itself.
 */

import { StoreError, toError } from '../../errors.ts'
import type { BufferStore, DeadEntry, ReadLimit, StoreCounts, StoreEntry, StoreOpening, StoreRecord } from '../buffer-store.ts'
import { badOption, cutReason, refusalOf } from '../store-limits.ts'
import { DeadTable } from './dead-table.ts'
import { type FileSystem, isFull, isMissing, nodeFileSystem, readAll, withoutSync } from './file-system.ts'
import { IdArchive } from './id-archive.ts'
import { IdFilter } from './id-filter.ts'
import { IdHash } from './id-hash.ts'
import { HotIds } from './id-index.ts'
import { LogReader } from './log-reader.ts'
import { isLiveFile, openFiles } from './open-files.ts'
import { type ResolvedSegmentLogOptions, resolveOptions, type SegmentLogOptions } from './options.ts'
import { dataAt, extraAt, idTextAt, KIND, metaAt, RECORD_HEADER_BYTES } from './record.ts'
import { type Admission, type Answer, full, type LogOwner, type Pending, RecordLog } from './record-log.ts'
import { MAX_SEGMENT_RECORDS, type Segment } from './segment.ts'
import { type LogName, type Snapshot, StateJournal, seedOf } from './state-journal.ts'

/** Of a segment in a snapshot, besides a bit for each record. */
const SEGMENT_STATE_BYTES = 64
const LOOKUP_BYTES = 4096

type Phase = 'new' | 'opening' | 'open' | 'closing' | 'closed'

interface Found {
  readonly seq: number
  readonly segment: Segment | undefined
}

/** The store on a disk of this machine: a folder of append-only files. */
export class SegmentLog implements BufferStore {
  readonly durability: 'fsync' | 'os-cache'
  readonly #options: ResolvedSegmentLogOptions
  readonly #disk: FileSystem
  #phase: Phase = 'new'
  #failure: StoreError | undefined
  #closed: Promise<void> | undefined
  #lock: { release(): Promise<void> } | undefined
  #journal!: StateJournal
  #live!: RecordLog
  #dead!: RecordLog
  #archive!: IdArchive
  readonly #idFilter = new IdFilter()
  readonly #deadTable = new DeadTable()
  #liveCount = 0
  /** Of all that ever did, in the live log. */
  #endedCount = 0
  #bytes = 0
  /** Of which all has ended; their files are there until that is durable. */
  readonly #done = new Set<Segment>()
  #clearing: Promise<void> | undefined
  /** Records that are being moved, by their `seq`. */
  readonly #dying = new Map<number, Promise<void>>()
  readonly #requeueing = new Map<number, Promise<number | undefined>>()
  #reader!: LogReader
  #lookups!: LogReader
  #deadReader!: LogReader

  /**
   * @param disk for tests
   * @throws StoreError BAD_OPTION
   */
  constructor(options: SegmentLogOptions, disk: FileSystem = nodeFileSystem) {
    this.#options = resolveOptions(options)
    this.durability = this.#options.durability
    this.#disk = this.durability === 'fsync' ? disk : withoutSync(disk)
  }

  /**
   * @throws StoreError STORE_LOCKED, STORE_CORRUPT, STORE_FULL (not even its first files have room), STORE_FAILED, and BAD_OPTION when the folder holds
   * something else, or belongs to a newer version
   */
  async open(): Promise<StoreOpening> {
    if (this.#phase !== 'new') throw new StoreError('CLOSED', 'the store was opened before: make a new one', { written: false })
    this.#phase = 'opening'
    const { path, readOnly } = this.#options
    try {
      if (!readOnly) {
        await this.#disk.makeFolder(path)
        this.#lock = await this.#disk.lock(path)
      }
      const opening = await this.#recover()
      this.#phase = 'open'
      return opening
    } catch (error) {
      this.#phase = 'closed'
      await this.#journal?.close()
      await this.#lock?.release()
      if (error instanceof StoreError) throw error
      throw isFull(error) ? full(path, error) : this.#fail(error)
    }
  }

  append(record: StoreRecord): Promise<Answer> {
    const refusal = this.#refusal() ?? this.#readOnly() ?? refusalOf(record, this.#options)
    if (refusal !== undefined) return Promise.reject(refusal)
    const { id, data, meta } = record
    return append(this.#live, KIND.data, id, data, meta, undefined, true, undefined)
  }

  async read(afterSeq: number, limit: ReadLimit): Promise<StoreEntry[]> {
    this.#mustWork()
    const portion = new Portion<StoreEntry>(limit)
    for (let seq = Math.max(0, Math.floor(afterSeq)) + 1; portion.wantsMore; ) {
      const segment = this.#live.segments[this.#live.indexOf(seq)]
      if (segment === undefined) break
      // Where to go on: more may be appended to it while it is read.
      let next = segment.nextLive(Math.max(0, seq - segment.firstSeq))
      const isThere = await this.#reader.walk(segment, next, (buffer, at, found) => {
        if (!segment.hasEnded(found) && !portion.take(entryAt(buffer, at, segment.firstSeq + found))) return -1
        next = segment.nextLive(found + 1)
        return next
      })
      seq = isThere ? segment.firstSeq + next : segment.nextSeq
    }
    return portion.entries
  }

  async find(id: string): Promise<{ readonly state: 'live' | 'dead'; readonly entry: StoreEntry } | undefined> {
    this.#mustWork()
    const bytes = Buffer.from(id)
    const hash = hashOf(bytes)
    const found = await this.#lookUp(bytes, hash)
    if (found?.segment !== undefined && isLive(found)) {
      const entry = await this.#entry(this.#lookups, found.segment, found.seq)
      if (entry !== undefined) return { state: 'live', entry }
    }
    const entry = await this.#findDead(id, hash)
    return entry && { state: 'dead', entry }
  }

  async ack(seqs: readonly number[] | { readonly upTo: number }): Promise<void> {
    this.#mustWork(true)
    if ('upTo' in seqs) {
      for (const segment of this.#live.segments) {
        if (segment.firstSeq > seqs.upTo) break
        const last = Math.min(segment.count, seqs.upTo - segment.firstSeq + 1)
        for (let index = segment.nextLive(0); index < last; index = segment.nextLive(index)) this.#endLive(segment, index)
      }
    } else {
      for (const seq of seqs) {
        const segment = Number.isSafeInteger(seq) ? this.#live.segmentOf(seq) : undefined
        if (segment !== undefined) this.#endLive(segment, seq - segment.firstSeq)
      }
    }
    await this.#commit()
  }

  async deadLetter(seq: number, reason: string): Promise<void> {
    this.#mustWork(true)
    const under = this.#dying.get(seq)
    if (under !== undefined) return await under
    const segment = Number.isSafeInteger(seq) ? this.#live.segmentOf(seq) : undefined
    if (segment === undefined || segment.hasEnded(seq - segment.firstSeq)) return await this.#commit()
    const dying = this.#bury(segment, seq, cutReason(reason)).finally(() => this.#dying.delete(seq))
    this.#dying.set(seq, dying)
    await dying
  }

  async readDead(afterSeq: number, limit: ReadLimit): Promise<DeadEntry[]> {
    this.#mustWork()
    const portion = new Portion<DeadEntry>(limit)
    for (let after = afterSeq; portion.wantsMore; ) {
      const place = this.#deadTable.at(this.#deadTable.indexAfter(after))
      if (place === undefined) break
      after = place.seq
      const entry = await this.#deadEntry(place.seq, place.ordinal)
      if (entry !== undefined && !portion.take(entry)) break
    }
    return portion.entries
  }

  async requeue(seq: number): Promise<number | undefined> {
    this.#mustWork(true)
    const under = this.#requeueing.get(seq)
    if (under !== undefined) return await under
    const ordinal = this.#deadTable.ordinalOf(seq)
    if (ordinal === undefined) return undefined
    const requeueing = this.#revive(seq, ordinal).finally(() => this.#requeueing.delete(seq))
    this.#requeueing.set(seq, requeueing)
    return await requeueing
  }

  async dropDead(seqs: readonly number[]): Promise<void> {
    this.#mustWork(true)
    for (const seq of seqs) {
      const ordinal = this.#deadTable.ordinalOf(seq)
      if (ordinal !== undefined && !this.#requeueing.has(seq)) this.#endDead(seq, ordinal)
    }
    await this.#commit()
  }

  count(): StoreCounts {
    return { live: this.#liveCount, dead: this.#deadTable.size, bytes: this.#bytes, deadBytes: this.#deadBytes() }
  }

  /** Each of a file counts as much as the others: how large it is stands on disk only. */
  #deadBytes(): number {
    if (this.#deadTable.size === 0) return 0
    let bytes = 0
    for (const { end, count, endedCount } of this.#dead.segments) if (count > 0) bytes += (end * (count - endedCount)) / count
    return Math.round(bytes)
  }

  /** How often the disk was made to write since the store was opened, and how many bytes: what flash wears out by. */
  get diskUse(): { readonly syncs: number; readonly writtenBytes: number } {
    const parts = this.#phase === 'new' ? [] : [this.#live, this.#dead, this.#journal, this.#archive]
    return {
      syncs: parts.reduce((sum, part) => sum + (part?.syncs ?? 0), 0),
      writtenBytes: parts.reduce((sum, part) => sum + (part?.writtenBytes ?? 0), 0),
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    const wasOpen = this.#phase === 'open'
    this.#phase = wasOpen ? 'closing' : 'closed'
    if (!wasOpen) return
    await Promise.allSettled([...this.#dying.values(), ...this.#requeueing.values()])
    await this.#live.settled()
    await this.#dead.settled()
    if (!this.#options.readOnly && this.#failure === undefined) {
      await this.#commit().catch(() => {})
      await this.#clearing
      await this.#archive.settled()
      for (const log of [this.#live, this.#dead]) await log.close().catch(() => {})
      await this.#sealSoFar()
    }
    for (const { segments } of [this.#live, this.#dead]) for (const segment of segments) segment.closeFile()
    await this.#journal.close()
    this.#phase = 'closed'
    await this.#lock?.release()
  }

  /** Unless there is little to look at anyway. */
  async #sealSoFar(): Promise<void> {
    const active = this.#live.segments.at(-1)
    if (active !== undefined && active.end - active.sealedTo > this.#options.segmentBytes / 8) await this.#archive.sealSoFar(active)
  }

  async #recover(): Promise<StoreOpening> {
    const { path, onDamage, readOnly, segmentBytes } = this.#options
    const disk = this.#disk
    const names = await disk.list(path)
    const journal = new StateJournal({
      disk,
      folder: path,
      quarantine: onDamage === 'quarantine' || readOnly,
      snapshot: () => this.#snapshot(),
      mostSnapshotBytes: () => this.#mostSnapshotBytes(),
      failed: (error) => this.#fail(error),
    })
    this.#journal = journal
    const state = await journal.load(names.filter(isLiveFile))
    const seed = seedOf(journal.storeId)
    const owner = { disk, folder: path, storeId: journal.storeId, seed, segmentBytes, failed: (error: unknown) => this.#fail(error) }
    this.#archive = new IdArchive({ ...owner, idFilter: this.#idFilter })
    this.#live = new RecordLog('L', this.#owner('live', owner), true)
    this.#dead = new RecordLog('D', this.#owner('dead', owner), false)
    ;[this.#reader, this.#lookups, this.#deadReader] = [new LogReader(seed), new LogReader(seed), new LogReader(seed)]

    const found = await openFiles({
      ...owner,
      names,
      state,
      live: this.#live,
      dead: this.#dead,
      archive: this.#archive,
      idFilter: this.#idFilter,
      quarantine: onDamage === 'quarantine',
      readOnly,
    })
    this.#endedCount = found.endedCount
    for (const { segments } of [this.#live, this.#dead]) for (const segment of segments) this.#bytes += segment.end
    for (const segment of this.#live.segments) this.#liveCount += segment.count - segment.endedCount
    for (const { seq, ordinal, hash } of found.dead) this.#deadTable.add(seq, ordinal, hash)
    if (!readOnly) {
      await journal.begin()
      for (const log of [this.#live, this.#dead]) {
        for (const segment of log.segments) if (segment.sealed && segment.isDone) this.#isDone(segment)
      }
      this.#clear()
    }
    const { live, dead } = this.count()
    return { live, dead, nextSeq: this.#live.nextSeq, tornBytes: found.tornBytes, damaged: found.damaged }
  }

  #owner(log: LogName, known: Pick<LogOwner, 'disk' | 'folder' | 'storeId' | 'seed' | 'segmentBytes' | 'failed'>): LogOwner {
    return {
      ...known,
      // A record that moves takes no more room than it had: it is never refused, but by the disk.
      admit: (records, bytes, more, isNew) => (log === 'live' && isNew ? this.#admit(records, bytes, more) : 'yes'),
      idFilter: this.#idFilter,
      known: (id, hash) => this.#known(id, hash),
      beforeSegment: () => this.#journal.reserve(MAX_SEGMENT_RECORDS / 8 + SEGMENT_STATE_BYTES),
      sealed: (segment) => {
        if (log === 'live') void this.#archive.seal(segment)
        if (segment.isDone) this.#isDone(segment)
        if (this.#done.size > 0) this.#commit().catch(() => {})
      },
      appended: (records, bytes) => {
        this.#bytes += bytes
        if (log === 'live') this.#liveCount += records
      },
      freeSpace: () => this.#freeSpace(),
    }
  }

  async #bury(segment: Segment, seq: number, reason: string): Promise<void> {
    const entry = await this.#entry(this.#lookups, segment, seq)
    if (entry === undefined) return
    const { id, data, meta } = entry
    const onDurable = (ordinal: number): void => {
      this.#deadTable.add(seq, ordinal, hashOf(Buffer.from(id)).high)
      // It was acknowledged in the meantime: then it is not dead.
      if (!this.#endLive(segment, seq - segment.firstSeq)) this.#endDead(seq, ordinal)
    }
    await append(this.#dead, KIND.dead, id, data, meta, deadExtra(seq, reason), false, onDurable)
    await this.#commit()
  }

  async #revive(seq: number, ordinal: number): Promise<number | undefined> {
    const entry = await this.#deadEntry(seq, ordinal)
    if (entry === undefined) return undefined
    const { id, data, meta } = entry
    const onDurable = (newSeq: number): void => {
      this.#live.segmentOf(newSeq)?.requeued.push({ seq: newSeq, ordinal })
      this.#endDead(seq, ordinal)
    }
    const extra = numberExtra(ordinal)
    const answer = await append(this.#live, KIND.data, id, data, meta, extra, false, onDurable)
    await this.#commit()
    return answer.seq
  }

  /** False if it had ended before. */
  #endLive(segment: Segment, index: number): boolean {
    if (!segment.markEnded(index)) return false
    this.#liveCount--
    this.#endedCount++
    this.#journal.end('live', segment.firstSeq + index)
    if (segment.sealed && segment.isDone) this.#isDone(segment)
    return true
  }

  #endDead(seq: number, ordinal: number): void {
    this.#deadTable.remove(seq)
    const segment = this.#dead.segmentOf(ordinal)
    if (segment?.markEnded(ordinal - segment.firstSeq) !== true) return
    this.#journal.end('dead', ordinal)
    if (segment.sealed && segment.isDone) this.#isDone(segment)
  }

  /** Its room is free again, as soon as that has been noted down. */
  #isDone(segment: Segment): void {
    if (this.#done.has(segment)) return
    this.#done.add(segment)
    this.#bytes -= segment.end
  }

  async #commit(): Promise<void> {
    await this.#journal.commit()
    if (this.#failure !== undefined) throw this.#failure
    this.#clear()
  }

  /** Removes segments of which all has ended, and that is durable. */
  #clear(): void {
    const logs = [this.#live, this.#dead]
    for (const log of logs) {
      for (const segment of log.segments.filter((one) => this.#done.has(one))) {
        log.segments.splice(log.segments.indexOf(segment), 1)
        this.#clearing = (this.#clearing ?? Promise.resolve()).then(() => this.#remove(log, segment))
      }
    }
  }

  async #remove(log: RecordLog, segment: Segment): Promise<void> {
    if (this.#failure !== undefined) return
    try {
      segment.closeFile()
      if (log === this.#live) await this.#archive.keep(segment, this.#endedCount)
      await this.#disk.remove(segment.path)
      await this.#disk.syncFolder(this.#options.path)
      if (log === this.#live) await this.#archive.retry()
      // Until here a snapshot says that its records have ended.
      this.#done.delete(segment)
      if (log !== this.#live) return
      const { firstSeq } = segment
      this.#journal.retire({ firstSeq, endedBefore: this.#endedCount })
      await this.#archive.forget(this.#endedCount - this.#options.dedupeWindow)
      this.#idFilter.forget(this.#oldestKnown())
    } catch (error) {
      this.#fail(error)
    }
  }

  #admit(records: number, bytes: number, more: number): Admission {
    const { maxRecords, maxBytes, whenFull, path } = this.#options
    for (;;) {
      const tooMany = this.#liveCount + this.#deadTable.size + records >= maxRecords
      const tooLarge = this.#bytes + bytes + more > maxBytes
      if (!tooMany && !tooLarge) return 'yes'
      if (records > 0) return 'wait'
      const active = this.#live.segments.at(-1)
      if (tooLarge && active !== undefined && active.count > 0 && active.isDone) return 'roll'
      const refusal = new StoreError(
        'STORE_FULL',
        tooMany
          ? `${path} has ${maxRecords} records, which is maxRecords`
          : `${path} has ${this.#bytes} bytes, and maxBytes is ${maxBytes}`,
        { written: false },
      )
      if (whenFull === 'refuse' || more > maxBytes) return refusal
      const oldest = this.#live.segments.find((segment) => !segment.isDone)
      if (oldest === undefined) return refusal
      if (tooMany) this.#drop(oldest, 1)
      else if (oldest.sealed) this.#drop(oldest, oldest.count)
      else return 'roll'
    }
  }

  /** Throws away live records of a segment, the oldest first. */
  #drop(segment: Segment, most: number): void {
    const dropped: number[] = []
    for (let index = segment.nextLive(0); index < segment.count && dropped.length < most; index = segment.nextLive(index)) {
      this.#endLive(segment, index)
      dropped.push(segment.firstSeq + index)
    }
    this.#commit().catch(() => {})
    const [fromSeq, toSeq] = [dropped[0], dropped.at(-1)]
    if (fromSeq !== undefined && toSeq !== undefined) this.#options.onDropped?.({ count: dropped.length, fromSeq, toSeq })
  }

  /** The disk is full. Waits for what is being cleared away, or drops something. */
  async #freeSpace(): Promise<boolean> {
    if (this.#done.size === 0) {
      const oldest = this.#live.segments.find((segment) => segment.sealed && !segment.isDone)
      if (this.#options.whenFull === 'refuse' || oldest === undefined) return false
      this.#drop(oldest, oldest.count)
    }
    await this.#commit()
    await this.#clearing
    return this.#failure === undefined
  }

  /** No id of a record before this one is known any more. */
  #oldestKnown(): number {
    const known = [...this.#segmentsOf('live'), ...this.#archive.retired]
    return known.reduce((oldest, { firstSeq }) => Math.min(oldest, firstSeq), this.#live.nextSeq)
  }

  /** Of an id: the live record, else the dead one, else the newest that has ended. */
  async #known(id: string, hash: IdHash): Promise<number | undefined> {
    const found = await this.#lookUp(Buffer.from(id), hash)
    if (found === undefined || isLive(found)) return found?.seq
    return (await this.#findDead(id, hash))?.seq ?? found.seq
  }

  async #findDead(id: string, hash: IdHash): Promise<DeadEntry | undefined> {
    for (const { seq, ordinal } of this.#deadTable.withHash(hash.high)) {
      const entry = await this.#deadEntry(seq, ordinal)
      if (entry?.id === id) return entry
    }
    return undefined
  }

  /** The newest record of an id. */
  async #lookUp(id: Buffer, hash: IdHash): Promise<Found | undefined> {
    for (const segment of [...this.#live.segments, ...this.#done].sort((one, other) => other.firstSeq - one.firstSeq)) {
      const { ids } = segment
      if (ids === undefined) continue
      let place: { readonly index: number; readonly offset: number } | undefined
      if (ids instanceof HotIds) {
        const index = ids.find(hash)
        if (index >= 0 && index < segment.count) place = { index, offset: ids.offsetOf(index) }
      } else if (ids.mayHave(hash)) {
        place = await this.#archive.look(segment.firstSeq, ids, hash)
      }
      if (place !== undefined && (await this.#hasId(segment, place.offset, id))) return { seq: segment.firstSeq + place.index, segment }
    }
    const seq = await this.#archive.find(hash)
    return seq === undefined ? undefined : { seq, segment: undefined }
  }

  /** As far as can be told: where the file is gone, equal hashes must do. */
  async #hasId(segment: Segment, offset: number, id: Buffer): Promise<boolean> {
    try {
      const file = await segment.acquire()
      try {
        const start = await readAll(file, RECORD_HEADER_BYTES, offset)
        if (start[15] !== id.length) return false
        return id.equals(await readAll(file, id.length, offset + RECORD_HEADER_BYTES + start.readUInt16LE(20)))
      } finally {
        segment.release()
      }
    } catch (error) {
      if (isMissing(error)) return true
      throw error
    }
  }

  async #entry(reader: LogReader, segment: Segment, seq: number): Promise<StoreEntry | undefined> {
    let entry: StoreEntry | undefined
    await reader.walk(
      segment,
      seq - segment.firstSeq,
      (buffer, at, index) => {
        if (segment.firstSeq + index === seq) entry = entryAt(buffer, at, seq)
        return -1
      },
      LOOKUP_BYTES,
    )
    return entry
  }

  async #deadEntry(seq: number, ordinal: number): Promise<DeadEntry | undefined> {
    const segment = this.#dead.segmentOf(ordinal)
    if (segment === undefined) return undefined
    let entry: DeadEntry | undefined
    await this.#deadReader.walk(segment, ordinal - segment.firstSeq, (buffer, at) => {
      entry = { ...entryAt(buffer, at, seq), reason: extraAt(buffer, at).toString('utf8', 6) }
      return -1
    })
    return entry
  }

  #snapshot(): Snapshot {
    const segments = (['live', 'dead'] as const).flatMap((log) =>
      this.#segmentsOf(log).map((segment) => {
        const { below, bits } = segment.endedBits()
        return { log, firstSeq: segment.firstSeq, below, bits }
      }),
    )
    const nextSeq = { live: this.#live.nextSeq, dead: this.#dead.nextSeq }
    return { segments, retired: this.#archive.retired, nextSeq, endedCount: this.#endedCount }
  }

  #mostSnapshotBytes(): number {
    const segments = [...this.#live.segments, ...this.#dead.segments, ...this.#done]
    const active = 2 * (MAX_SEGMENT_RECORDS / 8)
    return (
      segments.reduce((sum, { count }) => sum + count / 8 + SEGMENT_STATE_BYTES, active) +
      this.#archive.retired.length * SEGMENT_STATE_BYTES
    )
  }

  /** Those too that are being removed. */
  #segmentsOf(log: LogName): Segment[] {
    const { segments } = log === 'live' ? this.#live : this.#dead
    const leaving = [...this.#done].filter((segment) => !segments.includes(segment) && segment.kind === (log === 'live' ? 'L' : 'D'))
    return [...leaving, ...segments]
  }

  #fail(error: unknown): StoreError {
    if (error instanceof StoreError) return error
    const cause = toError(error)
    this.#failure ??= new StoreError(
      'STORE_FAILED',
      `the disk of ${this.#options.path} failed: ${cause.message}; close the store, and open it again`,
      {
        cause,
      },
    )
    this.#live?.kill(this.#failure)
    this.#dead?.kill(this.#failure)
    return this.#failure
  }

  #refusal(): StoreError | undefined {
    if (this.#phase !== 'open') return new StoreError('CLOSED', `the store in ${this.#options.path} is not open`, { written: false })
    return this.#failure
  }

  #readOnly(): StoreError | undefined {
    return this.#options.readOnly ? badOption(`the store in ${this.#options.path} was opened with readOnly`) : undefined
  }

  #mustWork(changes = false): void {
    const refusal = this.#refusal() ?? (changes ? this.#readOnly() : undefined)
    if (refusal !== undefined) throw refusal
  }
}

/** As arguments: an object more for each record is felt. */
function append(
  log: RecordLog,
  kind: number,
  id: string,
  data: Uint8Array,
  meta: Uint8Array | undefined,
  extra: Uint8Array | undefined,
  once: boolean,
  onDurable: Pending['onDurable'],
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    log.append({ kind, id, data, meta, extra, once, onDurable, resolve, reject })
  })
}

/** Entries up to a limit; one is taken even if it is larger. */
class Portion<Entry extends StoreEntry> {
  readonly entries: Entry[] = []
  readonly #limit: ReadLimit
  #bytes = 0

  constructor(limit: ReadLimit) {
    this.#limit = limit
  }

  get wantsMore(): boolean {
    return this.entries.length < this.#limit.count && (this.entries.length === 0 || this.#bytes < this.#limit.bytes)
  }

  /** Whether there may be another one. */
  take(entry: Entry): boolean {
    const bytes = entry.data.length + (entry.meta?.length ?? 0)
    if (this.entries.length > 0 && this.#bytes + bytes > this.#limit.bytes) {
      this.#bytes = this.#limit.bytes
      return false
    }
    if (this.entries.length >= this.#limit.count) return false
    this.#bytes += bytes
    this.entries.push(entry)
    return this.wantsMore
  }
}

function entryAt(buffer: Buffer, at: number, seq: number): StoreEntry {
  return { seq, id: idTextAt(buffer, at), data: dataAt(buffer, at), meta: metaAt(buffer, at) }
}

function isLive({ seq, segment }: Found): boolean {
  return segment !== undefined && !segment.hasEnded(seq - segment.firstSeq)
}

function hashOf(id: Buffer): IdHash {
  const hash = new IdHash()
  hash.of(id, 0, id.length)
  return hash
}

function numberExtra(value: number): Buffer {
  const extra = Buffer.alloc(6)
  extra.writeUIntLE(value, 0, 6)
  return extra
}

function deadExtra(seq: number, reason: string): Buffer {
  return Buffer.concat([numberExtra(seq), Buffer.from(reason)])
}
