/**
 * What happens to a socket's endpoints and connections, as events: the same names and fields as in the `zeromq` package,
 * and a few fields more.
 */

import { EventEmitter } from 'node:events'
import { SocketError } from '../errors.ts'

interface OfEndpoint {
  /** The endpoint: as bound, or as given to `connect`. */
  address: string
  /** The far end of the connection, where there is one. Not in `zeromq`. */
  remoteAddress?: string | undefined
}

interface OfFailure extends OfEndpoint {
  error: Error
}

/** An event and its fields, told apart by `type`. */
export type Event =
  /** A connection came in; its handshake is still to come. */
  | ({ type: 'accept' } & OfEndpoint)
  | ({ type: 'accept:error' } & OfFailure)
  | ({ type: 'bind' } & OfEndpoint)
  | ({ type: 'bind:error' } & OfFailure)
  /** The transport is connected; the handshake is still to come. */
  | ({ type: 'connect' } & OfEndpoint)
  /** Connecting has begun. */
  | ({ type: 'connect:delay' } & OfEndpoint)
  /** The next attempt comes in `interval` ms. `error` (not in `zeromq`) says why the last one failed. */
  | ({ type: 'connect:retry'; interval: number; error?: Error | undefined } & OfEndpoint)
  | ({ type: 'close' } & OfEndpoint)
  | ({ type: 'close:error' } & OfFailure)
  /**
   * A connection that had finished its handshake is gone, and not by our own close, unbind or disconnect. `error` (not in
   * `zeromq`) says why, unless in good order.
   */
  | ({ type: 'disconnect'; error?: Error | undefined } & OfEndpoint)
  /** Messages travel from now on. */
  | ({ type: 'handshake' } & OfEndpoint)
  | ({ type: 'handshake:error:protocol' } & OfFailure)
  /** The password or key was refused; `error.status` is the ZAP status (300, 400 or 500). */
  | ({ type: 'handshake:error:auth'; error: Error & { status: number } } & OfEndpoint)
  | ({ type: 'handshake:error:other' } & OfFailure)
  /**
   * What waits for a peer, or of it for the application, has reached its mark. Not told again until half of it is gone. Not in `zeromq`.
   */
  | ({ type: 'queue:full'; queue: 'send' | 'receive' } & OfEndpoint)
  /** The last event: the socket is closed. */
  | { type: 'end' }

/** The names of the events. */
export type EventType = Event['type']
/** The event of one name, with its fields. */
export type EventOfType<T extends EventType = EventType> = Extract<Event, { type: T }>

/** Events that nobody has taken are kept up to this many; then the oldest go. */
const MAX_KEPT = 1000

/**
 * Watches a socket, by listeners or by `receive`; once a listener was added, `receive` is refused (EBUSY).
 *
 * It begins when the socket's `events` are first looked at, and keeps what happens until then.
 */
export class Observer {
  readonly #emitter = new EventEmitter()
  #mode: 'none' | 'listeners' | 'receive' = 'none'
  #kept: Event[] = []
  #waiting: { resolve(event: Event): void; reject(error: Error): void } | undefined
  #closed = false

  /** No more events come. */
  get closed(): boolean {
    return this.#closed
  }

  /** Calls the listener at each event of this name, in the middle of the socket's work: it should be quick. What it throws is an uncaught exception. */
  on<T extends EventType>(type: T, listener: (event: EventOfType<T>) => void): this {
    this.#mode = 'listeners'
    this.#kept = []
    this.#emitter.on(type, listener)
    return this
  }

  /** Takes a listener away again. */
  off<T extends EventType>(type: T, listener: (event: EventOfType<T>) => void): this {
    this.#emitter.off(type, listener)
    return this
  }

  /**
   * The next event.
   *
   * @throws SocketError EBUSY in listener mode or when another call waits, EBADF after `close`.
   */
  async receive(): Promise<Event> {
    if (this.#mode === 'listeners' || this.#waiting !== undefined) throw new SocketError('EBUSY', { text: 'the events are being observed' })
    this.#mode = 'receive'
    const event = this.#kept.shift()
    if (event !== undefined) return event
    if (this.#closed) throw new SocketError('EBADF')
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  /** Ends with the socket. */
  async *[Symbol.asyncIterator](): AsyncIterator<Event, undefined> {
    for (;;) {
      if (this.#closed && this.#kept.length === 0) return
      const event = await this.receive().catch((error: unknown) => {
        if (error instanceof SocketError && error.code === 'EBADF') return undefined
        throw error
      })
      if (event === undefined) return
      yield event
      if (event.type === 'end') return
    }
  }

  /** Watches no more. A `receive` that waits is refused (EBADF). */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiting?.reject(new SocketError('EBADF'))
    this.#waiting = undefined
  }

  /** For the socket. A listener that throws is the application's own fault, and is told as an uncaught exception. */
  emit(event: Event): void {
    if (this.#closed) return
    if (this.#mode === 'listeners') {
      try {
        this.#emitter.emit(event.type, event)
      } catch (error) {
        // Not from here: a socket that is in the middle of its work would be left half done.
        process.nextTick(() => {
          throw error
        })
      }
    } else if (this.#waiting !== undefined) {
      this.#waiting.resolve(event)
      this.#waiting = undefined
    } else {
      if (this.#kept.length >= MAX_KEPT) this.#kept.shift()
      this.#kept.push(event)
    }
  }
}
