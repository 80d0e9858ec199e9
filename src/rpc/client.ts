/** The RPC client: has commands carried out by servers, and publishes them to whoever listens. */

import { toError, ZmqRpcError } from '../errors.ts'
import { type CallOptions, type ClientOptions, Outlets, type ReadyOptions } from './client-options.ts'
import { type Command, commandNameOf, type ResultOf } from './command.ts'
import { encodeCommand } from './dialect/pyzmqrpc3.ts'
import type { Endpoint } from './endpoint.ts'
import { readResult } from './read-result.ts'

/** What one of several servers answered. */
export type Answer<Result> =
  | { readonly endpoint: Endpoint; readonly ok: true; readonly value: Result }
  | { readonly endpoint: Endpoint; readonly ok: false; readonly error: ZmqRpcError }

/**
 * Sends commands to `RpcServer`s and to pyzmqrpc3's servers. Connects by itself, and again whenever a connection is lost.
 *
 * @example
 * ```ts
 * await using client = new RpcClient({ req: 'tcp://localhost:30000' })
 * const text = await client.execute(new Greet('Ada'), { timeoutMs: 3000 })
 * ```
 */
export class RpcClient {
  readonly #outlets: Outlets

  /** Begins to connect to `req` and to bind `pub`. @throws ZmqRpcError BAD_OPTION. */
  constructor(options: ClientOptions) {
    this.#outlets = new Outlets(options)
  }

  /** The `pub` endpoint as bound, with wildcards and port 0 resolved; undefined without one, or before it is bound. */
  get publishEndpoint(): Endpoint | undefined {
    return this.#outlets.publication?.endpoint
  }

  /**
   * Resolves when all of `req` (or as many as asked for) are connected, `pub` is bound, and as many listeners as asked for are
   * there. Not needed for `execute`, which waits for the connection within its own time; for `publish` it tells that somebody hears.
   *
   * @throws ZmqRpcError NOT_CONNECTED, AUTH_REFUSED, CLOSED, BAD_OPTION; SocketError when `pub` cannot be bound.
   */
  ready(options: ReadyOptions = {}): Promise<void> {
    return this.#outlets.ready(options)
  }

  /**
   * Has a command carried out by one of the servers, each in turn, and resolves to its result.
   *
   * @throws RemoteError when the service threw (463), there is none (451), or the command could not be read (400);
   * ZmqRpcError TIMED_OUT, NOT_CONNECTED, CONNECTION_LOST, AUTH_REFUSED, QUEUE_FULL, BAD_REPLY, BAD_COMMAND, ABORTED, CLOSED.
   */
  async execute<C extends Command>(command: C, options: CallOptions = {}): Promise<ResultOf<C>> {
    const frame = encodeCommand(command)
    const name = commandNameOf(command)
    const { endpoint, body } = await this.#outlets.requester.call(frame, this.#outlets.settings(name, options))
    return readResult<ResultOf<C>>(body, endpoint, name)
  }

  /**
   * Has a command carried out by every server, and resolves to all answers, in the order of `req`: a value or an error each.
   *
   * @throws ZmqRpcError BAD_COMMAND for a command that cannot be written, BAD_OPTION without `req`; nothing else.
   */
  async executeAll<C extends Command>(command: C, options: CallOptions = {}): Promise<Answer<ResultOf<C>>[]> {
    const frame = encodeCommand(command)
    const name = commandNameOf(command)
    if (this.#outlets.requester.links.length === 0) throw new ZmqRpcError('BAD_OPTION', 'there is no endpoint to call: give the client req')
    const settings = this.#outlets.settings(name, options)
    return Promise.all(
      this.#outlets.requester.links.map(async (link): Promise<Answer<ResultOf<C>>> => {
        const { endpoint } = link
        try {
          return { endpoint, ok: true, value: readResult<ResultOf<C>>((await link.call(frame, settings)).body, endpoint, name) }
        } catch (thrown) {
          const error =
            thrown instanceof ZmqRpcError
              ? thrown
              : new ZmqRpcError('BAD_REPLY', toError(thrown).message, { endpoint, command: name, cause: thrown })
          return { endpoint, ok: false, error }
        }
      }),
    )
  }

  /**
   * Publishes a command to whoever listens. Nobody answers: see `ready` for how to know that somebody is there. Resolves when
   * it is with each listener's queue.
   *
   * @throws ZmqRpcError BAD_OPTION without `pub`, BAD_COMMAND, CLOSED; SocketError when `pub` cannot be bound.
   */
  async publish(command: Command): Promise<void> {
    await this.#outlets.publish(encodeCommand(command))
  }

  /**
   * Publishes a heartbeat, which keeps silent links from being made again. Only on `pub`: connections to servers have their
   * own, and pyzmqrpc3's servers would be stuck after one.
   *
   * @throws as `publish`
   */
  sendHeartbeat(): Promise<void> {
    return this.#outlets.sendHeartbeat()
  }

  /** Calls under way fail with CLOSED; what was published has a second to be written. Never rejects. */
  close(): Promise<void> {
    return this.#outlets.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
