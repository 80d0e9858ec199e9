/** One bound endpoint: makes a session of each connection that comes in, and ends them with the endpoint. */

import { SocketError } from '../errors.ts'
import type { Listener, Pipe } from '../transport/pipe.ts'
import type { PeerHandler } from './peer.ts'
import { Session, type SessionOptions } from './session.ts'

/** What the acceptor has to tell; the socket turns it into events. */
export interface AcceptorHandler {
  accepted(session: Session): void
  handshake(session: Session): void
  disconnected(session: Session, reason: Error | undefined): void
  failed(endpoint: string, error: Error): void
}

export class Acceptor {
  /** As bound: wildcards and port 0 resolved. */
  readonly endpoint: string
  readonly #listener: Listener
  readonly #sessions: Set<Session>

  private constructor(listener: Listener, sessions: Set<Session>) {
    this.endpoint = listener.endpoint
    this.#listener = listener
    this.#sessions = sessions
  }

  static async listen(
    listen: (handler: { accepted(pipe: Pipe): void; failed(error: Error): void }) => Promise<Listener>,
    options: SessionOptions,
    peerHandler: PeerHandler,
    handler: AcceptorHandler,
  ): Promise<Acceptor> {
    const sessions = new Set<Session>()
    let endpoint = ''
    const owner = {
      opened: (session: Session) => handler.handshake(session),
      closed: (session: Session, reason: Error | undefined) => {
        sessions.delete(session)
        handler.disconnected(session, reason)
      },
    }
    const listener = await listen({
      accepted: (pipe) => {
        const session = new Session(endpoint, false, options, peerHandler, owner)
        sessions.add(session)
        session.open(pipe)
        handler.accepted(session)
      },
      failed: (error) => handler.failed(endpoint, error),
    })
    endpoint = listener.endpoint
    return new Acceptor(listener, sessions)
  }

  /** Connections, those still in their handshake included. */
  get connections(): number {
    return this.#sessions.size
  }

  /** Stops listening and ends the connections, as libzmq does: each writes what waits, up to `lingerMs` (-1: however long it takes). */
  async close(lingerMs: number): Promise<void> {
    await Promise.all([this.#listener.close(), ...[...this.#sessions].map((session) => session.close(lingerMs))])
  }
}

/** An error of the operating system as the error of the socket API that stands for it. */
export function bindError(endpoint: string, error: NodeJS.ErrnoException): SocketError {
  const code = error.code
  const known = code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENAMETOOLONG'
  const text = `cannot bind '${endpoint}'`
  if (known) return new SocketError(code, { text, address: endpoint, cause: error })
  // A host that is no address of this machine.
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return new SocketError('ENODEV', { text, address: endpoint, cause: error })
  return new SocketError('EINVAL', { text: `${text} (${error.message})`, address: endpoint, cause: error })
}
