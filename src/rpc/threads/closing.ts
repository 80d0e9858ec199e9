/** What a module's function returns: what is to be stopped, or closed, with its thread. */

import { ZmqRpcError } from '../../errors.ts'
import { describe } from '../command/command.ts'
import type { Endpoint } from '../endpoint.ts'

/** A server, proxy, receiver, client, … of this package, or anything else with `stop` or `close`. */
export type Stoppable = { stop(): unknown } | { close(): unknown }

/** Of a module's function. */
// biome-ignore lint/suspicious/noConfusingVoidType: it is what a function without a result has
export type ThreadResult = Stoppable | readonly Stoppable[] | undefined | void

/** @throws ZmqRpcError BAD_OPTION for anything else than nothing, something with `stop` or `close`, or a list of such. */
export function stoppablesOf(returned: unknown): Stoppable[] {
  const list: unknown[] = returned === undefined || returned === null ? [] : Array.isArray(returned) ? returned : [returned]
  for (const one of list) {
    if (!has(one, 'stop') && !has(one, 'close'))
      throw new ZmqRpcError('BAD_OPTION', `the module's function returned ${describe(one)} that has neither stop() nor close()`)
  }
  return list as Stoppable[]
}

/** All at once; rejects with the first that failed, when all are through. */
export async function stopAll(stoppables: readonly Stoppable[]): Promise<void> {
  const results = await Promise.allSettled(stoppables.map(async (one) => ('stop' in one ? one.stop() : one.close())))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/** Where those listen that do. */
export function endpointsOf(stoppables: readonly object[]): Endpoint[] {
  return stoppables.flatMap((one) => {
    const { endpoints } = one as { endpoints?: unknown }
    return Array.isArray(endpoints) ? endpoints.filter((endpoint) => typeof endpoint === 'string') : []
  })
}

function has(value: unknown, method: string): boolean {
  return typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[method] === 'function'
}
