/**
 * A disk in memory that does what disks do when the power goes: what was not synced is there, or is not, or in part, sector by sector, the last
 * one cut anywhere; names of files that were not synced with their folder come and go in order. It fills up (then it writes less than
 * it is given, and says so at the next write only), its syncs fail (then what was written stays in the memory of the system, and never
 * reaches the disk, whatever later syncs say), its bits flip.
 */

import { StoreError } from '../../src/errors.ts'
import type { DiskFile, FileSystem } from '../../src/store/segment-log/file-system.ts'

const SECTOR_BYTES = 512

type Change =
  | { readonly name: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly name: 'truncate'; readonly length: number }

/** What a file holds: as programs see it, as it is on disk, and what was done in between. */
class Inode {
  seen = Buffer.alloc(0)
  onDisk = Buffer.alloc(0)
  readonly unsynced: Change[] = []

  do(change: Change): void {
    this.seen = apply(this.seen, change)
    this.unsynced.push(change)
  }

  sync(): void {
    for (const change of this.unsynced.splice(0)) this.onDisk = apply(this.onDisk, change)
  }
}

/** All at once, as renaming is. */
type NameChange = readonly (readonly [path: string, inode: Inode | undefined])[]

export interface DiskFaults {
  /** So many more changes, and the power goes, or the process dies, in the midst of the last one. */
  changesUntilEnd?: number
  /** How many bytes there is room for. */
  capacity?: number
  /** The next so many syncs fail. */
  failingSyncs?: number
  /** The next so many reads fail. */
  failingReads?: number
}

export class SimulatedDisk implements FileSystem {
  readonly faults: DiskFaults = {}
  /** How many changes there were: writes, syncs, new names. */
  changes = 0
  syncs = 0
  readonly #random: () => number
  #names = new Map<string, Inode>()
  #namesOnDisk = new Map<string, Inode>()
  #unsyncedNames: NameChange[] = []
  #locked = false
  #onEnd!: () => void
  /** Resolves when the power went or the process died. Nothing is answered any more. */
  readonly end = new Promise<void>((resolve) => {
    this.#onEnd = resolve
  })

  /** @param random from 0 to 1, below 1 */
  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  /** The disk as the next boot finds it. */
  afterPowerCut(): SimulatedDisk {
    this.faults.changesUntilEnd = 0
    const next = new SimulatedDisk(this.#random)
    const names = new Map(this.#namesOnDisk)
    for (const change of this.#unsyncedNames.slice(0, this.#upTo(this.#unsyncedNames.length))) rename(names, change)
    for (const [path, inode] of names) {
      const found = new Inode()
      found.onDisk = Buffer.from(inode.onDisk)
      for (const change of inode.unsynced) for (const part of this.#parts(change)) found.onDisk = apply(found.onDisk, part)
      found.seen = Buffer.from(found.onDisk)
      next.#names.set(path, found)
      next.#namesOnDisk.set(path, found)
    }
    return next
  }

  /** The disk as the next process finds it: the system goes on, and has seen all that was written. */
  afterKill(): SimulatedDisk {
    this.faults.changesUntilEnd = 0
    const next = new SimulatedDisk(this.#random)
    next.#names = this.#names
    next.#namesOnDisk = this.#namesOnDisk
    next.#unsyncedNames = this.#unsyncedNames
    return next
  }

  /** Flips a bit on disk, and in memory. */
  flip(path: string, byte: number, bit = 0): void {
    const inode = this.#inode(path)
    for (const bytes of [inode.seen, inode.onDisk]) if (byte < bytes.length) bytes[byte] = (bytes[byte] as number) ^ (1 << bit)
  }

  contents(path: string): Buffer {
    return Buffer.from(this.#inode(path).seen)
  }

  put(path: string, bytes: Uint8Array): void {
    const inode = new Inode()
    inode.do({ name: 'write', at: 0, bytes: Buffer.from(bytes) })
    inode.sync()
    this.#names.set(path, inode)
    this.#namesOnDisk.set(path, inode)
  }

  get used(): number {
    return [...this.#names.values()].reduce((sum, { seen }) => sum + seen.length, 0)
  }

  async makeFolder(): Promise<void> {}

  async list(path: string): Promise<string[]> {
    return [...this.#names.keys()].filter((name) => name.startsWith(`${path}/`)).map((name) => name.slice(path.length + 1))
  }

  async open(path: string, how: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const inode = this.#names.get(path)
    if (how === 'create') {
      await this.#change(() => {
        if (inode === undefined) this.#name([[path, new Inode()]])
        else inode.do({ name: 'truncate', length: 0 })
      })
      return this.#file(this.#inode(path))
    }
    await this.#turn()
    if (inode === undefined) throw systemError('ENOENT')
    return this.#file(inode)
  }

  async rename(from: string, to: string): Promise<void> {
    const inode = this.#inode(from)
    await this.#change(() => {
      this.#name([
        [from, undefined],
        [to, inode],
      ])
    })
  }

  async remove(path: string): Promise<void> {
    await this.#change(() => {
      if (this.#names.has(path)) this.#name([[path, undefined]])
    })
  }

  async syncFolder(): Promise<void> {
    await this.#change(() => {
      for (const change of this.#unsyncedNames.splice(0)) rename(this.#namesOnDisk, change)
    })
  }

