/** A child process that answers questions: one a line, each answer a JSON object on a line, matched by `id`. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

type Answer = { id: number; failed?: string } & Record<string, unknown>

export class LineProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>()
  readonly #ended: Promise<unknown>
  #nextId = 1

  /** What it writes to stderr goes to the test's own. */
  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#ended = once(this.#child, 'close')
    // A process that is gone says so by its end.
    this.#child.stdin.on('error', () => {})
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      // Libraries write there, too, when a handshake goes wrong.
      if (line.startsWith('{')) this.#answered(JSON.parse(line))
      else process.stderr.write(`${command}: ${line}\n`)
    })
    this.#child.on('close', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${command} ended: ${signal ?? code}`))
      this.#waiting.clear()
    })
  }

  /** Asks with a JSON object. @throws what the process says went wrong, or that it ended. */
  async ask<T>(request: { verb: string } & Record<string, unknown>): Promise<T> {
    return (await this.#ask(request.verb, (id) => JSON.stringify({ id, ...request }))) as T
  }

  /** Asks with words: the id, the verb, and these. @throws as `ask` */
  async askInWords<T>(verb: string, ...words: readonly string[]): Promise<T> {
    return (await this.#ask(verb, (id) => [id, verb, ...words].join(' '))) as T
  }

  /** Ends it, by the end of its input. Questions that are open stay so. */
  async close(): Promise<void> {
    this.#waiting.clear()
    this.#child.stdin.end()
    await this.#ended
  }

  /** Freezes it, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal)
  }

  /** Ends it without letting it do anything more. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  async #ask(verb: string, line: (id: number) => string): Promise<Answer> {
    const id = this.#nextId++
    const answer = await new Promise<Answer>((resolve, reject) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error('the process has ended')
      this.#waiting.set(id, { resolve, reject })
      this.#child.stdin.write(`${line(id)}\n`)
    })
    if (answer.failed !== undefined) throw new Error(`${verb} failed: ${answer.failed}`)
    return answer
  }

  #answered(answer: Answer): void {
    this.#waiting.get(answer.id)?.resolve(answer)
    this.#waiting.delete(answer.id)
  }
}
