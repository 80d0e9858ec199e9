/**
 * One thread of a server, as the main thread sees it: the calls that it has, what it was sent and has not taken yet, and how much it may
 * be sent ahead.
 *
 * - A thread gets the next call when it has taken those before: one that is kept busy by a call is sent no other, so that none waits
 *   there while another thread is free. One that takes its calls at once gets up to {@link MAX_AHEAD} ahead.
 * - What streams to it waits in the main thread while {@link MAX_UNTAKEN_BYTES} are not taken.
 * - When it has not come back to its event loop for `replaceBlockedMs`, and nobody waits for anything that it has begun, it is ended.
 */

import { performance } from 'node:perf_hooks'
import type { ZmqRpcError } from '../../errors.ts'
import { publish, type RpcEvents } from '../../observability/events.ts'
import { type Message, messageBytes } from '../../wire/index.ts'
import { timerMs } from '../deadlines.ts'
import { wordsOf } from '../error/error-text.ts'
import { STATUS } from '../error/status.ts'
import type { AllowRequest } from '../server/allow.ts'
import { Refused } from '../server/service-run.ts'
import { cloneable } from './cloneable.ts'
import { fromPort, toPort } from './port-frames.ts'
import { type Batch, type DescribedService, type FromThread, sharedNow, type ThreadServerSettings, type ToThread } from './port-messages.ts'
import { PortQueue } from './port-queue.ts'
import { Thread, type ThreadOptions } from './thread.ts'
import type { ThreadCall, ThreadCallCarrier } from './thread-call.ts'
import { readError } from './told-error.ts'

export interface ServiceThreadOptions {
  readonly module: string
  readonly index: number
  readonly thread: ThreadOptions
  readonly server: Omit<ThreadServerSettings, 'begun'>
  /** Infinity for never. */
  readonly replaceBlockedMs: number
}

export interface ServiceThreadOwner {
  ready(services: readonly DescribedService[]): void
  /** It may take more. */
  room(): void
  /** It has ended. These calls did not begin, and may be given to another thread. */
  ended(error: ZmqRpcError | undefined, calls: ThreadCall[]): void
}

/** Calls that may be on their way to a thread that takes them at once. */
const MAX_AHEAD = 64
/** A service that keeps its thread for longer is one that computes: none is sent ahead of it. */
const QUICK_MS = 2
/** A thread that has not taken what it was sent for so long is sent no more; it may be that others have the machine. */
const STALLED_MS = 10
const MAX_UNTAKEN_BYTES = 1024 * 1024
/** Time to stop in, ms, for a thread whose calls have all ended or been given up. */
const STOP_MS = 1000

/** What was sent together, and was not taken yet. */
interface Untaken {
  readonly at: number
  readonly calls: number
  readonly bytes: number
}

export class ServiceThread implements ThreadCallCarrier {
  readonly #startedAt = performance.now()
  readonly #thread: Thread
  readonly #queue: PortQueue<ToThread>
  readonly #owner: ServiceThreadOwner
  readonly #replaceBlockedMs: number
  readonly #begun = new Int32Array(new SharedArrayBuffer(4))
  readonly #calls = new Map<number, ThreadCall>()
  readonly #asked = new Map<number, { resolve(yes: boolean): void; reject(error: Error): void }>()
  #nextId = 1
  /** Batches that were sent, and not taken yet. */
  readonly #untaken: Untaken[] = []
  /** Of those batches, and of what goes with the next one. */
  #untakenCalls = 0
  #untakenBytes = 0
  /** Of what goes with the next one alone. */
  #nextCalls = 0
  #nextBytes = 0
  /** Something waits for {@link hasRoom}. */
  #isAskedForRoom = false
  #mayBeAhead = 1
  #watch: NodeJS.Timeout | undefined

