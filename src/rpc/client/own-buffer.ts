/** A client's own buffer: what it submits is on the disk of its own machine, and goes to `req` from there, after a restart, too. */

import { toError, ZmqRpcError } from '../../errors.ts'
import type { Receipt } from '../../receipt.ts'
import type { Message } from '../../wire/index.ts'
import { onAbort } from '../abort-listeners.ts'
import type { BufferOptions } from '../buffer/buffer-options.ts'
import type { CommandBuffer } from '../buffer/command-buffer.ts'
import { Custody } from '../buffer/custody.ts'
import { laneOf, valueKeyOf } from '../buffer/keepable.ts'
import { keptId } from '../buffer/kept-command.ts'
import type { IncomingStreams } from '../command/command-registry.ts'
import type { Dialect } from '../dialect/announcement.ts'
import type { ReceiptReport } from '../server/receipts.ts'
import type { CallSettings } from './call.ts'
import { type RequestSettings, readReply } from './request.ts'
import type { RequestLink } from './request-link.ts'

/** What is to be kept, written down. */
export interface Submitted {
  readonly name: string
  readonly dialect: Dialect
  readonly body: Message
  readonly idempotencyKey: string
  /** Null: in any order. */
  readonly orderingKey: string | null | undefined
  readonly ttlMs: number
}

/** Results that stream are not kept. */
const NO_STREAMS: IncomingStreams = {
  incoming: () => {
    throw new ZmqRpcError('BAD_REPLY', 'a result that was kept cannot stream')
  },
}

export class OwnBuffer {
  readonly #custody: Custody
  readonly #requests: RequestSettings
  /** Never rejects: why it could not be opened. */
  #opened: Promise<Error | undefined> = Promise.resolve(undefined)

  /** @throws ZmqRpcError BAD_OPTION */
  constructor(options: BufferOptions, requests: RequestSettings, links: () => readonly RequestLink[]) {
    this.#requests = requests
    this.#custody = new Custody(options, 'client', links)
  }

  /** Opens it. */
  begin(): void {
    this.#opened = this.#custody.buffer.open().then(() => undefined, toError)
  }

  get commands(): CommandBuffer {
    return this.#custody.buffer
  }

  /** Resolves when it is open. What could not be opened before is tried once more. @throws StoreError */
  async ready(): Promise<void> {
    const attempt = this.#opened
    if ((await attempt) === undefined) return
    // Whoever had the folder may have ended since, or a store elsewhere be there again.
    if (this.#opened === attempt) this.begin()
    const failure = await this.#opened
    if (failure !== undefined) throw failure
  }

  /** Resolves when it is on disk. @throws as `CommandBuffer.accept`, StoreError where the buffer cannot be opened. */
  async submit({ name, dialect, body, idempotencyKey: key, orderingKey, ttlMs }: Submitted): Promise<Receipt> {
    await this.ready()
    const { commands } = this
    const lane = laneOf('client', orderingKey ?? undefined)
    const valueKey = valueKeyOf(commands.settings.drain.commands.get(name), name, { body, dialect, lane })
    const ordered = orderingKey !== null
    await commands.accept({ id: keptId(undefined, key), key, name, dialect, body, lane, ordered, user: undefined, ttlMs, valueKey })
    return { id: key, command: name, by: commands.name }
  }

  /** @throws what came of it; NOT_YET_EXECUTED, UNKNOWN_RECEIPT, ABORTED, CLOSED. */
  async result(receipt: Receipt, { timeoutMs, signal }: CallSettings): Promise<unknown> {
    await this.ready()
    const { id, command } = receipt
    const over = new AbortController()
    const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => over.abort(), timeoutMs)
    const forget = signal === undefined || signal.aborted ? () => {} : onAbort(signal, () => over.abort())
    if (signal?.aborted) over.abort()
    try {
      const body = await this.#custody.answer(keptId(undefined, id), over.signal)
      return readReply(this.#requests, command, body, this.commands.name, NO_STREAMS).value
    } catch (cause) {
      if (signal?.aborted) throw new ZmqRpcError('ABORTED', `nobody waits for command "${command}" any more`, { command, receipt, cause })
      if (!over.signal.aborted) throw cause
      const text = `command "${command}" is on disk, and its result was not there within ${timeoutMs} ms; ask again with its receipt`
      throw new ZmqRpcError('NOT_YET_EXECUTED', text, { command, receipt })
    } finally {
      clearTimeout(timer)
      forget()
    }
  }

  /** @throws ZmqRpcError UNKNOWN_RECEIPT, CLOSED; StoreError */
  async track({ id }: Receipt): Promise<ReceiptReport> {
    await this.ready()
    return this.#custody.track(keptId(undefined, id))
  }

  async close(): Promise<void> {
    await this.#opened
    await this.commands.close()
  }
}
