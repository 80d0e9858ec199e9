/** Stands beside the sensors, and keeps what they send on disk until the lab has it. */

import { parseArgs } from 'node:util'
import { RpcProxy } from 'zmq-rpc'

const { endpoint, to, folder } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://*:30001' },
    to: { type: 'string', default: 'tcp://localhost:30000' },
    folder: { type: 'string', default: 'buffer' },
  },
}).values

const proxy = new RpcProxy({ rep: endpoint, req: to, buffer: { path: folder } })
await proxy.start()
console.log(`listening on ${proxy.endpoints.join(', ')}; ${proxy.stats().buffer?.waiting} samples wait`)

process.once('SIGTERM', () => void proxy.stop())
