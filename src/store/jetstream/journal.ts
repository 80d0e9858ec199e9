/**
 * What is about to be done with records, and which ids have ended: a stream of its own, one message for what happens together.
 *
 * Each message is JSON: `{ "kind": "ended" | "dead" | "requeued", "records": [[seq, token], …] }`. The oldest are cleared away once the
 * others hold twice as many ids as are to be known.
 */

import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { Token } from './message.ts'

/** At most {@link MAX_RECORDS} at a time. */
export interface Step {
  /** `ended`: carried out. `dead`: given up. `requeued`: given up before, and live again. */
  readonly kind: 'ended' | 'dead' | 'requeued'
  readonly records: readonly { readonly seq: number; readonly token: Token }[]
}

interface Written {
  kind: Step['kind']
  records: [seq: number, token: Token][]
}

/** Of one step: about 30 bytes each, well below what a server takes. */
export const MAX_RECORDS = 10_000

/** Steps that may be under way at a time, and so interrupted: whoever opens the store looks at as many. */
const MAX_UNDER_WAY = 64

const READ_WIDTH = 64

export class Journal {
  readonly #client: JetStreamClient
  readonly #manager: JetStreamManager
  readonly #stream: string
  readonly #subject: string
  readonly #window: number
  /** In the order in which they ended. */
  readonly #ended = new Map<Token, number>()
  /** Messages that are there, and how many ids each has. */
  readonly #messages: { seq: number; ids: number }[] = []
  #ids = 0
  #underWay = 0
  readonly #waiting: (() => void)[] = []

  constructor(
    nats: { client: JetStreamClient; manager: JetStreamManager },
    { stream, subject, window }: { stream: string; subject: string; window: number },
  ) {
    this.#client = nats.client
    this.#manager = nats.manager
    this.#stream = stream
    this.#subject = subject
    this.#window = window
  }

  /** The seq that a record of this id had; undefined when it has not ended, or too long ago. */
  ended(token: Token): number | undefined {
    return this.#ended.get(token)
  }

  /** Writes down what is going to be done, and does it once that is durable. */
  async take(step: Step, act: () => Promise<void>): Promise<void> {
    while (this.#underWay >= MAX_UNDER_WAY) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#underWay++
    try {
      await this.#write(step)
      await act()
    } finally {
      this.#underWay--
      this.#waiting.shift()?.()
    }
    this.#clear()
  }

  async #write({ kind, records }: Step): Promise<void> {
    const written: Written = { kind, records: records.map(({ seq, token }) => [seq, token]) }
    const { seq } = await this.#client.publish(this.#subject, JSON.stringify(written))
    this.#note(seq, { kind, records })
  }

  /** Reads it all; the last steps, which may not have been finished. */
  async load(): Promise<Step[]> {
    const { state } = await this.#manager.streams.info(this.#stream)
    const steps: Step[] = []
    for (let first = state.first_seq; state.messages > 0 && first <= state.last_seq; first += READ_WIDTH) {
      const width = Math.min(READ_WIDTH, state.last_seq - first + 1)
      const questions = Array.from({ length: width }, (_, at) => this.#manager.streams.getMessage(this.#stream, { seq: first + at }))
      for (const message of await Promise.all(questions)) {
        if (message === null) continue
        const { kind, records } = message.json<Written>()
        const step = { kind, records: records.map(([seq, token]) => ({ seq, token })) }
        this.#note(message.seq, step)
        steps.push(step)
        if (steps.length > MAX_UNDER_WAY) steps.shift()
      }
    }
    return steps
  }

  #note(message: number, { kind, records }: Step): void {
    this.#messages.push({ seq: message, ids: records.length })
    this.#ids += records.length
    for (const { seq, token } of records) {
      this.#ended.delete(token)
      if (kind !== 'requeued') this.#ended.set(token, seq)
    }
    for (const token of this.#ended.keys()) {
      if (this.#ended.size <= this.#window) break
      this.#ended.delete(token)
    }
  }

  /** Not waited for: what is not cleared now is cleared later. */
  #clear(): void {
    if (this.#ids <= 2 * this.#window + MAX_UNDER_WAY) return
    let upTo = 0
    while (this.#messages.length > MAX_UNDER_WAY && this.#ids - (this.#messages[0]?.ids ?? 0) >= this.#window) {
      const { seq, ids } = this.#messages.shift() as { seq: number; ids: number }
      this.#ids -= ids
      upTo = seq
    }
    if (upTo > 0) this.#manager.streams.purge(this.#stream, { seq: upTo + 1 }).catch(() => {})
  }
}
