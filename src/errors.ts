/**
 * Every error this package throws, in one place.
 *
 * One base class with a closed `code`, so that a caller can switch on what happened; a subclass only where the catcher
 * needs more than the code and the text. Messages say what happened, where (endpoint, command) and what to do, and
 * never hold a secret.
 */

import type { Receipt } from './receipt.ts'

/**
 * Was the command carried out? `no`: surely not. `maybe`: nobody can know, or it is still under way. `yes`: at least in part.
 */
export type Started = 'no' | 'maybe' | 'yes'

/**
 * May a program send the same call again by itself? `always`: nothing was carried out, and another attempt may go better.
 * `repeatable`: only a command that may be carried out twice. `never`: it would fail again in the same way, or the failure
 * is the answer.
 */
export type RetrySafe = 'always' | 'repeatable' | 'never'

/** What is known about an error by its code alone. */
interface ErrorTraits {
  /** In one sentence. */
  readonly meaning: string
  /** Of the reply that it comes with; none where it arises on the caller's side. */
  readonly status?: number
  readonly started: Started
  readonly retrySafe: RetrySafe
  /** The HTTP status that a gateway would answer with. */
  readonly http: number
  /** gRPC's word for it. */
  readonly grpc: string
}

/** Every code and what it says: one closed set. `docs/errors.md` shows it as a table, and a test compares the two. */
export const ERROR_CODES = {
  NOT_CONNECTED: {
    meaning: "No connection came about within the call's time.",
    started: 'no',
    retrySafe: 'always',
    http: 503,
    grpc: 'UNAVAILABLE',
  },
  AUTH_REFUSED: {
    meaning: 'The far end refused the username, the password or the key; or the two sides do not use the same of these.',
    started: 'no',
    retrySafe: 'never',
    http: 401,
    grpc: 'UNAUTHENTICATED',
  },
  QUEUE_FULL: {
    meaning: 'As many messages as may wait for the far end are waiting already.',
    started: 'no',
    retrySafe: 'always',
    http: 429,
    grpc: 'RESOURCE_EXHAUSTED',
  },
  TIMED_OUT: {
    meaning: "No reply came within the call's time.",
    started: 'maybe',
    retrySafe: 'repeatable',
    http: 504,
    grpc: 'DEADLINE_EXCEEDED',
  },
  CONNECTION_LOST: {
    meaning: 'The connection was lost after the call was sent.',
    started: 'maybe',
    retrySafe: 'repeatable',
    http: 502,
    grpc: 'UNAVAILABLE',
  },
  BAD_COMMAND: {
    status: 400,
    meaning: 'The command cannot be written or read, or its state is refused.',
    started: 'no',
    retrySafe: 'never',
    http: 400,
    grpc: 'INVALID_ARGUMENT',
  },
  NOT_ALLOWED: {
    status: 403,
    meaning: 'The caller may not have this command carried out.',
    started: 'no',
    retrySafe: 'never',
    http: 403,
    grpc: 'PERMISSION_DENIED',
  },
  EXPIRED: {
    status: 408,
    meaning: "The call's time was over when the server came to it.",
    started: 'no',
    retrySafe: 'always',
    http: 504,
    grpc: 'DEADLINE_EXCEEDED',
  },
  CONFLICT: {
    status: 409,
    meaning: 'Client and server have different contracts for the command, or the idempotency key belongs to another command.',
    started: 'no',
    retrySafe: 'never',
    http: 409,
    grpc: 'FAILED_PRECONDITION',
  },
  OVERLOADED: {
    status: 429,
    meaning: 'The server has too much to do.',
    started: 'no',
    retrySafe: 'always',
    http: 429,
    grpc: 'RESOURCE_EXHAUSTED',
  },
  NO_SERVICE: {
    status: 451,
    meaning: 'The server has no service for the command.',
    started: 'no',
    retrySafe: 'never',
    http: 404,
    grpc: 'UNIMPLEMENTED',
  },
  SERVICE_FAILED: {
    status: 463,
    meaning: 'The service threw.',
    started: 'yes',
    retrySafe: 'never',
    http: 500,
    grpc: 'UNKNOWN',
  },
  INTERRUPTED: {
    status: 464,
    meaning: 'The server ended in the midst of an earlier run with the same idempotency key, and is told not to begin another.',
    started: 'maybe',
    retrySafe: 'never',
    http: 409,
    grpc: 'ABORTED',
  },
  PROXY_FAILED: {
    status: 482,
    meaning: 'A proxy on the way could not pass the command on.',
    started: 'maybe',
    retrySafe: 'repeatable',
    http: 502,
    grpc: 'UNAVAILABLE',
  },
  ABORTED: {
    status: 499,
    meaning: 'The caller gave the call up.',
    started: 'maybe',
    retrySafe: 'never',
    http: 499,
    grpc: 'CANCELLED',
  },
  BAD_RESULT: {
    status: 500,
    meaning: "The service's result cannot be written, or breaks the command's contract.",
    started: 'yes',
    retrySafe: 'never',
    http: 500,
    grpc: 'INTERNAL',
  },
  SHUTTING_DOWN: {
    status: 503,
    meaning: 'The server is stopping and begins nothing new.',
    started: 'no',
    retrySafe: 'always',
    http: 503,
    grpc: 'UNAVAILABLE',
  },
  THREAD_FAILED: {
    status: 502,
    meaning: 'The thread that the command ran in has ended; or a thread did not start.',
    started: 'maybe',
    retrySafe: 'repeatable',
    http: 502,
    grpc: 'UNAVAILABLE',
  },
  NOT_YET_EXECUTED: {
    status: 202,
    meaning: 'The command is on disk and will be carried out, but was not within the time; the error has its receipt.',
    started: 'maybe',
    retrySafe: 'never',
    http: 202,
    grpc: 'DEADLINE_EXCEEDED',
  },
  UNKNOWN_RECEIPT: {
    status: 404,
    meaning: 'The buffer knows nothing of the receipt, or not any more.',
    started: 'maybe',
    retrySafe: 'never',
    http: 404,
    grpc: 'NOT_FOUND',
  },
  NO_BUFFER: {
    meaning: 'Neither the client nor the far end has a buffer that could keep the command.',
    started: 'no',
    retrySafe: 'never',
    http: 501,
    grpc: 'UNIMPLEMENTED',
  },
  RECORD_TOO_LARGE: {
    status: 413,
    meaning: 'The command is larger than the buffer takes.',
    started: 'no',
    retrySafe: 'never',
    http: 413,
    grpc: 'INVALID_ARGUMENT',
  },
  STORE_FULL: {
    status: 507,
    meaning: 'The buffer is full, or its disk.',
    started: 'no',
    retrySafe: 'always',
    http: 507,
    grpc: 'RESOURCE_EXHAUSTED',
  },
  STORE_FAILED: {
    meaning: "The buffer's disk failed; it has to be opened again.",
    started: 'maybe',
    retrySafe: 'repeatable',
    http: 500,
    grpc: 'INTERNAL',
  },
  STORE_CORRUPT: {
    meaning: "What lies in the buffer's folder is damaged.",
    started: 'maybe',
    retrySafe: 'never',
    http: 500,
    grpc: 'DATA_LOSS',
  },
  STORE_LOCKED: {
    meaning: "Another process uses the buffer's folder.",
    started: 'no',
    retrySafe: 'never',
    http: 500,
    grpc: 'FAILED_PRECONDITION',
  },
  STORE_UNAVAILABLE: {
    meaning: "The buffer's store on another machine cannot be reached.",
    started: 'maybe',
    retrySafe: 'repeatable',
    http: 503,
    grpc: 'UNAVAILABLE',
  },
  DURABILITY_TOO_WEAK: {
    meaning: 'The store would not keep its word through a power cut.',
    started: 'no',
    retrySafe: 'never',
    http: 500,
    grpc: 'FAILED_PRECONDITION',
  },
  REMOTE_ERROR: {
    meaning: 'The far end answered with a status that is not known here.',
    started: 'maybe',
    retrySafe: 'never',
    http: 502,
    grpc: 'UNKNOWN',
  },
  BAD_REPLY: {
    meaning: 'A reply came that cannot be read.',
    started: 'maybe',
    retrySafe: 'never',
    http: 502,
    grpc: 'INTERNAL',
  },
  CLOSED: {
    meaning: 'The client, server or socket was closed.',
    started: 'maybe',
    retrySafe: 'never',
    http: 499,
    grpc: 'CANCELLED',
  },
  BAD_OPTION: {
    meaning: 'An option, argument or endpoint is not valid.',
    started: 'no',
    retrySafe: 'never',
    http: 500,
    grpc: 'INVALID_ARGUMENT',
  },
  BAD_REGISTRATION: {
    meaning: 'A command or a service was refused by `register`.',
    started: 'no',
    retrySafe: 'never',
    http: 500,
    grpc: 'FAILED_PRECONDITION',
  },
  PROTOCOL_ERROR: {
    meaning: 'The far end broke the ZeroMQ protocol; calls fail with another code, and have this as their cause.',
    started: 'maybe',
    retrySafe: 'never',
    http: 502,
    grpc: 'INTERNAL',
  },
} as const satisfies Record<string, ErrorTraits>

