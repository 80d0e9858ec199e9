/**
 * The streams of one call that is passed on, by a proxy or into a thread, between its caller and who answers it. Nothing is read but
 * the headers: they tell which streams are open, and so when the call is over.
 *
 * - The reply says how many streams the result opens. Each ends with END or FAILED of the server, or STOP of the caller.
 * - Streams of the caller end with the call.
 * - When one side is gone, the other one is told: the server by CANCEL, the caller by FAILED for each stream that is open.
 * - A side that speaks pyzmqrpc3's dialect gets nothing of all this: it may not survive a message that it cannot read.
 */

import { ZmqRpcError } from '../../errors.ts'
import type { Message } from '../../wire/index.ts'
import { amountOf, KIND, numberOf } from '../dialect/native/header.ts'
import { encodeFailed, type WireError } from '../dialect/native/message.ts'
import type { FarCall, NearCall, Relay } from './relay.ts'
import { RelayQueue } from './relay-queue.ts'

export class CallRelay implements Relay {
  readonly #caller: NearCall
  readonly #explain: (error: Error) => WireError
  readonly #tellsAccepted: boolean
  readonly #toServer = new RelayQueue()
  readonly #toCaller = new RelayQueue()
  #call: FarCall | undefined
  /** Of the result, that have not ended: their numbers, and the sequence number that comes next. */
  readonly #streams = new Map<number, number>()

  /**
   * @param explain what a reader of an open stream is told when the far end is gone
   * @param tellsAccepted whether the caller is told that a buffer has the call
   */
  constructor(caller: NearCall, explain: (error: Error) => WireError, tellsAccepted = true) {
    this.#tellsAccepted = tellsAccepted
    this.#caller = caller
    this.#explain = explain
    if (caller.dialect !== 'native') this.#toCaller.close()
  }

  get open(): number {
    return this.#streams.size + (this.#toServer.waiting ? 1 : 0) + (this.#toCaller.waiting ? 1 : 0)
  }

  get begun(): boolean {
    return this.#toServer.used
  }

  attach(call: FarCall): void {
    this.#call = call
  }

  started(): void {
    const call = this.#call as FarCall
    if (call.dialect === 'native') this.#toServer.open(call)
    else this.#toServer.close()
  }

  takenBack(): void {
    this.#toServer.suspend()
  }

  /** The reply has come; it opens so many streams. */
  replied(streams: number): void {
    if (this.#caller.dialect !== 'native') return
    for (let number = 0; number < streams; number++) this.#streams.set(number, 0)
    // Nobody is left there who could need more of the caller's.
    if (streams === 0) this.#toServer.close()
  }

  accepted(body: Message): void {
    if (this.#tellsAccepted && this.#caller.dialect === 'native') this.#caller.send(body, false)
  }

  answered(): void {
    this.#toCaller.open(this.#caller)
  }

  fromServer(kind: number, body: Message): void {
    const head = body[0] as Buffer
    const number = numberOf(head)
    const next = this.#streams.get(number)
    if (kind === KIND.item || kind === KIND.end || kind === KIND.failed) {
      // Stopped by the caller: what was on the way is of no use to it.
      if (next === undefined) return
      if (kind === KIND.item) this.#streams.set(number, (amountOf(head) + 1) >>> 0)
      else this.#streams.delete(number)
    }
    if (!this.#toCaller.pass(body)) return this.#giveUp('its caller does not take what the server streams')
    if (this.open === 0) this.#idle()
  }

  fromCaller(kind: number, body: Message): void {
    if (kind === KIND.stop) this.#streams.delete(numberOf(body[0] as Buffer))
    if (!this.#toServer.pass(body)) return this.#giveUp('the server does not take what its caller streams')
    if (this.open === 0) this.#idle()
  }

  writable(): void {
    this.#toServer.flush()
    this.#toCaller.flush()
    if (this.open === 0) this.#idle()
  }

  serverGone(error: Error): void {
    this.#toServer.close()
    // Behind what is there already.
    for (const [number, next] of this.#streams) this.#toCaller.pass(encodeFailed(number, next, this.#explain(error)), true)
    this.#streams.clear()
    if (this.open === 0) this.#caller.idle()
  }

  callerGone(reason: Error): void {
    this.#streams.clear()
    this.#toServer.close()
    this.#toCaller.close()
    this.#call?.giveUp(reason)
  }

  #giveUp(why: string): void {
    const { endpoint } = this.#caller
    this.#call?.giveUp(new ZmqRpcError('PROXY_FAILED', why, { endpoint }))
  }

  #idle(): void {
    this.#call?.idle()
    this.#caller.idle()
  }
}
