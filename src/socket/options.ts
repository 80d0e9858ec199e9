/**
 * The options of sockets: names, defaults and ranges as in the `zeromq` package, each with its libzmq name.
 *
 * They are properties of a socket. As in libzmq, a change counts for the endpoints that are bound or connected after it;
 * timeouts and `linger` count at once.
 */

import { SocketError } from '../errors.ts'
import { type AuthAnswer, type AuthRequest, MAX_PLAIN_BYTES } from '../wire/index.ts'
import { decodeKey, KEY_FORM } from './curve-key-pair.ts'
import { nearestOption } from './misspelt-options.ts'

/** Where a request to be let in comes from. */
export interface AuthOrigin {
  /** The endpoint it came in on, as bound. */
  readonly endpoint: string
  /** The far end, as an endpoint. */
  readonly remoteAddress: string | undefined
}

/** Decides who is let in; see {@link CommonOptions.authenticate}. */
export type Authenticate = (request: AuthRequest, origin: AuthOrigin) => AuthAnswer | Promise<AuthAnswer>

/** Options of every socket. Durations are milliseconds, sizes bytes; -1 stands for "no limit". */
export interface CommonOptions {
  /** How long unsent messages keep a closing socket alive; -1 for ever, 0 not at all. @default -1 (ZMQ_LINGER) */
  linger: number
  /** Wait before connecting again; -1: never again. A random part of up to the same length is added. @default 100 (ZMQ_RECONNECT_IVL) */
  reconnectInterval: number
  /** The wait doubles up to this; 0: it does not grow. @default 0 (ZMQ_RECONNECT_IVL_MAX) */
  reconnectMaxInterval: number
  /** Connections that may wait to be accepted. @default 100 (ZMQ_BACKLOG) */
  backlog: number
  /** Largest message taken in; a peer that sends a larger one is disconnected. -1 stands for 256 MiB. @default -1 (ZMQ_MAXMSGSIZE) */
  maxMessageSize: number
  /** Wildcards and names mean IPv6, too. Literal addresses always work. @default false (ZMQ_IPV6) */
  ipv6: boolean
  /** 1 turns TCP keep-alive on; 0 and -1 leave it off. @default -1 (ZMQ_TCP_KEEPALIVE) */
  tcpKeepalive: number
  /** Seconds of silence before the first keep-alive probe; -1: the system's. @default -1 (ZMQ_TCP_KEEPALIVE_IDLE) */
  tcpKeepaliveIdle: number
  /** Time for a connection to come about; 0: the system's own limit. @default 0 (ZMQ_CONNECT_TIMEOUT) */
  connectTimeout: number
  /** Time for the handshake; 0: no limit. @default 30000 (ZMQ_HANDSHAKE_IVL) */
  handshakeInterval: number
  /** A PING so often; 0: none. @default 0 (ZMQ_HEARTBEAT_IVL) */
  heartbeatInterval: number
  /** Silence after a PING that ends the connection; -1: as long as `heartbeatInterval`. @default -1 (ZMQ_HEARTBEAT_TIMEOUT) */
  heartbeatTimeout: number
  /** Silence of ours after which the peer may end the connection; at most 65500. @default 0, not asked for (ZMQ_HEARTBEAT_TTL) */
  heartbeatTimeToLive: number
  /** Queue only for connections that are established, not for those being made. @default false (ZMQ_IMMEDIATE) */
  immediate: boolean
  /** Clients must show a username and password: see `authenticate`. @default false (ZMQ_PLAIN_SERVER) */
  plainServer: boolean
  /** Makes this socket a PLAIN client, whether it binds or connects; at most 255 bytes. @default null (ZMQ_PLAIN_USERNAME) */
  plainUsername: string | null
  /** At most 255 bytes. @default null (ZMQ_PLAIN_PASSWORD) */
  plainPassword: string | null
  /** Clients must know this socket's public key, and everything is encrypted: see `authenticate`. @default false (ZMQ_CURVE_SERVER) */
  curveServer: boolean
  /** This socket's own secret key, as both server and client need it; 40 characters of Z85. @default null (ZMQ_CURVE_SECRETKEY) */
  curveSecretKey: string | null
  /** The public key that belongs to it; may be left out. @default null (ZMQ_CURVE_PUBLICKEY) */
  curvePublicKey: string | null
  /** Makes this socket a CURVE client, whether it binds or connects, of the server with this public key. @default null (ZMQ_CURVE_SERVERKEY) */
  curveServerKey: string | null
  /**
   * Decides about the clients of a PLAIN or CURVE server: status 200 lets in, 300 sends away to come again, 400 refuses.
   * Without one, a PLAIN server lets nobody in, a CURVE server everybody who knows its key. Not in `zeromq`, where this is
   * the ZAP handler's part. Over inproc nobody is asked, as in libzmq.
   *
   * @default null
   */
  authenticate: Authenticate | null
  /** Connections that each bound endpoint takes; those over it are closed at once. 0: as many as the system. Not in `zeromq`. @default 0 */
  maxConnections: number
  /**
   * Connections that each bound tcp endpoint takes of one address (of IPv6, of one /64 network, since a host may have all of it); those
   * over it are closed at once. 0: any number. Not in `zeromq`.
   *
   * Off by default: behind a gateway, a proxy or a container network thousands of honest clients share one address.
   *
   * @default 0
   */
  maxConnectionsPerAddress: number
  /**
   * Handshakes under way that each bound endpoint bears: with more, the oldest ends. 0: no limit. Not in `zeromq`.
   *
   * Who is in its handshake has shown no password or key yet, and can make us hold some 70 KiB until `handshakeInterval` is over.
   * An honest handshake takes as long as the network and `authenticate` do: raise this where thousands come at once and `authenticate`
   * is slow.
   *
   * @default 1000
   */
  maxHandshakes: number
  /**
   * Bytes that a peer may send in its handshake, before it is let in; with more it is disconnected. At least 1024. Not in `zeromq`.
   *
   * @default 65536
   */
  maxHandshakeBytes: number
  /** Bytes that may wait for each peer, each way; 0: only the high-water marks count. Not in `zeromq`. @default 268435456 */
  maxQueueBytes: number
  /** Properties that the peer is told in the handshake, names starting with `X-`. Not in `zeromq`. @default {} */
  handshakeProperties: Readonly<Record<string, string>>
}

