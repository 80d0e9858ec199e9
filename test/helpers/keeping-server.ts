/**
 * A server with a buffer that is as simple as can be, for tests of clients: it keeps commands in an array, which is its disk, and does as a test
 * tells it to: turn calls away, take its time, say nothing.
 */

import { decodeCall, decodeCallHead, encodeAccepted, encodeError, encodeReply, type Hello } from '../../src/rpc/dialect/native/message.ts'
import { MessageServer, type MessageServerOptions } from '../../src/rpc/server/message-server.ts'
import { ReceiptResult, TrackReceipt } from '../../src/rpc/server/receipts.ts'
import type { ServerCall } from '../../src/rpc/server/server-call.ts'
import { Answered, type Refusal, Refused, type ServiceRun } from '../../src/rpc/server/service-run.ts'
import type { Message } from '../../src/wire/index.ts'
import { READ } from './native-json.ts'

export interface Kept {
  readonly id: string
  readonly name: string
  readonly state: unknown
  readonly lane: string | undefined
  readonly ttlMs: number | undefined
}

/** What outlives the server. */
export interface Disk {
  readonly kept: Kept[]
  /** What came of them, by id. */
  readonly outcomes: Map<string, Message>
}

export interface KeepingOptions extends MessageServerOptions {
  readonly disk?: Disk
  /** The status that a call is turned away with, if it is. */
  readonly refuses?: (name: string, state: unknown) => number | undefined
  /** How long it takes until one is on disk, ms. */
  readonly takesMs?: () => number
}

export class KeepingServer extends MessageServer {
  readonly disk: Disk
  readonly #options: KeepingOptions
  #made = 0
  #writing: Promise<void> = Promise.resolve()

  constructor({ disk = { kept: [], outcomes: new Map() }, ...options }: KeepingOptions) {
    const { refuses: _refuses, takesMs: _takesMs, ...rest } = options
    super(rest)
    this.disk = disk
    this.#options = options
  }

  protected override hello(peer: Parameters<MessageServer['hello']>[0]): Hello {
    return { ...super.hello(peer), features: ['buffer'] }
  }

  protected override open(body: Message, call: ServerCall): ServiceRun | Refusal {
    const head = decodeCallHead(body)
    call.orderingKey = head.extras?.orderingKey
    const run = { command: head.name, serviceName: 'KeepingServer' }
    if (head.name === ReceiptResult.commandName) return { ...run, execute: () => this.#result(body) }
    if (head.name === TrackReceipt.commandName) return { ...run, execute: () => this.#track(body) }
    return { ...run, overlaps: true, execute: () => this.#keep(body, call) }
  }

  async #keep(body: Message, call: ServerCall): Promise<unknown> {
    const { name, state, extras } = decodeCall(body, READ)
    // A disk writes one after the other.
    const turn = this.#writing.then(() => later(this.#options.takesMs?.() ?? 0))
    this.#writing = turn
    await turn
    const status = this.#options.refuses?.(name, state)
    if (status !== undefined || call.outOfTurn) throw new Refused({ status: status ?? 429, text: 'not now' })
    const id = extras?.idempotencyKey ?? `made-${++this.#made}`
    const { ttlMs } = extras?.keep ?? {}
    if (!this.disk.kept.some((one) => one.id === id)) this.disk.kept.push({ id, name, state, lane: extras?.orderingKey, ttlMs })
    const accepted = encodeAccepted({ id, by: 'array', ageMs: 0 })
    if (extras?.keep !== undefined) return new Answered(accepted)
    call.send(accepted, false)
    return new Answered(await this.#outcome(id, call.signal))
  }

  async #outcome(id: string, signal: AbortSignal): Promise<Message> {
    while (!signal.aborted) {
      const outcome = this.disk.outcomes.get(id)
      if (outcome !== undefined) return outcome
      await later(5)
    }
    return encodeError({ status: 499, text: 'nobody waits' })
  }

  async #result(body: Message): Promise<unknown> {
    const { id } = decodeCall(body, READ).state as ReceiptResult
    if (!this.disk.kept.some((one) => one.id === id)) throw new Refused({ status: 404, text: 'there is no such receipt' })
    return new Answered(await this.#outcome(id, new AbortController().signal))
  }

  #track(body: Message): unknown {
    const { id } = decodeCall(body, READ).state as TrackReceipt
    const kept = this.disk.kept.find((one) => one.id === id)
    if (kept === undefined) throw new Refused({ status: 404, text: 'there is no such receipt' })
    const state = this.disk.outcomes.has(id) ? 'executed' : 'waiting'
    return new Answered(encodeReply({ state, ageMs: 0, hops: [{ by: 'array', state, ageMs: 0 }] }))
  }
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
