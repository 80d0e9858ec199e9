/** The limit of the disk: records of 200 bytes in a plain loop, so many in one write, and one `fdatasync` for them. */

import { closeSync, fdatasync, mkdtempSync, openSync, rmSync, write } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { during, serve } from '../lib/agent.js'

const RECORD_BYTES = 200
const [writeTo, sync] = [promisify(write), promisify(fdatasync)]

const folder = mkdtempSync(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'bench-fsync-'))
const file = openSync(join(folder, 'log'), 'w')
process.on('exit', () => {
  closeSync(file)
  rmSync(folder, { recursive: true })
})

serve({
  listen: () => ({}),
  connect: () => {},
  submit: async ({ inFlight, seconds }) => {
    const time = during(seconds)
    const from = performance.now()
    const batch = Buffer.alloc(RECORD_BYTES * inFlight, 1)
    let count = 0
    while (time.running) {
      await writeTo(file, batch)
      await sync(file)
      count += inFlight
    }
    return { count, seconds: (performance.now() - from) / 1000 }
  },
})
