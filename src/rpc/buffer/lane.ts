/** The commands of one sender (or of one ordering key) that wait to be delivered, as far as they are in memory. */

import type { DrainOrder } from './buffer-options.ts'
import type { FarEnd } from './far-end.ts'
import type { KeptCommand } from './kept-command.ts'

/** A command that waits, or is on the way. */
export interface Waiting {
  readonly command: KeptCommand
  readonly lane: Lane
  /** That may have reached the service. */
  attempts: number
  /** Attempts that came to nothing. */
  failures: number
}

/** Records of the lane that are not in memory: from this one to that one, both included. */
export interface Range {
  from: number
  to: number
}

export class Lane {
  readonly key: string
  /** Its commands do not wait for one another. */
  readonly free: boolean
  /** The newest is sent first. */
  readonly newestFirst: boolean
  /** Of `lastValue`: nothing is sent before all that waits was looked at. */
  readonly lastValue: boolean
  /** Not sent, or to be sent again; ascending. */
  readonly queue: Waiting[] = []
  readonly sent = new Set<Waiting>()
  /** Of both. */
  bytes = 0
  /** Not in memory. One range, behind what is in memory; of `newestFirst` several, before it. */
  readonly skipped: Range[] = []
  /** Who has, or may have begun, what was sent last: what follows goes there, too. */
  farEnd: FarEnd | undefined
  /** Attempts in a row that came to nothing. */
  failures = 0
  /** It waits for a while before the next attempt. */
  timer: NodeJS.Timeout | undefined
  /** One of those on the way has to be sent again: nothing more is sent before all of them have ended. */
  goingBack = false

  constructor(key: string, order: DrainOrder, ordered: boolean) {
    this.key = key
    this.free = order !== 'oldestFirst' || !ordered
    this.newestFirst = order === 'newestFirst'
    this.lastValue = order === 'lastValue'
  }

  get size(): number {
    return this.queue.length + this.sent.size
  }

  get idle(): boolean {
    return this.size === 0 && this.skipped.length === 0
  }

  /** What would be sent next. */
  get next(): Waiting | undefined {
    return this.newestFirst ? this.queue[this.queue.length - 1] : this.queue[0]
  }

  load(command: KeptCommand): Waiting {
    const waiting: Waiting = { command, lane: this, attempts: 0, failures: 0 }
    this.#insert(waiting)
    this.bytes += command.bytes
    return waiting
  }

  take(waiting: Waiting): void {
    this.queue.splice(this.queue.indexOf(waiting), 1)
    this.sent.add(waiting)
  }

  /** It is to be sent again. */
  takeBack(waiting: Waiting): void {
    this.sent.delete(waiting)
    this.#insert(waiting)
  }

  /** It has ended, sent or not. */
  remove(waiting: Waiting): void {
    if (!this.sent.delete(waiting)) this.queue.splice(this.queue.indexOf(waiting), 1)
    this.bytes -= waiting.command.bytes
  }

  /** Of `newestFirst`: the older half of what waits is not kept in memory. Gives what went. */
  evict(): Waiting[] {
    const old = this.queue.splice(0, Math.ceil(this.queue.length / 2))
    const [first, last] = [old[0], old[old.length - 1]]
    if (first === undefined || last === undefined) return []
    this.skipped.push({ from: first.command.seq, to: last.command.seq })
    for (const { command } of old) this.bytes -= command.bytes
    return old
  }

  /** Most often it is the last, or the first. */
  #insert(waiting: Waiting): void {
    let at = this.queue.length
    while (at > 0 && (this.queue[at - 1] as Waiting).command.seq > waiting.command.seq) at--
    this.queue.splice(at, 0, waiting)
  }
}
