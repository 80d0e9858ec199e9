/** Something to stream that keeps account of what was asked of it. */
export class Source implements AsyncIterableIterator<unknown> {
  /** Items that it has given. */
  given = 0
  ended: 'not yet' | 'by itself' | 'told to return' = 'not yet'
  readonly #count: number
  readonly #item: (n: number) => unknown

  /** Gives `count` items: numbers from 0, or what is made of them. */
  constructor(count: number, item: (n: number) => unknown = (n) => n) {
    this.#count = count
    this.#item = item
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    // Endless ones must let others have their turn.
    if (this.given % 100 === 99) await new Promise((resolve) => setImmediate(resolve))
    if (this.given < this.#count && this.ended === 'not yet') return { done: false, value: this.#item(this.given++) }
    if (this.ended === 'not yet') this.ended = 'by itself'
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    if (this.ended === 'told to return') throw new Error('it was told twice')
    this.ended = 'told to return'
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
