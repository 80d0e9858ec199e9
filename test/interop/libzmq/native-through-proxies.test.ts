/**
 * The native dialect through proxies that know nothing of it: to them it is an envelope and some frames. They announce it to either side in the
 * name of the other one, by a property of their handshake.
 */

import { isDeepStrictEqual } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { Command, RpcClient, type RpcClientOptions, RpcServer } from '../../../src/index.ts'
import { ANNOUNCEMENT } from '../../../src/rpc/dialect/announcement.ts'
import { Dealer, Proxy as OurProxy, Router } from '../../../src/socket/index.ts'
import { until } from '../../helpers/sockets.ts'
import { Source } from '../../integration/rpc/native/source.ts'
import { libzmq, zmq } from './libzmq.ts'

class Echo extends Command {
  value: unknown = null
  static of(value: unknown): Echo {
    return Object.assign(new Echo(), { value })
  }
}

class Wait extends Command<string> {}

/** libzmq's ZMQ_METADATA: properties of the handshake. The package has no name for it. */
const ZMQ_METADATA = 95

let cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
  cleanUps = []
})

/** Each joins an endpoint that it returns to the one that it is given. */
const PROXIES: Record<string, (target: string) => Promise<string>> = {
  async 'our Proxy'(target) {
    const options = { handshakeProperties: ANNOUNCEMENT, linger: 0 }
    const [front, back] = [new Router(options), new Dealer(options)]
    await front.bind('tcp://127.0.0.1:0')
    back.connect(target)
    return run(new OurProxy(front, back), front.lastEndpoint as string)
  },
  async "libzmq's zmq_proxy"(target) {
    const [front, back] = [new zmq.Router({ linger: 0 }), new zmq.Dealer({ linger: 0 })]
    for (const socket of [front, back] as unknown as { setStringOption(option: number, value: string): void }[])
      for (const [name, value] of Object.entries(ANNOUNCEMENT)) socket.setStringOption(ZMQ_METADATA, `${name}:${value}`)
    await front.bind('tcp://127.0.0.1:*')
    back.connect(target)
    return run(new zmq.Proxy(front, back), front.lastEndpoint as string)
  },
  async 'one of ours behind one of ours'(target) {
    const ours = PROXIES['our Proxy'] as (target: string) => Promise<string>
    return ours(await ours(target))
  },
}

function run(proxy: { run(): Promise<void>; terminate(): void }, endpoint: string): string {
  const ended = proxy.run()
  cleanUps.push(async () => {
    proxy.terminate()
    await ended
  })
  return endpoint
}

const names = Object.keys(PROXIES).filter((name) => libzmq.available || !name.includes('libzmq'))

describe.each(names)('through %s', (name) => {
  const join = PROXIES[name] as (target: string) => Promise<string>

  async function serve(prepare: (server: RpcServer) => void): Promise<{ server: RpcServer; client(options?: object): RpcClient }> {
    const server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
    cleanUps.push(() => server.stop({ drainMs: 0 }))
    prepare(server)
    await server.start()
    const req = await join(server.endpoints[0] as string)
    const client = (options: Partial<RpcClientOptions> = {}): RpcClient => {
      const made = new RpcClient({ req, timeoutMs: 10_000, ...options })
      cleanUps.push(() => made.close())
      return made
    }
    return { server, client }
  }

  it('calls of many clients, with values of every kind and metadata', async () => {
    const { client } = await serve((server) =>
      server.register(Echo, ({ value }, { metadata, replyMetadata }) => {
        replyMetadata['back'] = String(metadata['there'])
        return value
      }),
    )
    const clients = Array.from({ length: 5 }, () => client())
    const told: unknown[] = []
    const results = await Promise.all(
      clients.flatMap((one, who) =>
        Array.from({ length: 50 }, (_, n) =>
          one.execute(Echo.of(new Map([[who, Buffer.alloc(n * 200, n)]])), {
            metadata: { there: `${who} ${n}` },
            onMetadata: (metadata) => void told.push(metadata['back']),
          }),
        ),
      ),
    )
    const expected = clients.flatMap((_, who) => Array.from({ length: 50 }, (_, n) => new Map([[who, Buffer.alloc(n * 200, n)]])))
    expect(isDeepStrictEqual(results, expected)).toBe(true)
    expect(told.sort()).toEqual(clients.flatMap((_, who) => Array.from({ length: 50 }, (_, n) => `${who} ${n}`)).sort())
  })

  it('streams both ways, of clients whose calls have the same numbers; a slow reader keeps only its writer waiting', async () => {
    const sources: Source[] = []
    const { client } = await serve((server) =>
      server.register(Echo, async function* ({ value }) {
        for await (const item of value as AsyncIterable<unknown>) yield item
      }),
    )
    const [slow, ...quick] = Array.from({ length: 4 }, () => client()) as [RpcClient, ...RpcClient[]]
    const endless = new Source(Number.POSITIVE_INFINITY, () => Buffer.alloc(10_000))
    const unread = (await slow.execute(Echo.of(endless))) as AsyncIterator<unknown>
    const read = quick.map(async (one, who) => {
      const source = new Source(2000, (n) => `${who} ${n}`)
      sources.push(source)
      const items: unknown[] = []
      for await (const item of (await one.execute(Echo.of(source))) as AsyncIterable<unknown>) items.push(item)
      return items
    })
    expect(await Promise.all(read)).toEqual(quick.map((_, who) => Array.from({ length: 2000 }, (_, n) => `${who} ${n}`)))
    expect(sources.map(({ ended }) => ended)).toEqual(quick.map(() => 'by itself'))
    // A window there, a window back, and what is overshot.
    expect(endless.given).toBeLessThanOrEqual(2 * 27 + 2)
    await unread.return?.()
    await until(() => endless.ended === 'told to return', 'the writer is told')
  })

  it('a call that is given up aborts the signal of its service', async () => {
    const reasons: unknown[] = []
    const begun: unknown[] = []
    const { client } = await serve((server) =>
      server.register(Wait, (_command, { signal }) => {
        begun.push(1)
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason)
            resolve('too late')
          })
        })
      }),
    )
    const controller = new AbortController()
    const call = client().execute(new Wait(), { signal: controller.signal })
    await until(() => begun.length === 1, 'it is under way')
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'ABORTED' })
    await until(() => reasons.length === 1, 'the service is told')
    expect(reasons).toMatchObject([{ code: 'ABORTED' }])
    const other = client()
    await other.ready()
    await expect(other.execute(new Wait(), { timeoutMs: 500 })).rejects.toMatchObject({ code: 'TIMED_OUT' })
    await until(() => reasons.length === 2, 'the service is told of this one')
  })
})
