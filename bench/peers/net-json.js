/** Raw `node:net` with one line of JSON each way: the limit of an RPC with JSON. Two short strings in, one out. */

import { connect, createServer } from 'node:net'
import { during, serve } from '../lib/agent.js'

/** @type {import('node:net').Socket} */
let socket

/** Whole lines out of chunks, all of a chunk at once. @param {import('node:net').Socket} peer @param {(lines: string[]) => void} take */
function onLines(peer, take) {
  let rest = ''
  peer.setEncoding('utf8').on('data', (/** @type {any} */ text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    if (lines.length > 0) take(lines)
  })
}

serve({
  listenEcho: async () => {
    const server = createServer({ noDelay: true }, (peer) => {
      peer.on('error', () => {})
      onLines(peer, (lines) => {
        let replies = ''
        for (const line of lines) {
          const { id, greeting, name } = JSON.parse(line)
          replies += `${JSON.stringify({ id, result: `${greeting} ${name}` })}\n`
        }
        peer.write(replies)
      })
    })
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
    return { port: /** @type {import('node:net').AddressInfo} */ (server.address()).port }
  },

  connect: async ({ port }) => {
    socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await new Promise((resolve) => socket.once('connect', resolve))
  },

  echo: ({ inFlight, seconds }) =>
    new Promise((resolve, reject) => {
      const time = during(seconds)
      const from = performance.now()
      let [sent, received] = [0, 0]
      const call = () => `${JSON.stringify({ id: ++sent, greeting: 'Hello', name: `caller ${sent % 100}` })}\n`
      socket.removeAllListeners('data')
      onLines(socket, (lines) => {
        let calls = ''
        for (const line of lines) {
          const { id, result } = JSON.parse(line)
          if (id !== ++received || result !== `Hello caller ${id % 100}`) reject(new Error(`wrong: ${line}`))
          if (time.running) calls += call()
        }
        if (calls !== '') socket.write(calls)
        else if (received === sent) resolve({ count: received, seconds: (performance.now() - from) / 1000 })
      })
      let calls = ''
      while (sent < inFlight) calls += call()
      socket.write(calls)
    }),
})
