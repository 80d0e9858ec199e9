/** Passwords: who is let in, and who they are. */

import { createHash, timingSafeEqual } from 'node:crypto'
import { ZmqRpcError } from '../errors.ts'
import type { Authenticate } from '../socket/options.ts'
import { MAX_PLAIN_BYTES } from '../wire/index.ts'

/** What a client shows: at most 255 bytes each, in clear on the wire (PLAIN). */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** Who a peer is, as the authenticator says; a service finds it in its context. */
export interface Principal {
  readonly username: string
  readonly [property: string]: unknown
}

/** A server's side of passwords: give one of the two. */
export interface Auth {
  /** Passwords by username. Compared in constant time; the principal is `{ username }`. */
  readonly users?: Readonly<Record<string, string>> | undefined
  /**
   * Decides about each connection: a principal lets it in, undefined refuses it. May be async; the handshake's time-out
   * bounds it. When it throws, the client is refused for now and the error is published (`zmq-rpc:handshake:failed`).
   */
  readonly authenticate?:
    | ((credentials: Credentials, origin: AuthOrigin) => Principal | undefined | Promise<Principal | undefined>)
    | undefined
}

/** Where a client comes from. */
export interface AuthOrigin {
  /** The endpoint it came in on. */
  readonly endpoint: string
  readonly remoteAddress: string | undefined
}

/** @throws ZmqRpcError BAD_OPTION for neither or both of `users` and `authenticate`, or a name or password that is too long. */
export function resolveAuth(auth: Auth): Authenticate {
  const { users, authenticate } = auth
  if ((users === undefined) === (authenticate === undefined)) {
    throw new ZmqRpcError('BAD_OPTION', 'auth needs either users or authenticate')
  }
  const decide = authenticate ?? checkUsers(users as Readonly<Record<string, string>>)
  return async (request, origin) => {
    if (request.mechanism !== 'PLAIN') return { status: 400 }
    const principal = await decide({ username: request.username, password: request.password }, origin)
    // Anything but a principal refuses: without types, null and false are said as easily as undefined.
    return typeof principal === 'object' && principal !== null ? { status: 200, user: principal } : { status: 400 }
  }
}

/** The options of a socket that shows these credentials. @throws ZmqRpcError BAD_OPTION when they are too long. */
export function plainClientOptions(credentials: Credentials | undefined): { plainUsername?: string; plainPassword?: string } {
  if (credentials === undefined) return {}
  const { username, password } = credentials
  checkLength('credentials.username', username)
  checkLength('credentials.password', password)
  return { plainUsername: username, plainPassword: password }
}

function checkUsers(users: Readonly<Record<string, string>>): (credentials: Credentials) => Principal | undefined {
  const digests = new Map<string, Buffer>()
  for (const [username, password] of Object.entries(users)) {
    checkLength('a username', username)
    checkLength(`the password of ${username}`, password)
    digests.set(username, digest(password))
  }
  const nobody = digest('')
  return ({ username, password }) => {
    const expected = digests.get(username)
    // Compared even for an unknown user, and as digests: neither the time nor the length tells anything.
    const equal = timingSafeEqual(expected ?? nobody, digest(password))
    return equal && expected !== undefined ? { username } : undefined
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest()
}

function checkLength(what: string, text: unknown): void {
  if (typeof text !== 'string') throw new ZmqRpcError('BAD_OPTION', `${what} is not a string`)
  if (Buffer.byteLength(text) > MAX_PLAIN_BYTES) throw new ZmqRpcError('BAD_OPTION', `${what} is over ${MAX_PLAIN_BYTES} bytes`)
}
