/**
 * Commands on their way into a buffer: from `submit` to the receipt.
 *
 * - The same command goes out again, with the same id, until a buffer has said that it is on disk, it is refused for good, or its time is over. A
 *   buffer keeps it once. One that may have arrived goes to the same server again, unless its command may be carried out twice.
 * - A lane (commands with one ordering key) goes to one server at a time. Many of it are on the way together; when one of them has to go
 *   again, nothing more is sent before all of them have ended, and then they go again in their order. The server sees to the rest: see Lanes in
 *   `docs/protocol.md`. A command without a key is a lane of its own.
 * - Bounded: so many wait, and so many of a lane are on the way.
 */

import { type ErrorCode, ZmqRpcError } from '../../errors.ts'
import type { Receipt } from '../../receipt.ts'
import { onAbort } from '../abort-listeners.ts'
import { type Deadlines, Timed } from '../deadlines.ts'
import { errorText, wordsOf } from '../error/error-text.ts'
import type { Balancer, Choice } from './balancer.ts'
import type { CallSettings } from './call.ts'
import type { SubmitRequest } from './submit-request.ts'

/** A server that may have a buffer. */
export interface KeepingLink extends Choice {
  readonly connected: boolean
  /** Undefined as long as it has not said so. */
  readonly keeps: boolean | undefined
  call(request: SubmitRequest, settings: CallSettings): Promise<unknown>
}

/** Of one lane, on the way at a time. */
const WINDOW = 1000
const BACKOFF_MS = 20
const MAX_BACKOFF_MS = 2000

/** Failures that pass, where what is asked for may be asked for twice. */
export const PASSING: readonly ErrorCode[] = [
  'NOT_CONNECTED',
  'CONNECTION_LOST',
  'QUEUE_FULL',
  'OVERLOADED',
  'SHUTTING_DOWN',
  'STORE_UNAVAILABLE',
]

/** What may go better another time, the same command with the same id. */
const AGAIN: ReadonlySet<ErrorCode> = new Set([...PASSING, 'PROXY_FAILED'] as const)

interface Lane<L extends KeepingLink> {
  readonly key: string | undefined
  /** To be sent, or to be sent again; in the order in which they were submitted. */
  readonly waiting: Submission<L>[]
  flying: number
  /** Where those on the way are. */
  link: L | undefined
  /** One of them has to go again. */
  goingBack: boolean
  /** In a row. */
  failures: number
  pause: NodeJS.Timeout | undefined
}

export class Submissions<L extends KeepingLink> {
  readonly #links: readonly L[]
  readonly #balancer: Balancer
  readonly #deadlines: Deadlines
  readonly #maxWaiting: number
  /** Lanes of which anything waits or is on the way. */
  readonly #lanes = new Set<Lane<L>>()
  readonly #byKey = new Map<string, Lane<L>>()
  #count = 0
  #waiting = 0
  #closed = false

  constructor(links: readonly L[], balancer: Balancer, deadlines: Deadlines, maxWaiting: number) {
    this.#links = links
    this.#balancer = balancer
    this.#deadlines = deadlines
    this.#maxWaiting = maxWaiting
  }

