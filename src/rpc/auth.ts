/**
 * Who is let in, and who they are: by password (PLAIN, in clear), or by key (CURVE, which also encrypts everything).
 *
 * Passwords and keys as options of the sockets: {@link serverOptions}, {@link clientOptions}.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import { ZmqRpcError } from '../errors.ts'
import { checkFunction, checkOptions, type OptionNames } from '../options.ts'
import { curveKeyPair, curvePublicKey, decodeKey, KEY_FORM } from '../socket/curve-key-pair.ts'
import type { Authenticate, AuthOrigin, CommonOptions } from '../socket/options.ts'
import { MAX_PLAIN_BYTES } from '../wire/index.ts'

/** What a client shows: a password, or keys. Both sides need the same of the two. */
export type Credentials = PasswordCredentials | CurveCredentials

/** At most 255 bytes each, in clear on the wire (PLAIN). */
export interface PasswordCredentials {
  /** At most 255 bytes of UTF-8. */
  readonly username: string
  /** At most 255 bytes of UTF-8. */
  readonly password: string
  /** Not both: a password, or keys. */
  readonly curve?: undefined
}

/** Keys as `curveKeyPair()` makes them: 40 characters of Z85 each. */
export interface CurveCredentials {
  /** The server's public key, and the client's own pair. */
  readonly curve: {
    /** The server's public key: a server that does not have the secret one learns nothing. */
    readonly serverKey: string
    /** The client's own secret key. @default a new one, for servers that let in any key */
    readonly secretKey?: string | undefined
    /** The public key that belongs to it. @default worked out of `secretKey` */
    readonly publicKey?: string | undefined
  }
}

/** Who a peer is, as the authenticator says; a service finds it in its context. */
export interface Principal {
  /** The name that rules and services know the peer by. */
  readonly username: string
  /** For rules about who may do what, as `register`'s `allow`. */
  readonly roles?: readonly string[] | undefined
  readonly [property: string]: unknown
}

/**
 * A server's side: give one of the three. The first two ask for passwords, the last for keys.
 *
 * Clients over `inproc://` are not asked, as with libzmq, and have no principal: they run in this process.
 */
export interface Auth {
  /** Passwords by username, with or without roles. Compared in constant time; the principal is `{ username, roles }`. */
  readonly users?: Readonly<Record<string, string | UserEntry>> | undefined
  /**
   * Decides about each connection: a principal lets it in, undefined refuses it. May be async; the handshake's time-out
   * bounds it. When it throws, the client is refused for now and the error is published (`zmq-rpc:handshake:failed`).
   */
  readonly authenticate?:
    | ((credentials: PasswordCredentials, origin: AuthOrigin) => Principal | undefined | Promise<Principal | undefined>)
    | undefined
  /** Keys, and everything encrypted. */
  readonly curve?: CurveAuth | undefined
}

/** A user who has roles. */
export interface UserEntry {
  /** At most 255 bytes of UTF-8. */
  readonly password: string
  /** For rules about who may do what. */
  readonly roles?: readonly string[] | undefined
}

/** A key whose owner has roles. */
export interface KeyEntry {
  /** 40 characters of Z85, as `curveKeyPair()` makes them. */
  readonly publicKey: string
  /** For rules about who may do what. */
  readonly roles?: readonly string[] | undefined
}

/**
 * With neither `allow` nor `authenticate`, any client that knows the server's public key is let in, and has no principal: anyone
 * can make a key.
 */
export interface CurveAuth {
  /** The server's own secret key; `curvePublicKey(secretKey)` is what clients have to know. */
  readonly secretKey: string
  /** The public key that belongs to it, so that a whole pair may be given. @default worked out of `secretKey` */
  readonly publicKey?: string | undefined
  /**
   * The public keys of those who are let in, by username or without, by username also with roles. The principal is
   * `{ username, publicKey, roles }`; the key stands for a username that is not given.
   *
   * @default any
   */
  readonly allow?: readonly string[] | Readonly<Record<string, string | KeyEntry>> | undefined
  /** As {@link Auth.authenticate}. With `allow`, asked only about the keys that are there. */
  readonly authenticate?:
    | ((client: { readonly publicKey: string }, origin: AuthOrigin) => Principal | undefined | Promise<Principal | undefined>)
    | undefined
}

