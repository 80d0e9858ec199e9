/**
 * One stream from the far end: keeps the items that have come until the application takes them, and gives credit for those that
 * it took.
 *
 * What is kept stays below the window, but for the last item: a far end that sends more breaks the stream. So do a gap in the
 * sequence, and items after the end. Items before any failure are delivered first.
 */

import { type ErrorDetails, ZmqRpcError } from '../../errors.ts'
import { errorText } from '../error/error-text.ts'
import type { StreamPort } from './streams.ts'

type Result = IteratorResult<unknown, undefined>

interface Item {
  readonly value: unknown
  readonly bytes: number
  next: Item | undefined
}

interface Waiting {
  resolve(result: Result): void
  reject(error: Error): void
  /** Kept from being collected, and the stream from being stopped, as long as somebody waits. */
  readonly reader: StreamReader
}

/** Credit goes back once this part of the window was taken: few messages, and the writer hardly ever stands still. */
const CREDIT_PART = 1 / 4

const DONE: Result = { done: true, value: undefined }

/** A stream whose reader was let go of can be read by nobody: without this its writer would wait until the call ends. */
const letGo = new FinalizationRegistry<IncomingStream>((stream) => stream.stop('its reader was let go of'))

export class IncomingStream {
  readonly #number: number
  readonly #port: StreamPort
  readonly #windowBytes: number
  readonly #details: Pick<ErrorDetails, 'endpoint' | 'command'>
  readonly #onEnd: () => void
  /**
   * open: more may come. ended: no more comes; the reader has still to get the items that are here, and then the end or the
   * error. over: the reader got it, or wants nothing.
   */
  #state: 'open' | 'ended' | 'over' = 'open'
  #error: Error | undefined
  #first: Item | undefined
  #last: Item | undefined
  /** Calls of `next` that found nothing; none while there are items. */
  readonly #waiting: Waiting[] = []
  #sequence = 0
  /** Bytes that came and for which no credit was given. */
  #held = 0
  /** Those of them that the application took. */
  #taken = 0

  /** `onEnd` is called once: when the far end has no more to say about this stream. */
  constructor(
    number: number,
    port: StreamPort,
    windowBytes: number,
    details: Pick<ErrorDetails, 'endpoint' | 'command'>,
    onEnd: () => void,
  ) {
    this.#number = number
    this.#port = port
    this.#windowBytes = windowBytes
    this.#details = details
    this.#onEnd = onEnd
  }

  /** What the application gets. */
  reader(): StreamReader {
    const reader = new StreamReader(this, this.#details)
    letGo.register(reader, this, this)
    return reader
  }

  // ── From the far end ────────────────────────────────────────────────────────────────────────────────────────────────

  item(sequence: number, value: unknown, bytes: number): void {
    if (this.#state !== 'open') return this.#late('an item')
    if (sequence !== this.#sequence) return this.#broken(`item ${sequence} came where item ${this.#sequence} was due`)
    if (this.#held >= this.#windowBytes) return this.#broken(`more came than its window of ${this.#windowBytes} bytes allows`)
    this.#sequence = (sequence + 1) >>> 0
    this.#held += bytes
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value })
      return this.#took(bytes)
    }
    const item: Item = { value, bytes, next: undefined }
    if (this.#last === undefined) this.#first = item
    else this.#last.next = item
    this.#last = item
  }

  /** Without an error: the writer has no more. */
  ended(sequence: number, error?: Error): void {
    if (this.#state !== 'open') return this.#late('a second end')
    if (sequence === this.#sequence) return this.#end(error)
    this.#end(this.#fault(`it ended after ${sequence} items, of which ${this.#sequence} came`, error))
  }

  // ── From this end ───────────────────────────────────────────────────────────────────────────────────────────────────

  next(reader: StreamReader): Promise<Result> {
    const item = this.#first
    if (item !== undefined) {
      this.#first = item.next
      if (item.next === undefined) this.#last = undefined
      this.#took(item.bytes)
      return Promise.resolve({ done: false, value: item.value })
    }
    if (this.#state === 'open') return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject, reader }))
    this.#state = 'over'
    const error = this.#error
    this.#error = undefined
    return error === undefined ? Promise.resolve(DONE) : Promise.reject(error)
  }

  /** The application wants no more: what is here is thrown away. */
  stop(reason?: string): void {
    this.#first = this.#last = this.#error = undefined
    if (this.#state === 'open') this.#end(undefined, () => this.#port.stop(this.#number, reason))
    this.#state = 'over'
  }

  /** No more is wanted; a reader gets what is here, then the error. */
  refuse(error: Error): void {
    if (this.#state === 'open') this.#end(error, () => this.#port.stop(this.#number, error.message))
  }

  /** No more can come; a reader gets what is here, then the error. */
  abort(error: Error): void {
    if (this.#state === 'open') this.#end(error)
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #took(bytes: number): void {
    if (this.#state !== 'open') return
    this.#taken += bytes
    if (this.#taken < this.#windowBytes * CREDIT_PART) return
    const credit = this.#taken
    this.#held -= credit
    this.#taken = 0
    this.#port.credit(this.#number, credit)
  }

  /** `lastWord`: whatever it leads to, this stream is over already. */
  #end(error: Error | undefined, lastWord?: () => void): void {
    this.#state = 'ended'
    this.#error = error
    letGo.unregister(this)
    lastWord?.()
    // Who waits has taken all items: the first gets the error, as with a generator.
    for (const waiting of this.#waiting.splice(0)) {
      if (this.#state === 'ended' && error !== undefined) waiting.reject(error)
      else waiting.resolve(DONE)
      this.#state = 'over'
    }
    this.#onEnd()
  }

  #broken(text: string): void {
    this.refuse(this.#fault(text))
  }

  /** After the end. As long as the reader does not know of the end, it can still be told that it was none. */
  #late(what: string): void {
    if (this.#state === 'ended') this.#error ??= this.#fault(`${what} came after its end`)
  }

  #fault(text: string, cause?: Error): ZmqRpcError {
    return new ZmqRpcError('PROTOCOL_ERROR', `stream ${this.#number} is broken: ${text}`, { ...this.#details, cause })
  }
}

/**
 * What the application reads: `for await (const item of reader)`, once. Leaving the loop early tells the writer to stop; so does
 * `return`, and `await using`. A reader that is neither read nor returned holds up the writer until it is collected as garbage.
 *
 * It throws what the writer threw, after the items before it. All its methods may be called at any time, several at once.
 */
export class StreamReader implements AsyncIterableIterator<unknown, undefined>, AsyncDisposable {
  readonly #stream: IncomingStream
  readonly #details: Pick<ErrorDetails, 'endpoint' | 'command'>
  #hasReader = false

  constructor(stream: IncomingStream, details: Pick<ErrorDetails, 'endpoint' | 'command'>) {
    this.#stream = stream
    this.#details = details
  }

  next(): Promise<Result> {
    return this.#stream.next(this)
  }

  return(): Promise<Result> {
    this.#stream.stop()
    return Promise.resolve(DONE)
  }

  throw(error?: unknown): Promise<Result> {
    this.#stream.stop(errorText(error))
    return Promise.reject(error)
  }

  /** @throws ZmqRpcError BAD_OPTION for a second reader: each would get a part of the items only. */
  [Symbol.asyncIterator](): this {
    if (this.#hasReader) {
      throw new ZmqRpcError('BAD_OPTION', 'this stream has been given to a reader already: a stream can be read once', this.#details)
    }
    this.#hasReader = true
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stream.stop()
  }
}
