/** Proxies when something goes wrong, or somebody wants it to; what is left behind then; and what passes a proxy byte for byte. */

import { deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  Command,
  Health,
  ListServices,
  type RpcClient,
  RpcProxy,
  type RpcProxyOptions,
  type RpcServer,
  type RpcServerOptions,
  ShutdownServer,
} from '../../../src/index.ts'
import { ANNOUNCEMENT } from '../../../src/rpc/dialect/announcement.ts'
import { FLAG, KIND, kindOf, NO_LIMIT } from '../../../src/rpc/dialect/native/header.ts'
import { encodeCall, encodeCredit, encodeEnd, encodeItem, encodeReply, encodeStop } from '../../../src/rpc/dialect/native/message.ts'
import { encodeCommand, mayAskFor } from '../../../src/rpc/dialect/pyzmqrpc3.ts'
import { Dealer, Router } from '../../../src/socket/index.ts'
import { deferred, failureOf, Greet, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()
const LOCAL = 'tcp://127.0.0.1:0'

class Wait extends Command<void> {}
class Count extends Command<AsyncIterable<number>> {
  to = 0
}
class Swallow extends Command<string> {
  numbers: AsyncIterable<number> = (async function* () {})()
}

async function proxied(options: RpcProxyOptions): Promise<RpcProxy> {
  const proxy = new RpcProxy(options)
  rpc.defer(() => proxy.stop({ drainMs: 0 }))
  await proxy.start()
  return proxy
}

function serving(configure: (server: RpcServer) => void, options: RpcServerOptions = {}): Promise<RpcServer> {
  return rpc.started({ rep: LOCAL, ...options }, configure)
}

const clientOf = (proxy: RpcProxy): RpcClient => rpc.client({ req: proxy.endpoints })

async function forever(_: unknown, { signal }: { signal: AbortSignal }): Promise<void> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
}

/** Nothing is under way. */
async function idle(...proxies: RpcProxy[]): Promise<void> {
  await until(
    () =>
      proxies.every((proxy) => {
        const { incoming, outgoing } = proxy.stats()
        return incoming.running + incoming.waiting + incoming.streams + outgoing.queued + outgoing.inFlight + outgoing.streams === 0
      }),
    'the proxies have nothing under way',
  )
}

