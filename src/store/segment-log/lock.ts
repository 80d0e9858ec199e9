/**
 * One process at a time in a folder, without `flock`, which Node does not have.
 *
 * Lock files are numbered, and the highest one counts: `lock-7` names its holder, or says that it was given back. Whoever wants the
 * folder, and finds that the holder of `lock-7` is gone, makes `lock-8`. Only one can: the file is made by `link`, whole and only if it
 * is not there. It holds the folder if then its file is the highest one; only then lower ones are removed, the highest never. So a
 * slow process that still believes in `lock-6` can make a `lock-7` again, but sees `lock-8` and goes.
 *
 * Is a holder gone? Within one boot of the machine, its process number and the time when it started tell (numbers are used again).
 * Processes that cannot see each other, as in two containers, ask the holder's socket in the folder, which the kernel refuses once its
 * process has ended. So the folder must be on a disk of this machine, not on a network.
 */

import { randomBytes } from 'node:crypto'
import { link, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join, relative, resolve } from 'node:path'
import { StoreError } from '../../errors.ts'

interface Holder {
  readonly pid: number
  /** Since the boot; empty where the system does not tell. */
  readonly started: string
  readonly boot: string
  /** Processes of another one are not to be seen. */
  readonly processSpace: string
}

const LOCK = /^lock-(\d+)$/
const RELEASED = 'released\n'
/** A `sockaddr_un` has no room for more. */
const MAX_SOCKET_PATH = 100

/** Is it a file of the lock? */
export function isLockFile(name: string): boolean {
  return name.startsWith('lock-')
}

/** @throws StoreError STORE_LOCKED */
export async function lockFolder(folder: string): Promise<{ release(): Promise<void> }> {
  const me = await describe(process.pid)
  for (;;) {
    const highest = Math.max(0, ...(await locksIn(folder)))
    if (highest > 0) await mustBeGone(folder, highest)
    const own = highest + 1
    if (!(await makeWhole(join(folder, `lock-${own}`), JSON.stringify(me)))) continue
    if (Math.max(...(await locksIn(folder))) > own) {
      await rm(join(folder, `lock-${own}`), { force: true })
      continue
    }
    const server = await listen(socketOf(folder, own))
    await removeBelow(folder, own)
    return {
      async release() {
        await writeFile(join(folder, `lock-${own}`), RELEASED).catch(() => {})
        await new Promise<void>((done) => (server === undefined ? done() : server.close(() => done())))
      },
    }
  }
}

async function locksIn(folder: string): Promise<number[]> {
  return (await readdir(folder)).flatMap((name) => LOCK.exec(name)?.[1] ?? []).map(Number)
}

async function removeBelow(folder: string, own: number): Promise<void> {
  const old = (await readdir(folder)).filter((name) => isLockFile(name) && Number.parseInt(name.slice('lock-'.length), 10) < own)
  await Promise.all(old.map((name) => rm(join(folder, name), { force: true })))
}

/** False if the file is there already. */
async function makeWhole(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${randomBytes(8).toString('hex')}`
  await writeFile(draft, content, { mode: 0o600 })
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    // Without hard links (FAT) it may be seen for a moment without its content: `readHolder` waits for that.
    return await writeFile(path, content, { flag: 'wx', mode: 0o600 }).then(
      () => true,
      (reason: unknown) => {
        if (codeOf(reason) === 'EEXIST') return false
        throw reason
      },
    )
  } finally {
    await rm(draft, { force: true })
  }
}

/** @throws StoreError STORE_LOCKED */
async function mustBeGone(folder: string, number: number): Promise<void> {
  const path = join(folder, `lock-${number}`)
  const holder = await readHolder(path)
  if (holder === undefined || !(await isAlive(holder, socketOf(folder, number)))) return
  const who = holder.pid === process.pid ? 'this process' : `process ${holder.pid}`
  throw new StoreError('STORE_LOCKED', `${folder} is in use by ${who}: close that one first, or use another folder`, {
    file: path,
    pid: holder.pid,
  })
}

/** Undefined when nobody has it any more. */
async function readHolder(path: string): Promise<Holder | undefined> {
  for (let attempt = 0; ; attempt++) {
    const content = await readFile(path, 'utf8').catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return RELEASED
      throw error
    })
    if (content === RELEASED) return undefined
    try {
      return JSON.parse(content) as Holder
    } catch {
      // The power went while it was written; or it is being written right now.
      if (attempt === 20) return undefined
      await new Promise((done) => setTimeout(done, 50))
    }
  }
}

async function isAlive(holder: Holder, socketPath: string | undefined): Promise<boolean> {
  const now = await describe(holder.pid)
  if (holder.boot !== now.boot) return false
  if (holder.processSpace === now.processSpace) {
    if (!runs(holder.pid)) return false
    if (now.started !== '' && holder.started !== '') return holder.started === now.started
  }
  return await answers(socketPath)
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

async function describe(pid: number): Promise<Holder> {
  const [stat, boot, processSpace] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''),
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    readlink('/proc/self/ns/pid').catch(() => ''),
  ])
  // The name of the program comes before it, in parentheses, and may hold anything.
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  return { pid, started, boot: boot.trim(), processSpace }
}

/** The shorter way to it. Undefined where it cannot be had. */
function socketOf(folder: string, number: number): string | undefined {
  const path = resolve(folder, `lock-${number}.socket`)
  const short = [path, relative('', path)].sort((one, other) => one.length - other.length)[0] as string
  return process.platform === 'win32' || Buffer.byteLength(short) > MAX_SOCKET_PATH ? undefined : short
}

async function listen(path: string | undefined): Promise<Server | undefined> {
  if (path === undefined) return undefined
  const server = createServer((socket) => socket.destroy()).unref()
  return await new Promise((done) => {
    server.once('error', () => done(undefined))
    server.listen(path, () => done(server))
  })
}

/** Where there is no telling, as if it did. */
async function answers(path: string | undefined): Promise<boolean> {
  if (path === undefined) return true
  return await new Promise((done) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', (error) => done(!['ECONNREFUSED', 'ENOENT'].includes(String(codeOf(error)))))
  })
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
