/**
 * A receipt: the word of a buffer that a command is on disk. Plain data, so that it survives `JSON.stringify` and a restart of whoever
 * holds it.
 */

/**
 * Carries the type of the result. Nothing has this key at run time.
 *
 * @public named in the declarations of those that hold receipts
 */
export declare const RECEIPT_RESULT: unique symbol

/**
 * What `RpcClient.submit` resolves to. **Accepted is not executed:** it says that the command is on disk, and will be carried out or come to
 * an end with a name (`RpcClient.track` tells which). `RpcClient.result` gives what came of it. To use it after a restart of the program, write
 * it down: `JSON.parse(text) as Receipt<string>`.
 */
export interface Receipt<Result = unknown> {
  /** The command's idempotency key, or what the buffer has given it in place of one. */
  readonly id: string
  /** The command's name on the wire. */
  readonly command: string
  /** The endpoint of `req` behind which the command was kept first; undefined where that was the client's own buffer. */
  readonly endpoint?: string
  /** The name of the buffer, for people. */
  readonly by?: string
  readonly [RECEIPT_RESULT]?: Result
}
