/** NATS request/reply: the service answers from a callback, the client has one inbox for all requests, which is the default. */

import { connect } from '@nats-io/transport-node'
import { serve } from '../lib/agent.js'
import { makeCalls } from '../lib/calls.js'

/** Without `noAsyncTraces` each request makes a stack trace. */
const noAsyncTraces = true
/** Well above what a call takes with 1000 in flight. */
const OPTIONS = { timeout: 30_000 }

let connection

serve({
  /** `port`: of the nats-server. */
  listenEcho: async ({ port }) => {
    connection = await connect({ port, noAsyncTraces })
    connection.subscribe('greet', {
      callback: (error, message) => {
        if (error) throw error
        const { greeting, name } = message.json()
        message.respond(JSON.stringify({ result: `${greeting} ${name}` }))
      },
    })
    await connection.flush()
    return { port }
  },

  connect: async ({ port }) => {
    connection = await connect({ port, noAsyncTraces })
  },

  echo: (work) =>
    makeCalls(async (greeting, name) => {
      const reply = await connection.request('greet', JSON.stringify({ greeting, name }), OPTIONS)
      return reply.json().result
    }, work),
})
