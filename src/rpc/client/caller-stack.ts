/**
 * Whose call it was that failed. The errors of calls are made when a timer fires or a message comes, where nothing is known of the code
 * that waits; so their stacks would show our own files only. V8 does know it in a promise's reaction: from the promise that the reaction
 * is going to settle it finds the async functions that wait for that. A call that succeeds pays nothing for it.
 */

import { ZmqRpcError } from '../../errors.ts'

/** A rejection, soon. Whoever waits by then, with `await`, stands in the stack of the error. */
export function rejectionWithStack(error: Error): Promise<never> {
  // Two turns: in the first one, whatever is resolved with this begins to wait for it.
  return Promise.resolve()
    .then(() => {})
    .then(function callFailed() {
      // Without this function in it: the first line is the caller's, and what Node shows of the code as well.
      // Other errors are those of the application's own code, and have its stack.
      if (error instanceof ZmqRpcError && Object.isExtensible(error)) Error.captureStackTrace(error, callFailed)
      throw error
    })
}
