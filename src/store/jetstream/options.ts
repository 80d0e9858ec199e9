/** The options of a store in JetStream: what they mean, their defaults, and what is refused. */

import type { NodeConnectionOptions } from '@nats-io/transport-node'
import { ZmqRpcError } from '../../errors.ts'
import { checkOptions, type OptionNames } from '../../options.ts'
import type { Durability } from '../buffer-store.ts'
import type { StoreLimits } from '../store-limits.ts'

/**
 * Options of `JetStreamStore`. What it limits has other defaults than on one machine: `maxRecords` and `maxBytes` Infinity (the server has
 * limits of its own), `maxRecordBytes` what the server takes (`max_payload`, 1 MiB unless it is told otherwise), `dedupeWindow` 10,000 (about 100
 * bytes of memory each).
 */
export interface JetStreamStoreOptions extends StoreLimits {
  /** What the streams are called: 1 to 100 letters, digits, `_` or `-`. One process uses a name at a time. */
  readonly name: string
  /** Where the servers are, and as whom to connect: options of `connect` of `@nats-io/transport-node`. */
  readonly nats: NodeConnectionOptions
  /**
   * What the servers must promise: the store does not open (DURABILITY_TOO_WEAK) unless they do.
   *
   * - `quorum+fsync`: `replicas` is 3 or more, and each server that holds the stream has `sync_interval: always`.
   * - `fsync`: the same with any number of `replicas`.
   * - `os-cache`: nobody asks. A power cut may lose what was acknowledged in the two minutes before.
   *
   * The first two need `system` or `monitors`, to ask the servers.
   *
   * @default 'quorum+fsync'
   */
  readonly durability?: Durability | undefined
  /** Servers that hold each record: 1, 3 or 5. @default 3; 1 with the durability `fsync` and `os-cache` */
  readonly replicas?: number | undefined
  /** As `nats`, but a user of the system account, who may ask all servers how they are set up. Only used while opening. */
  readonly system?: NodeConnectionOptions | undefined
  /** Addresses of the servers' monitoring ports (`http://host:8222`): the other way to ask them. One for each server. */
  readonly monitors?: readonly string[] | undefined
  /** Time for the servers to answer, ms; STORE_UNAVAILABLE then. @default 5000 */
  readonly timeoutMs?: number | undefined
  /** How long a process that ended without `close` keeps the store from being opened, ms; 3000 or more. @default 15000 */
  readonly leaseMs?: number | undefined
}

const OPTIONS: OptionNames<JetStreamStoreOptions> = {
  name: true,
  nats: true,
  durability: true,
  replicas: true,
  system: true,
  monitors: true,
  maxRecords: true,
  maxBytes: true,
  maxRecordBytes: true,
  dedupeWindow: true,
  whenFull: true,
  onDropped: true,
  timeoutMs: true,
  leaseMs: true,
}

export const DEFAULTS = {
  replicas: 3,
  maxRecords: Number.MAX_SAFE_INTEGER,
  maxBytes: Number.MAX_SAFE_INTEGER,
  dedupeWindow: 10_000,
  timeoutMs: 5000,
  leaseMs: 15_000,
}

/** @throws ZmqRpcError BAD_OPTION */
export function resolveOptions(options: JetStreamStoreOptions): void {
  const refuse = (text: string): never => {
    throw new ZmqRpcError('BAD_OPTION', `JetStreamStore: ${text}`)
  }
  checkOptions('JetStreamStore', options, OPTIONS)
  const { name, nats, durability = 'quorum+fsync', replicas, system, monitors } = options
  if (typeof name !== 'string' || !/^[\w-]{1,100}$/.test(name)) refuse('name has to be 1 to 100 letters, digits, _ or -')
  if (typeof nats !== 'object' || nats === null) refuse("nats is missing: where the servers are, as { servers: 'host:4222' }")
  if (!['quorum+fsync', 'fsync', 'os-cache'].includes(durability)) refuse("durability is one of 'quorum+fsync', 'fsync', 'os-cache'")
  if (replicas !== undefined && ![1, 3, 5].includes(replicas)) refuse('replicas is 1, 3 or 5')
  if (durability !== 'os-cache' && system === undefined && (monitors === undefined || monitors.length === 0)) {
    refuse(`durability ${durability} has to be proved: give system or monitors, so that the servers can be asked; or accept 'os-cache'`)
  }
  const least = { timeoutMs: 1, leaseMs: 3000 }
  for (const [key, min] of Object.entries(least) as [keyof typeof least, number][]) {
    const value = options[key]
    if (value !== undefined && !(typeof value === 'number' && value >= min)) refuse(`${key} has to be a number of at least ${min}`)
  }
}

export function durabilityOf({ durability }: JetStreamStoreOptions): Durability {
  return durability ?? 'quorum+fsync'
}

export function replicasOf(options: JetStreamStoreOptions): number {
  return options.replicas ?? (durabilityOf(options) === 'quorum+fsync' ? DEFAULTS.replicas : 1)
}
