/** Streams in results and in commands, through real connections. What must hold of streams by themselves: test/unit/rpc/stream/streams.test.ts. */

import { describe, expect, it } from 'vitest'
import { Command, RemoteError, type RpcClient, type RpcServer, ServiceError } from '../../../../src/index.ts'
import { type Deferred, deferred, endpointOf, failureOf, Greet, TRANSPORTS, until, useRpc } from '../../../helpers/rpc.ts'
import { Source } from './source.ts'

const rpc = useRpc()

const TCP = { rep: 'tcp://127.0.0.1:0' }
const WINDOW_BYTES = 256 * 1024

/** Its result streams. */
class Tail extends Command<AsyncIterable<unknown>> {
  static readonly commandName: string = 'Tail'
  count = 0
  static of(count: number): Tail {
    return Object.assign(new Tail(), { count })
  }
}

/** Its state streams; a stream or a value is the result. */
class Feed extends Command<unknown> {
  static readonly commandName: string = 'Feed'
  items: AsyncIterable<unknown> = new Source(0)
  static of(items: AsyncIterable<unknown>): Feed {
    return Object.assign(new Feed(), { items })
  }
}

class TooHot extends ServiceError<{ celsius: number }> {
  static readonly errorName = 'TooHot'
}

interface Ends {
  server: RpcServer
  client: RpcClient
  /** The client of another process, so to say. */
  other: RpcClient
}

async function serve(prepare: (server: RpcServer) => void, rep = TCP.rep): Promise<Ends> {
  const server = await rpc.started({ rep }, prepare)
  const options = { req: endpointOf(server), errors: [TooHot] }
  const [client, other] = [rpc.client(options), rpc.client(options)]
  await Promise.all([client.ready(), other.ready()])
  return { server, client, other }
}

const tail = (source: AsyncIterable<unknown>) => (server: RpcServer) => void server.register(Tail, () => source)

async function collect(stream: unknown): Promise<unknown[]> {
  const items: unknown[] = []
  for await (const item of stream as AsyncIterable<unknown>) items.push(item)
  return items
}

/** Nothing of any call is left, once what is on its way has come. */
async function expectIdle(server: RpcServer, client: RpcClient): Promise<void> {
  await until(() => {
    const [here, there] = [server.stats(), client.stats()]
    return here.running + here.waiting + here.streams + there.queued + there.inFlight + there.streams === 0
  }, 'no call is left, nor any stream')
  // Nothing that it would have to wait for.
  await server.stop({ drainMs: 60_000 })
}

