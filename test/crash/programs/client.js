/** `node client.js ENDPOINT NAME EPOCH ACKS`: submits one Append after the other, several at a time, and writes each that was accepted to ACKS. */

import { appendFileSync } from 'node:fs'
import { RpcClient } from '../../../dist/index.js'
import { Append } from './append.js'

const [endpoint = '', name = '', epoch = '', acks = ''] = process.argv.slice(2)
const WINDOW = 16

const client = new RpcClient({ req: endpoint, timeoutMs: 3000 })
let stopping = false
process.on('SIGTERM', () => {
  stopping = true
})
let n = 0
console.log('ready')

async function submitAll() {
  while (!stopping) {
    const command = Object.assign(new Append(), { sender: name, epoch: Number(epoch), n: n++ })
    try {
      const key = `${name}-${epoch}-${command.n}`
      await client.submit(command, { idempotencyKey: key, orderingKey: name })
      appendFileSync(acks, `${name} ${epoch} ${command.n}\n`)
    } catch {
      // It may have been kept all the same; what counts is what was said.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
await Promise.all(Array.from({ length: WINDOW }, submitAll))
await client.close()
