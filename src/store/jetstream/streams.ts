/** The streams of a store, as they are set up. */

import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream'
import { JETSTREAM, refusalOf } from './errors.ts'
import type { Subjects } from './message.ts'
import { DEFAULTS, type JetStreamStoreOptions, replicasOf } from './options.ts'

/** Makes those that are not there yet; of those that are, what can be changed becomes what is asked for now. */
export async function makeStreams(manager: JetStreamManager, options: JetStreamStoreOptions, subjects: Subjects): Promise<void> {
  const { name, maxRecords, maxBytes, leaseMs = DEFAULTS.leaseMs } = options
  const common = { storage: 'file', retention: 'limits', num_replicas: replicasOf(options) } as const
  /** One message for a subject: the server refuses a second one. */
  const once = { discard: 'new', discard_new_per_subject: true, max_msgs_per_subject: 1 } as const
  await makeStream(manager, {
    ...common,
    ...once,
    name,
    subjects: [subjects.live('*')],
    max_msgs: limit(maxRecords),
    max_bytes: limit(maxBytes),
  })
  await makeStream(manager, { ...common, ...once, name: `${name}_dead`, subjects: [subjects.dead('*', '*')] })
  await makeStream(manager, { ...common, name: `${name}_journal`, subjects: [subjects.journal] })
  await makeStream(manager, {
    ...common,
    name: `${name}_lease`,
    subjects: [subjects.lease],
    max_msgs: 1,
    max_age: leaseMs * NANOSECONDS_PER_MS,
    // Nothing is written twice here; but it may not be longer than max_age.
    duplicate_window: SHORTEST_WINDOW_MS * NANOSECONDS_PER_MS,
  })
}

const NANOSECONDS_PER_MS = 1_000_000
const SHORTEST_WINDOW_MS = 100

function limit(given: number | undefined): number {
  return given === undefined || given === Number.POSITIVE_INFINITY ? -1 : given
}

async function makeStream(manager: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  try {
    await manager.streams.info(config.name)
  } catch (error) {
    if (refusalOf(error) !== JETSTREAM.streamNotFound) throw error
    await manager.streams.add(config)
    return
  }
  await manager.streams.update(config.name, config)
}
