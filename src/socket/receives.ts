/**
 * The promises of `receive` and `receiveMany`.
 *
 * A `receive` that waits is answered with the first message that comes. A `receiveMany` that waits is answered a microtask
 * later, when the rest of the chunk is decoded: so it gets all that came together.
 */

import { SocketError } from '../errors.ts'
import type { Message } from '../wire/index.ts'
import type { ReceiveOptions } from './options.ts'
import { type Waiting, WaitingCalls } from './waiting.ts'

interface WaitingForOne extends Waiting {
  readonly maxCount: undefined
  resolve(message: Message): void
}

interface WaitingForMany extends Waiting {
  readonly maxCount: number
  resolve(messages: Message[]): void
}

export class Receives extends WaitingCalls<WaitingForOne | WaitingForMany> {
  /** The rest of the chunk is waited for. */
  #gathering = false
  /** An answer is being looked for: what comes meanwhile is for the same call or those behind it. */
  #answering = false

  /** Whether a call would be answered at once. */
  get ready(): boolean {
    return !this.closed && this.calls.length === 0 && this.pattern.receivable === true
  }

  /** The timeout is read only by calls that have to wait: options are slow to read. */
  receive(options: ReceiveOptions): Promise<Message> {
    if (this.closed) return Promise.reject(new SocketError('EBADF'))
    try {
      const message = this.take()
      if (message !== undefined) return Promise.resolve(message)
    } catch (error) {
      return Promise.reject(error)
    }
    const timeoutMs = options.receiveTimeout
    if (timeoutMs === 0) return Promise.reject(new SocketError('EAGAIN'))
    return new Promise((resolve, reject) => this.wait({ maxCount: undefined, resolve, reject, timer: undefined }, timeoutMs))
  }

  receiveMany(maxCount: number, options: ReceiveOptions): Promise<Message[]> {
    if (this.closed) return Promise.reject(new SocketError('EBADF'))
    if (!(maxCount >= 1)) return Promise.reject(new SocketError('EINVAL', { text: 'maxCount is 1 or more' }))
    try {
      const first = this.take()
      if (first !== undefined) return Promise.resolve(this.#takeMany(maxCount, [first]))
    } catch (error) {
      return Promise.reject(error)
    }
    const timeoutMs = options.receiveTimeout
    if (timeoutMs === 0) return Promise.reject(new SocketError('EAGAIN'))
    return new Promise((resolve, reject) => this.wait({ maxCount, resolve, reject, timer: undefined }, timeoutMs))
  }

  /** A message that is there now, unless others wait for it, or the socket is closed. @throws what the pattern throws */
  take(): Message | undefined {
    return this.calls.length === 0 && !this.closed ? this.pattern.receive?.() : undefined
  }

  /** The pattern has something. */
  readable(): void {
    if (this.calls.length === 0 || this.#gathering || this.#answering) return
    this.#answer(true)
  }

  /** Answers those who wait, as far as the messages go; up to the first who waits for many, if there may be more to come. */
  #answer(moreToCome: boolean): void {
    this.#answering = true
    try {
      this.#answerAll(moreToCome)
    } finally {
      this.#answering = false
    }
  }

  #answerAll(moreToCome: boolean): void {
    while (this.calls.length > 0) {
      const call = this.calls[0] as WaitingForOne | WaitingForMany
      if (call.maxCount === undefined) {
        const message = this.#next()
        if (message === undefined) return
        this.next()
        call.resolve(message)
      } else if (moreToCome) {
        this.#gathering = true
        return queueMicrotask(() => {
          this.#gathering = false
          this.#answer(false)
        })
      } else {
        const messages = this.#takeMany(call.maxCount, [])
        if (messages.length === 0) return
        this.next()
        call.resolve(messages)
      }
    }
  }

  #takeMany(maxCount: number, messages: Message[]): Message[] {
    while (messages.length < maxCount) {
      const message = this.#next()
      if (message === undefined) break
      messages.push(message)
    }
    return messages
  }

  /** When it is not the time to receive (EFSM), those who wait already wait on: their turn will come. */
  #next(): Message | undefined {
    try {
      return this.pattern.receive?.()
    } catch (error) {
      if (error instanceof SocketError) return undefined
      throw error
    }
  }
}
