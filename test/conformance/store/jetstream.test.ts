import { afterAll, beforeAll, describe } from 'vitest'
import { JetStreamStore } from '../../../src/store/jetstream/index.ts'
import { NatsServers } from '../../helpers/nats.ts'
import { peer } from '../../helpers/peers.ts'
import { storeConformance } from './suite.ts'

const server = peer('nats-server')

describe.skipIf(!server.available)('with a nats-server', () => {
  let servers: NatsServers
  let made = 0
  const names = new WeakMap<object, string>()

  beforeAll(async () => {
    servers = await NatsServers.start({ command: server.command, sync: true })
  })
  afterAll(() => servers.stop())

  storeConformance({
    name: 'the store in JetStream',
    make: async (limits) => make(`conformance-${++made}`, limits),
    another: async (store, limits) => make(names.get(store) as string, limits),
    gapFree: false,
    limited: true,
    remote: true,
    // A message of its journal tells of several records, and is cleared away as a whole.
    dedupeSlack: 100,
  })

  function make(name: string, limits: object): JetStreamStore {
    const { nats, system } = servers
    const store = new JetStreamStore({ name, nats, system, durability: 'fsync', ...limits })
    names.set(store, name)
    return store
  }
})
