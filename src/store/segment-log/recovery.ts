/**
 * Makes segments of the files that are there: checks all that is sealed (`seal.ts`) in one go, reads and checks every record of the rest, and
 * deals with what is torn or damaged. Nothing good is ever thrown away: what is damaged goes to a `.bad` file, and a gap takes its place, so that the records behind it keep their numbers.
 */

import { basename, dirname } from 'node:path'
import { StoreError } from '../../errors.ts'
import { decodeFileHeader, encodeFileHeader, FILE_HEADER_BYTES, type FileKind } from './file-header.ts'
import { type DiskFile, type FileSystem, isFull, readAll, writeAll } from './file-system.ts'
import type { IdArchive } from './id-archive.ts'
import type { IdFilter } from './id-filter.ts'
import { IdHash } from './id-hash.ts'
import { ColdIds, HotIds, offsetsOf } from './id-index.ts'
import type { IdsFile } from './ids-file.ts'
import { encodeRecord, extraAt, hasExtraAt, idAt, KIND, kindAt, RECORD_OVERHEAD_BYTES, spanAt } from './record.ts'
import { judgeTail, type ScanEnd, type ScanFrom, scanRecords, type Tail } from './scan.ts'
import { isIntact, type Seal } from './seal.ts'
import { Segment } from './segment.ts'

export interface Damage {
  readonly fromSeq: number
  readonly toSeq: number
  readonly file: string
}

export interface RecoveryOptions {
  readonly disk: FileSystem
  readonly kind: FileKind
  readonly storeId: Buffer
  readonly seed: number
  readonly quarantine: boolean
  /** Nothing is written, and what is wrong with the last file is left alone: somebody may be writing it. */
  readonly readOnly: boolean
  /** Of a file that belongs to the records up to the one with which the next file begins; undefined for the last one. */
  readonly nextFirstSeq: number | undefined
  /** No record that is still to come has a lower number. */
  readonly leastNextSeq: number
  /** What was written down about the file; undefined where that is lost, or damaged. */
  readonly known: IdsFile | undefined
  /** Where its ids are kept; undefined for a log that has no index of them. */
  readonly ids: { readonly archive: IdArchive; readonly filter: IdFilter } | undefined
  readonly onRecord: ((buffer: Buffer, at: number, seq: number) => void) | undefined
}

export interface Recovered {
  readonly segment: Segment
  readonly tornBytes: number
  readonly damaged: readonly Damage[]
}

/** Did the power go before there was anything in the last file? @throws StoreError BAD_OPTION */
export async function isUnbegun(disk: FileSystem, path: string, kind: FileKind): Promise<boolean> {
  const file = await disk.open(path, 'read')
  try {
    if (decodeFileHeader(await readAll(file, FILE_HEADER_BYTES, 0), kind, path) !== undefined) return false
    const rest = await readAll(file, (await file.size()) - FILE_HEADER_BYTES, FILE_HEADER_BYTES)
    return rest.every((byte) => byte === 0)
  } finally {
    await file.close()
  }
}

/** @throws StoreError STORE_CORRUPT, BAD_OPTION */
export async function recoverSegment(path: string, firstSeq: number, options: RecoveryOptions): Promise<Recovered> {
  const file = await options.disk.open(path, options.readOnly ? 'read' : 'write')
  try {
    return await new Recovery(file, path, firstSeq, options).run()
  } finally {
    await file.close()
  }
}

class Recovery {
  readonly #file: DiskFile
  readonly #path: string
  readonly #firstSeq: number
  readonly #options: RecoveryOptions
  readonly #segment: Segment
  #hot: HotIds | undefined
  readonly #hash = new IdHash()
  readonly #damaged: Damage[] = []
  #tornBytes = 0
  #size = 0

  constructor(file: DiskFile, path: string, firstSeq: number, options: RecoveryOptions) {
    this.#file = file
    this.#path = path
    this.#firstSeq = firstSeq
    this.#options = options
    this.#segment = new Segment(options.disk, options.kind, path, firstSeq)
  }

