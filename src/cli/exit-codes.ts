/** With what the process ends: scripts tell by it what happened. `docs/cli.md` has the same table, and a test compares the two. */

import { ERROR_CODES, type ErrorCode, RemoteError, SocketError, ZmqRpcError } from '../index.ts'
import { UsageError } from './usage-error.ts'

/** Codes and their meaning. The numbers never change; new ones may come. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notConnected: 3,
  refused: 4,
  timedOut: 5,
  remoteError: 6,
  connectionLost: 7,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** In the order of the table that `--help` and the docs show. */
export const EXIT_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.done, 'done'],
  [EXIT.failed, 'something on this side failed: a file, a port that is taken, or a mistake in zmq-rpc'],
  [EXIT.usage, 'the command line, the endpoint or the JSON is not right; nothing was sent'],
  [EXIT.notConnected, 'no connection, or no room in the queue; nothing was carried out'],
  [EXIT.refused, 'the other side refused the password or the key, or does not allow the command'],
  [EXIT.timedOut, 'no answer in time; it may have been carried out, unless the text says otherwise'],
  [EXIT.remoteError, 'the other side answered, with an error'],
  [EXIT.connectionLost, 'the connection was lost before the answer; it may have been carried out'],
  [EXIT.interrupted, 'interrupted (Ctrl-C)'],
  [EXIT.terminated, 'terminated (SIGTERM)'],
]

/** Where it is not what the code itself says: the other side's error where it has a status, else one of this side. */
const OF_ERRORS: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  NOT_CONNECTED: EXIT.notConnected,
  QUEUE_FULL: EXIT.notConnected,
  AUTH_REFUSED: EXIT.refused,
  NOT_ALLOWED: EXIT.refused,
  TIMED_OUT: EXIT.timedOut,
  EXPIRED: EXIT.timedOut,
  NOT_YET_EXECUTED: EXIT.timedOut,
  CONNECTION_LOST: EXIT.connectionLost,
  BAD_COMMAND: EXIT.usage,
  BAD_OPTION: EXIT.usage,
  ABORTED: EXIT.interrupted,
  THREAD_FAILED: EXIT.failed,
  NO_BUFFER: EXIT.remoteError,
  BAD_REPLY: EXIT.remoteError,
  REMOTE_ERROR: EXIT.remoteError,
  PROTOCOL_ERROR: EXIT.remoteError,
}

const OF_THIS_SIDE: ReadonlySet<ExitCode | undefined> = new Set([EXIT.usage, EXIT.failed])

/** What an error that ended a command means to a script. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return EXIT.usage
  // The same code, but of the other side: it refused the command, or a thread of it has ended.
  if (error instanceof RemoteError && OF_THIS_SIDE.has(OF_ERRORS[error.code])) return EXIT.remoteError
  if (error instanceof ZmqRpcError) return OF_ERRORS[error.code] ?? ('status' in ERROR_CODES[error.code] ? EXIT.remoteError : EXIT.failed)
  if (error instanceof SocketError && error.code === 'EINVAL') return EXIT.usage
  return EXIT.failed
}