describe.each(TRANSPORTS)('over $name', ({ endpoint }) => {
  it('a result streams, in order, to its end', async () => {
    const { client, server } = await serve(
      (server) =>
        void server.register(Tail, async function* ({ count }) {
          for (let n = 0; n < count; n++) yield { n }
        }),
      endpoint(),
    )
    const items = await collect(await client.execute(Tail.of(5000)))
    expect(items).toEqual(Array.from({ length: 5000 }, (_, n) => ({ n })))
    await expectIdle(server, client)
  })

  it('a command streams, in order, to its end', async () => {
    const { client, server } = await serve((server) => void server.register(Feed, ({ items }) => collect(items)), endpoint())
    const source = new Source(3000)
    expect(await client.execute(Feed.of(source))).toEqual(Array.from({ length: 3000 }, (_, n) => n))
    expect(source.ended).toBe('by itself')
    await expectIdle(server, client)
  })

  it('both do, at once: what was heard decides what is said', async () => {
    const { client, server } = await serve(
      (server) =>
        void server.register(Feed, async function* ({ items }) {
          for await (const n of items) yield (n as number) * 2
        }),
      endpoint(),
    )
    // Each item is made from the answer to the one before.
    let wake: Deferred<void> = deferred()
    let next = 1
    async function* questions(): AsyncGenerator<number> {
      while (next < 1e6) {
        const asked = next
        yield asked
        while (next === asked) await wake.promise
      }
    }
    const answers = (await client.execute(Feed.of(questions()))) as AsyncIterable<number>
    const heard: number[] = []
    for await (const answer of answers) {
      heard.push(answer)
      next = answer
      const before = wake
      wake = deferred()
      before.resolve()
    }
    expect(heard).toEqual(Array.from({ length: 20 }, (_, n) => 2 ** (n + 1)).filter((n) => n / 2 < 1e6))
    await expectIdle(server, client)
  })

  it('a reader that is slow keeps the writer waiting: it is never more than a window ahead', async () => {
    const source = new Source(1000, () => Buffer.alloc(10_000, 'x'))
    const { client, server, other } = await serve(tail(source), endpoint())
    const items = (await client.execute(new Tail()))[Symbol.asyncIterator]()
    await until(() => source.given * 10_000 >= WINDOW_BYTES, 'the window is full')
    for (let taken = 0; taken < 200; taken++) {
      // Served on the same server meanwhile; and, by its answer, as much time as a message takes.
      expect(await other.execute(new Greet('Ada'))).toBe('Hello Ada')
      expect(source.given - taken, 'items that the writer is ahead').toBeLessThanOrEqual(Math.ceil(WINDOW_BYTES / 10_000) + 1)
      expect((await items.next()).done).toBe(false)
    }
    await items.return?.()
    await until(() => source.ended === 'told to return', 'the writer is told')
    await expectIdle(server, client)
  })

  it('a service that reads slowly keeps the client waiting in the same way', async () => {
    const source = new Source(1000, () => Buffer.alloc(10_000, 'x'))
    const asked = deferred<AsyncIterator<unknown>>()
    const done = deferred()
    const { client, server } = await serve(
      (server) =>
        void server.register(Feed, async ({ items }) => {
          asked.resolve(items[Symbol.asyncIterator]())
          await done.promise
          return 'enough'
        }),
      endpoint(),
    )
    const call = client.execute(Feed.of(source))
    const items = await asked.promise
    await until(() => source.given * 10_000 >= WINDOW_BYTES, 'the window is full')
    for (let taken = 0; taken < 100; taken++) {
      await client.execute(new Greet())
      expect(source.given - taken, 'items that the writer is ahead').toBeLessThanOrEqual(Math.ceil(WINDOW_BYTES / 10_000) + 1)
      expect((await items.next()).done).toBe(false)
    }
    done.resolve()
    expect(await call).toBe('enough')
    await until(() => source.ended === 'told to return', 'what nobody reads is stopped')
    await expectIdle(server, client)
  })
})

