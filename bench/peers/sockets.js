/**
 * ZeroMQ sockets in Node, by the API that `zeromq` and `zmq-rpc/sockets` share: the same code for both, as anyone would
 * write it. The package is the argument. With `batches` behind it, by `sendMany` and `receiveMany`, which only ours has.
 */

import { during, serve } from '../lib/agent.js'
import { BODIES, CYCLE, check } from '../lib/bodies.js'
import { Publication, subscriptions } from '../lib/publishing.js'

const zmq = /** @type {typeof import('zeromq')} */ (await import(process.argv[2] ?? ''))
const inBatches = process.argv[3] === 'batches'

/** @type {import('zeromq').Dealer} */
let dealer
const publication = new Publication()
/** @type {import('zeromq').Publisher} */
let publisher
/** Kept: `zeromq` closes a socket that is garbage. @type {import('zeromq').Router} */
let idle

/** High enough that nothing is lost: libzmq counts late what was read, and a ROUTER drops where a DEALER waits. */
const MARKS = { sendHighWaterMark: 50_000, receiveHighWaterMark: 50_000 }
const TOPIC = BODIES[0]?.subarray(0, 0) ?? ''

async function listenEcho() {
  const router = new zmq.Router(MARKS)
  await router.bind('tcp://127.0.0.1:*')
  void (async () => {
    if (inBatches) return echoBatches(/** @type {any} */ (router))
    for await (const [id, body] of router) await router.send([/** @type {Buffer} */ (id), /** @type {Buffer} */ (body)])
  })()
  return { port: portOf(router) }
}

/** @param {import('../../src/socket/index.ts').Router} router */
async function echoBatches(router) {
  for (;;) await router.sendMany(await router.receiveMany())
}

/** @param {{ lastEndpoint: string | null }} socket */
function portOf({ lastEndpoint }) {
  return Number(lastEndpoint?.split(':').at(-1))
}

serve({
  listenEcho,
  listenEchoLarge: listenEcho,

  connect: ({ port }) => {
    dealer = new zmq.Dealer(MARKS)
    dealer.connect(`tcp://127.0.0.1:${port}`)
  },

  echo: async ({ inFlight, seconds }) => {
    const time = during(seconds)
    const from = performance.now()
    let [sent, received] = [0, 0]
    if (inBatches) {
      const batches = /** @type {import('../../src/socket/index.ts').Dealer} */ (/** @type {unknown} */ (dealer))
      const send = (/** @type {number} */ count) => batches.sendMany(Array.from({ length: count }, () => BODIES[sent++ % CYCLE] ?? ''))
      await send(inFlight)
      while (received < sent) {
        const messages = await batches.receiveMany()
        for (const [body] of messages) check(body, received++ % CYCLE)
        if (time.running) await send(messages.length)
      }
      return { count: received, seconds: (performance.now() - from) / 1000 }
    }
    for (; sent < inFlight; sent++) await dealer.send(/** @type {Buffer} */ (BODIES[sent % CYCLE]))
    while (received < sent) {
      const [body] = await dealer.receive()
      check(body, received++ % CYCLE)
      if (time.running) await dealer.send(/** @type {Buffer} */ (BODIES[sent++ % CYCLE]))
    }
    return { count: received, seconds: (performance.now() - from) / 1000 }
  },

  echoLarge: async ({ bytes, inFlight, seconds }) => {
    const large = Buffer.alloc(bytes, 'large')
    const time = during(seconds)
    const from = performance.now()
    let [sent, received] = [0, 0]
    for (; sent < inFlight; sent++) await dealer.send(large)
    for (; received < sent; received++) {
      const [body] = await dealer.receive()
      if (!body?.equals(large)) throw new Error('wrong bytes')
      if (!time.running) continue
      await dealer.send(large)
      sent++
    }
    return { count: received, seconds: (performance.now() - from) / 1000 }
  },

  listenPublish: async () => {
    publisher = new zmq.Publisher({ sendHighWaterMark: MARKS.sendHighWaterMark })
    await publisher.bind('tcp://127.0.0.1:*')
    return { port: portOf(publisher), ackPort: await publication.listen() }
  },

  introduce: ({ count }) => publication.introduce(count, (body) => publisher.send(body)),

  publish: ({ seconds, count }) =>
    publication.run(seconds, count, async (bodies) => {
      if (inBatches) await /** @type {any} */ (publisher).sendMany(bodies)
      else for (const body of bodies) await publisher.send(body)
    }),

  /** `others`: subscriptions besides, to what never comes. */
  subscribe: ({ port, ackPort, count, others = 0 }) => {
    for (const subscription of subscriptions(ackPort, count)) {
      const subscriber = new zmq.Subscriber({ receiveHighWaterMark: MARKS.receiveHighWaterMark })
      subscriber.connect(`tcp://127.0.0.1:${port}`)
      for (let index = 0; index < others; index++) subscriber.subscribe(`never ${index}`)
      subscriber.subscribe(TOPIC)
      void (async () => {
        if (!inBatches) for await (const [body] of subscriber) subscription.take(body)
        for (;;) for (const [body] of await /** @type {any} */ (subscriber).receiveMany()) subscription.take(body)
      })()
    }
  },

  listenIdle: async () => {
    idle = new zmq.Router()
    await idle.bind('tcp://127.0.0.1:*')
    return { port: portOf(idle) }
  },
  memory: () => {
    for (let times = 0; times < 3; times++) globalThis.gc?.()
    return process.memoryUsage().rss
  },
})
