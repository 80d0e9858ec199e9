/** What strangers may make a socket hold. */

import { createConnection } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  Dealer,
  Publisher,
  Pull,
  Push,
  Reply,
  Request,
  Router,
  type Socket,
  Subscriber,
  XPublisher,
  XSubscriber,
} from '../../../src/socket/index.ts'
import { RawConnection, strangerAt } from '../../helpers/raw-peer.ts'
import { event, texts, until, useSockets } from '../../helpers/sockets.ts'
import { bytes, command, greeting } from '../../unit/wire/helpers.ts'

const use = useSockets()
const ANY = 'tcp://127.0.0.1:0'

const stranger = (socket: Socket): Promise<RawConnection> => strangerAt(use, socket)

describe('maxConnections', () => {
  it('turns away connections over it, says so, and takes the next one when another has left', async () => {
    const router = use.open(Router, { maxConnections: 2 })
    await router.bind(ANY)
    const [first, second] = [await stranger(router), await stranger(router)]
    await first.handshake('DEALER', 'first')
    const refused = event(router, 'accept:error')
    const third = await RawConnection.connect(router.lastEndpoint as string)
    const ownPort = third.socket.localPort
    const { error, address, remoteAddress } = await refused
    expect(error).toMatchObject({ code: 'EBUSY', message: expect.stringContaining('2 connections (maxConnections)') })
    expect(address).toBe(router.lastEndpoint)
    expect(remoteAddress).toBe(`tcp://127.0.0.1:${ownPort}`)
    await third.closed
    expect(third.socket.bytesRead).toBe(0)
    expect(router.stats()).toMatchObject({ refused: { maxConnections: 1, maxHandshakes: 0 }, connections: 1, handshakes: 1 })

    const left = event(router, 'handshake:error:other')
    second.close()
    await left
    const fourth = await stranger(router)
    await fourth.handshake('DEALER', 'fourth')
    fourth.write(bytes('00 01 61'))
    expect(texts(await router.receive())).toEqual(['fourth', 'a'])
  })

  it('counts for each endpoint by itself, and lets a client that was turned away in when there is room', async () => {
    const pull = use.open(Pull, { maxConnections: 1 })
    await pull.bind(ANY)
    const one = pull.lastEndpoint as string
    await pull.bind(ANY)
    const other = await stranger(pull)
    await other.handshake('PUSH')
    const taker = await RawConnection.connect(one)
    await taker.handshake('PUSH')
    const push = use.open(Push, { reconnectInterval: 1 })
    const refused = event(pull, 'accept:error')
    push.connect(one)
    await push.send('waits for its turn')
    await refused
    taker.close()
    expect(texts(await pull.receive())).toEqual(['waits for its turn'])
  })
})

describe('maxConnectionsPerAddress', () => {
  it('turns away what one address has over it, says so, and lets other addresses in', async () => {
    const router = use.open(Router, { maxConnectionsPerAddress: 2 })
    await router.bind('tcp://0.0.0.0:0')
    const [first] = [await stranger(router), await stranger(router)]
    const refused = event(router, 'accept:error')
    const third = await RawConnection.connect(router.lastEndpoint as string)
    use.defer(() => third.close())
    const { error, remoteAddress } = await refused
    expect(error).toMatchObject({
      code: 'EBUSY',
      message: expect.stringContaining('2 connections of this address (maxConnectionsPerAddress)'),
    })
    expect(remoteAddress).toBe(`tcp://127.0.0.1:${third.socket.localPort}`)
    await third.closed
    expect(router.stats()).toMatchObject({ refused: { maxConnectionsPerAddress: 1, maxConnections: 0 }, handshakes: 2 })

    const accepted = event(router, 'accept')
    const other = createConnection({
      port: Number(new URL(router.lastEndpoint as string).port),
      host: '127.0.0.1',
      localAddress: '127.0.0.2',
    })
    use.defer(() => other.destroy())
    expect((await accepted).remoteAddress).toContain('127.0.0.2')

    const left = event(router, 'handshake:error:other')
    first?.close()
    await left
    await stranger(router)
  })

  it('does not count connections of ipc', async () => {
    const pull = use.open(Pull, { maxConnectionsPerAddress: 1 })
    await pull.bind('ipc://*')
    for (let count = 0; count < 3; count++) {
      const push = use.open(Push)
      push.connect(pull.lastEndpoint as string)
      await push.send(String(count))
      expect(texts(await pull.receive())).toEqual([String(count)])
    }
  })
})

