/**
 * One process has a store at a time: it holds a message that the server lets expire, and writes it anew before that.
 *
 * A process that is cut off for longer than the lease has lost it when somebody else took it meanwhile, and is told so as soon as
 * it is back. Until then both may deliver: at least once, as ever.
 */

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import { StoreError } from '../../errors.ts'
import { JETSTREAM, refusalOf } from './errors.ts'

/** Who has it. */
interface Holder {
  pid: number
  host: string
  since: string
  /** What no other has. */
  by: string
}

export class Lease {
  readonly #client: JetStreamClient
  readonly #manager: JetStreamManager
  readonly #stream: string
  readonly #subject: string
  readonly #holder = JSON.stringify({
    pid: process.pid,
    host: hostname(),
    since: new Date().toISOString(),
    by: randomUUID(),
  } satisfies Holder)
  readonly #onLost: (error: StoreError) => void
  #timer: NodeJS.Timeout | undefined
  #seq = 0

  constructor(
    nats: { client: JetStreamClient; manager: JetStreamManager },
    { stream, subject }: { stream: string; subject: string },
    onLost: (error: StoreError) => void,
  ) {
    this.#client = nats.client
    this.#manager = nats.manager
    this.#stream = stream
    this.#subject = subject
    this.#onLost = onLost
  }

  /** @throws StoreError STORE_LOCKED when somebody has it; errors of NATS. */
  async take(leaseMs: number): Promise<void> {
    await this.#write(0)
    this.#timer = setInterval(() => void this.#renew(), leaseMs / 3)
    this.#timer.unref()
  }

  /** Never rejects. */
  async release(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#seq > 0) await this.#manager.streams.deleteMessage(this.#stream, this.#seq).catch(() => {})
    this.#seq = 0
  }

  async #renew(): Promise<void> {
    try {
      await this.#write(this.#seq)
    } catch (error) {
      // Who cannot reach the server tries again; who is told that the lease is another's has lost it.
      if (!(error instanceof StoreError)) return
      clearInterval(this.#timer)
      this.#seq = 0
      this.#onLost(error)
    }
  }

  /** `expected`: what is there now; 0: nothing. */
  async #write(expected: number): Promise<void> {
    try {
      this.#seq = await this.#publish(expected)
    } catch (error) {
      if (refusalOf(error) !== JETSTREAM.wrongLastSequence) throw error
      const held = await this.#manager.streams.getMessage(this.#stream, { last_by_subj: this.#subject })
      // Ours has expired while nobody wanted it; or it was written, and only the answer was lost.
      if (held === null) this.#seq = await this.#publish(0)
      else if (held.string() === this.#holder) this.#seq = held.seq
      else {
        const { pid, host, since } = held.json<Holder>()
        const name = this.#stream.replace(/_lease$/, '')
        const text = `process ${pid} on ${host} has the store ${name} since ${since}: each buffer needs a name of its own`
        throw new StoreError('STORE_LOCKED', text, { pid })
      }
    }
  }

  async #publish(expected: number): Promise<number> {
    const { seq } = await this.#client.publish(this.#subject, this.#holder, { expect: { lastSubjectSequence: expected } })
    return seq
  }
}