/** Options of sockets that send. */
export interface SendOptions {
  /** Messages that may wait for each peer; 0: no limit. @default 1000 (ZMQ_SNDHWM) */
  sendHighWaterMark: number
  /** How long `send` waits for room; -1 for ever, 0 not at all (EAGAIN). @default -1 (ZMQ_SNDTIMEO) */
  sendTimeout: number
}

/** Options of sockets that receive. */
export interface ReceiveOptions {
  /** Messages of each peer that may wait to be received; 0: no limit. @default 1000 (ZMQ_RCVHWM) */
  receiveHighWaterMark: number
  /** How long `receive` waits; -1 for ever, 0 not at all (EAGAIN). @default -1 (ZMQ_RCVTIMEO) */
  receiveTimeout: number
}

/** Options of sockets that have a name for their peers. */
export interface RoutingIdOptions {
  /** 1 to 255 bytes of UTF-8, not starting with a zero byte; null for none. @default null (ZMQ_ROUTING_ID) */
  routingId: string | null
}

/** Options of sockets that may keep the last message only. */
export interface ConflateOptions {
  /** Only the last message waits for each peer, and of each peer; high-water marks do not count then. @default false (ZMQ_CONFLATE) */
  conflate: boolean
}

/** Every option that the engine works with. */
export interface SocketOptionValues extends CommonOptions, SendOptions, ReceiveOptions, RoutingIdOptions, ConflateOptions {}

interface OptionRule<T> {
  default: T
  /** What is wrong with a value, or undefined. */
  check(value: unknown): string | undefined
}

export type OptionTable<O> = { readonly [K in keyof O]: OptionRule<O[K]> }

export function integer(fallback: number, least: number, most = 0x7fff_ffff): OptionRule<number> {
  return {
    default: fallback,
    check: (value) =>
      Number.isInteger(value) && (value as number) >= least && (value as number) <= most
        ? undefined
        : `a whole number from ${least} to ${most}`,
  }
}

export function boolean(fallback: boolean): OptionRule<boolean> {
  return { default: fallback, check: (value) => (typeof value === 'boolean' ? undefined : 'true or false') }
}

export function text(least: number, most: number): OptionRule<string | null> {
  return {
    default: null,
    check: (value) => {
      if (value === null) return undefined
      const bytes = typeof value === 'string' ? Buffer.byteLength(value) : -1
      return bytes >= least && bytes <= most ? undefined : `null, or a string of ${least} to ${most} bytes`
    },
  }
}

function curveKey(): OptionRule<string | null> {
  return { default: null, check: (value) => (value === null || decodeKey(value) !== undefined ? undefined : `null, or ${KEY_FORM}`) }
}

