/** Our ends and Python's for one test file: one Python process for all its tests, and everything closed at the end. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, afterEach, beforeAll } from 'vitest'
import {
  Receiver,
  RpcClient,
  type RpcEvents,
  RpcProxy,
  type RpcProxyOptions,
  RpcServer,
  type RpcServerOptions,
  Sender,
} from '../../../src/index.ts'
import { KNOWN, serveAll } from './commands.ts'
import { PythonProcess, python } from './python-process.ts'

export const LOCAL = 'tcp://127.0.0.1:0'

export interface Ends {
  /** The file's Python process. */
  readonly python: PythonProcess
  /** An RPC server of ours with all services, started; on a port of its own, unless the options say otherwise. */
  server(options?: RpcServerOptions): Promise<OurServer>
  client(options: ConstructorParameters<typeof RpcClient>[0]): RpcClient
  sender(options: ConstructorParameters<typeof Sender>[0]): Sender
  receiver(options: ConstructorParameters<typeof Receiver>[0]): Promise<Receiver>
  /** A proxy of ours, started. */
  proxy(options: RpcProxyOptions): Promise<RpcProxy>
  /** Events of this kind, from now to the end of the test. */
  events<N extends keyof RpcEvents>(name: N): RpcEvents[N][]
  /** Runs when the test ends, latest first. */
  defer(cleanUp: () => unknown): void
}

export interface OurServer {
  readonly server: RpcServer
  /** Its first. */
  readonly endpoint: string
  /** What it was told by `Remember`. */
  readonly remembered: unknown[]
}

/** To be called once, at the top of a test file. */
export function useEnds(): Ends {
  let process: PythonProcess | undefined
  let deferred: (() => unknown)[] = []

  beforeAll(() => {
    if (python.available) process = new PythonProcess()
  })
  afterAll(() => process?.close())
  afterEach(async () => {
    const cleanUps = deferred.reverse()
    deferred = []
    for (const cleanUp of cleanUps) await cleanUp()
  })

  const defer = (cleanUp: () => unknown): void => void deferred.push(cleanUp)
  return {
    get python() {
      return process as PythonProcess
    },
    async server(options = { rep: LOCAL }) {
      const server = new RpcServer({ commands: KNOWN, ...options })
      const remembered = serveAll(server)
      defer(() => server.stop())
      await server.start()
      return { server, remembered, endpoint: server.endpoints[0] ?? '' }
    },
    client(options) {
      const client = new RpcClient({ timeoutMs: 10_000, ...options })
      defer(() => client.close())
      return client
    },
    sender(options) {
      const sender = new Sender({ timeoutMs: 10_000, ...options })
      defer(() => sender.close())
      return sender
    },
    async receiver(options) {
      const receiver = new Receiver(options)
      defer(() => receiver.stop())
      await receiver.start()
      return receiver
    },
    async proxy(options) {
      const proxy = new RpcProxy(options)
      defer(() => proxy.stop({ drainMs: 0 }))
      await proxy.start()
      return proxy
    },
    events<N extends keyof RpcEvents>(name: N) {
      const heard: RpcEvents[N][] = []
      const hear = (event: unknown): void => void heard.push(event as RpcEvents[N])
      subscribe(name, hear)
      defer(() => unsubscribe(name, hear))
      return heard
    },
    defer,
  }
}