  async run(): Promise<Recovered> {
    this.#size = await this.#file.size()
    await this.#checkHeader()
    const sealed = await this.#trustSeal()
    if (sealed && !this.#isLast && this.#segment.end === this.#size) return { segment: this.#segment, tornBytes: 0, damaged: [] }
    let end = await this.#scan({ offset: this.#segment.end, seq: this.#segment.nextSeq, lastBatch: undefined })
    for (;;) {
      const tail = await this.#tail(end)
      if (tail === undefined) break
      if (tail.name === 'torn') {
        await this.#cutOff(end.offset, tail.bytes)
        break
      }
      const resumed = await this.#quarantine(end, tail)
      if (resumed === undefined) break
      end = await this.#scan({ ...resumed, lastBatch: end.lastBatch })
    }
    const segment = this.#segment
    segment.allocated = Math.max(this.#size, segment.end)
    await this.#writeAgain(end.lastBatch)
    return { segment, tornBytes: this.#tornBytes, damaged: this.#damaged }
  }

  get #isLast(): boolean {
    return this.#options.nextFirstSeq === undefined
  }

  #from(offset: number, seq: number): ScanFrom {
    return { offset, seq, counting: true, seed: this.#options.seed, size: this.#size }
  }

  async #checkHeader(): Promise<void> {
    const { kind, storeId, quarantine, readOnly, nextFirstSeq } = this.#options
    const header = decodeFileHeader(await readAll(this.#file, FILE_HEADER_BYTES, 0), kind, this.#path)
    if (header !== undefined && !header.storeId.equals(storeId)) {
      throw new StoreError('BAD_OPTION', `${this.#path} belongs to another buffer: give each one a folder of its own`, { file: this.#path })
    }
    if (header?.first === this.#firstSeq) return
    if (!quarantine && !readOnly) throw this.#corrupt(0, this.#firstSeq, (nextFirstSeq ?? this.#firstSeq + 1) - 1)
    // All that it says is known from elsewhere.
    if (readOnly) return
    const bytes = encodeFileHeader({ kind, storeId, first: this.#firstSeq, count: 0 })
    await writeAll(this.#file, bytes, bytes.length, 0)
  }

  /** Whether the bytes are still the ones that were sealed: then all is taken as it is written down. */
  async #trustSeal(): Promise<boolean> {
    const { known, ids } = this.#options
    const seal = known?.seal
    if (known !== undefined && seal !== undefined && ids !== undefined) {
      const isFull = !this.#isLast && seal.end === this.#size
      // The disk is busy with the one, and the processor with the other.
      const [intact, learned] = await Promise.all([
        isIntact(this.#file, this.#size, seal),
        ids.archive.learn(known, isFull ? ColdIds : HotIds),
      ])
      if (intact) {
        this.#adopt(known, seal, learned)
        return true
      }
    }
    this.#hot = ids && new HotIds()
    this.#segment.ids = this.#hot
    return false
  }

  #adopt({ entries, count }: IdsFile, { end, sum, requeued }: Seal, ids: ColdIds | HotIds): void {
    const segment = this.#segment
    const offsets = offsetsOf(entries)
    for (let index = 0; index < count; index++) {
      const offset = offsets[index] as number
      if (offset === 0) segment.markEnded(index)
      else segment.note(index, offset)
    }
    segment.ids = ids
    if (ids instanceof HotIds) this.#hot = ids
    segment.count = count
    segment.end = end
    segment.sum = sum
    segment.sealedTo = end
    segment.requeued = [...requeued]
    segment.allocated = this.#size
  }

  async #scan(start: ScanEnd): Promise<ScanEnd> {
    const { onRecord, ids } = this.#options
    const segment = this.#segment
    const hot = this.#hot
    const from = this.#from(start.offset, start.seq)
    const onStretch = (bytes: Buffer): void => segment.extend(bytes)
    const end = await scanRecords(
      this.#file,
      from,
      (buffer, place, offset, seq) => {
        const kind = kindAt(buffer, place)
        const index = seq - this.#firstSeq
        if (kind === KIND.gap) {
          this.#skip(spanAt(buffer, place))
          return
        }
        segment.note(index, offset)
        segment.count = index + 1
        if (hot !== undefined) {
          const id = idAt(buffer, place)
          this.#hash.of(id, 0, id.length)
          hot.reserve(1)
          hot.add(this.#hash, offset)
          hot.settle()
          ids?.filter.add(this.#hash, seq)
          if (hasExtraAt(buffer, place)) segment.requeued.push({ seq, ordinal: extraAt(buffer, place).readUIntLE(0, 6) })
        }
        onRecord?.(buffer, place, seq)
      },
      onStretch,
    )
    return { ...end, lastBatch: end.lastBatch ?? start.lastBatch }
  }

  /** Numbers without records. */
  #skip(count: number): void {
    const segment = this.#segment
    for (let index = segment.count; index < segment.count + count; index++) segment.markEnded(index)
    segment.count += count
    this.#hot?.skip(count)
  }

  /** What is behind the last good record, if it is anything to be dealt with. */
  async #tail(end: ScanEnd): Promise<Exclude<Tail, { name: 'end' }> | undefined> {
    const { known, readOnly } = this.#options
    if (readOnly && this.#isLast) return undefined
    const tail = await judgeTail(this.#file, this.#from(FILE_HEADER_BYTES, this.#firstSeq), end, this.#isLast)
    if (tail.name === 'damaged') return tail
    const isShort = known !== undefined && this.#segment.count < known.count
    if (this.#isLast) {
      // What was sealed had been synced: that it is not there is no tail that was never written to its end.
      const sealedTo = isShort ? known.seal?.end : undefined
      if (sealedTo === undefined) return tail.name === 'torn' ? tail : undefined
      return { name: 'damaged', resume: undefined, bytes: Math.max(0, Math.min(sealedTo, this.#size) - end.offset) }
    }
    if (tail.name === 'torn') return tail
    // Only the last one ends in zeros: before another is begun, they are cut off.
    if (end.offset === this.#size && !isShort) return undefined
    return { name: 'damaged', resume: undefined, bytes: this.#size - end.offset }
  }

  async #cutOff(offset: number, bytes: number): Promise<void> {
    this.#tornBytes += bytes
    await this.#file.truncate(offset)
    await this.#file.sync()
    this.#size = offset
  }

  /** Puts damaged bytes aside. Returns where records go on. */
  async #quarantine(end: ScanEnd, tail: Extract<Tail, { name: 'damaged' }>): Promise<{ offset: number; seq: number } | undefined> {
    const { quarantine, readOnly, nextFirstSeq, leastNextSeq, known } = this.#options
    const nextSeq = tail.resume?.seq ?? nextFirstSeq ?? Math.max(leastNextSeq, end.seq + 1, this.#firstSeq + (known?.count ?? 0))
    if (!quarantine && !readOnly) throw this.#corrupt(end.offset, end.seq, nextSeq - 1)
    const missing = nextSeq - end.seq
    const until = tail.resume?.offset ?? end.offset + Math.max(RECORD_OVERHEAD_BYTES, tail.bytes)
    if (readOnly) this.#segment.end = until
    else this.#segment.extend(await this.#putAside(end, tail, until, missing))
    this.#damaged.push({ fromSeq: end.seq, toSeq: nextSeq - 1, file: this.#path })
    this.#skip(missing)
    return tail.resume
  }

  async #putAside(end: ScanEnd, tail: Extract<Tail, { name: 'damaged' }>, until: number, missing: number): Promise<Buffer> {
    const { disk, seed } = this.#options
    const path = `${this.#path}.${end.offset}.bad`
    const bad = await disk.open(path, 'create')
    try {
      const bytes = await readAll(this.#file, tail.bytes, end.offset)
      await writeAll(bad, bytes, bytes.length, 0)
      await bad.sync()
    } finally {
      await bad.close()
    }
    await disk.syncFolder(dirname(path))
    const gap = Buffer.alloc(until - end.offset)
    const data = gap.subarray(0, gap.length - RECORD_OVERHEAD_BYTES)
    const parts = { kind: KIND.gap, firstOfBatch: true, idLength: 0, data: Buffer.alloc(data.length), missing }
    encodeRecord(gap, new DataView(gap.buffer, gap.byteOffset, gap.length), 0, seed, end.seq, parts)
    await writeAll(this.#file, gap, gap.length, end.offset)
    if (tail.resume === undefined) {
      await this.#file.truncate(until)
      this.#size = until
    }
    await this.#file.sync()
    return gap
  }

  /**
   * The last batch, and the header, may be in the memory of the system only: the process died before they were synced. A sync now would not
   * tell whether an earlier one has failed, so they are written again.
   */
  async #writeAgain(lastBatch: number | undefined): Promise<void> {
    if (this.#options.readOnly || !this.#isLast) return
    const parts = [[0, FILE_HEADER_BYTES], ...(lastBatch === undefined ? [] : [[lastBatch, this.#segment.end - lastBatch]])]
    for (const [offset = 0, length = 0] of parts) {
      const bytes = await readAll(this.#file, length, offset)
      await writeAll(this.#file, bytes, bytes.length, offset).catch((error: unknown) => {
        // Some file systems want room for that, too.
        if (!isFull(error)) throw error
      })
    }
    await this.#file.sync()
  }

  #corrupt(offset: number, fromSeq: number, toSeq: number): StoreError {
    const which = fromSeq === toSeq ? `record ${fromSeq} is` : `records ${fromSeq} to ${toSeq} are`
    const text = `${which} damaged, at byte ${offset} of ${basename(this.#path)} in ${dirname(this.#path)}: with onDamage 'quarantine' the others are kept`
    return new StoreError('STORE_CORRUPT', text, { file: this.#path, offset, fromSeq, toSeq })
  }
}