export const COMMON_OPTIONS: OptionTable<CommonOptions> = {
  linger: integer(-1, -1),
  reconnectInterval: integer(100, -1),
  reconnectMaxInterval: integer(0, 0),
  backlog: integer(100, 0),
  maxMessageSize: integer(-1, -1, Number.MAX_SAFE_INTEGER),
  ipv6: boolean(false),
  tcpKeepalive: integer(-1, -1, 1),
  tcpKeepaliveIdle: integer(-1, -1),
  connectTimeout: integer(0, 0),
  handshakeInterval: integer(30_000, 0),
  heartbeatInterval: integer(0, 0),
  heartbeatTimeout: integer(-1, -1),
  heartbeatTimeToLive: integer(0, 0, 65_500),
  immediate: boolean(false),
  plainServer: boolean(false),
  plainUsername: text(0, MAX_PLAIN_BYTES),
  plainPassword: text(0, MAX_PLAIN_BYTES),
  curveServer: boolean(false),
  curveSecretKey: curveKey(),
  curvePublicKey: curveKey(),
  curveServerKey: curveKey(),
  authenticate: { default: null, check: (value) => (value === null || typeof value === 'function' ? undefined : 'null or a function') },
  maxConnections: integer(0, 0),
  maxConnectionsPerAddress: integer(0, 0),
  maxHandshakes: integer(1000, 0),
  maxHandshakeBytes: integer(64 * 1024, 1024),
  maxQueueBytes: integer(256 * 1024 * 1024, 0, Number.MAX_SAFE_INTEGER),
  handshakeProperties: {
    default: {},
    check: (value) => {
      const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [[undefined, undefined]]
      const good = ([name, content]: unknown[]) => /^X-[!-~]{1,100}$/.test(String(name)) && typeof content === 'string'
      return entries.every(good) ? undefined : "an object of strings whose names start with 'X-'"
    },
  },
}

export const SEND_OPTIONS: OptionTable<SendOptions> = { sendHighWaterMark: integer(1000, 0), sendTimeout: integer(-1, -1) }

export const RECEIVE_OPTIONS: OptionTable<ReceiveOptions> = { receiveHighWaterMark: integer(1000, 0), receiveTimeout: integer(-1, -1) }

export const ROUTING_ID_OPTIONS: OptionTable<RoutingIdOptions> = {
  routingId: {
    default: null,
    check: (value) =>
      typeof value === 'string' && value.startsWith('\0') ? 'a string that does not start with a zero byte' : text(1, 255).check(value),
  },
}

export const CONFLATE_OPTIONS: OptionTable<ConflateOptions> = { conflate: boolean(false) }

/** The defaults of everything. */
export const DEFAULT_OPTIONS: Readonly<SocketOptionValues> = Object.freeze(
  defaultsOf({ ...COMMON_OPTIONS, ...SEND_OPTIONS, ...RECEIVE_OPTIONS, ...ROUTING_ID_OPTIONS, ...CONFLATE_OPTIONS }),
)

export function defaultsOf<O>(table: OptionTable<O>): O {
  return Object.fromEntries(Object.entries<OptionRule<unknown>>(table as never).map(([name, rule]) => [name, rule.default])) as O
}

/** Every name that {@link defineOptions} has put on a class. */
export const OPTION_NAMES: Set<string> = new Set()

/**
 * Gives the class a checked property for each option of the table.
 *
 * Setting one throws SocketError EINVAL for a value outside its range.
 */
export function defineOptions<O>(prototype: object, table: OptionTable<O>): void {
  for (const [name, rule] of Object.entries<OptionRule<unknown>>(table as never)) {
    // Where a socket keeps a value that was set, and its class the default. Patterns read options for each message: a WeakMap would
    // cost more than the rest, and so would a look past the class for what is not set.
    const key = Symbol(name)
    OPTION_NAMES.add(name)
    Object.defineProperty(prototype, key, { value: rule.default })
    Object.defineProperty(prototype, name, {
      configurable: true,
      enumerable: true,
      get(this: Record<symbol, unknown>) {
        return this[key]
      },
      set(this: Record<symbol, unknown>, value: unknown) {
        const wrong = rule.check(value)
        if (wrong !== undefined) throw new SocketError('EINVAL', { text: `option ${name} is ${wrong}` })
        Object.defineProperty(this, key, { value, writable: true })
      },
    })
  }
}

/** Sets the options of a constructor; undefined ones keep their default. @throws SocketError EINVAL for an unknown name. */
export function assignOptions(socket: object, options: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (!(name in socket)) {
      const meant = nearestOption(name, socket, OPTION_NAMES)
      throw new SocketError('EINVAL', { text: `this socket has no option ${name}${meant === undefined ? '' : `: is ${meant} meant?`}` })
    }
    Reflect.set(socket, name, value)
  }
}
