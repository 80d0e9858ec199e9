/** The streams of a call as messages of the native dialect: what both ends of a call have in common. */

import { toError, ZmqRpcError } from '../../errors.ts'
import { type Message, messageBytes } from '../../wire/index.ts'
import { amountOf, KIND, numberOf } from '../dialect/native/header.ts'
import {
  decodeFailed,
  decodeItem,
  decodeReason,
  encodeCredit,
  encodeEnd,
  encodeFailed,
  encodeItem,
  encodeStop,
} from '../dialect/native/message.ts'
import { wordsOf } from '../error/error-text.ts'
import { type ErrorRegistry, fromWireError, toWireError } from '../error/service-error.ts'
import type { CallStreams, StreamPort } from './streams.ts'

/** The way to the far end of a call. */
export interface CallOutlet {
  /** Whether an optional message would be taken; where not, whoever waits is told when it would. */
  readonly hasRoom: boolean
  /** Sends a message; false only where `optional`: there is no room, and nothing was kept. */
  send(body: Message, optional: boolean): boolean
}

export interface StreamPortOptions {
  /** Whether the far end is told where an error came from. @default false */
  readonly exposeStacks?: boolean
  /** Told what a stream to the far end failed with. */
  readonly onFailed?: (error: unknown) => void
}

export function streamPort(outlet: CallOutlet, options: StreamPortOptions = {}): StreamPort {
  return {
    item(stream, sequence, value) {
      // Asked first: an item that has to wait is written once.
      if (!outlet.hasRoom) return undefined
      const body = encodeItem(stream, sequence, value)
      return outlet.send(body, true) ? messageBytes(body) : undefined
    },
    end: (stream, sequence) => void outlet.send(encodeEnd(stream, sequence), false),
    failed(stream, sequence, error) {
      outlet.send(encodeFailed(stream, sequence, toWireError(error, options)), false)
      options.onFailed?.(error)
    },
    credit: (stream, bytes) => void outlet.send(encodeCredit(stream, bytes), false),
    stop: (stream, reason) => void outlet.send(encodeStop(stream, reason), false),
  }
}

/** A message of the far end that belongs to a stream. What cannot be read ends the stream that it came on. */
export function receiveForStreams(
  streams: CallStreams,
  kind: number,
  body: Message,
  errors: ErrorRegistry,
  about: { endpoint: string; command: string | undefined },
): void {
  const head = body[0] as Buffer
  const stream = numberOf(head)
  const amount = amountOf(head)
  switch (kind) {
    case KIND.item: {
      let value: unknown
      try {
        value = decodeItem(body)
      } catch (cause) {
        const text = `an item of a stream cannot be read: ${wordsOf(toError(cause))}`
        return streams.unreadable(stream, new ZmqRpcError('BAD_REPLY', text, { ...about, cause }))
      }
      return streams.itemArrived(stream, amount, value, messageBytes(body))
    }
    case KIND.end:
      return streams.ended(stream, amount)
    case KIND.failed:
      return streams.failedThere(stream, amount, readFailure(body, errors, about))
    case KIND.credit:
      return streams.creditArrived(stream, amount)
    case KIND.stop:
      return streams.stopArrived(stream, readReason(body))
    default:
    // A later version may say more: what we do not know is none of our business.
  }
}

function readFailure(body: Message, errors: ErrorRegistry, about: { endpoint: string; command: string | undefined }): Error {
  try {
    return fromWireError(decodeFailed(body), errors, about)
  } catch (cause) {
    return new ZmqRpcError('BAD_REPLY', `a stream failed, and its error cannot be read: ${wordsOf(toError(cause))}`, { ...about, cause })
  }
}

/** Why a stream was stopped, or a call cancelled, as far as it can be read. */
export function readReason(body: Message): string | undefined {
  try {
    return decodeReason(body)
  } catch {
    return undefined
  }
}
