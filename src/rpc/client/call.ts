/**
 * One call under way at its client: from `execute` to its end, which comes exactly once; and on, while streams that came with
 * its result, or went with its command, are open.
 */

import { performance } from 'node:perf_hooks'
import { toError, ZmqRpcError } from '../../errors.ts'
import { isHeard, publish } from '../../observability/events.ts'
import type { Receipt } from '../../receipt.ts'
import type { Message } from '../../wire/index.ts'
import { onAbort } from '../abort-listeners.ts'
import { Timed } from '../deadlines.ts'
import { type Dialect, nativeKind } from '../dialect/announcement.ts'
import { KIND } from '../dialect/native/header.ts'
import { type Accepted, decodeAccepted } from '../dialect/native/message.ts'
import type { WriteHooks } from '../dialect/native/writer.ts'
import { errorText } from '../error/error-text.ts'
import { type CallCounters, codeOf } from '../stats.ts'
import { type CallOutlet, receiveForStreams, streamPort } from '../stream/stream-port.ts'
import { CallStreams } from '../stream/streams.ts'
import { rejectionWithStack } from './caller-stack.ts'
import type { CallRequest } from './request.ts'

/** Whoever carries a call to the far end; told when the call ends by itself. */
export interface CallCarrier {
  readonly endpoint: string
  /** Of its client. */
  readonly counters: CallCounters
  /** Whether an optional message would be taken; else `call.writable` is called once it would. */
  readonly hasRoom: boolean
  /** Its time is over: the carrier says why it was not answered. */
  timedOut(call: Call): void
  /** The caller gave it up. */
  abandoned(call: Call): void
  /** Its reply was there before; now its streams have ended, too. */
  finished(call: Call): void
  /** Sends a message of a call under way. False only where `optional`: it cannot be taken now, and `call.writable` will be called. */
  continue(call: Call, body: Message, optional: boolean): boolean
}

export interface CallSettings {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** Told the reply's metadata, before the call resolves. */
  readonly onMetadata?: ((metadata: Readonly<Record<string, string>>) => void) | undefined
  /**
   * It does not wait for another connection than the one that is there: it fails when that is lost or takes no more calls, sent or not. For
   * who keeps calls in order, and sends them again together.
   */
  readonly thisConnection?: boolean | undefined
  /**
   * A call that still waits to be sent is given up so much before its time is over, ms: whoever it is passed on for then hears why, and
   * that it was not carried out. @default 0
   */
  readonly reserveMs?: number | undefined
}

export class Call extends Timed implements WriteHooks, CallOutlet {
  readonly request: CallRequest
  readonly timeoutMs: number
  /** Another carrier may take it over as long as it was not sent. */
  readonly movable: boolean
  carrier: CallCarrier
  /** Its number on the wire; given when it is sent. */
  id = 0
  /** It was given to the connection, and not taken back. */
  sent = false
  /** What had been heard of the far end by then. */
  heardBefore = 0
  /** The dialect it was sent in. */
  dialect: Dialect = 'native'
  /** Set once it has ended for its caller. */
  settled = false
  /** A buffer has it on disk. */
  receipt: Receipt | undefined
  readonly #settings: CallSettings
  readonly #resolve: (value: unknown) => void
  /** 0 where nobody wants to know. */
  readonly #startedAt: number = isHeard('zmq-rpc:call:ended') ? performance.now() : 0
  #streams: CallStreams | undefined
  /** Its streams were started: a short one may have ended since. */
  #streamed = false
  #forgetSignal: (() => void) | undefined

  constructor(carrier: CallCarrier, request: CallRequest, settings: CallSettings, movable: boolean, resolve: (value: unknown) => void) {
    super()
    this.carrier = carrier
    this.request = request
    this.timeoutMs = settings.timeoutMs
    this.movable = movable
    this.#settings = settings
    this.#resolve = resolve
    request.relay?.attach(this)
    const { signal } = settings
    if (signal !== undefined && !signal.aborted) this.#forgetSignal = onAbort(signal, () => this.giveUp(signal.reason))
  }

  get command(): string | undefined {
    return this.request.command
  }

  get thisConnection(): boolean {
    return this.#settings.thisConnection === true
  }

  get reserveMs(): number {
    return this.#settings.reserveMs ?? 0
  }

  /** For the texts of errors. */
  get what(): string {
    return this.request.what
  }

  /** True once nothing more is expected. */
  get over(): boolean {
    return this.settled && !this.streaming
  }

  /** True while streams of it are open. */
  get streaming(): boolean {
    return this.openStreams > 0
  }

