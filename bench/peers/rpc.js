/** `RpcServer` and `RpcClient`: two short strings in, one out. */

import { Command, RpcClient, RpcServer } from 'zmq-rpc'
import { during, serve } from '../lib/agent.js'

/** @extends {Command<string>} */
class SimpleCommand extends Command {
  constructor(param1 = '', param2 = '') {
    super()
    this.param1 = param1
    this.param2 = param2
  }
}

/** @type {RpcClient} */
let client

serve({
  listenEcho: async () => {
    const server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
    server.register(SimpleCommand, ({ param1, param2 }) => `${param1} ${param2}`)
    await server.start()
    return { port: Number(server.endpoints[0]?.split(':').at(-1)) }
  },

  connect: async ({ port }) => {
    client = new RpcClient({ req: `tcp://127.0.0.1:${port}` })
    await client.ready()
  },

  echo: async ({ inFlight, seconds }) => {
    const time = during(seconds)
    const from = performance.now()
    let count = 0
    const caller = async () => {
      while (time.running) {
        const name = `caller ${count++ % 100}`
        const answer = await client.execute(new SimpleCommand('Hello', name))
        if (answer !== `Hello ${name}`) throw new Error(`wrong: ${answer} for ${name}`)
      }
    }
    await Promise.all(Array.from({ length: inFlight }, caller))
    return { count, seconds: (performance.now() - from) / 1000 }
  },
})
