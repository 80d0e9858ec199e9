/** What is going to happen, by time: a binary heap. What is due at the same time happens in the order in which it was added. */

/** Code that may end or be suspended as a whole, with everything it waits for: a host's program. */
export interface Owner {
  readonly ended: boolean
  /** Keeps, while its owner is suspended, what is due. False when it is not. */
  keeps(event: QueuedEvent): boolean
}

/** Something that is due at a time; only for {@link EventQueue} to change. */
export class QueuedEvent {
  /** Virtual milliseconds. */
  at = 0
  order = 0
  /** Its place in the heap; -1 when it is not queued. */
  index = -1
  /** Nobody wants it any more; its owner may still keep it. */
  cancelled = false
  readonly owner: Owner | undefined
  /** What happens. */
  readonly happen: () => void
  /** What it is, for lists of what is pending. */
  readonly what: string

  constructor(what: string, owner: Owner | undefined, happen: () => void) {
    this.what = what
    this.owner = owner
    this.happen = happen
  }

  get queued(): boolean {
    return this.index >= 0
  }
}

export class EventQueue {
  readonly #heap: QueuedEvent[] = []
  #order = 0

  get first(): QueuedEvent | undefined {
    return this.#heap[0]
  }

  /** All, in the order in which they are due. */
  sorted(): QueuedEvent[] {
    return [...this.#heap].sort((a, b) => (before(a, b) ? -1 : 1))
  }

  /** One that is queued already is moved. */
  add(event: QueuedEvent, at: number): void {
    this.remove(event)
    event.at = at
    event.order = this.#order++
    event.index = this.#heap.length
    this.#heap.push(event)
    this.#up(event)
  }

  remove(event: QueuedEvent): void {
    const { index } = event
    if (index < 0) return
    event.index = -1
    const last = this.#heap.pop() as QueuedEvent
    if (last === event) return
    this.#place(last, index)
    this.#up(last)
    this.#down(last)
  }

  clear(): void {
    for (const event of this.#heap.splice(0)) event.index = -1
  }

  #place(event: QueuedEvent, index: number): void {
    this.#heap[index] = event
    event.index = index
  }

  #up(event: QueuedEvent): void {
    while (event.index > 0) {
      const index = event.index
      const parent = this.#heap[(index - 1) >> 1] as QueuedEvent
      if (!before(event, parent)) return
      this.#place(event, parent.index)
      this.#place(parent, index)
    }
  }

  #down(event: QueuedEvent): void {
    for (;;) {
      const index = event.index
      const left = this.#heap[2 * index + 1]
      if (left === undefined) return
      const right = this.#heap[2 * index + 2]
      const child = right !== undefined && before(right, left) ? right : left
      if (!before(child, event)) return
      this.#place(event, child.index)
      this.#place(child, index)
    }
  }
}

function before(a: QueuedEvent, b: QueuedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
