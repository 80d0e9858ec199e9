/**
 * The ids of segments that are full, in files beside them (`id-index.ts`), and of those whose records have all ended: the ids stay for as
 * long as that is promised (`dedupeWindow`), a whole segment's at a time.
 */

import { join } from 'node:path'
import type { StoreError } from '../../errors.ts'
import { type FileSystem, isFull, isMissing, readAll, writeAll } from './file-system.ts'
import type { IdFilter } from './id-filter.ts'
import type { IdHash } from './id-hash.ts'
import { type Candidate, ColdIds, HotIds } from './id-index.ts'
import { decodeIdsFile, encodeIdsFile, type IdsFile } from './ids-file.ts'
import type { Seal } from './seal.ts'
import type { Segment } from './segment.ts'
import type { RetiredSegment } from './state-journal.ts'

interface Retired extends RetiredSegment {
  ids: HotIds | ColdIds
}

export interface IdArchiveOptions {
  readonly disk: FileSystem
  readonly folder: string
  readonly storeId: Buffer
  /** Learns the ids of the files that are loaded. */
  readonly idFilter: IdFilter
  readonly failed: (error: unknown) => StoreError
}

/** How files end that are being written. */
export const DRAFT = '.new'

export function idsName(firstSeq: number): string {
  return `${String(firstSeq).padStart(15, '0')}.ids`
}

export class IdArchive {
  readonly #options: IdArchiveOptions
  /** In the order in which they went. */
  readonly #retired: Retired[] = []
  /** Segments whose file this process has synced. Another one may have died before it did. */
  readonly #synced = new Set<number>()
  #writing: Promise<void> = Promise.resolve()
  syncs = 0
  writtenBytes = 0

  constructor(options: IdArchiveOptions) {
    this.#options = options
  }

  get retired(): readonly RetiredSegment[] {
    return this.#retired
  }

  /** It is full. Its ids go to their file, and from memory, in a while. Where there is no room for them, they stay in memory. */
  seal(segment: Segment): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      if (!(segment.ids instanceof HotIds)) return
      segment.ids = await this.#write(segment.firstSeq, segment.ids, segment.seal)
      if (segment.ids instanceof ColdIds) segment.requeued = []
    })
    return this.#writing
  }

  /** It is not full, and nobody writes to it now: when it is opened again, there is less to look at. */
  async sealSoFar(segment: Segment): Promise<void> {
    if (segment.ids instanceof HotIds) await this.#write(segment.firstSeq, segment.ids, segment.seal)
  }

  /** What `seal` has begun is done. */
  settled(): Promise<void> {
    return this.#writing
  }

  /** The file of a segment, as it was written when it became full, or was closed. Undefined if it is not there, or not right. */
  async load(firstSeq: number): Promise<IdsFile | undefined> {
    const { disk, storeId } = this.#options
    const path = this.#path(firstSeq)
    try {
      const file = await disk.open(path, 'read')
      try {
        return decodeIdsFile(await readAll(file, await file.size(), 0), storeId, firstSeq, path)
      } finally {
        await file.close()
      }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** What memory keeps of it, once it is known that it is right. */
  async learn({ firstSeq, count, entries }: IdsFile, kind: typeof ColdIds | typeof HotIds): Promise<ColdIds | HotIds> {
    return await kind.of(entries, count, (hash) => this.#options.idFilter.add(hash, firstSeq + count - 1))
  }

  /** All its records have ended, and its file will go. */
  async keep(segment: Segment, endedBefore: number): Promise<void> {
    await this.#writing
    if (segment.ids === undefined) return
    if (segment.ids instanceof ColdIds && !this.#synced.delete(segment.firstSeq)) {
      await this.#writeAgain(segment.firstSeq).catch((error: unknown) => {
        // Rather that than a disk that stays full.
        if (!isFull(error)) throw error
      })
    }
    this.restore({ firstSeq: segment.firstSeq, endedBefore, ids: segment.ids })
  }

  /** Its file is gone: there may be room now for ids that had none. */
  async retry(): Promise<void> {
    for (const retired of this.#retired) {
      if (retired.ids instanceof HotIds) retired.ids = await this.#write(retired.firstSeq, retired.ids, undefined)
    }
  }

  restore(retired: Retired): void {
    this.#retired.push(retired)
  }

  /** Ids of segments that went before so many records had ended are known no longer. */
  async forget(endedBefore: number): Promise<void> {
    while ((this.#retired[0]?.endedBefore ?? Number.POSITIVE_INFINITY) <= endedBefore) {
      const { firstSeq } = this.#retired.shift() as Retired
      await this.#options.disk.remove(this.#path(firstSeq))
    }
  }

  /** The `seq` of the newest record with this hash in a segment that is gone. */
  async find(hash: IdHash): Promise<number | undefined> {
    for (const { firstSeq, ids } of [...this.#retired].sort((one, other) => other.firstSeq - one.firstSeq)) {
      if (ids instanceof HotIds) {
        const index = ids.find(hash)
        if (index >= 0) return firstSeq + index
        continue
      }
      const found = ids.mayHave(hash) ? await this.look(firstSeq, ids, hash) : undefined
      if (found !== undefined) return firstSeq + found.index
    }
    return undefined
  }

  /** The newest record with this hash in a segment that is full, and may have it. */
  async look(firstSeq: number, ids: ColdIds, hash: IdHash): Promise<Candidate | undefined> {
    try {
      const file = await this.#options.disk.open(this.#path(firstSeq), 'read')
      try {
        return await ids.find(file, hash.high, hash.low)
      } finally {
        await file.close()
      }
    } catch (error) {
      // Forgotten in the meantime.
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** What is to be kept in memory of it. */
  async #write(firstSeq: number, ids: HotIds, seal: Seal | undefined): Promise<HotIds | ColdIds> {
    const { count } = ids
    const entries = await ids.toEntries()
    try {
      await this.#put(firstSeq, encodeIdsFile(this.#options.storeId, { firstSeq, count, entries, seal }))
      this.#synced.add(firstSeq)
      return await ColdIds.of(entries, count)
    } catch (error) {
      if (!isFull(error)) this.#options.failed(error)
      return ids
    }
  }

  /** @throws whatever the disk says */
  async #writeAgain(firstSeq: number): Promise<void> {
    const file = await this.#options.disk.open(this.#path(firstSeq), 'read')
    const all = await file
      .size()
      .then((size) => readAll(file, size, 0))
      .finally(() => file.close())
    await this.#put(firstSeq, all)
  }

  /** Whole, or not at all: records may be gone of which it has the only trace. */
  async #put(firstSeq: number, bytes: Buffer): Promise<void> {
    const { disk, folder } = this.#options
    const path = this.#path(firstSeq)
    const draft = `${path}${DRAFT}`
    try {
      const file = await disk.open(draft, 'create')
      try {
        await writeAll(file, bytes, bytes.length, 0)
        await file.sync()
      } finally {
        await file.close()
      }
    } catch (error) {
      await disk.remove(draft)
      throw error
    }
    await disk.rename(draft, path)
    await disk.syncFolder(folder)
    this.syncs++
    this.writtenBytes += bytes.length
  }

  #path(firstSeq: number): string {
    return join(this.#options.folder, idsName(firstSeq))
  }
}
