/** A command that is to be kept by a buffer, and not to be answered before that passes it on. */

import { performance } from 'node:perf_hooks'
import { ZmqRpcError } from '../../errors.ts'
import type { Receipt } from '../../receipt.ts'
import { type Body, framesOf, type Message } from '../../wire/index.ts'
import type { IncomingStreams } from '../command/command-registry.ts'
import type { Dialect } from '../dialect/announcement.ts'
import { type Accepted, decodeCallHead, type Extras, type Keep, withExtras } from '../dialect/native/message.ts'
import type { WriteHooks } from '../dialect/native/writer.ts'
import type { Endpoint } from '../endpoint.ts'
import type { ErrorRegistry } from '../error/service-error.ts'
import type { CallRequest, CommandRequest, ReadReply } from './request.ts'

/** What a submitted command cannot hold: it may be carried out when its sender is long gone. */
export const KEEPS_NO_STREAMS: WriteHooks = {
  stream: () => {
    throw new ZmqRpcError('BAD_COMMAND', 'a stream cannot be kept by a buffer: use execute')
  },
}

/** What it goes with: `keep` among it. */
export interface SubmitExtras extends Extras {
  idempotencyKey: string
  keep: Keep
}

export class SubmitRequest implements CallRequest {
  readonly command: string
  readonly what: string
  readonly errors: ErrorRegistry
  readonly orderingKey: string | undefined
  behind = false
  /** May be carried out twice. */
  readonly repeatable: boolean
  readonly #inner: CommandRequest
  readonly #extras: SubmitExtras
  /** When it is worth nothing any more, on the clock of `performance.now()`. */
  readonly #worthless: number

  /** Written down at once: its caller may change the command. @throws ZmqRpcError BAD_COMMAND for what cannot be written, or kept. */
  constructor(inner: CommandRequest, extras: SubmitExtras) {
    this.command = inner.command
    this.what = inner.what
    this.errors = inner.errors
    this.repeatable = inner.repeatable
    this.orderingKey = extras.orderingKey
    this.#inner = inner
    this.#extras = extras
    this.#worthless = performance.now() + (extras.keep.ttlMs ?? Number.POSITIVE_INFINITY)
    inner.freeze(KEEPS_NO_STREAMS)
  }

  get id(): string {
    return this.#extras.idempotencyKey
  }

  encode(dialect: Dialect, timeLeftMs: number, hooks: WriteHooks): Body {
    const { command } = this
    if (dialect !== 'native') throw new ZmqRpcError('NO_BUFFER', 'a peer of the pyzmqrpc3 dialect keeps no commands', { command })
    const body = framesOf(this.#inner.encode(dialect, timeLeftMs, hooks))
    if (this.#worthless === Number.POSITIVE_INFINITY) return body
    // It has waited: so much less is left of its time to live.
    const ttlMs = Math.max(0, this.#worthless - performance.now())
    return withExtras(body, decodeCallHead(body), { ...this.#extras, keep: { ttlMs } })
  }

  freeze(): void {}
  keep(): void {}

  accepted({ id, by }: Accepted, endpoint: Endpoint): Receipt {
    return { id, command: this.command, endpoint, ...(by !== undefined && { by }) }
  }

  /** @throws as the inner request for an error; NO_BUFFER for a result, since nobody has kept it. */
  read(body: Message, endpoint: Endpoint, streams: IncomingStreams): ReadReply {
    const { command } = this
    this.#inner.read(body, endpoint, streams)
    const text = `${endpoint} has carried ${this.what} out at once, and kept nothing: use execute`
    throw new ZmqRpcError('NO_BUFFER', text, { endpoint, command, started: 'yes' })
  }
}
