/** Proxies between programs of ours: what goes in comes out, and answers come back. */

import { afterEach, describe, expect, it } from 'vitest'
import {
  Command,
  Receiver,
  RpcClient,
  type RpcClientOptions,
  RpcProxy,
  type RpcProxyOptions,
  RpcServer,
  Sender,
  ServiceError,
} from '../../../src/index.ts'

class Greet extends Command<string> {
  name = ''
  static of(name: string): Greet {
    return Object.assign(new Greet(), { name })
  }
}

class Count extends Command<AsyncIterable<number>> {
  to = 0
}

class Sum extends Command<number> {
  numbers: AsyncIterable<number> = (async function* () {})()
}

class Wait extends Command<void> {}

class OutOfPaper extends ServiceError<{ tray: number }> {}

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
})

function kept<T extends AsyncDisposable>(one: T): T {
  open.push(one)
  return one
}

interface Line {
  client: RpcClient
  server: RpcServer
  proxies: RpcProxy[]
}

/** A server, so many proxies, and a client, each in front of the other. */
async function line(
  configure: (server: RpcServer) => void,
  proxies: Partial<RpcProxyOptions>[] = [{}],
  options: Partial<RpcClientOptions> = {},
  serverOptions = {},
): Promise<Line> {
  const server = kept(new RpcServer({ rep: 'tcp://127.0.0.1:0', ...serverOptions }))
  configure(server)
  await server.start()
  let endpoint = server.endpoints[0] as string
  const made: RpcProxy[] = []
  for (const own of proxies) {
    const proxy = kept(new RpcProxy({ rep: 'tcp://127.0.0.1:0', req: endpoint, ...own }))
    await proxy.start()
    endpoint = proxy.endpoints[0] as string
    made.push(proxy)
  }
  return { server, proxies: made, client: kept(new RpcClient({ req: endpoint, ...options })) }
}

const greetings = (server: RpcServer): unknown => server.register(Greet, ({ name }) => `Hello ${name}`)

describe.each([
  ['native on both sides', 'auto', 'auto'],
  ['pyzmqrpc3 on both sides', 'pyzmqrpc3', 'pyzmqrpc3'],
  ['from native to pyzmqrpc3', 'auto', 'pyzmqrpc3'],
  ['from pyzmqrpc3 to native', 'pyzmqrpc3', 'auto'],
] as const)('rep to req, %s', (_, client, server) => {
  const between = (configure: (server: RpcServer) => void, hops = 1): Promise<Line> =>
    line(configure, new Array(hops).fill({}), { dialect: client }, { dialect: server })

  it('passes calls on, and their results back, through two proxies as through one', async () => {
    for (const hops of [1, 2]) {
      const { client } = await between(greetings, hops)
      const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => client.execute(Greet.of(`${n}`))))
      expect(answers).toEqual(Array.from({ length: 100 }, (_, n) => `Hello ${n}`))
    }
  })

  it('passes errors back', async () => {
    const { client } = await between((server) =>
      server.register(Greet, () => {
        throw new Error('out of words')
      }),
    )
    await expect(client.execute(Greet.of('Ada'))).rejects.toMatchObject({ status: 463, message: expect.stringContaining('out of words') })
    await expect(client.execute(new Wait())).rejects.toMatchObject({ code: 'NO_SERVICE' })
  })

  it('is not held up by a slow call', async () => {
    let release = (): void => {}
    const { client } = await between((server) => {
      greetings(server)
      server.register(Wait, () => new Promise<void>((resolve) => (release = resolve)))
    })
    const slow = client.execute(new Wait())
    expect(await client.execute(Greet.of('Ada'))).toBe('Hello Ada')
    release()
    expect(await slow).toBeUndefined()
  })

  it('says why it cannot pass a call on, and can once the far end is there', async () => {
    const { client, server } = await line(greetings, [{ timeoutMs: 300 }], { dialect: client_ }, { dialect: server_ })
    const endpoint = server.endpoints[0] as string
    expect(await client.execute(Greet.of('Ada'))).toBe('Hello Ada')
    await server.stop()
    await expect(client.execute(Greet.of('Ada'), { timeoutMs: 5000 })).rejects.toMatchObject({ code: 'PROXY_FAILED', status: 482 })
    const again = kept(new RpcServer({ rep: endpoint, dialect: server_ }))
    greetings(again)
    await again.start()
    await expect.poll(() => client.execute(Greet.of('Ada')).catch(() => undefined), { timeout: 10_000 }).toBe('Hello Ada')
  })

  const client_ = client
  const server_ = server
})

describe('streams', () => {
  it.each([1, 2])('pass through %i proxies, both ways, and nothing is left behind', async (hops) => {
    const { client } = await line((server) => {
      server.register(Count, async function* ({ to }) {
        for (let n = 1; n <= to; n++) yield n
      })
      server.register(Sum, async ({ numbers }) => {
        let sum = 0
        for await (const n of numbers) sum += n
        return sum
      })
    }, new Array(hops).fill({}))
    let seen = 0
    for await (const n of await client.execute(Object.assign(new Count(), { to: 20_000 }))) expect(n).toBe(++seen)
    expect(seen).toBe(20_000)
    async function* numbers(): AsyncGenerator<number> {
      for (let n = 1; n <= 20_000; n++) yield n
    }
    expect(await client.execute(Object.assign(new Sum(), { numbers: numbers() }))).toBe(200_010_000)
  })

  it('end at the server when their reader leaves', async () => {
    let ended = (): void => {}
    const end = new Promise<void>((resolve) => (ended = resolve))
    const { client } = await line((server) =>
      server.register(Count, async function* () {
        try {
          for (let n = 1; ; n++) yield n
        } finally {
          ended()
        }
      }),
    )
    for await (const n of await client.execute(new Count())) if (n === 3) break
    await end
  })

  it('fail in their reader when the server is gone', async () => {
    const { client, server } = await line((server) =>
      server.register(Count, async function* (_, { signal }) {
        yield 1
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      }),
    )
    const reading = (async () => {
      for await (const _ of await client.execute(new Count())) void server.stop({ drainMs: 0 })
    })()
    await expect(reading).rejects.toThrow()
  })
})

