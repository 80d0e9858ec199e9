/** Takes the temperatures of one or more publishers that know the password: publisher.ts, publisher.py. */

import { subscribe } from 'node:diagnostics_channel'
import { parseArgs } from 'node:util'
import { type RpcEvents, RpcServer } from 'zmq-rpc'
import { Reading } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', multiple: true, default: ['tcp://localhost:30001'] },
    username: { type: 'string', default: 'pi' },
    password: { type: 'string', default: 'secret' },
    /** Stops after so many readings; 0: never. */
    count: { type: 'string', default: '0' },
  },
})

const server = new RpcServer({
  // A connection that is silent for a minute, heartbeats included, is made again.
  sub: values.endpoint.map((endpoint) => ({ endpoint, heartbeatTimeoutMs: 60_000 })),
  // The side that carries commands out asks who sends them: here the subscriber asks the publishers.
  auth: { users: { [values.username]: values.password } },
})

let received = 0
server.register(Reading, ({ sensor, celsius }, { principal }) => {
  console.log(`${principal?.username} says: ${sensor} ${celsius} °C`)
  received++
  if (received === Number(values.count)) void server.stop()
})

// Nobody waits for an answer here, so nobody would hear of a refused publisher.
subscribe('zmq-rpc:handshake:failed', (event) => {
  const { endpoint, error } = event as RpcEvents['zmq-rpc:handshake:failed']
  console.log(`no connection with ${endpoint}: ${error.message}`)
})

// On Ctrl-C and `kill`: calls under way may end, then it stops.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop())

await server.start()
console.log(`listening to ${values.endpoint.join(', ')}`)

await server.stopped
console.log('stopped')
