/** Writes the lines of a log file of another host (server.ts), as they come. */

import { parseArgs } from 'node:util'
import { RpcClient } from 'zmq-rpc'
import { FollowLog } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://localhost:30023' },
    file: { type: 'string', default: 'syslog' },
    /** So many lines, and no more. */
    lines: { type: 'string', default: 'Infinity' },
  },
})

const client = new RpcClient({ req: values.endpoint, timeoutMs: 5000 })
// Ends the stream as well: the loop below throws.
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

try {
  // The time is for the answer, which is the beginning of the stream; the stream itself may last for ever.
  const log = await client.execute(new FollowLog(values.file), { signal: stop.signal })
  let left = Number(values.lines)
  for await (const line of log) {
    console.log(line)
    if (--left <= 0) break // the file is closed at the server, too
  }
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(`${error}`)
    process.exitCode = 1
  }
} finally {
  await client.close()
}
