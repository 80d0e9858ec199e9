/**
 * The benchmark: `npm run bench`, or `node bench/run.js` after a build; `--help` tells the rows and the options. Ratios are medians over rounds in
 * which every peer had its turn; on a noisy machine trust them, and CPU seconds, rather than rates. A wrong reply ends the run.
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

const HELP = `node bench/run.js [ROW...] [OPTIONS]     (npm run bench -- [ROW...] [OPTIONS] builds first)

Rows, all of which run without a name:
  echo            64 bytes there and back
  rpc             calls, ours and pyzmqrpc3's in every combination
  publish         one publisher, 1 and 10 subscribers
  large           1 MiB there and back
  sizes           16 bytes to 16 MiB there and back
  subscriptions   publishing past many subscriptions that do not match
  memory          what an idle connection costs its server
  import          what importing the package adds to the start of Node
  buffer          commands that a buffered proxy keeps on disk
By name only:
  threads         services in threads
  rivals          other ways to call a function: installs their packages into bench/rivals
  store           records that survive a power cut: writes much to the disk (BENCH_FOLDER says to which)

Options:
  --quick            shorter, to see that it runs: 1 s to warm up, then 3 rounds of 0.5 s, 2000 connections
  --warmup S         seconds to warm up, for each peer (5)
  --rounds N         rounds, in each of which every peer has its turn (7)
  --seconds S        seconds of a turn (2)
  --only REGEXP      the peers whose names match; those that all are measured against take part always
  --connections N    of the row memory (10000)

How long it takes: each peer of a table --warmup, and then --rounds times --seconds, so 19 s, with --quick 2.5 s. A row
such as echo has three tables of six peers: six minutes, with --quick one. All rows take long: begin with one.`

const { values, positionals } = readArgs()
if (values.help) {
  console.log(HELP)
  process.exit()
}

/** What cannot be read ends it, with what there is. */
function readArgs() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        quick: { type: 'boolean', default: false },
        warmup: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        only: { type: 'string' },
        connections: { type: 'string' },
      },
    })
  } catch (error) {
    return refuse(/** @type {Error} */ (error).message)
  }
}

/** @param {string} text @returns {never} */
function refuse(text) {
  console.error(`${text}\nnode bench/run.js --help shows the rows and the options`)
  process.exit(2)
}

const plan = {
  warmup: Number(values.warmup ?? (values.quick ? 1 : 5)),
  rounds: Number(values.rounds ?? (values.quick ? 3 : 7)),
  seconds: Number(values.seconds ?? (values.quick ? 0.5 : 2)),
  connections: Number(values.connections ?? (values.quick ? 2_000 : 10_000)),
  only: values.only === undefined ? undefined : new RegExp(values.only),
}

const unknown = positionals.filter((name) => !ROWS_BY_NAME.some(({ title }) => title === name))
if (unknown.length > 0) refuse(`no such row: ${unknown.join(', ')}; there are ${ROWS_BY_NAME.map(({ title }) => title).join(', ')}`)

console.log(
  `Node ${process.version}, ${availableParallelism()} cores, ${cpus()[0]?.model.trim()}; ${plan.rounds} rounds of ${plan.seconds} s after ${plan.warmup} s`,
)
const chosen = positionals.length === 0 ? ROWS : ROWS_BY_NAME.filter(({ title }) => positionals.includes(title))
for (const row of chosen) await row.run(plan)
process.exit()
