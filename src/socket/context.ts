/** What sockets of one thread share: the names of `inproc://`, and being closed together. */

import { InprocRegistry } from '../session/inproc.ts'
import type { SocketCore } from './socket-core.ts'

export class Context {
  /** For the sockets. */
  readonly inproc: InprocRegistry = new InprocRegistry()
  readonly #open = new Set<SocketCore>()

  /** Sockets that are open. */
  get openSockets(): number {
    return this.#open.size
  }

  /** For the sockets. */
  opened(socket: SocketCore): void {
    this.#open.add(socket)
  }

  /** For the sockets. */
  closed(socket: SocketCore): void {
    this.#open.delete(socket)
  }
}

/** The context of sockets that are given none. */
export const context: Context = new Context()
