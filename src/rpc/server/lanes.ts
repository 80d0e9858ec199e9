/**
 * Lanes: calls of one peer with the same ordering key, which are carried out one after the other in the order in which they came. The rules
 * are those of Lanes in `docs/protocol.md`: when a call ends without its service having answered, the lane stands, what waits behind it is
 * turned away, and so is what comes, until a call comes that nothing is in front of.
 *
 * Bounded: a lane is forgotten when nothing of it is there and it does not stand; those that stand are remembered up to a limit for each peer.
 * Beyond that nothing of that peer is taken that has something in front of it.
 */

import { STATUS } from '../error/status.ts'

/** A call of a lane. */
export interface LaneCall {
  /** Another of its lane, in front of it, has ended without an answer: it must not be carried out now. */
  turnAway(): void
}

/** Lanes that stand, for each peer. */
const MAX_STANDING = 1000

/** Answers that stay the same however often a call comes. */
const FINAL: ReadonlySet<number> = new Set([
  STATUS.ok,
  STATUS.badCommand,
  STATUS.notAllowed,
  STATUS.conflict,
  STATUS.tooLarge,
  STATUS.noService,
  STATUS.serviceRaised,
  STATUS.interrupted,
  STATUS.badResult,
])

/** Whether a call that was answered so will come again: nothing of its lane may be carried out before it. Buffers go by the same (`verdict.ts`). */
export function isForNow(status: number): boolean {
  return !FINAL.has(status)
}

/** The lanes of all peers. */
export class Lanes<Peer extends object> {
  readonly #peers = new Map<Peer, Map<string, Lane>>()
  readonly #standing = new Map<Peer, number>()
  readonly #onRoom: () => void

  /** `onRoom`: a call may begin that had to wait for another one of its lane. */
  constructor(onRoom: () => void = () => {}) {
    this.#onRoom = onRoom
  }

  /** Lanes that are remembered. */
  get size(): number {
    let size = 0
    for (const lanes of this.#peers.values()) size += lanes.size
    return size
  }

  /** The lane of a call that has come, which is its last one now; undefined when it is out of turn. */
  enter(call: LaneCall, peer: Peer, key: string, behind: boolean): Lane | undefined {
    let lanes = this.#peers.get(peer)
    const known = lanes?.get(key)
    if (behind && (known === undefined ? this.#mayHaveForgotten(peer) : known.stands)) return undefined
    if (lanes === undefined) {
      lanes = new Map()
      this.#peers.set(peer, lanes)
    }
    const lane = known ?? new Lane((one) => this.#changed(peer, key, one), this.#onRoom)
    if (known === undefined) lanes.set(key, lane)
    lane.enter(call)
    return lane
  }

  /** The peer is gone, and its order with it: what is still there is turned away by nobody. */
  forget(peer: Peer): void {
    for (const lane of this.#peers.get(peer)?.values() ?? []) lane.close()
    this.#peers.delete(peer)
    this.#standing.delete(peer)
  }

  #mayHaveForgotten(peer: Peer): boolean {
    return (this.#standing.get(peer) ?? 0) > MAX_STANDING
  }

  /** A lane stands from now on, goes on, or is empty. */
  #changed(peer: Peer, key: string, lane: Lane): void {
    const lanes = this.#peers.get(peer)
    if (lanes?.get(key) !== lane) return
    if (lane.counted !== lane.stands) {
      lane.counted = lane.stands
      const standing = (this.#standing.get(peer) ?? 0) + (lane.stands ? 1 : -1)
      // Once too many, for ever: nobody knows any more which ones stood.
      if (standing > MAX_STANDING || (this.#standing.get(peer) ?? 0) > MAX_STANDING) this.#standing.set(peer, MAX_STANDING + 1)
      else if (standing > 0) this.#standing.set(peer, standing)
      else this.#standing.delete(peer)
    }
    if (lane.isEmpty && (!lane.stands || this.#mayHaveForgotten(peer))) lanes.delete(key)
    if (lanes.size === 0) this.#peers.delete(peer)
  }
}

/** One lane. */
export class Lane {
  readonly #changed: (lane: Lane) => void
  readonly #onRoom: () => void
  /** Both in the order in which they came: those that wait are behind those that have begun. */
  readonly #begun = new Set<LaneCall>()
  readonly #waiting = new Set<LaneCall>()
  #stands = false
  #turningAway = false
  #closed = false
  /** Whether it counts among those that stand. Only for {@link Lanes}. */
  counted = false

  constructor(changed: (lane: Lane) => void, onRoom: () => void) {
    this.#changed = changed
    this.#onRoom = onRoom
  }

  get stands(): boolean {
    return this.#stands
  }

  get isEmpty(): boolean {
    return this.#begun.size === 0 && this.#waiting.size === 0
  }

  /** Only for {@link Lanes}, which knows that it is its turn. */
  enter(call: LaneCall): void {
    this.#waiting.add(call)
    if (!this.#stands) return
    this.#stands = false
    this.#changed(this)
  }

  /** True when it may begin: alone, or, where calls of the lane may `overlap`, behind those that have begun. */
  mayBegin(call: LaneCall, overlap: boolean): boolean {
    if (!overlap && this.#begun.size > 0) return false
    for (const first of this.#waiting) return first === call
    return true
  }

  begin(call: LaneCall): void {
    if (this.#waiting.delete(call)) this.#begun.add(call)
  }

  /** It has ended without its service having answered, and may come again: all behind it are turned away. */
  broken(call: LaneCall): void {
    if (!(this.#begun.has(call) || this.#waiting.has(call))) return
    if (!this.#stands) {
      this.#stands = true
      this.#changed(this)
    }
    // Whoever is turned away comes here, too.
    if (this.#turningAway) return
    this.#turningAway = true
    // Of a peer that is gone only those count that have begun: the others will not.
    const calls = [...this.#begun, ...(this.#closed ? [] : this.#waiting)]
    for (const behind of calls.slice(calls.indexOf(call) + 1)) behind.turnAway()
    this.#turningAway = false
  }

  /** It is not under way any more. */
  leave(call: LaneCall): void {
    if (!this.#begun.delete(call) && !this.#waiting.delete(call)) return
    this.#changed(this)
    if (this.#waiting.size > 0 && !this.#turningAway) this.#onRoom()
  }

  close(): void {
    this.#closed = true
  }
}
