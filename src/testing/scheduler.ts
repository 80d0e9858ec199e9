/**
 * Virtual time and what is due in it: jumps from one event to the next while somebody waits for something.
 *
 * Each event is a real immediate of its own, so that all promises, microtasks and ticks it led to have run before the next,
 * as in Node. Time holds still while the process reads files or looks names up, which takes real time, and while it is told to.
 */

import { EventQueue, type Owner, QueuedEvent } from './event-queue.ts'

/** Waiting is in vain: nothing can happen any more, or it takes longer than it may. */
export class StuckError extends Error {
  override readonly name = 'StuckError'
}

/** What somebody waits for. */
export interface Goal {
  /** In words. */
  readonly what: string
  /** It is reached when time gets here, and nothing that is due is left. */
  readonly until?: number
  /** It has failed when time gets beyond here. */
  readonly limit?: number
  /** Looked at after each event. */
  readonly reached?: () => boolean
  resolve(): void
  reject(error: Error): void
}

/** As many without time moving are a loop. */
const MAX_EVENTS_AT_ONCE = 1_000_000

/** A program that goes on from one immediate to the next takes time, too: after so many events at once each takes so many milliseconds. */
const BUSY_EVENTS = 1000
const BUSY_MS = 0.01

/** Before it is said that nothing can happen any more: for what comes from other threads and processes. Real milliseconds, times. */
const GRACE_MS = 5
const GRACE_ROUNDS = 20

/** Requests to the operating system that the program waits for. */
const REAL_WORK = new Set(['FSReqPromise', 'FSReqCallback', 'CloseReq', 'GetAddrInfoReqWrap', 'QueryReqWrap'])

/** Events that an error lists. */
const LISTED_EVENTS = 10

const real = { setTimeout: globalThis.setTimeout, setImmediate: globalThis.setImmediate }

export class Scheduler {
  readonly #queue = new EventQueue()
  readonly #goals = new Set<Goal>()
  readonly #ownerOf: () => Owner | undefined
  readonly #explain: () => string
  #now = 0
  #running = false
  #ended = false
  #eventsAtOnce = 0
  /** There were many, and time has not moved but for that. */
  #busy = false
  #holds = 0
  #graceRounds = 0

  /** `ownerOf` says whose the code is that runs now; `explain` has more to say when nothing happens any more. */
  constructor(ownerOf: () => Owner | undefined = () => undefined, explain: () => string = () => '') {
    this.#ownerOf = ownerOf
    this.#explain = explain
  }

  /** Virtual milliseconds. */
  get now(): number {
    return this.#now
  }

  /** What is going to happen, in its order. */
  get pending(): QueuedEvent[] {
    return this.#queue.sorted().filter(({ owner }) => !owner?.ended)
  }

