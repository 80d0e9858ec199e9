/** The sender of plain text messages, on REQ and PUB: pyzmqrpc3's ZmqSender. */

import { ZmqRpcError } from '../../errors.ts'
import { checkOptions } from '../../options.ts'
import { followCalls } from '../call-scope.ts'
import { HEARTBEAT } from '../dialect/pyzmqrpc3.ts'
import type { Endpoint } from '../endpoint.ts'
import type { ClientStats } from '../stats.ts'
import { CALL_OPTIONS, type CallOptions, CLIENT_OPTIONS, type ClientOptions, Outlets, type ReadyOptions } from './client-options.ts'
import { TextRequest } from './request.ts'

/** Sends text to `Receiver`s. Connects by itself, and again whenever a connection is lost. */
export class Sender {
  readonly #outlets: Outlets

  /** Begins to connect to `req` and to bind `pub`. @throws ZmqRpcError BAD_OPTION. */
  constructor(options: ClientOptions) {
    checkOptions('Sender', options, CLIENT_OPTIONS)
    followCalls()
    this.#outlets = new Outlets(options)
  }

  /** As `RpcClient.publishEndpoint`. */
  get publishEndpoint(): Endpoint | undefined {
    return this.#outlets.publication?.endpoint
  }

  /** As `RpcClient.ready`. */
  ready(options: ReadyOptions = {}): Promise<void> {
    return this.#outlets.ready(options)
  }

  /**
   * Sends a text: on `pub` to whoever listens, and on `req` to one of the receivers, each in turn. Resolves to what that
   * receiver answered; to undefined when it answered nothing, or without `req`.
   *
   * @throws as `RpcClient.execute`; BAD_COMMAND for a text with a lone surrogate, which has no UTF-8, and, on
   * `req`, for the text of a heartbeat: a pyzmqrpc3 receiver answers nobody any more after it.
   */
  async send(text: string, options: CallOptions = {}): Promise<unknown> {
    if (typeof text !== 'string') throw new ZmqRpcError('BAD_COMMAND', `a sender sends texts: what was given is of type ${typeof text}`)
    checkOptions('send', options, CALL_OPTIONS)
    if (!text.isWellFormed()) throw new ZmqRpcError('BAD_COMMAND', 'the text has a lone surrogate, which cannot be sent')
    const { requester, publication } = this.#outlets
    if (text === HEARTBEAT && requester.links.length > 0) {
      throw new ZmqRpcError('BAD_COMMAND', `"${HEARTBEAT}" is the text of a heartbeat, which is only published: see sendHeartbeat`)
    }
    const frame = Buffer.from(text, 'utf8')
    await publication?.publish({ plain: () => [frame] })
    if (requester.links.length === 0) return undefined
    return requester.call(new TextRequest(frame), this.#outlets.settings(options))
  }

  /** As `RpcClient.stats`. */
  stats(): ClientStats {
    return this.#outlets.stats()
  }

  /** As `RpcClient.sendHeartbeat`. */
  sendHeartbeat(): Promise<void> {
    return this.#outlets.sendHeartbeat()
  }

  /** As `RpcClient.close`. */
  close(): Promise<void> {
    return this.#outlets.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
