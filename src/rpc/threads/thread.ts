/**
 * A worker thread that runs a module: started until the module is ready, watched until it ends, stopped in good order or by force.
 * What it is for, and what is said on its port, is its owner's business.
 *
 * It ends once. How: well (it was stopped, or had nothing more to do), or with an error that says what happened.
 */

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MessageChannel, type MessagePort, type ResourceLimits, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { toError, ZmqRpcError } from '../../errors.ts'
import type { OptionNames } from '../../options.ts'
import { timerMs } from '../deadlines.ts'
import { errorText } from '../error/error-text.ts'
import type { Batch, FromThread, ThreadServerSettings, ThreadTask } from './port-messages.ts'
import { readError } from './told-error.ts'

/** What a thread is given besides its module. */
export interface ThreadOptions {
  /** Handed to the module's function, copied as `structuredClone` does. @default undefined */
  readonly data?: unknown
  /** Limits on its memory: a thread that goes beyond them ends, and nothing else does. @default Node's: those of the process */
  readonly resourceLimits?: ResourceLimits | undefined
  /** Options of Node for it, as `['--import', 'tsx']`. @default those of this process */
  readonly execArgv?: readonly string[] | undefined
  /** Its environment. @default a copy of `process.env` */
  readonly env?: Readonly<Record<string, string>> | undefined
}

export const THREAD_OPTIONS: OptionNames<ThreadOptions> = { data: true, resourceLimits: true, execArgv: true, env: true }

export interface ThreadOwner {
  /** The module is ready. */
  ready(item: Extract<FromThread, { kind: 'ready' }>): void
  batch(batch: Batch<FromThread>): void
  /** It has ended; nothing more comes. Undefined where it ended well. `why`: for those who are not to know more than its kind. */
  ended(error: ZmqRpcError | undefined, why: string): void
}

/** A module that has not come so far by then never will. */
const START_MS = 60_000

export class Thread {
  /** For errors: `thread 2 of file:///srv/services.js`. */
  readonly name: string
  readonly port: MessagePort
  readonly #worker: Worker
  readonly #owner: ThreadOwner
  readonly #startTimer: NodeJS.Timeout
  /** Services wait for calls; a program ends when it has nothing more to do. */
  readonly #isForEver: boolean
  #ready = false
  #stopping = false
  #ended = false
  #error: ZmqRpcError | undefined
  #why = 'it was stopped'
  #stopTimer: NodeJS.Timeout | undefined

  /** @throws ZmqRpcError BAD_OPTION for options that Node refuses, `data` that cannot be copied. */
  constructor(
    task: Pick<ThreadTask, 'kind' | 'module' | 'index'> & { readonly server?: ThreadServerSettings },
    { data, resourceLimits, execArgv, env }: ThreadOptions,
    owner: ThreadOwner,
  ) {
    const { port1, port2 } = new MessageChannel()
    this.name = task.kind === 'services' ? `thread ${task.index + 1} of ${task.module}` : `the thread of ${task.module}`
    this.port = port1
    this.#owner = owner
    this.#isForEver = task.kind === 'services'
    const whole: ThreadTask = { ...task, port: port2, data }
    try {
      this.#worker = new Worker(workerFile(), {
        name: `${task.module.slice(task.module.lastIndexOf('/') + 1)} ${task.index + 1}`,
        workerData: whole,
        transferList: [port2],
        ...(resourceLimits !== undefined && { resourceLimits }),
        ...(execArgv !== undefined && { execArgv: [...execArgv] }),
        ...(env !== undefined && { env }),
      })
    } catch (cause) {
      port1.close()
      if (cause instanceof ZmqRpcError) throw cause
      throw new ZmqRpcError('BAD_OPTION', `${this.name} cannot be started so: ${errorText(cause)}`, { cause })
    }
    this.#startTimer = setTimeout(() => this.kill(`it was not ready after ${START_MS} ms`), START_MS)
    port1.on('message', (batch: Batch<FromThread>) => this.#take(batch))
    this.#worker.on('error', (error: unknown) => this.#threw(error))
    this.#worker.on('exit', (code) => this.#exited(code))
  }

  get ready(): boolean {
    return this.#ready && !this.#ended
  }

  /** Whatever way it ends from now on, it was meant to; beyond `graceMs` by force. The module has to be told: that is the owner's. */
  expectEnd(graceMs: number): void {
    this.#stopping = true
    this.#stopTimer ??= setTimeout(() => this.kill(`it had not stopped after ${graceMs} ms`), timerMs(graceMs))
  }

  /** Ends it by force. */
  kill(why: string, cause?: unknown): void {
    this.#failed(why, why, cause)
    void this.#worker.terminate()
  }

  #take(batch: Batch<FromThread>): void {
    for (const item of batch.items) {
      if (item.kind === 'ready') {
        clearTimeout(this.#startTimer)
        this.#ready = true
        this.#owner.ready(item)
      } else if (item.kind === 'failed') {
        this.kill(item.what, readError(item.error))
      }
    }
    this.#owner.batch(batch)
  }

  #threw(thrown: unknown): void {
    const { code, message, name } = toError(thrown) as Error & { code?: unknown }
    if (code === 'ERR_WORKER_OUT_OF_MEMORY') return this.#failed('it was out of memory', undefined, thrown)
    this.#failed('an error in it that nothing caught', `an error in it that nothing caught: ${name}: ${message}`, thrown)
  }

  /** The first reason is the one. */
  #failed(why: string, exactly = why, cause?: unknown): void {
    if (this.#error !== undefined) return
    this.#why = why
    this.#error = new ZmqRpcError('THREAD_FAILED', `${this.name} ${this.#ready ? 'has ended' : 'did not start'}: ${exactly}`, { cause })
  }

  #exited(code: number): void {
    // What it said before it ended counts.
    for (let left = receiveMessageOnPort(this.port); left !== undefined; left = receiveMessageOnPort(this.port)) {
      this.#take(left.message as Batch<FromThread>)
    }
    this.#ended = true
    clearTimeout(this.#startTimer)
    clearTimeout(this.#stopTimer)
    this.port.close()
    if (!this.#ready) this.#failed(`it ended with exit code ${code} before its module was ready`)
    else if ((code !== 0 || this.#isForEver) && !this.#stopping) this.#failed(`process.exit(${code}) in it`)
    this.#owner.ended(this.#error, this.#why)
  }
}

/** The file that a thread starts with: source beside source, or in the built package, wherever the bundler has put this one. */
function workerFile(): URL {
  const places = ['./worker.ts', './rpc/threads/worker.js', '../rpc/threads/worker.js']
  const found = places.map((place) => new URL(place, import.meta.url)).find((url) => existsSync(fileURLToPath(url)))
  if (found !== undefined) return found
  const text = 'the file that threads start with is not where the package has it: leave zmq-rpc out of what you bundle'
  throw new ZmqRpcError('BAD_OPTION', text)
}