describe('streams', () => {
  it('may be several in a result, deep within it, and are read in any order', async () => {
    const { client, server } = await serve(
      (server) => void server.register(Tail, () => ({ a: new Source(3), more: [new Source(2), new Map([['c', new Source(1)]])] }) as never),
    )
    type Several = { a: AsyncIterable<number>; more: [AsyncIterable<number>, Map<string, AsyncIterable<number>>] }
    const { a, more } = (await client.execute(new Tail())) as unknown as Several
    expect(await collect(more[1].get('c'))).toEqual([0])
    expect(await Promise.all([collect(a), collect(more[0])])).toEqual([
      [0, 1, 2],
      [0, 1],
    ])
    await expectIdle(server, client)
  })

  it('of which one is not read do not hold up the others', async () => {
    const full = new Source(1000, () => Buffer.alloc(10_000, 'x'))
    const { client, server } = await serve((server) => void server.register(Tail, () => [full, new Source(5000)] as never))
    const [unread, read] = (await client.execute(new Tail())) as unknown as [AsyncIterableIterator<unknown>, AsyncIterable<unknown>]
    expect(await collect(read)).toHaveLength(5000)
    expect(full.given).toBeLessThan(100)
    await unread.return?.()
    await expectIdle(server, client)
  })

  it('hold values of every kind; binaries of any size, also beyond the window', async () => {
    const items = [null, undefined, new Map([[1n, new Date(0)]]), Buffer.alloc(3 * WINDOW_BYTES, 'a'), '', Buffer.alloc(WINDOW_BYTES), -0]
    const { client, server } = await serve(
      tail(
        (async function* () {
          yield* items
        })(),
      ),
    )
    const back = await collect(await client.execute(new Tail()))
    expect(back.length).toBe(items.length)
    for (const [index, item] of back.entries()) {
      const sent = items[index]
      expect(Buffer.isBuffer(sent) ? sent.equals(item as Buffer) : Object.is(sent, item) || item instanceof Map).toBe(true)
    }
    await expectIdle(server, client)
  })

  it('have their call sent once only, where their first step gives up the call that had waited to be sent', async () => {
    const begun: unknown[] = []
    const server = await rpc.started(TCP, (prepared) => {
      prepared.register(Feed, ({ items }) => {
        begun.push(items)
        return collect(items)
      })
    })
    const client = rpc.client({ req: endpointOf(server) })
    const controller = new AbortController()
    async function* items(): AsyncGenerator<number> {
      controller.abort()
      yield 1
    }
    const given = failureOf(client.execute(Feed.of(items()), { signal: controller.signal }))
    expect(await given).toMatchObject({ code: 'ABORTED' })
    await client.execute(new Greet('Ada'))
    expect(begun.length).toBeLessThanOrEqual(1)
    await expectIdle(server, client)
  })

  it('go on when the time for the result is over', () =>
    rpc.virtually(async () => {
      const go = deferred()
      const { client } = await serve(
        tail(
          (async function* () {
            yield 1
            await go.promise
            yield 2
          })(),
        ),
      )
      const items = (await client.execute(new Tail(), { timeoutMs: 40 }))[Symbol.asyncIterator]()
      expect(await items.next()).toEqual({ done: false, value: 1 })
      await new Promise((resolve) => setTimeout(resolve, 80))
      go.resolve()
      expect(await items.next()).toEqual({ done: false, value: 2 })
      expect((await items.next()).done).toBe(true)
    }))

  it('stay when other calls of their connection time out, and nothing is heard on it', async () => {
    const go = deferred()
    const { client, server } = await serve((server) => {
      server.register(Tail, async function* () {
        await go.promise
        yield 'late'
      })
      server.register(Feed, () => new Promise(() => {}))
    })
    const items = await client.execute(new Tail())
    expect(await failureOf(client.execute(Feed.of(new Source(0)), { timeoutMs: 30 }))).toMatchObject({ code: 'TIMED_OUT' })
    expect(await failureOf(client.execute(Feed.of(new Source(0)), { timeoutMs: 30 }))).toMatchObject({ code: 'TIMED_OUT' })
    go.resolve()
    expect(await collect(items)).toEqual(['late'])
    await server.stop({ drainMs: 0 })
  })

  it('of a command that is not sent are not begun', async () => {
    const source = new Source(3)
    const { client } = await serve((server) => void server.register(Feed, ({ items }) => collect(items)))
    await client.close()
    expect(await failureOf(client.execute(Feed.of(source)))).toMatchObject({ code: 'CLOSED' })
    expect(source.given).toBe(0)
  })

  it('of a command that waits for its turn come when it runs, a window of them at most', async () => {
    const go = deferred()
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 1 }, (server) => {
      server.register(Tail, () => go.promise as never)
      server.register(Feed, async ({ items }) => (await collect(items)).length)
    })
    const client = rpc.client({ req: endpointOf(server) })
    const first = client.execute(new Tail())
    const [short, long] = [new Source(100), new Source(1000, () => Buffer.alloc(10_000))]
    const calls = [short, long].map((source) => client.execute(Feed.of(source)))
    await until(() => short.ended === 'by itself' && long.given * 10_000 >= WINDOW_BYTES, 'they stream meanwhile')
    expect(long.given).toBeLessThan(30)
    go.resolve()
    await first
    expect(await Promise.all(calls)).toEqual([100, 1000])
    await expectIdle(server, client)
  })

  it('of a thousand calls at once do not get mixed up', async () => {
    const { client, server } = await serve(
      (server) =>
        void server.register(Tail, async function* ({ count }) {
          for (let n = 0; n < 5; n++) yield count * 10 + n
        }),
    )
    const all = await Promise.all(Array.from({ length: 1000 }, async (_, n) => collect(await client.execute(Tail.of(n)))))
    expect(all).toEqual(Array.from({ length: 1000 }, (_, n) => [0, 1, 2, 3, 4].map((item) => n * 10 + item)))
    await expectIdle(server, client)
  })
})

