/**
 * Fields that a command does not have: a server ignores them, and whoever mistyped one would never know. What it has the server tells.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { ListServices, type RpcClient } from '../index.ts'
import { nearestName } from '../options.ts'
import { printable } from './json.ts'

/** For an answer, once there is nothing else to wait for. */
const ANSWER_MS = 300

/**
 * Asks at once, and gives what is to be said of them, later: nothing where the server cannot tell, or does not in time.
 */
export function askForFields(client: RpcClient, command: string, state: unknown, signal: AbortSignal): () => Promise<string[]> {
  const isNative = client.stats().servers.every(({ dialect }) => dialect === 'native')
  if (!isNative || typeof state !== 'object' || state === null || Object.keys(state).length === 0) return async () => []
  const answer = client.execute(new ListServices(command), { signal, retry: false }).then(
    ({ services: [service] }) => strangeFields(command, service?.state, state),
    () => [],
  )
  return () => Promise.race([answer, sleep(ANSWER_MS, [], { ref: false })])
}

/** Never throws, whatever a server sends as its schema. */
export function strangeFields(command: string, schema: unknown, state: object): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  const { properties, additionalProperties, patternProperties, ...rest } = schema as Readonly<Record<string, unknown>>
  const takesOthers = (additionalProperties ?? false) !== false || patternProperties !== undefined
  // Where a schema is made of several, the others may have it.
  if (takesOthers || ['anyOf', 'oneOf', 'allOf', '$ref'].some((part) => part in rest)) return []
  if (typeof properties !== 'object' || properties === null) return []
  const known = Object.keys(properties)
  return Object.keys(state)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const meant = nearestName(name, known)
      const hint =
        meant !== undefined
          ? `did you mean ${printable(meant)}?`
          : known.length === 0
            ? 'it has none'
            : `it has ${known.map(printable).join(', ')}`
      return `${printable(command)} has no field ${printable(name)}: ${hint}`
    })
}