it('a call that is given up is given up at the server', async () => {
  let begun = (): void => {}
  const beginning = new Promise<void>((resolve) => (begun = resolve))
  let aborted = (_reason: unknown): void => {}
  const abortion = new Promise((resolve) => (aborted = resolve))
  const { client } = await line(
    (server) =>
      server.register(Wait, (_, { signal }) => {
        signal.addEventListener('abort', () => aborted(signal.reason))
        begun()
        return new Promise<void>(() => {})
      }),
    [{}, {}],
  )
  const controller = new AbortController()
  const call = client.execute(new Wait(), { signal: controller.signal })
  await beginning
  controller.abort()
  await expect(call).rejects.toMatchObject({ code: 'ABORTED' })
  expect(String(await abortion)).toContain('given up')
})

it('errors of an application, metadata and time that is left cross it', async () => {
  const { client } = await line(
    (server) =>
      server.register(Greet, (_, { metadata, remainingMs, replyMetadata }) => {
        replyMetadata['language'] = metadata['language'] ?? ''
        if (remainingMs > 5000 || remainingMs < 1) throw new Error(`${remainingMs} ms are left`)
        throw new OutOfPaper('tray 2 is empty', { details: { tray: 2 } })
      }),
    [{}],
    { errors: [OutOfPaper] },
  )
  const call = client.execute(Greet.of('Ada'), { timeoutMs: 5000, metadata: { language: 'de' } })
  await expect(call).rejects.toSatisfy((error) => error instanceof OutOfPaper && error.details.tray === 2)
})

it('each side has its own password', async () => {
  const { client } = await line(
    greetings,
    [{ auth: { users: { here: 'a' } }, credentials: { username: 'there', password: 'b' } }],
    { credentials: { username: 'here', password: 'a' } },
    { auth: { users: { there: 'b' } } },
  )
  expect(await client.execute(Greet.of('Ada'))).toBe('Hello Ada')
})

it('texts of a sender pass as they are, and so do their answers', async () => {
  class Loud extends Receiver {
    override handleIncomingMessage(text: string): string {
      return text.toUpperCase()
    }
  }
  const receiver = kept(new Loud({ rep: 'tcp://127.0.0.1:0' }))
  await receiver.start()
  const proxy = kept(new RpcProxy({ rep: 'tcp://127.0.0.1:0', req: receiver.endpoints }))
  await proxy.start()
  const sender = kept(new Sender({ req: proxy.endpoints }))
  expect(await sender.send('hello')).toBe('HELLO')
})

describe.each(['auto', 'pyzmqrpc3'] as const)('published commands, %s', (dialect) => {
  it('pass from sub to pub, from sub to req, and from rep to pub', async () => {
    const heard: string[] = []
    const listen = (server: RpcServer): unknown =>
      server.register(Greet, ({ name }, { peer }) => {
        heard.push(`${name} ${peer.kind}`)
        return ''
      })
    const publisher = kept(new RpcClient({ pub: 'tcp://127.0.0.1:0', dialect }))
    await publisher.ready()
    const source = publisher.publishEndpoint as string
    const server = kept(new RpcServer({ rep: 'tcp://127.0.0.1:0', dialect }))
    listen(server)
    await server.start()

    const toPub = kept(new RpcProxy({ sub: source, pub: 'tcp://127.0.0.1:0', dialect }))
    const toReq = kept(new RpcProxy({ sub: source, req: server.endpoints, dialect }))
    const fromRep = kept(new RpcProxy({ rep: 'tcp://127.0.0.1:0', pub: 'tcp://127.0.0.1:0', dialect }))
    await Promise.all([toPub.start(), toReq.start(), fromRep.start()])
    const listener = kept(new RpcServer({ sub: [toPub.publishEndpoint as string, fromRep.publishEndpoint as string], dialect }))
    listen(listener)
    await listener.start()
    const caller = kept(new RpcClient({ req: fromRep.endpoints, dialect }))

    await publisher.ready({ subscribers: 2 })
    await expect
      .poll(async () => {
        await publisher.publish(Greet.of('published'))
        expect(await caller.execute(Greet.of('called'))).toBeUndefined()
        return [...new Set(heard)].sort()
      })
      .toEqual(['called pub', 'published pub', 'published req'])
  })
})

it('a proxy needs one side to take from and one to pass on to', () => {
  for (const options of [
    {},
    { rep: 'tcp://127.0.0.1:0' },
    { req: 'tcp://127.0.0.1:1' },
    { rep: 'tcp://127.0.0.1:0', req: 'tcp://127.0.0.1:1', pub: 'tcp://127.0.0.1:0' },
  ])
    expect(() => new RpcProxy(options)).toThrow(/BAD_OPTION/)
})
