/**
 * Raw `node:net`: bytes there and back, nothing parsed. The limit that everything else is measured against. What is published in one turn
 * is corked; with the argument `each`, each message is a write of its own.
 */

import { connect, createServer } from 'node:net'
import { during, serve } from '../lib/agent.js'
import { BODIES, BODY_BYTES, checkStream, streamAt } from '../lib/bodies.js'
import { Publication, subscriptions } from '../lib/publishing.js'

const writesEach = process.argv[2] === 'each'

/** @typedef {import('node:net').Socket} Socket */

/** @param {(socket: Socket) => void} accepted */
async function listen(accepted) {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {})
    accepted(socket)
  })
  await new Promise((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 1000 }, () => resolve(undefined)))
  return { port: /** @type {import('node:net').AddressInfo} */ (server.address()).port }
}

/** @type {Socket} */
let socket
const publication = new Publication()
/** @type {Socket[]} */
const subscribers = []

serve({
  listenEcho: () => listen((peer) => peer.on('data', (chunk) => peer.write(chunk))),

  listenEchoLarge: () =>
    listen((peer) => {
      peer.on('data', (chunk) => {
        if (!peer.write(chunk)) peer.pause()
      })
      peer.on('drain', () => peer.resume())
    }),

  connect: async ({ port }) => {
    socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await new Promise((resolve) => socket.once('connect', resolve))
  },

  /** So many bodies in flight: what came back, in whole bodies, is sent again. */
  echo: ({ inFlight, seconds }) =>
    new Promise((resolve) => {
      const time = during(seconds)
      const from = performance.now()
      let [sent, received] = [0, 0]
      const send = (/** @type {number} */ bodies) => {
        socket.write(streamAt(sent, bodies * BODY_BYTES))
        sent += bodies * BODY_BYTES
      }
      const onData = (/** @type {Buffer} */ chunk) => {
        checkStream(chunk, received)
        received += chunk.length
        const back = inFlight - Math.ceil((sent - received) / BODY_BYTES)
        if (time.running && back > 0) send(back)
        if (received < sent || time.running) return
        socket.off('data', onData)
        resolve({ count: received / BODY_BYTES, seconds: (performance.now() - from) / 1000 })
      }
      socket.on('data', onData)
      send(inFlight)
    }),

  echoLarge: ({ bytes, inFlight, seconds }) =>
    new Promise((resolve, reject) => {
      const body = Buffer.alloc(bytes, 'large')
      const time = during(seconds)
      const from = performance.now()
      let [sent, received] = [0, 0]
      const onData = (/** @type {Buffer} */ chunk) => {
        const place = received % bytes
        const whole = chunk.subarray(0, bytes - place)
        if (!whole.equals(body.subarray(place, place + whole.length))) reject(new Error('wrong bytes'))
        const before = Math.floor(received / bytes)
        received += chunk.length
        if (Math.floor(received / bytes) === before) return
        if (time.running) {
          socket.write(body)
          sent += bytes
        } else if (received === sent) {
          socket.off('data', onData)
          resolve({ count: received / bytes, seconds: (performance.now() - from) / 1000 })
        }
      }
      socket.on('data', onData)
      for (; sent < inFlight * bytes; sent += bytes) socket.write(body)
    }),

  listenPublish: async () => ({ ...(await listen((peer) => subscribers.push(peer))), ackPort: await publication.listen() }),

  introduce: ({ count }) =>
    publication.introduce(count, (body) => {
      for (const peer of subscribers) peer.write(body)
    }),

  publish: ({ seconds }) =>
    publication.run(seconds, subscribers.length, async (bodies) => {
      if (!writesEach) for (const peer of subscribers) peer.cork()
      for (const body of bodies) for (const peer of subscribers) peer.write(body)
      if (!writesEach) for (const peer of subscribers) peer.uncork()
      for (const peer of subscribers) if (peer.writableNeedDrain) await new Promise((resolve) => peer.once('drain', resolve))
    }),

  subscribe: ({ port, ackPort, count }) => {
    for (const subscription of subscriptions(ackPort, count)) {
      let received = 0
      connect({ port, host: '127.0.0.1' }).on('data', (chunk) => {
        // The first body of the stream is zeros; probes have none.
        const start = received === 0 ? chunk.indexOf(BODIES[0]?.[0] ?? 0) : 0
        if (received === 0) subscription.introduced()
        if (start < 0) return
        const bytes = chunk.subarray(start)
        checkStream(bytes, received)
        received += bytes.length
        subscription.took(Math.floor((received - subscription.bytes) / BODY_BYTES))
      })
    }
  },

  listenIdle: () => listen((peer) => void peer.resume()),
  memory: () => {
    for (let times = 0; times < 3; times++) globalThis.gc?.()
    return process.memoryUsage().rss
  },
})
