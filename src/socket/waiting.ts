/**
 * The promises of `send` and `receive`: calls that cannot be answered at once wait here, first come first served, until
 * the pattern can, the time is over, or the socket closes.
 */

import { SocketError } from '../errors.ts'
import type { Message } from '../wire/index.ts'
import { detach } from './message-like.ts'
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
  /** @param timeoutMs -1: wait for ever; 0: do not wait */
  receive(timeoutMs: number): Promise<Message> {
    if (this.closed) return Promise.reject(new SocketError('EBADF'))
    let message: Message | undefined
    try {
      message = this.calls.length === 0 ? this.#next() : undefined
    } catch (error) {
      return Promise.reject(error)
    }
    if (message !== undefined) return Promise.resolve(message)
    if (timeoutMs === 0) return Promise.reject(new SocketError('EAGAIN'))
    return new Promise((resolve, reject) => this.wait({ resolve, reject, timer: undefined }, timeoutMs))
  }

  /** The pattern has something. */
  readable(): void {
    while (this.calls.length > 0) {
      const message = this.#next()
      if (message === undefined) return
      this.settle(this.calls.shift() as Waiting<Message>).resolve(message)
    }
  }

  #next(): Message | undefined {
    const message = this.pattern.receive?.()
    return message === undefined ? undefined : detach(message)
  }
}

export class Sends extends WaitingCalls<void, Waiting<void> & { readonly message: Message }> {
  /** @param timeoutMs -1: wait for ever; 0: do not wait */
  send(message: Message, timeoutMs: number): Promise<void> {
    if (this.closed) return Promise.reject(new SocketError('EBADF'))
    try {
      if (this.calls.length === 0 && this.pattern.send?.(message) === true) return DONE
    } catch (error) {
      return Promise.reject(error)
    }
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
