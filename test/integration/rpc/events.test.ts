/** Every event is published, once for what it stands for, with the fields that it is declared with; and never a secret. */

import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Command, command, logEvents, type RpcEvents } from '../../../src/index.ts'
import { LOG_LINES, type RpcEventName } from '../../../src/observability/logger.ts'
import { Publisher, Router } from '../../../src/socket/index.ts'
import { Count, deferred, Echo, endpointOf, failureOf, Greet, Heard, Unknown, until, useRpc } from '../../helpers/rpc.ts'
import { declaredEvents } from '../../helpers/rpc-events.ts'

const rpc = useRpc()
const TCP = { rep: 'tcp://127.0.0.1:0' }
const ADDRESS = expect.stringMatching(/^tcp:\/\/127\.0\.0\.1:\d+$/)
const MS = expect.any(Number)

/** All events of a test, in the order in which they came. */
let told: [RpcEventName, Record<string, unknown>][] = []
let heard: Heard<RpcEventName>[] = []

beforeEach(() => {
  told = []
  heard = (Object.keys(LOG_LINES) as RpcEventName[]).map(
    (name) => new Heard(name, (event) => told.push([name, event as unknown as Record<string, unknown>]) > 0),
  )
})

afterEach(() => {
  for (const one of heard) one.end()
  // Whatever happened: no field but those declared, and none left out.
  const declared = declaredEvents()
  for (const [name, event] of told) expect([name, ...Object.keys(event).sort()]).toEqual([name, ...(declared.get(name) ?? []).sort()])
})

function of<N extends RpcEventName>(name: N, endpoint?: string): RpcEvents[N][] {
  return told
    .filter(([one, event]) => one === name && (endpoint === undefined || event['endpoint'] === endpoint))
    .map(([, event]) => event as never)
}

class Items extends Command<AsyncIterable<number>> {}

describe('a call that goes well', () => {
  it('is told at its beginning and at its end, on both sides, in this order', async () => {
    const server = await rpc.started(TCP)
    const endpoint = endpointOf(server)
    const client = rpc.client({ req: endpoint })
    await client.ready()
    await client.execute(new Greet('Ada'))
    const call = told.filter(([name]) => /call|service/.test(name))
    expect(call).toEqual([
      ['zmq-rpc:call:started', { endpoint, command: 'Greet', queued: 0, inFlight: 0 }],
      ['zmq-rpc:service:started', { endpoint, remoteAddress: ADDRESS, command: 'Greet', waitedMs: MS, running: 1, waiting: 0 }],
      ['zmq-rpc:service:ended', { endpoint, remoteAddress: ADDRESS, command: 'Greet', durationMs: MS, status: 200 }],
      ['zmq-rpc:call:ended', { endpoint, command: 'Greet', durationMs: MS, error: undefined }],
    ])
    expect(of('zmq-rpc:command:refused')).toEqual([])
  })

  it('tells how long it waited for its turn, how long it took, and what else there was to do', () =>
    rpc.virtually(async () => {
      const server = await rpc.started({ ...TCP, maxConcurrentCalls: 1 }, (server) =>
        server.register(Count, async ({ n }) => {
          if (n === 0) await sleep(30)
          return n
        }),
      )
      const client = rpc.client({ req: endpointOf(server) })
      await Promise.all([0, 1, 2].map((n) => client.execute(new Count(n))))
      const started = of('zmq-rpc:service:started')
      expect(started.map(({ running, waiting }) => [running, waiting])).toEqual([
        [1, 0],
        [1, 1],
        [1, 0],
      ])
      expect(started.map(({ waitedMs }) => Math.round(waitedMs))).toEqual([0, 30, 30])
      expect(of('zmq-rpc:service:ended').map(({ durationMs }) => Math.round(durationMs))).toEqual([30, 0, 0])
    }))
})

