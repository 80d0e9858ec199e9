/**
 * One call that a thread carries out, as the main thread sees it. It ends once for its caller, with {@link ThreadCall.result}; and it is
 * over when nothing of it goes on in the thread either: its service has returned, and its streams have ended.
 */

import { toError, ZmqRpcError } from '../../errors.ts'
import type { Message } from '../../wire/index.ts'
import { type Dialect, nativeKind } from '../dialect/announcement.ts'
import { amountOf, KIND } from '../dialect/native/header.ts'
import { wordsOf } from '../error/error-text.ts'
import { STATUS } from '../error/status.ts'
import type { ServerCall } from '../server/server-call.ts'
import { Answered, Refused } from '../server/service-run.ts'
import { CallRelay } from '../stream/call-relay.ts'
import type { FarCall } from '../stream/relay.ts'
import { fromPort, isHandedOver } from './port-frames.ts'
import type { FromThread } from './port-messages.ts'

/** The thread that has it. */
export interface ThreadCallCarrier {
  readonly hasRoom: boolean
  continue(call: ThreadCall, body: Message): void
  cancel(call: ThreadCall, reason: ZmqRpcError): void
  over(call: ThreadCall): void
}

export class ThreadCall implements FarCall {
  readonly call: ServerCall
  readonly command: string
  readonly body: Message
  /** Whether its answer is kept for an idempotency key. */
  readonly keyed: boolean
  /** What becomes of it. Rejects with {@link Refused}. */
  readonly result: Promise<Answered>
  /** Its number in its thread. */
  id = 0
  carrier: ThreadCallCarrier | undefined
  /** Somebody waits for what it does. */
  wanted = true
  /** The body lies in the thread, and nowhere else. */
  readonly #handedOver: boolean
  readonly #relay: CallRelay
  #resolve: (answered: Answered) => void = () => {}
  #reject: (error: Refused) => void = () => {}
  #answered = false

  constructor(call: ServerCall, command: string, body: Message, keyed: boolean) {
    this.call = call
    this.command = command
    this.body = body
    this.keyed = keyed
    this.#handedOver = isHandedOver(body)
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#relay = new CallRelay(call, (error) => ({ status: STATUS.threadFailed, text: wordsOf(error) }))
    this.#relay.attach(this)
    call.passOn(this.#relay)
  }

  get dialect(): Dialect {
    return this.call.dialect
  }

  get hasRoom(): boolean {
    return this.carrier?.hasRoom ?? false
  }

  /** Nothing more comes of it. */
  get over(): boolean {
    return this.#answered && this.#relay.open === 0
  }

  /** It can be given to another thread: none has seen anything of it. */
  get intact(): boolean {
    return !this.#handedOver && !this.#relay.begun
  }

  /** It was sent to its thread: what belongs to it follows. */
  started(): void {
    this.#relay.started()
  }

  // ── FarCall ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(body: Message): boolean {
    this.carrier?.continue(this, body)
    return true
  }

  giveUp(reason: unknown): void {
    this.wanted = false
    if (this.carrier === undefined) return this.#end(new Answered(undefined, { status: STATUS.aborted }))
    const error = toError(reason)
    this.carrier.cancel(this, error instanceof ZmqRpcError ? error : new ZmqRpcError('ABORTED', error.message))
    if (this.#answered) this.carrier.over(this)
  }

  idle(): void {
    if (this.over) this.carrier?.over(this)
  }

  // ── From its thread ─────────────────────────────────────────────────────────────────────────────────────────────────

  receive(body: Message): void {
    this.#relay.fromServer(nativeKind(body[0]) ?? 0, body)
  }

  answered({ status, body: frames, remembered }: Extract<FromThread, { kind: 'answered' }>): void {
    const body = frames && fromPort(frames)
    const head = body?.[0]
    const streams = head !== undefined && this.dialect === 'native' && nativeKind(head) === KIND.reply ? amountOf(head) : 0
    this.#relay.replied(streams)
    this.#end(new Answered(body, { status, remembered }))
    if (this.over) this.carrier?.over(this)
  }

  /** There is room in its thread again. */
  writable(): void {
    this.#relay.writable()
  }

  /** Its thread did not come to it: it waits for another one. False when that cannot be. */
  takeBack(): boolean {
    this.carrier = undefined
    if (!this.intact) return false
    this.#relay.takenBack()
    return true
  }

  /** It ends without an answer. `started`: whether anything of it was carried out. */
  fail(started: 'no' | 'maybe', text: string, cause: Error | undefined): void {
    this.carrier = undefined
    if (this.#answered) return this.#relay.serverGone(new ZmqRpcError('THREAD_FAILED', text))
    this.#relay.replied(0)
    this.#answered = true
    // Of a key it counts how it ended, whoever waits.
    if (this.wanted || this.keyed) this.#reject(new Refused({ status: STATUS.threadFailed, started, text, name: this.command, cause }))
    else this.#resolve(new Answered(undefined, { status: STATUS.aborted }))
  }

  #end(answered: Answered): void {
    this.#answered = true
    this.#resolve(answered)
  }
}
