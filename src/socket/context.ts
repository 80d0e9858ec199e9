/** What sockets share: the names of `inproc://`. */

import { InprocRegistry } from '../session/inproc-registry.ts'
import type { SocketCore } from './socket-core.ts'

/** Options of a {@link Context}. */
export interface ContextOptions {
  /** Other threads of the process find the `inproc://` names of this context, and the other way round. @default false */
  acrossThreads?: boolean | undefined
}

/** Sockets of one context meet on `inproc://` names; those of another do not. */
export class Context {
  /** @internal for the sockets */
  readonly inproc: InprocRegistry
  readonly #open = new Set<SocketCore>()

  constructor(options: ContextOptions = {}) {
    this.inproc = new InprocRegistry(options.acrossThreads ?? false)
  }

  /** Sockets that are open. */
  get openSockets(): number {
    return this.#open.size
  }

  /** @internal for the sockets */
  opened(socket: SocketCore): void {
    this.#open.add(socket)
  }

  /** @internal for the sockets */
  closed(socket: SocketCore): void {
    this.#open.delete(socket)
  }
}

/** The context of sockets that are given none: one for all threads of the process. */
export const context: Context = new Context({ acrossThreads: true })
