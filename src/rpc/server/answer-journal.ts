/**
 * What a server answered to idempotency keys, on disk: so that it knows after a crash what it had carried out. Memory has all of it
 * ({@link IdempotencyCache}); here it is only written, and read once, at the start.
 *
 * - A record for each answer, and, where it is asked for, one from before the service begins. Those of a key go when it is forgotten.
 * - Calls that end at a time share the cost of the disk: the store sees to that.
 * - When the store fails nothing is written until it is open again, which is tried whenever somebody comes, a second after the last time.
 */

import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { toError, ZmqRpcError } from '../../errors.ts'
import { publish } from '../../observability/events.ts'
import type { BufferStore, StoreEntry } from '../../store/buffer-store.ts'
import type { Message } from '../../wire/index.ts'
import { BufferClock, type Stamp } from '../buffer/buffer-clock.ts'
import { fromBytes, toBytes } from '../buffer/kept-command.ts'
import type { StoreMaker } from '../store-source.ts'
import type { OwnedKey } from './idempotency.ts'

/** What was known of a key. */
export interface Noted {
  readonly key: OwnedKey
  readonly command: string
  /** Undefined: its service had begun, and the server ended before that had. */
  readonly answer: Message | undefined
  readonly ageMs: number
}

interface Meta {
  readonly version: 1
  readonly key: OwnedKey
  readonly command: string
  readonly answered: boolean
  readonly at: Stamp
}

const READ_AT_ONCE = { count: 1000, bytes: 8 * 1024 * 1024 }
const REOPEN_MS = 1000

export class AnswerJournal {
  readonly #makeStore: StoreMaker
  readonly #clock = new BufferClock()
  /** Of one process: a store takes an id once. */
  readonly #prefix = randomBytes(8).toString('hex')
  #made = 0
  #store: BufferStore | undefined
  #triedAt = 0
  #opening: Promise<unknown> | undefined
  #closed = false
  /** The records of each key that is known. */
  readonly #records = new Map<OwnedKey, number[]>()
  #doubtful = false

  constructor(makeStore: StoreMaker) {
    this.#makeStore = makeStore
  }

  /** The last write failed: the next one shows whether the disk takes any. */
  get doubtful(): boolean {
    return this.#doubtful || this.#store === undefined
  }

  /** All that is known, the oldest first. @throws StoreError */
  async open(): Promise<Noted[]> {
    const store = await this.#makeStore()
    try {
      await store.open()
      const noted: Noted[] = []
      for (let after = 0; ; ) {
        const entries = await store.read(after, READ_AT_ONCE)
        const last = entries[entries.length - 1]
        if (last === undefined) break
        after = last.seq
        for (const entry of entries) noted.push(this.#read(entry))
      }
      this.#store = store
      this.#doubtful = false
      return noted
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Durable when it resolves. `known`: what has to be on disk besides, should it have to be opened again. @throws ZmqRpcError */
  async begin(key: OwnedKey, command: string, known: () => Iterable<Noted>): Promise<void> {
    await this.#write({ key, command, answer: undefined, ageMs: 0 }, await this.#mustBeOpen(known))
    this.#doubtful = false
  }

  /** Durable when it resolves to true. Never rejects: a failure is told as an event. */
  async end(key: OwnedKey, command: string, answer: Message): Promise<boolean> {
    try {
      const before = this.#records.get(key) ?? []
      await this.#write({ key, command, answer, ageMs: 0 }, this.#store ?? closed())
      if (before.length > 0) this.#drop(key, before)
      this.#doubtful = false
      return true
    } catch (error) {
      publish('zmq-rpc:idempotency:failed', () => ({ command, error: toError(error) }))
      return false
    }
  }

  forget(key: OwnedKey): void {
    const seqs = this.#records.get(key)
    if (seqs !== undefined) this.#drop(key, seqs)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#opening?.catch(toError)
    await this.#store?.close()
    this.#store = undefined
  }

  async #write({ key, command, answer, ageMs }: Noted, store: BufferStore): Promise<void> {
    const at = this.#clock.stamp()
    const meta: Meta = { version: 1, key, command, answered: answer !== undefined, at: { ...at, bufferMs: at.bufferMs - ageMs } }
    const record = { id: `${this.#prefix}-${++this.#made}`, data: toBytes(answer ?? []), meta: Buffer.from(JSON.stringify(meta), 'utf8') }
    try {
      const { seq } = await store.append(record)
      this.#records.set(key, [...(this.#records.get(key) ?? []), seq])
    } catch (error) {
      this.#doubtful = true
      if (error instanceof ZmqRpcError && error.code === 'STORE_FAILED' && this.#store === store) this.#abandon(store)
      throw error
    }
  }

  #read({ seq, data, meta }: StoreEntry): Noted {
    const { key, command, answered, at } = JSON.parse(Buffer.from(meta ?? []).toString('utf8')) as Meta
    this.#records.set(key, [...(this.#records.get(key) ?? []), seq])
    // The store's memory may be that of a whole file.
    const answer = answered ? fromBytes(Buffer.from(data)) : undefined
    return { key, command, answer, ageMs: this.#clock.ageMs(at) }
  }

  /** Not waited for: what comes back after a crash is forgotten then. */
  #drop(key: OwnedKey, seqs: readonly number[]): void {
    const left = (this.#records.get(key) ?? []).filter((seq) => !seqs.includes(seq))
    if (left.length > 0) this.#records.set(key, left)
    else this.#records.delete(key)
    this.#store?.ack(seqs).catch(toError)
  }

  #abandon(store: BufferStore): void {
    this.#store = undefined
    this.#triedAt = performance.now()
    this.#records.clear()
    void store.close()
  }

  /** @throws ZmqRpcError STORE_FAILED and others while it cannot be opened again */
  async #mustBeOpen(known: () => Iterable<Noted>): Promise<BufferStore> {
    if (this.#store !== undefined) return this.#store
    if (this.#closed) return closed()
    if (this.#opening === undefined) {
      if (performance.now() < this.#triedAt + REOPEN_MS) throw new ZmqRpcError('STORE_FAILED', 'the disk has failed a moment ago')
      this.#triedAt = performance.now()
      this.#opening = this.#reopen(known).finally(() => {
        this.#opening = undefined
      })
    }
    await this.#opening
    return this.#store ?? closed()
  }

  /** What it had missed is written, and what is forgotten goes. */
  async #reopen(known: () => Iterable<Noted>): Promise<void> {
    const onDisk = new Set((await this.open()).filter(({ answer }) => answer !== undefined).map(({ key }) => key))
    const store = this.#store ?? closed()
    const remembered = [...known()]
    const keys = new Set(remembered.map(({ key }) => key))
    for (const key of [...this.#records.keys()]) if (!keys.has(key)) this.forget(key)
    await Promise.all(remembered.filter(({ key }) => !onDisk.has(key)).map((noted) => this.#write(noted, store)))
  }
}

function closed(): never {
  throw new ZmqRpcError('STORE_FAILED', 'the answers to idempotency keys cannot be written down now')
}
