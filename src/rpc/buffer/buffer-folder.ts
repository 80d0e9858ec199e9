/**
 * The folder of a buffer, seen from outside of the program that has it: for people who want to know what waits, and what becomes of what was
 * given up.
 *
 * To look takes no lock and changes nothing, so it may be done while that program runs. To change something takes the lock for a moment, which
 * fails while it runs.
 */

import { existsSync } from 'node:fs'
import { ZmqRpcError } from '../../errors.ts'
import type { BufferStore, ReadLimit, StoreCounts, StoreEntry } from '../../store/buffer-store.ts'
import { type AnyMessage, readAnyMessage } from '../dialect/any-message.ts'
import { segmentLogMaker } from '../store-source.ts'
import { BufferClock } from './buffer-clock.ts'
import { commandsIn } from './buffer-stores.ts'
import { CommandBuffer } from './command-buffer.ts'
import { understood } from './kept-command.ts'

/** A command, or a text, that a buffer keeps. */
export interface BufferedCommand {
  /** By which it is named in `requeue` and `drop`. */
  readonly seq: number
  /** Of its receipt, where it has one. */
  readonly id: string | undefined
  /** Who sent it; undefined where nobody was asked. */
  readonly user: string | undefined
  /** Since it was accepted, ms. */
  readonly ageMs: number
  /** Of its record on disk. */
  readonly bytes: number
  /** The command or text, as far as it can be told without its class. */
  readonly message: AnyMessage
  /** Why it was given up; undefined for one that waits. */
  readonly reason: string | undefined
}

/** At a time. */
const PORTION: ReadLimit = { count: 100, bytes: 16 * 1024 * 1024 }

/**
 * A buffer's folder, as it was when it was opened.
 *
 * @example
 * ```ts
 * await using folder = await BufferFolder.open('/var/lib/zmq-rpc/buffer')
 * for await (const { message, reason } of folder.deadLetters()) console.log(message, reason)
 * ```
 */
export class BufferFolder {
  /** As it was opened. */
  readonly path: string
  readonly #store: BufferStore
  readonly #clock = new BufferClock()

  private constructor(path: string, store: BufferStore) {
    this.path = path
    this.#store = store
  }

  /** @throws ZmqRpcError BAD_OPTION where there is no buffer; StoreError STORE_CORRUPT, STORE_FAILED. */
  static async open(path: string): Promise<BufferFolder> {
    const commands = commandsIn(path)
    if (!existsSync(commands)) throw new ZmqRpcError('BAD_OPTION', `there is no buffer in ${path}`)
    const store = await segmentLogMaker({ path: commands, readOnly: true })()
    await store.open()
    const folder = new BufferFolder(path, store)
    // The oldest tells best how much time has passed.
    for (const entry of await store.read(0, { count: 1, bytes: 1 })) {
      const oldest = understood(entry)
      if (oldest !== undefined) folder.#clock.heard(oldest.acceptedAt)
    }
    return folder
  }

  /** `live`: what waits or was on its way. */
  get counts(): StoreCounts {
    return this.#store.count()
  }

  /** What waits, in order. @throws StoreError */
  waiting(): AsyncGenerator<BufferedCommand, void> {
    return this.#all((after) => this.#store.read(after, PORTION))
  }

  /** What was given up. @throws StoreError */
  deadLetters(): AsyncGenerator<BufferedCommand, void> {
    return this.#all((after) => this.#store.readDead(after, PORTION))
  }

  /**
   * Has some that were given up delivered once more when the buffer is opened next, behind all that wait. Resolves to how many of them there
   * were.
   *
   * @throws StoreError STORE_LOCKED while a program has the buffer; and as `open`
   */
  requeue(seqs: readonly number[]): Promise<number> {
    return this.#change(async (buffer) => {
      let requeued = 0
      for (const seq of seqs) if (await buffer.requeue(seq)) requeued++
      return requeued
    })
  }

  /** Forgets some that were given up. @throws as `requeue` */
  drop(seqs: readonly number[]): Promise<void> {
    return this.#change((buffer) => buffer.drop(seqs))
  }

  /** Never rejects. */
  close(): Promise<void> {
    return this.#store.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async *#all(
    read: (after: number) => Promise<readonly (StoreEntry & { readonly reason?: string })[]>,
  ): AsyncGenerator<BufferedCommand, void> {
    for (let after = 0; ; ) {
      const entries = await read(after)
      if (entries.length === 0) return
      for (const entry of entries) {
        after = entry.seq
        yield this.#describe(entry)
      }
    }
  }

  #describe(entry: StoreEntry & { readonly reason?: string }): BufferedCommand {
    const { seq, data, reason } = entry
    const command = understood(entry)
    if (command === undefined) {
      const message = { kind: 'unreadable', reason: 'it is no record of a buffer of this version', frames: [Buffer.from(data)] } as const
      return { seq, id: undefined, user: undefined, ageMs: 0, bytes: data.length, message, reason }
    }
    const { key: id, user, acceptedAt, bytes, body, dialect } = command
    return { seq, id, user, ageMs: this.#clock.ageMs(acceptedAt), bytes, message: readAnyMessage(body, dialect), reason }
  }

  /** The buffer itself, with nowhere to deliver to. */
  async #change<T>(change: (buffer: CommandBuffer) => Promise<T>): Promise<T> {
    // How much of it may be kept its own program knows.
    const deadLetters = { maxCount: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY }
    const buffer = new CommandBuffer({ path: this.path, deadLetters }, this.path, () => [])
    try {
      await buffer.open()
      return await change(buffer)
    } finally {
      await buffer.close()
    }
  }
}
