/** The promises of `send` and `sendMany`: messages go in the order of the calls, and in order within a call. */

import { SocketError } from '../errors.ts'
import type { Message } from '../wire/index.ts'
import { MAX_MESSAGE_FRAMES } from './limits.ts'
import type { SendOptions } from './options.ts'
import { type Waiting, WaitingCalls } from './waiting.ts'

const DONE: Promise<void> = Promise.resolve()

/** Most calls that may wait at a time: a limit for applications that do not await. */
const MAX_WAITING_SENDS = 1000

interface WaitingSend extends Waiting {
  readonly messages: readonly Message[]
  /** How many of them went. */
  sent: number
  resolve(): void
}

export class Sends extends WaitingCalls<WaitingSend> {
  /** Waiting calls are being sent. Events told meanwhile may bring about anything: more room, or the end of the socket. */
  #sending = false
  #roomMeanwhile = false

  /** Whether a call would go through at once. */
  get ready(): boolean {
    return !this.closed && this.calls.length === 0 && this.pattern.sendable === true
  }

  /** The timeout is read only by calls that have to wait. */
  send(message: Message, options: SendOptions): Promise<void> {
    if (this.closed) return Promise.reject(new SocketError('EBADF'))
    try {
      this.#checkFrames(message)
      if (this.calls.length === 0 && this.pattern.send?.(message) === true) return DONE
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#waitForRoom([message], 0, options.sendTimeout, (error) => error)
  }

  sendMany(messages: readonly Message[], options: SendOptions): Promise<void> {
    if (this.closed) return Promise.reject(told(new SocketError('EBADF'), 0))
    let sent = 0
    try {
      for (const message of messages) this.#checkFrames(message)
      if (this.calls.length === 0) while (sent < messages.length && this.pattern.send?.(messages[sent] as Message) === true) sent++
    } catch (error) {
      return Promise.reject(told(error as SocketError, sent))
    }
    return sent === messages.length ? DONE : this.#waitForRoom(messages, sent, options.sendTimeout, told)
  }

  /** Somebody has room again. */
  writable(): void {
    this.#roomMeanwhile = true
    if (this.#sending) return
    this.#sending = true
    while (this.#roomMeanwhile) {
      this.#roomMeanwhile = false
      this.#sendWaiting()
    }
    this.#sending = false
  }

  /** More would end the connection at a receiver of ours. @throws SocketError EINVAL */
  #checkFrames(message: Message): void {
    const most = MAX_MESSAGE_FRAMES - (this.pattern.addedFrames ?? 0)
    if (message.length <= most) return
    throw new SocketError('EINVAL', { text: `a message of ${message.length} frames is over the limit of ${most} frames` })
  }

  #sendWaiting(): void {
    while (this.calls.length > 0) {
      const call = this.calls[0] as WaitingSend
      let failure: SocketError | undefined
      try {
        while (call.sent < call.messages.length) {
          if (this.pattern.send?.(call.messages[call.sent] as Message) !== true) return
          call.sent++
        }
      } catch (error) {
        failure = error as SocketError
      }
      // The socket may have been closed meanwhile, which has rejected them all.
      if (this.calls[0] !== call) return
      this.next()
      if (failure === undefined) call.resolve()
      else call.reject(failure)
    }
  }

  /** The next one may be for a peer that has room (ROUTER). */
  protected override timedOut(): void {
    this.writable()
  }

  #waitForRoom(
    messages: readonly Message[],
    sent: number,
    timeoutMs: number,
    toError: (error: SocketError, sent: number) => SocketError,
  ): Promise<void> {
    if (timeoutMs === 0) return Promise.reject(toError(new SocketError('EAGAIN'), sent))
    if (this.calls.length >= MAX_WAITING_SENDS) {
      const busy = new SocketError('EBUSY', { text: `${MAX_WAITING_SENDS} sends wait for room already: await them` })
      return Promise.reject(toError(busy, sent))
    }
    // The lists are the application's, which may use them again.
    const kept = messages.map((message) => [...message])
    return new Promise((resolve, reject) => {
      const call: WaitingSend = { messages: kept, sent, resolve, reject: (error) => reject(toError(error, call.sent)), timer: undefined }
      this.wait(call, timeoutMs)
      // The event that tells of a full queue may have brought a new peer.
      if (this.calls[0] === call) this.writable()
    })
  }
}

/** The error of a batch tells how much of it went. */
function told(error: SocketError, sent: number): SocketError {
  error.sent = sent
  return error
}
