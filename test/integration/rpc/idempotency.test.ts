/** Calls with an idempotency key: carried out once, answered as often as they are sent. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { Command, type RpcServer, type RpcServerOptions, type ServiceContext, type ServiceOptions } from '../../../src/index.ts'
import { Count, type Deferred, deferred, endpointOf, failureOf, Greet, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

class Items extends Command<AsyncIterable<number>> {}
class Sum extends Command<number> {
  numbers: AsyncIterable<number> = (async function* () {})()
}
class Bytes extends Command<Uint8Array> {}

/** A server that counts, and whose Count waits for `go`, when there is one. */
async function counting(
  { maxConcurrent, ...options }: Partial<RpcServerOptions> & ServiceOptions = {},
  go?: () => Deferred<unknown> | undefined,
  prepare: (server: RpcServer) => void = () => {},
): Promise<{ endpoint: string; ran: number[] }> {
  const ran: number[] = []
  const server = await rpc.started({ rep: 'tcp://127.0.0.1:0', ...options }, (server) => {
    const count = async ({ n }: Count, context: ServiceContext): Promise<number> => {
      ran.push(n)
      context.replyMetadata['run'] = String(ran.length)
      await go?.()?.promise
      return n
    }
    server.register(Count, count, { maxConcurrent })
    prepare(server)
  })
  return { endpoint: endpointOf(server), ran }
}

const KEY = { idempotencyKey: 'k1' }

describe('a call that is repeated with its key', () => {
  it('is carried out once, however many come at the same time, and each gets the answer with its metadata', async () => {
    const go = deferred()
    const { endpoint, ran } = await counting({}, () => go)
    const clients = [rpc.client({ req: endpoint }), rpc.client({ req: endpoint })]
    const metadata: unknown[] = []
    const calls = Array.from({ length: 20 }, (_, n) =>
      clients[n % 2]?.execute(new Count(n), { ...KEY, onMetadata: (one) => metadata.push(one) }),
    )
    await until(() => ran.length > 0, 'it runs')
    go.resolve()
    const results = await Promise.all(calls)
    expect(ran.length).toBe(1)
    expect(new Set(results)).toEqual(new Set(ran))
    expect(metadata).toEqual(Array(20).fill({ run: '1' }))
    expect(await clients[0]?.execute(new Count(99), KEY)).toBe(results[0])
    expect(await clients[0]?.execute(new Count(99), { idempotencyKey: 'k2' })).toBe(99)
  })

  it('gets the answer that was lost with the connection', async () => {
    const go = deferred()
    const { endpoint, ran } = await counting({}, () => go)
    const first = rpc.client({ req: endpoint })
    const lost = failureOf(first.execute(new Count(5), KEY))
    await until(() => ran.length === 1, 'it runs')
    await first.close()
    expect(await lost).toMatchObject({ code: 'CLOSED' })
    const second = rpc.client({ req: endpoint })
    const repeated = second.execute(new Count(5), KEY)
    await second.execute(new Greet('Ada'))
    go.resolve()
    expect(await repeated).toBe(5)
    expect(ran).toEqual([5])
  })

  it('gets the error that the service threw', async () => {
    let ran = 0
    const { endpoint } = await counting({}, undefined, (server) =>
      server.register(Bytes, () => {
        throw new Error(`run ${++ran}`)
      }),
    )
    const client = rpc.client({ req: endpoint })
    for (let n = 0; n < 3; n++) {
      expect(await failureOf(client.execute(new Bytes(), KEY))).toMatchObject({ code: 'SERVICE_FAILED', statusText: 'run 1' })
    }
  })

  it('gets the failure of a service that ran, and whose result cannot be sent: it does not run again', async () => {
    let ran = 0
    const { endpoint } = await counting({}, undefined, (server) =>
      server.register(Bytes, () => {
        ran++
        return new WeakMap() as never
      }),
    )
    const client = rpc.client({ req: endpoint })
    for (let n = 0; n < 2; n++) expect(await failureOf(client.execute(new Bytes(), KEY))).toMatchObject({ code: 'BAD_RESULT' })
    expect(ran).toBe(1)
  })

  it('gets a snapshot: the service may go on using the memory of its result', async () => {
    const memory = Buffer.alloc(100_000, 1)
    const { endpoint } = await counting({}, undefined, (server) => server.register(Bytes, () => memory))
    const client = rpc.client({ req: endpoint })
    expect((await client.execute(new Bytes(), KEY))[0]).toBe(1)
    memory.fill(2)
    expect(Buffer.alloc(100_000, 1).equals(await client.execute(new Bytes(), KEY))).toBe(true)
  })

  it('waits for its first call where it keeps nobody from running', async () => {
    const go = deferred()
    const { endpoint, ran } = await counting({ maxConcurrentCalls: 2 }, () => go)
    const client = rpc.client({ req: endpoint })
    const calls = Array.from({ length: 10 }, () => client.execute(new Count(1), KEY))
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    expect(ran).toEqual([1])
    go.resolve()
    expect(await Promise.all(calls)).toEqual(Array(10).fill(1))
  })

  it('is carried out even where the first one had to wait for its turn behind others', async () => {
    const go = deferred()
    const { endpoint, ran } = await counting({ maxConcurrentCalls: 1 }, () => go)
    const [one, two] = [rpc.client({ req: endpoint }), rpc.client({ req: endpoint })]
    const before = one.execute(new Count(1))
    await until(() => ran.length === 1, 'another call runs')
    const calls = [one, two, one, two].map((client) => client.execute(new Count(2), KEY))
    go.resolve()
    expect(await before).toBe(1)
    expect(await Promise.all(calls)).toEqual([2, 2, 2, 2])
    expect(ran).toEqual([1, 2])
  })

  it('is carried out once behind a rule that takes its time', async () => {
    let ran = 0
    const decision = deferred<boolean>()
    const { endpoint } = await counting({}, undefined, (server) =>
      server.register(Bytes, () => Buffer.from([++ran]), { allow: () => decision.promise }),
    )
    const client = rpc.client({ req: endpoint })
    const calls = [1, 2, 3].map(() => client.execute(new Bytes(), KEY))
    decision.resolve(true)
    expect((await Promise.all(calls)).map(([byte]) => byte)).toEqual([1, 1, 1])
  })
})