describe('a reader that', () => {
  it.each<[string, (stream: AsyncIterable<unknown>) => Promise<void>]>([
    [
      'leaves its loop',
      async (stream) => {
        for await (const _item of stream) break
      },
    ],
    [
      'throws in its loop',
      async (stream) => {
        const failing = async (): Promise<void> => {
          for await (const _item of stream) throw new Error('of the reader')
        }
        expect((await failureOf(failing())).message).toBe('of the reader')
      },
    ],
    ['never begins, and returns', async (stream) => void (await (stream as AsyncGenerator).return(undefined))],
  ])('%s: stops the writer', async (_name, read) => {
    const source = new Source(Number.POSITIVE_INFINITY)
    const { client, server } = await serve(tail(source))
    await read(await client.execute(new Tail()))
    await until(() => source.ended === 'told to return', 'the writer is told')
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    await expectIdle(server, client)
  })

  it('leaves its loop while the writer waits for something else: the signal tells it', async () => {
    const waiting = deferred<AbortSignal>()
    let ended = false
    const { client, server } = await serve((server) =>
      server.register(Tail, async function* (_command, { signal }) {
        try {
          yield 1
          waiting.resolve(signal)
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
        } finally {
          ended = true
        }
      }),
    )
    const stream = (await client.execute(new Tail()))[Symbol.asyncIterator]()
    await stream.next()
    const signal = await waiting.promise
    expect(signal.aborted).toBe(false)
    await stream.return?.()
    await until(() => ended, 'the writer is told')
    expect(signal.reason).toMatchObject({ code: 'ABORTED', command: 'Tail' })
    await expectIdle(server, client)
  })

  it('to its end: the signal of its writer says nothing', async () => {
    const given = deferred<AbortSignal>()
    const { client, server } = await serve((server) =>
      server.register(Tail, async function* (_command, { signal }) {
        given.resolve(signal)
        yield 1
      }),
    )
    expect(await collect(await client.execute(new Tail()))).toEqual([1])
    await expectIdle(server, client)
    expect((await given.promise).aborted).toBe(false)
  })

  it('gives its call up: gets what is there, then the reason; the writer is stopped', async () => {
    const source = new Source(Number.POSITIVE_INFINITY)
    const { client, server } = await serve(tail(source))
    const controller = new AbortController()
    const stream = await client.execute(new Tail(), { signal: controller.signal })
    const reading = failureOf(collect(stream))
    await until(() => source.given > 10, 'it streams')
    controller.abort(new Error('enough'))
    expect(await reading).toMatchObject({ code: 'ABORTED', command: 'Tail', message: expect.stringContaining('enough') })
    await until(() => source.ended === 'told to return', 'the writer is told')
    await expectIdle(server, client)
  })

  it('closes its client: gets what is there, then CLOSED; the writer is stopped', async () => {
    const source = new Source(Number.POSITIVE_INFINITY)
    const { client, server } = await serve(tail(source))
    const reading = failureOf(collect(await client.execute(new Tail())))
    await until(() => source.given > 10, 'it streams')
    await client.close()
    expect(await reading).toMatchObject({ code: 'CLOSED', command: 'Tail' })
    await until(() => source.ended === 'told to return', 'the writer is told')
    await expectIdle(server, client)
  })
})

describe('a writer that throws', () => {
  const throwing = (error: unknown) =>
    (async function* () {
      yield 1
      yield 2
      throw error
    })()

  it('in a service: the reader gets the items before, then its error, as what it is', async () => {
    const { client, server } = await serve(tail(throwing(new TooHot('it burns', { details: { celsius: 99 } }))))
    const items: unknown[] = []
    const reading = async (): Promise<void> => {
      for await (const item of await client.execute(new Tail())) items.push(item)
    }
    const error = await failureOf(reading())
    expect(items).toEqual([1, 2])
    expect(error).toBeInstanceOf(TooHot)
    expect(error).toMatchObject({ message: 'it burns', details: { celsius: 99 }, command: 'Tail', endpoint: endpointOf(server) })
    await expectIdle(server, client)
  })

  it('in a client: the service gets the items before, then its error', async () => {
    const seen: unknown[] = []
    const { client, server } = await serve(
      (server) =>
        void server.register(Feed, async ({ items }) => {
          try {
            for await (const item of items) seen.push(item)
          } catch (error) {
            seen.push(error)
          }
          return seen.length
        }),
    )
    expect(await client.execute(Feed.of(throwing(new TypeError('no more'))))).toBe(3)
    expect(seen).toEqual([1, 2, expect.any(RemoteError)])
    expect(seen[2]).toMatchObject({ statusText: 'no more', remoteName: 'TypeError' })
    await expectIdle(server, client)
  })

  it('or gives what cannot be written: its stream fails there, and it is told to return', async () => {
    const source = new Source(10, (n) => (n === 2 ? Symbol('x') : n))
    const { client, server } = await serve(tail(source))
    const items: unknown[] = []
    const reading = async (): Promise<void> => {
      for await (const item of await client.execute(new Tail())) items.push(item)
    }
    expect((await failureOf(reading())).message).toContain('is a symbol')
    expect(items).toEqual([0, 1])
    expect(source.ended).toBe('told to return')
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    await expectIdle(server, client)
  })
})

