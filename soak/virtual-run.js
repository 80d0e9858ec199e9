/** Runs `virtual.js` with the built package, and says what came of it. */

import { parseArgs } from 'node:util'
import * as rpc from 'zmq-rpc'
import * as testing from 'zmq-rpc/testing'
import { soak } from './virtual.js'

const { values } = parseArgs({
  options: {
    virtual: { type: 'boolean' },
    calls: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const calls = Number(values.calls)
console.log(`seed ${values.seed}, ${calls} calls on a virtual network`)
const { complaints, outcomes, heard, virtualMs, cpuMs } = await soak(rpc, testing, { calls, seed: Number(values.seed) })
console.log({ ...outcomes, heard })
console.log(
  `${(virtualMs / 60_000).toFixed(1)} minutes of virtual time in ${(cpuMs / 1000).toFixed(1)} s of CPU: ${Math.round((calls / cpuMs) * 1000)} calls a second`,
)
for (const complaint of complaints) console.error(complaint)
console.log(complaints.length === 0 ? 'nothing is left, and nothing was wrong' : `${complaints.length} complaints`)
process.exitCode = complaints.length === 0 ? 0 : 1
