/** One of several servers that do the same. */

import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RpcServer } from 'zmq-rpc'
import { Square } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://*:30021' },
    name: { type: 'string', default: 'one' },
    /** Each call takes so many ms. */
    work: { type: 'string', default: '20' },
  },
})

const server = new RpcServer({ rep: values.endpoint })

server.register(Square, async ({ n }) => {
  await setTimeout(Number(values.work))
  return { square: n * n, by: values.name }
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop())

await server.start()
console.log(`${values.name} is listening on ${server.endpoints.join(', ')}`)

await server.stopped
console.log(`${values.name} has stopped after ${server.stats().ended} calls`)
