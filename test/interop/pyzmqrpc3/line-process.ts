/** A child process that answers questions: a JSON request a line, a JSON answer a line, matched by `id`. */

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
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#answered(JSON.parse(line)))
    this.#child.on('close', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${command} ended: ${signal ?? code}`))
    })
  }

  /** @throws what the process says went wrong, or that it ended. */
  async ask<T>(request: { verb: string } & Record<string, unknown>): Promise<T> {
    const id = this.#nextId++
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.stdin.write(`${JSON.stringify({ id, ...request })}\n`)
    })
    if (answer.failed !== undefined) throw new Error(`${request.verb} failed: ${answer.failed}`)
    return answer as T
  }

  /** Ends it, by the end of its input. Questions that are open stay so. */
  async close(): Promise<void> {
    this.#waiting.clear()
    this.#child.stdin.end()
    await this.#ended
  }

  #answered(answer: Answer): void {
    this.#waiting.get(answer.id)?.resolve(answer)
    this.#waiting.delete(answer.id)
  }
}
