/** Calls several servers all the time, and says each second who answered. */

import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RpcClient } from 'zmq-rpc'
import { Square } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', multiple: true, default: ['tcp://localhost:30021', 'tcp://localhost:30022'] },
    /** A call each so many ms. */
    interval: { type: 'string', default: '10' },
  },
})

// Calls go to each server in turn, and to those that are there: one that is away costs nothing until it is back.
const client = new RpcClient({ req: values.endpoint, timeoutMs: 5000 })

let [answered, failed] = [0, 0]
let answers: Record<string, number> = {}

async function call(n: number): Promise<void> {
  try {
    const { square, by } = await client.execute(new Square(n))
    if (square !== n * n) throw new Error(`${by} says that ${n} times ${n} is ${square}`)
    answered++
    answers[by] = (answers[by] ?? 0) + 1
  } catch (error) {
    failed++
    console.error(`${error}`)
  }
}

const report = setInterval(() => {
  const who = Object.entries(answers).sort()
  console.log(who.length === 0 ? 'nobody answers' : `answered by ${who.map(([name, calls]) => `${name}: ${calls}`).join(', ')}`)
  answers = {}
}, 1000)

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

const calls = new Set<Promise<void>>()
for (let n = 0; !stop.signal.aborted; n++) {
  const made = call(n)
  calls.add(made)
  void made.finally(() => calls.delete(made))
  await setTimeout(Number(values.interval))
}
clearInterval(report)
await Promise.all(calls)
await client.close()
console.log(`${answered} calls were answered, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
