/** A process of a foreign implementation and its sockets; `../peers/README.md` has the protocol. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { AnyDuplex, TypeName } from '../../helpers/pairings.ts'

interface Answer {
  id: number
  failed?: string
  endpoint?: string
  frames?: string
}

const TYPES: Readonly<Record<TypeName, string>> = {
  Request: 'REQ',
  Reply: 'REP',
  Dealer: 'DEALER',
  Router: 'ROUTER',
  Publisher: 'PUB',
  Subscriber: 'SUB',
  XPublisher: 'XPUB',
  XSubscriber: 'XSUB',
  Push: 'PUSH',
  Pull: 'PULL',
  Pair: 'PAIR',
}

/** Options of a socket of the peer, in the words of the protocol; each is a list of values. */
export type PeerOptions = Readonly<Record<string, readonly (string | Buffer)[]>>

export class PeerProcess {
  /** What a peer says that refuses to send when nobody is connected; it is asked again, then. */
  readonly notConnected: string | undefined
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>()
  readonly #ended: Promise<unknown>
  #nextId = 1
  #nextName = 1

  constructor(command: readonly string[], notConnected?: string) {
    this.notConnected = notConnected
    this.#child = spawn(command[0] as string, command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#ended = once(this.#child, 'close')
    // A process that is gone says so by its end.
    this.#child.stdin.on('error', () => {})
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#answered(JSON.parse(line)))
    this.#child.on('close', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the peer ended: ${signal ?? code}`))
      this.#waiting.clear()
    })
  }

  open(type: TypeName, options: PeerOptions = {}): PeerSocket {
    return new PeerSocket(this, String(this.#nextName++), TYPES[type], options)
  }

  /** @throws what the peer says went wrong, or that it ended. */
  async ask(verb: string, socket: string, ...args: string[]): Promise<Answer> {
    const id = this.#nextId++
    const answer = await new Promise<Answer>((resolve, reject) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error('the peer has ended')
      this.#waiting.set(id, { resolve, reject })
      this.#child.stdin.write(`${[id, verb, socket, ...args].join(' ')}\n`)
    })
    if (answer.failed !== undefined) throw new Error(`${verb} failed: ${answer.failed}`)
    return answer
  }

  /** Ends it, by the end of its input. */
  async close(): Promise<void> {
    this.#child.stdin.end()
    await this.#ended
  }

  /** Ends it without letting it do anything more. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  #answered(answer: Answer): void {
    this.#waiting.get(answer.id)?.resolve(answer)
    this.#waiting.delete(answer.id)
  }
}

/** How long a socket of the peer is waited for, and of ours: what has not come by then is taken for lost. */
export const PATIENCE_MS = 5000

export class PeerSocket implements AnyDuplex {
  readonly #process: PeerProcess
  readonly #name: string
  readonly #opened: Promise<unknown>
  /** What the last `connect` came to, where the peer says it; many say nothing before they are connected. */
  connected: Promise<unknown> = Promise.resolve()
  lastEndpoint: string | null = null

  constructor(process: PeerProcess, name: string, type: string, options: PeerOptions) {
    this.#process = process
    this.#name = name
    const words = Object.entries(options).map(([option, values]) => `${option}=${values.map(hex).join(':')}`)
    this.#opened = process.ask('open', name, type, ...words)
    this.#opened.catch(() => {})
  }

  async bind(address: string): Promise<void> {
    this.lastEndpoint = (await this.#ask('bind', address)).endpoint as string
  }

  connect(address: string): void {
    this.connected = this.#ask('connect', address)
    this.connected.catch(() => {})
  }

  subscribe(...topics: (string | Buffer)[]): Promise<unknown> {
    return Promise.all((topics.length === 0 ? [''] : topics).map((topic) => this.#ask('subscribe', hex(topic))))
  }

  async unsubscribe(topic: string | Buffer): Promise<void> {
    await this.#ask('unsubscribe', hex(topic))
  }

  async send(message: string | Buffer | (string | Buffer)[]): Promise<void> {
    const { notConnected } = this.#process
    const end = performance.now() + PATIENCE_MS
    for (;;) {
      try {
        return await this.sendAtOnce(message)
      } catch (error) {
        const again = notConnected !== undefined && (error as Error).message.includes(notConnected)
        if (!again || performance.now() > end) throw error
      }
    }
  }

  /** @throws what the peer says, whatever it is. */
  async sendAtOnce(message: string | Buffer | (string | Buffer)[]): Promise<void> {
    await within(this.#ask('send', [message].flat().map(hex).join(',')))
  }

  /** @throws when nothing comes. */
  async receive(): Promise<Buffer[]> {
    const { frames } = await within(this.#ask('receive', ''))
    return (frames as string).split(',').map((frame) => Buffer.from(frame, 'hex'))
  }

  async close(): Promise<void> {
    await this.#opened
    await this.#process.ask('close', this.#name)
  }

  async #ask(verb: string, argument: string): Promise<Answer> {
    await this.#opened
    return this.#process.ask(verb, this.#name, argument)
  }
}

/** @throws when it takes too long. */
export function within<T>(promise: Promise<T>, ms = PATIENCE_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('nothing came')), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function hex(bytes: string | Buffer): string {
  return Buffer.from(bytes as Buffer).toString('hex')
}
