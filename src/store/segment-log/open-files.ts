/** From the files of a folder to the two logs: which files there are, what their records say, and what has ended of them. */

import { join } from 'node:path'
import { StoreError } from '../../errors.ts'
import type { FileSystem } from './file-system.ts'
import { DRAFT, type IdArchive } from './id-archive.ts'
import type { IdFilter } from './id-filter.ts'
import { IdHash } from './id-hash.ts'
import { ColdIds } from './id-index.ts'
import { isLockFile } from './lock.ts'
import { extraAt, idAt } from './record.ts'
import type { RecordLog } from './record-log.ts'
import { type Damage, isUnbegun, recoverSegment } from './recovery.ts'
import type { Requeued } from './seal.ts'
import type { Segment } from './segment.ts'
import { EMPTY_SNAPSHOT, isStateFile, type LoadedState, type LogName } from './state-journal.ts'

const LIVE_FILE = /^(\d{15})\.log$/
const DEAD_FILE = /^dead-(\d{15})\.log$/
const IDS_FILE = /^(\d{15})\.ids$/

export interface OpenFilesOptions {
  readonly disk: FileSystem
  readonly folder: string
  readonly storeId: Buffer
  readonly seed: number
  readonly names: readonly string[]
  readonly state: LoadedState | undefined
  readonly live: RecordLog
  readonly dead: RecordLog
  readonly archive: IdArchive
  readonly idFilter: IdFilter
  readonly quarantine: boolean
  readonly readOnly: boolean
}

/** A dead record: its number when it was live, its number in the log of the dead, and half the hash of its id. */
interface Dead {
  readonly seq: number
  readonly ordinal: number
  readonly hash: number
}

export interface OpenedFiles {
  readonly tornBytes: number
  readonly damaged: readonly Damage[]
  readonly dead: readonly Dead[]
  readonly endedCount: number
}

export function isLiveFile(name: string): boolean {
  return LIVE_FILE.test(name)
}

/** @throws StoreError STORE_CORRUPT; BAD_OPTION where there are files of somebody else */
export async function openFiles(options: OpenFilesOptions): Promise<OpenedFiles> {
  const { names, state, live, dead, folder } = options
  const alien = names.find((name) => !isOurs(name))
  if (alien !== undefined) {
    throw new StoreError('BAD_OPTION', `${folder} holds '${alien}', which is not of a buffer: give the buffer a folder of its own`, {
      file: join(folder, alien),
    })
  }
  if (!options.readOnly) for (const name of names) if (name.endsWith(DRAFT)) await options.disk.remove(join(folder, name))
  const snapshot = state?.snapshot ?? EMPTY_SNAPSHOT
  live.nextSeq = snapshot.nextSeq.live
  dead.nextSeq = snapshot.nextSeq.dead
  const opening = new Opening(options)
  await opening.readLog('live')
  await opening.readLog('dead')
  for (const { log, firstSeq, below, bits } of snapshot.segments) opening.segment(log, firstSeq)?.restoreEnded(below, bits)
  let endedCount = snapshot.endedCount
  for (const { log, fromSeq, count } of state?.ended ?? []) {
    for (let seq = fromSeq; seq < fromSeq + count; seq++) {
      const segment = (log === 'live' ? live : dead).segmentOf(seq)
      if (segment?.markEnded(seq - segment.firstSeq) && log === 'live') endedCount++
    }
  }
  const found = opening.settle()
  await opening.readRetired(endedCount)
  if (!options.readOnly) await opening.resume()
  return { tornBytes: opening.tornBytes, damaged: opening.damaged, dead: found, endedCount }
}

function isOurs(name: string): boolean {
  if (isLiveFile(name) || DEAD_FILE.test(name) || IDS_FILE.test(name) || isStateFile(name) || isLockFile(name)) return true
  return name.endsWith('.bad') || name.endsWith(DRAFT) || name.startsWith('.') || name === 'lost+found'
}

class Opening {
  readonly #options: OpenFilesOptions
  readonly #hash = new IdHash()
  readonly #dead: Dead[] = []
  readonly #requeued: Requeued[] = []
  readonly damaged: Damage[] = []
  tornBytes = 0

  constructor(options: OpenFilesOptions) {
    this.#options = options
  }

  segment(log: LogName, firstSeq: number): Segment | undefined {
    return this.#log(log).segments.find((segment) => segment.firstSeq === firstSeq)
  }

