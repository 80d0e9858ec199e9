/** Commands of some 200 bytes, from `submit` to the receipt: a buffered proxy, the server behind it, and the client. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, RpcClient, RpcProxy, RpcServer } from 'zmq-rpc'
import { during, serve } from '../lib/agent.js'

class Store extends Command {
  text = 'x'.repeat(100)
}

const portOf = (/** @type {string[]} */ endpoints) => Number(endpoints[0]?.split(':').at(-1))
const at = (/** @type {number} */ port) => `tcp://127.0.0.1:${port}`

/** @type {RpcClient} */
let client

serve({
  listenServer: async () => {
    const server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
    server.register(Store, () => {})
    await server.start()
    return { port: portOf(server.endpoints) }
  },

  /** Without `port` nobody takes what it keeps. */
  listen: async ({ port }) => {
    const path = mkdtempSync(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'bench-buffer-'))
    process.on('exit', () => rmSync(path, { recursive: true }))
    const proxy = new RpcProxy({ rep: 'tcp://127.0.0.1:0', req: port === undefined ? 'ipc:///nowhere.sock' : at(port), buffer: { path } })
    await proxy.start()
    return { port: portOf(proxy.endpoints) }
  },

  connect: async ({ port }) => {
    client = new RpcClient({ req: at(port), maxQueued: 10_000 })
    await client.ready()
  },

  submit: async ({ inFlight, seconds }) => {
    const time = during(seconds)
    const from = performance.now()
    let count = 0
    const submitAll = async () => {
      for (; time.running; count++) await client.submit(new Store())
    }
    await Promise.all(Array.from({ length: inFlight }, submitAll))
    return { count, seconds: (performance.now() - from) / 1000 }
  },
})
