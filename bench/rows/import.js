/** What importing a package adds to the start of Node. */

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { median } from '../lib/rounds.js'
import { printTable } from '../lib/table.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export const title = 'import'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  const packages = ['zmq-rpc/sockets', ...(existsSync(`${ROOT}/dist/index.js`) ? ['zmq-rpc'] : []), 'zeromq']
  const programs = ['', ...packages.map((name) => `import '${name}'`)]
  /** @type {number[][]} */
  const times = programs.map(() => [])
  for (let round = 0; round < Math.max(plan.rounds, 10); round++) {
    for (const [index, program] of programs.entries()) {
      const from = performance.now()
      execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: ROOT })
      times[index]?.push(performance.now() - from)
    }
  }
  const empty = median(times[0] ?? [])
  const rows = packages.map((name, index) => [name, (median(times[index + 1] ?? []) - empty).toFixed(1)])
  printTable(`Import, above an empty start of Node (${empty.toFixed(0)} ms)`, ['package', 'ms'], rows)
}
