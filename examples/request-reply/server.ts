/** Answers `SimpleCommand`s of clients that know the password: client.ts, client.py. */

import { parseArgs } from 'node:util'
import { RpcServer } from 'zmq-rpc'
import { SimpleCommand } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://*:30000' },
    username: { type: 'string', default: 'pi' },
    password: { type: 'string', default: 'secret' },
  },
})

const server = new RpcServer({ rep: values.endpoint, auth: { users: { [values.username]: values.password } } })

server.register(SimpleCommand, ({ param1, param2 }, { principal }) => {
  console.log(`${principal?.username} asks for SimpleCommand with "${param1}" and "${param2}"`)
  return `SimpleCommand was executed with "${param1}" and "${param2}"`
})

// On Ctrl-C and `kill`: calls under way may end, then it stops.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop())

await server.start()
console.log(`listening on ${server.endpoints.join(', ')}`)

await server.stopped
console.log('stopped')
