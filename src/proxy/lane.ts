/** One direction of a call that a proxy passes on: messages that must wait for the far end do so here, up to a limit. */

import type { CallOutlet } from '../rpc/stream/stream-port.ts'
import type { Message } from '../wire/index.ts'

/**
 * What may wait in one direction of one call, bytes. The two ends keep each stream within its window by themselves; this is for one
 * that does not.
 */
const MAX_HELD_BYTES = 32 * 1024 * 1024

export class Lane {
  #outlet: CallOutlet | undefined
  #held: Message[] = []
  #heldBytes = 0

  /** From now on messages go there, those that waited first. */
  open(outlet: CallOutlet): void {
    this.#outlet = outlet
    this.flush()
  }

  /** False when too much waits already: this message, and so all that follow it, are lost. */
  pass(body: Message): boolean {
    const outlet = this.#outlet
    if (outlet !== undefined && this.#held.length === 0 && outlet.hasRoom) return outlet.send(body, false)
    this.#heldBytes += body.reduce((sum, frame) => sum + frame.length, 0)
    if (this.#heldBytes > MAX_HELD_BYTES) return false
    this.#held.push(body)
    return true
  }

  /** Sends what waits, as far as there is room. */
  flush(): void {
    const outlet = this.#outlet
    if (outlet === undefined || this.#held.length === 0) return
    let sent = 0
    for (; sent < this.#held.length && outlet.hasRoom; sent++) {
      const body = this.#held[sent] as Message
      outlet.send(body, false)
      this.#heldBytes -= body.reduce((sum, frame) => sum + frame.length, 0)
    }
    this.#held.splice(0, sent)
  }

  clear(): void {
    this.#held = []
    this.#heldBytes = 0
  }
}
