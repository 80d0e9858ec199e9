/**
 * Every error this package throws, in one place.
 *
 * One base class with a closed `code`, so that a caller can switch on what happened; a subclass only where the catcher
 * needs more than the code and the text. Messages say what happened, where (endpoint, command) and what to do, and
 * never hold a secret.
 */

/** What went wrong in a call, a command, an option or a connection. One closed set; `docs/errors.md` is its table. */
export type ErrorCode =
  /** The call was sent and no reply came in time. The command may have been executed. */
  | 'TIMED_OUT'
  /** No connection came about in time; the text says what is being tried and the last reason. Nothing was sent. */
  | 'NOT_CONNECTED'
  /** The connection was lost after the call was sent. The command may have been executed. */
  | 'CONNECTION_LOST'
  /** The far end refused the username, the password or the key. Nothing was executed. */
  | 'AUTH_REFUSED'
  /** The far end answered with an error: see {@link RemoteError}. */
  | 'REMOTE_ERROR'
  /** A reply came that cannot be read. The command was most likely executed. */
  | 'BAD_REPLY'
  /** The limit of messages that wait for the far end is reached. Nothing was sent. */
  | 'QUEUE_FULL'
  /** The client, server or socket was closed. */
  | 'CLOSED'
  /** The caller gave the call up through its `AbortSignal`. */
  | 'ABORTED'
  /** A command cannot be written or read, or its class breaks a rule. */
  | 'BAD_COMMAND'
  /** A command or service was refused by `register`. */
  | 'BAD_REGISTRATION'
  /** An option, argument or endpoint is not valid. */
  | 'BAD_OPTION'
  /** The far end broke the ZeroMQ protocol. */
  | 'PROTOCOL_ERROR'

/** Where an error happened, and what led to it. */
export interface ErrorDetails {
  /** The endpoint concerned, as the user wrote it. */
  endpoint?: string | undefined
  /** The command concerned, by its name on the wire. */
  command?: string | undefined
  cause?: unknown
}

const BRAND = Symbol.for('zmq-rpc.error')

/** Base of all errors of this package but {@link SocketError}. Its text starts with its code: `[TIMED_OUT] …`. */
export class ZmqRpcError extends Error {
  override readonly name: string = 'ZmqRpcError'
  readonly code: ErrorCode
  readonly endpoint: string | undefined
  readonly command: string | undefined

  constructor(code: ErrorCode, text: string, details: ErrorDetails = {}) {
    super(`[${code}] ${text}`, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.endpoint = details.endpoint
    this.command = details.command
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** True for errors of this package even when two copies of it are loaded. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass asks the ordinary question; only the base answers for every copy of the package.
    if (this !== ZmqRpcError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return typeof value === 'object' && value !== null && BRAND in value
  }
}

/** The far end carried the command out and failed, or refused it: its status and its own text. */
export class RemoteError extends ZmqRpcError {
  override readonly name = 'RemoteError'
  /** 400 unreadable command, 451 no such service, 463 the service raised, 482 a proxy could not forward. */
  readonly status: number
  /** The text as the far end wrote it. */
  readonly statusText: string

  constructor(status: number, statusText: string, details: ErrorDetails = {}) {
    super('REMOTE_ERROR', `${statusText} (status ${status}${details.endpoint ? `, from ${details.endpoint}` : ''})`, details)
    this.status = status
    this.statusText = statusText
  }
}

/** The peer broke the protocol (or one of our limits): the connection is closed. `reason` is short and stable. */
export class ProtocolError extends ZmqRpcError {
  override readonly name = 'ProtocolError'
  readonly reason: string

  constructor(reason: string, details: ErrorDetails = {}, code: ErrorCode = 'PROTOCOL_ERROR') {
    super(code, reason, details)
    this.reason = reason
  }
}

/** POSIX and libzmq error codes of the socket API, with libzmq's numbers on Linux and its texts. */
const SOCKET_ERRORS = {
  EAGAIN: [11, 'Operation was not possible or timed out'],
  EINVAL: [22, 'Invalid argument'],
  EBUSY: [16, 'Socket is busy'],
  EBADF: [9, 'Socket is closed'],
  ENOENT: [2, 'No such endpoint'],
  ENODEV: [19, 'No such device'],
  ENOTSUP: [95, 'Operation not supported by this socket type'],
  EADDRINUSE: [98, 'Address already in use'],
  EADDRNOTAVAIL: [99, 'Cannot assign requested address'],
  EACCES: [13, 'Permission denied'],
  EHOSTUNREACH: [113, 'Host unreachable'],
  ENAMETOOLONG: [36, 'File name too long'],
  EPROTONOSUPPORT: [93, 'Protocol not supported'],
  EFSM: [156384763, 'Operation cannot be accomplished in current state'],
  ETERM: [156384765, 'Context was terminated'],
} as const

export type SocketErrorCode = keyof typeof SOCKET_ERRORS

/** An error of the socket API, with the same `code` and `errno` as the `zeromq` package gives. */
export class SocketError extends Error {
  override readonly name = 'SocketError'
  readonly code: SocketErrorCode
  readonly errno: number
  /** The endpoint concerned, as the user wrote it. */
  readonly address: string | undefined
  /** Of `sendMany`: how many of its messages, from the first on, were queued all the same. */
  declare sent?: number

  constructor(code: SocketErrorCode, details: { text?: string; address?: string | undefined; cause?: unknown } = {}) {
    const [errno, text] = SOCKET_ERRORS[code]
    super(
      details.text === undefined ? text : `${text}: ${details.text}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    )
    this.code = code
    this.errno = errno
    this.address = details.address
  }
}

/** Whatever was thrown, as an `Error`. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
