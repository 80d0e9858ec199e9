/**
 * Whether the servers keep a buffer's word: each of those that hold the stream has to sync every message to its disk before it
 * acknowledges it. Without `sync_interval: always` JetStream syncs every two minutes, and what it has acknowledged meanwhile is lost with the power.
 *
 * A stream does not tell. The servers do: to the system account, and on their monitoring port.
 */

import type { JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node'
import { StoreError, toError } from '../../errors.ts'
import { DEFAULTS, durabilityOf, type JetStreamStoreOptions } from './options.ts'

/** What a server says of itself, as far as it concerns us. */
interface JetStreamConfig {
  config?: { sync_always?: boolean }
}

const ANSWERS_WITHIN_MS = 2000

/** What is needed to ask. */
interface Nats {
  readonly connection: NatsConnection
  readonly manager: JetStreamManager
  readonly connect: (options: NodeConnectionOptions) => Promise<NatsConnection>
}

/** @throws StoreError DURABILITY_TOO_WEAK unless the servers promise what is asked for; STORE_UNAVAILABLE when they do not answer. */
export async function requireDurability(options: JetStreamStoreOptions, { connection, manager, connect }: Nats): Promise<void> {
  const durability = durabilityOf(options)
  if (durability === 'os-cache') return
  const { cluster, config } = await manager.streams.info(options.name)
  if (durability === 'quorum+fsync' && config.num_replicas < 3) {
    const text = `the stream ${options.name} has replicas: ${config.num_replicas}, and quorum+fsync needs 3`
    throw new StoreError('DURABILITY_TOO_WEAK', text)
  }
  const holders = new Set([cluster?.leader ?? connection.info?.server_name ?? '', ...(cluster?.replicas ?? []).map(({ name }) => name)])
  let syncing: Set<string>
  if (options.system === undefined) syncing = await askMonitors(options.monitors ?? [])
  else {
    const system = await connect({ timeout: options.timeoutMs ?? DEFAULTS.timeoutMs, ...options.system })
    try {
      syncing = await askSystemAccount(system, holders)
    } finally {
      await system.close()
    }
  }
  const weak = [...holders].filter((name) => !syncing.has(name))
  if (weak.length === 0) return
  throw new StoreError(
    'DURABILITY_TOO_WEAK',
    `these NATS servers hold the stream, and do not say that they sync each message: ${weak.join(', ')}. ` +
      `Set jetstream { sync_interval: always } there, or accept less by name (durability: 'os-cache')`,
  )
}

/** Asks all servers that the system account reaches; those that sync each message. */
async function askSystemAccount(system: NatsConnection, expected: ReadonlySet<string>): Promise<Set<string>> {
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
async function askMonitors(monitors: readonly string[]): Promise<Set<string>> {
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
