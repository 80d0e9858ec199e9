/** A process of pyzmqrpc3 and the objects that a test makes in it; `../python/fleet.py` is the other side. */

import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { LineProcess } from '../../helpers/line-process.ts'
import { peer } from '../../helpers/peers.ts'
import { until } from '../../helpers/sockets.ts'

const SCRIPT = fileURLToPath(new URL('../python/fleet.py', import.meta.url))

export const python = peer('pyzmqrpc3')

/** Where a free port of this machine is wanted: Python cannot tell where it bound. */
export const FREE = 'tcp://127.0.0.1:?'

/** What a Python call came to. */
export interface Outcome {
  /** The result, or the exception, as Python shows it. */
  readonly shown: string
  /** The result, where JSON can hold it. */
  readonly value?: unknown
  /** The exception's text. */
  readonly error?: string
}

/** Keyword arguments of a constructor. */
export type PythonOptions = Readonly<Record<string, unknown>>

export class PythonProcess {
  readonly #process: LineProcess
  #nextHandle = 1

  /** `launcher` is put before the interpreter: `['ip', 'netns', 'exec', …]`. */
  constructor(launcher: readonly string[] = []) {
    const [command, ...args] = [...launcher, python.python, SCRIPT]
    this.#process = new LineProcess(command as string, args)
  }

  /** Makes one of pyzmqrpc3's objects; threads run at once, and RPC servers have the services of `commands.ts`. */
  async make(className: string, options: PythonOptions): Promise<PythonObject> {
    const handle = this.#nextHandle++
    const { endpoints } = await this.#process.ask<{ endpoints: string[] }>({ verb: 'make', handle, class: className, options })
    return new PythonObject(this.#process, handle, endpoints)
  }

  /** An RPC server on a free port, unless the options say otherwise. */
  server(options: PythonOptions = { zmq_rep_bind_address: FREE }): Promise<PythonObject> {
    return this.make('ZmqRpcServerThread', options)
  }

  /** An RPC client of these endpoints. */
  client(endpoints: string | readonly string[], options: PythonOptions = {}): Promise<PythonObject> {
    return this.make('ZmqRpcClient', { zmq_req_endpoints: [endpoints].flat(), ...options })
  }

  evaluate(expression: string): Promise<Outcome> {
    return this.#process.ask({ verb: 'evaluate', expression })
  }

  /** Clients in threads, all at once; resolves to what went wrong. */
  async crowd(endpoint: string, clients: number, calls: number, credentials: PythonOptions = {}): Promise<string[]> {
    const { wrong } = await this.#process.ask<{ wrong: string[] }>({ verb: 'crowd', endpoint, clients, calls, credentials })
    return wrong
  }

  /** What a bare REQ socket hears when it sends these frames. */
  async raw(endpoint: string, frames: readonly Buffer[]): Promise<string[]> {
    const { reply } = await this.#process.ask<{ reply: string[] }>({
      verb: 'raw',
      endpoint,
      frames: frames.map((frame) => frame.toString('hex')),
    })
    return reply
  }

  close(): Promise<void> {
    return this.#process.close()
  }
}

/**
 * What a call of a Python client comes to whose server does not let it in. Its time-out, or nothing: where libzmq has given the
 * connection up before Python sends, Python blocks for ever. It does so with its own server, too.
 */
export async function callInVain(client: PythonObject): Promise<string> {
  const outcome = await Promise.race([client.execute('Remember(1)', 1), sleep(3000)])
  return outcome === undefined ? 'blocked' : (outcome.error ?? outcome.shown)
}

/** What that may be. */
export const IN_VAIN = /^(blocked$|No response received on ZMQ Request to end point \('tcp:.*',\) in 1 seconds\. Discarding message\.)/

export class PythonObject {
  readonly #process: LineProcess
  readonly #handle: number
  /** Where it is bound to the free ports that were asked for. */
  readonly endpoints: readonly string[]

  constructor(process: LineProcess, handle: number, endpoints: readonly string[]) {
    this.#process = process
    this.#handle = handle
    this.endpoints = endpoints
  }

  /** The first of them. */
  get endpoint(): string {
    return this.endpoints[0] ?? ''
  }

  call(method: string, ...args: unknown[]): Promise<Outcome> {
    return this.#process.ask({ verb: 'call', handle: this.#handle, method, args })
  }

  /** Of a client: a command as a Python expression, such as `Echo([1, None])`. */
  execute(command: string, seconds = 10): Promise<Outcome> {
    return this.#process.ask({ verb: 'execute', handle: this.#handle, command, seconds })
  }

  /** Of a client or sender: text as a Python expression. */
  send(text: string, seconds = 10): Promise<Outcome> {
    return this.#process.ask({ verb: 'send', handle: this.#handle, text, seconds })
  }

  async lastMessage(): Promise<unknown> {
    return (await this.call('get_last_received_message')).value
  }

  /** Of an RPC server: what it was told by `Remember`. */
  async remembered(): Promise<unknown[]> {
    return (await this.#process.ask<{ values: unknown[] }>({ verb: 'remembered', handle: this.#handle })).values
  }

  async alive(): Promise<boolean> {
    return (await this.#process.ask<{ alive: boolean }>({ verb: 'alive', handle: this.#handle })).alive
  }

  /** Stops a thread and waits for its end, which takes up to a second. */
  async stop(): Promise<void> {
    await this.call('stop')
    await until(async () => !(await this.alive()), 'the Python thread ends')
  }
}
