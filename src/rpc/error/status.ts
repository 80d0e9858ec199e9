/**
 * The statuses of replies by name. What each means, and which error a caller gets for it, stands in the table of
 * `src/errors.ts`; here are only the names, and what a pyzmqrpc3 peer is told instead of those that it does not know.
 */

import { ERROR_CODES } from '../../errors.ts'

export const STATUS = {
  /** The service ran; or a plain receiver or a proxy took the message. */
  ok: 200,
  /** The command cannot be read, or its state is refused. */
  badCommand: ERROR_CODES.BAD_COMMAND.status,
  notAllowed: ERROR_CODES.NOT_ALLOWED.status,
  /** Its time was over before it was started. */
  expired: ERROR_CODES.EXPIRED.status,
  /** Contracts differ, or an idempotency key was used for another command. */
  conflict: ERROR_CODES.CONFLICT.status,
  overloaded: ERROR_CODES.OVERLOADED.status,
  noService: ERROR_CODES.NO_SERVICE.status,
  /** The service threw. */
  serviceRaised: ERROR_CODES.SERVICE_FAILED.status,
  /** An earlier run with the same idempotency key was cut short. */
  interrupted: ERROR_CODES.INTERRUPTED.status,
  /** A proxy could not forward; in pyzmqrpc3's dialect the reason is the result. */
  proxyFailed: ERROR_CODES.PROXY_FAILED.status,
  /** Given up by its caller. */
  aborted: ERROR_CODES.ABORTED.status,
  /** The result cannot be written, or breaks its contract. */
  badResult: ERROR_CODES.BAD_RESULT.status,
  shuttingDown: ERROR_CODES.SHUTTING_DOWN.status,
  /** The thread that it ran in has ended. */
  threadFailed: ERROR_CODES.THREAD_FAILED.status,
  /** On disk, and not carried out in time. */
  notYetExecuted: ERROR_CODES.NOT_YET_EXECUTED.status,
  unknownReceipt: ERROR_CODES.UNKNOWN_RECEIPT.status,
  tooLarge: ERROR_CODES.RECORD_TOO_LARGE.status,
  storeFull: ERROR_CODES.STORE_FULL.status,
} as const

/** Those that pyzmqrpc3 has. */
const PYTHON_STATUSES: ReadonlySet<number> = new Set([
  STATUS.ok,
  STATUS.badCommand,
  STATUS.noService,
  STATUS.serviceRaised,
  STATUS.proxyFailed,
])

/** The status that a pyzmqrpc3 peer is told: the others are news to it, so they come as 463, with a text that says what it was. */
export function pythonStatusOf(status: number): number {
  return PYTHON_STATUSES.has(status) ? status : STATUS.serviceRaised
}
