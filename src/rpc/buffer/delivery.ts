/**
 * Brings what a buffer keeps to where it belongs: each command of a lane after the one before it, as many lanes at a time as there is room
 * for, again and again until each has ended.
 *
 * The way of a command: {@link Loader} → its {@link Lane} is ready → `#pump` sends it → the verdict → `end` of the host, which makes it durable →
 * `ack`. Between the last two a crash has it delivered once more; the host then knows that it has ended.
 *
 * - A lane waits where one of its commands has to be sent again (back-off with jitter), and no other lane waits for it.
 * - What is sent is bounded in number and bytes; acks are collected, since nothing waits for them.
 */

import { setMaxListeners } from 'node:events'
import { performance } from 'node:perf_hooks'
import { toError, ZmqRpcError } from '../../errors.ts'
import type { BufferStore, StoreEntry } from '../../store/buffer-store.ts'
import { timerMs } from '../deadlines.ts'
import { wordsOf } from '../error/error-text.ts'
import type { BufferClock } from './buffer-clock.ts'
import type { BufferSettings } from './buffer-options.ts'
import type { FarEnd, Verdict } from './far-end.ts'
import type { KeptCommand } from './kept-command.ts'
import type { Lane, Waiting } from './lane.ts'
import { Loader } from './loader.ts'
import type { Outcome } from './outcomes.ts'

/** How a command has ended. */
export type End = Pick<Outcome, 'state' | 'body' | 'reason' | 'to'>

export interface DeliveryHost {
  /** Makes it durable, if anybody may ask. Perhaps more than once. @throws StoreError when the store failed. */
  end(command: KeptCommand, end: End): Promise<void>
  /** It is durable, and where it was given up it is among the dead letters. */
  ended(command: KeptCommand, end: End): void
  /** Puts it among the dead letters: durable when it resolves. @throws StoreError */
  bury(seq: number, reason: string): Promise<void>
  /** What is known of it: how it had ended before the program did, where only its ack was lost; or under which key it is to run anew. */
  recall(command: KeptCommand): Promise<{ readonly end?: End | undefined; readonly rerunKey?: string | undefined }>
  /** An attempt came to nothing. */
  again(command: KeptCommand, farEnd: FarEnd, attempts: number, reason: string, retryMs: number): void
  /** The store failed: nothing goes on. */
  failed(error: Error): void
}

/** So the reasons of those begin whose service ran and failed. */
export const FAILED = 'failed: '

const MAX_BYTES_IN_FLIGHT = 16 * 1024 * 1024
const ACK = { count: 256, afterMs: 20 }
/** Between looks at what has waited too long. */
const SWEEP_MS = 1000
/** After a store on another machine could not be reached. */
const UNAVAILABLE_MS = 1000
/** Where a quick retry mends nothing, the wait is at least this long. */
const SLOWLY_MS = 5000

export class Delivery {
  readonly #store: BufferStore
  readonly #settings: BufferSettings
  readonly #clock: BufferClock
  readonly #farEnds: () => readonly FarEnd[]
  readonly #host: DeliveryHost
  readonly #loader: Loader
  /** Lanes that could send something: those without a backlog, and those with. */
  readonly #ready = { live: new Set<Lane>(), backlog: new Set<Lane>() }
  /** Lanes that wait for the one server that they have to go to. */
  readonly #parked = new Map<FarEnd, Set<Lane>>()
  readonly #load = new Map<FarEnd, number>()
  #inFlight = 0
  #bytesInFlight = 0
  /** Commands whose end is being written down. */
  #ending = 0
  #acks: number[] = []
  #ackTimer: NodeJS.Timeout | undefined
  /** Records that the store is being told of. */
  #acking = 0
  #acked: Promise<void> = Promise.resolve()
  /** Records up to this one were there before the far end was. */
  #backlogUpTo: number
  /** Those up to here were there when the store was opened: they may have ended before. */
  readonly #oldUpTo: number
  /** Ids of commands that were given up, and wait once more. */
  readonly #requeued = new Set<string>()
  #lastSeq: number
  #wasAvailable = false
  #liveCredit = 0
  #tokens = 1
  #tokensAt = 0
  #tokenTimer: NodeJS.Timeout | undefined
  readonly #sweeper: NodeJS.Timeout
  /** Commands in memory that end by time. */
  #mortal = 0
  #filling = false
  #stopping = false
  #pumping = false
  #nextFarEnd = 0
  readonly #resting = new Set<NodeJS.Timeout>()
  readonly #controller = new AbortController()
  #idle: (() => void) | undefined

