/** Has the server (server.ts) open a door. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { RpcClient } from 'zmq-rpc'
import { OpenDoor } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://localhost:30020' },
    keys: { type: 'string', default: 'keys' },
    name: { type: 'string', default: 'roof' },
    door: { type: 'string', default: 'hatch' },
  },
})

const key = (file: string): Promise<string> => readFile(join(values.keys, file), 'utf8')

const client = new RpcClient({
  req: values.endpoint,
  // Whoever has not the secret key to `serverKey` learns nothing of what is sent, whatever address it has taken over.
  credentials: { curve: { serverKey: await key('server.public'), secretKey: await key(`${values.name}.secret`) } },
  timeoutMs: 10_000,
})

try {
  console.log(await client.execute(new OpenDoor(values.door)))
} catch (error) {
  console.error(`${error}`)
  process.exitCode = 1
} finally {
  await client.close()
}