describe('with several servers', () => {
  it('a call that may have been carried out is not made at another one, which would not know the key', async () => {
    const never = new Promise<void>(() => {})
    const servers = await Promise.all([1, 2].map(() => counting({}, () => ({ ...deferred(), promise: never }))))
    const proxies = await Promise.all(servers.map(({ endpoint }) => cuttable(endpoint)))
    const client = rpc.client({ req: proxies.map(({ endpoint }) => endpoint) })
    await client.ready()
    const call = failureOf(client.execute(new Count(1), KEY))
    await until(() => servers.some(({ ran }) => ran.length > 0), 'one of them runs it')
    const first = servers.findIndex(({ ran }) => ran.length > 0)
    proxies[first]?.cut()
    expect(await call).toMatchObject({ code: 'CONNECTION_LOST', started: 'maybe' })
    expect(servers[1 - first]?.ran).toEqual([])
  })
})

/** A way to a server that can be cut. */
async function cuttable(endpoint: string): Promise<{ endpoint: string; cut(): void }> {
  const sockets = new Set<Socket>()
  const port = Number(endpoint.split(':').at(-1))
  const way = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    near.pipe(far).pipe(near)
  })
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  rpc.defer(() => {
    way.close()
    cut()
  })
  return { endpoint: `tcp://127.0.0.1:${(way.address() as AddressInfo).port}`, cut }
}

