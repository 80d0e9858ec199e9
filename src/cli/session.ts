/**
 * What a command has of the world: where its results go (stdout), where all else goes (stderr), whether it was told to stop.
 *
 * Results are all that stdout ever gets. Colours are for terminals only.
 */

import { type WriteJsonOptions, writeJson } from './json.ts'

export type Paint = (text: string) => string

/** Colours, or none. */
export interface Palette {
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly cyan: Paint
}

export interface SessionOptions {
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly env: NodeJS.ProcessEnv
  readonly json: boolean
  readonly color: boolean
  readonly signal: AbortSignal
}

export class Session {
  /** Results are wanted as JSON. */
  readonly json: boolean
  readonly env: NodeJS.ProcessEnv
  /** Aborted by Ctrl-C and SIGTERM: whatever is under way is to end. */
  readonly signal: AbortSignal
  /** Colours of results, and of all else. */
  readonly paint: Palette
  readonly paintNote: Palette
  /** Whether people look on, and not a program. */
  readonly interactive: boolean
  readonly #stdout: NodeJS.WriteStream
  readonly #stderr: NodeJS.WriteStream
  #progress = false

  constructor({ stdout, stderr, env, json, color, signal }: SessionOptions) {
    this.#stdout = stdout
    this.#stderr = stderr
    this.env = env
    this.json = json
    this.signal = signal
    this.interactive = stdout.isTTY === true
    const allowed = color && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
    this.paint = palette(allowed && stdout.isTTY === true)
    this.paintNote = palette(allowed && stderr.isTTY === true)
  }

  /** The width of the terminal; 100 where there is none. */
  get columns(): number {
    return this.#stdout.columns ?? 100
  }

  /** A line of the result, for people. A promise where the reader is slow: more may follow when it resolves. */
  line(text = ''): Promise<void> | undefined {
    return this.#write(`${text}\n`)
  }

  /** A line of the result, for programs. */
  data(value: unknown, options?: WriteJsonOptions): Promise<void> | undefined {
    return this.#write(`${writeJson(value, options)}\n`)
  }

  /** Something to know that is no result. */
  note(text: string): void {
    this.#clearProgress()
    this.#stderr.write(`${text}\n`)
  }

  warn(text: string): void {
    this.note(`${this.paintNote.yellow('warning:')} ${text}`)
  }

  /** How far it is, on a line that the next one takes the place of; for terminals only. Nothing: the line goes. */
  progress(text: string): void {
    if (text === '') return this.#clearProgress()
    if (this.#stderr.isTTY !== true || this.json) return
    this.#stderr.write(`\r\x1b[K${text}`)
    this.#progress = true
  }

  /** Resolves when all is written. */
  async flush(): Promise<void> {
    this.#clearProgress()
    await Promise.all([this.#stdout, this.#stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))))
  }

  #write(text: string): Promise<void> | undefined {
    this.#clearProgress()
    if (this.#stdout.write(text)) return undefined
    return new Promise<void>((resolve) => this.#stdout.once('drain', resolve))
  }

  #clearProgress(): void {
    if (!this.#progress) return
    this.#progress = false
    this.#stderr.write('\r\x1b[K')
  }
}

function palette(on: boolean): Palette {
  const paint =
    (code: number): Paint =>
    (text) =>
      on && text !== '' ? `\x1b[${code}m${text}\x1b[${code < 10 ? 22 : 39}m` : text
  return { bold: paint(1), dim: paint(2), red: paint(31), green: paint(32), yellow: paint(33), cyan: paint(36) }
}
