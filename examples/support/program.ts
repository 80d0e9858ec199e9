/** A program in a process of its own, for the demo and its tests: its lines as they come, and its end. None outlives us. */

import { type ChildProcess, spawn } from 'node:child_process'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'

export interface ProgramOptions {
  cwd?: string
  /** Its own children end with it, too. */
  wholeGroup?: boolean
  env?: Record<string, string>
}

const running = new Set<Program>()

/** Also when we end in a hurry. */
process.on('exit', () => {
  for (const program of running) program.kill('SIGKILL')
})

export class Program {
  readonly name: string
  readonly lines: string[] = []
  /** Resolves to the exit code; 1 for a program that was killed or could not be started. */
  readonly ended: Promise<number>
  readonly #child: ChildProcess
  readonly #wholeGroup: boolean
  /** Look at the lines anew. */
  #waiting: (() => void)[] = []
  #over = false

  constructor(name: string, command: string, args: readonly string[], options: ProgramOptions = {}) {
    const { cwd, wholeGroup = false, env = {} } = options
    this.name = name
    this.#wholeGroup = wholeGroup
    this.#child = spawn(command, args, { cwd, detached: wholeGroup, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    running.add(this)
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface(stream).on('line', (line) => this.#add(line))
    }
    this.ended = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#add(error.message)
        resolve(1)
      })
      this.#child.on('close', (code) => resolve(code ?? 1))
    })
    void this.ended.then(() => {
      running.delete(this)
      this.#over = true
      this.#wake()
    })
  }

  /** A TypeScript file, run as this process itself is: through tsx, or by Node alone. */
  static typescript(file: string, ...args: string[]): Program {
    return new Program(basename(file), process.execPath, [...process.execArgv, file, ...args])
  }

  static python(python: string, file: string, ...args: string[]): Program {
    return new Program(basename(file), python, [file, ...args])
  }

  /** The first line that matches. @throws Error that shows what the program wrote, when it ends or the time is over without one. */
  async line(pattern: RegExp, withinMs?: number): Promise<string> {
    const find = (): string | undefined => this.lines.find((line) => pattern.test(line))
    await this.#lineWhere(() => find() !== undefined, `a line like ${pattern}`, withinMs)
    return find() as string
  }

  async #lineWhere(found: () => boolean, what: string, withinMs = 10_000): Promise<void> {
    const end = performance.now() + withinMs
    while (!found()) {
      if (this.#over) throw this.#failure(`ended without ${what}`)
      if (performance.now() >= end) throw this.#failure(`did not write ${what} within ${withinMs} ms`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, end - performance.now())
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  /** A line that it has not written yet. @throws Error as {@link line} */
  async nextLine(withinMs?: number): Promise<string> {
    const written = this.lines.length
    await this.#lineWhere(() => this.lines.length > written, 'another line', withinMs)
    return this.lines[written] as string
  }

  /** Waits for its end. @throws Error when that is not the expected one, or does not come. */
  async exits(expected = 0, withinMs = 10_000): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), withinMs)
    })
    const code = await Promise.race([this.ended, late])
    clearTimeout(timer)
    if (code === undefined) throw this.#failure(`was still running after ${withinMs} ms`)
    if (code !== expected) throw this.#failure(`ended with exit code ${code}, not ${expected}`)
  }

  /** Asks it to end, and sees to it. */
  async stop(): Promise<void> {
    this.kill('SIGTERM')
    const timer = setTimeout(() => this.kill('SIGKILL'), 3000)
    await this.ended
    clearTimeout(timer)
  }

  kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child
    if (this.#over || pid === undefined) return
    try {
      process.kill(this.#wholeGroup ? -pid : pid, signal)
    } catch {
      // It is gone already.
    }
  }

  #add(line: string): void {
    this.lines.push(line)
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #failure(what: string): Error {
    const wrote = this.lines.slice(-10).map((line) => `    ${line}`)
    return new Error([`${this.name} ${what}`, ...(wrote.length > 0 ? ['  It wrote:', ...wrote] : ['  It wrote nothing.'])].join('\n'))
  }
}