  get openStreams(): number {
    return (this.#streams === undefined ? 0 : this.#streams.open) + (this.request.relay === undefined ? 0 : this.request.relay.open)
  }

  /** What belongs to it has followed its request: it cannot be sent anew. */
  get begun(): boolean {
    return this.#streamed || this.request.relay?.begun === true
  }

  send(body: Message, optional: boolean): boolean {
    return this.carrier.continue(this, body, optional)
  }

  get hasRoom(): boolean {
    return this.carrier.hasRoom
  }

  /** A stream that stands in the command's state becomes one of this call. */
  stream(iterable: AsyncIterable<unknown>): number {
    return this.#ownStreams().outgoing(iterable)
  }

  /** A stream that stands in the reply. */
  incoming(number: number): AsyncIterable<unknown> {
    return this.#ownStreams().incoming(number)
  }

  /** It was not carried out, and waits to be sent once more. */
  takeBack(): void {
    this.sent = false
    this.request.relay?.takenBack()
  }

  /** It is on its way: what it streams follows. */
  startStreams(): void {
    if (this.#streams !== undefined) {
      this.#streamed = true
      this.#streams.start()
    }
    this.request.relay?.started()
  }

  /** A message of the far end. */
  receive(body: Message): void {
    const kind = nativeKind(body[0] as Buffer)
    if (kind === KIND.accepted) return this.#accepted(body)
    if (kind !== undefined && kind !== KIND.reply && kind !== KIND.error) {
      if (this.request.relay !== undefined) this.request.relay.fromServer(kind, body)
      else if (this.#streams !== undefined) receiveForStreams(this.#streams, kind, body, this.request.errors, this.#about)
      return
    }
    // A second reply is none of ours.
    if (this.settled) return
    try {
      const { value, extras } = this.request.read(body, this.carrier.endpoint, this)
      if (extras?.metadata !== undefined) this.#settings.onMetadata?.(extras.metadata)
      // The caller's own code ran, and may have given the call up.
      if (this.settled) return
      this.#settle(undefined)
      this.#streams?.replied()
      if (this.over) this.#forgetSignal?.()
      this.#resolve(value)
    } catch (error) {
      // Nobody will read what the result streams: its writer must not wait for that until the connection ends.
      if (kind === KIND.reply && !this.settled) this.carrier.abandoned(this)
      this.fail(toError(error))
    }
  }

  /** A buffer has it: that is all that was wanted, or else the reply may still come. */
  #accepted(body: Message): void {
    if (this.settled) return
    const accepted = readAccepted(body)
    if (accepted === undefined) return
    const { endpoint } = this.carrier
    const { id, by } = accepted
    publish('zmq-rpc:call:accepted', () => ({ endpoint, command: this.command, id, by }))
    if (this.request.accepted !== undefined) {
      const value = this.request.accepted(accepted, endpoint)
      this.#settle(undefined)
      this.#forgetSignal?.()
      this.#resolve(value)
    } else if (this.command !== undefined) {
      this.receipt = { id, command: this.command, endpoint, ...(by !== undefined && { by }) }
    }
    this.request.relay?.accepted(body)
  }

  /** Its connection is lost; a buffer may have it, and be asked. False where nobody can be. */
  follow(): boolean {
    const { receipt, request } = this
    if (receipt === undefined || request.follow === undefined || this.settled) return false
    this.#forgetSignal?.()
    request.follow(receipt, { ...this.#settings, timeoutMs: Math.max(1, Math.floor(this.timeLeftMs)) }).then(
      (value) => {
        this.#settle(undefined)
        this.#resolve(value)
      },
      (error: unknown) => this.fail(toError(error)),
    )
    return true
  }

  /** The far end, or the way to it, takes more. */
  writable(): void {
    this.#streams?.writable()
    this.request.relay?.writable()
  }

  /** Its last stream has ended. */
  idle(): void {
    if (!this.settled) return
    this.#forgetSignal?.()
    this.carrier.finished(this)
  }

  /** Its caller does not want it any more: the far end is told, as far as it can be. */
  giveUp(cause: unknown): void {
    this.carrier.abandoned(this)
    const when = !this.sent ? ' before it was sent' : ''
    const about = { ...this.#about, cause, started: this.sent ? undefined : ('no' as const), receipt: this.receipt }
    this.fail(new ZmqRpcError('ABORTED', `${this.what} was given up by its caller${when}: ${errorText(cause)}`, about))
  }

  /** Ends it; its streams too. The first end counts. */
  fail(error: Error): void {
    this.#forgetSignal?.()
    this.#streams?.abort(error)
    if (this.settled) {
      this.request.relay?.serverGone(error)
      return
    }
    // What the far end says of it, it says without.
    if (this.receipt !== undefined && error instanceof ZmqRpcError) ZmqRpcError.withReceipt(error, this.receipt)
    this.#settle(error)
    this.#resolve(rejectionWithStack(error))
  }

  #settle(error: Error | undefined): void {
    this.settled = true
    this.carrier.counters.end(error && codeOf(error))
    if (this.#startedAt === 0) return
    const durationMs = performance.now() - this.#startedAt
    publish('zmq-rpc:call:ended', () => ({ endpoint: this.carrier.endpoint, command: this.command, durationMs, error }))
  }

  override expired(): void {
    this.carrier.timedOut(this)
  }

  #ownStreams(): CallStreams {
    this.#streams ??= new CallStreams(streamPort(this), {
      details: this.#about,
      onIdle: () => this.idle(),
    })
    return this.#streams
  }

  get #about(): { endpoint: string; command: string | undefined } {
    return { endpoint: this.carrier.endpoint, command: this.command }
  }
}

/** Undefined for what cannot be read: it is as if it had not come. */
function readAccepted(body: Message): Accepted | undefined {
  try {
    return decodeAccepted(body)
  } catch {
    return undefined
  }
}
