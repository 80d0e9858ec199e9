/**
 * ipc: UNIX domain sockets, `ipc://path`.
 *
 * The socket file has the permissions that the process's umask leaves; whoever may write it may connect. A file left
 * behind by a process that is gone is removed; one that somebody listens on is not (libzmq would steal it).
 */

import { randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { IpcAddress } from './endpoint.ts'
import type { Listener, ListenHandler, Pipe, Transport, TransportOptions } from './pipe.ts'
import { dialStream, listenStream } from './stream-server.ts'

export const ipc: Transport<IpcAddress> = {
  async listen(address: IpcAddress, options: TransportOptions, handler: ListenHandler): Promise<Listener> {
    const path = address.path === '*' ? ownPath(process.platform) : address.path
    const endpoint = `ipc://${path}`
    const listen = () => listenStream({ path, backlog: options.backlog }, () => endpoint, handler)
    const listener = await listen().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES' && (await lacksFolder(path))) throw noFolder(path)
      if (error.code !== 'EADDRINUSE' || !(await removeStale(path))) throw error
      return listen()
    })
    // Node removes the socket file itself when the server closes.
    return { endpoint, close: listener.close }
  },

  dial(address: IpcAddress, options: TransportOptions, signal: AbortSignal): Promise<Pipe> {
    return dialStream({ path: address.path }, options.connectTimeoutMs, () => `ipc://${address.path}`, signal)
  },
}

/** Where the folder is not there, libuv says that access is denied, as Windows does. */
async function lacksFolder(path: string): Promise<boolean> {
  return (await fileAt(dirname(path)).catch(() => true)) === undefined
}

function noFolder(path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`there is no folder '${dirname(path)}'`), { code: 'ENOENT' })
}

/** A path that nobody else has: on Windows, where Node has named pipes in place of UNIX sockets, a pipe's name. */
export function ownPath(platform: NodeJS.Platform): string {
  const name = `zmq-rpc-${randomUUID()}`
  return platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`)
}

/**
 * Removes a socket file that nobody listens on; true when it is gone. Others may do the same at the same time: one that is
 * another file by now, because somebody has bound it, stays.
 */
export async function removeStale(path: string): Promise<boolean> {
  const found = await fileAt(path)
  if (found === undefined) return true
  if (!found.isSocket() || (await isHeard(path))) return false
  const now = await fileAt(path)
  if (now === undefined) return true
  if (now.ino !== found.ino || now.ctimeMs !== found.ctimeMs) return false
  await rm(path, { force: true })
  return true
}

/** Undefined when there is nothing, or no longer. */
async function fileAt(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** False only when it is certain that nobody listens. */
async function isHeard(path: string): Promise<boolean> {
  try {
    const pipe = await dialStream({ path }, 1000, () => path, new AbortController().signal)
    pipe.destroy()
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code !== 'ECONNREFUSED' && code !== 'ENOENT'
  }
}
