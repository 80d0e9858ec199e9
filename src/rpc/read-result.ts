/** From a reply's body to the caller's result, or the error that it stands for. */

import { RemoteError, toError, ZmqRpcError } from '../errors.ts'
import { decodeReply, STATUS } from './dialect/pyzmqrpc3.ts'
import type { Endpoint } from './endpoint.ts'

/** The result in a reply's body. @throws RemoteError for every status but 200; ZmqRpcError BAD_REPLY. */
export function readResult<Result>(body: Buffer, endpoint: Endpoint, command: string | undefined): Result {
  const details = { endpoint, command }
  let reply: ReturnType<typeof decodeReply>
  try {
    reply = decodeReply(body)
  } catch (cause) {
    const what = command === undefined ? '' : ` to command "${command}"`
    throw new ZmqRpcError('BAD_REPLY', `${endpoint} answered${what} with something that cannot be read: ${toError(cause).message}`, {
      ...details,
      cause,
    })
  }
  if (reply.status !== STATUS.ok) throw new RemoteError(reply.status, reply.statusText, details)
  return reply.result as Result
}