/** What went wrong in a call, a command, an option or a connection: see {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES

/** The code that a reply's status stands for; `REMOTE_ERROR` for one that is not known. */
export function codeOfStatus(status: number): ErrorCode {
  return CODES_BY_STATUS.get(status) ?? 'REMOTE_ERROR'
}

const CODES_BY_STATUS = new Map(
  (Object.entries(ERROR_CODES) as [ErrorCode, ErrorTraits][]).flatMap(([code, { status }]) =>
    status === undefined ? [] : [[status, code]],
  ),
)

/** Where an error happened, and what led to it. */
export interface ErrorDetails {
  /** The endpoint concerned, as the user wrote it. */
  endpoint?: string | undefined
  /** The command concerned, by its name on the wire. */
  command?: string | undefined
  /** What led to it. */
  cause?: unknown
  /** Where more is known than the code says: a call that timed out before it was sent was surely not started. */
  started?: Started | undefined
  /** Of a command that a buffer has on disk, whatever became of the call. */
  receipt?: Receipt | undefined
}

/** What the far end told about its error besides status and text. */
export interface RemoteErrorDetails extends ErrorDetails {
  /** The name of the error's class, as `remoteName`. */
  name?: string | undefined
  /** The error's own code, as `remoteCode`. */
  code?: string | number | undefined
  /** The error's details, where it was a `ServiceError`. */
  details?: unknown
  /** As `remoteStack`. */
  stack?: string | undefined
}

