/** Has a server (server.ts, server.py) execute `SimpleCommand`s. With several endpoints, each server in turn. */

import { parseArgs } from 'node:util'
import { RpcClient, ShutdownServer } from 'zmq-rpc'
import { SimpleCommand } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', multiple: true, default: ['tcp://localhost:30000'] },
    username: { type: 'string', default: 'pi' },
    password: { type: 'string', default: 'secret' },
    /** So many calls at once. */
    calls: { type: 'string', default: '1' },
    timeout: { type: 'string', default: '5000' },
    /** Stops the server at the end. */
    shutdown: { type: 'boolean', default: false },
  },
})

const client = new RpcClient({
  req: values.endpoint,
  credentials: { username: values.username, password: values.password },
  timeoutMs: Number(values.timeout),
})

const start = performance.now()
try {
  // Calls that wait go to the first server that is there: with all of them connected, each has its turn from the start.
  if (values.endpoint.length > 1) await client.ready()
  const commands = Array.from({ length: Number(values.calls) }, (_, index) => new SimpleCommand('value1', `value${index + 2}`))
  const answers = await Promise.all(commands.map((command) => client.execute(command)))
  console.log(answers[0])
  if (answers.length > 1) {
    const right = answers.filter((answer, index) => answer.includes(`"value${index + 2}"`)).length
    console.log(
      `${right} of ${answers.length} calls, all in flight at once, got their own answer in ${Math.round(performance.now() - start)} ms`,
    )
  }
  if (values.shutdown) await client.execute(new ShutdownServer())
} catch (error) {
  console.error(`${error}`)
  console.error(`failed after ${Math.round(performance.now() - start)} ms`)
  process.exitCode = 1
} finally {
  await client.close()
}
