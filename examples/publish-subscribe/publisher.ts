/** Publishes temperatures to whoever listens: subscriber.ts, subscriber.py. */

import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RpcClient } from 'zmq-rpc'
import { Reading } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://*:30001' },
    /** Empty: without a password, for subscriber.py, which cannot ask for one. */
    username: { type: 'string', default: 'pi' },
    password: { type: 'string', default: 'secret' },
    sensor: { type: 'string', default: 'kitchen' },
    /** So many readings, one each `interval` ms. */
    count: { type: 'string', default: '5' },
    interval: { type: 'string', default: '500' },
    /** Subscribers to wait for before the first one. */
    subscribers: { type: 'string', default: '1' },
  },
})

const client = new RpcClient({
  pub: values.endpoint,
  credentials: values.username === '' ? undefined : { username: values.username, password: values.password },
  // Tells the subscribers that the link is alive, however rarely there is something to say.
  heartbeatIntervalMs: 10_000,
})

try {
  await client.ready()
  console.log(`publishing on ${client.publishEndpoint}`)
  await client.ready({ subscribers: Number(values.subscribers) })
  for (let index = 0; index < Number(values.count); index++) {
    if (index > 0) await setTimeout(Number(values.interval))
    const reading = new Reading(values.sensor, 20 + index / 2)
    await client.publish(reading)
    console.log(`published ${reading.sensor}: ${reading.celsius} °C`)
  }
} catch (error) {
  console.error(`${error}`)
  process.exitCode = 1
} finally {
  await client.close()
}