const AUTH: OptionNames<Auth> = { users: true, authenticate: true, curve: true }
const USER: OptionNames<UserEntry> = { password: true, roles: true }
const KEY: OptionNames<KeyEntry> = { publicKey: true, roles: true }
const CURVE_AUTH: OptionNames<CurveAuth> = { secretKey: true, publicKey: true, allow: true, authenticate: true }
const CREDENTIALS: OptionNames<PasswordCredentials> & OptionNames<CurveCredentials> = { username: true, password: true, curve: true }
const CURVE_CREDENTIALS: OptionNames<CurveCredentials['curve']> = { serverKey: true, secretKey: true, publicKey: true }

/** The options of a socket that have to do with security. */
export type SecurityOptions = Partial<
  Pick<
    CommonOptions,
    | 'plainServer'
    | 'plainUsername'
    | 'plainPassword'
    | 'curveServer'
    | 'curveSecretKey'
    | 'curvePublicKey'
    | 'curveServerKey'
    | 'authenticate'
  >
>

/**
 * The options of a socket that asks its peers.
 *
 * @throws ZmqRpcError BAD_OPTION unless there is one of `users`, `authenticate` and `curve`, and for a name or password that is
 * too long or a key that is none.
 */
export function serverOptions(auth: Auth | undefined): SecurityOptions {
  if (auth === undefined) return {}
  checkOptions('auth', auth, AUTH)
  checkFunction('auth.authenticate', auth.authenticate)
  const { users, authenticate, curve } = auth
  if ([users, authenticate, curve].filter((given) => given !== undefined).length !== 1) {
    throw new ZmqRpcError('BAD_OPTION', 'auth needs either users or authenticate, or curve')
  }
  if (curve !== undefined) return curveServerOptions(curve)
  const decide = authenticate ?? checkUsers(users as NonNullable<Auth['users']>)
  return {
    plainServer: true,
    authenticate: async (request, origin) => {
      if (request.mechanism !== 'PLAIN') return { status: 400 }
      return answerOf(await decide({ username: request.username, password: request.password }, origin))
    },
  }
}

/** The options of a socket that shows these credentials. @throws ZmqRpcError BAD_OPTION when they are too long, or no keys. */
export function clientOptions(credentials: Credentials | undefined): SecurityOptions {
  if (credentials === undefined) return {}
  checkOptions('credentials', credentials, CREDENTIALS)
  if (credentials.curve !== undefined) return curveClientOptions(credentials.curve)
  const { username, password } = credentials
  checkLength('credentials.username', username)
  checkLength('credentials.password', password)
  return { plainUsername: username, plainPassword: password }
}

function curveServerOptions(curve: CurveAuth): SecurityOptions {
  checkOptions('auth.curve', curve, CURVE_AUTH)
  const { secretKey, publicKey, allow, authenticate } = curve
  checkFunction('auth.curve.authenticate', authenticate)
  checkKey('auth.curve.secretKey', secretKey)
  checkPair('auth.curve', secretKey, publicKey)
  const own = { curveServer: true, curveSecretKey: secretKey }
  const allowed = allow === undefined ? undefined : principalsOf(allow)
  if (allowed === undefined && authenticate === undefined) return own
  const decide: Authenticate = async (request, origin) => {
    if (request.mechanism !== 'CURVE') return { status: 400 }
    const principal = allowed?.get(request.publicKey)
    if (allowed !== undefined && principal === undefined) return { status: 400 }
    return answerOf(authenticate === undefined ? principal : await authenticate({ publicKey: request.publicKey }, origin))
  }
  return { ...own, authenticate: decide }
}

/** By public key. */
function principalsOf(allow: NonNullable<CurveAuth['allow']>): Map<string, Principal> {
  if (typeof allow !== 'object' || allow === null) {
    throw new ZmqRpcError('BAD_OPTION', 'auth.curve.allow is neither an array of keys nor an object of them')
  }
  const entries = Array.isArray(allow)
    ? allow.map((key: string) => [key, key] as const)
    : Object.entries<string | KeyEntry>(allow as Record<string, string | KeyEntry>)
  return new Map(
    entries.map(([username, entry]) => {
      const { publicKey, roles } = typeof entry === 'object' && entry !== null ? checked(username, entry, KEY) : { publicKey: entry }
      checkKey('a key of auth.curve.allow', publicKey)
      return [publicKey, { username, publicKey, ...checkedRoles(username, roles) }]
    }),
  )
}

