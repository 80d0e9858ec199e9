/**
 * Raw `node:net` with one line of JSON each way: what a call costs at least with JSON, a promise for each caller and a table in which
 * its reply finds it; no limits, no deadlines, no errors. Lines of one turn are one write; with the argument `each`, each is one.
 */

import { connect, createServer } from 'node:net'
import { serve } from '../lib/agent.js'
import { makeCalls } from '../lib/calls.js'

const writesEach = process.argv[2] === 'each'

/** @typedef {import('node:net').Socket} Socket */

/** @type {Socket} */
let socket
/** @type {Map<number, (result: string) => void>} */
const calls = new Map()
let lastId = 0
let unsent = ''

/** Whole lines out of chunks, all of a chunk at once. @param {Socket} peer @param {(lines: string[]) => void} take */
function onLines(peer, take) {
  let rest = ''
  peer.setEncoding('utf8').on('data', (/** @type {any} */ text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    if (lines.length > 0) take(lines)
  })
}

/** @param {string} greeting @param {string} name @returns {Promise<string>} */
function greet(greeting, name) {
  const id = ++lastId
  const line = `${JSON.stringify({ id, greeting, name })}\n`
  if (writesEach) {
    socket.write(line)
  } else {
    if (unsent === '') process.nextTick(flush)
    unsent += line
  }
  return new Promise((resolve) => calls.set(id, resolve))
}

function flush() {
  socket.write(unsent)
  unsent = ''
}

/** @param {string[]} lines @param {Socket} peer */
function answer(lines, peer) {
  let replies = ''
  for (const line of lines) {
    const { id, greeting, name } = JSON.parse(line)
    const reply = `${JSON.stringify({ id, result: `${greeting} ${name}` })}\n`
    if (writesEach) peer.write(reply)
    else replies += reply
  }
  if (!writesEach) peer.write(replies)
}

serve({
  listenEcho: async () => {
    const server = createServer({ noDelay: true }, (peer) => {
      peer.on('error', () => {})
      onLines(peer, (lines) => answer(lines, peer))
    })
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
    return { port: /** @type {import('node:net').AddressInfo} */ (server.address()).port }
  },

  connect: async ({ port }) => {
    socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await new Promise((resolve) => socket.once('connect', resolve))
    onLines(socket, (lines) => {
      for (const line of lines) {
        const { id, result } = JSON.parse(line)
        calls.get(id)?.(result)
        calls.delete(id)
      }
    })
  },

  echo: (work) => makeCalls(greet, work),
})
