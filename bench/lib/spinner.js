/** Keeps the cores awake while a single call is in flight: else the figure tells how deep they slept. */

import { spawn } from 'node:child_process'
import { availableParallelism, setPriority } from 'node:os'

/** @returns {() => void} stops it */
export function spin() {
  const children = Array.from({ length: availableParallelism() }, () => {
    const child = spawn(
      process.execPath,
      [
        '-e',
        'setInterval(() => { if (process.ppid !== parent) process.exit(); for (const end = Date.now() + 200; Date.now() < end; ); }); const parent = process.ppid',
      ],
      { stdio: 'ignore' },
    )
    if (child.pid !== undefined) setPriority(child.pid, 19)
    return child
  })
  return () => {
    for (const child of children) child.kill('SIGKILL')
  }
}