function curveClientOptions(curve: CurveCredentials['curve']): SecurityOptions {
  checkOptions('credentials.curve', curve, CURVE_CREDENTIALS)
  const { serverKey, secretKey, publicKey } = curve
  checkKey('credentials.curve.serverKey', serverKey)
  if (secretKey === undefined) {
    if (publicKey !== undefined) throw new ZmqRpcError('BAD_OPTION', 'credentials.curve has a publicKey without its secretKey')
    const own = curveKeyPair()
    return { curveServerKey: serverKey, curveSecretKey: own.secretKey, curvePublicKey: own.publicKey }
  }
  checkKey('credentials.curve.secretKey', secretKey)
  const own = checkPair('credentials.curve', secretKey, publicKey)
  return { curveServerKey: serverKey, curveSecretKey: secretKey, curvePublicKey: own }
}

function checked<Entry>(username: string, entry: Entry, names: OptionNames<Entry>): Entry {
  checkOptions(`the entry of ${username}`, entry, names)
  return entry
}

/** The public key of a secret one. @throws ZmqRpcError BAD_OPTION when another one was given with it */
function checkPair(what: string, secretKey: string, publicKey: string | undefined): string {
  const own = curvePublicKey(secretKey)
  if (publicKey !== undefined && publicKey !== own)
    throw new ZmqRpcError('BAD_OPTION', `${what}.publicKey does not belong to its secretKey`)
  return own
}

/** Anything but a principal refuses: without types, null and false are said as easily as undefined. */
function answerOf(principal: unknown): Awaited<ReturnType<Authenticate>> {
  return typeof principal === 'object' && principal !== null ? { status: 200, user: principal } : { status: 400 }
}

function checkUsers(users: NonNullable<Auth['users']>): (credentials: PasswordCredentials) => Principal | undefined {
  if (typeof users !== 'object' || users === null) throw new ZmqRpcError('BAD_OPTION', 'auth.users is no object of passwords by username')
  const known = new Map<string, { digest: Buffer; principal: Principal }>()
  for (const [username, entry] of Object.entries(users)) {
    const { password, roles } = typeof entry === 'object' && entry !== null ? checked(username, entry, USER) : { password: entry }
    checkLength('a username', username)
    checkLength(`the password of ${username}`, password)
    known.set(username, { digest: digest(password), principal: { username, ...checkedRoles(username, roles) } })
  }
  const nobody = digest('')
  return ({ username, password }) => {
    const user = known.get(username)
    // Compared even for an unknown user, and as digests: neither the time nor the length tells anything.
    const equal = timingSafeEqual(user?.digest ?? nobody, digest(password))
    // A copy: what one service may write into it is nothing to other connections.
    return equal && user !== undefined ? { ...user.principal } : undefined
  }
}

/** Copied and frozen: a principal is handed to every service that its connection calls. */
function checkedRoles(username: string, roles: unknown): { roles?: readonly string[] } {
  if (roles === undefined) return {}
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string')) {
    throw new ZmqRpcError('BAD_OPTION', `the roles of ${username} are no array of strings`)
  }
  return { roles: Object.freeze([...roles]) }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest()
}

function checkLength(what: string, text: unknown): void {
  if (typeof text !== 'string') throw new ZmqRpcError('BAD_OPTION', `${what} is not a string`)
  if (Buffer.byteLength(text) > MAX_PLAIN_BYTES) throw new ZmqRpcError('BAD_OPTION', `${what} is over ${MAX_PLAIN_BYTES} bytes`)
}

/** The text does not show the key. */
function checkKey(what: string, key: unknown): void {
  if (decodeKey(key) === undefined) throw new ZmqRpcError('BAD_OPTION', `${what} is not ${KEY_FORM}`)
}
