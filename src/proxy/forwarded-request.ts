/**
 * A request that a proxy passes on: the frames that came are those that go, and so with the reply, unless the two sides have no dialect
 * in common.
 */

import { type CallRequest, type ReadReply, wireTime } from '../rpc/client/request.ts'
import { type Dialect, nativeKind } from '../rpc/dialect/announcement.ts'
import { amountOf, FLAG, KIND, numberOf, setAmount, setNumber } from '../rpc/dialect/native/header.ts'
import { ErrorRegistry } from '../rpc/error/service-error.ts'
import { Answered } from '../rpc/server/server-call.ts'
import type { Message } from '../wire/index.ts'
import type { CallRelay } from './call-relay.ts'
import { callToPython, replyToNative, replyToPython } from './translate.ts'

const NO_ERRORS = new ErrorRegistry()

export class ForwardedRequest implements CallRequest {
  readonly command: string | undefined
  readonly errors = NO_ERRORS
  readonly relay?: CallRelay
  readonly #body: Message
  /** The caller's. */
  readonly #dialect: Dialect

  /** `relay`: for a call that somebody waits for. */
  constructor(command: string | undefined, body: Message, dialect: Dialect, relay: CallRelay | undefined) {
    this.command = command
    this.#body = body
    this.#dialect = dialect
    if (relay !== undefined) this.relay = relay
  }

  get what(): string {
    return this.command === undefined ? 'the message' : `command "${this.command}"`
  }

  /** The time that is left shrinks on the way. @throws ZmqRpcError BAD_COMMAND for what the far end's dialect cannot hold. */
  encode(dialect: Dialect, timeLeftMs: number): Message {
    if (this.#dialect === 'pyzmqrpc3') return this.#body
    if (dialect === 'pyzmqrpc3') return callToPython(this.#body)
    const head = this.#body[0] as Buffer
    setAmount(head, wireTime(timeLeftMs))
    // What was published is a call from here on.
    setNumber(head, numberOf(head) & ~FLAG.noReply)
    return this.#body
  }

  freeze(): void {}

  /** Never throws: whatever it is, it is the caller's. */
  read(body: Message): ReadReply {
    const kind = nativeKind(body[0])
    if (kind === KIND.reply) this.relay?.replied(amountOf(body[0] as Buffer))
    return { value: new Answered(this.#inDialectOfCaller(kind, body)), extras: undefined }
  }

  #inDialectOfCaller(kind: number | undefined, body: Message): Message {
    const isNative = kind !== undefined
    if (isNative === (this.#dialect === 'native')) return body
    return isNative ? replyToPython(kind, body) : replyToNative(body)
  }
}
