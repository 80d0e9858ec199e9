/** What a NATS server's refusals mean for a buffer. */

import { type ErrorCode, StoreError, toError } from '../../errors.ts'

/** Numbers of the JetStream API's errors. */
export const JETSTREAM = {
  insufficientResources: 10023,
  noMessage: 10037,
  maximumReached: 10077,
  noStorage: 10047,
  messageTooLarge: 10054,
  streamNotFound: 10059,
  wrongLastSequence: 10071,
} as const

/** The number of a refusal; undefined where nobody refused, but nobody answered. */
export function refusalOf(error: unknown): number | undefined {
  const { name, code } = error as { name?: string; code?: unknown }
  return (name === 'JetStreamApiError' || name === 'StreamNotFoundError') && typeof code === 'number' ? code : undefined
}

/** True when a message with this subject is there already. */
export function isTaken(error: unknown): boolean {
  return refusalOf(error) === JETSTREAM.maximumReached && toError(error).message.includes('per subject')
}

/** @param doing What was tried, as in "could not …". */
export function toStoreError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error
  const { message } = toError(error)
  const told = (code: ErrorCode, advice: string, written?: false): StoreError =>
    new StoreError(code, `JetStream could not ${doing}: ${message}; ${advice}`, { cause: error, written })
  switch (refusalOf(error)) {
    case JETSTREAM.maximumReached:
      return told('STORE_FULL', 'wait until commands were delivered, or raise maxBytes or maxRecords', false)
    case JETSTREAM.noStorage:
    case JETSTREAM.insufficientResources:
      return told('STORE_FULL', "the server's own storage is used up", false)
    case JETSTREAM.messageTooLarge:
      return told('RECORD_TOO_LARGE', "raise the server's max_payload, or send less at a time", false)
    case JETSTREAM.streamNotFound:
      return told('STORE_FAILED', 'somebody has deleted the stream: open the store again, what was in it is lost')
    default:
      return told('STORE_UNAVAILABLE', 'try again with the same id')
  }
}
