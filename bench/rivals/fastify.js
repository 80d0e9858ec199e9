/** HTTP: Fastify with schemas, undici with a pool of connections that are kept. */

import fastify from 'fastify'
import { Pool } from 'undici'
import { serve } from '../lib/agent.js'
import { makeCalls } from '../lib/calls.js'

/** The best of 1 to 100 tried; pipelining made it slower. */
const connections = 50

const string = { type: 'string' }
const schema = {
  body: { type: 'object', required: ['greeting', 'name'], properties: { greeting: string, name: string } },
  response: { 200: { type: 'object', properties: { result: string } } },
}
const REQUEST = { method: 'POST', path: '/greet', headers: { 'content-type': 'application/json' } }

/** @type {Pool} */
let pool

serve({
  listenEcho: async () => {
    const server = fastify()
    server.post('/greet', { schema }, async ({ body: { greeting, name } }) => ({ result: `${greeting} ${name}` }))
    await server.listen({ port: 0, host: '127.0.0.1' })
    return { port: server.server.address().port }
  },

  connect: ({ port }) => {
    pool = new Pool(`http://127.0.0.1:${port}`, { connections })
  },

  echo: (work) =>
    makeCalls(async (greeting, name) => {
      const { body } = await pool.request({ ...REQUEST, body: JSON.stringify({ greeting, name }) })
      const { result } = await body.json()
      return result
    }, work),
})
