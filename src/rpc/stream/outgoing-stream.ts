/**
 * One stream to the far end: reads an iterable, one item at a time and never ahead of its credit.
 *
 * Whatever ends it, the iterable is told to return exactly once, unless it ended or threw by itself.
 */

import type { StreamPort } from './streams.ts'

interface Owner {
  /** The port could not take an item: `writable` is awaited. */
  blocked(): void
  /** Once. */
  ended(): void
  /** What the source threw when it was told to return: nobody else hears of it. */
  sourceFailed(error: unknown): void
}

export class OutgoingStream {
  readonly #number: number
  readonly #source: AsyncIterator<unknown>
  readonly #port: StreamPort
  readonly #owner: Owner
  #credit: number
  #sequence = 0
  #state: 'new' | 'pumping' | 'over' = 'new'
  /** Set while the pump waits for credit, or for the port. */
  #wake: (() => void) | undefined

  constructor(number: number, source: AsyncIterator<unknown>, port: StreamPort, windowBytes: number, owner: Owner) {
    this.#number = number
    this.#source = source
    this.#port = port
    this.#credit = windowBytes
    this.#owner = owner
  }

  /** Nothing but the first time. */
  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'pumping'
    void this.#pump()
  }

  /** Ends if it was not started. */
  withdraw(): void {
    if (this.#state === 'new') this.close()
  }

  credit(bytes: number): void {
    const wasOut = this.#credit <= 0
    this.#credit += bytes
    // With credit left, the pump may wait for the port: credit does not help it.
    if (wasOut && this.#credit > 0) this.#resume()
  }

  writable(): void {
    this.#resume()
  }

  /** Ends without a word to the far end. */
  close(): void {
    if (this.#over) return
    this.#end(() => void this.#giveUp())
  }

  /** Never rejects: what the source throws goes to the far end. */
  async #pump(): Promise<void> {
    for (;;) {
      if (this.#credit <= 0) await this.#sleep()
      if (this.#over) return
      let done: boolean | undefined
      let value: unknown
      try {
        ;({ done, value } = await this.#source.next())
      } catch (error) {
        if (this.#over) return
        return this.#end(() => this.#port.failed(this.#number, this.#sequence, error))
      }
      if (this.#over) return
      if (done) return this.#end(() => this.#port.end(this.#number, this.#sequence))
      try {
        let bytes = this.#port.item(this.#number, this.#sequence, value)
        while (bytes === undefined) {
          this.#owner.blocked()
          await this.#sleep()
          if (this.#over) return
          bytes = this.#port.item(this.#number, this.#sequence, value)
        }
        this.#credit -= bytes
        // 32 bits on the wire: it begins again.
        this.#sequence = (this.#sequence + 1) >>> 0
      } catch (error) {
        if (this.#over) return
        return this.#end(() => {
          this.#port.failed(this.#number, this.#sequence, error)
          void this.#giveUp()
        })
      }
    }
  }

  /** A getter, so that the compiler knows that it may change during an await. */
  get #over(): boolean {
    return this.#state === 'over'
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #resume(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  /** `lastWord`: whatever it leads to, this stream is over already. */
  #end(lastWord: () => void): void {
    this.#state = 'over'
    lastWord()
    this.#resume()
    this.#owner.ended()
  }

  /** Never rejects. */
  async #giveUp(): Promise<void> {
    try {
      await this.#source.return?.()
    } catch (error) {
      this.#owner.sourceFailed(error)
    }
  }
}
