/** Listening and dialling with `node:net`, for TCP and ipc. */

import {
  createServer,
  type IpcNetConnectOpts,
  type ListenOptions,
  type NetConnectOpts,
  type ServerOpts,
  Socket,
  type TcpNetConnectOpts,
} from 'node:net'
import { toError } from '../errors.ts'
import type { ListenHandler, Pipe } from './pipe.ts'
import { STREAM_HIGH_WATER_MARK, StreamPipe } from './stream-pipe.ts'

export interface StreamListener {
  address: ReturnType<ReturnType<typeof createServer>['address']>
  close(): Promise<void>
}

/** Rejects with the system's error (EADDRINUSE, EACCES, …) when the address cannot be had. */
export function listenStream(
  options: ListenOptions & Pick<ServerOpts, 'keepAlive' | 'keepAliveInitialDelay'>,
  remoteAddressOf: (socket: Socket) => string,
  handler: ListenHandler,
): Promise<StreamListener> {
  return new Promise((resolve, reject) => {
    const { keepAlive, keepAliveInitialDelay, ...where } = options
    const ofConnections: ServerOpts = { noDelay: true, highWaterMark: STREAM_HIGH_WATER_MARK, keepAlive, keepAliveInitialDelay }
    const server = createServer(ofConnections, (socket) => {
      handler.accepted(new StreamPipe(socket, remoteAddressOf(socket)))
    })
    server.once('error', reject)
    server.listen({ ...where, exclusive: true }, () => {
      server.off('error', reject)
      server.on('error', (error) => handler.failed(error))
      resolve({
        address: server.address(),
        // Accepted connections belong to their sessions, which close them: only the listening ends here.
        close: async () => {
          server.close()
        },
      })
    })
  })
}

/** Rejects with the system's error, or with the signal's reason. */
export function dialStream(
  options: TcpNetConnectOpts | IpcNetConnectOpts,
  connectTimeoutMs: number,
  remoteAddressOf: (socket: Socket) => string,
  signal: AbortSignal,
): Promise<Pipe> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(toError(signal.reason))
    // All of the options here, too: `connect` alone would ignore `noDelay` and `keepAlive`.
    const socketOptions = { ...options, highWaterMark: STREAM_HIGH_WATER_MARK }
    const socket = new Socket(socketOptions)
    const timer =
      connectTimeoutMs > 0 ? setTimeout(() => fail(new Error(`no connection within ${connectTimeoutMs} ms`)), connectTimeoutMs) : undefined
    const fail = (error: Error): void => {
      settle()
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const aborted = (): void => fail(toError(signal.reason))
    const settle = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', aborted)
      socket.off('error', fail)
    }
    signal.addEventListener('abort', aborted)
    socket.once('error', fail)
    socket.connect(options as NetConnectOpts, () => {
      settle()
      // A client that dials a free port of its own host may, by TCP's simultaneous open, reach itself.
      if ('port' in options && socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress) {
        return fail(new Error('the connection led back to itself'))
      }
      resolve(new StreamPipe(socket, remoteAddressOf(socket)))
    })
  })
}