  /** Those that are not accepted yet. */
  get size(): number {
    let flying = 0
    for (const lane of this.#lanes) flying += lane.flying
    return this.#waiting + flying
  }

  /** Resolves when a buffer has it. @throws ZmqRpcError, as `RpcClient.submit`. */
  submit(request: SubmitRequest, settings: CallSettings): Promise<Receipt> {
    const { command } = request
    const { timeoutMs, signal } = settings
    if (this.#closed) return Promise.reject(new ZmqRpcError('CLOSED', 'the client is closed', { command, started: 'no' }))
    if (signal?.aborted) {
      const text = `${request.what} was given up before it was submitted`
      return Promise.reject(new ZmqRpcError('ABORTED', text, { command, started: 'no', cause: signal.reason }))
    }
    if (this.#waiting >= this.#maxWaiting) {
      const text = `${request.what} was not submitted: ${this.#waiting} commands wait already`
      return Promise.reject(new ZmqRpcError('QUEUE_FULL', text, { command }))
    }
    return new Promise((resolve, reject) => {
      const lane = this.#laneOf(request.orderingKey)
      const submission = new Submission<L>(this, lane, request, settings, ++this.#count, resolve, reject)
      this.#deadlines.add(submission, timeoutMs)
      this.#put(submission)
      this.#pump(lane)
    })
  }

  /** A server has come, or has said what it can do. */
  news(): void {
    if (this.#waiting > 0) for (const lane of [...this.#lanes]) this.#pump(lane)
  }

  /** What waits fails with CLOSED; what is on the way fails with its link. */
  close(): void {
    this.#closed = true
    for (const lane of this.#lanes) {
      clearTimeout(lane.pause)
      for (const submission of lane.waiting.splice(0)) submission.fail(closed(submission))
    }
    this.#waiting = 0
    this.#lanes.clear()
    this.#byKey.clear()
  }

  /** It has ended. */
  ended(submission: Submission<L>): void {
    this.#deadlines.remove(submission)
  }

  /** Its time is over, or its caller gave it up: nothing is to be done if it is on the way, since that ends by itself. */
  withdraw(submission: Submission<L>, error: () => ZmqRpcError): void {
    const { lane } = submission
    const at = lane.waiting.indexOf(submission)
    if (at < 0) return
    lane.waiting.splice(at, 1)
    this.#waiting--
    submission.fail(error())
    this.#settle(lane)
  }

  #laneOf(key: string | undefined): Lane<L> {
    const known = key === undefined ? undefined : this.#byKey.get(key)
    if (known !== undefined) return known
    const lane: Lane<L> = { key, waiting: [], flying: 0, link: undefined, goingBack: false, failures: 0, pause: undefined }
    this.#lanes.add(lane)
    if (key !== undefined) this.#byKey.set(key, lane)
    return lane
  }

  #put(submission: Submission<L>): void {
    const { waiting } = submission.lane
    let at = waiting.length
    while (at > 0 && (waiting[at - 1] as Submission<L>).number > submission.number) at--
    waiting.splice(at, 0, submission)
    this.#waiting++
  }

  #pump(lane: Lane<L>): void {
    while (lane.waiting.length > 0 && lane.flying < WINDOW && !lane.goingBack && lane.pause === undefined) {
      const link = this.#linkFor(lane)
      if (link === undefined) return
      if (link === 'nowhere') return this.#refuse(lane)
      const submission = lane.waiting.shift() as Submission<L>
      this.#waiting--
      // The link may have had their answers already, and what has to go again is known here a moment later.
      submission.request.behind = lane.flying > 0
      lane.flying++
      lane.link = link
      submission.sent ||= true
      const { request, settings, timeLeftMs } = submission
      const timeoutMs = timeLeftMs === Number.POSITIVE_INFINITY ? timeLeftMs : Math.max(1, Math.ceil(timeLeftMs))
      link.call(request, { timeoutMs, signal: settings.signal, thisConnection: true }).then(
        (receipt) => {
          lane.failures = 0
          submission.succeed(receipt as Receipt)
          this.#landed(lane)
        },
        (error: unknown) => {
          this.#failed(submission, link, error)
          this.#landed(lane)
        },
      )
    }
  }

  /** Undefined: it has to wait. `nowhere`: nobody who is there has a buffer. */
  #linkFor(lane: Lane<L>): L | 'nowhere' | undefined {
    const bound = lane.flying > 0 ? lane.link : lane.waiting[0]?.home
    if (bound !== undefined) return isKeeping(bound) ? bound : undefined
    const fit = this.#links.filter(isKeeping)
    if (fit.length > 0) return this.#balancer.pick(fit)
    // It says itself why it lets nobody in.
    if (this.#links.every(({ refused }) => refused)) return this.#links[0]
    const there = this.#links.filter(({ connected }) => connected)
    return there.length > 0 && there.every(({ keeps }) => keeps === false) ? 'nowhere' : undefined
  }

  #refuse(lane: Lane<L>): void {
    const text = 'was not submitted: none of the servers that are there has a buffer'
    for (const submission of lane.waiting.splice(0)) {
      this.#waiting--
      const { what, command } = submission.request
      submission.fail(new ZmqRpcError('NO_BUFFER', `${what} ${text}`, { command, endpoint: this.#links[0]?.endpoint }))
    }
    this.#settle(lane)
  }

  #failed(submission: Submission<L>, link: L, error: unknown): void {
    const { lane, request } = submission
    if (!(error instanceof ZmqRpcError)) return submission.fail(error as Error)
    const again = AGAIN.has(error.code) && !(error.code === 'NOT_CONNECTED' && link.refused) && submission.timeLeftMs > 1
    if (error.started !== 'no' && !request.repeatable) submission.home = link
    if (submission.maybe) ZmqRpcError.earlierStarted(error, 'maybe')
    submission.maybe ||= error.started !== 'no'
    // The attempts before it know why there was none in time.
    if (error.code === 'TIMED_OUT' && submission.last !== undefined) return submission.fail(submission.timedOut())
    if (!again || this.#closed || submission.settings.signal?.aborted) return submission.fail(error)
    submission.last = error
    lane.goingBack = true
    this.#put(submission)
  }

  /** One that was on the way has ended. */
  #landed(lane: Lane<L>): void {
    lane.flying--
    if (lane.flying === 0 && lane.goingBack) {
      lane.goingBack = false
      const pauseMs = Math.random() * Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** lane.failures++)
      lane.pause = setTimeout(() => {
        lane.pause = undefined
        this.#pump(lane)
        this.#settle(lane)
      }, pauseMs)
    }
    this.#pump(lane)
    this.#settle(lane)
  }

  #settle(lane: Lane<L>): void {
    if (lane.flying > 0 || lane.waiting.length > 0) return
    clearTimeout(lane.pause)
    this.#lanes.delete(lane)
    if (lane.key !== undefined && this.#byKey.get(lane.key) === lane) this.#byKey.delete(lane.key)
  }
}

/** One command, from `submit` to its receipt. */
class Submission<L extends KeepingLink> extends Timed {
  readonly lane: Lane<L>
  readonly request: SubmitRequest
  readonly settings: CallSettings
  /** In the order of `submit`. */
  readonly number: number
  /** It was on its way once. */
  sent = false
  /** It may be with a buffer. */
  maybe = false
  /** Which one that would be: only this one knows not to keep it twice. */
  home: L | undefined
  /** Why it was not taken the last time. */
  last: ZmqRpcError | undefined
  readonly #owner: Submissions<L>
  readonly #resolve: (receipt: Receipt) => void
  readonly #reject: (error: Error) => void
  readonly #forgetSignal: (() => void) | undefined

