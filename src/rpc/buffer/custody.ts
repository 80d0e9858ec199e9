/**
 * Who has a command: this buffer, or the next one that it was handed over to. Answers what was asked with a receipt, and passes questions on
 * to whoever has the command now.
 */

import { toError, ZmqRpcError } from '../../errors.ts'
import type { Message } from '../../wire/index.ts'
import type { CallRequest, ReadReply } from '../client/request.ts'
import type { RequestLink } from '../client/request-link.ts'
import { OpaqueCommand } from '../command/command.ts'
import { type Dialect, nativeKind } from '../dialect/announcement.ts'
import { FLAG, KIND } from '../dialect/native/header.ts'
import { decodeError, decodeReply, encodeCall } from '../dialect/native/message.ts'
import { replyToNative } from '../dialect/translate.ts'
import { wordsOf } from '../error/error-text.ts'
import { ErrorRegistry, fromWireError } from '../error/service-error.ts'
import { type ReceiptHop, type ReceiptReport, ReceiptResult, type ReceiptState, TrackReceipt } from '../server/receipts.ts'
import type { BufferOptions } from './buffer-options.ts'
import { CommandBuffer, type Standing } from './command-buffer.ts'
import { LinkFarEnd } from './link-far-end.ts'
import type { EndState } from './outcomes.ts'

/** For the next buffer to say where a command is. */
const TRACK_MS = 5000
/** Between questions to a buffer that is away. */
const ASK_AGAIN_MS = 1000
/** A question lasts as long as its asker waits; this long at a time. */
const ASK_MS = 60_000

const STATES: Readonly<Record<EndState, ReceiptState>> = {
  executed: 'executed',
  failed: 'failed',
  delivered: 'delivered',
  dead: 'dead',
  superseded: 'dead',
  dropped: 'dead',
}

export class Custody {
  readonly buffer: CommandBuffer
  readonly #links: () => readonly RequestLink[]
  #farEnds: readonly LinkFarEnd[] | undefined

  /** `links`: where it delivers to; always the same. @throws ZmqRpcError BAD_OPTION */
  constructor(options: BufferOptions, defaultName: string, links: () => readonly RequestLink[]) {
    this.#links = links
    this.buffer = new CommandBuffer(options, defaultName, () => {
      this.#farEnds ??= links().map((link) => new LinkFarEnd(link, this.buffer.settings))
      return this.#farEnds
    })
  }

  /** The native reply or error of a kept command, as soon as it is known. @throws ZmqRpcError as `CommandBuffer.result` */
  async answer(id: string, signal: AbortSignal): Promise<Message> {
    const { state, body, to } = await this.buffer.result(id, signal)
    if (state === 'delivered') return this.#askUntilAnswered(to, id, signal)
    const answer = body as Message
    return nativeKind(answer[0]) === undefined ? replyToNative(answer) : answer
  }

  /** @throws ZmqRpcError UNKNOWN_RECEIPT, STORE_FAILED */
  async track(id: string): Promise<ReceiptReport> {
    const standing = await this.buffer.standing(id)
    if (standing === undefined)
      throw new ZmqRpcError('UNKNOWN_RECEIPT', `the buffer ${this.buffer.name} knows nothing of it, or not any more`)
    const hop = this.#hop(standing)
    const { state, ageMs, reason } = hop
    if (standing.state !== 'delivered') return { state, ageMs, ...(reason !== undefined && { reason }), hops: [hop] }
    try {
      const next = await this.#askNext(standing.to, id)
      return { ...next, ageMs, hops: [hop, ...next.hops] }
    } catch (error) {
      return { state, ageMs, reason: `delivered to ${standing.to}, which cannot be asked now: ${wordsOf(toError(error))}`, hops: [hop] }
    }
  }

  #hop(standing: Standing): ReceiptHop {
    const { ageMs } = standing
    if (standing.state === 'waiting') {
      const reason = this.#whyAway()
      return { by: this.buffer.name, state: 'waiting', ageMs: Math.round(ageMs), ...(reason !== undefined && { reason }) }
    }
    const { state, reason, to, endedAgoMs } = standing
    const done = state === 'delivered' || state === 'executed' || state === 'failed'
    return {
      by: this.buffer.name,
      state: STATES[state],
      ageMs: Math.round(ageMs),
      ...(done && to !== '' && { deliveredTo: to, deliveredMs: Math.round(endedAgoMs) }),
      ...(reason !== '' && { reason }),
    }
  }

  /** Why nothing can be delivered now; undefined where one of the far ends is there. */
  #whyAway(): string | undefined {
    const reasons = this.#links().map((link) => link.whyAway)
    return reasons.includes(undefined) ? undefined : reasons.join('; ')
  }

  async #askUntilAnswered(to: string, id: string, signal: AbortSignal): Promise<Message> {
    for (;;) {
      try {
        return await this.#ask(to, new ReceiptResult(id), ASK_MS, signal)
      } catch (error) {
        if (signal.aborted || !(error instanceof ZmqRpcError) || error.code === 'CLOSED' || error.code === 'BAD_OPTION') throw error
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
      }
    }
  }

  async #askNext(to: string, id: string): Promise<ReceiptReport> {
    const body = await this.#ask(to, new TrackReceipt(id), TRACK_MS, undefined)
    if (nativeKind(body[0]) === KIND.error) throw fromWireError(decodeError(body).error, new ErrorRegistry())
    const report = decodeReply(body, { command: (name, state) => new OpaqueCommand(name, state), stream: () => undefined }).value
    if (typeof report !== 'object' || report === null || !Array.isArray((report as ReceiptReport).hops))
      throw new Error('it gave no report')
    return report as ReceiptReport
  }

  /** @throws ZmqRpcError as `RequestLink.call` */
  #ask(to: string, question: ReceiptResult | TrackReceipt, timeoutMs: number, signal: AbortSignal | undefined): Promise<Message> {
    const link = this.#links().find(({ endpoint }) => endpoint === to)
    if (link === undefined) throw new ZmqRpcError('BAD_OPTION', `it was delivered to ${to}, which is not in req any more`)
    const { commandName } = question.constructor as typeof ReceiptResult
    return link.call(new Question(commandName, question.id), { timeoutMs, signal }) as Promise<Message>
  }
}

/** Asked in the name of whoever had the command kept; its answer is not read. */
class Question implements CallRequest {
  readonly command: string
  readonly errors = new ErrorRegistry()
  readonly #id: string

  constructor(command: string, id: string) {
    this.command = command
    this.#id = id
  }

  get what(): string {
    return `command "${this.command}"`
  }

  encode(dialect: Dialect, timeLeftMs: number): Message {
    if (dialect !== 'native') throw new ZmqRpcError('BAD_COMMAND', 'it has no buffer that could be asked')
    return encodeCall({ name: this.command, state: { id: this.#id }, timeLeftMs, flags: FLAG.repeatable })
  }

  freeze(): void {}
  keep(): void {}

  read(body: Message): ReadReply {
    return { value: body, extras: undefined }
  }
}
