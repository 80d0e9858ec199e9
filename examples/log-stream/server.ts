/** Lets clients (client.ts) read along in log files. */

import { access, constants, open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RpcServer, ServiceError } from 'zmq-rpc'
import { FollowLog } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://*:30023' },
    folder: { type: 'string', default: '/var/log' },
  },
})

const server = new RpcServer({ rep: values.endpoint })

server.register(FollowLog, async ({ file }, { signal }) => {
  // What comes from afar must not lead out of the folder.
  if (file !== basename(file) || file.startsWith('.')) throw new ServiceError(`"${file}" is no name of a log file`)
  const path = join(values.folder, file)
  // Before the stream begins: so a file that cannot be read is an error of the call itself.
  await access(path, constants.R_OK)
  return linesOf(path, signal)
})

async function* linesOf(path: string, signal: AbortSignal): AsyncGenerator<string> {
  // Here, and not before: a generator that nobody ever reads from does not come to its `finally` either.
  const log = await open(path)
  console.log(`${path} is being read`)
  try {
    const decoder = new TextDecoder()
    const buffer = Buffer.alloc(16 * 1024)
    let unfinished = ''
    while (!signal.aborted) {
      const { bytesRead } = await log.read(buffer)
      const lines = (unfinished + decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split('\n')
      unfinished = lines.pop() ?? ''
      // Waits whenever the reader has enough to do: nothing piles up.
      yield* lines
      if (bytesRead === 0) await setTimeout(200)
    }
  } finally {
    await log.close()
    console.log(`${path} is not read any more`)
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop({ drainMs: 0 }))

await server.start()
console.log(`listening on ${server.endpoints.join(', ')}`)

await server.stopped
console.log('stopped')
