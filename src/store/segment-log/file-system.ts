/**
 * The few things that the log does with a disk, so that tests can put a disk in their place that loses power, tears writes and fills up.
 *
 * Calls with callbacks and plain descriptors: a `FileHandle` of `node:fs/promises` costs several times as much per call.
 */

import fs from 'node:fs'
import { lockFolder } from './lock.ts'

export interface DiskFile {
  /** How many bytes there were: fewer only at the end of the file. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>
  /** How many bytes were written: fewer when the disk is full, which only the next call says. */
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>
  /** What was written, and the length of the file, survive a power cut. After it failed nobody knows what is written. */
  sync(): Promise<void>
  truncate(length: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

export interface FileSystem {
  makeFolder(path: string): Promise<void>
  list(path: string): Promise<string[]>
  /** `create`: empty, whether it was there or not. */
  open(path: string, how: 'read' | 'write' | 'create'): Promise<DiskFile>
  rename(from: string, to: string): Promise<void>
  /** No error if it is not there. */
  remove(path: string): Promise<void>
  /** Files that were made, renamed and removed in it stay so. */
  syncFolder(path: string): Promise<void>
  /** @throws StoreError STORE_LOCKED */
  lock(path: string): Promise<{ release(): Promise<void> }>
}

type Done<Value> = (error: NodeJS.ErrnoException | null, value: Value) => void

function promised<Value = void>(call: (done: Done<Value>) => void): Promise<Value> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error === null) resolve(value)
      else reject(error)
    })
  })
}

class NodeFile implements DiskFile {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return promised((done) => fs.read(this.#fd, buffer, offset, length, position, done))
  }

  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return promised((done) => fs.write(this.#fd, buffer, offset, length, position, done))
  }

  sync(): Promise<void> {
    return promised((done: Done<void>) => fs.fdatasync(this.#fd, (error) => done(error)))
  }

  truncate(length: number): Promise<void> {
    return promised((done: Done<void>) => fs.ftruncate(this.#fd, length, (error) => done(error)))
  }

  async size(): Promise<number> {
    const { size } = await promised<fs.Stats>((done) => fs.fstat(this.#fd, done))
    return size
  }

  close(): Promise<void> {
    return promised((done: Done<void>) => fs.close(this.#fd, (error) => done(error ?? null)))
  }
}

const FLAGS = { read: 'r', write: 'r+', create: 'w+' } as const

export const nodeFileSystem: FileSystem = {
  async makeFolder(path) {
    await fs.promises.mkdir(path, { recursive: true })
  },
  list: (path) => fs.promises.readdir(path),
  async open(path, how) {
    return new NodeFile(await promised<number>((done) => fs.open(path, FLAGS[how], 0o600, done)))
  },
  rename: (from, to) => fs.promises.rename(from, to),
  remove: (path) => fs.promises.rm(path, { force: true }),
  async syncFolder(path) {
    // Windows has no such thing: its file systems write folders through.
    if (process.platform === 'win32') return
    const fd = await promised<number>((done) => fs.open(path, 'r', done))
    try {
      await promised((done: Done<void>) => fs.fsync(fd, (error) => done(error)))
    } finally {
      await promised((done: Done<void>) => fs.close(fd, (error) => done(error ?? null)))
    }
  },
  lock: lockFolder,
}

/** The same, but nothing waits for the disk: what is written survives the end of the process, not of the machine. */
export function withoutSync(disk: FileSystem): FileSystem {
  return {
    ...disk,
    syncFolder: async () => {},
    async open(path, how) {
      const file = await disk.open(path, how)
      file.sync = async () => {}
      return file
    },
  }
}

/** All of it, where a full disk writes less than it was given without an error. */
export async function writeAll(file: DiskFile, buffer: Uint8Array, length: number, position: number): Promise<void> {
  for (let written = 0; written < length; ) {
    const count = await file.write(buffer, written, length - written, position + written)
    if (count === 0) throw Object.assign(new Error('ENOSPC: nothing was written'), { code: 'ENOSPC' })
    written += count
  }
}

/** As many bytes as there are, up to `length`; none for a negative one. */
export async function readAll(file: DiskFile, length: number, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.max(0, length))
  let filled = 0
  while (filled < buffer.length) {
    const count = await file.read(buffer, filled, buffer.length - filled, position + filled)
    if (count === 0) break
    filled += count
  }
  return buffer.subarray(0, filled)
}

/** No room, which passes; anything else a disk says about a write is for ever. */
export function isFull(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG'
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT'
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
