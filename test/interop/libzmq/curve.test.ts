/** CURVE between ours and libzmq's: every pair of socket types, both roles at either end, and ZAP. */

import { describe, expect, it } from 'vitest'
import type * as zeromq from 'zeromq'
import {
  type AuthAnswer,
  type AuthRequest,
  curveKeyPair,
  curvePublicKey,
  Dealer,
  Pair,
  Publisher,
  Pull,
  Push,
  Reply,
  Request,
  Router,
  Subscriber,
  XPublisher,
} from '../../../src/socket/index.ts'
import { decodeZ85, encodeZ85 } from '../../../src/wire/index.ts'
import { type AnyDuplex, carriesEveryShape, ours, PAIRINGS, pattern, untilHeard } from '../../helpers/pairings.ts'
import { codeOf, event, type TestSockets, texts, useSockets, vacant } from '../../helpers/sockets.ts'
import { libzmq, libzmqEvent, openLibzmq, zmq } from './libzmq.ts'

const ofServer = curveKeyPair()
const ofClient = curveKeyPair()
const SERVER = { curveServer: true, curveSecretKey: ofServer.secretKey }
const CLIENT = { curveServerKey: ofServer.publicKey, curvePublicKey: ofClient.publicKey, curveSecretKey: ofClient.secretKey }
const STRANGER = (({ publicKey, secretKey }) => ({ ...CLIENT, curvePublicKey: publicKey, curveSecretKey: secretKey }))(curveKeyPair())
const HEARTBEATS = { heartbeatInterval: 50, heartbeatTimeout: 5000 }

const ENDS = ['the left', 'the right'] as const
const CASES = ENDS.flatMap((ourEnd) => ENDS.map((serverEnd) => ({ ourEnd, serverEnd })))

describe.skipIf(!libzmq.available).each(CASES)(
  'with CURVE, where $ourEnd end is ours and $serverEnd the server',
  ({ ourEnd, serverEnd }) => {
    const use = useSockets()

    describe.each(PAIRINGS)('$name', (pairing) => {
      it.each(ENDS)('carry every message when %s one binds', async (binder) => {
        const open = (type: typeof pairing.left, end: (typeof ENDS)[number], options = {}): AnyDuplex => {
          const all = { ...HEARTBEATS, ...(end === serverEnd ? SERVER : CLIENT), ...options }
          return (end === ourEnd ? use.open(ours(type), all) : openLibzmq(use, zmq[type], all)) as unknown as AnyDuplex
        }
        const [left, right] = [open(pairing.left, 'the left', pairing.leftOptions), open(pairing.right, 'the right', pairing.rightOptions)]
        const [bound, connecting] = binder === 'the left' ? [left, right] : [right, left]
        await bound.bind('tcp://127.0.0.1:*')
        connecting.connect(bound.lastEndpoint as string)
        await carriesEveryShape(pairing, left, right)
      })
    })
  },
)

