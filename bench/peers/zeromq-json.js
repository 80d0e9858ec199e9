/** A JSON call over `zeromq`, as one would write it by hand: a DEALER with a map of calls under way, a ROUTER that answers. */

import { Dealer, Router } from 'zeromq'
import { serve } from '../lib/agent.js'
import { makeCalls } from '../lib/calls.js'

/** High enough that nothing is lost: a ROUTER drops where a DEALER waits. */
const MARKS = { sendHighWaterMark: 50_000, receiveHighWaterMark: 50_000 }

/** @type {Dealer} */
let dealer
/** @type {Map<number, (result: string) => void>} */
const calls = new Map()
let lastId = 0
/** Not yet sent: the package refuses a second send while one waits. @type {string[]} */
let unsent = []
let sending = false

/** @param {string} greeting @param {string} name @returns {Promise<string>} */
function greet(greeting, name) {
  const id = ++lastId
  unsent.push(JSON.stringify({ id, greeting, name }))
  if (!sending) void send()
  return new Promise((resolve) => calls.set(id, resolve))
}

async function send() {
  sending = true
  while (unsent.length > 0) {
    const messages = unsent
    unsent = []
    for (const message of messages) await dealer.send(message)
  }
  sending = false
}

serve({
  listenEcho: async () => {
    const router = new Router(MARKS)
    await router.bind('tcp://127.0.0.1:*')
    void (async () => {
      for await (const [client, body] of router) {
        const { id, greeting, name } = JSON.parse(String(body))
        await router.send([client ?? '', JSON.stringify({ id, result: `${greeting} ${name}` })])
      }
    })()
    return { port: Number(router.lastEndpoint?.split(':').at(-1)) }
  },

  connect: ({ port }) => {
    dealer = new Dealer(MARKS)
    dealer.connect(`tcp://127.0.0.1:${port}`)
    void (async () => {
      for await (const [body] of dealer) {
        const { id, result } = JSON.parse(String(body))
        calls.get(id)?.(result)
        calls.delete(id)
      }
    })()
  },

  echo: (work) => makeCalls(greet, work),
})
