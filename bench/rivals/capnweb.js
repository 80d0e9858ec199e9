/** capnweb over a WebSocket of `ws`. */

import { once } from 'node:events'
import { newWebSocketRpcSession, RpcTarget } from 'capnweb'
import { WebSocket, WebSocketServer } from 'ws'
import { serve } from '../lib/agent.js'
import { makeCalls } from '../lib/calls.js'

class Greeter extends RpcTarget {
  /** @param {string} greeting @param {string} name */
  greet(greeting, name) {
    return `${greeting} ${name}`
  }
}

/** capnweb names its global, which Node has from 22 on. */
globalThis.WebSocket ??= WebSocket

let greeter

serve({
  listenEcho: async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    server.on('connection', (socket) => newWebSocketRpcSession(socket, new Greeter()))
    await once(server, 'listening')
    return { port: server.address().port }
  },

  connect: async ({ port }) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
    await once(socket, 'open')
    greeter = newWebSocketRpcSession(socket)
  },

  echo: (work) => makeCalls((greeting, name) => greeter.greet(greeting, name), work),
})
