/** Sockets of the `zeromq` package for one test each: closed, without lingering, when it ends. */

import type * as zeromq from 'zeromq'
import { loadLibzmq, peer } from '../../helpers/peers.ts'
import { codeOf, type TestSockets } from '../../helpers/sockets.ts'

export const libzmq = peer('libzmq')

/** The package, where this machine has it; tests that are skipped never touch it. */
export const zmq = (libzmq.available ? await loadLibzmq() : undefined) as Awaited<ReturnType<typeof loadLibzmq>>

type Opened<T> = T extends new (options?: infer O) => infer S ? { options: O; socket: S } : never

/** `use` closes it. */
export function openLibzmq<T extends new (options?: never) => zeromq.Socket>(
  use: TestSockets,
  type: T,
  options: object = {},
): Opened<T>['socket'] {
  const timeouts = Object.fromEntries(
    ['sendTimeout', 'receiveTimeout'].filter((name) => name in type.prototype).map((name) => [name, 10_000]),
  )
  const socket = new type({ linger: 0, ...timeouts, ...options } as never)
  use.defer(() => socket.close())
  return socket as Opened<T>['socket']
}

/** The next event of this kind at a socket of libzmq. */
export function libzmqEvent<T extends zeromq.EventType>(socket: zeromq.Socket, ...types: T[]): Promise<zeromq.EventOfType<T>> {
  return new Promise((resolve) => {
    for (const type of types) socket.events.on(type, (event) => resolve(event as never))
  })
}

/** libzmq asks a ZAP handler, a socket of the same context, who may come in. It has seen all passwords when the test ends. */
export async function zapHandler(use: TestSockets, context: zeromq.Context, password: string): Promise<string[]> {
  const handler = new zmq.Router({ context, linger: 0 })
  use.defer(() => handler.close())
  await handler.bind('inproc://zeromq.zap.01')
  const seen: string[] = []
  const serving = (async () => {
    for await (const [id, , version, request, , , , , username, given] of handler) {
      seen.push(`${username}:${given}`)
      const status = String(given) === password ? '200' : '400'
      await handler.send([id as Buffer, '', version as Buffer, request as Buffer, status, '', String(username), ''])
    }
  })()
  serving.catch((error: unknown) => {
    if (codeOf(error) !== 'EAGAIN' && codeOf(error) !== 'EBADF') throw error
  })
  return seen
}
