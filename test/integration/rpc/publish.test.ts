import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encodeCommand } from '../../../src/rpc/dialect/pyzmqrpc3.ts'
import { Publisher, Subscriber } from '../../../src/socket/index.ts'
import { RawConnection } from '../../helpers/raw-peer.ts'
import { Count, DIALECTS, Echo, endpointOf, failureOf, until, useRpc, WAYS } from '../../helpers/rpc.ts'
import { command } from '../../unit/wire/helpers.ts'

const rpc = useRpc()

const listening = (sub: string, seen: number[], options: object = {}) =>
  rpc.started({ sub, ...options }, (server) =>
    server.register(Count, ({ n }) => {
      seen.push(n)
      return n
    }),
  )

describe.each(WAYS)('publish over $name, in the $dialect dialect', ({ endpoint, dialect }) => {
  rpc.speak(dialect)

  it('reaches every listener, in order, once ready says that they are there', async () => {
    const client = rpc.client({ pub: endpoint() })
    await client.ready()
    const seen: number[][] = [[], [], []]
    for (const list of seen) await listening(client.publishEndpoint as string, list)
    await client.ready({ subscribers: 3 })
    for (let n = 0; n < 500; n++) await client.publish(new Count(n))
    await until(() => seen.every((list) => list.length === 500), 'all have heard all')
    for (const list of seen) expect(list).toEqual(list.map((_, n) => n))
  })
})

describe('ready', () => {
  it('counts listeners, and says how many are missing', async () => {
    const client = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await client.ready()
    const endpoint = client.publishEndpoint as string
    await listening(endpoint, [])
    await client.ready({ subscribers: 1 })
    expect(await failureOf(client.ready({ subscribers: 2, timeoutMs: 50 }))).toMatchObject({
      code: 'NOT_CONNECTED',
      endpoint,
      message: `[NOT_CONNECTED] ${endpoint}: 1 of 2 subscribers were there within 50 ms`,
    })
  })

  it('no longer counts one that is gone', async () => {
    const client = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await client.ready()
    const endpoint = client.publishEndpoint
    // As the publisher tells it: the far end is the listener.
    const lost = rpc.hear('zmq-rpc:disconnected', (event) => event.endpoint === endpoint && event.remoteAddress !== endpoint)
    const server = await listening(client.publishEndpoint as string, [])
    await client.ready({ subscribers: 1 })
    await server.stop()
    await lost.atLeast(1)
    expect(await failureOf(client.ready({ subscribers: 1, timeoutMs: 30 }))).toMatchObject({ code: 'NOT_CONNECTED' })
  })

  it('no longer counts one that takes back all it has asked for', async () => {
    const client = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await client.ready()
    const raw = await RawConnection.connect(client.publishEndpoint as string)
    rpc.defer(() => raw.close())
    await raw.handshake('SUB')
    raw.write(command('09"SUBSCRIBE"61'), command('09"SUBSCRIBE"62'))
    await client.ready({ subscribers: 1 })
    raw.write(command('06"CANCEL"61'))
    await client.ready({ subscribers: 1 })
    raw.write(command('06"CANCEL"62'))
    await until(
      async () =>
        await failureOf(client.ready({ subscribers: 1, timeoutMs: 1 })).then(
          () => true,
          () => false,
        ),
      'nobody listens',
    )
  })

  it('tells that the endpoint cannot be bound, as publish does', async () => {
    const taken = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await taken.ready()
    const client = rpc.client({ pub: taken.publishEndpoint as string })
    expect(await failureOf(client.ready())).toMatchObject({ code: 'EADDRINUSE' })
    expect(await failureOf(client.publish(new Count()))).toMatchObject({ code: 'EADDRINUSE' })
    expect(client.publishEndpoint).toBeUndefined()
  })
})

describe.each(DIALECTS)('what is published, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('to nobody is gone, and no error', async () => {
    const client = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await client.publish(new Count())
  })

  it('is written before close resolves', async () => {
    const client = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await client.ready()
    const seen: number[] = []
    await listening(client.publishEndpoint as string, seen)
    await client.ready({ subscribers: 1 })
    for (let n = 0; n < 2000; n++) await client.publish(new Count(n))
    await client.close()
    await until(() => seen.length === 2000, 'all is heard')
  })

  it('beyond maxPublished misses the listener that does not keep up, with an event, and no other', async () => {
    const client = rpc.client({ pub: 'tcp://127.0.0.1:0', maxPublished: 10 })
    await client.ready()
    const endpoint = client.publishEndpoint as string
    const raw = await RawConnection.connect(endpoint)
    await raw.handshake('SUB')
    raw.write(command('09"SUBSCRIBE"'))
    raw.socket.pause()
    const seen: number[] = []
    await rpc
      .server({ sub: endpoint })
      .register(Echo, () => seen.push(1))
      .start()
    await client.ready({ subscribers: 2 })
    const dropped = rpc.hear('zmq-rpc:dropped')
    let sent = 0
    while (dropped.events.length === 0) {
      await client.publish(new Echo(randomBytes(100_000).toString('base64')))
      sent++
      await until(() => seen.length === sent, 'the other one has heard it')
    }
    expect(dropped.events[0]).toMatchObject({ endpoint, reason: 'a published message: the subscriber does not keep up' })
    raw.close()
  })
})

