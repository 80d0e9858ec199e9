/** Where the samples are wanted: notes which have come, and says at the end (SIGTERM) whether any is missing or out of order. */

import { parseArgs } from 'node:util'
import { RpcServer } from 'zmq-rpc'
import { Sample } from './commands.ts'

const { endpoint } = parseArgs({ options: { endpoint: { type: 'string', default: 'tcp://*:30000' } } }).values
const last = new Map<string, number>()
const wrong: string[] = []

const server = new RpcServer({ rep: endpoint })
server.register(Sample, ({ sensor, n }) => {
  const before = last.get(sensor) ?? 0
  // A Python sensor that heard no answer sends its sample again: that one is known.
  if (n <= before) return
  if (n > before + 1) wrong.push(`${sensor}: ${n} came after ${before}`)
  last.set(sensor, n)
  if (n % 50 === 0) console.log(`${sensor}: ${n} samples, in order`)
})
await server.start()
console.log(`listening on ${server.endpoints.join(', ')}`)

process.once('SIGTERM', async () => {
  await server.stop()
  console.log(wrong.length === 0 ? 'nothing is missing' : `wrong: ${wrong.join('; ')}`)
  process.exit(wrong.length === 0 ? 0 : 1)
})
