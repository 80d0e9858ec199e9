/**
 * One run of a host's programs, from start to crash: whose the code is that binds, dials and sets timers.
 *
 * Code cannot be stopped from outside. But when its life is over its timers do not fire, it hears nothing from the network,
 * and nobody hears from it: it stands still by itself.
 */

import type { Owner, QueuedEvent } from './event-queue.ts'
import type { Scheduler } from './scheduler.ts'

/** Something that a life holds. */
interface Held {
  /** The life is over. `silent`: the far end is not told. */
  vanish(silent: boolean): void
  /** The life goes on after having been frozen. */
  wake(): void
}

export class Life implements Owner {
  /** Its listeners and connections. */
  readonly holds = new Set<Held>()
  readonly #time: Scheduler
  #ended = false
  /** What was due while it was frozen; undefined when it is not. */
  #late: QueuedEvent[] | undefined

  constructor(time: Scheduler) {
    this.#time = time
  }

  get ended(): boolean {
    return this.#ended
  }

  get frozen(): boolean {
    return this.#late !== undefined
  }

  keeps(event: QueuedEvent): boolean {
    this.#late?.push(event)
    return this.frozen
  }

  freeze(): void {
    this.#late ??= []
  }

  thaw(): void {
    const late = this.#late ?? []
    this.#late = undefined
    for (const event of late) if (!event.cancelled) this.#time.schedule(event, 0)
    for (const held of this.holds) held.wake()
  }

  end(silent: boolean): void {
    this.#ended = true
    for (const held of this.holds) held.vanish(silent)
    this.holds.clear()
  }
}
