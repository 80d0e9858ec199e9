/** Proxies between programs of ours: what goes in comes out, and answers come back. */

import { describe, expect, it } from 'vitest'
import {
  Command,
  Receiver,
  type RpcClient,
  type RpcClientOptions,
  RpcProxy,
  type RpcProxyOptions,
  type RpcServer,
  ServiceError,
} from '../../../src/index.ts'
import { deferred, Greet, useRpc } from '../../helpers/rpc.ts'
import { idle } from './idle.ts'

const rpc = useRpc()
const LOCAL = 'tcp://127.0.0.1:0'

class Count extends Command<AsyncIterable<number>> {
  to = 0
}

class Sum extends Command<number> {
  numbers: AsyncIterable<number> = (async function* () {})()
}

class Wait extends Command<void> {}

class OutOfPaper extends ServiceError<{ tray: number }> {}

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
  const server = rpc.server({ rep: LOCAL, ...serverOptions })
  configure(server)
  await server.start()
  let endpoint = server.endpoints[0] as string
  const made: RpcProxy[] = []
  for (const own of proxies) {
    const proxy = await rpc.proxy({ req: endpoint, ...own })
    endpoint = proxy.endpoints[0] as string
    made.push(proxy)
  }
  return { server, proxies: made, client: rpc.client({ req: endpoint, ...options }) }
}

const greetings = (server: RpcServer): unknown => server.register(Greet, ({ name }) => `Hello ${name}`)

describe.each([
  ['native on both sides', 'auto', 'auto'],
  ['pyzmqrpc3 on both sides', 'pyzmqrpc3', 'pyzmqrpc3'],
  ['from native to pyzmqrpc3', 'auto', 'pyzmqrpc3'],
  ['from pyzmqrpc3 to native', 'pyzmqrpc3', 'auto'],
] as const)('rep to req, %s', (_, near, far) => {
  const between = (configure: (server: RpcServer) => void, hops = 1): Promise<Line> =>
    line(configure, new Array(hops).fill({}), { dialect: near }, { dialect: far })

  it('passes calls on, and their results back, through two proxies as through one', async () => {
    for (const hops of [1, 2]) {
      const { client } = await between(greetings, hops)
      const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => client.execute(new Greet(`${n}`))))
      expect(answers).toEqual(Array.from({ length: 100 }, (_, n) => `Hello ${n}`))
    }
  })

  it('passes errors back', async () => {
    const { client } = await between((server) =>
      server.register(Greet, () => {
        throw new Error('out of words')
      }),
    )
    await expect(client.execute(new Greet('Ada'))).rejects.toMatchObject({ status: 463, message: expect.stringContaining('out of words') })
    await expect(client.execute(new Wait())).rejects.toMatchObject({ code: 'NO_SERVICE' })
  })

  it('is not held up by a slow call', async () => {
    const release = deferred()
    const { client } = await between((server) => {
      greetings(server)
      server.register(Wait, () => release.promise)
    })
    const slow = client.execute(new Wait())
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    release.resolve()
    expect(await slow).toBeUndefined()
  })

  it('says why it cannot pass a call on, and can once the far end is there', async () => {
    const { client, server } = await line(greetings, [{ timeoutMs: 1000 }], { dialect: near }, { dialect: far })
    const endpoint = server.endpoints[0] as string
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    await server.stop()
    await expect(client.execute(new Greet('Ada'), { timeoutMs: 5000 })).rejects.toMatchObject({ code: 'PROXY_FAILED', status: 482 })
    const again = rpc.server({ rep: endpoint, dialect: far })
    greetings(again)
    await again.start()
    await expect.poll(() => client.execute(new Greet('Ada')).catch(() => undefined), { timeout: 10_000 }).toBe('Hello Ada')
  })
})

describe('streams', () => {
  it.each([1, 2])('pass through %i proxies, both ways, and nothing is left behind', async (hops) => {
    const { client, proxies } = await line((server) => {
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
    await idle(...proxies)
  })

  it('end at the server when their reader leaves', async () => {
    const ended = deferred()
    const { client } = await line((server) =>
      server.register(Count, async function* () {
        try {
          for (let n = 1; ; n++) yield n
        } finally {
          ended.resolve()
        }
      }),
    )
    for await (const n of await client.execute(new Count())) if (n === 3) break
    await ended.promise
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
  const begun = deferred()
  const aborted = deferred<unknown>()
  const { client } = await line(
    (server) =>
      server.register(Wait, (_, { signal }) => {
        signal.addEventListener('abort', () => aborted.resolve(signal.reason))
        begun.resolve()
        return new Promise<void>(() => {})
      }),
    [{}, {}],
  )
  const controller = new AbortController()
  const call = client.execute(new Wait(), { signal: controller.signal })
  await begun.promise
  controller.abort()
  await expect(call).rejects.toMatchObject({ code: 'ABORTED' })
  expect(String(await aborted.promise)).toContain('given up')
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
  const call = client.execute(new Greet('Ada'), { timeoutMs: 5000, metadata: { language: 'de' } })
  await expect(call).rejects.toSatisfy((error) => error instanceof OutOfPaper && error.details.tray === 2)
})

it('each side has its own password', async () => {
  const { client } = await line(
    greetings,
    [{ auth: { users: { here: 'a' } }, credentials: { username: 'there', password: 'b' } }],
    { credentials: { username: 'here', password: 'a' } },
    { auth: { users: { there: 'b' } } },
  )
  expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
})

it('texts of a sender pass as they are, and so do their answers', async () => {
  class Loud extends Receiver {
    override handleIncomingMessage(text: string): string {
      return text.toUpperCase()
    }
  }
  const receiver = rpc.own(new Loud({ rep: LOCAL }))
  await receiver.start()
  const proxy = await rpc.proxy({ req: receiver.endpoints })
  const sender = rpc.sender({ req: proxy.endpoints })
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
    const publisher = rpc.client({ pub: LOCAL, dialect })
    await publisher.ready()
    const source = publisher.publishEndpoint as string
    const server = rpc.server({ rep: LOCAL, dialect })
    listen(server)
    await server.start()

    const toPub = await rpc.proxy({ sub: source, pub: LOCAL, dialect })
    await rpc.proxy({ sub: source, req: server.endpoints, dialect })
    const fromRep = await rpc.proxy({ pub: LOCAL, dialect })
    const listener = rpc.server({ sub: [toPub.publishEndpoint as string, fromRep.publishEndpoint as string], dialect })
    listen(listener)
    await listener.start()
    const caller = rpc.client({ req: fromRep.endpoints, dialect })

    await publisher.ready({ subscribers: 2 })
    await expect
      .poll(async () => {
        await publisher.publish(new Greet('published'))
        expect(await caller.execute(new Greet('called'))).toBeUndefined()
        return [...new Set(heard)].sort()
      })
      .toEqual(['called pub', 'published pub', 'published req'])
  })
})

it('a proxy needs one side to take from and one to pass on to', () => {
  for (const options of [{}, { rep: LOCAL }, { req: 'tcp://127.0.0.1:1' }, { rep: LOCAL, req: 'tcp://127.0.0.1:1', pub: LOCAL }])
    expect(() => new RpcProxy(options)).toThrow(/BAD_OPTION/)
})
