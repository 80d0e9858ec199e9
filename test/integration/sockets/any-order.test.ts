/** bind, unbind, connect, disconnect, send, receive and close in any order, also from within events: nothing breaks, nothing stays. */

import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Context, Dealer, Pair, Publisher, Router, type Socket, Subscriber, XPublisher, XSubscriber } from '../../../src/socket/index.ts'
import { openHandles, outcome, until } from '../../helpers/sockets.ts'

type Duplex = Socket & { send?(message: unknown): Promise<void>; receive?(): Promise<unknown> }

const KINDS: Record<string, readonly [new (options: object) => Duplex, new (options: object) => Duplex]> = {
  'ROUTER and DEALER': [Router, Dealer],
  'DEALER and ROUTER': [Dealer, Router],
  'PAIR and PAIR': [Pair, Pair],
  'XPUB and SUB': [XPublisher, Subscriber],
  'PUB and XSUB': [Publisher, XSubscriber],
}

const ADDRESSES = {
  tcp: () => 'tcp://127.0.0.1:0',
  ipc: () => `ipc://${join(tmpdir(), `zmq-rpc-order-${randomUUID()}`)}`,
  inproc: () => `inproc://${randomUUID()}`,
}

const DEEDS = ['bind', 'unbind', 'connect', 'disconnect', 'send', 'receive', 'wait', 'wait longer', 'close'] as const
type Deed = (typeof DEEDS)[number]

/** What a deed may be refused with. */
const FINE = new Set<unknown>(['fulfilled', 'EADDRINUSE', 'EBADF', 'ENOENT', 'EAGAIN', 'EINVAL', 'EBUSY', 'EFSM'])

/** Two sockets and the address where they meet. */
class Scene {
  readonly context = new Context()
  readonly sockets: readonly [Duplex, Duplex]
  readonly results: Promise<unknown>[] = []
  #address: string
  /** Done when something happens, one for each event. */
  readonly #reactions: { who: 0 | 1; deed: Deed }[]

  constructor(kind: string, address: string, options: object, reactions: readonly { who: 0 | 1; deed: Deed }[]) {
    const [First, Second] = KINDS[kind] as (typeof KINDS)[string]
    const common = { context: this.context, reconnectInterval: 1, handshakeInterval: 200, ...options }
    this.sockets = [new First(common), new Second(common)]
    for (const socket of this.sockets) {
      if ('sendTimeout' in socket) (socket as { sendTimeout: number }).sendTimeout = 5
      if ('receiveTimeout' in socket) (socket as { receiveTimeout: number }).receiveTimeout = 5
    }
    this.#address = address
    this.#reactions = [...reactions]
    for (const socket of this.sockets) {
      for (const type of ['accept', 'bind', 'connect', 'connect:delay', 'connect:retry', 'handshake', 'disconnect', 'close'] as const) {
        socket.events.on(type, () => this.#react())
      }
    }
  }

  #react(): void {
    const reaction = this.#reactions.shift()
    if (reaction !== undefined) void this.do(reaction.who, reaction.deed)
  }

  do(who: 0 | 1, deed: Deed): Promise<unknown> {
    const done = outcome(this.#try(this.sockets[who], deed))
    this.results.push(done)
    return done
  }

  async #try(socket: Duplex, deed: Deed): Promise<void> {
    switch (deed) {
      case 'bind':
        await socket.bind(this.#address)
        this.#address = socket.lastEndpoint ?? this.#address
        return
      case 'unbind':
        return socket.unbind(this.#address)
      case 'connect':
        return socket.connect(this.#address)
      case 'disconnect':
        return socket.disconnect(this.#address)
      case 'send':
        return socket.send?.(['a', 'b'])
      case 'receive':
        await socket.receive?.()
        return
      case 'wait':
        return new Promise((resolve) => setImmediate(resolve))
      case 'wait longer':
        return new Promise((resolve) => setTimeout(resolve, 3))
      case 'close':
        return socket.close()
      default:
        deed satisfies never
    }
  }

  /** Whatever it has been through, the first socket hears a newcomer, if it is open. */
  async hears(address: string): Promise<void> {
    const [socket] = this.sockets
    this.#reactions.length = 0
    // Whoever receives would take the message away.
    for (let count = -1; count !== this.results.length; ) {
      count = this.results.length
      await Promise.all(this.results)
    }
    if (socket.closed || !(socket instanceof Router || socket instanceof Dealer)) return
    await socket.bind(address).catch(() => {})
    if (socket.closed) return
    const newcomer = new Dealer({ context: this.context, reconnectInterval: 1, linger: 0 })
    newcomer.connect(socket.lastEndpoint ?? '')
    await newcomer.send('newcomer')
    socket.receiveTimeout = 3000
    try {
      for (let heard = ''; heard !== 'newcomer'; ) heard = String((await socket.receive()).at(-1))
    } finally {
      await newcomer.close()
    }
  }

  async end(): Promise<void> {
    for (const socket of this.sockets) {
      if (!socket.closed) socket.linger = 0
      await socket.close()
    }
  }
}

const who = fc.constantFrom(0 as const, 1 as const)
const step = fc.record({ who, deed: fc.constantFrom(...DEEDS), awaited: fc.boolean() })
const reaction = fc.record({ who, deed: fc.constantFrom(...DEEDS) })
const setting = fc.record({
  linger: fc.constantFrom(0, 20),
  immediate: fc.boolean(),
  sendHighWaterMark: fc.constantFrom(1, 1000),
})

describe('deeds in any order', () => {
  const uncaught: unknown[] = []
  const note = (error: unknown): number => uncaught.push(error)
  beforeAll(() => {
    process.on('uncaughtException', note)
    process.on('unhandledRejection', note)
  })
  afterAll(() => {
    process.off('uncaughtException', note)
    process.off('unhandledRejection', note)
  })

  it.each(Object.keys(ADDRESSES) as (keyof typeof ADDRESSES)[])(
    'break nothing and leave nothing behind: %s',
    { timeout: 120_000 },
    async (transport) => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...Object.keys(KINDS)),
          setting,
          fc.array(step, { maxLength: 25 }),
          fc.array(reaction, { maxLength: 5 }),
          async (kind, { sendHighWaterMark, ...options }, steps, reactions) => {
            const before = openHandles()
            const scene = new Scene(kind, ADDRESSES[transport](), options, reactions)
            for (const socket of scene.sockets) if ('sendHighWaterMark' in socket) Object.assign(socket, { sendHighWaterMark })
            for (const { who, deed, awaited } of steps) {
              const done = scene.do(who, deed)
              if (awaited && deed !== 'close') await done
            }
            await scene.hears(ADDRESSES[transport]()).catch((error: unknown) => {
              if (!scene.sockets[0].closed) throw error
            })
            await scene.end()
            for (const result of await Promise.all(scene.results)) expect(FINE).toContain(result)
            expect(scene.context.openSockets).toBe(0)
            expect(scene.context.inproc.busy).toBe(false)
            await until(() => openHandles() <= before, 'servers and connections that are still open', 2000)
            expect(uncaught).toEqual([])
          },
        ),
        { numRuns: Number(process.env['RUNS'] ?? 60), interruptAfterTimeLimit: 100_000 },
      )
    },
  )
})