describe('starting and stopping', () => {
  it('a start that fails leaves nothing open, and says why', async () => {
    const taken = await proxied({ rep: LOCAL, pub: LOCAL })
    for (const options of [
      { rep: taken.endpoints, req: LOCAL.replace(':0', ':1') },
      { rep: taken.endpoints, pub: LOCAL },
      { rep: LOCAL, pub: taken.publishEndpoint as string },
    ]) {
      const proxy = new RpcProxy(options)
      await expect(proxy.start()).rejects.toMatchObject({ code: 'EADDRINUSE' })
      await proxy.stopped
    }
  })

  it('is stopped by a second try where the first one was a mistake', async () => {
    const proxy = await proxied({ rep: LOCAL, req: 'tcp://127.0.0.1:1' })
    expect(() => proxy.stop(3000 as never)).toThrow('[BAD_OPTION] stop takes an object of options, and was given a number')
    expect(() => proxy.stop({ drainMs: -1 })).toThrow('[BAD_OPTION] drainMs is -1')
    expect(proxy.running).toBe(true)
    await proxy.stop()
    expect(proxy.running).toBe(false)
  })

  it('is started once, and may be stopped at any time, more than once', async () => {
    const proxy = await proxied({ rep: LOCAL, pub: LOCAL })
    await expect(proxy.start()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(proxy.running).toBe(true)
    await Promise.all([proxy.stop(), proxy.stop()])
    expect(proxy.running).toBe(false)
    const never = new RpcProxy({ rep: LOCAL, req: 'tcp://127.0.0.1:1' })
    await never.stop()
    const early = new RpcProxy({ rep: LOCAL, pub: LOCAL })
    const starting = failureOf(early.start())
    await early.stop()
    expect(await starting).toMatchObject({ code: 'CLOSED' })
  })

  it('lets calls end when it stops, and gives up what is left then, streams too', async () => {
    const release = deferred()
    const ended = deferred()
    const server = await serving((server) => {
      server.register(Wait, () => release.promise)
      server.register(Count, async function* (_, { signal }) {
        try {
          yield 1
          await forever(undefined, { signal })
        } finally {
          ended.resolve()
        }
      })
    })
    const proxy = await proxied({ rep: LOCAL, req: server.endpoints })
    const client = clientOf(proxy)
    const call = client.execute(new Wait())
    const reading = (async () => {
      for await (const _ of await client.execute(new Count())) void 0
    })()
    await until(() => proxy.stats().incoming.streams === 1, 'it streams')
    const stopping = proxy.stop({ drainMs: 300 })
    release.resolve()
    await call
    expect(await failureOf(reading)).toBeInstanceOf(Error)
    await stopping
    await ended.promise
  })

  it('publishes what it has taken before it stops', async () => {
    const heard: string[] = []
    const proxy = await proxied({ rep: LOCAL, pub: LOCAL })
    const listener = rpc.server({ sub: proxy.publishEndpoint as string })
    listener.register(Greet, ({ name }) => {
      heard.push(name)
      return ''
    })
    await listener.start()
    await until(() => proxy.stats().outgoing.subscribers === 1, 'somebody listens')
    const client = clientOf(proxy)
    await Promise.all(Array.from({ length: 100 }, (_, index) => client.execute(new Greet(`${index}`))))
    await proxy.stop()
    await until(() => heard.length === 100, 'all is heard')
  })
})

describe('what it cannot pass on', () => {
  it('is told at once: a far end that does not let it in, and a queue that is full', async () => {
    const server = await serving(() => {}, { auth: { users: { inner: 'two' } } })
    const refused = await proxied({ rep: LOCAL, req: server.endpoints, credentials: { username: 'inner', password: 'wrong' } })
    expect(await failureOf(clientOf(refused).execute(new Greet('Ada')))).toMatchObject({
      ...{ code: 'PROXY_FAILED', status: 482 },
      message: expect.stringContaining('does not let us in'),
    })
    const full = await proxied({ rep: LOCAL, req: 'tcp://127.0.0.1:1', maxQueued: 1 })
    const client = clientOf(full)
    const waiting = failureOf(client.execute(new Greet('first'), { timeoutMs: 1000 }))
    expect(await failureOf(client.execute(new Greet('second')))).toMatchObject({
      ...{ code: 'PROXY_FAILED', status: 482 },
      message: expect.stringContaining('1 calls wait for tcp://127.0.0.1:1 already'),
    })
    await waiting
    await idle(full, refused)
  })

  it('says that it was not carried out, and its caller tries another proxy', async () => {
    const server = await serving(() => {})
    const cut = await proxied({ rep: LOCAL, req: 'tcp://127.0.0.1:1', timeoutMs: 100 })
    const cutTwice = await proxied({ rep: LOCAL, req: cut.endpoints })
    for (const away of [cut, cutTwice]) {
      const failure = await failureOf(clientOf(away).execute(new Greet('Ada')))
      expect(failure).toMatchObject({ code: 'PROXY_FAILED', status: 482, started: 'no', retrySafe: 'always' })
    }
    const passing = await proxied({ rep: LOCAL, req: server.endpoints })
    const client = rpc.client({ req: [...cut.endpoints, ...passing.endpoints] })
    await client.ready()
    const greetings = await Promise.all(['Ada', 'Bob', 'Cyd'].map((name) => client.execute(new Greet(name))))
    expect(greetings).toEqual(['Hello Ada', 'Hello Bob', 'Hello Cyd'])
  })

  it('what is lost behind it may have been carried out', async () => {
    const server = await serving((server) => server.register(Wait, forever))
    const proxy = await proxied({ rep: LOCAL, req: server.endpoints })
    const client = clientOf(proxy)
    const failing = failureOf(client.execute(new Wait()))
    await until(() => server.stats().running === 1, 'it is under way')
    await server.stop({ drainMs: 0 })
    expect(await failing).toMatchObject({ code: 'PROXY_FAILED', started: 'maybe', retrySafe: 'repeatable' })
  })

  it('a caller that is gone before its call was sent is forgotten', async () => {
    const proxy = await proxied({ rep: LOCAL, req: 'tcp://127.0.0.1:1' })
    const client = clientOf(proxy)
    const call = failureOf(client.execute(new Greet('Ada')))
    await until(() => proxy.stats().outgoing.queued === 1, 'it waits')
    await client.close()
    await call
    await idle(proxy)
  })

  it('a circle of two proxies: a call in it ends with its time, or when there are too many; nothing is left', async () => {
    const port = (await proxied({ rep: LOCAL, pub: LOCAL }).then(async (proxy) => {
      const [endpoint] = proxy.endpoints
      await proxy.stop()
      return endpoint
    })) as string
    const one = await proxied({ rep: LOCAL, req: port })
    const two = await proxied({ rep: port, req: one.endpoints })
    const client = clientOf(one)
    for (let round = 0; round < 2; round++) {
      const { code } = await failureOf(client.execute(new Greet('Ada'), { timeoutMs: 1000 }))
      expect(['TIMED_OUT', 'PROXY_FAILED', 'OVERLOADED', 'EXPIRED']).toContain(code)
    }
    await idle(one, two)
  })
})

describe('streams', () => {
  it('cannot be published: whoever listens refuses the command', async () => {
    const refused = rpc.hear('zmq-rpc:command:refused')
    const proxy = await proxied({ rep: LOCAL, pub: LOCAL })
    const listener = rpc.server({ sub: proxy.publishEndpoint as string })
    listener.register(Swallow, () => 'never')
    await listener.start()
    await until(() => proxy.stats().outgoing.subscribers === 1, 'somebody listens')
    await clientOf(proxy).execute(new Swallow())
    const [event] = await refused.atLeast(1)
    expect(event).toMatchObject({ status: 400, detail: expect.stringContaining('what is published cannot stream') })
    await idle(proxy)
  })

  it('of a client that its service does not read end with the call, directly and through proxies', async () => {
    const server = await serving((server) => server.register(Swallow, () => 'had enough'))
    const one = await proxied({ rep: LOCAL, req: server.endpoints })
    const two = await proxied({ rep: LOCAL, req: one.endpoints })
    for (const req of [server.endpoints, one.endpoints, two.endpoints]) {
      const client = rpc.client({ req })
      const ended = deferred()
      const numbers = (async function* () {
        try {
          for (let n = 0; ; n++) yield n
        } finally {
          ended.resolve()
        }
      })()
      expect(await client.execute(Object.assign(new Swallow(), { numbers }))).toBe('had enough')
      await ended.promise
      expect(client.stats().streams).toBe(0)
    }
    await idle(one, two)
  })

  it('of a call that has to wait for its turn at the proxy arrive whole', async () => {
    const server = await serving((server) => {
      server.register(Wait, forever)
      server.register(Swallow, async ({ numbers }) => {
        let sum = 0
        for await (const n of numbers) sum += n
        return `${sum}`
      })
    })
    const proxy = await proxied({ rep: LOCAL, req: server.endpoints, maxConcurrentCalls: 1 })
    const client = clientOf(proxy)
    const controller = new AbortController()
    const first = failureOf(client.execute(new Wait(), { signal: controller.signal }))
    const numbers = (async function* () {
      for (let n = 1; n <= 100; n++) yield n
    })()
    const sum = client.execute(Object.assign(new Swallow(), { numbers }))
    await until(() => proxy.stats().incoming.waiting === 1, 'the second call waits')
    controller.abort()
    await first
    expect(await sum).toBe('5050')
  })

  it('fail in their reader, after the items before, when the far end is gone', async () => {
    const server = await serving((server) =>
      server.register(Count, async function* (_, { signal }) {
        yield 1
        yield 2
        await forever(undefined, { signal })
      }),
    )
    const proxy = await proxied({ rep: LOCAL, req: server.endpoints })
    const seen: number[] = []
    const reading = (async () => {
      for await (const n of await clientOf(proxy).execute(new Count())) {
        seen.push(n)
        if (n === 2) await server.stop({ drainMs: 0 })
      }
    })()
    expect(await failureOf(reading)).toMatchObject({ name: expect.stringMatching(/Error/) })
    expect(seen).toEqual([1, 2])
    await idle(proxy)
  })
})

it('after thousands of calls, given up and streamed, through two proxies nothing is left anywhere', { timeout: 60_000 }, async () => {
  const server = await serving((server) => {
    server.register(Wait, forever)
    server.register(Count, async function* ({ to }) {
      for (let n = 0; n < to; n++) {
        // Else each of those that are left early has a whole window of items on its way.
        if (to > 1000) await new Promise((resolve) => setImmediate(resolve))
        yield n
      }
    })
  })
  const one = await proxied({ rep: LOCAL, req: server.endpoints })
  const two = await proxied({ rep: LOCAL, req: one.endpoints })
  const client = clientOf(two)
  async function call(index: number): Promise<void> {
    switch (index % 5) {
      case 0: {
        const controller = new AbortController()
        const waiting = failureOf(client.execute(new Wait(), { signal: controller.signal }))
        if (index % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
        controller.abort()
        expect((await waiting).code).toBe('ABORTED')
        return
      }
      case 1: {
        let next = 0
        for await (const n of await client.execute(Object.assign(new Count(), { to: 20 }))) expect(n).toBe(next++)
        expect(next).toBe(20)
        return
      }
      case 2:
        for await (const n of await client.execute(Object.assign(new Count(), { to: 1e9 }))) if (n === 5) break
        return
      default:
        expect(await client.execute(new Greet(`${index}`))).toBe(`Hello ${index}`)
    }
  }
  for (let start = 0; start < 10_000; start += 200) {
    await Promise.all(Array.from({ length: 200 }, (_, index) => call(start + index)))
  }
  await idle(one, two)
  const { started, ended, streams, inFlight, queued } = client.stats()
  expect([ended, streams, inFlight, queued]).toEqual([started, 0, 0, 0])
  await until(() => server.stats().running + server.stats().streams + server.stats().waiting === 0, 'the server is idle')
})

describe('what passes through it', () => {
  it('a call with an idempotency key is carried out once, however it comes', async () => {
    let times = 0
    const server = await serving((server) => server.register(Wait, () => void times++))
    const proxies = [await proxied({ rep: LOCAL, req: server.endpoints }), await proxied({ rep: LOCAL, req: server.endpoints })]
    for (const proxy of [...proxies, ...proxies]) await clientOf(proxy).execute(new Wait(), { idempotencyKey: 'once' })
    expect(times).toBe(1)
  })

  it('questions about the server are answered by the server', async () => {
    const server = await serving(() => {})
    const client = clientOf(await proxied({ rep: LOCAL, req: server.endpoints }))
    const { services } = await client.execute(new ListServices())
    expect(services.map(({ name }) => name)).toEqual(expect.arrayContaining(['Greet', 'Echo']))
    expect(await client.execute(new Health())).toMatchObject({ status: 'serving' })
  })

  it('ShutdownServer stops the server, not the proxy, and only where the proxy itself may do so', async () => {
    const open = await serving(() => {})
    const toOpen = await proxied({ rep: LOCAL, req: open.endpoints, allowShutdown: true })
    const refusal = await failureOf(clientOf(toOpen).execute(new ShutdownServer()))
    expect(refusal).toMatchObject({ code: 'NOT_ALLOWED', message: expect.stringContaining('this server does not let you') })
    expect(open.running).toBe(true)
    const guarded = await serving(() => {}, { auth: { users: { inner: 'two' } } })
    const proxy = await proxied({
      rep: LOCAL,
      req: guarded.endpoints,
      credentials: { username: 'inner', password: 'two' },
      allowShutdown: true,
    })
    await clientOf(proxy).execute(new ShutdownServer())
    await guarded.stopped
    expect(proxy.running).toBe(true)
  })

  describe.each(['auto', 'pyzmqrpc3'] as const)('ShutdownServer of a caller, in the dialect %s', (dialect) => {
    const inner = { username: 'inner', password: 'two' }
    const outer = { username: 'outer', password: 'one' }
    const guarded = () => serving(() => {}, { auth: { users: { inner: 'two' } } })

    it('whom nobody asked for a password is refused, with all that is passed on otherwise', async () => {
      const server = await guarded()
      const proxy = await proxied({ rep: LOCAL, req: server.endpoints, credentials: inner })
      const client = rpc.client({ req: proxy.endpoints, dialect })
      const refused = await failureOf(client.execute(new ShutdownServer()))
      expect(refused).toMatchObject({ code: dialect === 'auto' ? 'NOT_ALLOWED' : 'SERVICE_FAILED' })
      expect(refused.message).toContain('this proxy does not let you shut down what is behind it')
      expect(await client.execute(new Greet('ShutdownServer'))).toBe('Hello ShutdownServer')
      expect(server.running).toBe(true)
    })

    it('who showed a password is passed on, unless nobody is to', async () => {
      const auth = { users: { outer: 'one' } }
      const server = await guarded()
      const refusing = await proxied({ rep: LOCAL, auth, req: server.endpoints, credentials: inner, allowShutdown: false })
      const passing = await proxied({ rep: LOCAL, auth, req: server.endpoints, credentials: inner })
      const clients = [refusing, passing].map(({ endpoints }) => rpc.client({ req: endpoints, dialect, credentials: outer }))
      expect((await failureOf((clients[0] as RpcClient).execute(new ShutdownServer()))).message).toContain('this proxy')
      await (clients[1] as RpcClient).execute(new ShutdownServer())
      await server.stopped
    })

    it('who publishes it is refused, too', async () => {
      const server = await guarded()
      const publisher = rpc.client({ pub: LOCAL, dialect })
      await publisher.ready()
      const refused = rpc.hear('zmq-rpc:command:refused')
      await proxied({ sub: publisher.publishEndpoint as string, req: server.endpoints, credentials: inner })
      await publisher.ready({ subscribers: 1 })
      await publisher.publish(new ShutdownServer())
      expect(await refused.atLeast(1)).toMatchObject([{ command: 'ShutdownServer', status: 403 }])
      expect(server.running).toBe(true)
    })
  })

  it('however Python writes ShutdownServer, a proxy finds it; and nothing else is taken for it', () => {
    const frame = (json: string): Buffer => Buffer.from(deflateSync(json).toString('base64'))
    const asks = (bytes: Buffer): boolean => mayAskFor('ShutdownServer', bytes)
    expect(asks(encodeCommand(new ShutdownServer()))).toBe(true)
    expect(asks(frame('{"_icmd_": ["ShutdownServer", {}]}'))).toBe(true)
    expect(asks(frame('  {"x": 1, "_icmd_": ["Shutdown\\u0053erver", null]}'))).toBe(true)
    expect(asks(frame(`{"_icmd_": ["Greet", {}], "_icmd_": ["ShutdownServer", {"x": "${'y'.repeat(1e6)}"}]}`))).toBe(true)
    // Nobody knows what stands in there.
    expect(asks(frame(`{"_icmd_": ["ShutdownServer", {"x": "${'y'.repeat(9e6)}"}]}`))).toBe(true)
    expect(asks(encodeCommand(new Greet('ShutdownServer')))).toBe(false)
    expect(asks(frame('{"_icmd_": ["Outer", {"inner": {"_icmd_": ["ShutdownServer", {}]}}]}'))).toBe(false)
    expect(asks(frame('{"_icmd_": ["ShutdownServer", }'))).toBe(false)
    for (const text of ['ShutdownServer', '', 'zmq_sub_heartbeat', '[1, 2]']) expect(asks(Buffer.from(text))).toBe(false)
  })

  it('what a server says that it serves reaches clients that came before it', async () => {
    const gone = await serving(() => {})
    const [endpoint] = gone.endpoints as [string]
    await gone.stop()
    const proxy = await proxied({ rep: LOCAL, req: endpoint })
    const dealer = new Dealer({ linger: 0, receiveTimeout: 10_000, handshakeProperties: ANNOUNCEMENT })
    rpc.defer(() => dealer.close())
    dealer.connect(proxy.endpoints[0] as string)
    const heard: number[] = []
    const hear = async (): Promise<Buffer> => {
      const body = (await dealer.receive()).at(-1) as Buffer
      heard.push(kindOf(body))
      return body
    }
    const before = await hear()
    await serving(() => {}, { rep: endpoint })
    const after = await hear()
    expect(heard).toEqual([KIND.hello, KIND.hello])
    expect(String(before)).not.toContain('Greet')
    expect(String(after)).toContain('Greet')
  })
})

describe('byte for byte', () => {
  /** A bare client and a bare server of the native dialect, and a proxy between. */
  async function bare(): Promise<{ dealer: Dealer; router: Router; proxy: RpcProxy }> {
    const router = new Router({ linger: 0, receiveTimeout: 10_000, sendTimeout: 10_000, handshakeProperties: ANNOUNCEMENT })
    rpc.defer(() => router.close())
    await router.bind(LOCAL)
    const proxy = await proxied({ rep: LOCAL, req: router.lastEndpoint as string })
    const dealer = new Dealer({ linger: 0, receiveTimeout: 10_000, handshakeProperties: ANNOUNCEMENT })
    rpc.defer(() => dealer.close())
    dealer.connect(proxy.endpoints[0] as string)
    // HELLO
    await dealer.receive()
    return { dealer, router, proxy }
  }

  const id = Buffer.from([0, 0, 0, 9])
  const withoutTime = (body: readonly Buffer[]): string[] =>
    body.map((frame, index) => (index === 0 ? Buffer.concat([frame.subarray(0, 4), frame.subarray(8)]) : frame).toString('hex'))
  const hex = (body: readonly Buffer[]): string[] => body.map((frame) => frame.toString('hex'))

  it('calls are those that came but for the time, replies and items those that came', async () => {
    const { dealer, router, proxy } = await bare()
    const state = { text: 'é', binary: Buffer.alloc(10_000, 7), list: [1, 2n ** 70n, new Date(0), new Map([[1, 2]])] }
    const extras = { metadata: { site: 'north' }, idempotencyKey: 'once' }
    const call = encodeCall({ name: 'Anything', state, timeLeftMs: 5000, flags: FLAG.repeatable, extras })
    expect(call.length).toBe(2)
    await dealer.send([id, '', ...call])
    const [routing, number, empty, ...arrived] = (await router.receive()) as [Buffer, Buffer, Buffer, ...Buffer[]]
    expect(withoutTime(arrived)).toEqual(withoutTime(call))
    const left = (arrived[0] as Buffer).readUInt32BE(4)
    expect(left).toBeGreaterThan(4000)
    expect(left).toBeLessThanOrEqual(5000)

    const reply = encodeReply(state, { metadata: { 'served-by': 'lab' } })
    ;(reply[0] as Buffer).writeUInt32BE(1, 4)
    const item = encodeItem(0, 0, state)
    const end = encodeEnd(0, 1)
    for (const body of [reply, item, encodeCredit(3, 17), end]) await router.send([routing, number, empty, ...body])
    for (const body of [reply, item, encodeCredit(3, 17), end]) {
      const [echoed, , ...heard] = (await dealer.receive()) as [Buffer, Buffer, ...Buffer[]]
      expect(echoed).toEqual(id)
      expect(hex(heard)).toEqual(hex(body))
    }
    await idle(proxy)
  })

  it('a reply that claims more streams than there may be is none, and costs nothing', async () => {
    const { dealer, router, proxy } = await bare()
    await dealer.send([id, '', ...encodeCall({ name: 'Anything', state: {}, timeLeftMs: NO_LIMIT, flags: 0 })])
    const [routing, number, empty] = (await router.receive()) as [Buffer, Buffer, Buffer]
    const [reply] = encodeReply('x') as [Buffer]
    reply.writeUInt32BE(0xffffffff, 4)
    await router.send([routing, number, empty, reply])
    const heard = await dealer.receive()
    expect(kindOf(heard[2] as Buffer)).toBe(KIND.error)
    expect(String(heard[2])).toContain('4294967295 streams')
    await idle(proxy)
  })

  it('a caller that says what belongs to no call, or does not stop, is not passed on for ever', async () => {
    const { dealer, router, proxy } = await bare()
    for (const body of [encodeItem(0, 0, 'x'), encodeStop(1), encodeCredit(2, 1)]) await dealer.send([id, '', ...body])
    await dealer.send([id, '', ...encodeCall({ name: 'Anything', state: {}, timeLeftMs: 500, flags: 0 })])
    // The far end hears the call first of all, and what belongs to it.
    expect(kindOf((await router.receive())[3] as Buffer)).toBe(KIND.call)
    await dealer.send([id, '', ...encodeItem(0, 0, 'x')])
    expect(kindOf((await router.receive())[3] as Buffer)).toBe(KIND.item)
    expect(kindOf((await router.receive())[3] as Buffer)).toBe(KIND.cancel)
    await idle(proxy)
    await dealer.send([id, '', ...encodeItem(0, 1, 'late')])
    await idle(proxy)
  })
})
