/** PLAIN between ours and libzmq's, in both roles. */

import { describe, expect, it } from 'vitest'
import { type AuthAnswer, type AuthRequest, Dealer, Publisher, Reply, Request, Router, Subscriber } from '../../../src/socket/index.ts'
import { untilHeard } from '../../helpers/pairings.ts'
import { event, texts, useSockets } from '../../helpers/sockets.ts'
import { libzmq, libzmqEvent, openLibzmq, zapHandler, zmq } from './libzmq.ts'

const GOOD = { plainUsername: 'pi', plainPassword: 'secret' }
const BAD = { plainUsername: 'pi', plainPassword: 'wrong' }
const authenticate = (request: AuthRequest): AuthAnswer =>
  request.mechanism === 'PLAIN' && request.password === 'secret' ? { status: 200, user: request.username } : { status: 400 }

describe.skipIf(!libzmq.available)('a server of libzmq', () => {
  const use = useSockets()

  it('lets our client in that knows the password', async () => {
    const context = new zmq.Context()
    const seen = await zapHandler(use, context, 'secret')
    const server = openLibzmq(use, zmq.Reply, { context, plainServer: true })
    await server.bind('tcp://127.0.0.1:*')
    const client = use.open(Request, GOOD)
    client.connect(server.lastEndpoint as string)
    await client.send('question')
    await server.send(await server.receive())
    expect(texts(await client.receive())).toEqual(['question'])
    expect(seen).toEqual(['pi:secret'])
  })

  it('refuses our client that does not, which is told at once', async () => {
    const context = new zmq.Context()
    await zapHandler(use, context, 'secret')
    const server = openLibzmq(use, zmq.Reply, { context, plainServer: true })
    await server.bind('tcp://127.0.0.1:*')
    const client = use.open(Request, BAD)
    const refused = event(client, 'handshake:error:auth')
    client.connect(server.lastEndpoint as string)
    const { error, address } = await refused
    expect([error.status, address]).toEqual([400, server.lastEndpoint])
  })

  it('that publishes is listened to by our PLAIN client', async () => {
    const context = new zmq.Context()
    await zapHandler(use, context, 'secret')
    const publisher = openLibzmq(use, zmq.XPublisher, { context, plainServer: true })
    await publisher.bind('tcp://127.0.0.1:*')
    const subscriber = use.open(Subscriber, GOOD)
    subscriber.subscribe()
    subscriber.connect(publisher.lastEndpoint as string)
    await publisher.receive()
    await publisher.send('news')
    expect(texts(await subscriber.receive())).toEqual(['news'])
  })

  it('closes on a client of ours that shows nothing', async () => {
    const context = new zmq.Context()
    await zapHandler(use, context, 'secret')
    const server = openLibzmq(use, zmq.Reply, { context, plainServer: true })
    await server.bind('tcp://127.0.0.1:*')
    const client = use.open(Request)
    const told = event(client, 'handshake:error:protocol', 'handshake:error:other')
    client.connect(server.lastEndpoint as string)
    await told
  })
})

describe.skipIf(!libzmq.available)('a client of libzmq', () => {
  const use = useSockets()

  it('is let in by our server when it knows the password', async () => {
    const server = use.open(Router, { plainServer: true, authenticate })
    await server.bind('tcp://127.0.0.1:0')
    const client = openLibzmq(use, zmq.Dealer, GOOD)
    client.connect(server.lastEndpoint as string)
    await client.send('question')
    await server.send(await server.receive())
    expect(texts(await client.receive())).toEqual(['question'])
  })

  it('is refused by our server when it does not, and both are told', async () => {
    const server = use.open(Router, { plainServer: true, authenticate, receiveTimeout: 0 })
    await server.bind('tcp://127.0.0.1:0')
    const refused = event(server, 'handshake:error:auth')
    const client = openLibzmq(use, zmq.Dealer, BAD)
    const told = libzmqEvent(client, 'handshake:error:auth', 'handshake:error:protocol')
    client.connect(server.lastEndpoint as string)
    await client.send('question')
    expect((await refused).error).toMatchObject({ status: 400, byPeer: false })
    await told
    await expect(server.receive()).rejects.toMatchObject({ code: 'EAGAIN' })
  })

  it('is sent away with 300 and comes again by itself', async () => {
    let asked = 0
    const server = use.open(Reply, {
      plainServer: true,
      authenticate: (request) => (++asked < 3 ? { status: 300 } : authenticate(request)),
    })
    await server.bind('tcp://127.0.0.1:0')
    const client = openLibzmq(use, zmq.Request, { ...GOOD, reconnectInterval: 5 })
    client.connect(server.lastEndpoint as string)
    await client.send('question')
    expect(texts(await server.receive())).toEqual(['question'])
    expect(asked).toBe(3)
  })

  it('comes again by itself after the authenticator has thrown', async () => {
    let asked = 0
    const server = use.open(Reply, {
      plainServer: true,
      authenticate: (request) => {
        if (++asked < 3) throw new Error('database gone')
        return authenticate(request)
      },
    })
    await server.bind('tcp://127.0.0.1:0')
    const client = openLibzmq(use, zmq.Request, { ...GOOD, reconnectInterval: 5 })
    client.connect(server.lastEndpoint as string)
    await client.send('question')
    expect(texts(await server.receive())).toEqual(['question'])
    expect(asked).toBe(3)
  })

  it('that is a bound PUB, as in pyzmqrpc3, is asked by our SUB', async () => {
    const publisher = openLibzmq(use, zmq.Publisher, GOOD)
    await publisher.bind('tcp://127.0.0.1:*')
    const subscriber = use.open(Subscriber, { plainServer: true, authenticate })
    subscriber.subscribe()
    subscriber.connect(publisher.lastEndpoint as string)
    expect(texts(await untilHeard(publisher, subscriber, 'news'))).toEqual(['news'])
  })

  it('that has no password gets nowhere with our server', async () => {
    const server = use.open(Reply, { plainServer: true, authenticate })
    await server.bind('tcp://127.0.0.1:0')
    // Whoever notices first closes.
    const told = event(server, 'handshake:error:protocol', 'handshake:error:other')
    const client = openLibzmq(use, zmq.Request)
    client.connect(server.lastEndpoint as string)
    await told
  })
})

describe.skipIf(!libzmq.available)('our bound PUB that is a PLAIN client', () => {
  const use = useSockets()

  it('is listened to by a SUB of libzmq that is the server', async () => {
    const context = new zmq.Context()
    const seen = await zapHandler(use, context, 'secret')
    const publisher = use.open(Publisher, GOOD)
    await publisher.bind('tcp://127.0.0.1:0')
    const subscriber = openLibzmq(use, zmq.Subscriber, { context, plainServer: true })
    subscriber.subscribe()
    subscriber.connect(publisher.lastEndpoint as string)
    expect(texts(await untilHeard(publisher, subscriber, 'news'))).toEqual(['news'])
    expect(seen).toEqual(['pi:secret'])
  })

  it('one that shows the wrong password is told so', async () => {
    const context = new zmq.Context()
    await zapHandler(use, context, 'secret')
    const dealer = use.open(Dealer, BAD)
    await dealer.bind('tcp://127.0.0.1:0')
    const refused = event(dealer, 'handshake:error:auth')
    const router = openLibzmq(use, zmq.Router, { context, plainServer: true })
    router.connect(dealer.lastEndpoint as string)
    expect((await refused).error.status).toBe(400)
  })
})
