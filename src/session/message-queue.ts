/** A first-in first-out queue of messages with a limit: a ring that grows as it is used and lets go when it is empty. */

import { type Message, messageBytes } from '../wire/index.ts'

const FIRST_CAPACITY = 16
const NO_SLOTS: (Message | undefined)[] = []

export class MessageQueue {
  /** Most messages, whatever their number of frames; 0 for no limit. */
  highWaterMark: number
  /** Most bytes of body; 0 for no limit. One message always fits an empty queue. */
  maxBytes: number
  /** Keeps the last message only, whatever the limits (ZMQ_CONFLATE). */
  readonly #conflate: boolean
  #slots: (Message | undefined)[] = NO_SLOTS
  #head = 0
  #length = 0
  #bytes = 0

  constructor(highWaterMark: number, maxBytes: number, conflate = false) {
    this.highWaterMark = highWaterMark
    this.maxBytes = maxBytes
    this.#conflate = conflate
  }

  get length(): number {
    return this.#length
  }

  get bytes(): number {
    return this.#bytes
  }

  /** True at the limit: `push` would refuse. */
  get full(): boolean {
    if (this.#length === 0 || this.#conflate) return false
    return (this.highWaterMark > 0 && this.#length >= this.highWaterMark) || (this.maxBytes > 0 && this.#bytes >= this.maxBytes)
  }

  /** True when a full queue has drained enough to be filled again: half, as libzmq has it. */
  get halfEmpty(): boolean {
    return (
      (this.highWaterMark === 0 || this.#length <= this.highWaterMark >> 1) && (this.maxBytes === 0 || this.#bytes <= this.maxBytes / 2)
    )
  }

  /** False, and nothing is kept, at the limit. */
  push(message: Message): boolean {
    if (this.full) return false
    this.pushAnyway(message)
    return true
  }

  /** Keeps the message, limit or not: for what has come already and must not be lost. */
  pushAnyway(message: Message): void {
    if (this.#conflate) this.clear()
    if (this.#length === this.#slots.length) this.#grow()
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = message
    this.#length++
    this.#bytes += messageBytes(message)
  }

  /** Keeps the message before all others, limit or not. With conflation only the last counts: this one, if it is alone. */
  unshift(message: Message): void {
    if (this.#length === 0) return this.pushAnyway(message)
    if (this.#conflate) return
    if (this.#length === this.#slots.length) this.#grow()
    this.#head = (this.#head - 1) & (this.#slots.length - 1)
    this.#slots[this.#head] = message
    this.#length++
    this.#bytes += messageBytes(message)
  }

  shift(): Message | undefined {
    if (this.#length === 0) return undefined
    const message = this.#slots[this.#head] as Message
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#slots.length - 1)
    this.#length--
    this.#bytes -= messageBytes(message)
    return message
  }

  /** Takes the first message out that matches; false when there is none. Costs as much as the queue is long. */
  remove(matches: (message: Message) => boolean): boolean {
    const slots = this.#slots
    const slotAt = (index: number): number => (this.#head + index) & (slots.length - 1)
    for (let index = 0; index < this.#length; index++) {
      const message = slots[slotAt(index)] as Message
      if (!matches(message)) continue
      const last = --this.#length
      for (let at = index; at < last; at++) slots[slotAt(at)] = slots[slotAt(at + 1)]
      slots[slotAt(last)] = undefined
      this.#bytes -= messageBytes(message)
      return true
    }
    return false
  }

  clear(): void {
    this.#slots = NO_SLOTS
    this.#head = this.#length = this.#bytes = 0
  }

  /** The capacity is a power of two, so that a mask finds the slot. */
  #grow(): void {
    const old = this.#slots
    const slots = new Array<Message | undefined>(Math.max(FIRST_CAPACITY, old.length * 2))
    for (let index = 0; index < this.#length; index++) slots[index] = old[(this.#head + index) & (old.length - 1)]
    this.#slots = slots
    this.#head = 0
  }
}
