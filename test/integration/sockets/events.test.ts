/** Events: what is told, in which order, with which fields; and the two ways to hear them. */

import { describe, expect, it } from 'vitest'
import { Dealer, type Event, Pull, Push, Router, type Socket } from '../../../src/socket/index.ts'
import { RawConnection, RawServer } from '../../helpers/raw-peer.ts'
import { event, link, outcome, STREAM_TRANSPORTS, TRANSPORTS, until, useSockets, vacant } from '../../helpers/sockets.ts'
import { bytes, greeting, ready } from '../../unit/wire/helpers.ts'

const TYPES = [
  'accept',
  'accept:error',
  'bind',
  'bind:error',
  'connect',
  'connect:delay',
  'connect:retry',
  'close',
  'close:error',
  'disconnect',
  'handshake',
  'handshake:error:protocol',
  'handshake:error:auth',
  'handshake:error:other',
  'end',
] as const

function record(socket: Socket): Event[] {
  const events: Event[] = []
  for (const type of TYPES) socket.events.on(type, (came) => events.push(came))
  return events
}

describe.each(STREAM_TRANSPORTS)('the events over $name', ({ endpoint }) => {
  const use = useSockets()

  it('tell the life of a connection', async () => {
    const [server, client] = [use.open(Router), use.open(Dealer, { reconnectInterval: 10_000 })]
    const [atServer, atClient] = [record(server), record(client)]
    const address = await link(server, client, endpoint())
    await client.send('x')
    await server.receive()
    await server.close()
    await until(() => atClient.some(({ type }) => type === 'connect:retry'), 'the client notices')
    await client.close()
    expect(atServer.map(({ type }) => type)).toEqual(['bind', 'accept', 'handshake', 'close', 'end'])
    expect(atClient.map(({ type }) => type)).toEqual(['connect:delay', 'connect', 'handshake', 'disconnect', 'connect:retry', 'end'])
    for (const each of [...atServer, ...atClient]) if (each.type !== 'end') expect(each.address).toBe(address)
    const retry = atClient.find(({ type }) => type === 'connect:retry')
    expect(retry).toMatchObject({ interval: expect.any(Number) })
    if (retry?.type === 'connect:retry') expect(retry.interval).toBeGreaterThanOrEqual(10_000)
  })

  it('tell each attempt to connect, and why it failed', async () => {
    const address = await vacant(use, endpoint())
    const push = use.open(Push, { reconnectInterval: 5 })
    const events = record(push)
    push.connect(address)
    await until(() => events.filter(({ type }) => type === 'connect:retry').length >= 3, 'three attempts')
    const [delay, ...retries] = events
    expect(delay?.type).toBe('connect:delay')
    for (const retry of retries.slice(0, 3)) {
      expect(retry).toMatchObject({ type: 'connect:retry', address, error: { code: expect.stringMatching(/^(ECONNREFUSED|ENOENT)$/) } })
      if (retry.type === 'connect:retry') expect(retry.interval).toBeLessThanOrEqual(10)
    }
  })

  it('tell of an unbind', async () => {
    const server = use.open(Router)
    const events = record(server)
    await server.bind(endpoint())
    const address = server.lastEndpoint as string
    await server.unbind(address)
    expect(events).toEqual([
      { type: 'bind', address },
      { type: 'close', address },
    ])
  })
})