describe.skipIf(!libzmq.available)('CURVE with libzmq', () => {
  const use = useSockets()

  it.each(['ours', 'libzmq'])('16 MiB go to and fro, and 5,000 small ones in order, when %s is the server', async (server) => {
    const mine = use.open(Pair, { ...HEARTBEATS, ...(server === 'ours' ? SERVER : CLIENT) })
    const theirs = openLibzmq(use, zmq.Pair, { ...HEARTBEATS, ...(server === 'ours' ? CLIENT : SERVER) })
    await mine.bind('tcp://127.0.0.1:0')
    theirs.connect(mine.lastEndpoint as string)
    const body = pattern(16 * 1024 * 1024)
    await mine.send(['large', body])
    const got = await theirs.receive()
    expect(got[1]?.equals(body)).toBe(true)
    await theirs.send(got)
    expect((await mine.receive())[1]?.equals(body)).toBe(true)
    const total = 5000
    const send = async (socket: AnyDuplex): Promise<void> => {
      for (let number = 0; number < total; number++) await socket.send(String(number))
    }
    const receive = async (socket: AnyDuplex): Promise<void> => {
      for (let number = 0; number < total; number++) {
        const [text] = await socket.receive()
        if (String(text) !== String(number)) throw new Error(`${text} came instead of ${number}`)
      }
    }
    await Promise.all([send(mine), send(theirs), receive(mine), receive(theirs)])
  })

  it.each(['ours', 'libzmq'])(
    'heartbeats of both keep a connection alive, and none is taken for a message, when %s is the server',
    async (server) => {
      const often = { heartbeatInterval: 20, heartbeatTimeout: 500, heartbeatTimeToLive: 1000 }
      const mine = use.open(Router, { ...often, ...(server === 'ours' ? SERVER : CLIENT) })
      const theirs = openLibzmq(use, zmq.Dealer, { ...often, ...(server === 'ours' ? CLIENT : SERVER) })
      let ended = 0
      mine.events.on('disconnect', () => ended++)
      await mine.bind('tcp://127.0.0.1:0')
      theirs.connect(mine.lastEndpoint as string)
      await theirs.send('first')
      const [id] = await mine.receive()
      await new Promise((resolve) => setTimeout(resolve, 1500))
      await theirs.send('second')
      expect(texts((await mine.receive()).slice(1))).toEqual(['second'])
      await mine.send([id as Buffer, 'answer'])
      expect(texts(await theirs.receive())).toEqual(['answer'])
      expect(ended).toBe(0)
    },
  )

  it('topics of every length are subscribed to, both ways', async () => {
    const lengths = [0, 1, 244, 245, 246, 250, 255, 256, 300]
    for (const oursPublishes of [true, false]) {
      const publisher = oursPublishes ? use.open(XPublisher, SERVER) : openLibzmq(use, zmq.XPublisher, SERVER)
      const subscriber = oursPublishes ? openLibzmq(use, zmq.Subscriber, CLIENT) : use.open(Subscriber, CLIENT)
      await publisher.bind('tcp://127.0.0.1:*')
      const topics = lengths.map((length) => 'abc'[length % 3]?.repeat(length) as string)
      subscriber.subscribe(...topics)
      subscriber.connect(publisher.lastEndpoint as string)
      const seen: string[] = []
      for (const _ of topics) seen.push(String((await publisher.receive())[0]))
      expect(new Set(seen)).toEqual(new Set(topics.map((topic) => `\x01${topic}`)))
      subscriber.unsubscribe(...topics)
      const cancelled: string[] = []
      for (const _ of topics) cancelled.push(String((await publisher.receive())[0]))
      expect(new Set(cancelled)).toEqual(new Set(topics.map((topic) => `\0${topic}`)))
    }
  })

  it('a key pair of either is good for the other', () => {
    const theirs = zmq.curveKeyPair()
    expect(curvePublicKey(theirs.secretKey)).toBe(theirs.publicKey)
    expect(encodeZ85(decodeZ85(theirs.publicKey) as Buffer)).toBe(theirs.publicKey)
  })

  it('a client of ours with another server key is told what is most likely wrong', async () => {
    const server = openLibzmq(use, zmq.Reply, SERVER)
    await server.bind('tcp://127.0.0.1:*')
    const client = use.open(Request, { ...CLIENT, curveServerKey: ofClient.publicKey })
    const told = event(client, 'handshake:error:protocol')
    client.connect(server.lastEndpoint as string)
    expect(String((await told).error)).toMatch(/most likely the server's public key is not the one set here/)
  })

  it('a client of libzmq with another server key gets nowhere, and our server tells why', async () => {
    const server = use.open(Reply, { ...SERVER, receiveTimeout: 0 })
    await server.bind('tcp://127.0.0.1:0')
    const told = event(server, 'handshake:error:protocol')
    const client = openLibzmq(use, zmq.Request, { ...CLIENT, curveServerKey: ofClient.publicKey })
    client.connect(server.lastEndpoint as string)
    await client.send('x')
    expect(String((await told).error)).toMatch(/the peer has another public key for this server than ours/)
    expect(await server.receive().catch(codeOf)).toBe('EAGAIN')
  })
})

describe.skipIf(!libzmq.available)('our authenticator', () => {
  const use = useSockets()
  const authenticate = (request: AuthRequest): AuthAnswer =>
    request.mechanism === 'CURVE' && request.publicKey === ofClient.publicKey ? { status: 200, user: 'pi' } : { status: 400 }

  it('lets a client of libzmq in whose key it knows', async () => {
    const server = use.open(Router, { ...SERVER, authenticate })
    await server.bind('tcp://127.0.0.1:0')
    const client = openLibzmq(use, zmq.Dealer, CLIENT)
    client.connect(server.lastEndpoint as string)
    await client.send('question')
    await server.send(await server.receive())
    expect(texts(await client.receive())).toEqual(['question'])
  })

  it('refuses one whose key it does not know, and both are told', async () => {
    const server = use.open(Router, { ...SERVER, authenticate, receiveTimeout: 0 })
    await server.bind('tcp://127.0.0.1:0')
    const refused = event(server, 'handshake:error:auth')
    const client = openLibzmq(use, zmq.Dealer, STRANGER)
    const told = libzmqEvent(client, 'handshake:error:auth')
    client.connect(server.lastEndpoint as string)
    await client.send('question')
    expect((await refused).error).toMatchObject({ status: 400, byPeer: false })
    expect((await told).error).toMatchObject({ status: 400 })
    expect(await server.receive().catch(codeOf)).toBe('EAGAIN')
  })

  it('sends one away with 300, and it comes again', async () => {
    let asked = 0
    const server = use.open(Reply, { ...SERVER, authenticate: (request) => (++asked < 3 ? { status: 300 } : authenticate(request)) })
    await server.bind('tcp://127.0.0.1:0')
    const client = openLibzmq(use, zmq.Request, { ...CLIENT, reconnectInterval: 5 })
    client.connect(server.lastEndpoint as string)
    await client.send('question')
    expect(texts(await server.receive())).toEqual(['question'])
    expect(asked).toBe(3)
  })
})

/** Lets this key in, and tells which keys were shown. */
async function zapForKey(use: TestSockets, context: zeromq.Context, publicKey: string): Promise<string[]> {
  const handler = new zmq.Router({ context, linger: 0 })
  use.defer(() => handler.close())
  await handler.bind('inproc://zeromq.zap.01')
  const seen: string[] = []
  const serving = (async () => {
    for await (const [id, , version, request, , , , mechanism, key] of handler) {
      seen.push(`${mechanism} ${encodeZ85(key as Buffer)}`)
      const status = encodeZ85(key as Buffer) === publicKey ? '200' : '400'
      await handler.send([id as Buffer, '', version as Buffer, request as Buffer, status, '', 'pi', ''])
    }
  })()
  serving.catch((error: unknown) => {
    if (codeOf(error) !== 'EAGAIN' && codeOf(error) !== 'EBADF') throw error
  })
  return seen
}

describe.skipIf(!libzmq.available)('a ZAP handler of libzmq', () => {
  const use = useSockets()

  it('lets our client in whose key it knows', async () => {
    const context = new zmq.Context()
    const seen = await zapForKey(use, context, ofClient.publicKey)
    const server = openLibzmq(use, zmq.Reply, { context, ...SERVER })
    await server.bind('tcp://127.0.0.1:*')
    const client = use.open(Request, CLIENT)
    client.connect(server.lastEndpoint as string)
    await client.send('question')
    await server.send(await server.receive())
    expect(texts(await client.receive())).toEqual(['question'])
    expect(seen).toEqual([`CURVE ${ofClient.publicKey}`])
  })

  it('refuses our client whose key it does not know, which is told at once', async () => {
    const context = new zmq.Context()
    await zapForKey(use, context, ofClient.publicKey)
    const server = openLibzmq(use, zmq.Reply, { context, ...SERVER })
    await server.bind('tcp://127.0.0.1:*')
    const client = use.open(Request, STRANGER)
    const refused = event(client, 'handshake:error:auth')
    client.connect(server.lastEndpoint as string)
    expect((await refused).error).toMatchObject({ status: 400, byPeer: true })
  })

  it('is asked for the key of our bound PUB by a SUB that is the server', async () => {
    const context = new zmq.Context()
    const seen = await zapForKey(use, context, ofClient.publicKey)
    const publisher = use.open(Publisher, CLIENT)
    await publisher.bind('tcp://127.0.0.1:0')
    const subscriber = openLibzmq(use, zmq.Subscriber, { context, ...SERVER })
    subscriber.subscribe()
    subscriber.connect(publisher.lastEndpoint as string)
    expect(texts(await untilHeard(publisher, subscriber, 'news'))).toEqual(['news'])
    expect(seen).toEqual([`CURVE ${ofClient.publicKey}`])
  })
})

describe.skipIf(!libzmq.available)('a queue under CURVE', () => {
  const use = useSockets()

  it('stops the sender when the receiver is slow, whichever end is ours, and nothing is lost', async () => {
    for (const oursPulls of [true, false]) {
      const pull = oursPulls
        ? use.open(Pull, { ...SERVER, receiveHighWaterMark: 5 })
        : openLibzmq(use, zmq.Pull, { ...SERVER, receiveHighWaterMark: 5 })
      const push = oursPulls
        ? openLibzmq(use, zmq.Push, { ...CLIENT, sendHighWaterMark: 5 })
        : use.open(Push, { ...CLIENT, sendHighWaterMark: 5 })
      await pull.bind('tcp://127.0.0.1:*')
      push.connect(pull.lastEndpoint as string)
      const total = 200
      let sent = 0
      const sending = (async () => {
        for (; sent < total; sent++) await push.send([String(sent), Buffer.alloc(100_000)])
      })()
      for (let number = 0; number < total; number++) {
        expect(String((await pull.receive())[0])).toBe(String(number))
      }
      await sending
    }
  })

  it('of a client that connects before the server is there is delivered', async () => {
    const address = await vacant(use)
    const dealer = use.open(Dealer, { ...CLIENT, reconnectInterval: 5 })
    dealer.connect(address)
    for (let number = 0; number < 50; number++) await dealer.send(String(number))
    const router = openLibzmq(use, zmq.Dealer, SERVER)
    await router.bind(address)
    for (let number = 0; number < 50; number++) expect(texts(await router.receive())).toEqual([String(number)])
  })
})