  constructor(
    store: BufferStore,
    nextSeq: number,
    settings: BufferSettings,
    clock: BufferClock,
    farEnds: () => readonly FarEnd[],
    host: DeliveryHost,
  ) {
    this.#store = store
    this.#settings = settings
    this.#clock = clock
    this.#farEnds = farEnds
    this.#host = host
    this.#oldUpTo = this.#backlogUpTo = this.#lastSeq = nextSeq - 1
    this.#loader = new Loader(store, settings.window, settings.drain.commands, {
      loaded: (waiting) => this.#loaded(waiting),
      unreadable: (entry, error) => this.#unreadable(entry, error),
      recall: (command) => this.#recall(command),
    })
    // Each command on the way listens.
    setMaxListeners(0, this.#controller.signal)
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS)
    this.#sweeper.unref()
  }

  /** On the way. */
  get inFlight(): number {
    return this.#inFlight
  }

  get lanes(): number {
    return this.#loader.lanes.size
  }

  /** Of the oldest command that waits, ms; 0 without any. As far as it is in memory. */
  get oldestAgeMs(): number {
    let oldest = 0
    for (const lane of this.#loader.lanes.values()) {
      const [first] = lane.sent.size > 0 ? lane.sent : lane.queue
      if (first !== undefined) oldest = Math.max(oldest, this.#clock.ageMs(first.command.acceptedAt))
    }
    return oldest
  }

  /** Begins, or goes on: something was appended, or a far end takes commands. */
  appended(seq: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, seq)
    this.#loader.appended()
    this.#fill()
  }

  /** One that was given up is going to wait once more: there is something to know of it. */
  requeuing(id: string): void {
    this.#requeued.add(id)
  }

  /** A far end is there, or has gone, or has become another. */
  changed(): void {
    const available = this.#farEnds().some((farEnd) => farEnd.available)
    if (available && !this.#wasAvailable) this.#backlogUpTo = this.#lastSeq
    this.#wasAvailable = available
    this.#parked.clear()
    for (const lane of this.#loader.lanes.values()) this.#offer(lane)
    this.#fill()
    this.#pump()
  }

  /**
   * They end in another way, but for those that are on the way, or have ended. Resolves once they are gone from the store, with all that had
   * ended before, to how many went.
   */
  async giveUp(commands: readonly KeptCommand[], end: End): Promise<number> {
    const going = commands.filter((command) => this.#takeOut(command))
    const gone = going.length + this.#acks.length + this.#acking
    await Promise.all(going.map((command) => this.#concludeLater(command, end)))
    await this.#flushAcks()
    return gone
  }

  /** Nobody is to send it. False when it is on the way, or has ended. */
  #takeOut({ seq }: KeptCommand): boolean {
    for (const lane of this.#loader.lanes.values()) {
      const waiting = lane.queue.find(({ command }) => command.seq === seq)
      if (waiting === undefined) continue
      this.#leave(waiting)
      return true
    }
    return this.#loader.passOver(seq)
  }

  /** Nothing more is sent; what is on the way has `drainMs` to end, and is then given up. Resolves when nothing more is done with the store. */
  async close(drainMs: number): Promise<void> {
    this.#stopping = true
    // The timer says when the time is over: it may ring a part of a millisecond before `performance.now()` would.
    let isOver = false
    const over = setTimeout(() => {
      isOver = true
      this.#checkIdle()
    }, timerMs(drainMs))
    while (this.#inFlight > 0 && !isOver) await this.#settled()
    clearTimeout(over)
    this.#controller.abort(new ZmqRpcError('CLOSED', 'the buffer is closed'))
    clearInterval(this.#sweeper)
    clearTimeout(this.#tokenTimer)
    this.#clearTimers()
    while (this.#inFlight + this.#ending > 0 || this.#filling) await this.#settled()
    void this.#flushAcks()
    while (this.#acking > 0) await this.#settled()
  }

  /** Without a store that works: what is under way comes to nothing. */
  abandon(): void {
    this.#controller.abort(new ZmqRpcError('CLOSED', 'the store failed'))
    clearInterval(this.#sweeper)
    clearTimeout(this.#tokenTimer)
    clearTimeout(this.#ackTimer)
    this.#clearTimers()
  }

  #clearTimers(): void {
    for (const lane of this.#loader.lanes.values()) clearTimeout(lane.timer)
    for (const timer of this.#resting) clearTimeout(timer)
  }

  get #closed(): boolean {
    return this.#controller.signal.aborted
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle = resolve
    })
  }

  #checkIdle(): void {
    this.#idle?.()
    this.#idle = undefined
  }

  // ── Into memory ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #fill(): void {
    if (this.#filling || this.#closed || !this.#loader.wants) return
    this.#filling = true
    this.#loader
      .step()
      .catch((error: unknown) => this.#storeTrouble(toError(error)))
      .then(() => {
        this.#filling = false
        if (this.#closed) return this.#checkIdle()
        this.#pump()
        this.#fill()
      })
      .catch((error: unknown) => this.#host.failed(toError(error)))
  }

  #loaded(waiting: Waiting): void {
    if (waiting.command.ttlMs !== Number.POSITIVE_INFINITY) this.#mortal++
    this.#offer(waiting.lane)
  }

  #unreadable(entry: StoreEntry, error: unknown): void {
    this.#ending++
    this.#host
      .bury(entry.seq, `it cannot be read: ${wordsOf(toError(error))}`)
      .catch((cause: unknown) => this.#storeTrouble(toError(cause)))
      .finally(() => this.#ended())
      .catch(toError)
  }

  async #recall(command: KeptCommand): Promise<KeptCommand | undefined> {
    if (command.seq > this.#oldUpTo && !this.#requeued.has(command.id)) return command
    const { end, rerunKey } = await this.#host.recall(command)
    if (end === undefined) return rerunKey === undefined ? command : { ...command, rerunKey }
    void this.#concludeLater(command, end)
    return undefined
  }

  // ── Out ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The lane may have something to send. */
  #offer(lane: Lane): void {
    this.#ready.live.delete(lane)
    this.#ready.backlog.delete(lane)
    if (lane.next === undefined || lane.timer !== undefined || lane.goingBack) return
    if (lane.lastValue && !this.#loader.caughtUp) {
      this.#ready.backlog.add(lane)
      return
    }
    this.#ready[this.#isBacklog(lane.next) ? 'backlog' : 'live'].add(lane)
  }

  /** It came before the far end was there. */
  #isBacklog({ command }: Waiting): boolean {
    return command.seq <= this.#backlogUpTo
  }

  #pump(): void {
    if (this.#pumping || this.#closed || this.#stopping) return
    this.#pumping = true
    try {
      while (this.#hasRoom && this.#farEnds().some((farEnd) => this.#takes(farEnd))) {
        const lane = this.#chooseLane()
        if (lane === undefined) return
        this.#sendNext(lane)
      }
    } finally {
      this.#pumping = false
    }
  }

  get #hasRoom(): boolean {
    return this.#inFlight + this.#ending < this.#settings.maxInFlight && this.#bytesInFlight < MAX_BYTES_IN_FLIGHT
  }

  #takes(farEnd: FarEnd): boolean {
    return farEnd.available && (this.#load.get(farEnd) ?? 0) < farEnd.capacity
  }

  /** In turn; of those with and without a backlog as the options say. */
  #chooseLane(): Lane | undefined {
    const [live] = this.#ready.live
    const [backlog] = this.#ready.backlog
    if (backlog === undefined || (live !== undefined && !this.#mayDrain())) return live
    if (live === undefined) return this.#mayDrain() ? backlog : undefined
    this.#liveCredit += this.#settings.drain.liveShare
    if (this.#liveCredit < 1) return backlog
    this.#liveCredit -= 1
    return live
  }

  /** Whether the rate allows one more of the backlog; else it looks again when it does. */
  #mayDrain(): boolean {
    const { maxPerSecond } = this.#settings.drain
    if (maxPerSecond === Number.POSITIVE_INFINITY) return true
    const now = performance.now()
    this.#tokens = Math.min(Math.max(1, maxPerSecond / 10), this.#tokens + ((now - this.#tokensAt) / 1000) * maxPerSecond)
    this.#tokensAt = now
    if (this.#tokens >= 1) return true
    this.#tokenTimer ??= setTimeout(
      () => {
        this.#tokenTimer = undefined
        this.#pump()
      },
      timerMs(Math.ceil(((1 - this.#tokens) / maxPerSecond) * 1000)),
    )
    return false
  }

  #sendNext(lane: Lane): void {
    this.#ready.live.delete(lane)
    this.#ready.backlog.delete(lane)
    const waiting = lane.next as Waiting
    const { command } = waiting
    if (this.#loader.isSuperseded(command)) return this.#finish(waiting, { ...NOWHERE, state: 'superseded', reason: 'a newer value waits' })
    const ttlMs = this.#ttlLeft(command)
    if (ttlMs <= 0) return this.#expire(waiting)
    const farEnd = this.#farEndFor(lane)
    if (farEnd === undefined) return
    const { free } = lane
    const most = free ? farEnd.capacity : farEnd.keepsOrder ? this.#settings.pipeline : 1
    if (lane.sent.size >= most) return
    if (this.#isBacklog(waiting)) this.#tokens--
    const behind = !free && lane.sent.size > 0
    lane.take(waiting)
    this.#inFlight++
    this.#bytesInFlight += command.bytes
    this.#load.set(farEnd, (this.#load.get(farEnd) ?? 0) + 1)
    this.#offer(lane)
    const timeoutMs = Math.min(this.#settings.attemptTimeoutMs, ttlMs)
    farEnd
      .send(command, { timeoutMs, ttlMs, inOrder: !free, behind, signal: this.#controller.signal })
      .then((verdict) => this.#judge(waiting, farEnd, verdict))
      .catch((error: unknown) => this.#host.failed(toError(error)))
  }

  /** Where the lane goes; undefined while that one has enough to do, or is away. */
  #farEndFor(lane: Lane): FarEnd | undefined {
    const farEnds = this.#farEnds()
    const { farEnd: own } = lane
    if (own !== undefined && farEnds.includes(own) && (lane.sent.size > 0 || lane.queue.some(({ attempts }) => attempts > 0))) {
      if (this.#takes(own)) return own
      const parked = this.#parked.get(own)
      if (parked === undefined) this.#parked.set(own, new Set([lane]))
      else parked.add(lane)
      return undefined
    }
    for (let tried = 0; tried < farEnds.length; tried++) {
      const farEnd = farEnds[this.#nextFarEnd++ % farEnds.length] as FarEnd
      if (!this.#takes(farEnd)) continue
      lane.farEnd = farEnd
      return farEnd
    }
    return undefined
  }

  #judge(waiting: Waiting, farEnd: FarEnd, verdict: Verdict): void {
    const { lane, command } = waiting
    this.#inFlight--
    this.#bytesInFlight -= command.bytes
    this.#load.set(farEnd, (this.#load.get(farEnd) ?? 1) - 1)
    this.#unpark(farEnd)
    if (this.#stopping) this.#checkIdle()
    if (this.#closed) return
    if (verdict.kind === 'again') this.#tryAgain(waiting, farEnd, verdict)
    else {
      lane.failures = 0
      this.#finish(waiting, endOf(verdict, farEnd.name))
    }
    this.#goOn(lane)
    this.#pump()
    this.#fill()
  }

  /** A lane that goes back begins anew once nothing of it is on the way. */
  #goOn(lane: Lane): void {
    if (lane.goingBack && lane.sent.size === 0) lane.goingBack = false
    this.#offer(lane)
  }

  #tryAgain(waiting: Waiting, farEnd: FarEnd, { reason, counts, slowly = false }: Extract<Verdict, { kind: 'again' }>): void {
    const { lane, command } = waiting
    // Of a lane only the first can have begun: the others come behind it.
    const first = lane.free || [...lane.sent, ...lane.queue].every((other) => other.command.seq >= command.seq)
    if (counts && first) waiting.attempts++
    if (waiting.attempts >= this.#settings.maxAttempts) {
      const text = `${waiting.attempts} attempts that may have reached the service came to nothing, the last since ${reason}`
      return this.#finish(waiting, { ...NOWHERE, state: 'dead', reason: text })
    }
    const [least, most] = this.#settings.backoffMs
    const failures = lane.free ? waiting.failures : lane.failures
    const wait = Math.max(Math.min(least * 2 ** Math.min(failures, 30), most), slowly ? SLOWLY_MS : 0)
    const retryMs = Math.round(wait * (0.5 + Math.random() / 2))
    this.#host.again(command, farEnd, waiting.attempts, reason, retryMs)
    waiting.failures++
    if (lane.free) return this.#rest(waiting, retryMs)
    // Of those that were on the way together each comes back; they are one failure.
    if (!lane.goingBack) lane.failures++
    lane.takeBack(waiting)
    lane.goingBack = lane.sent.size > 0
    this.#waitAndTryAgain(lane, retryMs)
  }

  /** The others of its lane do not wait for it. */
  #rest(waiting: Waiting, ms: number): void {
    const timer = setTimeout(() => {
      this.#resting.delete(timer)
      waiting.lane.takeBack(waiting)
      this.#goOn(waiting.lane)
      this.#pump()
    }, timerMs(ms))
    this.#resting.add(timer)
  }

  #waitAndTryAgain(lane: Lane, ms: number): void {
    if (this.#closed) return
    clearTimeout(lane.timer)
    lane.timer = setTimeout(() => {
      lane.timer = undefined
      this.#goOn(lane)
      this.#pump()
    }, timerMs(ms))
    this.#offer(lane)
  }

  #unpark(farEnd: FarEnd): void {
    const lanes = this.#parked.get(farEnd)
    const [lane] = lanes ?? []
    if (lane === undefined) return
    lanes?.delete(lane)
    this.#offer(lane)
  }

  // ── Ends ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #ttlLeft({ ttlMs, acceptedAt }: KeptCommand): number {
    return ttlMs === Number.POSITIVE_INFINITY ? ttlMs : ttlMs - this.#clock.ageMs(acceptedAt)
  }

  #expire(waiting: Waiting): void {
    const begun = waiting.attempts > 0 ? '; it may have been carried out' : ''
    this.#finish(waiting, { ...NOWHERE, state: 'dead', reason: `expired: its time of ${waiting.command.ttlMs} ms is over${begun}` })
  }

  #sweep(): void {
    if (this.#mortal === 0) return
    for (const lane of [...this.#loader.lanes.values()])
      for (const waiting of [...lane.queue]) if (this.#ttlLeft(waiting.command) <= 0) this.#expire(waiting)
  }

  #finish(waiting: Waiting, end: End): void {
    this.#requeued.delete(waiting.command.id)
    this.#leave(waiting)
    void this.#concludeLater(waiting.command, end)
  }

  /** Never rejects. */
  #concludeLater(command: KeptCommand, end: End): Promise<void> {
    this.#ending++
    this.#bytesInFlight += command.bytes
    return this.#conclude(command, end)
      .finally(() => {
        this.#bytesInFlight -= command.bytes
        this.#ended()
      })
      .catch((error: unknown) => this.#host.failed(toError(error)))
  }

  async #conclude(command: KeptCommand, end: End): Promise<void> {
    for (;;) {
      try {
        await this.#host.end(command, end)
        if (end.state === 'dead' || end.state === 'failed') {
          await this.#host.bury(command.seq, end.reason)
          this.#loader.gone(command.seq)
        } else this.#ack(command.seq)
        return this.#host.ended(command, end)
      } catch (error) {
        await this.#storeTrouble(toError(error))
        if (this.#closed) return
      }
    }
  }

  #ended(): void {
    this.#ending--
    if (this.#closed) this.#checkIdle()
    else this.#pump()
  }

  /** It waits no more. */
  #leave(waiting: Waiting): void {
    if (waiting.command.ttlMs !== Number.POSITIVE_INFINITY) this.#mortal--
    this.#loader.ended(waiting)
    this.#offer(waiting.lane)
    this.#fill()
  }

  #ack(seq: number): void {
    this.#acks.push(seq)
    if (this.#acks.length >= ACK.count) void this.#flushAcks()
    else this.#ackLater()
  }

  #ackLater(): void {
    this.#ackTimer ??= setTimeout(() => void this.#flushAcks(), ACK.afterMs)
  }

  /** Resolves when all acks have come to an end. Never rejects. */
  #flushAcks(): Promise<void> {
    clearTimeout(this.#ackTimer)
    this.#ackTimer = undefined
    const seqs = this.#acks
    if (seqs.length === 0) return this.#acked
    this.#acks = []
    this.#acking += seqs.length
    const acked = this.#store
      .ack(seqs)
      .then(
        () => {
          for (const seq of seqs) this.#loader.gone(seq)
        },
        async (error: unknown) => {
          await this.#storeTrouble(toError(error))
          if (this.#closed) return
          this.#acks.push(...seqs)
          this.#ackLater()
        },
      )
      .finally(() => {
        this.#acking -= seqs.length
        if (this.#closed) this.#checkIdle()
      })
      .catch((error: unknown) => this.#host.failed(toError(error)))
    this.#acked = Promise.all([this.#acked, acked]).then(() => {})
    return this.#acked
  }

  /** A store elsewhere may be reached later; one that failed has to be opened again. */
  async #storeTrouble(error: Error): Promise<void> {
    if (this.#closed) return
    if (error instanceof ZmqRpcError && (error.code === 'STORE_UNAVAILABLE' || error.code === 'STORE_FULL')) {
      await new Promise((resolve) => setTimeout(resolve, UNAVAILABLE_MS))
      return
    }
    this.#host.failed(error)
  }
}

const NOWHERE = { body: undefined, to: '' }

function endOf(verdict: Exclude<Verdict, { kind: 'again' }>, to: string): End {
  switch (verdict.kind) {
    case 'executed':
      return { state: 'executed', body: verdict.body, reason: '', to }
    case 'failed':
      return { state: 'failed', body: verdict.body, reason: `${FAILED}${verdict.reason}`, to }
    case 'refused':
      return { state: 'dead', body: verdict.body, reason: `refused: ${verdict.reason}`, to }
    case 'delivered':
      return { state: 'delivered', body: undefined, reason: '', to }
  }
}
