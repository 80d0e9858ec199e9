/** Takes the reports of a fleet of Python programs: sensor.py. */

import { parseArgs } from 'node:util'
import { RpcServer } from 'zmq-rpc'
import { Report } from './commands.ts'

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: 'tcp://*:30024' },
    password: { type: 'string', default: 'secret' },
    /** Sensors that may report. */
    size: { type: 'string', default: '100' },
    /** A report of each sensor so often, seconds. */
    interval: { type: 'string', default: '2' },
  },
})
const interval = Number(values.interval)

interface Sensor {
  reports: number
  heardAt: number
}

const sensors = new Map<string, Sensor>()

// A fleet that knows one password. With one for each, or where sensors come and go: `auth: { authenticate }` looks it up.
const names = Array.from({ length: Number(values.size) }, (_, index) => `sensor-${index + 1}`)
const users = Object.fromEntries(names.map((name) => [name, values.password]))

const server = new RpcServer({ rep: values.endpoint, auth: { users } })

server.register(Report, ({ celsius }, { principal }) => {
  const name = principal?.username ?? ''
  const known = sensors.get(name)
  if (known === undefined) console.log(`${name} is there`)
  sensors.set(name, { reports: (known?.reports ?? 0) + 1, heardAt: performance.now() })
  console.log(`${name}: ${celsius} °C`)
  // Whole fleets are slowed down here, without a change on their side.
  return interval
})

const silence = setInterval(() => {
  for (const [name, { heardAt }] of sensors) {
    if (performance.now() - heardAt < 3000 * interval) continue
    console.log(`${name} has fallen silent`)
    sensors.delete(name)
  }
}, 1000)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop())

await server.start()
console.log(`listening on ${server.endpoints.join(', ')}`)

await server.stopped
clearInterval(silence)
const reports = [...sensors.values()].reduce((sum, sensor) => sum + sensor.reports, 0)
console.log(`stopped after ${reports} reports of ${sensors.size} sensors`)
