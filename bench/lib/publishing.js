/** Both ends of a publication, whatever carries it: bursts of messages, as many as the acks allow. */

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { ACK_EVERY, Acks, acknowledge, WINDOW } from './acks.js'
import { during } from './agent.js'
import { BODIES, BODY_BYTES, CYCLE, check, PROBE } from './bodies.js'

/** Messages in one turn of the event loop. */
const BURST = 200

export class Publication {
  #acks = new Acks()
  #sent = 0

  /** @returns {Promise<number>} where acks go */
  listen() {
    return this.#acks.listen()
  }

  /** Until all subscribers are there. @param {number} subscribers @param {(body: Buffer) => unknown} send */
  async introduce(subscribers, send) {
    while (this.#acks.subscribers < subscribers) {
      await send(Buffer.alloc(BODY_BYTES, PROBE))
      await sleep(10)
    }
  }

  /**
   * @param {number} seconds
   * @param {number} subscribers
   * @param {(bodies: readonly Buffer[]) => unknown} sendBurst
   */
  async run(seconds, subscribers, sendBurst) {
    const time = during(seconds)
    const from = performance.now()
    const first = this.#sent
    while (time.running || this.#sent % ACK_EVERY !== 0) {
      if (this.#sent - this.#acks.messages >= WINDOW) {
        await this.#acks.next()
        continue
      }
      const burst = []
      for (let index = 0; index < BURST; index++) burst.push(/** @type {Buffer} */ (BODIES[(this.#sent + index) % CYCLE]))
      await sendBurst(burst)
      this.#sent += BURST
      await turn()
    }
    while (this.#acks.messages < this.#sent) await this.#acks.next()
    return { count: (this.#sent - first) * subscribers, seconds: (performance.now() - from) / 1000 }
  }
}

/** One subscriber's count: every message is checked for its place. */
export class Subscription {
  #number
  #acknowledge
  #count = 0
  #introduced = false

  /** @param {number} number @param {(subscriber: number) => void} acknowledge */
  constructor(number, acknowledge) {
    this.#number = number
    this.#acknowledge = acknowledge
  }

  get bytes() {
    return this.#count * BODY_BYTES
  }

  /** @param {Buffer | undefined} body */
  take(body) {
    if (body?.[0] === PROBE) return this.introduced()
    check(body, this.#count % CYCLE)
    if (++this.#count % ACK_EVERY === 0) this.#acknowledge(this.#number)
  }

  /** Many that were checked together. @param {number} count */
  took(count) {
    const before = Math.floor(this.#count / ACK_EVERY)
    this.#count += count
    for (let acks = Math.floor(this.#count / ACK_EVERY) - before; acks > 0; acks--) this.#acknowledge(this.#number)
  }

  introduced() {
    if (!this.#introduced) this.#acknowledge(this.#number)
    this.#introduced = true
  }
}

/** @param {number} ackPort @param {number} subscribers */
export function subscriptions(ackPort, subscribers) {
  const say = acknowledge(ackPort)
  return Array.from({ length: subscribers }, (_, number) => new Subscription(number, say))
}
