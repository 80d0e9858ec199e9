/**
 * A request that a proxy passes on: the frames that came are those that go, and so with the reply, unless the two sides have no dialect
 * in common.
 */

import { type CallRequest, type ReadReply, wireTime } from '../rpc/client/request.ts'
import { type Dialect, nativeKind } from '../rpc/dialect/announcement.ts'
import { amountOf, FLAG, KIND, numberOf, setAmount, setNumber } from '../rpc/dialect/native/header.ts'
import { callToPython, replyOfPython, replyToNative, replyToPython, tooManyStreams } from '../rpc/dialect/translate.ts'
import { ErrorRegistry } from '../rpc/error/service-error.ts'
import { Answered } from '../rpc/server/service-run.ts'
import type { CallRelay } from '../rpc/stream/call-relay.ts'
import { MAX_STREAMS } from '../rpc/stream/streams.ts'
import type { Message } from '../wire/index.ts'

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
    // What was published is answered to us, so that no more is sent than the far end carries out. Of a lane we pass on one at a time.
    const flags = numberOf(head)
    if ((flags & (FLAG.noReply | FLAG.behind)) !== 0) setNumber(head, flags & ~(FLAG.noReply | FLAG.behind))
    return this.#body
  }

  freeze(): void {}
  keep(): void {}

  /** Never throws: whatever it is, it is the caller's. */
  read(body: Message): ReadReply {
    return { value: new Answered(this.#forCaller(nativeKind(body[0] as Buffer), body)), extras: undefined }
  }

  #forCaller(kind: number | undefined, body: Message): Message {
    if (this.#dialect === 'pyzmqrpc3') return kind === undefined ? replyOfPython(body) : replyToPython(kind, body)
    if (kind === undefined) return replyToNative(body)
    const streams = kind === KIND.reply ? amountOf(body[0] as Buffer) : 0
    if (streams > MAX_STREAMS) return tooManyStreams(streams)
    this.relay?.replied(streams)
    return body
  }
}
