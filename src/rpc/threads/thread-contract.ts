/** The contract of a command whose class lives in threads: what they told of it. Values are checked there. */

import type { Contract } from '../command/contract.ts'
import type { DescribedService } from './port-messages.ts'

export function contractOfThread(told: DescribedService): Contract {
  const { name, idempotent, timeoutMs, description, version, deprecated, hasSchemas, state, result } = told
  return Object.freeze({
    ...{ name, idempotent, timeoutMs, description, version, deprecated, hasSchemas },
    readResult: undefined,
    checkResult: undefined,
    validateState: undefined,
    stateSchema: () => state,
    resultSchema: () => result,
  })
}
