/** Sockets for one test each: a context of their own, closed at its end, and a check that nothing stays open. */

import { randomUUID } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { afterEach, beforeEach, expect } from 'vitest'
import { Context, type EventOfType, type EventType, Pull, type Socket } from '../../src/socket/index.ts'
import type { TestNetwork } from '../../src/testing/index.ts'
import { virtually } from './virtually.ts'

export interface TransportCase {
  name: string
  /** An endpoint to bind, new each time; connect to `lastEndpoint`. */
  endpoint(): string
}

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'))

const tcp: TransportCase = { name: 'tcp', endpoint: () => 'tcp://127.0.0.1:0' }
const tcp6: TransportCase = { name: 'tcp over IPv6', endpoint: () => 'tcp://[::1]:0' }
const ipc: TransportCase = { name: 'ipc', endpoint: () => 'ipc://*' }
const inproc: TransportCase = { name: 'inproc', endpoint: () => `inproc://${randomUUID()}` }

/** Those with bytes. */
export const STREAM_TRANSPORTS: readonly TransportCase[] = [tcp, ipc]
/** All that this machine has. */
export const TRANSPORTS: readonly TransportCase[] = [tcp, ...(hasIPv6 ? [tcp6] : []), ipc, inproc]

type SocketClass<S, O> = { new (options: O): S; readonly prototype: S }

export interface TestSockets {
  /** The context of the test's sockets. */
  readonly context: Context
  /** A socket that is closed, without lingering, when the test ends. No call on it waits for ever unless told to. */
  open<S extends Socket, O extends object>(type: SocketClass<S, O | undefined>, options?: NoInfer<O>): S
  /** Runs when the test ends, latest first. */
  defer(cleanUp: () => unknown): void
  /** Runs the test on a virtual network, in virtual time, and closes there what it has opened: for what is about milliseconds. */
  virtually(test: (network: TestNetwork) => Promise<void>): Promise<void>
}

/** To be called once, at the top of a test file or group. */
export function useSockets(): TestSockets {
  let context = new Context()
  let before = 0
  let sockets: Socket[] = []
  let deferred: (() => unknown)[] = []

  beforeEach(() => {
    context = new Context()
    before = openHandles()
    sockets = []
    deferred = []
  })

  const cleanUp = async (): Promise<void> => {
    for (const one of deferred.splice(0).reverse()) await one()
    await Promise.all(sockets.splice(0).map((socket) => quit(socket)))
  }

  afterEach(async () => {
    await cleanUp()
    expect(context.openSockets, 'sockets that are still open').toBe(0)
    await until(() => openHandles() <= before, 'servers and connections that are still open')
  })

  return {
    get context() {
      return context
    },
    open(type, options) {
      const timeouts = Object.fromEntries(
        ['sendTimeout', 'receiveTimeout'].filter((name) => name in type.prototype).map((name) => [name, 10_000]),
      )
      const socket = new type({ context, ...timeouts, ...options } as never)
      sockets.push(socket)
      return socket
    },
    defer(one) {
      deferred.push(one)
    },
    virtually: (test) => virtually(test, cleanUp),
  }
}

function quit(socket: Socket): Promise<void> {
  if (!socket.closed) socket.linger = 0
  return socket.close()
}

/** Servers and connections of this process. */
export function openHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => /^(TCP|Pipe)/.test(name)).length
}

/** Waits for something that comes about by itself and tells nobody. */
export async function until(done: () => boolean | Promise<boolean>, what: string, withinMs = 10_000): Promise<void> {
  const end = performance.now() + withinMs
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** The next event of this kind, or of the first of these kinds. */
export function event<T extends EventType>(socket: Socket, ...types: T[]): Promise<EventOfType<T>> {
  return new Promise((resolve) => {
    const listener = (came: EventOfType<T>): void => {
      for (const type of types) socket.events.off(type, listener)
      resolve(came)
    }
    for (const type of types) socket.events.on(type, listener)
  })
}

/** Binds the one, connects the other, and returns the endpoint. */
export async function link(binder: Socket, connecter: Socket, endpoint = 'tcp://127.0.0.1:0'): Promise<string> {
  await binder.bind(endpoint)
  const bound = binder.lastEndpoint as string
  connecter.connect(bound)
  return bound
}

/** An endpoint of our choice where nobody is, yet. */
export async function vacant({ open }: TestSockets, endpoint = 'tcp://127.0.0.1:0'): Promise<string> {
  const socket = open(Pull)
  await socket.bind(endpoint)
  const bound = socket.lastEndpoint as string
  await socket.close()
  return bound
}

/** Frames as text. */
export function texts(message: readonly Buffer[]): string[] {
  return message.map(String)
}

export const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code

/** The code that a call is rejected with, or `fulfilled`. */
export function outcome(call: Promise<unknown>): Promise<unknown> {
  return call.then(() => 'fulfilled', codeOf)
}
