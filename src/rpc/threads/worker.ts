/**
 * What a thread starts with: loads the module that it is for, has its function set things up, and says so; or says what went wrong.
 * Started by address (see `thread.ts`), never imported.
 */

import { workerData } from 'node:worker_threads'
import { endpointsOf, type Stoppable, stopAll, stoppablesOf } from './closing.ts'
import type { Batch, FromThread, ThreadTask, ToThread } from './port-messages.ts'
import { PortQueue } from './port-queue.ts'
import { type ServicesModuleOptions, ThreadServer } from './thread-server.ts'
import { tellError } from './told-error.ts'
import { prepareTypeScript } from './typescript.ts'

const { kind, module: address, index, port, data, server: settings } = workerData as ThreadTask

const TURN_MS = 2

/** Once all promises of this turn have settled: what they sent goes along. */
const queue = new PortQueue<FromThread>(port, (flush) => queueMicrotask(() => process.nextTick(flush)))
let server: ThreadServer | undefined
let stoppables: Stoppable[] = []

/** What has come and was not done yet, of so many batches. */
const items: ToThread[] = []
let batches = 0
/** Calls that were given up: those of them that are not begun never are. */
const cancelled = new Set<number>()
let longestMs = 0
let isGoingOn = false

port.on('message', (batch: Batch<ToThread>) => {
  batches++
  for (const item of batch.items) {
    items.push(item)
    if (item.kind === 'cancel') cancelled.add(item.id)
  }
  if (!isGoingOn) work()
})

/**
 * A service that keeps the thread for long ends the turn: what was sent meanwhile is heard, that calls are given up above all, timers
 * run, and answers go, before the next one begins.
 */
function work(): void {
  isGoingOn = false
  const beganAt = performance.now()
  let at = beganAt
  for (let item = items.shift(); item !== undefined; item = items.shift()) {
    if (item.kind === 'stop') void stop()
    else server?.take(item, cancelled)
    const now = performance.now()
    longestMs = Math.max(longestMs, now - at)
    at = now
    if (items.length > 0 && now - beganAt > TURN_MS) {
      isGoingOn = true
      setImmediate(work)
      return queue.flush()
    }
  }
  cancelled.clear()
  queue.acknowledge(batches, longestMs)
  batches = longestMs = 0
}

// A module that waits for nothing ends the thread, which is then said to its starter.
port.unref()
await start()

async function start(): Promise<void> {
  let loaded: { readonly default?: unknown; readonly options?: unknown }
  try {
    await prepareTypeScript(address)
    loaded = (await import(address)) as typeof loaded
  } catch (error) {
    return fail(`its module cannot be loaded: ${tellError(error).text}`, error)
  }
  const { default: setUp, options } = loaded
  if (typeof setUp !== 'function') return fail(`its module has no function as its default export`)
  try {
    if (settings !== undefined) server = new ThreadServer(settings, (options ?? {}) as ServicesModuleOptions, queue)
    const returned = await (server === undefined ? setUp(data) : setUp(server, { data, index }))
    // What `register` returns: that of a function which is one expression.
    stoppables = stoppablesOf(returned === server ? undefined : returned)
    const services = server?.describe() ?? []
    queue.push(() => ({ kind: 'ready', services, endpoints: endpointsOf(stoppables) }))
    // A program ends when it has nothing more to do; services wait for calls.
    if (kind === 'services') port.ref()
  } catch (error) {
    fail(`its module's function failed: ${tellError(error).text}`, error)
  }
}

async function stop(): Promise<void> {
  try {
    await stopAll(stoppables)
    queue.flush()
    port.close()
  } catch (error) {
    fail(`what it ran could not be stopped: ${tellError(error).text}`, error)
  }
}

function fail(what: string, error?: unknown): void {
  queue.push(() => ({ kind: 'failed', what, error: tellError(error) }))
}