  async readLog(name: LogName): Promise<void> {
    const { disk, folder, storeId, seed, quarantine, readOnly, archive, idFilter } = this.#options
    const log = this.#log(name)
    const files = this.#numbers(name === 'live' ? LIVE_FILE : DEAD_FILE)
    const newest = files.at(-1)
    if (newest !== undefined && (await isUnbegun(disk, join(folder, newest.file), log.kind))) {
      files.pop()
      if (!readOnly) await disk.remove(join(folder, newest.file))
    }
    for (const { index, firstSeq, file } of files.map((found, index) => ({ ...found, index }))) {
      const nextFirstSeq = files[index + 1]?.firstSeq
      const isLast = nextFirstSeq === undefined
      const known = name === 'live' ? await archive.load(firstSeq) : undefined
      const recovered = await recoverSegment(join(folder, file), firstSeq, {
        disk,
        kind: log.kind,
        storeId,
        seed,
        quarantine,
        readOnly,
        nextFirstSeq,
        leastNextSeq: log.nextSeq,
        known,
        ids: name === 'live' ? { archive, filter: idFilter } : undefined,
        onRecord: name === 'live' ? undefined : this.#deadRecord,
      })
      this.tornBytes += recovered.tornBytes
      this.damaged.push(...recovered.damaged)
      const { segment } = recovered
      log.segments.push(segment)
      segment.sealed = !isLast
      for (const requeued of segment.requeued) this.#requeued.push(requeued)
      if (segment.ids instanceof ColdIds) segment.requeued = []
      if (segment.sealed && !readOnly) await archive.seal(segment)
      segment.closeFile()
    }
  }

  /** What was moved is in one place only. Returns the dead. */
  settle(): readonly Dead[] {
    const { live, dead } = this.#options
    for (const { seq, ordinal } of this.#requeued) {
      const source = dead.segmentOf(ordinal)
      const stillDead = source !== undefined && !source.hasEnded(ordinal - source.firstSeq)
      const segment = live.segmentOf(seq)
      if (stillDead) segment?.markEnded(seq - segment.firstSeq)
    }
    return this.#dead.filter(({ seq, ordinal }) => {
      const segment = dead.segmentOf(ordinal)
      if (segment === undefined || segment.hasEnded(ordinal - segment.firstSeq)) return false
      const source = live.segmentOf(seq)
      if (source === undefined || source.hasEnded(seq - source.firstSeq)) return true
      segment.markEnded(ordinal - segment.firstSeq)
      return false
    })
  }

  /** The ids of segments that are gone. */
  async readRetired(endedCount: number): Promise<void> {
    const { state, archive, live, folder, quarantine, readOnly } = this.#options
    const known = new Map(state?.snapshot.retired.map(({ firstSeq, endedBefore }) => [firstSeq, endedBefore]))
    const retired = this.#numbers(IDS_FILE).filter(({ firstSeq }) => !live.segments.some((segment) => segment.firstSeq === firstSeq))
    const withAge = retired.map((each) => ({ ...each, endedBefore: known.get(each.firstSeq) ?? endedCount }))
    for (const { firstSeq, endedBefore, file } of withAge.sort((one, other) => one.endedBefore - other.endedBefore)) {
      const found = await archive.load(firstSeq)
      if (found !== undefined) archive.restore({ firstSeq, endedBefore, ids: await archive.learn(found, ColdIds) })
      else if (!quarantine && !readOnly) {
        const text = `${join(folder, file)} is damaged: with onDamage 'quarantine' the ids in it are forgotten`
        throw new StoreError('STORE_CORRUPT', text, { file: join(folder, file), offset: 0 })
      } else if (!readOnly) {
        await this.#options.disk.rename(join(folder, file), join(folder, `${file}.bad`))
      }
    }
  }

  /** The last segments are written on. */
  async resume(): Promise<void> {
    const { disk, live, dead } = this.#options
    for (const log of [live, dead]) {
      const last = log.segments.at(-1)
      if (last !== undefined) log.resume(await disk.open(last.path, 'write'))
    }
  }

  #log(name: LogName): RecordLog {
    return name === 'live' ? this.#options.live : this.#options.dead
  }

  #numbers(pattern: RegExp): { readonly firstSeq: number; readonly file: string }[] {
    const found = this.#options.names.flatMap((file) => {
      const digits = pattern.exec(file)?.[1]
      return digits === undefined ? [] : [{ firstSeq: Number(digits), file }]
    })
    return found.sort((one, other) => one.firstSeq - other.firstSeq)
  }

  readonly #deadRecord = (buffer: Buffer, at: number, ordinal: number): void => {
    const id = idAt(buffer, at)
    this.#hash.of(id, 0, id.length)
    this.#dead.push({ seq: extraAt(buffer, at).readUIntLE(0, 6), ordinal, hash: this.#hash.high })
  }
}