describe('what a stranger may send in its handshake', () => {
  it('is judged by the size that a command announces', async () => {
    const router = use.open(Router, { maxHandshakeBytes: 10_000 })
    await router.bind(ANY)
    const told = event(router, 'handshake:error:protocol')
    const raw = await stranger(router)
    raw.write(greeting('NULL'), bytes('06 00*6 2711'))
    expect((await told).error.message).toContain('a command of 10001 bytes is over the limit of 10000')
    await raw.closed
    expect(router.stats()).toMatchObject({ failedHandshakes: 1, refused: { maxHandshakeBytes: 1 } })
  })

  it('is bounded over all its commands together', async () => {
    const router = use.open(Router, { plainServer: true, authenticate: () => ({ status: 200, user: undefined }), maxHandshakeBytes: 2000 })
    await router.bind(ANY)
    const told = event(router, 'handshake:error:protocol')
    const raw = await stranger(router)
    const name = Buffer.alloc(255, 'x')
    raw.write(greeting('PLAIN'), command('05"HELLO" FF', name, 'FF', name))
    await raw.read(64)
    await raw.readFrame()
    raw.write(command('08"INITIATE"', '06"X-Fill" 00000640', Buffer.alloc(1600)))
    expect((await told).error.message).toContain('a handshake of more than 2000 bytes')
    await raw.closed
    expect(router.stats().refused).toMatchObject({ maxHandshakeBytes: 1 })
  })

  it('has handshakeInterval to be sent', async () => {
    const router = use.open(Router, { handshakeInterval: 20 })
    await router.bind(ANY)
    const told = event(router, 'handshake:error:protocol')
    await (await stranger(router)).closed
    await told
    expect(router.stats().refused).toMatchObject({ handshakeInterval: 1 })
  })
})

describe('limits that end a connection', () => {
  it('are told and counted: maxMessageSize, the number of frames, maxSubscriptionBytes', async () => {
    const pull = use.open(Pull, { maxMessageSize: 100 })
    await pull.bind(ANY)
    for (const [index, frames] of [
      bytes('00 65'),
      bytes('01 33', Buffer.alloc(51), '00 32'),
      Buffer.concat(Array(4097).fill(bytes('01 00'))),
    ].entries()) {
      const ended = event(pull, 'disconnect')
      const raw = await stranger(pull)
      await raw.handshake('PUSH')
      raw.write(frames, Buffer.alloc(101))
      expect((await ended).error).toMatchObject({ code: 'PROTOCOL_ERROR', limit: 'maxMessageSize' })
      expect(pull.stats().refused.maxMessageSize).toBe(index + 1)
    }
    const publisher = use.open(Publisher, { maxSubscriptionBytes: 1000 })
    await publisher.bind(ANY)
    const ended = event(publisher, 'disconnect')
    const raw = await stranger(publisher)
    await raw.handshake('SUB')
    for (let topic = 0; topic < 10; topic++) raw.write(command('09"SUBSCRIBE"', Buffer.from([topic])))
    expect((await ended).error?.message).toContain('subscriptions')
    expect(publisher.stats().refused.maxSubscriptionBytes).toBe(1)
  })
})

