/** What an answer of the far end, or the lack of one, means for a command that is kept: `docs/delivery.md` has it as a table. */

import { toError, ZmqRpcError } from '../../errors.ts'
import type { Message } from '../../wire/index.ts'
import { nativeKind } from '../dialect/announcement.ts'
import { KIND } from '../dialect/native/header.ts'
import { decodeError, encodeError } from '../dialect/native/message.ts'
import { decodeReply } from '../dialect/pyzmqrpc3.ts'
import { wordsOf } from '../error/error-text.ts'
import { STATUS } from '../error/status.ts'
import type { Verdict } from './far-end.ts'
import type { KeptCommand } from './kept-command.ts'

/** It will be no better the next time. */
const REFUSED: ReadonlySet<number> = new Set([STATUS.badCommand, STATUS.notAllowed, STATUS.conflict, STATUS.noService, STATUS.tooLarge])
/** It may be better the next time. */
const NOT_NOW: ReadonlySet<number> = new Set([
  STATUS.expired,
  STATUS.overloaded,
  STATUS.shuttingDown,
  STATUS.storeFull,
  STATUS.proxyFailed,
  STATUS.threadFailed,
  STATUS.aborted,
])
/** The service ran, at least in part. */
const FAILED: ReadonlySet<number> = new Set([STATUS.serviceRaised, STATUS.interrupted, STATUS.badResult])
/** Something of it may have been carried out: it is not tried for ever. */
const MAY_HAVE_RUN: ReadonlySet<number> = new Set([STATUS.aborted, STATUS.proxyFailed, STATUS.threadFailed])

/** Of an answer in either dialect. */
export function verdictOf(body: Message, command: KeptCommand): Verdict {
  const kind = nativeKind(body[0])
  if (kind === undefined) return ofPython(body, command)
  if (kind === KIND.reply) return { kind: 'executed', body, reason: '' }
  try {
    const { status, text, started = 'maybe' } = decodeError(body).error
    return ofStatus(status, text, started !== 'no', body)
  } catch (error) {
    return { kind: 'failed', body, reason: `the far end answered with something that cannot be read: ${wordsOf(toError(error))}` }
  }
}

function ofPython(body: Message, { name }: KeptCommand): Verdict {
  try {
    const { status, statusText, result } = decodeReply(body[0] as Buffer)
    if (status === STATUS.ok) return { kind: 'executed', body, reason: '' }
    const text = status === STATUS.proxyFailed && typeof result === 'string' ? result : statusText
    // A proxy of pyzmqrpc3's does not know; most often its far end is away.
    return ofStatus(status, text, false, body)
  } catch (error) {
    // What a receiver of texts answers is its own affair.
    if (name === undefined) return { kind: 'executed', body, reason: '' }
    return { kind: 'failed', body, reason: `the far end answered with something that cannot be read: ${wordsOf(toError(error))}` }
  }
}

function ofStatus(status: number, text: string, begun: boolean, body: Message): Verdict {
  const reason = `${text} (status ${status})`
  if (FAILED.has(status)) return { kind: 'failed', body, reason }
  if (REFUSED.has(status)) return { kind: 'refused', body, reason }
  // What nobody knows of would else be tried for ever.
  return { kind: 'again', reason, counts: !NOT_NOW.has(status) || (begun && MAY_HAVE_RUN.has(status)) }
}

/** Of an attempt that got no answer. */
export function verdictOfError(thrown: unknown): Verdict {
  const error = toError(thrown)
  const reason = wordsOf(error)
  const code = error instanceof ZmqRpcError ? error.code : undefined
  switch (code) {
    case 'BAD_COMMAND':
      return { kind: 'refused', body: encodeError({ status: STATUS.badCommand, text: reason }), reason }
    case 'BAD_RESULT':
    case 'BAD_REPLY':
      return { kind: 'failed', body: encodeError({ status: STATUS.badResult, text: reason }), reason }
    case 'AUTH_REFUSED':
      return { kind: 'again', reason, counts: false, slowly: true }
    case 'TIMED_OUT':
    case 'CONNECTION_LOST':
      return { kind: 'again', reason, counts: (error as ZmqRpcError).started !== 'no' }
    case undefined:
      // Its frames cannot be made into what the far end reads.
      return { kind: 'refused', body: encodeError({ status: STATUS.badCommand, text: reason }), reason }
    default:
      return { kind: 'again', reason, counts: false }
  }
}