describe('what is not kept', () => {
  it('are refusals: the call runs once it is allowed', async () => {
    let allowed = false
    const rules = [() => allowed, async () => allowed]
    for (const allow of rules) {
      allowed = false
      const { endpoint } = await counting({}, undefined, (server) => server.register(Bytes, () => Buffer.from([1]), { allow }))
      const client = rpc.client({ req: endpoint })
      expect(await failureOf(client.execute(new Bytes(), KEY))).toMatchObject({ code: 'NOT_ALLOWED' })
      allowed = true
      expect((await client.execute(new Bytes(), KEY))[0]).toBe(1)
      // An answer that is kept is only for those who may still have it.
      allowed = false
      expect(await failureOf(client.execute(new Bytes(), KEY))).toMatchObject({ code: 'NOT_ALLOWED' })
    }
  })

  it('is the failure of a call that was given up: the next one runs', async () => {
    let ran = 0
    const aborted = deferred()
    const { endpoint } = await counting({}, undefined, (server) =>
      server.register(Bytes, (_command, { signal }) => {
        if (++ran > 1) return Buffer.from([ran])
        return new Promise<Buffer>((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            aborted.resolve()
            reject(signal.reason as Error)
          }),
        )
      }),
    )
    const client = rpc.client({ req: endpoint })
    const controller = new AbortController()
    const given = failureOf(client.execute(new Bytes(), { ...KEY, signal: controller.signal }))
    await until(() => ran === 1, 'it runs')
    const next = client.execute(new Bytes(), KEY)
    await client.execute(new Greet('Ada'))
    controller.abort()
    expect(await given).toMatchObject({ code: 'ABORTED' })
    await aborted.promise
    expect((await next)[0]).toBe(2)
    expect((await client.execute(new Bytes(), KEY))[0]).toBe(2)
  })

  it('is not even the place of a call that was given up while it waited: its time is over, and nothing is left of it', () =>
    rpc.virtually(async () => {
      const go = deferred()
      const { endpoint, ran } = await counting({ maxConcurrent: 1 }, () => go)
      const client = rpc.client({ req: endpoint })
      const running = client.execute(new Count(1))
      await until(() => ran.length === 1, 'another call runs')
      expect(await failureOf(client.execute(new Count(2), { ...KEY, timeoutMs: 50 }))).toMatchObject({ code: 'TIMED_OUT' })
      // The server has heard of that before this one.
      await client.execute(new Greet('Ada'))
      const again = client.execute(new Count(3), KEY)
      go.resolve()
      expect([await running, await again]).toEqual([1, 3])
      expect(ran).toEqual([1, 3])
    }))

  it('is the result of a call that was given up and went well all the same: it is kept', () =>
    rpc.virtually(async () => {
      const go = deferred()
      const { endpoint, ran } = await counting({}, () => go)
      const client = rpc.client({ req: endpoint })
      expect(await failureOf(client.execute(new Count(1), { ...KEY, timeoutMs: 100 }))).toMatchObject({ code: 'TIMED_OUT' })
      go.resolve()
      expect(await client.execute(new Count(2), KEY)).toBe(1)
      expect(ran).toEqual([1])
    }))
})

