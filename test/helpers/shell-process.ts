/** A line as one types it into a shell, and what it writes. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'

export class ShellProcess {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly ended: Promise<unknown>
  stdout = ''
  /** stdout and stderr, as they came. */
  output = ''

  constructor(line: string, cwd: string, env: Readonly<Record<string, string>>) {
    const own = Object.entries(process.env).filter(([name]) => !/^(ZMQ_RPC|NO_COLOR|FORCE_COLOR)/.test(name))
    // A group of its own: the shell's children end with it.
    this.#child = spawn('bash', ['-c', line], {
      cwd,
      env: { ...Object.fromEntries(own), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.ended = once(this.#child, 'close')
    this.#child.stdout.on('data', (chunk) => {
      this.stdout += chunk
      this.output += chunk
    })
    this.#child.stderr.on('data', (chunk) => {
      this.output += chunk
    })
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) process.kill(-(this.#child.pid as number), 'SIGKILL')
    await this.ended
  }
}
