/**
 * Why calls of one endpoint fail, in words for their callers: where, what was tried, the last reason, and whether the command may have been
 * carried out.
 */

import { type ErrorCode, ZmqRpcError } from '../../errors.ts'
import type { SecurityOptions } from '../auth.ts'
import { wordsOf } from '../error/error-text.ts'
import type { Call } from './call.ts'

export class LinkErrors {
  readonly #endpoint: string
  readonly #security: SecurityOptions
  /** Why there is no connection, as far as is known. */
  lastFailure: Error | undefined

  constructor(endpoint: string, security: SecurityOptions) {
    this.#endpoint = endpoint
    this.#security = security
  }

  /** In words, for whoever asks why nothing arrives. `refusal`: why the far end does not let us in. */
  away(refusal: Error | undefined): string {
    if (refusal !== undefined) return wordsOf(this.refused(undefined, refusal))
    return `${this.#endpoint} is not connected${this.#because()}`
  }

  closed(call: Call): ZmqRpcError {
    return this.#error('CLOSED', call, `${call.what} was not sent: the client is closed`)
  }

  closedMeanwhile(call: Call): ZmqRpcError {
    const text = call.sent ? 'was under way when the client was closed; it may have been executed' : 'was not sent: the client was closed'
    return this.#error('CLOSED', call, `${call.what} ${text}`)
  }

  givenUp(call: Call, cause: unknown): ZmqRpcError {
    return this.#error('ABORTED', call, `${call.what} was given up before it was sent`, cause)
  }

  queueFull(call: Call, maxQueued: number, connected: boolean): ZmqRpcError {
    const why = connected ? 'the far end does not keep up' : `it is not connected${this.#because()}`
    return this.#error('QUEUE_FULL', call, `${call.what} was not sent: ${maxQueued} calls wait for ${this.#endpoint} already; ${why}`)
  }

  /** For a call that was not sent, though there is a connection. */
  notSent(call: Call, waitedMs: number, why: string): ZmqRpcError {
    return this.#error('TIMED_OUT', call, `${call.what} was not sent to ${this.#endpoint} within ${waitedMs} ms, nor executed: ${why}`)
  }

  notConnected(call: Call, waitedMs: number): ZmqRpcError {
    const text = `${call.what} was not sent: no connection to ${this.#endpoint} within ${waitedMs} ms${this.#because()}`
    return this.#error('NOT_CONNECTED', call, text, this.lastFailure)
  }

  /** For a call that was not sent, and does not wait for a better moment. */
  notThisTime(call: Call, draining: boolean): ZmqRpcError {
    const why = draining ? 'it is about to stop' : `it is not connected${this.#because()}`
    return this.#error('NOT_CONNECTED', call, `${call.what} was not sent to ${this.#endpoint}: ${why}`, this.lastFailure)
  }

  notAnswered(call: Call): ZmqRpcError {
    const { what, timeoutMs, receipt } = call
    if (receipt === undefined) {
      return this.#error('TIMED_OUT', call, `no reply from ${this.#endpoint} to ${what} within ${timeoutMs} ms; it may have been executed`)
    }
    const text = `${what} is on disk at ${this.#endpoint}, but was not carried out within ${timeoutMs} ms; what comes of it can be asked for with its receipt`
    return this.#error('NOT_YET_EXECUTED', call, text)
  }

  lost(call: Call, reason: Error | undefined): ZmqRpcError {
    const why = reason === undefined ? '' : ` (${reason.message})`
    const text = `the connection to ${this.#endpoint} was lost while ${call.what} was under way${why}; it may have been executed`
    return this.#error('CONNECTION_LOST', call, text, reason)
  }

  lostStreaming(call: Call, reason: Error | undefined): ZmqRpcError {
    return this.#error('CONNECTION_LOST', call, `the connection to ${this.#endpoint} was lost while ${call.what} was streaming`, reason)
  }

  /** The far end does not let us in. `call`: undefined for whoever waits for the connection alone. */
  refused(call: Call | undefined, cause: Error): ZmqRpcError {
    const { plainUsername, curvePublicKey } = this.#security
    const name = plainUsername === undefined ? 'without credentials' : `as user "${plainUsername}"`
    const who = curvePublicKey === undefined ? name : `with the public key ${curvePublicKey}`
    const what = call === undefined ? '' : `; ${call.what} was not executed`
    return this.#error('AUTH_REFUSED', call, `${this.#endpoint} does not let us in ${who}: ${wordsOf(cause)}${what}`, cause)
  }

  /** For whoever waits for the connection alone. */
  notReady(waitedMs: number): ZmqRpcError {
    const text = `no connection to ${this.#endpoint} within ${waitedMs} ms${this.#because()}`
    return this.#error('NOT_CONNECTED', undefined, text, this.lastFailure)
  }

  neverReady(text: string): ZmqRpcError {
    return this.#error('CLOSED', undefined, text)
  }

  #error(code: ErrorCode, call: Call | undefined, text: string, cause?: unknown): ZmqRpcError {
    // Whatever its code says: what was not sent was not carried out.
    const started = call?.sent === false ? 'no' : undefined
    return new ZmqRpcError(code, text, { endpoint: this.#endpoint, command: call?.command, cause, started, receipt: call?.receipt })
  }

  #because(): string {
    return this.lastFailure === undefined ? '' : ` (last reason: ${wordsOf(this.lastFailure)})`
  }
}