  constructor(
    owner: Submissions<L>,
    lane: Lane<L>,
    request: SubmitRequest,
    settings: CallSettings,
    number: number,
    resolve: (receipt: Receipt) => void,
    reject: (error: Error) => void,
  ) {
    super()
    this.lane = lane
    this.request = request
    this.settings = settings
    this.number = number
    this.#owner = owner
    this.#resolve = resolve
    this.#reject = reject
    const { signal } = settings
    this.#forgetSignal =
      signal && onAbort(signal, () => owner.withdraw(this, () => this.#error('ABORTED', abortText(signal), signal.reason)))
  }

  succeed(receipt: Receipt): void {
    this.#end()
    this.#resolve(receipt)
  }

  fail(error: Error): void {
    this.#end()
    this.#reject(error)
  }

  override expired(): void {
    this.#owner.withdraw(this, () => this.timedOut())
  }

  timedOut(): ZmqRpcError {
    const { timeoutMs } = this.settings
    const last = this.last === undefined ? '' : ` (last reason: ${wordsOf(this.last)})`
    return this.sent
      ? this.#error('TIMED_OUT', `no buffer had it on disk within ${timeoutMs} ms${last}`, this.last)
      : this.#error('NOT_CONNECTED', `no server with a buffer was there within ${timeoutMs} ms${last}`, this.last)
  }

  #end(): void {
    this.#forgetSignal?.()
    this.#owner.ended(this)
  }

  #error(code: 'TIMED_OUT' | 'NOT_CONNECTED' | 'ABORTED', why: string, cause: unknown): ZmqRpcError {
    const { what, command } = this.request
    const started = this.maybe ? 'maybe' : 'no'
    const hope = this.maybe ? 'was submitted, and nobody can know whether it was kept' : 'was not submitted'
    return new ZmqRpcError(code, `${what} ${hope}: ${why}`, { command, endpoint: this.last?.endpoint, started, cause })
  }
}

function isKeeping(link: KeepingLink): boolean {
  return link.available && link.keeps === true
}

function abortText(signal: AbortSignal): string {
  return `its caller gave it up: ${errorText(signal.reason)}`
}

function closed({ request: { what, command }, maybe }: Submission<KeepingLink>): ZmqRpcError {
  const text = maybe ? 'may have been submitted when the client was closed' : 'was not submitted: the client was closed'
  return new ZmqRpcError('CLOSED', `${what} ${text}`, { command, started: maybe ? 'maybe' : 'no' })
}
