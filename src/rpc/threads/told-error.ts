/** Errors on their way to another thread: `structuredClone` would lose their names and codes, or fail with what they hold. */

import type { WireError } from '../dialect/native/message.ts'
import { toWireError } from '../error/service-error.ts'

/** Never throws. */
export function tellError(thrown: unknown): WireError {
  return toWireError(thrown, { exposeStacks: true })
}

/** The same to whoever looks: name, text, code, stack, cause. */
export function readError({ name, text, code, stack, cause, details }: WireError): Error {
  const error = new Error(text, cause === undefined ? undefined : { cause: readError(cause) })
  const told = { name, code, stack, details }
  for (const [key, value] of Object.entries(told)) {
    if (value !== undefined) Object.defineProperty(error, key, { value, configurable: true, writable: true })
  }
  return error
}
