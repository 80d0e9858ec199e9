/**
 * One way from a host to another: how long things take, and what becomes of them while it is cut.
 *
 * What arrives while the way is silent, or the far host is off, is kept and arrives afterwards, as TCP sends again what was
 * not acknowledged. What belongs to one connection arrives in the order in which it was sent, whatever the jitter.
 */

import type { OptionNames } from '../options.ts'
import { QueuedEvent } from './event-queue.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'

/** How a way between two hosts is. */
export interface LinkConditions {
  /** Time one way, ms. @default 1; 0.05 within a host */
  readonly latencyMs?: number | undefined
  /** Up to so many ms more, at random for each delivery. @default 0 */
  readonly jitterMs?: number | undefined
  /** Bytes a second each way, for all connections together. @default Infinity */
  readonly bytesPerSecond?: number | undefined
}

export const LINK_CONDITIONS: OptionNames<LinkConditions> = { latencyMs: true, jitterMs: true, bytesPerSecond: true }

/** `broken`: what is sent fails at once. `silent`: nothing arrives, and nobody is told. */
export type Cut = 'none' | 'broken' | 'silent'

/** One connection's share of a way: its things in order. */
export class Flow {
  readonly parcels: Parcel[] = []
}

interface Parcel {
  readonly flow: Flow
  readonly arrive: () => void
  here: boolean
}

export class Direction {
  cut: Cut = 'none'
  latencyMs = 0
  jitterMs = 0
  bytesPerSecond = Number.POSITIVE_INFINITY
  readonly #time: Scheduler
  readonly #random: Random
  /** False while the far host is off. */
  readonly #farIsOn: () => boolean
  readonly #what: string
  /** The bytes sent so far are on their way by then. */
  #busyUntil = 0
  #held: Parcel[] = []

  constructor(time: Scheduler, random: Random, what: string, farIsOn: () => boolean) {
    this.#time = time
    this.#random = random
    this.#what = what
    this.#farIsOn = farIsOn
  }

  set({ latencyMs, jitterMs, bytesPerSecond }: LinkConditions): void {
    this.latencyMs = notNegative('latencyMs', latencyMs) ?? this.latencyMs
    this.jitterMs = notNegative('jitterMs', jitterMs) ?? this.jitterMs
    this.bytesPerSecond = notNegative('bytesPerSecond', bytesPerSecond) ?? this.bytesPerSecond
    if (this.bytesPerSecond === 0) throw new RangeError('bytesPerSecond is 0: to stop everything, cut the link')
  }

  /** `arrive` is called at the far end, after what the flow has sent before. */
  send(flow: Flow, bytes: number, arrive: () => void): void {
    const parcel = { flow, arrive, here: false }
    flow.parcels.push(parcel)
    this.#travel(parcel, bytes)
  }

  /** What was kept goes on. */
  release(): void {
    for (const parcel of this.#held.splice(0)) this.#travel(parcel, 0)
  }

  #travel(parcel: Parcel, bytes: number): void {
    const { now } = this.#time
    this.#busyUntil = Math.max(this.#busyUntil, now) + (bytes / this.bytesPerSecond) * 1000
    const delay = this.#busyUntil - now + this.latencyMs + (this.jitterMs === 0 ? 0 : this.#random.fraction() * this.jitterMs)
    this.#time.schedule(new QueuedEvent(this.#what, undefined, () => this.#arrived(parcel)), delay)
  }

  #arrived(parcel: Parcel): void {
    if (this.cut === 'silent' || !this.#farIsOn()) {
      this.#held.push(parcel)
      return
    }
    parcel.here = true
    const { parcels } = parcel.flow
    while (parcels[0]?.here) (parcels.shift() as Parcel).arrive()
  }
}

function notNegative(name: string, value: number | undefined): number | undefined {
  if (value === undefined || value >= 0) return value
  throw new RangeError(`${name} is ${value}, not a number from 0 up`)
}