const BRAND = Symbol.for('zmq-rpc.error')

function addText(error: Error, more: string): void {
  const { message } = error
  error.message += more
  // What is printed of an error is its stack, which has the text as it was.
  if (error.stack !== undefined) error.stack = error.stack.replace(message, () => error.message)
}

/** Base of all errors of this package but {@link SocketError}. Its text starts with its code: `[TIMED_OUT] …`. */
export class ZmqRpcError extends Error {
  override readonly name: string = 'ZmqRpcError'
  /** What happened; {@link ERROR_CODES} says what is known about it. */
  readonly code: ErrorCode
  /** The endpoint concerned, as the user wrote it; undefined where it is about none. */
  readonly endpoint: string | undefined
  /** The command concerned, by its name on the wire; undefined where it is about none. */
  readonly command: string | undefined
  /** Of a command that a buffer has on disk: `RpcClient.result` gives what comes of it. */
  declare readonly receipt: Receipt | undefined
  #started: Started | undefined

  constructor(code: ErrorCode, text: string, details: ErrorDetails = {}) {
    super(`[${code}] ${text}`, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.endpoint = details.endpoint
    this.command = details.command
    this.#started = details.started
    // Only where there is one: every log line would show it.
    if (details.receipt !== undefined) this.receipt = details.receipt
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** Was the command carried out? */
  get started(): Started {
    return this.#started ?? ERROR_CODES[this.code].started
  }

  /** May the same call be sent again without asking anyone? */
  get retrySafe(): RetrySafe {
    const { retrySafe } = ERROR_CODES[this.code]
    return retrySafe === 'repeatable' && this.started === 'no' ? 'always' : retrySafe
  }

  /**
   * For logs, by `JSON.stringify`: what it is about, with the text of its cause; no stack, and nothing that an application put into
   * an error besides its text.
   */
  toJSON(): Record<string, unknown> {
    const { name, code, message, endpoint, command, started, receipt, cause } = this
    return { name, code, message, endpoint, command, started, receipt, cause: cause instanceof Error ? cause.message : undefined }
  }

  /** After several attempts: an earlier one came further than the one that this error tells of. Only for who made the error. */
  static earlierStarted(error: ZmqRpcError, started: Started): void {
    if (!(#started in error) || started === error.started || started === 'no' || error.started === 'yes') return
    error.#started = started
    addText(error, started === 'yes' ? '; an attempt before it was carried out' : '; an attempt before it may have been carried out')
  }

  /** After several attempts: what its text tells, times included, is the last one. Only for who made the error. */
  static afterAttempts(error: ZmqRpcError, attempts: number, tookMs: number): void {
    addText(error, `; this was attempt ${attempts}, after ${tookMs} ms in all`)
  }

  /** A buffer has the command on disk, whatever the error says. Only for who made the error. */
  static withReceipt(error: ZmqRpcError, receipt: Receipt): void {
    ;(error as { receipt: Receipt | undefined }).receipt ??= receipt
  }

  /** True for errors of this package even when two copies of it are loaded. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass asks the ordinary question; only the base answers for every copy of the package.
    if (this !== ZmqRpcError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return typeof value === 'object' && value !== null && BRAND in value
  }
}

/**
 * The far end carried the command out and failed, or refused it: its status, its own text, and what it told about the error
 * that its service threw. The code follows from the status: 463 is `SERVICE_FAILED`, 403 `NOT_ALLOWED`, and so on.
 */
export class RemoteError extends ZmqRpcError {
  override readonly name: string = 'RemoteError'
  /** See {@link ERROR_CODES}. */
  readonly status: number
  /** The text as the far end wrote it. */
  readonly statusText: string
  /** The name of the thrown error's class; undefined when a pyzmqrpc3 peer answered, or nothing was thrown. */
  declare readonly remoteName: string | undefined
  /** The thrown error's own code, as `ENOENT`. */
  declare readonly remoteCode: string | number | undefined
  /** The thrown error's details, where it was a `ServiceError`. They come from afar: check them before use. */
  declare readonly details: unknown
  /** Where it was thrown; only from servers that expose it. */
  declare readonly remoteStack: string | undefined

  constructor(status: number, statusText: string, details: RemoteErrorDetails = {}) {
    super(codeOfStatus(status), `${statusText} (status ${status}${details.endpoint ? `, from ${details.endpoint}` : ''})`, details)
    this.status = status
    this.statusText = statusText
    // Set only where there is something: most replies have none of them, and every log line would show four times undefined.
    if (details.name !== undefined) this.remoteName = details.name
    if (details.code !== undefined) this.remoteCode = details.code
    if (details.details !== undefined) this.details = details.details
    if (details.stack !== undefined) this.remoteStack = details.stack
  }

  /** The same with status, name and code of the far end's error; without its `details`, which may be content of a message. */
  override toJSON(): Record<string, unknown> {
    const { status, remoteName, remoteCode } = this
    return { ...super.toJSON(), status, remoteName, remoteCode }
  }
}

/** What a store knows of its failure besides the code. */
export interface StoreErrorDetails {
  /** What led to it. */
  cause?: unknown
  /** The file concerned. */
  file?: string | undefined
  /** Where in it, bytes. */
  offset?: number | undefined
  /** The first of the records concerned. */
  fromSeq?: number | undefined
  /** The last of them. */
  toSeq?: number | undefined
  /** Of a refused `append`: false says that nothing of the record can come back; undefined that nobody knows. */
  written?: false | undefined
  /** The process that has the folder, where it is locked. */
  pid?: number | undefined
}

/** A buffer's store could not do what was asked: one of the codes `STORE_…`, `RECORD_TOO_LARGE`, `DURABILITY_TOO_WEAK`, `CLOSED`. */
export class StoreError extends ZmqRpcError {
  override readonly name = 'StoreError'
  /** The file concerned. */
  declare readonly file: string | undefined
  /** Where in it, bytes. */
  declare readonly offset: number | undefined
  /** The first of the records concerned. */
  declare readonly fromSeq: number | undefined
  /** The last of them. */
  declare readonly toSeq: number | undefined
  /** Of a refused `append`: false says that nothing of the record can come back; undefined that nobody knows. */
  declare readonly written: false | undefined
  /** The process that has the folder, where it is locked. */
  declare readonly pid: number | undefined

  constructor(code: ErrorCode, text: string, { cause, ...known }: StoreErrorDetails = {}) {
    super(code, text, { cause })
    Object.assign(this, known)
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

/** What went wrong, in POSIX's and libzmq's words: see `docs/errors.md`. */
export type SocketErrorCode = keyof typeof SOCKET_ERRORS

/** An error of the socket API, with the same `code` and `errno` as the `zeromq` package gives. */
export class SocketError extends Error {
  override readonly name = 'SocketError'
  /** What went wrong. */
  readonly code: SocketErrorCode
  /** The code as libzmq's number on Linux, on every system. */
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
