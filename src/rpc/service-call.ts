/** From a message to its reply's frame: one way for the commands of a server and the texts of a receiver. */

import { publish } from '../observability/events.ts'
import { encodeReply, STATUS, STATUS_TEXT } from './dialect/pyzmqrpc3.ts'
import { errorText } from './error-text.ts'
import type { ServiceContext } from './service.ts'

/** The one frame of a reply, or undefined where nobody waits for one. */
export type ReplyFrame = Buffer | undefined

/** What is to be run. */
export interface ServiceCall {
  /** The command's name, for events. */
  readonly command: string
  /** As Python names it in an error's text. */
  readonly serviceName: string
  /** May throw, and may resolve later. */
  execute(context: ServiceContext): unknown
}

/** Why a message is not carried out. */
export interface Refusal {
  readonly status: number
  /** For the reply. */
  readonly statusText: string
  /** For the event: what was wrong exactly. */
  readonly detail: string
  readonly name?: string
  readonly cause?: unknown
}

/** Runs a service, and makes a reply of what it returns, resolves to, throws or rejects with. Neither throws nor rejects. */
export function runService(call: ServiceCall, context: ServiceContext): ReplyFrame | Promise<ReplyFrame> {
  try {
    const result = call.execute(context)
    if (!isPromiseLike(result)) return succeeded(call, result, context)
    return Promise.resolve(result).then(
      (resolved) => succeeded(call, resolved, context),
      (error: unknown) => failed(call, error, context),
    )
  } catch (error) {
    return failed(call, error, context)
  }
}

/** The reply to a message that no service is run for; also told as an event. */
export function refuse({ status, statusText, detail, name, cause }: Refusal, context: ServiceContext): ReplyFrame {
  const { endpoint, remoteAddress, kind } = context.peer
  publish('zmq-rpc:command:refused', () => ({ endpoint, remoteAddress, status, command: name, detail, error: cause }))
  return kind === 'pub' ? undefined : encodeReply({ status, statusText })
}

function succeeded(call: ServiceCall, result: unknown, context: ServiceContext): ReplyFrame {
  if (context.peer.kind === 'pub') return undefined
  try {
    return encodeReply({ status: STATUS.ok, statusText: STATUS_TEXT.ok, result })
  } catch (error) {
    // The result cannot be written. pyzmqrpc3 sends nothing here, and its REP socket is stuck from then on.
    return failed(call, error, context)
  }
}

function failed({ command, serviceName }: ServiceCall, error: unknown, context: ServiceContext): ReplyFrame {
  const { endpoint, remoteAddress, kind } = context.peer
  publish('zmq-rpc:service:failed', () => ({ endpoint, remoteAddress, command, error }))
  if (kind === 'pub') return undefined
  return encodeReply({ status: STATUS.serviceRaised, statusText: STATUS_TEXT.serviceRaised(serviceName, errorText(error)) })
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
