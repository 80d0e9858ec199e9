/** How a server's threads are asked for. */

import { ZmqRpcError } from '../../errors.ts'
import { checkOptions, type OptionNames } from '../../options.ts'
import { describe } from '../command/command.ts'
import { resolveNumber } from '../endpoint.ts'
import { THREAD_OPTIONS, type ThreadOptions } from './thread.ts'

/** `threads` of `RpcServer`, where the number is not all. */
export interface ThreadsOptions extends ThreadOptions {
  /** How many, 1 to 1024. For services that compute: one for each core that they may have. */
  readonly count: number
  /**
   * A thread that a service has blocked is ended, and a new one takes its place, when it has not come back to its event loop for so long
   * and nobody has waited for anything that it has begun: its callers gave up, or their time was over. ms; Infinity: never.
   *
   * @default 10000
   */
  readonly replaceBlockedMs?: number | undefined
}

const THREADS_OPTIONS: OptionNames<ThreadsOptions> = { ...THREAD_OPTIONS, count: true, replaceBlockedMs: true }

const MAX_THREADS = 1024

export interface ResolvedThreads {
  readonly module: string
  readonly count: number
  readonly replaceBlockedMs: number
  readonly thread: ThreadOptions
}

/** Undefined without threads. @throws ZmqRpcError BAD_OPTION */
export function resolveThreads(services: unknown, threads: number | ThreadsOptions | undefined): ResolvedThreads | undefined {
  if (services === undefined && threads === undefined) return undefined
  if (services === undefined)
    throw new ZmqRpcError('BAD_OPTION', 'threads run a module of services, and there is none: services is its address')
  if (threads === undefined) throw new ZmqRpcError('BAD_OPTION', 'services is the module that threads run: threads says how many')
  if (typeof threads !== 'number') checkOptions('threads', threads, THREADS_OPTIONS)
  const { count, replaceBlockedMs, ...thread } = typeof threads === 'number' ? { count: threads } : threads
  if (!Number.isInteger(count) || count < 1 || count > MAX_THREADS)
    throw new ZmqRpcError('BAD_OPTION', `threads is ${String(count)}, not a whole number from 1 to ${MAX_THREADS}`)
  return {
    module: resolveModule('services', services),
    count,
    replaceBlockedMs: resolveNumber('threads.replaceBlockedMs', replaceBlockedMs, 10_000, 1),
    thread,
  }
}

/** The address of a module. @throws ZmqRpcError BAD_OPTION */
export function resolveModule(option: string, given: unknown): string {
  const text = given instanceof URL ? given.href : given
  if (typeof text === 'string' && URL.canParse(text)) return text
  const what = typeof text === 'string' ? JSON.stringify(text.slice(0, 200)) : describe(text)
  const words = `${option} is ${what}, not the address of a module: new URL('./services.js', import.meta.url)`
  throw new ZmqRpcError('BAD_OPTION', words)
}
