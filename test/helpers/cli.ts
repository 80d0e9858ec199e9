/** Processes of the built `zmq-rpc`, as a shell starts them; those that still run are ended with their test. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import { until } from './sockets.ts'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** A module for `serve`, with the commands that the tests call. */
export const SERVICES = fileURLToPath(new URL('../integration/cli/services.js', import.meta.url))

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
}

/** How a process ended, and what it wrote. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export class CliProcess {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''

  constructor(args: readonly string[], { env = {}, input, cwd }: CliOptions = {}) {
    // None of the variables that the machine may have.
    const own = Object.entries(process.env).filter(([name]) => !/^(ZMQ_RPC|NO_COLOR|FORCE_COLOR)/.test(name))
    this.child = spawn(process.execPath, [MAIN, ...args], { env: { ...Object.fromEntries(own), ...env }, cwd, stdio: 'pipe' })
    this.child.stdout.on('data', (chunk) => {
      this.stdout += chunk
    })
    this.child.stderr.on('data', (chunk) => {
      this.stderr += chunk
    })
    this.child.stdin.on('error', () => {})
    if (input !== undefined) this.child.stdin.end(input)
    this.ended = once(this.child, 'close').then(([code]) => ({ code, stdout: this.stdout, stderr: this.stderr }))
  }

  /** Waits for a text on stdout or stderr, and gives the match. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null = null
    await until(() => {
      found = pattern.exec(this.stdout) ?? pattern.exec(this.stderr)
      return found !== null || this.child.exitCode !== null
    }, `zmq-rpc says ${pattern}`)
    if (found === null) throw new Error(`it ended with ${this.child.exitCode}, and never said ${pattern}: ${this.stdout}${this.stderr}`)
    return found
  }

  /** As Ctrl-C does. */
  interrupt(): Promise<Ended> {
    this.child.kill('SIGINT')
    return this.ended
  }

  kill(): Promise<Ended> {
    this.child.kill('SIGKILL')
    return this.ended
  }
}

export interface Cli {
  /** Runs until its end. */
  run(args: readonly string[], options?: CliOptions): Promise<Ended>
  start(args: readonly string[], options?: CliOptions): CliProcess
  /** A server of {@link SERVICES}, by `zmq-rpc serve`; resolves to where it listens. */
  serve(args?: readonly string[], options?: CliOptions): Promise<{ endpoint: string; server: CliProcess }>
  /** A folder that is gone after the test. */
  folder(): string
}

/** To be called once, at the top of a test file. */
export function useCli(): Cli {
  let running: CliProcess[] = []
  let folders: string[] = []
  afterEach(async () => {
    await Promise.all(running.map((process) => process.kill()))
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    running = []
    folders = []
  })
  const start = (args: readonly string[], options?: CliOptions): CliProcess => {
    const process = new CliProcess(args, options)
    running.push(process)
    return process
  }
  return {
    start,
    run: (args, options) => start(args, { input: '', ...options }).ended,
    serve: async (args = [], options) => {
      const server = start(['serve', SERVICES, '--rep', 'tcp://127.0.0.1:0', ...args], options)
      const [, endpoint = ''] = await server.says(/listening on (\S+)/)
      return { endpoint, server }
    },
    folder: () => {
      const folder = mkdtempSync(join(tmpdir(), 'zmq-rpc-cli-'))
      folders.push(folder)
      return folder
    },
  }
}

/** Lines of JSON. */
export function jsonLines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
