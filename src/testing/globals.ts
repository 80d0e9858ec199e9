/** Puts timers and clocks in the place of the real ones, wherever code gets them from, and back. */

import { createRequire, syncBuiltinESMExports } from 'node:module'
import { performance } from 'node:perf_hooks'
import type { Timers } from './timers.ts'

export interface Clocks {
  /** Milliseconds since 1970. */
  wallMs(): number
  /** Milliseconds, as of `performance.now()`. */
  monotonicMs(): number
}

const TIMER_FUNCTIONS = ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate'] as const

const require = createRequire(import.meta.url)

/** Returns what puts the real ones back. */
export function installGlobals(timers: Timers, clocks: Clocks): () => void {
  const undo: (() => void)[] = []
  const put = (target: object, name: PropertyKey, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(target, name)
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: before?.enumerable ?? true })
    undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(target, name)
      else Object.defineProperty(target, name, before)
    })
  }

  const modules = { timers: require('node:timers'), promises: require('node:timers/promises') } as Record<'timers' | 'promises', object>
  for (const name of TIMER_FUNCTIONS) {
    put(globalThis, name, timers[name])
    put(modules.timers, name, timers[name])
  }
  for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) put(modules.promises, name, timers.promises[name])
  put(modules.promises, 'scheduler', timers.scheduler)

  const date = virtualDate(clocks)
  put(globalThis, 'Date', date)
  put(Date.prototype, 'constructor', date)
  put(performance, 'now', clocks.monotonicMs)
  put(process, 'hrtime', virtualHrtime(clocks))
  put(AbortSignal, 'timeout', timers.abortSignalTimeout)
  // So that `import { setTimeout } from 'node:timers/promises'`, done before or after, is ours.
  syncBuiltinESMExports()
  return () => {
    for (const one of undo.reverse()) one()
    syncBuiltinESMExports()
  }
}

/** The real class in everything but the time it says now. */
function virtualDate({ wallMs }: Clocks): DateConstructor {
  const now = (): number => Math.floor(wallMs())
  return new Proxy(Date, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: (target) => new target(now()).toString(),
    get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
  })
}

function virtualHrtime({ monotonicMs }: Clocks): NodeJS.HRTime {
  const nanoseconds = (): bigint => BigInt(Math.round(monotonicMs() * 1e6))
  const hrtime = (since?: [number, number]): [number, number] => {
    const passed = nanoseconds() - (since === undefined ? 0n : BigInt(since[0]) * 1_000_000_000n + BigInt(since[1]))
    return [Number(passed / 1_000_000_000n), Number(passed % 1_000_000_000n)]
  }
  return Object.assign(hrtime, { bigint: nanoseconds })
}
