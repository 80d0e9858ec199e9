/** The names of `inproc://`: who has bound which, and who waits for it. */

import { SocketError } from '../errors.ts'
import type { InprocPeer } from './inproc.ts'
import { InprocThreads } from './inproc-threads.ts'

/** Makes the other end of a peer that connects. */
type Accept = (connecting: InprocPeer) => void

export class InprocRegistry {
  readonly #bound = new Map<string, Accept>()
  readonly #waiting = new Map<string, Set<InprocPeer>>()
  readonly #threads: InprocThreads | undefined

  /** `acrossThreads`: other threads find the names of this registry, and the other way round. */
  constructor(acrossThreads: boolean) {
    this.#threads = acrossThreads ? new InprocThreads(this) : undefined
  }

  /** True while a name is bound or waited for. */
  get busy(): boolean {
    return this.#bound.size + this.#waiting.size > 0
  }

  /**
   * `accept` makes the other end of each peer that connects, now or later.
   *
   * @throws SocketError EADDRINUSE when the name is bound already.
   */
  bind(name: string, accept: Accept): void {
    if (this.#bound.has(name)) {
      const text = `cannot bind 'inproc://${name}' (this program listens there already: choose another name)`
      throw new SocketError('EADDRINUSE', { text, address: `inproc://${name}` })
    }
    this.#bound.set(name, accept)
    for (const peer of this.takeWaiting(name)) accept(peer)
    this.#threads?.changed()
    this.#threads?.bound(name)
  }

  unbind(name: string, accept: Accept): void {
    if (this.#bound.get(name) === accept) this.#bound.delete(name)
    this.#threads?.changed()
  }

  /** What was given to `bind`. */
  accepting(name: string): Accept | undefined {
    return this.#bound.get(name)
  }

  /** Those who wait for the name; they no longer do. */
  takeWaiting(name: string): InprocPeer[] {
    const waiting = [...(this.#waiting.get(name) ?? [])]
    this.#waiting.delete(name)
    if (waiting.length > 0) this.#threads?.changed()
    return waiting
  }

  connect(name: string, peer: InprocPeer): void {
    const accept = this.#bound.get(name)
    if (accept !== undefined) return accept(peer)
    const waiting = this.#waiting.get(name)
    if (waiting === undefined) this.#waiting.set(name, new Set([peer]))
    else waiting.add(peer)
    this.#threads?.changed()
    this.#threads?.sought(name)
  }

  /** The peer no longer waits for the name. */
  forget(name: string, peer: InprocPeer): void {
    const waiting = this.#waiting.get(name)
    if (waiting?.delete(peer) && waiting.size === 0) this.#waiting.delete(name)
    this.#threads?.changed()
  }
}
