/**
 * Questions about receipts, put to the server that gave them; where there is none of its endpoint any more, to each in turn until one knows
 * it. Asked again until the time is over: a question does no harm.
 */

import { performance } from 'node:perf_hooks'
import { type ErrorCode, RemoteError, ZmqRpcError } from '../../errors.ts'
import type { Receipt } from '../../receipt.ts'
import type { Body, Message } from '../../wire/index.ts'
import type { IncomingStreams } from '../command/command-registry.ts'
import type { Dialect } from '../dialect/announcement.ts'
import type { WriteHooks } from '../dialect/native/writer.ts'
import type { Endpoint } from '../endpoint.ts'
import { errorText } from '../error/error-text.ts'
import type { ErrorRegistry } from '../error/service-error.ts'
import { ReceiptResult, type TrackReceipt } from '../server/receipts.ts'
import type { Balancer, Choice } from './balancer.ts'
import type { CallSettings } from './call.ts'
import { Pauses } from './pauses.ts'
import { type CallRequest, CommandRequest, type ReadReply, type RequestSettings, readReply } from './request.ts'
import { PASSING } from './submissions.ts'

const BACKOFF_MS = 50
const MAX_BACKOFF_MS = 2000

/** What may be answered the next time. */
const AGAIN: ReadonlySet<ErrorCode> = new Set([...PASSING, 'NOT_YET_EXECUTED'] as const)

/** A server that may be asked. */
interface AskedLink extends Choice {
  call(request: CallRequest, settings: CallSettings): Promise<unknown>
}

export class Inquiries {
  readonly #links: readonly AskedLink[]
  readonly #balancer: Balancer
  /** What ends each wait for another attempt. */
  readonly #pauses = new Pauses()
  #closed = false

  constructor(links: readonly AskedLink[], balancer: Balancer) {
    this.#links = links
    this.#balancer = balancer
  }

  /** @throws what came of the command, of {@link ReceiptResult}; NOT_YET_EXECUTED, UNKNOWN_RECEIPT, and as `RequestLink.call`. */
  async ask(question: ReceiptResult | TrackReceipt, receipt: Receipt, requests: RequestSettings, settings: CallSettings): Promise<unknown> {
    const deadline = performance.now() + settings.timeoutMs
    /** Those that do not know it. */
    const ignorant = new Set<AskedLink>()
    for (let failures = 0; ; failures++) {
      const link = this.#pick(receipt, ignorant)
      if (link === undefined) throw unknown(receipt, this.#links.length)
      // Whole milliseconds, as it stands in the texts of errors.
      const timeoutMs = Math.max(1, Math.floor(deadline - performance.now()))
      try {
        return await link.call(new Inquiry(question, receipt, requests), { ...settings, timeoutMs })
      } catch (error) {
        if (isUnknown(error)) {
          ignorant.add(link)
          continue
        }
        const waitMs = Math.random() * Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** failures)
        const again = error instanceof ZmqRpcError && AGAIN.has(error.code) && !link.refused && !settings.signal?.aborted && !this.#closed
        if (!again || performance.now() + waitMs + 1 >= deadline) throw inTime(error, question, receipt, settings.timeoutMs)
        await this.#pause(waitMs, settings.signal, receipt)
      }
    }
  }

  /** Those who wait to ask again are told CLOSED. */
  close(): void {
    this.#closed = true
    this.#pauses.close()
  }

  #pick({ endpoint }: Receipt, ignorant: ReadonlySet<AskedLink>): AskedLink | undefined {
    const own = this.#links.find((link) => link.endpoint === endpoint)
    if (own !== undefined) return ignorant.has(own) ? undefined : own
    const others = this.#links.filter((link) => !ignorant.has(link))
    return this.#balancer.pick(others)
  }

  /** @throws ZmqRpcError ABORTED, CLOSED */
  #pause(ms: number, signal: AbortSignal | undefined, receipt: Receipt): Promise<void> {
    const { command } = receipt
    return this.#pauses.wait(ms, signal, {
      aborted: (cause) => {
        const text = `its caller does not wait for command "${command}" any more: ${errorText(cause)}`
        return new ZmqRpcError('ABORTED', text, { command, receipt, cause })
      },
      closed: () => new ZmqRpcError('CLOSED', `the client was closed while it waited for command "${command}"`, { command, receipt }),
    })
  }
}

/** A question, whose answer is read as that to the command itself. */
class Inquiry implements CallRequest {
  readonly command: string
  readonly what: string
  readonly #asked: CommandRequest
  readonly #requests: RequestSettings
  /** Whose answer it is. */
  readonly #answered: string

  constructor(question: ReceiptResult | TrackReceipt, receipt: Receipt, requests: RequestSettings) {
    const { commandName } = question.constructor as typeof ReceiptResult
    this.#asked = new CommandRequest(commandName, question, requests, true, undefined)
    this.#requests = requests
    this.#answered = question instanceof ReceiptResult ? receipt.command : commandName
    this.command = receipt.command
    this.what = `the question about command "${receipt.command}"`
  }

  get errors(): ErrorRegistry {
    return this.#requests.errors
  }

  encode(dialect: Dialect, timeLeftMs: number, hooks: WriteHooks): Body {
    return this.#asked.encode(dialect, timeLeftMs, hooks)
  }

  freeze(hooks: WriteHooks): void {
    this.#asked.freeze(hooks)
  }

  keep(dialect: Dialect, body: Message): void {
    this.#asked.keep(dialect, body)
  }

  read(body: Message, endpoint: Endpoint, streams: IncomingStreams): ReadReply {
    return readReply(this.#requests, this.#answered, body, endpoint, streams)
  }
}

/** The server knows no such receipt, or knows of no receipts at all. */
function isUnknown(error: unknown): boolean {
  if (!(error instanceof RemoteError)) return false
  return (
    error.code === 'UNKNOWN_RECEIPT' || (error.code === 'NO_SERVICE' && error.statusText.includes(ReceiptResult.commandName.slice(0, -6)))
  )
}

function unknown(receipt: Receipt, asked: number): ZmqRpcError {
  const { id, command, endpoint } = receipt
  const who = asked === 1 ? 'the server knows' : 'the servers know'
  const text = `${who} nothing of receipt ${id} of command "${command}", or not any more, or it belongs to another user`
  return new ZmqRpcError('UNKNOWN_RECEIPT', text, { command, endpoint, receipt })
}

/** The time was over before there was an answer: for the result of a command that says no more than that. */
function inTime(error: unknown, question: unknown, receipt: Receipt, timeoutMs: number): unknown {
  const isOver =
    error instanceof ZmqRpcError && (error.code === 'TIMED_OUT' || error.code === 'NOT_YET_EXECUTED') && error.receipt === undefined
  if (!isOver || !(question instanceof ReceiptResult)) return error
  const { command, endpoint } = receipt
  const text = `command "${command}" is on disk, and its result was not there within ${timeoutMs} ms; ask again with its receipt`
  return new ZmqRpcError('NOT_YET_EXECUTED', text, { command, endpoint, receipt, cause: error })
}
