/**
 * Which calls run, which wait, and which are turned away: limits on how many run at a time, in all, for each peer and for each
 * kind of command, and a queue with a limit before them.
 *
 * Whenever a call ends, every call that waits and may now run is started: each peer in turn, and of one peer the oldest first. So
 * a call that waits is always one that must, a peer with much to do does not keep the others waiting, nor does a kind of command
 * that is at its limit.
 */

import type { Peer } from '../../session/peer.ts'
import { Fifo } from '../fifo.ts'

/** A limit for one kind of command. */
export interface CommandLimit {
  readonly max: number
  running: number
}

/** A call that wants to run. */
export interface Candidate<From extends object = Peer> {
  readonly from: From
  readonly limit: CommandLimit | undefined
  /** False for calls of peers that are not read while theirs waits, and so can have no more than one there: they are never turned away. */
  readonly refusable: boolean
  /** False while it has to wait for something else, whatever room there is: the end of another call, or a thread. */
  readonly ready: boolean
  /** Called when it may run; {@link Admission.leave} follows when it has ended. */
  start(): void
}

export interface AdmissionLimits {
  readonly maxConcurrent: number
  readonly maxConcurrentPerPeer: number
  readonly maxQueued: number
}

export class Admission {
  readonly #limits: AdmissionLimits
  /** By peer; whose turn it was last stands last. */
  readonly #queues = new Map<Peer, Fifo<Candidate>>()
  #waiting = 0
  /** Running calls by peer, where that is limited. */
  readonly #perPeer = new Map<Peer, number>()
  #running = 0
  /** Set while calls are being started: one of them may end at once. */
  #starting = false

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Starts a call, or has it wait; false when it is turned away. */
  enter(call: Candidate): 'started' | 'waiting' | 'refused' {
    if (this.#mayRun(call)) {
      this.#start(call)
      return 'started'
    }
    if (call.refusable && this.#waiting >= this.#limits.maxQueued) return 'refused'
    let queue = this.#queues.get(call.from)
    if (queue === undefined) {
      queue = new Fifo()
      this.#queues.set(call.from, queue)
    }
    queue.add(call)
    this.#waiting++
    return 'waiting'
  }

  /** A call that was started has ended. */
  leave(call: Candidate): void {
    this.#running--
    if (call.limit !== undefined) call.limit.running--
    if (this.#perPeer.size > 0) {
      const left = (this.#perPeer.get(call.from) ?? 1) - 1
      if (left > 0) this.#perPeer.set(call.from, left)
      else this.#perPeer.delete(call.from)
    }
    this.lookAgain()
  }

  /** A call that waits does not want to run any more. False when it did not wait. */
  withdraw(call: Candidate): boolean {
    const queue = this.#queues.get(call.from)
    if (queue === undefined || !queue.delete(call)) return false
    this.#waiting--
    if (queue.size === 0) this.#queues.delete(call.from)
    return true
  }

  /** Empties the queue. */
  withdrawAll(): Candidate[] {
    const calls = [...this.#queues.values()].flatMap((queue) => [...queue])
    this.#queues.clear()
    this.#waiting = 0
    return calls
  }

  /** What calls had to wait for may have come about: their `ready` is asked again. */
  lookAgain(): void {
    if (this.#waiting > 0 && !this.#starting) this.#startWaiting()
  }

  #startWaiting(): void {
    this.#starting = true
    try {
      let looking = true
      while (looking) {
        looking = false
        for (const [peer, queue] of [...this.#queues]) {
          if (this.#running >= this.#limits.maxConcurrent) break
          const call = this.#firstThatMayRun(queue)
          if (call === undefined) continue
          this.withdraw(call)
          if (this.#queues.delete(peer)) this.#queues.set(peer, queue)
          this.#start(call)
          looking = this.#waiting > 0
        }
      }
    } finally {
      this.#starting = false
    }
  }

  #firstThatMayRun(queue: Iterable<Candidate>): Candidate | undefined {
    for (const call of queue) if (this.#mayRun(call)) return call
    return undefined
  }

  #mayRun(call: Candidate): boolean {
    const { from, limit } = call
    const { maxConcurrent, maxConcurrentPerPeer } = this.#limits
    if (this.#running >= maxConcurrent) return false
    if (limit !== undefined && limit.running >= limit.max) return false
    if (maxConcurrentPerPeer !== Number.POSITIVE_INFINITY && (this.#perPeer.get(from) ?? 0) >= maxConcurrentPerPeer) return false
    return call.ready
  }

  #start(call: Candidate): void {
    this.#running++
    if (call.limit !== undefined) call.limit.running++
    if (this.#limits.maxConcurrentPerPeer !== Number.POSITIVE_INFINITY) {
      this.#perPeer.set(call.from, (this.#perPeer.get(call.from) ?? 0) + 1)
    }
    call.start()
  }
}
