/** Two ends of a call's streams, joined in memory; the test says when what is delivered. */

import { CallStreams, type StreamPort, type StreamsOptions } from '../../../../src/rpc/stream/streams.ts'

/** One message on its way, and what it does at the far end. */
export interface Sent {
  readonly kind: keyof StreamPort
  readonly stream: number
  /** Sequence number, or bytes of credit. */
  readonly amount: number
  readonly value?: unknown
  arrive(): void
}

export interface EndOptions extends Omit<StreamsOptions, 'onIdle'> {
  /** Bytes of an item; by default its value when that is a number, else 10. */
  sizeOf?: (value: unknown) => number
}

/** What the values of most tests weigh. */
export const ITEM_BYTES = 10

class End implements StreamPort {
  readonly streams: CallStreams
  /** Sent, and not delivered yet. */
  readonly sent: Sent[] = []
  /** All that was ever sent, as `kind stream amount`. */
  readonly log: string[] = []
  /** Items that came in, by stream. */
  readonly arrived = new Map<number, number>()
  /** The port takes no items. */
  full = false
  idleTimes = 0
  far: End | undefined
  readonly #sizeOf: (value: unknown) => number

  constructor({ sizeOf, ...options }: EndOptions) {
    this.#sizeOf = sizeOf ?? (() => ITEM_BYTES)
    this.streams = new CallStreams(this, { ...options, onIdle: () => this.idleTimes++ })
  }

  item(stream: number, sequence: number, value: unknown): number | undefined {
    if (this.full) return undefined
    if (typeof value === 'symbol') throw new TypeError('a symbol cannot be written')
    const bytes = this.#sizeOf(value)
    const arrive = (far: CallStreams): void => {
      this.far?.arrived.set(stream, sequence + 1)
      far.itemArrived(stream, sequence, value, bytes)
    }
    this.#send('item', stream, sequence, arrive, value)
    return bytes
  }

  end(stream: number, sequence: number): void {
    this.#send('end', stream, sequence, (far) => far.ended(stream, sequence))
  }

  failed(stream: number, sequence: number, error: unknown): void {
    this.#send('failed', stream, sequence, (far) => far.failedThere(stream, sequence, error as Error), error)
  }

  credit(stream: number, bytes: number): void {
    this.#send('credit', stream, bytes, (far) => far.creditArrived(stream, bytes))
  }

  stop(stream: number, reason: string | undefined): void {
    this.#send('stop', stream, 0, (far) => far.stopArrived(stream, reason), reason)
  }

  #send(kind: keyof StreamPort, stream: number, amount: number, to: (far: CallStreams) => void, value?: unknown): void {
    this.log.push(`${kind} ${stream} ${amount}`)
    this.sent.push({ kind, stream, amount, value, arrive: () => this.far !== undefined && to(this.far.streams) })
  }
}

export type { End }

export function joined(options: EndOptions = {}): { near: End; far: End } {
  const near = new End(options)
  const far = new End(options)
  near.far = far
  far.far = near
  return { near, far }
}

/** Delivers up to `most` messages of one end. */
export function deliver(end: End, most = Number.POSITIVE_INFINITY): void {
  for (let count = 0; count < most && end.sent.length > 0; count++) end.sent.shift()?.arrive()
}

/** All promises that can settle have settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Delivers all there is, both ways, until both ends are still. */
export async function flow(...ends: End[]): Promise<void> {
  do {
    for (const end of ends) deliver(end)
    await settled()
  } while (ends.some((end) => end.sent.length > 0))
}

/** An iterable of a test: hands out what it has, waits when told to, and knows what was asked of it. */
export class Source implements AsyncIterable<unknown> {
  pulls = 0
  returns = 0
  /** The next that `next` gives; each is asked once. */
  readonly #steps: Iterator<unknown>
  /** Set while a `next` waits. */
  #held: (() => void) | undefined
  #hold = false
  returnThrows = false

  /** A step that is an Error is thrown; after the last one the source is at its end. */
  constructor(steps: Iterable<unknown>) {
    this.#steps = steps[Symbol.iterator]()
  }

  hold(): void {
    this.#hold = true
  }

  release(): void {
    this.#hold = false
    this.#held?.()
    this.#held = undefined
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return {
      next: async () => {
        this.pulls++
        if (this.#hold) await new Promise<void>((resolve) => (this.#held = resolve))
        const step = this.#steps.next()
        if (step.done !== true && step.value instanceof Error) throw step.value
        return step.done === true ? { done: true, value: undefined } : { done: false, value: step.value }
      },
      return: async () => {
        this.returns++
        if (this.returnThrows) throw new Error('the source cannot even return')
        return { done: true, value: undefined }
      },
    }
  }
}

/** `count` numbers from 0. */
export function* numbers(count = Number.POSITIVE_INFINITY): Generator<number> {
  for (let number = 0; number < count; number++) yield number
}

/** All items of a stream, and what it threw in the end, if anything. */
export async function readAll(iterable: AsyncIterable<unknown>): Promise<{ items: unknown[]; error: unknown }> {
  const items: unknown[] = []
  try {
    for await (const item of iterable) items.push(item)
  } catch (error) {
    return { items, error }
  }
  return { items, error: undefined }
}
