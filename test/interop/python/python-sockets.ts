/** Sockets of pyzmq in a process of its own, used like ours; see `sockets_peer.py`. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type AnyDuplex, type TypeName, ZMTP_NAMES } from '../../helpers/pairings.ts'
import { peer } from '../../helpers/peers.ts'

const SCRIPT = fileURLToPath(new URL('sockets_peer.py', import.meta.url))

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** The process. Requests are answered in order: one that waits holds up those behind it. */
export class PythonSockets {
  readonly #child: ChildProcess
  readonly #waiting: Waiting[] = []
  #opened = 0

  constructor() {
    this.#child = spawn(peer('pyzmqrpc3').python, [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const { value, error } = JSON.parse(line)
      const call = this.#waiting.shift()
      if (error === undefined) call?.resolve(value)
      else call?.reject(new Error(error))
    })
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the Python process is gone'))
    })
  }

  ask(verb: string, ...args: unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#child.stdin?.write(`${JSON.stringify([verb, ...args])}\n`)
    })
  }

  /** `options` by pyzmq's names: `{ PLAIN_SERVER: 1 }`. */
  async open(type: TypeName, options: object = {}): Promise<PythonSocket> {
    const name = `socket ${this.#opened++}`
    await this.ask('open', name, ZMTP_NAMES[type], options)
    return new PythonSocket(this, name)
  }

  /** From now on only these are let in by its PLAIN servers. */
  async passwords(users: Record<string, string>): Promise<void> {
    await this.ask('passwords', users)
  }

  async end(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await exited
  }
}

export class PythonSocket implements AnyDuplex {
  readonly #process: PythonSockets
  readonly #name: string
  #lastEndpoint: string | null = null

  constructor(process: PythonSockets, name: string) {
    this.#process = process
    this.#name = name
  }

  get lastEndpoint(): string | null {
    return this.#lastEndpoint
  }

  async bind(address: string): Promise<void> {
    this.#lastEndpoint = (await this.#process.ask('bind', this.#name, address)) as string
  }

  connect(address: string): void {
    void this.#process.ask('connect', this.#name, address)
  }

  async send(message: string | Buffer | (string | Buffer)[]): Promise<void> {
    await this.#process.ask(
      'send',
      this.#name,
      [message].flat().map((frame) => Buffer.from(frame as string).toString('base64')),
    )
  }

  async receive(): Promise<Buffer[]> {
    const frames = (await this.#process.ask('receive', this.#name)) as string[]
    return frames.map((frame) => Buffer.from(frame, 'base64'))
  }

  subscribe(topic = ''): void {
    void this.#process.ask('subscribe', this.#name, Buffer.from(topic).toString('base64'))
  }

  async close(): Promise<void> {
    await this.#process.ask('close', this.#name)
  }
}
