/**
 * The streams of one call: what its async iterables send to the far end (outgoing), and what the application reads of the far
 * end's (incoming). The same for client and server; knows neither sockets nor how messages are written.
 *
 * - A stream has a number, which counts from 0 in each direction of a call. It ends once: by END or FAILED of its writer, by
 *   STOP of its reader, or with the call.
 * - Flow control is by bytes and by stream. The writer may send while its credit, at first the window, is above zero: one item
 *   may overshoot. Credit is given back as the application takes items, so that what nobody reads costs a window at most.
 * - What the far end sends never throws here. Breaking the rules fails its stream; what cannot be right for any stream, or came
 *   too late, is ignored.
 */

import { type ErrorDetails, ZmqRpcError } from '../../errors.ts'
import { IncomingStream, type StreamReader } from './incoming-stream.ts'
import { OutgoingStream } from './outgoing-stream.ts'

/** How the streams of a call reach the far end. None but `item` may throw, and none may refuse. */
export interface StreamPort {
  /**
   * The bytes of the item's message; undefined when it cannot be taken now: then `CallStreams.writable` is to be called once it
   * can. @throws when the value cannot be written
   */
  item(stream: number, sequence: number, value: unknown): number | undefined
  end(stream: number, sequence: number): void
  failed(stream: number, sequence: number, error: unknown): void
  credit(stream: number, bytes: number): void
  stop(stream: number, reason: string | undefined): void
}

export interface StreamsOptions {
  /** Called whenever the last open stream has ended, in both directions. */
  onIdle: () => void
  /** Called with what an iterable threw when it was told to return, which nobody else hears of. */
  onSourceError?: (error: unknown) => void
  /** Both ends must have the same. @default 262144 */
  windowBytes?: number
  /** Most streams of the call, in each direction; at most 65536. @default MAX_STREAMS */
  maxStreams?: number
  /** Whose streams they are, for errors. */
  details?: Pick<ErrorDetails, 'endpoint' | 'command'>
}

const DEFAULT_WINDOW_BYTES = 256 * 1024
/** Most streams of a call, in each direction. */
export const MAX_STREAMS = 100

export class CallStreams {
  readonly #port: StreamPort
  readonly #onIdle: () => void
  readonly #onSourceError: (error: unknown) => void
  readonly #windowBytes: number
  readonly #maxStreams: number
  readonly #details: Pick<ErrorDetails, 'endpoint' | 'command'>
  readonly #outgoing: OutgoingStream[] = []
  readonly #incoming = new Map<number, IncomingStream>()
  /** With an item that the port could not take, in the order in which they came. */
  readonly #blocked = new Set<OutgoingStream>()
  #openOutgoing = 0
  #openIncoming = 0
  #finished = false
  #replied = false
  #aborted: Error | undefined

  constructor(port: StreamPort, { onIdle, onSourceError, windowBytes, maxStreams, details }: StreamsOptions) {
    this.#port = port
    this.#onIdle = onIdle
    this.#onSourceError = onSourceError ?? (() => {})
    this.#windowBytes = windowBytes ?? DEFAULT_WINDOW_BYTES
    this.#maxStreams = maxStreams ?? MAX_STREAMS
    this.#details = details ?? {}
  }

  /** Streams that have not ended, in both directions. */
  get open(): number {
    return this.#openOutgoing + this.#openIncoming
  }

  /** Those of them that go out. */
  get openOutgoing(): number {
    return this.#openOutgoing
  }

