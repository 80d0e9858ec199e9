/**
 * ipc: UNIX domain sockets, `ipc://path`.
 *
 * The socket file has the permissions that the process's umask leaves; whoever may write it may connect. A file left
 * behind by a process that is gone is removed; one that somebody listens on is not (libzmq would steal it).
 */

import { randomUUID } from 'node:crypto'
import { rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IpcAddress } from './endpoint.ts'
import type { Listener, ListenHandler, Pipe, Transport, TransportOptions } from './pipe.ts'
import { dialStream, listenStream } from './stream-server.ts'

export const ipc: Transport<IpcAddress> = {
  async listen(address: IpcAddress, options: TransportOptions, handler: ListenHandler): Promise<Listener> {
    const path = address.path === '*' ? join(tmpdir(), `zmq-rpc-${randomUUID()}.sock`) : address.path
    const endpoint = `ipc://${path}`
    const listen = () => listenStream({ path, backlog: options.backlog }, () => endpoint, handler)
    const listener = await listen().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' || !(await isStale(path))) throw error
      await rm(path, { force: true })
      return listen()
    })
    // Node removes the socket file itself when the server closes.
    return { endpoint, close: listener.close }
  },

  dial(address: IpcAddress, options: TransportOptions, signal: AbortSignal): Promise<Pipe> {
    return dialStream({ path: address.path }, options.connectTimeoutMs, () => `ipc://${address.path}`, signal)
  },
}

/** True for a socket file that nobody listens on. */
async function isStale(path: string): Promise<boolean> {
  if (!(await stat(path)).isSocket()) return false
  try {
    const pipe = await dialStream({ path }, 1000, () => path, new AbortController().signal)
    pipe.destroy()
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
  }
}