describe('a key', () => {
  it('that was used with another command is refused, while that one runs and later', async () => {
    const go = deferred()
    const { endpoint, ran } = await counting({}, () => go)
    const client = rpc.client({ req: endpoint })
    const first = client.execute(new Count(1), KEY)
    await until(() => ran.length === 1, 'it runs')
    const conflict = {
      code: 'CONFLICT',
      status: 409,
      statusText: 'The idempotency key was used for command "Count" before.',
    }
    expect(await failureOf(client.execute(new Greet('Ada'), KEY))).toMatchObject(conflict)
    go.resolve()
    await first
    expect(await failureOf(client.execute(new Greet('Ada'), KEY))).toMatchObject(conflict)
  })

  it("of another user is another key, and so is nobody's", async () => {
    const auth = { users: { ada: 'x', bob: 'x' } }
    const { endpoint, ran } = await counting({ auth })
    const [ada, bob] = ['ada', 'bob'].map((username) => rpc.client({ req: endpoint, credentials: { username, password: 'x' } }))
    expect(await ada?.execute(new Count(1), KEY)).toBe(1)
    expect(await bob?.execute(new Count(2), KEY)).toBe(2)
    expect(await ada?.execute(new Count(3), KEY)).toBe(1)
    expect(ran).toEqual([1, 2])
  })

  it('is forgotten after its time', async () => {
    const { endpoint, ran } = await counting({ idempotencyTtlMs: 50 })
    const client = rpc.client({ req: endpoint })
    await client.execute(new Count(1), KEY)
    await until(async () => (await client.execute(new Count(2), KEY)) === 2, 'it runs again')
    expect(ran).toEqual([1, 2])
  })

  it('is forgotten first when it is the oldest of too many', async () => {
    const { endpoint, ran } = await counting({ maxIdempotencyKeys: 2 })
    const client = rpc.client({ req: endpoint })
    for (const key of ['a', 'b', 'c', 'b', 'c', 'a']) await client.execute(new Count(), { idempotencyKey: key })
    expect(ran.length).toBe(4)
  })

  it('is forgotten first when it is the oldest of too many bytes', async () => {
    const ran: string[] = []
    const { endpoint } = await counting({ maxIdempotencyBytes: 10_000 }, undefined, (server) =>
      server.register(Bytes, (_command, { metadata }) => {
        ran.push(metadata['key'] as string)
        return Buffer.alloc(4500)
      }),
    )
    const client = rpc.client({ req: endpoint })
    for (const key of ['a', 'b', 'c', 'b', 'c', 'a']) await client.execute(new Bytes(), { idempotencyKey: key, metadata: { key } })
    expect(ran).toEqual(['a', 'b', 'c', 'a'])
  })

  it.each([
    ['empty', ''],
    ['too long', 'x'.repeat(256)],
    ['no text', 7 as never],
    ['half a character', '\ud800'],
  ])('that is %s is a mistake, which is told at once', async (_name, idempotencyKey) => {
    const { endpoint, ran } = await counting()
    const error = await failureOf(rpc.client({ req: endpoint }).execute(new Count(), { idempotencyKey }))
    expect(error.message).toBe('[BAD_OPTION] idempotencyKey has to be a text of 1 to 255 characters')
    expect(ran).toEqual([])
  })
})

describe('streams', () => {
  it('in the result cannot be kept: the call is refused with a clear text, the stream is told to return, and nothing runs twice', async () => {
    const returned = deferred()
    let ran = 0
    const { endpoint } = await counting({}, undefined, (server) =>
      server.register(Items, () => {
        ran++
        return {
          [Symbol.asyncIterator]: () => ({
            next: () => Promise.resolve({ done: false, value: 1 }),
            return: () => {
              returned.resolve()
              return Promise.resolve({ done: true, value: undefined })
            },
          }),
        }
      }),
    )
    const client = rpc.client({ req: endpoint })
    for (let n = 0; n < 2; n++) {
      expect(await failureOf(client.execute(new Items(), KEY))).toMatchObject({
        code: 'BAD_RESULT',
        statusText: 'The result of command "Items" streams: it cannot be kept for an idempotency key.',
      })
    }
    await returned.promise
    expect(ran).toBe(1)
    for await (const item of await client.execute(new Items())) {
      expect(item).toBe(1)
      break
    }
  })

  it('in a command that was carried out before are not read, and told to return', async () => {
    const { endpoint } = await counting({}, undefined, (server) =>
      server.register(Sum, async ({ numbers }) => {
        let sum = 0
        for await (const n of numbers) sum += n
        return sum
      }),
    )
    const client = rpc.client({ req: endpoint })
    const of = (numbers: AsyncIterable<number>): Sum => Object.assign(new Sum(), { numbers })
    const three = async function* (): AsyncGenerator<number> {
      yield* [1, 2, 3]
    }
    expect(await client.execute(of(three()), KEY)).toBe(6)
    const returned = deferred()
    const endless = async function* (): AsyncGenerator<number> {
      try {
        for (;;) yield 1
      } finally {
        returned.resolve()
      }
    }
    expect(await client.execute(of(endless()), KEY)).toBe(6)
    await returned.promise
  })
})
