/**
 * The threads of a server: each runs the same module of services, and a call goes to the one that has the least to do. A thread that
 * ends is replaced: at once when it had lived for a while, else after a wait that grows.
 */

import { toError, ZmqRpcError } from '../../errors.ts'
import { publish } from '../../observability/events.ts'
import { Backoff } from '../../session/backoff.ts'
import type { Message } from '../../wire/index.ts'
import { STATUS } from '../error/status.ts'
import type { AllowRequest } from '../server/allow.ts'
import type { ServerCall } from '../server/server-call.ts'
import { Answered } from '../server/service-run.ts'
import type { DescribedService } from './port-messages.ts'
import { ServiceThread, type ServiceThreadOptions } from './service-thread.ts'
import { ThreadCall } from './thread-call.ts'

export interface ServiceThreadsOptions extends Omit<ServiceThreadOptions, 'index'> {
  readonly count: number
}

/** One that lived for so long did not die of how it is started. */
const LIVED_MS = 5000
const BACKOFF = { reconnectInterval: 100, reconnectMaxInterval: 10_000 }

/** The place of a thread: one after the other stands there. */
interface Place {
  readonly index: number
  readonly backoff: Backoff
  thread: ServiceThread | undefined
  /** Until the next one is started. */
  timer: NodeJS.Timeout | undefined
}

export class ServiceThreads {
  readonly #options: ServiceThreadsOptions
  readonly #room: () => void
  readonly #places: Place[]
  /** Calls, and questions to rules, that are to run and find no thread. */
  readonly #waiting = new Set<ThreadCall>()
  readonly #waitingQuestions = new Set<() => void>()
  #starting: { resolve(services: readonly DescribedService[]): void; reject(error: Error): void } | undefined
  #state: 'starting' | 'running' | 'stopping' = 'starting'
  #stopping: Promise<void> | undefined
  #stopped: (() => void) | undefined

  /** `room`: told when {@link mayHaveCall} may have become true. */
  constructor(options: ServiceThreadsOptions, room: () => void) {
    this.#options = options
    this.#room = room
    this.#places = Array.from({ length: options.count }, (_, index) => ({
      index,
      backoff: new Backoff(BACKOFF),
      thread: undefined,
      timer: undefined,
    }))
  }

  /** What the module serves, once all threads are ready. @throws ZmqRpcError THREAD_FAILED: none is left then; BAD_OPTION */
  async start(): Promise<readonly DescribedService[]> {
    const started = new Promise<readonly DescribedService[]>((resolve, reject) => {
      this.#starting = { resolve, reject }
    })
    // A thread that cannot be made at all throws here.
    try {
      for (const place of this.#places) this.#start(place)
      const services = await started
      this.#state = 'running'
      return services
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  get mayHaveCall(): boolean {
    return this.#places.some(({ thread }) => thread?.mayHaveCall)
  }

  /** Runs a call in a thread. Rejects with `Refused`. */
  run(call: ServerCall, command: string, body: Message, keyed: boolean): Promise<Answered> {
    // A rule may have taken its time.
    if (call.aborted) return Promise.resolve(new Answered(undefined, { status: STATUS.aborted }))
    const made = new ThreadCall(call, command, body, keyed)
    this.#dispatch(made)
    return made.result
  }

  /** What a rule says that lives in the threads. Rejects with what it throws, or `Refused` when its thread ends. */
  async ask(request: AllowRequest): Promise<boolean> {
    for (;;) {
      const thread = this.#leastBusy()
      if (thread !== undefined) return thread.ask(request)
      await new Promise<void>((resolve) => this.#waitingQuestions.add(resolve))
      if (this.#state === 'stopping') return false
    }
  }

  /** Once all calls have ended, or been given up. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#state = 'stopping'
    this.#starting?.reject(new ZmqRpcError('CLOSED', 'it was stopped before it had started'))
    for (const { timer } of this.#places) clearTimeout(timer)
    this.#wakeQuestions()
    const left = this.#places.filter(({ thread }) => thread !== undefined)
    if (left.length === 0) return
    const stopped = new Promise<void>((resolve) => {
      this.#stopped = resolve
    })
    for (const { thread } of left) thread?.stop()
    await stopped
  }

  #dispatch(call: ThreadCall): void {
    const thread = this.#leastBusy()
    if (thread !== undefined) return thread.run(call)
    if (this.#state === 'stopping') return call.fail('no', 'the server stops', undefined)
    this.#waiting.add(call)
  }

  #leastBusy(): ServiceThread | undefined {
    let best: ServiceThread | undefined
    for (const { thread } of this.#places) {
      if (thread === undefined || !thread.ready) continue
      if (best === undefined || isLessBusy(thread, best)) best = thread
    }
    return best
  }

  #start(place: Place): void {
    const { index } = place
    place.thread = new ServiceThread(
      { ...this.#options, index },
      {
        ready: (services) => this.#ready(services),
        room: this.#room,
        ended: (error, calls) => this.#ended(place, error, calls),
      },
    )
  }

  #ready(services: readonly DescribedService[]): void {
    if (this.#places.every(({ thread }) => thread?.ready)) this.#starting?.resolve(services)
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const call of waiting) if (call.wanted) this.#dispatch(call)
    this.#wakeQuestions()
    this.#room()
  }

  #wakeQuestions(): void {
    for (const wake of this.#waitingQuestions) wake()
    this.#waitingQuestions.clear()
  }

  #ended(place: Place, error: ZmqRpcError | undefined, calls: readonly ThreadCall[]): void {
    const { thread } = place
    place.thread = undefined
    const stopping = this.#state === 'stopping'
    // At the start its caller is told; nobody else is told what was meant to be.
    if (error !== undefined && this.#state === 'running') this.#replace(place, error, thread?.ageMs ?? 0)
    if (this.#state === 'starting') this.#starting?.reject(error as ZmqRpcError)
    for (const call of calls) this.#dispatch(call)
    if (stopping && this.#places.every((other) => other.thread === undefined)) this.#stopped?.()
  }

  #replace(place: Place, error: Error, ageMs: number): void {
    if (ageMs > LIVED_MS) place.backoff.succeeded()
    const retryMs = ageMs > LIVED_MS ? 0 : (place.backoff.next(false) ?? 0)
    publish('zmq-rpc:thread:failed', () => ({ module: this.#options.module, error, retryMs }))
    place.timer = setTimeout(() => {
      try {
        this.#start(place)
      } catch (cause) {
        this.#replace(place, toError(cause), 0)
      }
    }, retryMs)
  }
}

function isLessBusy(one: ServiceThread, other: ServiceThread): boolean {
  return one.mayHaveCall === other.mayHaveCall ? one.load < other.load : one.mayHaveCall
}
