/**
 * A kept command on its way: in the frames in which it came, with the buffer's own extras: an id, so that it is carried out once, its lane,
 * and how long it is still of use. Where the far end speaks the other dialect only, it is translated.
 */

import { ZmqRpcError } from '../../errors.ts'
import type { Message } from '../../wire/index.ts'
import type { CallRequest, ReadReply } from '../client/request.ts'
import { wireTime } from '../client/request.ts'
import { type Dialect, nativeKind } from '../dialect/announcement.ts'
import { amountOf, FLAG, KIND, numberOf, setAmount, setNumber } from '../dialect/native/header.ts'
import { decodeCallHead, type Extras, withExtras } from '../dialect/native/message.ts'
import { callOfPython, callToPython } from '../dialect/translate.ts'
import { ErrorRegistry } from '../error/service-error.ts'
import type { Verdict } from './far-end.ts'
import type { KeptCommand } from './kept-command.ts'
import { verdictOf } from './verdict.ts'

const NO_ERRORS = new ErrorRegistry()

export class KeptRequest implements CallRequest {
  readonly command: string | undefined
  readonly errors = NO_ERRORS
  readonly orderingKey: string | undefined
  readonly behind: boolean
  readonly accepted?: () => Verdict
  readonly #kept: KeptCommand
  readonly #keep: Extras['keep']

  /** `ttlMs`: that is left. `keeps`: the far end is a buffer, and is to take over. `inOrder`, `behind`: as of an `Attempt`. */
  constructor(kept: KeptCommand, ttlMs: number, { keeps, inOrder, behind }: { keeps: boolean; inOrder: boolean; behind: boolean }) {
    this.command = kept.name
    this.#kept = kept
    this.behind = behind
    this.orderingKey = inOrder && kept.name !== undefined ? kept.lane : undefined
    if (!keeps || kept.name === undefined) return
    this.#keep = ttlMs === Number.POSITIVE_INFINITY ? {} : { ttlMs: Math.max(1, Math.ceil(ttlMs)) }
    this.accepted = () => ({ kind: 'delivered' })
  }

  get what(): string {
    return this.command === undefined ? 'the message' : `command "${this.command}"`
  }

  /** @throws ZmqRpcError BAD_COMMAND, and others, for what the far end's dialect cannot hold. */
  encode(dialect: Dialect, timeLeftMs: number): Message {
    const { dialect: own, body, name } = this.#kept
    if (name === undefined) return body
    if (dialect === 'pyzmqrpc3') return own === 'native' ? callToPython(body) : body
    const timeLeft = wireTime(timeLeftMs)
    if (own === 'pyzmqrpc3') return callOfPython(body, timeLeft, this.#extras(undefined)) ?? body
    const head = decodeCallHead(body)
    const call = withExtras(body, head, this.#extras(head.extras?.metadata))
    const frame = call[0] as Buffer
    setAmount(frame, timeLeft)
    setNumber(frame, (numberOf(frame) | FLAG.repeatable) & ~FLAG.noReply)
    return call
  }

  freeze(): void {}
  keep(): void {}

  /** @throws ZmqRpcError BAD_RESULT for a result that streams, so that its writer is told to stop. */
  read(body: Message): ReadReply {
    if (nativeKind(body[0]) === KIND.reply && amountOf(body[0] as Buffer) > 0)
      throw new ZmqRpcError('BAD_RESULT', `the result of ${this.what} streams: it cannot be kept`)
    return { value: verdictOf(body, this.#kept), extras: undefined }
  }

  /** Another buffer keeps it as what it was: who asks for it there knows no other id. */
  get #key(): string {
    const { id, rerunKey } = this.#kept
    return this.#keep === undefined && rerunKey !== undefined ? rerunKey : id
  }

  #extras(metadata: Extras['metadata']): Extras {
    return { metadata, idempotencyKey: this.#key, orderingKey: this.orderingKey, keep: this.#keep }
  }
}
