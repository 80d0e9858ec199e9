/** `RpcServer` and `RpcClient`. The dialect is the argument; without one, what the two speak with each other. */

import { Command, RpcClient, RpcServer } from 'zmq-rpc'
import { serve } from '../lib/agent.js'
import { makeCalls } from '../lib/calls.js'

/** @extends {Command<string>} */
class Greet extends Command {
  constructor(greeting = '', name = '') {
    super()
    this.greeting = greeting
    this.name = name
  }
}

const dialect = /** @type {'pyzmqrpc3' | undefined} */ (process.argv[2])
const options = dialect === undefined ? {} : { dialect }

/** @type {RpcClient} */
let client

serve({
  listenEcho: async () => {
    const server = new RpcServer({ rep: 'tcp://127.0.0.1:0', ...options })
    server.register(Greet, ({ greeting, name }) => `${greeting} ${name}`)
    await server.start()
    return { port: Number(server.endpoints[0]?.split(':').at(-1)) }
  },

  connect: async ({ port }) => {
    client = new RpcClient({ req: `tcp://127.0.0.1:${port}`, ...options })
    await client.ready()
  },

  echo: (work) => makeCalls((greeting, name) => client.execute(new Greet(greeting, name)), work),
})
