/**
 * What a service's own calls inherit from the call that it answers: the time that is left, and the trace it belongs to.
 *
 * Following the flow of a program costs every promise of the process a little before Node 24. So it begins with the first
 * client of the process: a server that calls nobody pays nothing.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { performance } from 'node:perf_hooks'
import type { Metadata } from './service.ts'

/** Metadata that goes along [W3C Trace Context, W3C Baggage]. */
const TRACE_KEYS = ['traceparent', 'tracestate', 'baggage'] as const

export interface CallScope {
  /** When the time of the call is over, on the clock of `performance.now()`; Infinity for never. */
  readonly deadline: number
  readonly metadata: Metadata
}

let scopes: AsyncLocalStorage<CallScope> | undefined

/** From now on services run in the scope of their call. */
export function followCalls(): void {
  scopes ??= new AsyncLocalStorage()
}

/** Runs a service for a call. */
export function runInScope<T>(scope: CallScope, run: () => T): T {
  return scopes === undefined ? run() : scopes.run(scope, run)
}

/** The time for a call that is made here: what it asks for, but no more than the call that it is made for has left. */
export function timeWithinScope(timeoutMs: number): number {
  const scope = scopes?.getStore()
  return scope === undefined ? timeoutMs : Math.min(timeoutMs, Math.max(0, scope.deadline - performance.now()))
}

/** The metadata for a call that is made here: its own, and the trace of the call that it is made for. */
export function metadataWithinScope(own: Metadata | undefined): Metadata | undefined {
  const inherited = scopes?.getStore()?.metadata
  if (inherited === undefined) return own
  let merged: Record<string, string> | undefined
  for (const key of TRACE_KEYS) {
    const value = inherited[key]
    if (value === undefined || (own !== undefined && Object.hasOwn(own, key))) continue
    merged ??= { ...own }
    merged[key] = value
  }
  return merged ?? own
}
