/** A process of a foreign implementation and its sockets; `../peers/README.md` has the protocol. */

import { LineProcess } from '../../helpers/line-process.ts'
import { type AnyDuplex, type TypeName, ZMTP_NAMES } from '../../helpers/pairings.ts'

interface Answer {
  id: number
  failed?: string
  endpoint?: string
  frames?: string
}

/** Options of a socket of the peer, in the words of the protocol; each is a list of values. */
export type PeerOptions = Readonly<Record<string, readonly (string | Buffer)[]>>

export class PeerProcess {
  /** What a peer says that refuses to send when nobody is connected; it is asked again, then. */
  readonly notConnected: string | undefined
  readonly #process: LineProcess
  #nextName = 1

  constructor(command: readonly string[], notConnected?: string) {
    this.notConnected = notConnected
    this.#process = new LineProcess(command[0] as string, command.slice(1))
  }

  open(type: TypeName, options: PeerOptions = {}): PeerSocket {
    return new PeerSocket(this, String(this.#nextName++), ZMTP_NAMES[type], options)
  }

  /** @throws what the peer says went wrong, or that it ended. */
  ask(verb: string, socket: string, ...args: string[]): Promise<Answer> {
    return this.#process.askInWords(verb, socket, ...args)
  }

  /** Ends it, by the end of its input. */
  close(): Promise<void> {
    return this.#process.close()
  }

  /** Ends it without letting it do anything more. */
  kill(): Promise<void> {
    return this.#process.kill()
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