  async lock(path: string): Promise<{ release(): Promise<void> }> {
    if (this.#locked) throw new StoreError('STORE_LOCKED', `${path} is in use`, { pid: process.pid })
    this.#locked = true
    return {
      release: async () => {
        this.#locked = false
      },
    }
  }

  #file(inode: Inode): DiskFile {
    return {
      read: async (buffer, offset, length, position) => {
        await this.#turn()
        if ((this.faults.failingReads ?? 0) > 0) {
          this.faults.failingReads = (this.faults.failingReads ?? 0) - 1
          throw systemError('EIO')
        }
        const bytes = inode.seen.subarray(position, position + length)
        buffer.set(bytes, offset)
        return bytes.length
      },
      write: async (buffer, offset, length, position) => {
        const room = (this.faults.capacity ?? Number.POSITIVE_INFINITY) - this.used
        const count = Math.min(length, Math.max(0, inode.seen.length - position) + Math.max(0, room))
        if (count === 0) throw systemError('ENOSPC')
        const bytes = Buffer.from(buffer.subarray(offset, offset + count))
        await this.#change(() => inode.do({ name: 'write', at: position, bytes }))
        return count
      },
      sync: async () => {
        await this.#change(() => {
          this.syncs++
          if ((this.faults.failingSyncs ?? 0) > 0) {
            this.faults.failingSyncs = (this.faults.failingSyncs ?? 0) - 1
            inode.unsynced.length = 0
            throw systemError('EIO')
          }
          inode.sync()
        })
      },
      truncate: async (length) => {
        await this.#change(() => inode.do({ name: 'truncate', length }))
      },
      size: async () => inode.seen.length,
      close: async () => {},
    }
  }

  /** Time passes. After the end it does not. */
  async #turn(): Promise<void> {
    if (this.#random() < 0.3) await new Promise((resolve) => setImmediate(resolve))
    if (this.faults.changesUntilEnd !== undefined && this.faults.changesUntilEnd <= 0) await new Promise(() => {})
  }

  async #change(change: () => void): Promise<void> {
    await this.#turn()
    this.changes++
    const left = this.faults.changesUntilEnd
    if (left === undefined) {
      change()
      return
    }
    this.faults.changesUntilEnd = left - 1
    // The last one has happened, or not, or in part: it is not synced, and nobody is told.
    if (left > 1 || this.#random() < 0.5) change()
    if (left <= 1) {
      this.#onEnd()
      await new Promise(() => {})
    }
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path)
    if (inode === undefined) throw systemError('ENOENT')
    return inode
  }

  #name(change: NameChange): void {
    rename(this.#names, change)
    this.#unsyncedNames.push(change)
  }

  /** What reaches the disk of a change that was not synced. */
  #parts(change: Change): Change[] {
    const fate = this.#random()
    if (fate < 0.25) return []
    if (fate < 0.5) return [change]
    if (change.name === 'truncate') return this.#random() < 0.5 ? [change] : []
    const parts: Change[] = []
    for (let at = change.at; at < change.at + change.bytes.length; ) {
      const end = Math.min(change.at + change.bytes.length, at + SECTOR_BYTES - (at % SECTOR_BYTES))
      if (this.#random() < 0.6) parts.push({ name: 'write', at, bytes: change.bytes.subarray(at - change.at, end - change.at) })
      at = end
    }
    const last = parts.at(-1)
    if (last?.name === 'write' && this.#random() < 0.3) {
      parts[parts.length - 1] = { ...last, bytes: last.bytes.subarray(0, this.#upTo(last.bytes.length)) }
    }
    return parts
  }

  #upTo(most: number): number {
    return Math.floor(this.#random() * (most + 1))
  }
}

/** In place, where it fits. */
function apply(bytes: Buffer<ArrayBuffer>, change: Change): Buffer<ArrayBuffer> {
  if (change.name === 'write' && change.at + change.bytes.length <= bytes.length) {
    change.bytes.copy(bytes, change.at)
    return bytes
  }
  if (change.name === 'truncate') {
    const next = Buffer.alloc(change.length)
    bytes.copy(next, 0, 0, Math.min(bytes.length, change.length))
    return next
  }
  const next = Buffer.alloc(Math.max(bytes.length, change.at + change.bytes.length))
  bytes.copy(next)
  change.bytes.copy(next, change.at)
  return next
}

function rename(names: Map<string, Inode>, change: NameChange): void {
  for (const [path, inode] of change) {
    if (inode === undefined) names.delete(path)
    else names.set(path, inode)
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code })
}
