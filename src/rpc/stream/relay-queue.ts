/** One direction of a call that is passed on: messages that must wait for the far end do so here, up to a limit. */

import { type Message, messageBytes } from '../../wire/index.ts'
import type { CallOutlet } from './stream-port.ts'

/**
 * What may wait in one direction of one call, bytes, and one message more. The two ends keep each stream within its window by
 * themselves; this is for one that does not.
 */
const MAX_HELD_BYTES = 32 * 1024 * 1024
/** What a message costs besides its bytes, about. */
const MESSAGE_BYTES = 256

export class RelayQueue {
  #outlet: CallOutlet | undefined
  #held: Message[] = []
  #heldBytes = 0
  #closed = false
  #used = false

  /** Messages wait: `flush` is to be called once there is room. */
  get waiting(): boolean {
    return this.#held.length > 0
  }

  /** Messages have gone on. */
  get used(): boolean {
    return this.#used
  }

  /** From now on messages go there, those that waited first. */
  open(outlet: CallOutlet): void {
    this.#outlet = outlet
    this.flush()
  }

  /** Until it is opened again, they wait. */
  suspend(): void {
    this.#outlet = undefined
  }

  /** From now on messages go nowhere. */
  close(): void {
    this.#closed = true
    this.#held = []
    this.#heldBytes = 0
  }

  /** False when too much waits already: this message is lost, unless it is the `last` one of a stream. */
  pass(body: Message, last = false): boolean {
    if (this.#closed) return true
    const outlet = this.#outlet
    if (outlet !== undefined && this.#held.length === 0 && outlet.hasRoom) {
      this.#used = true
      return outlet.send(body, false)
    }
    if (this.#heldBytes > MAX_HELD_BYTES && !last) return false
    this.#heldBytes += bytesOf(body)
    this.#held.push(body.map(ownMemory))
    return true
  }

  /** Sends what waits, as far as there is room. */
  flush(): void {
    const outlet = this.#outlet
    if (outlet === undefined || this.#held.length === 0) return
    this.#used = true
    let sent = 0
    for (; sent < this.#held.length && outlet.hasRoom; sent++) {
      const body = this.#held[sent] as Message
      outlet.send(body, false)
      this.#heldBytes -= bytesOf(body)
    }
    this.#held.splice(0, sent)
  }
}

function bytesOf(body: Message): number {
  return MESSAGE_BYTES + messageBytes(body)
}

/** A short frame is a view of a larger block, which it would keep alive. */
function ownMemory(frame: Buffer): Buffer {
  if (frame.length * 2 >= frame.buffer.byteLength) return frame
  const copy = Buffer.allocUnsafeSlow(frame.length)
  frame.copy(copy)
  return copy
}
