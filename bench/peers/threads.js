/** `RpcServer` with so many threads as the argument says, 0 for none; and a client of it. */

import { RpcClient, RpcServer } from 'zmq-rpc'
import { during, serve } from '../lib/agent.js'
import { makeCalls } from '../lib/calls.js'
import register, { Binary, Compute, Greet, Wait } from './threads-services.js'

const threads = Number(process.argv[2])
const options = threads === 0 ? {} : { threads, services: new URL('./threads-services.js', import.meta.url) }

/** @type {RpcClient} */
let client

const COMMANDS = {
  compute: () => Object.assign(new Compute(), { rounds: 5_000_000 }),
  computeLong: () => Object.assign(new Compute(), { rounds: 50_000_000 }),
  wait: () => Object.assign(new Wait(), { ms: 5 }),
  binary: () => Object.assign(new Binary(), { bytes: new Uint8Array(1024 * 1024) }),
}

serve({
  listen: async () => {
    const server = new RpcServer({ rep: 'tcp://127.0.0.1:0', ...options })
    if (threads === 0) await register(server, { data: undefined, index: 0 })
    await server.start()
    return { endpoint: server.endpoints[0] }
  },

  connect: async ({ endpoint }) => {
    client = new RpcClient({ req: endpoint })
    await client.ready()
  },

  greet: (work) => makeCalls((greeting, name) => client.execute(new Greet(greeting, name)), work),

  /** @param {{ kind: keyof typeof COMMANDS, inFlight: number, seconds: number }} work */
  call: async ({ kind, inFlight, seconds }) => {
    const time = during(seconds)
    const from = performance.now()
    let count = 0
    const caller = async () => {
      for (; time.running; count++) await client.execute(/** @type {import('zmq-rpc').Command} */ (COMMANDS[kind]()))
    }
    await Promise.all(Array.from({ length: inFlight }, caller))
    return { count, seconds: (performance.now() - from) / 1000 }
  },
})
