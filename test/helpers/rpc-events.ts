/** The events of the RPC layer as the code declares them: names and fields, read from the source. */

import { readFileSync } from 'node:fs'

/** Fields by event, in the order of the declaration. */
export function declaredEvents(): Map<string, string[]> {
  const source = readFileSync(new URL('../../src/observability/events.ts', import.meta.url), 'utf8')
  const body = /export interface RpcEvents \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? ''
  const events = [...body.matchAll(/^ {2}'(zmq-rpc:[\w:]+)': \{([^}]*)\}/gm)]
  return new Map(events.map(([, name = '', fields = '']) => [name, [...fields.matchAll(/(\w+):/g)].map(([, field = '']) => field)]))
}
