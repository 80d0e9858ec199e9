/** Proxies when something goes wrong, or somebody wants it to, and what is left behind then. */

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Command, RpcClient, RpcProxy, RpcServer, type RpcServerOptions } from '../../../src/index.ts'
import { simulate, type TestNetwork } from '../../../src/testing/index.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { deferred, failureOf, Greet, until, useRpc } from '../../helpers/rpc.ts'
import { idle } from './idle.ts'

const rpc = useRpc()
const LOCAL = 'tcp://127.0.0.1:0'

class Wait extends Command<void> {}
class Count extends Command<AsyncIterable<number>> {
  to = 0
}
class Swallow extends Command<string> {
  numbers: AsyncIterable<number> = (async function* () {})()
}

function serving(configure: (server: RpcServer) => void, options: RpcServerOptions = {}): Promise<RpcServer> {
  return rpc.started({ rep: LOCAL, ...options }, configure)
}

const clientOf = (proxy: RpcProxy): RpcClient => rpc.client({ req: proxy.endpoints })

async function forever(_: unknown, { signal }: { signal: AbortSignal }): Promise<void> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
}

describe('starting and stopping', () => {
  it('a start that fails leaves nothing open, and says why', async () => {
    const taken = await rpc.proxy({ pub: LOCAL })
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

  it('is refused where it would call itself', () => {
    const loops = [
      ['tcp://*:30000', 'tcp://localhost:30000'],
      ['tcp://127.0.0.1:30000', 'tcp://LOCALHOST:30000'],
      ['tcp://[::1]:30000', 'tcp://[::1]:30000'],
      ['ipc:///tmp/a.sock', 'ipc:///tmp/a.sock'],
      ['inproc://a', 'inproc://a'],
    ] as const
    for (const [rep, req] of loops) {
      const there = 'tcp://127.0.0.1:1'
      expect(() => new RpcProxy({ rep: [LOCAL, rep], req: [there, req] }), req).toThrow(
        `[BAD_OPTION] req leads back to the proxy itself: ${req}`,
      )
    }
  })

  it('is not refused where only a part is the same', async () => {
    for (const req of ['tcp://localhost:30001', 'tcp://lab.invalid:30000', 'ipc:///tmp/a.sock']) {
      await new RpcProxy({ rep: ['tcp://127.0.0.1:30000', 'inproc:///tmp/a.sock'], req }).stop()
    }
  })

  it('says on a second start whether it runs', async () => {
    const proxy = await rpc.proxy({ req: 'tcp://127.0.0.1:1' })
    await expect(proxy.start()).rejects.toThrow('[CLOSED] it runs already')
    await proxy.stop()
    await expect(proxy.start()).rejects.toThrow('[CLOSED] it was started before: make a new one')
  })

  it('is stopped by a second try where the first one was a mistake', async () => {
    const proxy = await rpc.proxy({ req: 'tcp://127.0.0.1:1' })
    expect(() => proxy.stop(3000 as never)).toThrow('[BAD_OPTION] stop takes an object of options, and was given a number')
    expect(() => proxy.stop({ drainMs: -1 })).toThrow('[BAD_OPTION] drainMs is -1')
    expect(proxy.running).toBe(true)
    await proxy.stop()
    expect(proxy.running).toBe(false)
  })

  it('is started once, and may be stopped at any time, more than once', async () => {
    const proxy = await rpc.proxy({ pub: LOCAL })
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
    const proxy = await rpc.proxy({ req: server.endpoints })
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
    const proxy = await rpc.proxy({ pub: LOCAL })
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

/** A client, and a proxy between it and a host without a server. */
async function onTheWay(network: TestNetwork): Promise<{ proxy: RpcProxy; client: RpcClient }> {
  const proxy = network.host('proxy').run(() => new RpcProxy({ rep: 'tcp://*:30000', req: 'tcp://server:30000' }))
  await network.host('proxy').run(() => proxy.start())
  const client = network.host('client').run(() => new RpcClient({ req: 'tcp://proxy:30000' }))
  await client.ready()
  return { proxy, client }
}

describe('what it cannot pass on', () => {
  it('is told at once: a far end that does not let it in, and a queue that is full', async () => {
    const server = await serving(() => {}, { auth: { users: { inner: 'two' } } })
    const refused = await rpc.proxy({ req: server.endpoints, credentials: { username: 'inner', password: 'wrong' } })
    expect(await failureOf(clientOf(refused).execute(new Greet('Ada')))).toMatchObject({
      ...{ code: 'PROXY_FAILED', status: 482 },
      message: expect.stringContaining('does not let us in'),
    })
    const full = await rpc.proxy({ req: 'tcp://127.0.0.1:1', maxQueued: 1 })
    const client = clientOf(full)
    const waiting = failureOf(client.execute(new Greet('first'), { timeoutMs: 1000 }))
    expect(await failureOf(client.execute(new Greet('second')))).toMatchObject({
      ...{ code: 'PROXY_FAILED', status: 482 },
      message: expect.stringContaining('1 calls wait for tcp://127.0.0.1:1 already'),
    })
    await waiting
    await idle(full, refused)
  })

  it('is answered a little before the time of its caller is over, who so hears why, and that it was not carried out', () =>
    simulate(async (network) => {
      const { proxy, client } = await onTheWay(network)
      for (const timeoutMs of [500, 5000, 60_000]) {
        const began = performance.now()
        const failure = await failureOf(client.execute(new Greet('Ada'), { timeoutMs }))
        expect(failure).toMatchObject({
          code: 'PROXY_FAILED',
          started: 'no',
          message: expect.stringContaining('no connection to tcp://server'),
        })
        expect(performance.now() - began).toBeGreaterThanOrEqual(Math.max(0.9 * timeoutMs, timeoutMs - 1000) - 10)
      }
      await client.close()
      await proxy.stop()
    }))

  it('has all of its time once it is on its way, however late that is', () =>
    simulate(async (network) => {
      const { proxy, client } = await onTheWay(network)
      const answer = client.execute(new Greet('Ada'), { timeoutMs: 10_000 })
      await sleep(5000)
      const server = network.host('server').run(() => new RpcServer({ rep: 'tcp://*:30000' }))
      const told: number[] = []
      server.register(Greet, async ({ name }, { remainingMs }) => {
        told.push(remainingMs)
        await sleep(remainingMs - 300)
        return `Hello ${name}`
      })
      await network.host('server').run(() => server.start())
      expect(await answer).toBe('Hello Ada')
      expect(told[0]).toBeGreaterThan(3000)
      await client.close()
      await proxy.stop()
      await server.stop()
    }))

  it('says that it was not carried out, and its caller tries another proxy', async () => {
    const server = await serving(() => {})
    const cut = await rpc.proxy({ req: 'tcp://127.0.0.1:1', timeoutMs: 100 })
    const cutTwice = await rpc.proxy({ req: cut.endpoints })
    for (const away of [cut, cutTwice]) {
      const failure = await failureOf(clientOf(away).execute(new Greet('Ada')))
      expect(failure).toMatchObject({ code: 'PROXY_FAILED', status: 482, started: 'no', retrySafe: 'always' })
    }
    const passing = await rpc.proxy({ req: server.endpoints })
    const client = rpc.client({ req: [...cut.endpoints, ...passing.endpoints] })
    await client.ready()
    const greetings = await Promise.all(['Ada', 'Bob', 'Cyd'].map((name) => client.execute(new Greet(name))))
    expect(greetings).toEqual(['Hello Ada', 'Hello Bob', 'Hello Cyd'])
  })

  it('what is lost behind it may have been carried out', async () => {
    const server = await serving((server) => server.register(Wait, forever))
    const proxy = await rpc.proxy({ req: server.endpoints })
    const client = clientOf(proxy)
    const failing = failureOf(client.execute(new Wait()))
    await until(() => server.stats().running === 1, 'it is under way')
    await server.stop({ drainMs: 0 })
    expect(await failing).toMatchObject({ code: 'PROXY_FAILED', started: 'maybe', retrySafe: 'repeatable' })
  })

  it('a caller that is gone before its call was sent is forgotten', async () => {
    const proxy = await rpc.proxy({ req: 'tcp://127.0.0.1:1' })
    const client = clientOf(proxy)
    const call = failureOf(client.execute(new Greet('Ada')))
    await until(() => proxy.stats().outgoing.queued === 1, 'it waits')
    await client.close()
    await call
    await idle(proxy)
  })

  it('a circle of two proxies: a call in it ends with its time, or when there are too many; nothing is left', async () => {
    const endpoint = await nowhere()
    const one = await rpc.proxy({ req: endpoint })
    const two = await rpc.proxy({ rep: endpoint, req: one.endpoints })
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
    const proxy = await rpc.proxy({ pub: LOCAL })
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
    const one = await rpc.proxy({ req: server.endpoints })
    const two = await rpc.proxy({ req: one.endpoints })
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
    const proxy = await rpc.proxy({ req: server.endpoints, maxConcurrentCalls: 1 })
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
    const proxy = await rpc.proxy({ req: server.endpoints })
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
  const one = await rpc.proxy({ req: server.endpoints })
  const two = await rpc.proxy({ req: one.endpoints })
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
