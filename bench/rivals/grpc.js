/** @grpc/grpc-js: unary calls over one channel. */

import { fileURLToPath } from 'node:url'
import { Client, credentials, loadPackageDefinition, Server, ServerCredentials } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { serve } from '../lib/agent.js'
import { makeCalls } from '../lib/calls.js'

/** As many streams as it takes; statistics and a second try cost, and are not needed. */
const OPTIONS = { 'grpc.max_concurrent_streams': 10_000, 'grpc.enable_channelz': 0, 'grpc.enable_retries': 0 }

const { Greeter } = loadPackageDefinition(loadSync(fileURLToPath(new URL('greet.proto', import.meta.url))))

/** @type {Client} */
let client

/** @param {string} greeting @param {string} name @returns {Promise<string>} */
function greet(greeting, name) {
  return new Promise((resolve, reject) => {
    client.greet({ greeting, name }, (/** @type {Error | null} */ error, /** @type {{ result: string }} */ reply) => {
      if (error) reject(error)
      else resolve(reply.result)
    })
  })
}

serve({
  listenEcho: () => {
    const server = new Server(OPTIONS)
    server.addService(Greeter.service, {
      greet: ({ request: { greeting, name } }, reply) => reply(null, { result: `${greeting} ${name}` }),
    })
    return new Promise((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve({ port })))
    })
  },

  connect: ({ port }) => {
    client = new Greeter(`127.0.0.1:${port}`, credentials.createInsecure(), OPTIONS)
    return new Promise((resolve, reject) => client.waitForReady(Date.now() + 10_000, (error) => (error ? reject(error) : resolve(null))))
  },

  echo: (work) => makeCalls(greet, work),
})
