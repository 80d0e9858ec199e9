/**
 * A peer that is made to be killed: `peer.js PACKAGE ROLE WHO ENDPOINT [SECURITY]`. It does what its role does until it is
 * killed, or told to end in good order; what it finds wrong it tells its parent.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { Checker, message } from './messages.js'

const [packageName = '', role = '', who = '', endpoint = '', security = '{}'] = process.argv.slice(2)
const zmq = /** @type {typeof import('zeromq')} */ (await import(packageName))
/** @type {object} */
const common = { linger: 1000, ...JSON.parse(security) }
const sends = { ...common, sendHighWaterMark: 200 }
const receives = { ...common, receiveHighWaterMark: 200 }
const both = { ...sends, ...receives }

let running = true
/** A parent that is gone hears nothing. @param {object} news */
const tell = (news) => process.connected && process.send?.(news, () => {})
const complain = (/** @type {string} */ text) => tell({ complaint: `${packageName} ${who}: ${text}` })
const checker = (/** @type {boolean} */ contiguous) => {
  const made = new Checker(role, contiguous, complain)
  setInterval(() => tell({ count: made.count }), 200).unref()
  return made
}

/** So many messages at a time, then a pause: what counts here is what happens, not how quickly. */
const BATCH = 10
const PAUSE_MS = 5

/** @param {(number: number) => Promise<unknown>} send */
async function steadily(send) {
  for (let number = 0; running; number++) {
    await send(number)
    if (number % BATCH === 0) await sleep(PAUSE_MS)
  }
}

/** Whoever had the port before may still be dying. @param {import('zeromq').Socket} socket */
async function bind(socket) {
  for (;;) {
    try {
      return await socket.bind(endpoint)
    } catch {
      await sleep(50)
    }
  }
}

/** @type {Record<string, () => Promise<import('zeromq').Socket>>} */
const ROLES = {
  async push() {
    const push = new zmq.Push(sends)
    push.connect(endpoint)
    void steadily((number) => push.send(message(who, number))).catch(ended)
    return push
  },

  async pull() {
    const pull = new zmq.Pull(receives)
    pull.connect(endpoint)
    const checks = checker(false)
    void (async () => {
      for await (const frames of pull) checks.check(frames)
    })().catch(ended)
    return pull
  },

  async request() {
    const request = new zmq.Request(both)
    request.connect(endpoint)
    const checks = checker(true)
    void steadily(async (number) => {
      await request.send(message(who, number))
      checks.check(await request.receive())
    }).catch(ended)
    return request
  },

  async reply() {
    const reply = new zmq.Reply(both)
    await bind(reply)
    void (async () => {
      for await (const frames of reply) await reply.send(frames)
    })().catch(ended)
    return reply
  },

  async dealer() {
    const dealer = new zmq.Dealer({ ...both, routingId: who })
    dealer.connect(endpoint)
    const checks = checker(true)
    void steadily((number) => dealer.send(message(who, number))).catch(ended)
    void (async () => {
      for await (const frames of dealer) checks.check(frames)
    })().catch(ended)
    return dealer
  },

  async router() {
    const router = new zmq.Router(both)
    await bind(router)
    void (async () => {
      for await (const frames of router) await router.send(frames)
    })().catch(ended)
    return router
  },

  async publisher() {
    const publisher = new zmq.Publisher(sends)
    await bind(publisher)
    void steadily((number) => publisher.send([`${number % 4}${who}`, ...message(who, number)])).catch(ended)
    return publisher
  },

  async xpublisher() {
    const publisher = new zmq.XPublisher(both)
    await bind(publisher)
    void (async () => {
      for await (const [news] of publisher) if (news === undefined || ![0, 1].includes(news[0] ?? 2)) complain(`news: ${news}`)
    })().catch(ended)
    void steadily((number) => publisher.send([`${number % 4}${who}`, ...message(who, number)])).catch(ended)
    return publisher
  },

  async xsubscriber() {
    const subscriber = new zmq.XSubscriber(both)
    subscriber.connect(endpoint)
    for (const topic of ['1', '3']) await subscriber.send(Buffer.from(`\x01${topic}`))
    const checks = checker(false)
    void (async () => {
      for await (const [topic, ...frames] of subscriber) {
        if (!/^[13]/.test(String(topic))) complain(`the topic ${topic} was not subscribed to`)
        checks.check(frames)
      }
    })().catch(ended)
    return subscriber
  },

  async pair() {
    const pair = new zmq.Pair(both)
    pair.connect(endpoint)
    const checks = checker(true)
    void steadily((number) => pair.send(message(who, number))).catch(ended)
    void (async () => {
      for await (const frames of pair) checks.check(frames)
    })().catch(ended)
    return pair
  },

  async subscriber() {
    const subscriber = new zmq.Subscriber(receives)
    subscriber.connect(endpoint)
    subscriber.subscribe('1', '3')
    const checks = checker(false)
    let count = 0
    void (async () => {
      for await (const [topic, ...frames] of subscriber) {
        if (!/^[13]/.test(String(topic))) complain(`the topic ${topic} was not subscribed to`)
        checks.check(frames)
        // Topics come and go while it lasts; 3 always does.
        if (++count % 100 === 0) subscriber.unsubscribe('1')
        if (count % 100 === 50 && count > 100) subscriber.subscribe('1')
      }
    })().catch(ended)
    return subscriber
  },
}

/** @param {unknown} error */
function ended(error) {
  if (running) complain(String(error))
}

const socket = await ROLES[role]?.()

async function end() {
  running = false
  await socket?.close()
  process.exit()
}

process.on('message', end)
process.on('disconnect', () => process.exit())
