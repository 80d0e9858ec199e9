/**
 * Commands, servers, clients and proxies for the tests of the RPC layer; each is closed when its test ends, and leaves nothing behind.
 * They speak the native dialect with each other, unless the test's group asks for the other one: `rpc.speak`.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, expect } from 'vitest'
import {
  Command,
  type Receipt,
  Receiver,
  RpcClient,
  type RpcClientOptions,
  type RpcEvents,
  RpcProxy,
  type RpcProxyOptions,
  RpcServer,
  type RpcServerOptions,
  Sender,
} from '../../src/index.ts'
import type { ClientOptions } from '../../src/rpc/client/client-options.ts'
import type { MessageServerOptions } from '../../src/rpc/server/message-server.ts'
import { context as sharedContext } from '../../src/socket/context.ts'
import type { TestNetwork } from '../../src/testing/index.ts'
import { openHandles, TRANSPORTS, until } from './sockets.ts'
import { virtually } from './virtually.ts'

export { openHandles, STREAM_TRANSPORTS, TRANSPORTS, until } from './sockets.ts'

/** What our ends may speak with each other. */
export const DIALECTS = ['native', 'pyzmqrpc3'] as const
export type Dialect = (typeof DIALECTS)[number]

/** Each transport with each dialect. */
export const WAYS = TRANSPORTS.flatMap((transport) => DIALECTS.map((dialect) => ({ ...transport, dialect })))

/** How the text of what a service threw reaches its caller. */
export function toldBy(dialect: Dialect, serviceName: string, text: string): string {
  return dialect === 'native' ? text : `Exception raised when calling service ${serviceName}. Exception: ${text} `
}

export class Greet extends Command<string> {
  static readonly commandName: string = 'Greet'
  name: string
  constructor(name = '') {
    super()
    this.name = name
  }
}

/** Comes back as it went. */
export class Echo extends Command {
  static readonly commandName: string = 'Echo'
  value: unknown
  constructor(value: unknown = null) {
    super()
    this.value = value
  }
}

/** A number, for those who keep count. */
export class Count extends Command<number> {
  static readonly commandName: string = 'Count'
  n: number
  constructor(n = 0) {
    super()
    this.n = n
  }
}

/** Nobody has a service for it. */
export class Unknown extends Command {
  static readonly commandName: string = 'Unknown'
}

export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: unknown): void
}

export function deferred<T = void>(): Deferred<T> {
  let settle: { resolve(value: T): void; reject(error: unknown): void } | undefined
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...(settle as unknown as { resolve(value: T): void; reject(error: unknown): void }) }
}

/** What a call is rejected with. @throws when it is not. */
export async function failureOf(
  call: Promise<unknown>,
): Promise<Error & { code?: string; endpoint?: string; command?: string; status?: number; receipt?: Receipt }> {
  try {
    await call
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not fail')
}

/** The events of one channel, as they come. */
export class Heard<N extends keyof RpcEvents> {
  readonly events: RpcEvents[N][] = []
  readonly #name: N
  readonly #matches: (event: RpcEvents[N]) => boolean
  #wake: (() => void)[] = []
  readonly #listener = (event: unknown): void => {
    if (!this.#matches(event as RpcEvents[N])) return
    this.events.push(event as RpcEvents[N])
    for (const wake of this.#wake.splice(0)) wake()
  }

  constructor(name: N, matches: (event: RpcEvents[N]) => boolean) {
    this.#name = name
    this.#matches = matches
    subscribe(name, this.#listener)
  }

  /** Resolves with the events once there are so many. */
  async atLeast(count: number): Promise<RpcEvents[N][]> {
    while (this.events.length < count) await new Promise<void>((resolve) => this.#wake.push(resolve))
    return this.events
  }

  end(): void {
    unsubscribe(this.#name, this.#listener)
  }
}

type End = RpcServer | Receiver | RpcProxy | RpcClient | Sender

export interface Rpc {
  /** To be called in a group of tests: there, ends speak this dialect with each other where they can. */
  speak(dialect: Dialect): void
  server(options: RpcServerOptions): RpcServer
  client(options: RpcClientOptions): RpcClient
  sender(options: ClientOptions): Sender
  receiver(options: MessageServerOptions): Receiver
  /** A proxy that is started; it takes commands at a port of its own, unless the options say what it takes. */
  proxy(options: RpcProxyOptions): Promise<RpcProxy>
  /** Closed when the test ends. */
  own<T extends End>(end: T): T
  /** A server that is started, with a service for each of Greet, Echo and Count. */
  started(options: RpcServerOptions, prepare?: (server: RpcServer) => void): Promise<RpcServer>
  hear<N extends keyof RpcEvents>(name: N, matches?: (event: RpcEvents[N]) => boolean): Heard<N>
  defer(cleanUp: () => unknown): void
  /** Runs the test on a virtual network, in virtual time, and closes there what it has opened: for what is about milliseconds. */
  virtually(test: (network: TestNetwork) => Promise<void>): Promise<void>
}

/** To be called once, at the top of a test file or group. */
export function useRpc(): Rpc {
  let before = 0
  let dialect: 'auto' | 'pyzmqrpc3' = 'auto'
  let deferredCleanUps: (() => unknown)[] = []

  beforeEach(() => {
    before = openHandles()
    dialect = 'auto'
    deferredCleanUps = []
  })

  const cleanUp = async (): Promise<void> => {
    for (const one of deferredCleanUps.splice(0).reverse()) await one()
  }

  afterEach(async () => {
    await cleanUp()
    expect(sharedContext.openSockets, 'sockets that are still open').toBe(0)
    await until(() => openHandles() <= before, 'servers and connections that are still open')
  })

  const own = <T extends End>(end: T): T => {
    deferredCleanUps.push(() => ('stop' in end ? end.stop({ drainMs: 0 }) : end.close()))
    return end
  }
  return {
    speak: (spoken) =>
      beforeEach(() => {
        dialect = spoken === 'native' ? 'auto' : spoken
      }),
    own,
    server: (options) => own(new RpcServer({ dialect, ...options })),
    client: (options) => own(new RpcClient({ dialect, timeoutMs: 10_000, ...options })),
    sender: (options) => own(new Sender({ dialect, timeoutMs: 10_000, ...options })),
    receiver: (options) => own(new Receiver({ dialect, ...options })),
    started: async (options, prepare) => {
      const server = own(new RpcServer({ dialect, ...options }))
      server.register(Greet, ({ name }) => `Hello ${name}`)
      server.register(Echo, ({ value }) => value)
      if (prepare === undefined) server.register(Count, ({ n }) => n)
      else prepare(server)
      await server.start()
      return server
    },
    proxy: async (options) => {
      const takes = options.rep === undefined && options.sub === undefined ? { rep: 'tcp://127.0.0.1:0' } : {}
      const proxy = own(new RpcProxy({ ...takes, ...options }))
      await proxy.start()
      return proxy
    },
    hear: (name, matches = () => true) => {
      const heard = new Heard(name, matches)
      deferredCleanUps.push(() => heard.end())
      return heard
    },
    defer: (one) => deferredCleanUps.push(one),
    virtually: (test) => virtually(test, cleanUp),
  }
}

export function endpointOf(server: { endpoints: string[] }): string {
  return server.endpoints[0] as string
}