describe('a handshake that fails', () => {
  const use = useSockets()

  it.each([
    ['is no ZeroMQ', [Buffer.from('GET / HTTP/1.1\r\n\r\n')], /./],
    ['has another mechanism', [greeting('PLAIN')], /./],
    ['is of a type that does not go with ours', [greeting('NULL'), ready('SUB')], /SUB/],
    ['says nonsense', [greeting('NULL'), bytes('04 03 01"XY"')], /./],
  ])('is told by the one that accepted when the peer %s', async (_name, parts, text) => {
    const router = use.open(Router)
    await router.bind('tcp://127.0.0.1:0')
    const told = event(router, 'handshake:error:protocol')
    const raw = await RawConnection.connect(router.lastEndpoint as string)
    use.defer(() => raw.close())
    raw.write(...parts)
    const { error, address, remoteAddress } = await told
    expect(error).toMatchObject({ code: 'PROTOCOL_ERROR', message: expect.stringMatching(text) })
    expect([address, remoteAddress]).toEqual([router.lastEndpoint, expect.stringMatching(/^tcp:\/\/127\.0\.0\.1:\d+$/)])
    await raw.closed
  })

  it('is tried again, late where trying soon would not help', async () => {
    const server = await RawServer.listen()
    use.defer(() => server.close())
    const dealer = use.open(Dealer, { reconnectInterval: 5 })
    const [told, retry] = [event(dealer, 'handshake:error:protocol'), event(dealer, 'connect:retry')]
    dealer.connect(server.endpoint)
    const raw = await server.accept()
    raw.write(greeting('NULL'), ready('PUB'))
    await told
    expect((await retry).interval).toBeGreaterThanOrEqual(5000)
  })

  it('is an "other" error when the peer just goes, and is tried again soon', async () => {
    const server = await RawServer.listen()
    use.defer(() => server.close())
    const dealer = use.open(Dealer, { reconnectInterval: 5 })
    const [told, retry] = [event(dealer, 'handshake:error:other'), event(dealer, 'connect:retry')]
    dealer.connect(server.endpoint)
    const raw = await server.accept()
    await raw.read(64)
    raw.close()
    expect((await told).error).toBeInstanceOf(Error)
    expect((await retry).interval).toBeLessThanOrEqual(10)
    await server.accept()
  })

  it('takes no longer than handshakeInterval, however the bytes trickle', async () => {
    const router = use.open(Router, { handshakeInterval: 100 })
    await router.bind('tcp://127.0.0.1:0')
    const told = event(router, 'handshake:error:protocol')
    const raw = await RawConnection.connect(router.lastEndpoint as string)
    use.defer(() => raw.close())
    const hello = greeting('NULL')
    let offset = 0
    const trickle = setInterval(() => raw.write(hello.subarray(offset, ++offset)), 20)
    use.defer(() => clearInterval(trickle))
    expect((await told).error.message).toMatch(/handshake/)
    clearInterval(trickle)
    // Had every byte given it more time, it would have come to its end.
    expect(offset).toBeLessThan(hello.length)
    await raw.closed
  })

  it('of one that waits in vain leaves the others alone', async () => {
    const [router, dealer] = [use.open(Router), use.open(Dealer)]
    await router.bind('tcp://127.0.0.1:0')
    const raws = await Promise.all(Array.from({ length: 20 }, () => RawConnection.connect(router.lastEndpoint as string)))
    for (const raw of raws) {
      use.defer(() => raw.close())
      raw.write(greeting('NULL').subarray(0, 10))
    }
    dealer.connect(router.lastEndpoint as string)
    await dealer.send('x')
    await router.receive()
  })
})

describe('hearing events', () => {
  const use = useSockets()

  it('receive gives what happened since the events were first looked at', async () => {
    const pull = use.open(Pull)
    const events = pull.events
    await pull.bind('inproc://first')
    expect(await events.receive()).toMatchObject({ type: 'bind', address: 'inproc://first' })
    const next = events.receive()
    await pull.bind('inproc://second')
    expect(await next).toMatchObject({ type: 'bind', address: 'inproc://second' })
  })

  it('receive waits once at a time, and not with listeners', async () => {
    const pull = use.open(Pull)
    const first = pull.events.receive()
    expect(await outcome(pull.events.receive())).toBe('EBUSY')
    await pull.bind('inproc://a')
    await first
    const other = use.open(Pull)
    other.events.on('bind', () => {})
    expect(await outcome(other.events.receive())).toBe('EBUSY')
  })

  it('for await ends with the socket', async () => {
    const pull = use.open(Pull)
    const types: string[] = []
    const reading = (async () => {
      for await (const { type } of pull.events) types.push(type)
    })()
    await pull.bind('inproc://a')
    await pull.close()
    await reading
    expect(types).toEqual(['bind', 'close', 'end'])
    expect(pull.events.closed).toBe(true)
    expect(await outcome(pull.events.receive())).toBe('EBADF')
  })

  it('an observer that is closed hears nothing more, and the socket goes on', async () => {
    const pull = use.open(Pull)
    const waiting = outcome(pull.events.receive())
    pull.events.close()
    expect(await waiting).toBe('EBADF')
    await pull.bind('inproc://a')
  })

  it('a listener that throws harms nobody but its own process: the socket goes on', async () => {
    const [server, client] = [use.open(Router), use.open(Dealer)]
    const uncaught: unknown[] = []
    const handlers = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => uncaught.push(error.message))
    try {
      for (const type of ['bind', 'accept', 'handshake'] as const) {
        server.events.on(type, () => {
          throw new Error(`from a listener of ${type}`)
        })
      }
      await link(server, client)
      await client.send('x')
      await server.receive()
      await until(() => uncaught.length === 3, 'the errors are told')
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const handler of handlers) process.on('uncaughtException', handler)
    }
    expect(uncaught).toEqual(['from a listener of bind', 'from a listener of accept', 'from a listener of handshake'])
  })
})

describe.each(TRANSPORTS)('over $name', ({ endpoint }) => {
  const use = useSockets()

  it('both ends tell of the handshake, and of a loss the one that did not bring it about, with the endpoint', async () => {
    const [server, client] = [use.open(Router), use.open(Dealer)]
    const handshakes = [event(server, 'handshake'), event(client, 'handshake')]
    const address = await link(server, client, endpoint())
    for (const { address: told } of await Promise.all(handshakes)) expect(told).toBe(address)
    const lost = event(server, 'disconnect')
    const atClient: string[] = []
    for (const type of ['disconnect', 'end'] as const) client.events.on(type, () => atClient.push(type))
    await client.close()
    expect((await lost).address).toBe(address)
    expect(atClient).toEqual(['end'])
  })
})
