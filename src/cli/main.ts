#!/usr/bin/env node
/**
 * The command line `zmq-rpc`. Only this file knows the process: its signals, its streams, how it ends.
 *
 * The first Ctrl-C (or SIGTERM) asks what is under way to end, the second one ends it. A reader of the results who has enough
 * (`| head`) ends it quietly.
 */

import { readFileSync } from 'node:fs'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { runProgram } from './program.ts'
import { Session } from './session.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const args = process.argv.slice(2)
const controller = new AbortController()
const session = new Session({
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  json: args.includes('--json'),
  color: !args.includes('--no-color'),
  signal: controller.signal,
})

/** npx passes Ctrl-C on, which the terminal has told us, too: what comes so soon is the same one. */
const SAME_MS = 300
let stoppedAt = 0
const stop = (code: ExitCode) => (): void => {
  const now = performance.now()
  if (!controller.signal.aborted) {
    stoppedAt = now
    controller.abort(code)
  } else if (now - stoppedAt > SAME_MS) process.exit(code)
}
process.on('SIGINT', stop(EXIT.interrupted))
process.on('SIGTERM', stop(EXIT.terminated))
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.failed))
process.stderr.on('error', () => {})

const code = await runProgram(args, session, version)
await session.flush()
process.exit(code)
