/**
 * The benchmark: `npm run bench`, or `node bench/run.js` after a build.
 *
 *     node bench/run.js [ROW ...] [--quick] [--warmup S] [--rounds N] [--seconds S] [--only REGEXP] [--connections N]
 *
 * Rows: echo, rpc, publish, large, sizes, subscriptions, memory, import, buffer; without a name, all of these. By name only: threads; rivals,
 * since it installs packages; store, since it wears out disks. `--only` picks the peers whose names match (raw `net` always takes part, as the measure, and so
 * do we against rivals). Ratios are medians over rounds in which every peer had its turn; on a noisy machine trust them, and
 * CPU seconds, rather than rates. A wrong reply ends the run.
 */

import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import * as buffer from './rows/buffer.js'
import * as echo from './rows/echo.js'
import * as imports from './rows/import.js'
import * as large from './rows/large.js'
import * as memory from './rows/memory.js'
import * as publish from './rows/publish.js'
import * as rivals from './rows/rivals.js'
import * as rpc from './rows/rpc.js'
import * as sizes from './rows/sizes.js'
import * as store from './rows/store.js'
import * as subscriptions from './rows/subscriptions.js'
import * as threads from './rows/threads.js'

const ROWS = [echo, rpc, publish, large, sizes, subscriptions, memory, imports, buffer]
const ROWS_BY_NAME = [...ROWS, threads, rivals, store]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    warmup: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    connections: { type: 'string' },
  },
})

const plan = {
  warmup: Number(values.warmup ?? (values.quick ? 1 : 5)),
  rounds: Number(values.rounds ?? (values.quick ? 3 : 7)),
  seconds: Number(values.seconds ?? (values.quick ? 0.5 : 2)),
  connections: Number(values.connections ?? (values.quick ? 2_000 : 10_000)),
  only: values.only === undefined ? undefined : new RegExp(values.only),
}

const unknown = positionals.filter((name) => !ROWS_BY_NAME.some(({ title }) => title === name))
if (unknown.length > 0) throw new Error(`no such row: ${unknown.join(', ')}`)

console.log(
  `Node ${process.version}, ${availableParallelism()} cores, ${cpus()[0]?.model.trim()}; ${plan.rounds} rounds of ${plan.seconds} s after ${plan.warmup} s`,
)
const chosen = positionals.length === 0 ? ROWS : ROWS_BY_NAME.filter(({ title }) => positionals.includes(title))
for (const row of chosen) await row.run(plan)
process.exit()