  /** Something of the code that runs now. */
  event(what: string, happen: () => void): QueuedEvent {
    return new QueuedEvent(what, this.#ownerOf(), happen)
  }

  /** Later by so many milliseconds. What belongs to code that has ended never happens. */
  schedule(event: QueuedEvent, ms: number): void {
    if (this.#ended || event.owner?.ended) return
    event.cancelled = false
    this.#queue.add(event, this.#now + ms)
    this.#graceRounds = 0
    this.#start()
  }

  /** After what is due now. */
  scheduleNow(event: QueuedEvent): void {
    this.schedule(event, this.#busy ? BUSY_MS : 0)
  }

  cancel(event: QueuedEvent): void {
    event.cancelled = true
    this.#queue.remove(event)
  }

  /** Time moves until the goal is reached, or forgotten. */
  pursue(goal: Goal): void {
    if (this.#ended) return goal.reject(new StuckError('virtual time is not installed any more'))
    this.#goals.add(goal)
    this.#start()
  }

  forget(goal: Goal): void {
    this.#goals.delete(goal)
  }

  /** Whoever waits is told. */
  failed(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    this.#fail(() => error)
  }

  /** Time stands still until the promise is settled. */
  async hold<T>(promise: PromiseLike<T>): Promise<T> {
    this.#holds++
    try {
      return await promise
    } finally {
      this.#holds--
    }
  }

  /** Nothing happens any more. */
  end(): void {
    this.#ended = true
    this.#queue.clear()
    this.#fail(() => new StuckError('virtual time was uninstalled'))
  }

  #start(): void {
    if (this.#running || this.#goals.size === 0) return
    this.#running = true
    real.setImmediate(this.#step)
  }

  readonly #step = (): void => {
    this.#checkConditions()
    if (this.#goals.size === 0) {
      this.#running = false
      return
    }
    const next = this.#queue.first
    if (next !== undefined && next.at <= this.#now) this.#happen(next)
    else if (this.#holds > 0) return void real.setTimeout(this.#step, 1)
    else if (process.getActiveResourcesInfo().some((name) => REAL_WORK.has(name))) this.#graceRounds = 0
    else if (!this.#arrive(next?.at ?? Number.POSITIVE_INFINITY)) {
      if (next === undefined) return this.#wait()
      this.#move(next.at)
      this.#happen(next)
    }
    real.setImmediate(this.#step)
  }

  #move(to: number): void {
    if (to - this.#now > 1.5 * BUSY_MS) this.#busy = false
    this.#now = to
    this.#eventsAtOnce = 0
  }

  #happen(event: QueuedEvent): void {
    this.#queue.remove(event)
    if (event.owner?.ended || event.owner?.keeps(event)) return
    if (++this.#eventsAtOnce > BUSY_EVENTS) this.#busy = true
    if (this.#eventsAtOnce > MAX_EVENTS_AT_ONCE) {
      this.#fail(({ what }) => this.#stuck(`${MAX_EVENTS_AT_ONCE} events happened without time moving, while ${what} was waited for`))
      return
    }
    try {
      event.happen()
    } catch (error) {
      this.failed(error)
    }
  }

  #checkConditions(): void {
    for (const goal of this.#goals) {
      if (goal.reached === undefined) continue
      try {
        if (!goal.reached()) continue
        goal.resolve()
      } catch (error) {
        goal.reject(error as Error)
      }
      this.#goals.delete(goal)
    }
  }

  /** Time moves to the goal that ends before the next event, if there is one. */
  #arrive(next: number): boolean {
    let nearest: Goal | undefined
    let at = next
    for (const goal of this.#goals) {
      // Where nothing is due, nothing is gained by waiting for the limit.
      const end = goal.until ?? (next === Number.POSITIVE_INFINITY ? next : (goal.limit ?? next))
      if (end >= at) continue
      at = end
      nearest = goal
    }
    if (nearest === undefined) return false
    this.#move(at)
    this.#goals.delete(nearest)
    if (nearest.until === undefined) nearest.reject(this.#stuck(`${nearest.what} was waited for until the limit of virtual time`))
    else nearest.resolve()
    return true
  }

  /** Nothing is due any more; another thread or process may yet have something to say. */
  #wait(): void {
    if (this.#graceRounds++ < GRACE_ROUNDS) {
      real.setTimeout(this.#step, GRACE_MS)
      return
    }
    this.#graceRounds = 0
    this.#fail(({ what }) => this.#stuck(`nothing can happen any more, and ${what} is still waited for`))
    real.setImmediate(this.#step)
  }

  #fail(error: (goal: Goal) => Error): void {
    for (const goal of this.#goals) goal.reject(error(goal))
    this.#goals.clear()
  }

  #stuck(text: string): StuckError {
    const { pending } = this
    const listed = pending.slice(0, LISTED_EVENTS)
    const lines = listed.map(({ what, at }) => `  ${what} in ${(at - this.#now).toFixed(2)} ms`)
    if (pending.length > listed.length) lines.push(`  and ${pending.length - listed.length} more`)
    const next = lines.length === 0 ? '' : `\nWhat comes next:\n${lines.join('\n')}`
    return new StuckError(`after ${this.#now.toFixed(2)} ms of virtual time: ${text}${next}${this.#explain()}`)
  }
}