describe('what our own receivers would refuse', () => {
  it('is not sent: a topic over 65,526 bytes; the longest one is heard', async () => {
    const publisher = use.open(XPublisher)
    await publisher.bind(ANY)
    const [longest, longer] = [Buffer.alloc(65_526, 'a'), Buffer.alloc(65_527, 'a')]
    const refusal = { name: 'SocketError', code: 'EINVAL', message: expect.stringContaining('65527 bytes is over the limit of 65526') }
    const subscriber = use.open(Subscriber)
    subscriber.connect(publisher.lastEndpoint as string)
    expect(() => subscriber.subscribe('good', longer)).toThrow(expect.objectContaining(refusal))
    subscriber.unsubscribe(longer)
    subscriber.subscribe(longest)
    expect((await publisher.receive())[0]).toEqual(Buffer.concat([Buffer.from([1]), longest]))
    subscriber.unsubscribe(longest)
    expect((await publisher.receive())[0]).toEqual(Buffer.concat([Buffer.from([0]), longest]))

    const xsubscriber = use.open(XSubscriber)
    await expect(xsubscriber.send(Buffer.concat([Buffer.from([1]), longer]))).rejects.toMatchObject(refusal)
    xsubscriber.connect(publisher.lastEndpoint as string)
    await xsubscriber.send(Buffer.concat([Buffer.from([1]), longest]))
    expect((await publisher.receive())[0]).toHaveLength(65_527)
  })

  it('is not sent: more than 4096 frames, with what the socket adds; 4096 arrive', async () => {
    const frames = (count: number) => Array<string>(count).fill('')
    const router = use.open(Router)
    await router.bind(ANY)
    const dealer = use.open(Dealer)
    dealer.connect(router.lastEndpoint as string)
    await expect(dealer.send(frames(4097))).rejects.toMatchObject({ code: 'EINVAL', message: expect.stringContaining('4096 frames') })
    await expect(dealer.sendMany(['a', frames(4097)])).rejects.toMatchObject({ code: 'EINVAL', sent: 0 })
    await dealer.send(frames(4096))
    const message = await router.receive()
    expect(message).toHaveLength(4097)
    await expect(router.send([...message, ''])).rejects.toMatchObject({ code: 'EINVAL' })
    await router.send(message)
    expect(await dealer.receive()).toHaveLength(4096)
  })

  it('is not sent: more than 4096 frames with the envelope of a request or its reply', async () => {
    const frames = (count: number) => Array<string>(count).fill('')
    const reply = use.open(Reply)
    await reply.bind(ANY)
    const request = use.open(Request, { correlate: true })
    request.connect(reply.lastEndpoint as string)
    await expect(request.send(frames(4095))).rejects.toMatchObject({ code: 'EINVAL' })
    await request.send(frames(4094))
    expect(await reply.receive()).toHaveLength(4094)
    await expect(reply.send(frames(4095))).rejects.toMatchObject({ code: 'EINVAL' })
    await reply.send(frames(4094))
    expect(await request.receive()).toHaveLength(4094)
  })
})

describe('maxHandshakes', () => {
  it('ends the oldest handshake when there are more, and says so; honest clients always get in', async () => {
    const router = use.open(Router, { maxHandshakes: 3 })
    await router.bind(ANY)
    const slow: RawConnection[] = []
    for (let count = 0; count < 3; count++) {
      const raw = await stranger(router)
      raw.write(greeting('NULL').subarray(0, 10 + count))
      slow.push(raw)
    }
    const oldest = `tcp://127.0.0.1:${slow[0]?.socket.localPort}`
    expect(router.stats().handshakes).toBe(3)
    const told = event(router, 'handshake:error:other')
    const dealer = use.open(Dealer, { routingId: 'honest' })
    dealer.connect(router.lastEndpoint as string)
    await dealer.send('hello')
    expect(texts(await router.receive())).toEqual(['honest', 'hello'])
    const { error, remoteAddress } = await told
    expect(error).toMatchObject({ code: 'EBUSY', message: expect.stringContaining('maxHandshakes') })
    expect(remoteAddress).toBe(oldest)
    await slow[0]?.closed
    expect(router.stats()).toMatchObject({ connections: 1, handshakes: 2, failedHandshakes: 1, refused: { maxHandshakes: 1 } })
    expect([slow[1], slow[2]].every((raw) => raw?.socket.readyState === 'open')).toBe(true)
  })

  it('bounds what a flood of strangers can hold', async () => {
    const router = use.open(Router, { maxHandshakes: 10 })
    await router.bind(ANY)
    let most = 0
    router.events.on('accept', () => {
      most = Math.max(most, router.stats().handshakes)
    })
    const flood: RawConnection[] = []
    for (let count = 0; count < 200; count++) {
      const raw = await RawConnection.connect(router.lastEndpoint as string)
      use.defer(() => raw.close())
      raw.write(greeting('NULL'), bytes('06 00*5 00FFFF', Buffer.alloc(60_000)))
      flood.push(raw)
    }
    await until(() => router.stats().refused.maxHandshakes === 190, 'all but ten are closed')
    await until(() => router.stats().handshakes === 10, 'ten are left')
    // One over it is counted before it ends, and those that end are, until their connection is closed.
    expect(most).toBeLessThanOrEqual(20)
  })

  it('a handshake that waits for the authenticator counts, one that is over does not', async () => {
    const router = use.open(Router, { plainServer: true, maxHandshakes: 1, authenticate: () => new Promise(() => {}) })
    await router.bind(ANY)
    const asking = await stranger(router)
    asking.write(greeting('PLAIN'), command('05"HELLO" 00 00'))
    await asking.read(64)
    await stranger(router)
    await asking.closed
    const open = use.open(Router, { maxHandshakes: 1 })
    await open.bind(ANY)
    const [first, second] = [await stranger(open), await stranger(open)]
    await first.closed
    await second.handshake('DEALER')
    const third = await stranger(open)
    await third.handshake('DEALER')
    await until(() => open.stats().connections === 2, 'both are in')
  })
})