describe('heartbeats', () => {
  it('on an interval keep a silent link alive, and are no commands', () =>
    rpc.virtually(async () => {
      const client = rpc.client({ pub: 'tcp://127.0.0.1:0', heartbeatIntervalMs: 100 })
      await client.ready()
      const silent = rpc.hear('zmq-rpc:sub:silent')
      const refused = rpc.hear('zmq-rpc:command:refused')
      await rpc.started({ sub: client.publishEndpoint as string, heartbeatTimeoutMs: 150 })
      await client.ready({ subscribers: 1 })
      await new Promise((resolve) => setTimeout(resolve, 60_000))
      expect(silent.events).toEqual([])
      expect(refused.events).toEqual([])
    }))

  it('are waited for from when the publisher is there, not from when it was looked for', () =>
    rpc.virtually(async () => {
      const probe = new Publisher()
      await probe.bind('tcp://127.0.0.1:0')
      const endpoint = probe.lastEndpoint as string
      await probe.close()
      const silent = rpc.hear('zmq-rpc:sub:silent')
      await rpc.started({ sub: endpoint, heartbeatTimeoutMs: 2000 })
      await new Promise((resolve) => setTimeout(resolve, 300))
      const client = rpc.client({ pub: endpoint })
      await client.ready({ subscribers: 1 })
      await new Promise((resolve) => setTimeout(resolve, 1800))
      expect(silent.events).toEqual([])
    }))

  it('by hand do the same', () =>
    rpc.virtually(async () => {
      const publisher = rpc.client({ pub: 'tcp://127.0.0.1:0' })
      await publisher.ready()
      const silent = rpc.hear('zmq-rpc:sub:silent')
      await rpc.started({ sub: publisher.publishEndpoint as string, heartbeatTimeoutMs: 100 })
      await publisher.ready({ subscribers: 1 })
      for (let n = 0; n < 10; n++) {
        await publisher.sendHeartbeat()
        await new Promise((resolve) => setTimeout(resolve, 80))
      }
      expect(silent.events).toEqual([])
    }))

  it.each([2 ** 40, Number.POSITIVE_INFINITY])(
    'on an interval that no timer can wait (%d) do not come all the time',
    async (heartbeatIntervalMs) => {
      const warnings: Error[] = []
      const listener = (warning: Error): number => warnings.push(warning)
      process.on('warning', listener)
      rpc.defer(() => process.off('warning', listener))
      const client = rpc.client({ pub: 'tcp://127.0.0.1:0', heartbeatIntervalMs })
      await client.ready()
      const subscriber = new Subscriber({ linger: 0, receiveTimeout: 50 })
      rpc.defer(() => subscriber.close())
      subscriber.connect(client.publishEndpoint as string)
      subscriber.subscribe()
      await client.ready({ subscribers: 1 })
      expect(await failureOf(subscriber.receive())).toMatchObject({ code: 'EAGAIN' })
      expect(warnings).toEqual([])
    },
  )
})

