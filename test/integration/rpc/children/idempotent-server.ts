/** A server whose answers to idempotency keys are on disk. Told its endpoint, the folder, a file for each run of its service, and what to do with what was interrupted. */

import { appendFileSync } from 'node:fs'
import { Command, RpcServer } from '../../../../src/index.ts'

class Count extends Command<number> {
  n = 0
}

const [endpoint, path, runs, interrupted] = process.argv.slice(2) as [string, string, string, 'again' | 'refuse']
const server = new RpcServer({ rep: endpoint, idempotency: { path, interrupted } })
server.register(Count, async ({ n }, { idempotencyKey }) => {
  appendFileSync(runs, `${idempotencyKey}\n`)
  if (n % 3 > 0) await new Promise((resolve) => setTimeout(resolve, n < 0 ? 1e6 : n % 20))
  return n
})
await server.start()
process.stdout.write(`${server.endpoints[0]}\n`)
