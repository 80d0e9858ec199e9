/** Sends samples, each as soon as the one before is on the proxy's disk. */

import { parseArgs } from 'node:util'
import { RpcClient } from 'zmq-rpc'
import { Sample } from './commands.ts'

const { endpoint, name, count, interval } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://localhost:30001' },
    name: { type: 'string', default: 'sensor' },
    count: { type: 'string', default: '300' },
    interval: { type: 'string', default: '10' },
  },
}).values

const client = new RpcClient({ req: endpoint })
for (let n = 1; n <= Number(count); n++) {
  // Where the proxy has just been killed, it is submitted again, and kept once.
  await client.submit(new Sample(name, n), { timeoutMs: 60_000 })
  await new Promise((resolve) => setTimeout(resolve, Number(interval)))
}
await client.close()
console.log(`${name}: ${count} samples were accepted`)
