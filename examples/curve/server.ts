/** Opens doors for clients whose public keys lie in its folder of keys: client.ts. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { RpcServer } from 'zmq-rpc'
import { OpenDoor } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://*:30020' },
    keys: { type: 'string', default: 'keys' },
  },
})

/** By name: the files are what is to be said about who may come in. */
const allow: Record<string, string> = {}
for (const file of await readdir(values.keys)) {
  const name = file.replace(/\.public$/, '')
  if (name !== file && name !== 'server') allow[name] = await readFile(join(values.keys, file), 'utf8')
}

const secretKey = await readFile(join(values.keys, 'server.secret'), 'utf8')
const server = new RpcServer({ rep: values.endpoint, auth: { curve: { secretKey, allow } } })

server.register(OpenDoor, ({ door }, { principal }) => {
  console.log(`${principal?.username} opens the ${door}`)
  return `the ${door} is open`
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop())

await server.start()
console.log(`open to ${Object.keys(allow).join(', ')}, listening on ${server.endpoints.join(', ')}`)

await server.stopped
console.log('stopped')
