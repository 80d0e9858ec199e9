/** A process of ours that a test drives; `our-process-main.ts` is the other side. */

import { fileURLToPath } from 'node:url'
import type { ClientOptions, RpcProxyOptions, RpcServerOptions } from '../../../src/index.ts'
import { LineProcess } from '../../helpers/line-process.ts'

const MAIN = fileURLToPath(new URL('our-process-main.ts', import.meta.url))

/** What a call of ours came to. */
export interface OurOutcome {
  readonly value?: unknown
  /** The code of the error. */
  readonly code?: string
  readonly error?: string
}

export class OurProcess {
  readonly #process: LineProcess

  /** `launcher` is put before node: `['ip', 'netns', 'exec', …]`. */
  constructor(launcher: readonly string[] = []) {
    const [command, ...args] = [...launcher, process.execPath, '--import', 'tsx', MAIN]
    this.#process = new LineProcess(command as string, args)
  }

  /** A server with all services; resolves to its endpoints. */
  async serve(options: RpcServerOptions): Promise<string[]> {
    const { endpoints } = await this.#process.ask<{ endpoints: string[] }>({ verb: 'serve', options })
    return endpoints
  }

  /** A proxy; resolves to where it takes calls. */
  async proxy(options: RpcProxyOptions): Promise<string[]> {
    const { endpoints } = await this.#process.ask<{ endpoints: string[] }>({ verb: 'proxy', options })
    return endpoints
  }

  /** Makes the process's client. */
  async client(options: ClientOptions): Promise<void> {
    await this.#process.ask({ verb: 'client', options })
  }

  /** Has its client echo a value. */
  echo(value: unknown): Promise<OurOutcome> {
    return this.#process.ask({ verb: 'echo', value })
  }

  close(): Promise<void> {
    return this.#process.close()
  }
}
