/**
 * Whether the servers keep a buffer's word: each of those that hold the stream has to sync every message to its disk before it
 * acknowledges it. Without `sync_interval: always` JetStream syncs every two minutes, and what it has acknowledged meanwhile is lost with the power.
 *
 * A stream does not tell. The servers do: to the system account, and on their monitoring port.
 */

import type { NatsConnection } from '@nats-io/transport-node'
import { StoreError, toError } from '../../errors.ts'

/** What a server says of itself, as far as it concerns us. */
interface JetStreamConfig {
  config?: { sync_always?: boolean }
}

const ANSWERS_WITHIN_MS = 2000

/** Asks all servers that the system account reaches; those that sync each message. */
export async function askSystemAccount(system: NatsConnection, expected: ReadonlySet<string>): Promise<Set<string>> {
  const syncing = new Set<string>()
  const heard = new Set<string>()
  const request = JSON.stringify({ config: true })
  const answers = await system.requestMany('$SYS.REQ.SERVER.PING.JSZ', request, { maxWait: ANSWERS_WITHIN_MS, strategy: 'timer' })
  for await (const answer of answers) {
    const { server, data } = answer.json<{ server: { name: string }; data?: JetStreamConfig }>()
    heard.add(server.name)
    if (data?.config?.sync_always === true) syncing.add(server.name)
    if ([...expected].every((name) => heard.has(name))) break
  }
  return syncing
}

/** Asks the monitoring port of each server; those that sync each message. @throws StoreError STORE_UNAVAILABLE */
export async function askMonitors(monitors: readonly string[]): Promise<Set<string>> {
  const syncing = new Set<string>()
  for (const monitor of monitors) {
    const url = new URL('/varz', monitor)
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWERS_WITHIN_MS) })
      const { server_name: name, jetstream } = (await answer.json()) as { server_name: string; jetstream?: JetStreamConfig }
      if (jetstream?.config?.sync_always === true) syncing.add(name)
    } catch (cause) {
      const { host } = url
      throw new StoreError(
        'STORE_UNAVAILABLE',
        `the monitoring port of a NATS server does not answer at ${host}: ${toError(cause).message}`,
        {
          cause,
        },
      )
    }
  }
  return syncing
}

const MINIMUM = [2, 12] as const

/** @throws StoreError DURABILITY_TOO_WEAK for a server that cannot be told to sync each message. */
export function requireVersion(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) return
  const needed = MINIMUM.join('.')
  throw new StoreError(
    'DURABILITY_TOO_WEAK',
    `the NATS server is version ${version}, and a buffer needs ${needed} or later: older ones cannot be made to keep what they acknowledge`,
  )
}
