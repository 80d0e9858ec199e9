/** tRPC over a WebSocket of `ws`. */

import { once } from 'node:events'
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client'
import { initTRPC } from '@trpc/server'
import { applyWSSHandler } from '@trpc/server/adapters/ws'
import { WebSocket, WebSocketServer } from 'ws'
import { serve } from '../lib/agent.js'
import { makeCalls } from '../lib/calls.js'

/** The least that counts as a check of the input. @param {any} input */
function parse({ greeting, name }) {
  if (typeof greeting !== 'string' || typeof name !== 'string') throw new Error('two strings, please')
  return { greeting, name }
}

const { router, procedure } = initTRPC.create()
const greeter = router({ greet: procedure.input(parse).query(({ input: { greeting, name } }) => `${greeting} ${name}`) })

let client

serve({
  listenEcho: async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    applyWSSHandler({ wss: server, router: greeter })
    await once(server, 'listening')
    return { port: server.address().port }
  },

  connect: ({ port }) => {
    client = createTRPCClient({ links: [wsLink({ client: createWSClient({ url: `ws://127.0.0.1:${port}`, WebSocket }) })] })
  },

  echo: (work) => makeCalls((greeting, name) => client.greet.query({ greeting, name }), work),
})