describe('a service that streams', () => {
  it('to who has gone: is told to return', async () => {
    const source = new Source(Number.POSITIVE_INFINITY)
    const { client, server } = await serve(tail(source))
    const stream = (await client.execute(new Tail()))[Symbol.asyncIterator]()
    expect((await stream.next()).value).toBe(0)
    await client.close()
    await until(() => source.ended === 'told to return', 'the writer is told')
    await expectIdle(server, client)
  })

  it('is waited for when its server stops, until the drain is over', async () => {
    const go = deferred()
    const { client, server } = await serve(
      tail(
        (async function* () {
          yield 1
          await go.promise
          yield 2
        })(),
      ),
    )
    const items = (await client.execute(new Tail()))[Symbol.asyncIterator]()
    expect((await items.next()).value).toBe(1)
    const stopped = server.stop({ drainMs: 10_000 })
    expect(await failureOf(client.execute(new Greet()))).toMatchObject({ code: 'SHUTTING_DOWN' })
    go.resolve()
    expect((await items.next()).value).toBe(2)
    expect((await items.next()).done).toBe(true)
    await stopped
  })

  it('in a result that its client cannot read: is told to return', async () => {
    const source = new Source(Number.POSITIVE_INFINITY)
    class Odd extends Command {}
    const { server, client } = await serve((server) => server.register(Tail, () => ({ source, odd: new Odd() }) as never))
    expect(await failureOf(client.execute(new Tail()))).toMatchObject({ code: 'BAD_REPLY' })
    await until(() => source.ended === 'told to return', 'the source is told to return')
    await expectIdle(server, client)
  })

  it('for ever: is ended by the drain; its reader gets what came, then an error', async () => {
    const source = new Source(Number.POSITIVE_INFINITY)
    const { client, server } = await serve(tail(source))
    const reading = failureOf(collect(await client.execute(new Tail())))
    await until(() => source.given > 10, 'it streams')
    await server.stop({ drainMs: 50 })
    expect(await reading).toMatchObject({ code: 'CONNECTION_LOST', command: 'Tail' })
    expect(source.ended).toBe('told to return')
  })

  it('without reading what the client streams: that is stopped when it has answered', async () => {
    const source = new Source(Number.POSITIVE_INFINITY)
    const { client, server } = await serve((server) => void server.register(Feed, () => 'not interested'))
    expect(await client.execute(Feed.of(source))).toBe('not interested')
    await until(() => source.ended === 'told to return', 'the client is told')
    await expectIdle(server, client)
  })

  it('and throws itself: what the client streams is stopped', async () => {
    const source = new Source(Number.POSITIVE_INFINITY)
    const { client, server } = await serve(
      (server) =>
        void server.register(Feed, async ({ items }) => {
          for await (const _item of items) throw new Error('not this')
        }),
    )
    expect(await failureOf(client.execute(Feed.of(source)))).toMatchObject({ code: 'SERVICE_FAILED', statusText: 'not this' })
    await until(() => source.ended === 'told to return', 'the client is told')
    await expectIdle(server, client)
  })
})

describe('a client whose connection is cut', () => {
  it('has its readers get what came, then CONNECTION_LOST, and its writers told to return', async () => {
    const [out, back] = [new Source(Number.POSITIVE_INFINITY), new Source(Number.POSITIVE_INFINITY)]
    const seen = deferred<unknown>()
    const { client, server } = await serve(
      (server) =>
        void server.register(Feed, ({ items }) => {
          seen.resolve(failureOf(collect(items)))
          return back
        }),
    )
    const reading = failureOf(collect(await client.execute(Feed.of(out))))
    await until(() => out.given > 10 && back.given > 10, 'both stream')
    await server.stop({ drainMs: 0 })
    expect(await reading).toMatchObject({ code: 'CONNECTION_LOST' })
    expect(await seen.promise).toMatchObject({ code: 'CLOSED' })
    await until(() => out.ended === 'told to return' && back.ended === 'told to return', 'both are told')
    expect(server.stats()).toMatchObject({ running: 0, waiting: 0, streams: 0, connections: 0 })
  })
})
