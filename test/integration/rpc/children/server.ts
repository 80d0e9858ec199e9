/** A server of its own process: told its endpoint, says when it is bound, and goes on until it is killed. */

import { Command, RpcServer } from '../../../../src/index.ts'

class Count extends Command<number> {
  n = 0
}

const server = new RpcServer({ rep: process.argv[2] as string })
server.register(Count, async ({ n }) => {
  // Some at once, some later: whenever it is killed, something is under way.
  if (n % 3 > 0) await new Promise((resolve) => setTimeout(resolve, n % 40))
  return n
})
await server.start()
process.stdout.write(`${server.endpoints[0]}\n`)
