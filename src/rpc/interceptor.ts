/**
 * What stands around every call: on the client between `execute` and the wire, on the server between the wire and the service.
 * The first of a list is the outermost. For logging, credentials in metadata, measuring, changing options or results.
 */

import type { CallOptions } from './client/client-options.ts'
import type { Command } from './command/command.ts'
import type { ServiceContext } from './server/service.ts'

/** A call that a client is about to make. */
export interface OutgoingCall {
  /** What the client was asked for: `next` resolves to the command's result, or else to its receipt. */
  readonly kind: 'execute' | 'submit'
  /** As the caller made it. */
  readonly command: Command
  /** The command's name on the wire. */
  readonly name: string
  /** The caller's own; an interceptor that wants others gives `next` another object. */
  readonly options: CallOptions
}

/** Calls `next` once, to have the call made; more often, for a repeated attempt; or not at all, to answer in its place. */
export type ClientInterceptor = (call: OutgoingCall, next: (call: OutgoingCall) => Promise<unknown>) => Promise<unknown>

/** A call that has come to a server: its command is read, and its caller allowed. */
export interface IncomingCall {
  /** As its class made it of the state that came. */
  readonly command: Command
  /** The command's name on the wire. */
  readonly name: string
  /** What the service is told besides. */
  readonly context: ServiceContext
}

/** Calls `next` to have the service run, and returns, or resolves to, the result; what it throws is told as if the service had thrown it. */
export type ServerInterceptor = (call: IncomingCall, next: () => unknown) => unknown

/** One function out of several around the last. */
export function aroundClient(
  interceptors: readonly ClientInterceptor[],
  last: (call: OutgoingCall) => Promise<unknown>,
): (call: OutgoingCall) => Promise<unknown> {
  return interceptors.reduceRight<(call: OutgoingCall) => Promise<unknown>>(
    (next, interceptor) => async (call) => interceptor(call, next),
    last,
  )
}

/** The result of a service, through all that stands around it. */
export function runIntercepted(interceptors: readonly ServerInterceptor[], call: IncomingCall, service: () => unknown): unknown {
  return interceptors.reduceRight<() => unknown>((next, interceptor) => () => interceptor(call, next), service)()
}
