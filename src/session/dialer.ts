/** Keeps one `connect` endpoint connected: dials, waits, dials again, until it is closed. */

import { toError } from '../errors.ts'
import type { Pipe } from '../transport/pipe.ts'
import { AuthRefused, IncompatiblePeer, MechanismMismatch } from '../wire/index.ts'
import { Backoff, type BackoffOptions } from './backoff.ts'
import type { PeerHandler } from './peer.ts'
import { Session, type SessionOptions } from './session.ts'

/** What the dialer has to tell; the socket turns it into events. */
export interface DialerHandler {
  connected(session: Session): void
  /** A connection attempt failed, or a connection ended; the next attempt comes after `retryMs`, if at all. */
  waiting(session: Session, reason: Error | undefined, retryMs: number | undefined): void
  handshake(session: Session): void
  disconnected(session: Session, reason: Error | undefined): void
}

export class Dialer {
  readonly session: Session
  readonly #dial: (signal: AbortSignal) => Promise<Pipe>
  readonly #handler: DialerHandler
  readonly #backoff: Backoff
  readonly #stop = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #closing = false

  constructor(
    endpoint: string,
    dial: (signal: AbortSignal) => Promise<Pipe>,
    options: SessionOptions & BackoffOptions,
    peerHandler: PeerHandler,
    handler: DialerHandler,
  ) {
    this.#dial = dial
    this.#handler = handler
    this.#backoff = new Backoff(options)
    this.session = new Session(endpoint, true, options, peerHandler, {
      opened: (session) => {
        this.#backoff.succeeded()
        handler.handshake(session)
      },
      closed: (session, reason) => {
        handler.disconnected(session, reason)
        // While it lingers for messages that wait, it still comes back.
        if (!this.#closing || session.queuedMessages > 0) this.#again(reason)
      },
    })
  }

  start(): void {
    void this.#attempt()
  }

  /** Waits for the session's messages to be written, up to `lingerMs` (-1: however long it takes), then ends. */
  async close(lingerMs: number): Promise<void> {
    this.#closing = true
    await this.session.close(lingerMs)
    clearTimeout(this.#timer)
    this.#stop.abort(new Error('the endpoint was disconnected'))
  }

  async #attempt(): Promise<void> {
    const { signal } = this.#stop
    try {
      const pipe = await this.#dial(signal)
      if (signal.aborted || (this.#closing && this.session.queuedMessages === 0)) return pipe.destroy()
      this.session.open(pipe)
      this.#handler.connected(this.session)
    } catch (error) {
      this.#again(toError(error))
    }
  }

  #again(reason: Error | undefined): void {
    if (this.#stop.signal.aborted) return
    const retryMs = this.#backoff.next(isRefusal(reason))
    this.#handler.waiting(this.session, reason, retryMs)
    if (retryMs !== undefined) this.#timer = setTimeout(() => void this.#attempt(), retryMs)
  }
}

/** True for what the two sides' settings cause: trying again soon would only fail again. */
function isRefusal(reason: Error | undefined): boolean {
  if (reason instanceof AuthRefused) return reason.status !== 300
  return reason instanceof MechanismMismatch || reason instanceof IncompatiblePeer
}
