/** What `stats` tells of a socket. */

import { describe, expect, it } from 'vitest'
import { Pair, Publisher, Pull, Push, Reply, Request, Router, type Socket, Subscriber } from '../../../src/socket/index.ts'
import { type RawConnection, RawServer, strangerAt } from '../../helpers/raw-peer.ts'
import { event, link, texts, until, useSockets } from '../../helpers/sockets.ts'
import { bytes, command, naiveMessage } from '../../unit/wire/helpers.ts'

const use = useSockets()
const ANY = 'tcp://127.0.0.1:0'

const stranger = (socket: Socket): Promise<RawConnection> => strangerAt(use, socket)

describe('stats', () => {
  it('tell connections, handshakes, bytes and what waits, on both sides', async () => {
    const [pull, push] = [use.open(Pull), use.open(Push)]
    expect(push.stats()).toEqual({
      connections: 0,
      handshakes: 0,
      failedHandshakes: 0,
      refused: {
        maxConnections: 0,
        maxConnectionsPerAddress: 0,
        maxHandshakes: 0,
        maxHandshakeBytes: 0,
        handshakeInterval: 0,
        maxMessageSize: 0,
        maxSubscriptionBytes: 0,
      },
      full: { send: 0, receive: 0 },
      queuedMessages: 0,
      bytesReceived: 0,
      bytesSent: 0,
      dropped: { highWaterMark: 0, unroutable: 0, noEnvelope: 0, unexpected: 0, filtered: 0, lost: 0 },
    })
    const server = await RawServer.listen()
    use.defer(() => server.close())
    push.connect(server.endpoint)
    await push.send('waits')
    expect(push.stats()).toMatchObject({ queuedMessages: 1, connections: 0 })
    await server.accept()
    await until(() => push.stats().handshakes === 1, 'the handshake has begun')
    push.disconnect(server.endpoint)
    await link(pull, push)
    await push.send(Buffer.alloc(1000))
    await pull.receive()
    const [sender, receiver] = [push.stats(), pull.stats()]
    expect([sender.connections, receiver.connections]).toEqual([1, 1])
    expect(receiver.bytesReceived).toBeGreaterThan(1000 + 64)
    expect(sender.bytesSent).toBeGreaterThanOrEqual(receiver.bytesReceived)
    // Bytes of a connection that is over still count.
    const lost = event(pull, 'disconnect')
    push.disconnect(pull.lastEndpoint as string)
    await lost
    expect(pull.stats()).toMatchObject({ connections: 0, handshakes: 0, bytesReceived: receiver.bytesReceived })
  })

  it('count connections over inproc, too', async () => {
    const [pull, push] = [use.open(Pull), use.open(Push)]
    await link(pull, push, 'inproc://stats')
    await push.send('x')
    await pull.receive()
    expect([pull.stats().connections, push.stats().connections]).toEqual([1, 1])
  })

  it('count messages that were over the high-water mark: PUB and ROUTER', async () => {
    const publisher = use.open(Publisher, { sendHighWaterMark: 5 })
    await publisher.bind(ANY)
    const subscriber = await stranger(publisher)
    await subscriber.handshake('SUB')
    subscriber.socket.pause()
    subscriber.write(command('09"SUBSCRIBE"'))
    const body = Buffer.alloc(256 * 1024)
    await until(async () => {
      await publisher.send(body)
      return publisher.stats().dropped.highWaterMark === 7
    }, 'seven were dropped')

    const router = use.open(Router, { sendHighWaterMark: 5 })
    await router.bind(ANY)
    const dealer = await stranger(router)
    await dealer.handshake('DEALER', 'slow')
    dealer.socket.pause()
    await until(async () => {
      await router.send(['slow', body])
      return router.stats().dropped.highWaterMark === 7
    }, 'seven were dropped')
    expect(router.stats().queuedMessages).toBe(5)
  })

  it('count what had nobody to go to: ROUTER, and REP when the asker is gone', async () => {
    const router = use.open(Router)
    await router.send(['nobody', 'x'])
    expect(router.stats().dropped.unroutable).toBe(1)
    const reply = use.open(Reply)
    await reply.bind(ANY)
    const raw = await stranger(reply)
    await raw.handshake('REQ')
    raw.write(naiveMessage([Buffer.alloc(0), Buffer.from('question')]), naiveMessage([Buffer.from('no envelope')]))
    await reply.receive()
    const lost = event(reply, 'disconnect')
    raw.close()
    await lost
    await reply.send('answer')
    expect(reply.stats().dropped).toMatchObject({ unroutable: 1, noEnvelope: 1 })
  })

  it('count what was not asked for: REQ, PAIR, SUB', async () => {
    const request = use.open(Request)
    const server = await RawServer.listen()
    use.defer(() => server.close())
    request.connect(server.endpoint)
    const router = await server.accept()
    await router.handshake('ROUTER')
    router.write(naiveMessage([Buffer.alloc(0), Buffer.from('nobody asked')]))
    await until(() => request.stats().dropped.unexpected === 1, 'the stray reply was seen')

    const pair = use.open(Pair)
    await pair.bind(ANY)
    const only = await stranger(pair)
    await only.handshake('PAIR')
    await until(() => pair.stats().connections === 1, 'the first is in')
    const second = await stranger(pair)
    await second.handshake('PAIR')
    await second.closed
    expect(pair.stats().connections).toBe(1)

    const subscriber = use.open(Subscriber)
    subscriber.subscribe('a')
    await subscriber.bind(ANY)
    const publisher = await stranger(subscriber)
    await publisher.handshake('PUB')
    publisher.write(bytes('00 01 "b" 00 01 "c" 00 01 "a"'))
    expect(texts(await subscriber.receive())).toEqual(['a'])
    expect(subscriber.stats().dropped.filtered).toBe(2)
  })

  it('forget the connections of an endpoint that was given up, but not their bytes', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await pull.bind(ANY)
    const at = pull.lastEndpoint as string
    push.connect(at)
    await push.send('x')
    await pull.receive()
    push.disconnect(at)
    await until(() => push.stats().handshakes + push.stats().connections === 0, 'the client has forgotten it')
    expect(push.stats().bytesSent).toBeGreaterThan(64)
    push.connect(at)
    await push.send('x')
    await pull.receive()
    await pull.unbind(at)
    expect(pull.stats()).toMatchObject({ connections: 0, handshakes: 0, failedHandshakes: 0 })
  })

  it('count what was lost unwritten: with its connection, and when linger was over', async () => {
    const router = use.open(Router, { mandatory: true, sendTimeout: 0 })
    await router.bind(ANY)
    const raw = await stranger(router)
    await raw.handshake('DEALER', 'slow')
    raw.socket.pause()
    const body = Buffer.alloc(256 * 1024)
    await until(() => router.send(['slow', body]).then(() => router.stats().queuedMessages === 3), 'three wait')
    const lost = event(router, 'disconnect')
    raw.socket.resetAndDestroy()
    await lost
    expect(router.stats()).toMatchObject({ queuedMessages: 0, dropped: { lost: 3 } })

    const push = use.open(Push, { linger: 0 })
    push.connect('tcp://127.0.0.1:9')
    await push.send('x')
    await push.send('y')
    push.disconnect('tcp://127.0.0.1:9')
    await until(() => push.stats().dropped.lost === 2, 'both were given up')
  })
})
