/** Has a server (server.ts) compute several things at a time. */

import { parseArgs } from 'node:util'
import { Health, RpcClient } from 'zmq-rpc'
import { CountPrimes } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://localhost:30024' },
    below: { type: 'string', default: '20000000' },
    calls: { type: 'string', default: '4' },
  },
})

const client = new RpcClient({ req: values.endpoint, timeoutMs: 60_000 })
const start = performance.now()
const since = () => `${((performance.now() - start) / 1000).toFixed(1)} s`

const calls = Array.from({ length: Number(values.calls) }, async () => {
  const { primes, thread } = await client.execute(new CountPrimes(Number(values.below)))
  console.log(`${primes} primes, says thread ${thread} after ${since()}`)
})
// The server itself has nothing to compute, and answers at once.
const { running, waiting } = await client.execute(new Health())
console.log(`${running - 1} under way, ${waiting} waiting after ${since()}`)
await Promise.all(calls)
await client.close()
