/**
 * A proxy's buffer towards those who send to it: what is kept, what each of them is told, and the answers to what is asked with a receipt.
 *
 * Whoever speaks pyzmqrpc3's dialect, or has asked for no more than that it is kept, hears of it once it is on disk. Other callers are told
 * that it is, and then wait for the answer as they would without a buffer.
 */

import { type Started, toError, ZmqRpcError } from '../errors.ts'
import { onAbort } from '../rpc/abort-listeners.ts'
import type { Custody } from '../rpc/buffer/custody.ts'
import { hasStreams, hostOf, isQuestion, laneOf, valueKeyOf } from '../rpc/buffer/keepable.ts'
import { keptId } from '../rpc/buffer/kept-command.ts'
import { type CallHead, decodeCallState, type Extras, encodeAccepted, MAX_NAME_LENGTH } from '../rpc/dialect/native/message.ts'
import { wordsOf } from '../rpc/error/error-text.ts'
import { STATUS } from '../rpc/error/status.ts'
import { MAX_IDEMPOTENCY_KEY_LENGTH } from '../rpc/server/idempotency.ts'
import { ReceiptResult, TrackReceipt } from '../rpc/server/receipts.ts'
import type { ServerCall } from '../rpc/server/server-call.ts'
import { Answered, Refused } from '../rpc/server/service-run.ts'
import type { Message } from '../wire/index.ts'
import { DONE } from './done.ts'

/** What has come to be kept. */
export interface Incoming {
  readonly call: ServerCall
  readonly body: Message
  /** Undefined for a text. */
  readonly name: string | undefined
  readonly extras: Extras | undefined
}

export class Keeper {
  readonly #custody: Custody
  /** Of each caller that waits for an answer. `AbortSignal.any` would hold on to all that ever did. */
  readonly #waits = new Set<AbortController>()
  #closing = false

  constructor(custody: Custody) {
    this.#custody = custody
  }

  /** Whoever waits for an answer is told that there is none yet. */
  stopWaiting(): void {
    this.#closing = true
    for (const wait of this.#waits) wait.abort()
  }

  /** Whether it is kept; else it is passed on at once, or not at all. */
  keeps({ call, body, name }: Incoming): boolean {
    if (name !== undefined && isQuestion(name)) return false
    return this.#custody.buffer.settings.keeps(name ?? '') && (call.dialect !== 'native' || !hasStreams(body))
  }

  /** @throws Refused */
  async keep(incoming: Incoming): Promise<unknown> {
    const { call, extras } = incoming
    const { buffer } = this.#custody
    const asks = call.dialect === 'native' && call.envelope !== undefined
    const key = extras?.idempotencyKey ?? crypto.randomUUID()
    const id = keptId(call.principal, key)
    const { ageMs } = await this.#accept(incoming, id, asks ? key : undefined)
    if (!asks) return new Answered(DONE)
    const accepted = encodeAccepted({ id: key, by: buffer.name, ageMs: Math.round(ageMs) })
    if (extras?.keep !== undefined) return new Answered(accepted)
    call.send(accepted, false)
    return this.#answer(incoming, id)
  }

  /** What answers a question about a receipt; undefined for what is none. */
  question(name: string, body: Message, head: CallHead, call: ServerCall): (() => Promise<unknown>) | undefined {
    if (name !== ReceiptResult.commandName && name !== TrackReceipt.commandName) return undefined
    return async () => {
      const state = decodeCallState(body, head, { command: () => undefined, stream: () => undefined })
      const key = (state as { id?: unknown } | null)?.id
      if (typeof key !== 'string' || key === '') throw new Refused({ status: STATUS.badCommand, text: 'the question has no id', name })
      const id = keptId(call.principal, key)
      if (name === ReceiptResult.commandName) return this.#answer({ call, body, name, extras: head.extras }, id)
      try {
        return await this.#custody.track(id)
      } catch (cause) {
        throw refused(cause, name)
      }
    }
  }

  async #accept({ call, body, name, extras }: Incoming, id: string, key: string | undefined): Promise<{ ageMs: number }> {
    const { principal, dialect } = call
    const { buffer } = this.#custody
    // Only Python's can be longer.
    if (name !== undefined && name.length > MAX_NAME_LENGTH) {
      throw new Refused({ status: STATUS.badCommand, text: `a command's name has 1 to ${MAX_NAME_LENGTH} characters`, name: undefined })
    }
    if (extras?.idempotencyKey === '' || (extras?.idempotencyKey?.length ?? 0) > MAX_IDEMPOTENCY_KEY_LENGTH) {
      throw new Refused({ status: STATUS.badCommand, text: `an idempotency key has 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} characters`, name })
    }
    const sender = principal === undefined ? `${call.kind} ${hostOf(call.remoteAddress)}` : `user ${principal.username}`
    const lane = laneOf(sender, extras?.orderingKey)
    // Native callers say what is to be kept in order.
    const ordered = dialect !== 'native' || call.envelope === undefined || extras?.orderingKey !== undefined
    const drain = name === undefined ? undefined : buffer.settings.drain.commands.get(name)
    const valueKey = name === undefined ? undefined : valueKeyOf(drain, name, { body, dialect, lane })
    const ttlMs = extras?.keep?.ttlMs ?? Number.POSITIVE_INFINITY
    try {
      return await buffer.accept({ id, key, name, dialect, body, lane, ordered, user: principal?.username, ttlMs, valueKey })
    } catch (cause) {
      // pyzmqrpc3 has one status for what a proxy could not do.
      if (dialect === 'native') throw refused(cause, name)
      throw new Refused({
        status: STATUS.proxyFailed,
        text: `the proxy could not keep it: ${wordsOf(toError(cause))}`,
        name,
        cause,
        started: startedOf(cause),
      })
    }
  }

  async #answer({ call, name }: Incoming, id: string): Promise<unknown> {
    // Others may begin meanwhile: it can take long.
    call.makeRoom()
    const wait = new AbortController()
    this.#waits.add(wait)
    const forget = call.aborted ? () => {} : onAbort(call.signal, () => wait.abort())
    if (call.aborted || this.#closing) wait.abort()
    try {
      return new Answered(await this.#custody.answer(id, wait.signal))
    } catch (cause) {
      if (call.aborted) return undefined
      throw refused(cause, name)
    } finally {
      forget()
      this.#waits.delete(wait)
    }
  }
}

/** Statuses of what a buffer cannot do; everything else is a proxy's failure. */
const STATUS_OF: Readonly<Partial<Record<string, number>>> = {
  STORE_FULL: STATUS.storeFull,
  RECORD_TOO_LARGE: STATUS.tooLarge,
  CONFLICT: STATUS.conflict,
  UNKNOWN_RECEIPT: STATUS.unknownReceipt,
  OVERLOADED: STATUS.notYetExecuted,
  ABORTED: STATUS.notYetExecuted,
  CLOSED: STATUS.shuttingDown,
}

function refused(cause: unknown, name: string | undefined): Refused {
  const status = (cause instanceof ZmqRpcError ? STATUS_OF[cause.code] : undefined) ?? STATUS.proxyFailed
  return new Refused({ status, text: wordsOf(toError(cause)), name, cause, started: startedOf(cause) })
}

function startedOf(cause: unknown): Started {
  return cause instanceof ZmqRpcError ? cause.started : 'maybe'
}