describe('the end of a service is told once, with what its caller was told', () => {
  it.each<[string, string, number, (server: { register: (c: typeof Count, s: () => unknown) => unknown }) => unknown]>([
    [
      'it threw',
      'SERVICE_FAILED',
      463,
      (server) =>
        server.register(Count, () => {
          throw new Error('broken')
        }),
    ],
    ['its result cannot be written', 'BAD_RESULT', 500, (server) => server.register(Count, () => new WeakMap())],
  ])('%s', async (_name, code, status, prepare) => {
    const server = await rpc.started(TCP, (server) => prepare(server as never))
    const endpoint = endpointOf(server)
    expect(await failureOf(rpc.client({ req: endpoint }).execute(new Count()))).toMatchObject({ code })
    expect(of('zmq-rpc:service:ended', endpoint)).toMatchObject([{ command: 'Count', status }])
    expect(of('zmq-rpc:service:failed', endpoint)).toEqual([
      { endpoint, remoteAddress: ADDRESS, command: 'Count', error: expect.any(Error) },
    ])
    expect(of('zmq-rpc:command:refused')).toEqual([])
    expect(of('zmq-rpc:call:ended')).toMatchObject([{ error: { code } }])
  })

  it('it was remembered from an earlier call with its idempotency key: the same again, but its service did not fail again', async () => {
    const server = await rpc.started(TCP, (server) =>
      server.register(Count, () => {
        throw new Error('broken')
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    for (let n = 0; n < 2; n++) await failureOf(client.execute(new Count(), { idempotencyKey: 'k' }))
    expect(of('zmq-rpc:service:ended').map(({ status }) => status)).toEqual([463, 463])
    expect(of('zmq-rpc:service:failed').length).toBe(1)
    expect(server.stats()).toMatchObject({ started: 2, failed: { SERVICE_FAILED: 2 } })
  })

  it('nobody waited any more: 499', () =>
    rpc.virtually(async () => {
      const go = deferred()
      const server = await rpc.started(TCP, (server) => server.register(Count, () => go.promise.then(() => 1)))
      const client = rpc.client({ req: endpointOf(server) })
      expect(await failureOf(client.execute(new Count(), { timeoutMs: 50 }))).toMatchObject({ code: 'TIMED_OUT' })
      await client.execute(new Greet())
      go.resolve()
      await until(() => of('zmq-rpc:service:ended').length === 2, 'it ends')
      expect(of('zmq-rpc:service:ended').map(({ command, status }) => [command, status])).toEqual([
        ['Greet', 200],
        ['Count', 499],
      ])
    }))

  it('its stream threw: as the failure of the service, which itself went well', async () => {
    const server = await rpc.started(TCP, (server) =>
      server.register(Items, async function* () {
        yield 1
        throw new Error('no more paper')
      }),
    )
    const items = await rpc.client({ req: endpointOf(server) }).execute(new Items())
    const read = async (): Promise<void> => {
      for await (const _item of items);
    }
    expect(await failureOf(read())).toMatchObject({ code: 'SERVICE_FAILED' })
    expect(of('zmq-rpc:service:failed')).toMatchObject([{ command: 'Items', error: new Error('no more paper') }])
    expect(of('zmq-rpc:service:ended')).toMatchObject([{ status: 200 }])
  })

  it('its stream threw when it was told to end: as the failure of the service', async () => {
    const server = await rpc.started(TCP, (server) =>
      server.register(Items, async function* () {
        try {
          for (;;) yield 1
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: that is the point
          throw new Error('cannot let go')
        }
      }),
    )
    for await (const _item of await rpc.client({ req: endpointOf(server) }).execute(new Items())) break
    await until(() => of('zmq-rpc:service:failed').length > 0, 'it is told')
    expect(of('zmq-rpc:service:failed')).toMatchObject([{ command: 'Items', error: new Error('cannot let go') }])
    expect(of('zmq-rpc:service:ended')).toMatchObject([{ status: 200 }])
  })
})

describe('what is refused', () => {
  it('is told with its status, command and reason; it was not begun', async () => {
    const server = await rpc.started({ ...TCP, allow: { users: ['ada'] } })
    const endpoint = endpointOf(server)
    const client = rpc.client({ req: endpoint })
    await failureOf(client.execute(new Unknown()))
    await failureOf(client.execute(new Greet()))
    expect(of('zmq-rpc:command:refused')).toEqual([
      {
        endpoint,
        remoteAddress: ADDRESS,
        status: 451,
        command: 'Unknown',
        detail: expect.stringContaining('Unknown'),
        error: undefined,
      },
      { endpoint, remoteAddress: ADDRESS, status: 403, command: 'Greet', detail: expect.stringContaining('may not'), error: undefined },
    ])
    expect([...of('zmq-rpc:service:started'), ...of('zmq-rpc:service:ended')]).toEqual([])
  })
})

describe('connections', () => {
  it('are told when they are ready, on both sides, and when the other side has ended them', async () => {
    const server = await rpc.started(TCP)
    const endpoint = endpointOf(server)
    const client = rpc.client({ req: endpoint })
    await client.ready()
    await until(() => of('zmq-rpc:connected', endpoint).length === 2, 'both know')
    expect(of('zmq-rpc:connected')).toEqual(Array(2).fill({ endpoint, remoteAddress: ADDRESS }))
    const remotes = of('zmq-rpc:connected').map(({ remoteAddress }) => remoteAddress)
    await client.close()
    await until(() => of('zmq-rpc:disconnected').length === 1, 'the server knows')
    await rpc.client({ req: endpoint }).ready()
    await server.stop()
    await until(() => of('zmq-rpc:disconnected').length === 2, 'the client knows')
    expect(of('zmq-rpc:disconnected').map((event) => [event.endpoint, remotes.includes(event.remoteAddress)])).toEqual(
      Array(2).fill([endpoint, true]),
    )
    expect(of('zmq-rpc:connect:failed')[0]).toEqual({ endpoint, error: undefined, retryMs: MS })
  })

  it('that cannot be made are told, and when the next attempt comes', async () => {
    const endpoint = 'tcp://127.0.0.1:1'
    rpc.client({ req: endpoint })
    await until(() => of('zmq-rpc:connect:failed').length > 1, 'it is tried twice')
    expect(of('zmq-rpc:connect:failed')[0]).toEqual({ endpoint, error: expect.objectContaining({ code: 'ECONNREFUSED' }), retryMs: MS })
  })

  it('whose handshake fails are told with the reason', async () => {
    const server = await rpc.started({ ...TCP, auth: { users: { ada: 'a' } } })
    const endpoint = endpointOf(server)
    rpc.client({ req: endpoint, credentials: { username: 'ada', password: 'wrong' } })
    await until(() => of('zmq-rpc:handshake:failed', endpoint).length > 1, 'both know')
    for (const event of of('zmq-rpc:handshake:failed'))
      expect(event).toEqual({ endpoint, remoteAddress: ADDRESS, error: expect.any(Error) })
    const texts = of('zmq-rpc:handshake:failed', endpoint).map(({ error }) => (error as Error).message)
    expect(texts).toContainEqual(expect.stringContaining('the credentials of user "ada" were refused (400)'))
  })

  it('to a server that is about to stop are told of that', async () => {
    const go = deferred()
    const server = await rpc.started(TCP, (server) => server.register(Count, () => go.promise.then(() => 1)))
    const endpoint = endpointOf(server)
    const call = rpc.client({ req: endpoint }).execute(new Count())
    await until(() => server.stats().running === 1, 'it runs')
    const stopped = server.stop()
    await until(() => of('zmq-rpc:server:draining').length > 0, 'it is told')
    expect(of('zmq-rpc:server:draining')).toEqual([{ endpoint, reason: 'the server stops' }])
    go.resolve()
    await Promise.all([call, stopped])
  })

  it('on which nothing is heard of a publisher are told', () =>
    rpc.virtually(async () => {
      const publisher = new Publisher({ linger: 0 })
      rpc.defer(() => publisher.close())
      await publisher.bind('tcp://127.0.0.1:0')
      const endpoint = publisher.lastEndpoint as string
      await rpc.started({ sub: { endpoint, heartbeatTimeoutMs: 50 } })
      await until(() => of('zmq-rpc:sub:silent').length > 0, 'it is told')
      expect(of('zmq-rpc:sub:silent')[0]).toEqual({ endpoint, heartbeatTimeoutMs: 50 })
    }))
})

describe('what a client does by itself', () => {
  it('is told when it makes a call again', async () => {
    let ran = 0
    class Again extends Count {
      static override readonly commandName = 'Again'
      static readonly idempotent = true
    }
    const servers = await Promise.all(
      [1, 2].map(() => rpc.started({ ...TCP, maxQueuedCalls: 0, maxConcurrentCalls: 1 }, (server) => server.register(Again, () => ++ran))),
    )
    const endpoints = servers.map(endpointOf)
    await servers[0]?.stop()
    const client = rpc.client({ req: endpoints })
    await client.ready({ servers: 1 })
    // The one that is there is busy with a call that never ends; so the attempt is refused, and made again.
    const never = new AbortController()
    servers[1]?.register(Count, () => new Promise<number>(() => {}))
    const busy = failureOf(client.execute(new Count(), { signal: never.signal }))
    await until(() => servers[1]?.stats().running === 1, 'it is busy')
    await failureOf(client.execute(new Again(), { timeoutMs: 2000 }))
    expect(of('zmq-rpc:call:repeated')[0]).toEqual({ endpoint: expect.any(String), command: 'Again', earlier: 1 })
    never.abort()
    await busy
  })

  it('is told when a server means a command otherwise', async () => {
    const schema = (type: 'string' | 'number') => ({
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) => ({ value: value as object }),
        jsonSchema: { input: () => ({ type: 'object', properties: { a: { type } } }), output: () => ({ type: 'object' }) },
      },
    })
    const [Ours, Theirs] = [command('Mean', { state: schema('string') }), command('Mean', { state: schema('number') })]
    const server = await rpc.started(TCP, (server) => server.register(Theirs, () => 1))
    const endpoint = endpointOf(server)
    await rpc.client({ req: endpoint }).execute(new Ours({}))
    await until(() => of('zmq-rpc:contract:mismatch').length > 0, 'it is told')
    expect(of('zmq-rpc:contract:mismatch')).toEqual([{ endpoint, command: 'Mean', differences: expect.any(Array) }])
  })
})

describe('a message that is dropped', () => {
  it('is told with the reason, and counted by it', async () => {
    const router = new Router({ linger: 0 })
    rpc.defer(() => router.close())
    await router.bind('tcp://127.0.0.1:0')
    const endpoint = router.lastEndpoint as string
    const client = rpc.client({ req: endpoint })
    const late = failureOf(client.execute(new Count(1), { timeoutMs: 50 }))
    // With this one under way, the silence of the other proves nothing.
    const other = failureOf(client.execute(new Count(2)))
    const [peer, id] = (await router.receive()) as [Buffer, Buffer]
    await late
    await router.send([peer, id, '', 'too late'])
    await router.send([peer, 'not ours'])
    await until(() => of('zmq-rpc:dropped').length === 2, 'both are told')
    expect(of('zmq-rpc:dropped')).toEqual([
      { endpoint, remoteAddress: ADDRESS, reason: 'a message to a call that has ended' },
      { endpoint, remoteAddress: ADDRESS, reason: 'a reply without our envelope' },
    ])
    await client.close()
    await other
    expect(client.stats().dropped).toMatchObject({ lateReply: 1, strangeReply: 1, badHello: 0, slowSubscriber: 0 })
  })
})

describe('a log of everything', () => {
  it('holds no password, no key of a repeated call, and nothing of what was sent and answered', async () => {
    const lines: unknown[] = []
    const write = (...line: unknown[]): void => void lines.push(line)
    using _log = logEvents({ debug: write, info: write, warn: write, error: write })
    const auth = { users: { ada: 'hunter2' } }
    const server = await rpc.started({ ...TCP, auth }, (server) => server.register(Count, () => 'top secret' as never))
    const endpoint = endpointOf(server)
    const secretly = (key: string) => ({ metadata: { token: 'top secret' }, idempotencyKey: `top secret ${key}` })
    for (const dialect of ['auto', 'pyzmqrpc3'] as const) {
      const client = rpc.client({ req: endpoint, dialect, credentials: { username: 'ada', password: 'hunter2' } })
      await client.execute(new Echo('top secret'), secretly('a'))
      await client.execute(new Count(), secretly('b'))
      await failureOf(client.execute(Object.assign(new Unknown(), { x: 'top secret' }), secretly('c')))
      await failureOf(client.execute(Object.assign(new Greet(), { x: new WeakMap(), y: 'top secret' })))
    }
    const wrong = rpc.client({ req: endpoint, credentials: { username: 'ada', password: 'hunter22' } })
    await failureOf(wrong.execute(new Echo('top secret')))
    const socket = connect(Number(endpoint.split(':').at(-1)), '127.0.0.1')
    socket.on('error', () => {})
    socket.end('GET /top%20secret HTTP/1.1\r\nAuthorization: hunter2\r\n\r\n')
    await until(() => of('zmq-rpc:handshake:failed', endpoint).length > 2, 'the stranger is turned away')
    socket.destroy()
    expect(lines.length).toBeGreaterThan(20)
    expect(inspect(lines, { depth: 20, showHidden: true })).not.toMatch(/secret|hunter/)
  })
})
