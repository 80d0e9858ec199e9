/**
 * One bound endpoint: makes a session of each connection that comes in, and ends them with the endpoint.
 *
 * Strangers may hold no more than its limits: a connection over `maxConnections` or `maxConnectionsPerAddress` is turned away. Over `maxHandshakes` it is the
 * oldest handshake that ends, not the newest: honest ones are over soon, and those that stay are the ones to be rid of.
 */

import { SocketError } from '../errors.ts'
import { originOf } from '../transport/endpoint.ts'
import type { Listener, Pipe } from '../transport/pipe.ts'
import type { PeerHandler } from './peer.ts'
import { Session, type SessionOptions } from './session.ts'

/** What strangers may hold at one endpoint; 0 for no limit. */
export interface AcceptorLimits {
  /** Connections, those in their handshake included. */
  maxConnections: number
  /** The same, of one tcp address. */
  maxConnectionsPerAddress: number
  /** Handshakes under way. */
  maxHandshakes: number
}

/** What the acceptor has to tell; the socket turns it into events. */
export interface AcceptorHandler {
  accepted(session: Session): void
  /** A connection was turned away, or (`session`) ends in its handshake, for the sake of this limit. */
  refused(limit: keyof AcceptorLimits, error: SocketError, remoteAddress: string, session?: Session): void
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
    options: SessionOptions & AcceptorLimits,
    peerHandler: PeerHandler,
    handler: AcceptorHandler,
  ): Promise<Acceptor> {
    const { maxConnections, maxConnectionsPerAddress, maxHandshakes } = options
    const sessions = new Set<Session>()
    /** The oldest first. */
    const handshakes = new Set<Session>()
    const perOrigin = new Map<string, number>()
    const count = (remoteAddress: string, change: 1 | -1): void => {
      const origin = originOf(remoteAddress)
      if (maxConnectionsPerAddress === 0 || origin === undefined) return
      const connections = (perOrigin.get(origin) ?? 0) + change
      if (connections === 0) perOrigin.delete(origin)
      else perOrigin.set(origin, connections)
    }
    let endpoint = ''
    const owner = {
      opened: (session: Session) => {
        handshakes.delete(session)
        handler.handshake(session)
      },
      closed: (session: Session, reason: Error | undefined) => {
        sessions.delete(session)
        handshakes.delete(session)
        count(session.remoteAddress ?? '', -1)
        handler.disconnected(session, reason)
      },
    }
    const listener = await listen({
      accepted: (pipe) => {
        if (maxConnections > 0 && sessions.size >= maxConnections) {
          pipe.destroy()
          return handler.refused('maxConnections', crowded(endpoint, `${maxConnections} connections (maxConnections)`), pipe.remoteAddress)
        }
        const { remoteAddress } = pipe
        if (maxConnectionsPerAddress > 0 && (perOrigin.get(originOf(remoteAddress) ?? '') ?? 0) >= maxConnectionsPerAddress) {
          pipe.destroy()
          const error = crowded(endpoint, `${maxConnectionsPerAddress} connections of this address (maxConnectionsPerAddress)`)
          return handler.refused('maxConnectionsPerAddress', error, remoteAddress)
        }
        count(remoteAddress, 1)
        const session = new Session(endpoint, false, options, peerHandler, owner)
        sessions.add(session)
        handshakes.add(session)
        session.open(pipe)
        handler.accepted(session)
        if (maxHandshakes === 0 || handshakes.size <= maxHandshakes) return
        const [oldest] = handshakes as Iterable<Session> as [Session]
        handshakes.delete(oldest)
        const error = crowded(endpoint, `${maxHandshakes} handshakes under way (maxHandshakes), and this is the oldest`)
        handler.refused('maxHandshakes', error, oldest.remoteAddress ?? '', oldest)
        oldest.disconnect(error)
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

function crowded(endpoint: string, what: string): SocketError {
  return new SocketError('EBUSY', { text: `'${endpoint}' has ${what}`, address: endpoint })
}

/** An error of the operating system as the error of the socket API that stands for it. */
export function bindError(endpoint: string, error: NodeJS.ErrnoException): SocketError {
  const code = error.code
  const known = code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENAMETOOLONG'
  const text = `cannot bind '${endpoint}'`
  if (code === 'EADDRINUSE') return new SocketError(code, { text: `${text} (${takenBy(endpoint)})`, address: endpoint, cause: error })
  if (code === 'ENOENT') return new SocketError(code, { text: `${text} (${error.message})`, address: endpoint, cause: error })
  if (known) return new SocketError(code, { text, address: endpoint, cause: error })
  // A host that is no address of this machine.
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return new SocketError('ENODEV', { text, address: endpoint, cause: error })
  return new SocketError('EINVAL', { text: `${text} (${error.message})`, address: endpoint, cause: error })
}

function takenBy(endpoint: string): string {
  if (endpoint.startsWith('ipc:')) return 'somebody listens there already, or the file is no socket: choose another path'
  return 'another program listens there, or this one does already: choose another port, or 0 for one that is free'
}