describe('a publisher that goes mute', () => {
  it.each(['tcp://127.0.0.1:0', 'ipc://*', 'inproc://mute'])(
    'is connected to again, as often as it takes, and heard again: %s',
    async (where) => {
      const fake = new Publisher({ linger: 0 })
      rpc.defer(() => fake.close())
      await fake.bind(where)
      const endpoint = fake.lastEndpoint as string
      const silent = rpc.hear('zmq-rpc:sub:silent')
      const seen: number[] = []
      await listening(endpoint, seen, { heartbeatTimeoutMs: 60 })
      await silent.atLeast(3)
      expect(silent.events[0]).toEqual({ endpoint, heartbeatTimeoutMs: 60 })
      await until(async () => {
        await fake.send(encodeCommand(new Count(1)))
        return seen.length > 0
      }, 'it is heard')
    },
  )

  it('is judged by the time-out of its own endpoint', () =>
    rpc.virtually(async () => {
      const fakes = [new Publisher({ linger: 0 }), new Publisher({ linger: 0 }), new Publisher({ linger: 0 })]
      for (const fake of fakes) {
        rpc.defer(() => fake.close())
        await fake.bind('tcp://127.0.0.1:0')
      }
      const [quick, patient, never] = fakes.map((fake) => fake.lastEndpoint as string) as [string, string, string]
      const silent = rpc.hear('zmq-rpc:sub:silent')
      const lost = rpc.hear('zmq-rpc:disconnected')
      await rpc.started({
        sub: [{ endpoint: quick, heartbeatTimeoutMs: 30 }, patient, { endpoint: never, heartbeatTimeoutMs: 0 }],
        heartbeatTimeoutMs: 300,
      })
      await until(() => silent.events.some(({ endpoint }) => endpoint === patient), 'the patient one is silent')
      expect(silent.events.filter(({ endpoint }) => endpoint === quick).length).toBeGreaterThan(1)
      expect(silent.events.filter(({ endpoint }) => endpoint === never)).toEqual([])
      expect(lost.events.filter(({ endpoint }) => endpoint === never)).toEqual([])
      expect(silent.events.find(({ endpoint }) => endpoint === patient)).toEqual({ endpoint: patient, heartbeatTimeoutMs: 300 })
    }))

  it('comes back on the same endpoint after it was gone', async () => {
    const seen: number[] = []
    const first = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await first.ready()
    const pub = first.publishEndpoint as string
    await listening(pub, seen)
    await first.ready({ subscribers: 1 })
    await first.publish(new Count(1))
    await first.close()
    const second = rpc.client({ pub })
    await second.ready({ subscribers: 1 })
    await second.publish(new Count(2))
    await until(() => seen.length === 2, 'both are heard')
    expect(seen).toEqual([1, 2])
  })
})

describe.each(DIALECTS)('passwords between a publisher and its listeners, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  const credentials = { username: 'pi', password: 'secret' }
  const auth = { users: { pi: 'secret' } }

  it('may be asked by the listener: it only hears who shows one', async () => {
    const [known, unknown] = [rpc.client({ pub: 'tcp://127.0.0.1:0', credentials }), rpc.client({ pub: 'tcp://127.0.0.1:0' })]
    await Promise.all([known.ready(), unknown.ready()])
    const failed = rpc.hear('zmq-rpc:handshake:failed')
    const seen: number[] = []
    await rpc.started({ sub: [known.publishEndpoint as string, unknown.publishEndpoint as string], auth }, (server) =>
      server.register(Count, ({ n }, { principal }) => {
        expect(principal).toEqual({ username: 'pi' })
        seen.push(n)
        return n
      }),
    )
    await known.ready({ subscribers: 1 })
    await known.publish(new Count(1))
    await failed.atLeast(1)
    await unknown.publish(new Count(2))
    await until(() => seen.length > 0, 'the known one is heard')
    expect(await failureOf(unknown.ready({ subscribers: 1, timeoutMs: 300 }))).toMatchObject({ code: 'AUTH_REFUSED' })
    expect(seen).toEqual([1])
  })

  it('may be asked by the publisher: only who shows one hears it', async () => {
    const client = rpc.client({ pub: 'tcp://127.0.0.1:0', auth })
    await client.ready()
    const endpoint = client.publishEndpoint as string
    const [known, stranger]: number[][] = [[], []]
    await listening(endpoint, known as number[], { credentials })
    await listening(endpoint, stranger as number[], { credentials: { username: 'pi', password: 'wrong' } })
    await client.ready({ subscribers: 1 })
    await client.publish(new Count(1))
    await until(() => known?.length === 1, 'the known one hears it')
    expect(stranger).toEqual([])
  })
})

describe.each(DIALECTS)('a REP endpoint and SUB endpoints, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('serve side by side in one server', async () => {
    const publisher = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await publisher.ready()
    const kinds: string[] = []
    const server = await rpc.started({ rep: ['tcp://127.0.0.1:0', 'ipc://*'], sub: publisher.publishEndpoint as string }, (server) =>
      server.register(Count, ({ n }, { peer }) => {
        kinds.push(peer.kind)
        return n
      }),
    )
    expect(server.endpoints).toHaveLength(2)
    await publisher.ready({ subscribers: 1 })
    await publisher.publish(new Count())
    for (const req of server.endpoints) await rpc.client({ req }).execute(new Count())
    await until(() => kinds.length === 3, 'all are served')
    expect(kinds.sort()).toEqual(['pub', 'req', 'req'])
    expect(endpointOf(server)).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]/)
  })
})
