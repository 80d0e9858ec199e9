/** The inside of a peer process: one JSON line on stdin is a call `{ method, args }`, one on stdout its answer. */

import { createInterface } from 'node:readline'

/**
 * Never returns before stdin closes, which ends the process.
 *
 * @param {Record<string, (args: any) => unknown>} methods
 */
export function serve(methods) {
  const answer = (/** @type {object} */ value) => process.stdout.write(`${JSON.stringify(value)}\n`)
  createInterface({ input: process.stdin })
    .on('line', async (line) => {
      try {
        const { method, args } = JSON.parse(line)
        answer({ result: (await methods[method]?.(args)) ?? null })
      } catch (error) {
        answer({ error: String(error instanceof Error ? error.stack : error) })
      }
    })
    .on('close', () => process.exit())
}

/**
 * True until the seconds are over: cheaper than asking the clock for each message.
 *
 * @param {number} seconds
 */
export function during(seconds) {
  const state = { running: true }
  setTimeout(() => {
    state.running = false
  }, seconds * 1000)
  return state
}
