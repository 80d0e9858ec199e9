/** Items on their way to the other thread: those of one turn go together. */

import type { MessagePort } from 'node:worker_threads'
import type { Batch } from './port-messages.ts'

export class PortQueue<Item> {
  readonly #port: MessagePort
  readonly #schedule: (flush: () => void) => void
  readonly #sent: (batch: Batch<Item>) => void
  #items: Item[] = []
  #transfer: ArrayBuffer[] = []
  #taken = 0
  #longestMs = 0
  #scheduled = false
  readonly #flush = (): void => this.flush()

  /** `schedule`: when the turn is over. `sent`: told of each batch that went. */
  constructor(port: MessagePort, schedule: (flush: () => void) => void, sent: (batch: Batch<Item>) => void = () => {}) {
    this.#port = port
    this.#schedule = schedule
    this.#sent = sent
  }

  /** `frames`: told where to put memory that goes with the item. */
  push(make: (transfer: ArrayBuffer[]) => Item): void {
    this.#items.push(make(this.#transfer))
    this.#later()
  }

  /** Batches of the other side were taken: it is told, with the next items or by itself. */
  acknowledge(batches: number, longestMs: number): void {
    this.#taken += batches
    this.#longestMs = Math.max(this.#longestMs, longestMs)
    this.#later()
  }

  flush(): void {
    this.#scheduled = false
    if (this.#items.length === 0 && this.#taken === 0) return
    const batch: Batch<Item> = { taken: this.#taken, longestMs: this.#longestMs, items: this.#items }
    const transfer = this.#transfer
    this.#items = []
    this.#transfer = []
    this.#taken = this.#longestMs = 0
    this.#port.postMessage(batch, transfer)
    this.#sent(batch)
  }

  #later(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#schedule(this.#flush)
  }
}
