/** Gathers what several publishers say, and publishes it at one place: subscribers need to know only that. */

import { parseArgs } from 'node:util'
import { RpcProxy } from 'zmq-rpc'

const { values } = parseArgs({
  options: {
    from: { type: 'string', multiple: true, default: ['tcp://localhost:30001'] },
    endpoint: { type: 'string', default: 'tcp://*:30011' },
    /** Publishers show it to the proxy, and the proxy to its subscribers. Empty: nobody does, for subscriber.py. */
    username: { type: 'string', default: 'pi' },
    password: { type: 'string', default: 'secret' },
  },
})
const { username, password } = values

const proxy = new RpcProxy({
  // A connection that is silent for a minute, heartbeats included, is made again. Heartbeats are passed on.
  sub: values.from.map((endpoint) => ({ endpoint, heartbeatTimeoutMs: 60_000 })),
  pub: values.endpoint,
  ...(username !== '' && { auth: { users: { [username]: password } }, credentials: { username, password } }),
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void proxy.stop())

await proxy.start()
console.log(`passing on what ${values.from.join(', ')} says, publishing on ${proxy.publishEndpoint}`)

await proxy.stopped
console.log('stopped')
