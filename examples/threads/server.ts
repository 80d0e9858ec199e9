/** Computes in as many threads as there are cores, behind one endpoint. */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { logEvents, RpcServer } from 'zmq-rpc'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://*:30024' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
})

// A thread that has ended is replaced; here stands why it did.
logEvents(console, { events: ['zmq-rpc:thread:failed', 'zmq-rpc:service:failed'] })

const server = new RpcServer({
  rep: values.endpoint,
  services: new URL('./services.ts', import.meta.url),
  threads: Number(values.threads),
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop())

await server.start()
console.log(`listening on ${server.endpoints.join(', ')}`)

await server.stopped
console.log('stopped')
