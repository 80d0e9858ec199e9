/**
 * The way back for publishers, beside what is measured: each subscriber says over plain TCP how far it has come, so that a
 * publisher keeps below everyone's high-water mark and knows when all has arrived.
 */

import { connect, createServer } from 'node:net'

/** Messages per ack. */
export const ACK_EVERY = 1000
/** Messages a publisher may be ahead of its slowest subscriber. */
export const WINDOW = 20 * ACK_EVERY

export class Acks {
  /** Acks of each subscriber, by its number. @type {number[]} */
  #counts = []
  #changed = () => {}
  #server = createServer((socket) => {
    socket.on('data', (chunk) => {
      for (const subscriber of chunk) this.#counts[subscriber] = (this.#counts[subscriber] ?? 0) + 1
      this.#changed()
    })
    socket.on('error', () => {})
  })

  /** @returns {Promise<number>} the port */
  async listen() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve(undefined)))
    return /** @type {import('node:net').AddressInfo} */ (this.#server.address()).port
  }

  get subscribers() {
    return this.#counts.length === 0 ? 0 : this.#counts.filter((count) => count > 0).length
  }

  /** Messages that every subscriber has. The first ack says no more than that somebody is there. */
  get messages() {
    return (Math.min(...this.#counts) - 1) * ACK_EVERY
  }

  /** The next ack. @returns {Promise<void>} */
  next() {
    return new Promise((resolve) => {
      this.#changed = resolve
    })
  }
}

/** @param {number} port @returns {(subscriber: number) => void} */
export function acknowledge(port) {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  return (subscriber) => socket.write(Buffer.from([subscriber]))
}