  /** @throws ZmqRpcError BAD_OPTION, as `Thread`. */
  constructor({ module, index, thread, server, replaceBlockedMs }: ServiceThreadOptions, owner: ServiceThreadOwner) {
    this.#owner = owner
    this.#replaceBlockedMs = replaceBlockedMs
    this.#thread = new Thread({ kind: 'services', module, index, server: { ...server, begun: this.#begun } }, thread, {
      ready: ({ services }) => owner.ready(services),
      batch: (batch) => this.#take(batch),
      ended: (error, why) => this.#ended(error, why),
    })
    this.#queue = new PortQueue(
      this.#thread.port,
      (flush) => process.nextTick(flush),
      () => this.#sent(),
    )
  }

  get ready(): boolean {
    return this.#thread.ready
  }

  /** Whether it should be given a call. */
  get mayHaveCall(): boolean {
    if (!this.ready || this.#untakenCalls >= this.#mayBeAhead) return false
    const [oldest] = this.#untaken
    return oldest === undefined || performance.now() - oldest.at < STALLED_MS
  }

  /** Calls that it has. */
  get load(): number {
    return this.#calls.size
  }

  get ageMs(): number {
    return performance.now() - this.#startedAt
  }

  run(call: ThreadCall): void {
    const { from, envelope, dialect, deadline } = call.call
    const id = this.#nextId
    this.#nextId = (id + 1) | 0
    call.id = id
    call.carrier = this
    this.#calls.set(id, call)
    this.#untakenCalls++
    this.#nextCalls++
    this.#count(call.body)
    this.#queue.push((transfer) => ({
      kind: 'call',
      id,
      dialect,
      answered: envelope !== undefined,
      keyed: call.keyed,
      from: { endpoint: from.endpoint, remoteAddress: from.remoteAddress, info: { user: cloneable(call.call.principal) } },
      deadline: deadline === Number.POSITIVE_INFINITY ? deadline : sharedNow() + call.call.timeLeftMs,
      body: toPort(call.body, transfer, true),
    }))
    call.started()
  }

  /** What a rule says that lives in the thread. Rejects when the thread ends. */
  ask({ principal, command, peer }: AllowRequest): Promise<boolean> {
    const id = this.#nextId
    this.#nextId = (id + 1) | 0
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      this.#queue.push(() => ({ kind: 'ask', id, request: { principal: cloneable(principal), command, peer } }))
    })
  }

  /** Its calls have ended, or been given up. It is told to stop, and ended by force after {@link STOP_MS}. */
  stop(): void {
    if (!this.#thread.ready) return this.#thread.kill('the server stops')
    this.#thread.expectEnd(STOP_MS)
    this.#queue.push(() => ({ kind: 'stop' }))
  }

  // ── ThreadCallCarrier ───────────────────────────────────────────────────────────────────────────────────────────────

  get hasRoom(): boolean {
    if (this.#untakenBytes < MAX_UNTAKEN_BYTES) return true
    this.#isAskedForRoom = true
    return false
  }

  continue({ id }: ThreadCall, body: Message): void {
    this.#count(body)
    this.#queue.push((transfer) => ({ kind: 'message', id, body: toPort(body, transfer, true) }))
  }

  cancel({ id }: ThreadCall, reason: ZmqRpcError): void {
    const { code } = reason
    this.#queue.push(() => ({ kind: 'cancel', id, error: { status: STATUS.aborted, code, text: wordsOf(reason) } }))
    this.#watchIfUnwanted()
  }

  over({ id }: ThreadCall): void {
    this.#calls.delete(id)
  }

  // ── The port ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Before it goes: what is handed over has no size any more. */
  #count(body: Message): void {
    const bytes = messageBytes(body)
    this.#nextBytes += bytes
    this.#untakenBytes += bytes
  }

  #sent(): void {
    this.#untaken.push({ at: performance.now(), calls: this.#nextCalls, bytes: this.#nextBytes })
    this.#nextCalls = this.#nextBytes = 0
  }

  #take({ taken, longestMs, items }: Batch<FromThread>): void {
    for (const item of items) this.#hear(item)
    if (taken === 0) return
    let begun = 0
    for (const { calls, bytes } of this.#untaken.splice(0, taken)) {
      this.#untakenCalls -= calls
      this.#untakenBytes -= bytes
      begun += calls
    }
    if (begun > 0) this.#mayBeAhead = longestMs < QUICK_MS ? Math.min(this.#mayBeAhead * 2, MAX_AHEAD) : 1
    if (this.#isAskedForRoom && this.hasRoom) {
      this.#isAskedForRoom = false
      for (const call of this.#calls.values()) call.writable()
    }
    this.#owner.room()
  }

  #hear(item: FromThread): void {
    switch (item.kind) {
      case 'answered':
        return this.#calls.get(item.id)?.answered(item)
      case 'message':
        return this.#calls.get(item.id)?.receive(fromPort(item.body))
      case 'allowed': {
        const asked = this.#asked.get(item.id)
        this.#asked.delete(item.id)
        if (typeof item.answer === 'boolean') asked?.resolve(item.answer)
        else asked?.reject(readError(item.answer))
        return
      }
      case 'event': {
        const { name, payload, error } = item
        return publish(name, () => ({ ...payload, error: error && readError(error) }) as RpcEvents[typeof name])
      }
      case 'ready':
      case 'failed':
        return
      default:
        item satisfies never
    }
  }

  // ── Its end ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #isBegun({ id }: ThreadCall): boolean {
    return ((id - Atomics.load(this.#begun, 0)) | 0) <= 0
  }

  #watchIfUnwanted(): void {
    if (this.#watch !== undefined || this.#replaceBlockedMs === Number.POSITIVE_INFINITY) return
    this.#watch = setTimeout(() => {
      this.#watch = undefined
      const [oldest] = this.#untaken
      // The cancellation at least was sent: a thread that is well has taken it.
      if (oldest === undefined) return
      if (performance.now() - oldest.at < this.#replaceBlockedMs) return this.#watchIfUnwanted()
      // When the last one is given up, it begins anew.
      if ([...this.#calls.values()].some((call) => call.wanted && this.#isBegun(call))) return
      this.#thread.kill(`a service has blocked it, and nobody has waited for anything it does for ${this.#replaceBlockedMs} ms`)
    }, timerMs(this.#replaceBlockedMs))
  }

  #ended(error: ZmqRpcError | undefined, reason: string): void {
    clearTimeout(this.#watch)
    const why = `a thread of this server has ended: ${reason}`
    const refusal = { status: STATUS.threadFailed, text: `a rule of this server has not answered: ${why}`, cause: error }
    for (const { reject } of this.#asked.values()) reject(new Refused(refusal))
    this.#asked.clear()
    const again: ThreadCall[] = []
    for (const call of [...this.#calls.values()]) {
      const begun = this.#isBegun(call)
      if (!begun && call.wanted && call.takeBack()) again.push(call)
      else if (begun) call.fail('maybe', `command "${call.command}" has no answer: ${why}`, error)
      else call.fail('no', `command "${call.command}" was not carried out: ${why}; it had not come to it`, error)
    }
    this.#calls.clear()
    this.#owner.ended(error, again)
  }
}
