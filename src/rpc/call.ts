/** One call under way: from `execute` to its end, which comes exactly once. */

import { ZmqRpcError } from '../errors.ts'
import { onAbort } from './abort-listeners.ts'
import { Timed } from './deadlines.ts'
import { errorText } from './error-text.ts'

/** Whoever carries a call to the far end; told when the call ends by itself. */
export interface CallCarrier {
  readonly endpoint: string
  /** Its time is over: the carrier says why it was not answered. */
  timedOut(call: Call): void
  /** The caller gave it up. */
  abandoned(call: Call): void
}

/** The body of a reply, and whose it is. */
export interface CallReply {
  readonly endpoint: string
  readonly body: Buffer
}

export class Call extends Timed {
  /** What is sent. */
  readonly body: Buffer
  /** The command's name, for errors; undefined for plain text. */
  readonly command: string | undefined
  readonly timeoutMs: number
  /** Another carrier may take it over as long as it was not sent. */
  readonly movable: boolean
  carrier: CallCarrier
  /** Its number on the wire; given when it is sent. */
  id = 0
  /** When it was given to the connection; 0 until then, and again when it was taken back. */
  sentAt = 0
  readonly #resolve: (reply: CallReply) => void
  readonly #reject: (error: Error) => void
  #forgetSignal: (() => void) | undefined

  constructor(
    carrier: CallCarrier,
    body: Buffer,
    options: { command: string | undefined; timeoutMs: number; signal: AbortSignal | undefined; movable: boolean },
    resolve: (reply: CallReply) => void,
    reject: (error: Error) => void,
  ) {
    super()
    this.carrier = carrier
    this.body = body
    this.command = options.command
    this.timeoutMs = options.timeoutMs
    this.movable = options.movable
    this.#resolve = resolve
    this.#reject = reject
    const { signal } = options
    if (signal !== undefined && !signal.aborted) this.#forgetSignal = onAbort(signal, () => this.#aborted(signal.reason))
  }

  /** For the texts of errors. */
  get what(): string {
    return this.command === undefined ? 'the message' : `command "${this.command}"`
  }

  resolve(body: Buffer): void {
    this.#forgetSignal?.()
    this.#resolve({ endpoint: this.carrier.endpoint, body })
  }

  reject(error: Error): void {
    this.#forgetSignal?.()
    this.#reject(error)
  }

  override expired(): void {
    this.carrier.timedOut(this)
  }

  #aborted(cause: unknown): void {
    this.carrier.abandoned(this)
    const when = this.sentAt === 0 ? ' before it was sent' : ''
    const details = { endpoint: this.carrier.endpoint, command: this.command, cause }
    this.reject(new ZmqRpcError('ABORTED', `${this.what} was given up by its caller${when}: ${errorText(cause)}`, details))
  }
}
