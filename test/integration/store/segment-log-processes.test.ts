/** The segment log on a real disk, with real processes that are killed. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { SegmentLog } from '../../../src/store/segment-log/segment-log.ts'

const ALL = { count: 1e9, bytes: 1e9 }
const PROGRAM = fileURLToPath(new URL('store-process.ts', import.meta.url))

const folders: string[] = []
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zmq-rpc-store-'))
  folders.push(folder)
  return folder
}

class StoreProcess {
  readonly child: ChildProcess
  readonly lines: string[] = []

  constructor(folder: string) {
    this.child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
    children.push(this.child)
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => this.lines.push(line))
  }

  says(line: string | number): Promise<void> {
    return expect
      .poll(() => (typeof line === 'number' ? this.lines.length >= line : this.lines.includes(line)), { timeout: 15_000 })
      .toBe(true)
  }

  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }

  async kill(): Promise<void> {
    const exit = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exit
  }
}

describe('a folder that another process has', () => {
  it('is locked, and says by whom, until that process is killed', async () => {
    const folder = newFolder()
    const holder = new StoreProcess(folder)
    await holder.says('open')
    await expect(new SegmentLog({ path: folder }).open()).rejects.toMatchObject({ code: 'STORE_LOCKED', pid: holder.child.pid })
    await holder.kill()
    const store = new SegmentLog({ path: folder })
    await store.open()
    await store.close()
  })

  it('is free once it was closed, and has one lock file at most', async () => {
    const folder = newFolder()
    for (let round = 0; round < 5; round++) {
      const store = new SegmentLog({ path: folder })
      await store.open()
      await expect(new SegmentLog({ path: folder }).open()).rejects.toMatchObject({ code: 'STORE_LOCKED', pid: process.pid })
      await store.close()
      expect(readdirSync(folder).filter((name) => name.startsWith('lock-'))).toEqual([`lock-${round + 1}`])
    }
  })

  it('is free though its lock names a process that runs, when that is not the one that made it', async () => {
    const folder = newFolder()
    const me = new SegmentLog({ path: folder })
    await me.open()
    const lock = JSON.parse(readFileSync(join(folder, 'lock-1'), 'utf8')) as Record<string, unknown>
    await me.close()
    const taken = async (content: string): Promise<boolean> => {
      const number = Math.max(...readdirSync(folder).map((name) => Number(/^lock-(\d+)$/.exec(name)?.[1] ?? 0))) + 1
      writeFileSync(join(folder, `lock-${number}`), content)
      const store = new SegmentLog({ path: folder })
      const opened = await store.open().then(
        () => true,
        () => false,
      )
      await store.close()
      if (!opened) rmSync(join(folder, `lock-${number}`))
      return opened
    }
    expect(await taken(JSON.stringify({ ...lock, boot: 'an earlier boot' }))).toBe(true)
    if (lock['started'] !== '') {
      expect(await taken(JSON.stringify({ ...lock, started: '1' }))).toBe(true)
      expect(await taken(JSON.stringify(lock))).toBe(false)
    }
    // One in another container, which nobody can see, and whose socket nobody answers.
    expect(await taken(JSON.stringify({ ...lock, processSpace: 'pid:[1]' }))).toBe(true)
    expect(await taken('{"pid":')).toBe(true)
  })

  it('goes to one of many that want it at once', async () => {
    const folder = newFolder()
    const dead = new StoreProcess(folder)
    await dead.says('open')
    await dead.kill()
    const stores = Array.from({ length: 20 }, () => new SegmentLog({ path: folder }))
    const opened = await Promise.allSettled(stores.map((store) => store.open()))
    expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const answer of opened) if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'STORE_LOCKED' })
    await Promise.all(stores.map((store) => store.close()))
  })
})

describe('a process that is killed', () => {
  it('leaves all that it had acknowledged, and nothing that it had ended', async () => {
    const folder = newFolder()
    for (let round = 1; round <= 3; round++) {
      const child = new StoreProcess(folder)
      await child.says('open')
      child.tell('append 5000')
      await child.says(200 * round)
      await child.kill()
      const store = new SegmentLog({ path: folder, segmentBytes: 64 * 1024 })
      await store.open()
      const live = new Set((await store.read(0, ALL)).map(({ seq }) => seq))
      const ended = new Set(child.lines.flatMap((line) => (line.startsWith('ended ') ? [Number(line.slice(6))] : [])))
      const appended = child.lines.map(Number).filter((seq) => seq > 0)
      expect(appended.length).toBeGreaterThan(100)
      for (const seq of appended) if (seq % 3 !== 0) expect(live.has(seq), `${seq} is there`).toBe(true)
      for (const seq of ended) expect(live.has(seq), `${seq} is gone`).toBe(false)
      await store.close()
    }
  })
})

/** A small file system of our own; a reason where it cannot be had. */
function smallDisk(): { readonly path: string } | { readonly reason: string } {
  if (process.getuid?.() !== 0) return { reason: 'only root can mount a small disk' }
  const path = mkdtempSync(join(tmpdir(), 'zmq-rpc-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path], { stdio: 'pipe' })
    return { path }
  } catch (error) {
    rmSync(path, { recursive: true })
    return { reason: `no small disk: ${(error as Error).message.split('\n')[0]}` }
  }
}

describe('a real disk that is full', () => {
  it('refuses what is new, is emptied by acknowledging, and takes more again', async (test) => {
    const disk = smallDisk()
    if ('reason' in disk) return test.skip(disk.reason)
    try {
      const store = new SegmentLog({ path: join(disk.path, 'buffer'), segmentBytes: 256 * 1024 })
      await store.open()
      let next = 0
      for (let round = 0; round < 3; round++) {
        const answers = await Promise.allSettled(
          Array.from({ length: 2000 }, () => store.append({ id: `${next++}`, data: Buffer.alloc(3000, 1) })),
        )
        const full = answers.filter((answer) => answer.status === 'rejected')
        expect(full.length).toBeGreaterThan(500)
        for (const { reason } of full) expect(reason).toMatchObject({ code: 'STORE_FULL', written: false, cause: { code: 'ENOSPC' } })
        const live = await store.read(0, ALL)
        expect(live.map(({ seq }) => seq)).toEqual(answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.seq] : [])))
        for (const { seq } of live) await store.ack([seq])
      }
      await store.close()
      const again = new SegmentLog({ path: join(disk.path, 'buffer') })
      expect(await again.open()).toMatchObject({ live: 0, damaged: [] })
      await again.close()
    } finally {
      execFileSync('umount', [disk.path])
      rmSync(disk.path, { recursive: true })
    }
  })
})
