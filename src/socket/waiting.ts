/**
 * The promises of `send` and `receive`: calls that cannot be answered at once wait here, first come first served, until
 * the pattern can, the time is over, or the socket closes.
 */

import { SocketError } from '../errors.ts'
import type { Message } from '../wire/index.ts'
import type { ReceiveOptions, SendOptions } from './options.ts'
import type { Pattern } from './pattern.ts'

const DONE: Promise<void> = Promise.resolve()

/** Most `send` calls that may wait at a time: a limit for applications that do not await. */
const MAX_WAITING_SENDS = 1000

interface Waiting<T> {
  resolve(value: T): void
  reject(error: Error): void
  timer: NodeJS.Timeout | undefined
}

/** Waiting calls of one direction. */
abstract class WaitingCalls<T, W extends Waiting<T>> {
  protected readonly pattern: Pattern
  /** In order; those that timed out are taken out. */
  protected readonly calls: W[] = []
  protected closed = false

  constructor(pattern: Pattern) {
    this.pattern = pattern
  }

  /** Rejects what waits; what comes later is rejected, too. */
  close(): void {
    this.closed = true
    for (const call of this.calls.splice(0)) this.settle(call).reject(new SocketError('EAGAIN', { text: 'the socket was closed' }))
  }

  protected wait(call: W, timeoutMs: number): void {
    this.calls.push(call)
    if (timeoutMs < 0) return
    call.timer = setTimeout(() => {
      this.calls.splice(this.calls.indexOf(call), 1)
      call.reject(new SocketError('EAGAIN'))
    }, timeoutMs)
  }

  protected settle(call: W): W {
    clearTimeout(call.timer)
    return call
  }
}

export class Receives extends WaitingCalls<Message, Waiting<Message>> {
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
    return new Promise((resolve, reject) => this.wait({ resolve, reject, timer: undefined }, timeoutMs))
  }

  /** A message that is there now, unless others wait for it, or the socket is closed. @throws what the pattern throws */
  take(): Message | undefined {
    return this.calls.length === 0 && !this.closed ? this.pattern.receive?.() : undefined
  }

  /** The pattern has something. */
  readable(): void {
    while (this.calls.length > 0) {
      const message = this.#next()
      if (message === undefined) return
      this.settle(this.calls.shift() as Waiting<Message>).resolve(message)
    }
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

export class Sends extends WaitingCalls<void, Waiting<void> & { readonly message: Message }> {
  /** The timeout is read only by calls that have to wait. */
  send(message: Message, options: SendOptions): Promise<void> {
    if (this.closed) return Promise.reject(new SocketError('EBADF'))
    try {
      if (this.calls.length === 0 && this.pattern.send?.(message) === true) return DONE
    } catch (error) {
      return Promise.reject(error)
    }
    const timeoutMs = options.sendTimeout
    if (timeoutMs === 0) return Promise.reject(new SocketError('EAGAIN'))
    if (this.calls.length >= MAX_WAITING_SENDS) {
      return Promise.reject(new SocketError('EBUSY', { text: `${MAX_WAITING_SENDS} sends wait for room already: await them` }))
    }
    return new Promise((resolve, reject) => this.wait({ message, resolve, reject, timer: undefined }, timeoutMs))
  }

  /** Somebody has room again. */
  writable(): void {
    while (this.calls.length > 0) {
      const call = this.calls[0] as (typeof this.calls)[0]
      try {
        if (this.pattern.send?.(call.message) !== true) return
        this.calls.shift()
        this.settle(call).resolve()
      } catch (error) {
        this.calls.shift()
        this.settle(call).reject(error as Error)
      }
    }
  }
}
