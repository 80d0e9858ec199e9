/**
 * What a service's own calls inherit from the call that it answers: the time that is left until that is answered, and the trace
 * it belongs to.
 *
 * Following the flow of a program costs every promise of the process a little before Node 24. So it begins with the first
 * service that runs in a process with a client or sender: a server that calls nobody pays nothing, nor does a proxy, which hands the
 * time on by itself.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { performance } from 'node:perf_hooks'
import { ZmqRpcError } from '../errors.ts'
import type { Metadata } from './server/service.ts'

export interface CallScope {
  /** When the time of the call is over, on the clock of `performance.now()`; Infinity for never, and once it was answered. */
  readonly deadline: number
  readonly metadata: Metadata
}

let scopes: AsyncLocalStorage<CallScope> | undefined

/** From now on services run in the scope of their call. */
export function followCalls(): void {
  scopes ??= new AsyncLocalStorage()
}

/** Runs a service for a call. */
export function runInScope<S extends CallScope, T>(scope: S, run: (scope: S) => T): T {
  return scopes === undefined ? run(scope) : scopes.run(scope, run, scope)
}

/**
 * The time for a call that is made here: what it asks for, but no more than the call that it is made for has left.
 *
 * @throws ZmqRpcError TIMED_OUT when that has none left: there is nobody to tell the answer to.
 */
export function timeWithinScope(timeoutMs: number): number {
  const scope = scopes?.getStore()
  if (scope === undefined || scope.deadline === Number.POSITIVE_INFINITY) return timeoutMs
  // Whole milliseconds, as it stands in the texts of errors.
  const leftMs = Math.floor(scope.deadline - performance.now())
  if (leftMs >= 1) return Math.min(timeoutMs, leftMs)
  throw new ZmqRpcError('TIMED_OUT', 'a call was not sent: the time of the call that it was made for is over', { started: 'no' })
}

/**
 * The metadata for a call that is made here: its own, and the trace of the call that it is made for [W3C Trace Context, W3C
 * Baggage]. A `traceparent` of its own stands for itself: the `tracestate` of another does not go with it.
 */
export function metadataWithinScope(own: Metadata | undefined): Metadata | undefined {
  const inherited = scopes?.getStore()?.metadata
  if (inherited === undefined) return own
  const { traceparent, tracestate, baggage } = inherited as Record<string, string | undefined>
  const hasTrace = own?.['traceparent'] !== undefined
  const trace = {
    ...(traceparent !== undefined && !hasTrace && { traceparent, ...(tracestate !== undefined && { tracestate }) }),
    ...(baggage !== undefined && { baggage }),
  }
  return Object.keys(trace).length === 0 ? own : { ...trace, ...own }
}