  /**
   * The number under which an iterable is sent. Nothing is asked of it before `start`.
   *
   * @throws ZmqRpcError BAD_COMMAND for too many streams; what the iterable throws.
   */
  outgoing(iterable: AsyncIterable<unknown>): number {
    const number = this.#outgoing.length
    if (number >= this.#maxStreams) throw this.#tooMany('BAD_COMMAND')
    const stream = new OutgoingStream(number, iterable[Symbol.asyncIterator](), this.#port, this.#windowBytes, {
      blocked: () => this.#blocked.add(stream),
      ended: () => {
        this.#openOutgoing--
        if (this.open === 0) this.#onIdle()
        else this.#stopUnread()
      },
      sourceFailed: this.#onSourceError,
    })
    this.#outgoing.push(stream)
    this.#openOutgoing++
    if (this.#aborted !== undefined) stream.close()
    return number
  }

  /** The message that carries the numbers is on its way: the iterables are read from now on. */
  start(): void {
    for (const stream of this.#outgoing) stream.start()
  }

  /** The message that was to carry the numbers is not sent: iterables that were not started are told to return. */
  withdraw(): void {
    for (const stream of this.#outgoing) stream.withdraw()
  }

  /**
   * What the application reads of a stream of the far end.
   *
   * @throws ZmqRpcError PROTOCOL_ERROR for a number that came before, and for too many streams.
   */
  incoming(number: number): StreamReader {
    if (this.#incoming.has(number)) throw new ZmqRpcError('PROTOCOL_ERROR', `stream ${number} came twice`, this.#details)
    if (this.#incoming.size >= this.#maxStreams) throw this.#tooMany('PROTOCOL_ERROR')
    const stream = new IncomingStream(number, this.#port, this.#windowBytes, this.#details, () => {
      this.#openIncoming--
      if (this.open === 0) this.#onIdle()
      else this.#closeUnneeded()
    })
    this.#incoming.set(number, stream)
    this.#openIncoming++
    if (this.#aborted !== undefined) stream.abort(this.#aborted)
    return stream.reader()
  }

  // ── From the far end ────────────────────────────────────────────────────────────────────────────────────────────────

  /** `bytes`: of the item's message, as its writer counts them. */
  itemArrived(stream: number, sequence: number, value: unknown, bytes: number): void {
    this.#incoming.get(stream)?.item(sequence, value, bytes)
  }

  ended(stream: number, sequence: number): void {
    this.#incoming.get(stream)?.ended(sequence)
  }

  failedThere(stream: number, sequence: number, error: Error): void {
    this.#incoming.get(stream)?.ended(sequence, error)
  }

  /** An item that cannot be read: its stream fails, and its writer is stopped. */
  unreadable(stream: number, error: Error): void {
    this.#incoming.get(stream)?.refuse(error)
  }

  creditArrived(stream: number, bytes: number): void {
    this.#outgoing[stream]?.credit(bytes)
  }

  /** The reader wants no more. The reason is for people: the iterable is only told that it is over. */
  stopArrived(stream: number, _reason?: string): void {
    this.#outgoing[stream]?.close()
  }

  // ── From this end ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The port takes items again: those that wait go first come, first served. */
  writable(): void {
    const blocked = [...this.#blocked]
    this.#blocked.clear()
    for (const stream of blocked) stream.writable()
  }

  /**
   * The service is done, and its reply is on its way: as soon as nothing goes out any more, what the service still has not read
   * is stopped. A reader of it gets what is there, then an error.
   */
  finish(): void {
    this.#finished = true
    this.#stopUnread()
  }

  /**
   * The reply is here: as soon as nothing comes in any more, nobody is left at the far end who could need what still goes out. It says
   * so itself, but to a proxy on the way the call is over by then.
   */
  replied(): void {
    this.#replied = true
    this.#closeUnneeded()
  }

  /**
   * The call is over, and nothing reaches the far end any more: iterables are told to return, readers get what is there, then
   * the error. What is registered later ends at once.
   */
  abort(error: Error): void {
    if (this.#aborted !== undefined) return
    this.#aborted = error
    for (const stream of this.#outgoing) stream.close()
    for (const stream of this.#incoming.values()) stream.abort(error)
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #stopUnread(): void {
    if (!this.#finished || this.#openOutgoing > 0) return
    const text = 'the call has ended: its reply is sent, and no stream of it is left that could need more'
    for (const stream of this.#incoming.values()) stream.refuse(new ZmqRpcError('CLOSED', text, this.#details))
  }

  #closeUnneeded(): void {
    if (!this.#replied || this.#openIncoming > 0) return
    for (const stream of this.#outgoing) stream.close()
  }

  #tooMany(code: 'BAD_COMMAND' | 'PROTOCOL_ERROR'): ZmqRpcError {
    return new ZmqRpcError(code, `a call may have ${this.#maxStreams} streams in each direction, not more`, this.#details)
  }
}
