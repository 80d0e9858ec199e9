/** Servers, proxies and receivers in a thread of their own: pyzmqrpc3's `…Thread` classes, for anything with `stop` or `close`. */

import type { ZmqRpcError } from '../../errors.ts'
import { publish } from '../../observability/events.ts'
import { checkOptions } from '../../options.ts'
import { type Endpoint, resolveNumber } from '../endpoint.ts'
import type { ToThread } from './port-messages.ts'
import { PortQueue } from './port-queue.ts'
import { THREAD_OPTIONS, Thread, type ThreadOptions } from './thread.ts'
import { resolveModule } from './threads-options.ts'

/** How `RunningThread.stop` ends a thread. */
export interface StopThreadOptions {
  /** Time to stop in, ms; then it is ended by force, and `join` rejects. @default 10000 */
  readonly graceMs?: number | undefined
}

/** A thread that {@link startThread} has started. */
export interface RunningThread extends AsyncDisposable {
  /** Of what its module's function returned: where it listens. */
  readonly endpoints: readonly Endpoint[]
  /** Stops what its module's function returned, and waits for the thread's end. Never rejects: `join` tells how it ended. */
  stop(options?: StopThreadOptions): Promise<void>
  /**
   * Resolves when the thread has ended: it was stopped, or had nothing more to do.
   *
   * @throws ZmqRpcError THREAD_FAILED when it ended otherwise, with the reason: an error that nothing caught, `process.exit` with
   * another code than 0, memory, `graceMs` was over.
   */
  join(): Promise<void>
}

/**
 * Runs a module in a thread. Its default export is a function, which gets `options.data`; what it returns (or resolves to) has `stop` or
 * `close`, as servers, proxies, receivers and clients have, or is a list of such things, or nothing.
 *
 * @example
 * ```ts
 * const thread = await startThread(new URL('./server.js', import.meta.url), { data: { port: 30000 } })
 * await thread.stop()
 * ```
 * @returns once the function has returned
 * @throws ZmqRpcError THREAD_FAILED when the module cannot be loaded, its function throws, or takes longer than a minute; BAD_OPTION.
 */
export async function startThread(module: URL | string, options: ThreadOptions = {}): Promise<RunningThread> {
  checkOptions('startThread', options, THREAD_OPTIONS)
  const address = resolveModule('the module', module)
  let settle: { resolve(endpoints: readonly Endpoint[]): void; reject(error: unknown): void } | undefined
  const started = new Promise<readonly Endpoint[]>((resolve, reject) => {
    settle = { resolve, reject }
  })
  let markEnded: (error: ZmqRpcError | undefined) => void = () => {}
  const ended = new Promise<ZmqRpcError | undefined>((resolve) => {
    markEnded = resolve
  })
  let ready = false
  const thread = new Thread({ kind: 'program', module: address, index: 0 }, options, {
    ready: ({ endpoints }) => {
      ready = true
      settle?.resolve(endpoints)
    },
    batch: () => {},
    ended: (error) => {
      if (ready && error !== undefined) publish('zmq-rpc:thread:failed', () => ({ module: address, error, retryMs: undefined }))
      settle?.reject(error)
      markEnded(error)
    },
  })
  const queue = new PortQueue<ToThread>(thread.port, (flush) => flush())
  const endpoints = await started
  let stopping: Promise<void> | undefined
  const stop = async (graceMs: number): Promise<void> => {
    thread.expectEnd(graceMs)
    queue.push(() => ({ kind: 'stop' }))
    await ended
  }
  const running: RunningThread = {
    endpoints,
    stop(given: StopThreadOptions = {}) {
      checkOptions('stop', given, { graceMs: true })
      stopping ??= stop(resolveNumber('graceMs', given.graceMs, 10_000))
      return stopping
    },
    async join() {
      const error = await ended
      if (error !== undefined) throw error
    },
    [Symbol.asyncDispose]: () => running.stop(),
  }
  return running
}
