/** Between client and server, when the one cannot reach the other: asks clients for one password, shows another one to the server. */

import { parseArgs } from 'node:util'
import { RpcProxy } from 'zmq-rpc'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://*:30010' },
    /** The server; several: each call goes to one of them. */
    to: { type: 'string', multiple: true, default: ['tcp://localhost:30000'] },
    username: { type: 'string', default: 'pi' },
    password: { type: 'string', default: 'secret' },
    'to-username': { type: 'string', default: 'pi' },
    'to-password': { type: 'string', default: 'secret' },
  },
})

const proxy = new RpcProxy({
  rep: values.endpoint,
  auth: { users: { [values.username]: values.password } },
  req: values.to,
  credentials: { username: values['to-username'], password: values['to-password'] },
  // Shorter than the clients of pyzmqrpc3 wait, who do not say how long that is: so they hear why a call failed.
  timeoutMs: 10_000,
})

// On Ctrl-C and `kill`: calls under way may end, then it stops.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void proxy.stop())

await proxy.start()
console.log(`passing on to ${values.to.join(', ')}, listening on ${proxy.endpoints.join(', ')}`)

await proxy.stopped
const { ended, failed } = proxy.stats().incoming
console.log(`stopped after ${ended} calls; failed: ${JSON.stringify(failed)}`)
