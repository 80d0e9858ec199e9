/** CURVE: every pattern, who is let in, and what each side learns of it. */

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
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
import { carriesEveryShape, exchange, ours, PAIRINGS, pattern, untilHeard } from '../../helpers/pairings.ts'
import { RawConnection } from '../../helpers/raw-peer.ts'
import { event, link, outcome, STREAM_TRANSPORTS, texts, until, useSockets } from '../../helpers/sockets.ts'
import { command, greeting } from '../../unit/wire/helpers.ts'

const ofServer = curveKeyPair()
const ofClient = curveKeyPair()
const SERVER = { curveServer: true, curveSecretKey: ofServer.secretKey }
const CLIENT = { curveServerKey: ofServer.publicKey, curveSecretKey: ofClient.secretKey, curvePublicKey: ofClient.publicKey }
const known = (request: AuthRequest): AuthAnswer =>
  request.mechanism === 'CURVE' && request.publicKey === ofClient.publicKey ? { status: 200, user: 'pi' } : { status: 400 }

describe.each(STREAM_TRANSPORTS)('CURVE over $name', ({ endpoint }) => {
  const use = useSockets()

  describe.each(PAIRINGS)('$name', (pairing) => {
    it.each(['first', 'second'])('carry every message when the %s one binds, whoever is the server', async (binder) => {
      for (const [ofLeft, ofRight] of [
        [SERVER, CLIENT],
        [CLIENT, SERVER],
      ]) {
        const one = use.open(ours(pairing.left), { ...pairing.leftOptions, ...ofLeft })
        const two = use.open(ours(pairing.right), { ...pairing.rightOptions, ...ofRight })
        await (binder === 'first' ? link(one, two, endpoint()) : link(two, one, endpoint()))
        await carriesEveryShape(pairing, one, two)
      }
    })
  })

  it('refuses a key that the authenticator does not know, and both ends are told at once', async () => {
    const stranger = curveKeyPair()
    const server = use.open(Reply, { ...SERVER, authenticate: known })
    const client = use.open(Request, { curveServerKey: ofServer.publicKey, curveSecretKey: stranger.secretKey })
    const [atServer, atClient, retry] = [
      event(server, 'handshake:error:auth'),
      event(client, 'handshake:error:auth'),
      event(client, 'connect:retry'),
    ]
    const address = await link(server, client, endpoint())
    expect(await atServer).toMatchObject({ address, error: { status: 400, byPeer: false } })
    expect(await atClient).toMatchObject({ address, error: { status: 400, byPeer: true } })
    // It is not asked again and again.
    expect((await retry).interval).toBeGreaterThanOrEqual(5000)
    const shown = inspect([await atServer, await atClient], { depth: 10, showHidden: true })
    for (const secret of [stranger.secretKey, ofServer.secretKey]) expect(shown).not.toContain(secret)
  })

  it('lets in a key that the authenticator knows, and asks it once', async () => {
    const asked: unknown[] = []
    const authenticate = async (request: AuthRequest): Promise<AuthAnswer> => {
      asked.push(request)
      return known(request)
    }
    const [server, client] = [use.open(Reply, { ...SERVER, authenticate }), use.open(Request, CLIENT)]
    await link(server, client, endpoint())
    await client.send('x')
    await server.send(await server.receive())
    expect(texts(await client.receive())).toEqual(['x'])
    expect(asked).toEqual([{ mechanism: 'CURVE', publicKey: ofClient.publicKey }])
  })

  it('a client with another server key is told what is wrong, and so is the server', async () => {
    const server = use.open(Reply, SERVER)
    const client = use.open(Request, { ...CLIENT, curveServerKey: curveKeyPair().publicKey, reconnectInterval: 10_000 })
    const [atServer, atClient] = [event(server, 'handshake:error:protocol'), event(client, 'handshake:error:protocol')]
    await link(server, client, endpoint())
    expect(String((await atServer).error)).toMatch(/the peer has another public key for this server than ours/)
    expect(String((await atClient).error)).toMatch(/most likely the server's public key is not the one set here/)
  })
})

describe('CURVE', () => {
  const use = useSockets()

  it('tells the user of the authenticator to nobody else: each connection has its own', async () => {
    const keys = [curveKeyPair(), curveKeyPair(), curveKeyPair()]
    const asked: string[] = []
    const server = use.open(Router, {
      ...SERVER,
      authenticate: (request) => {
        if (request.mechanism === 'CURVE') asked.push(request.publicKey)
        return { status: 200, user: undefined }
      },
    })
    await server.bind('tcp://127.0.0.1:0')
    for (const { secretKey } of keys) {
      const client = use.open(Dealer, { curveServerKey: ofServer.publicKey, curveSecretKey: secretKey })
      client.connect(server.lastEndpoint as string)
      await client.send('x')
      await server.receive()
    }
    expect(asked).toEqual(keys.map(({ publicKey }) => publicKey))
  })

  it('encrypts: nothing of a message is to be seen on the wire', async () => {
    const server = use.open(Pull, SERVER)
    await server.bind('tcp://127.0.0.1:0')
    const push = use.open(Push, CLIENT)
    // Between the two, somebody listens.
    const { createServer, connect } = await import('node:net')
    const seen: Buffer[] = []
    const between = createServer((socket) => {
      const onward = connect(Number(new URL(server.lastEndpoint as string).port), '127.0.0.1')
      socket.on('data', (chunk: Buffer) => {
        seen.push(chunk)
        onward.write(chunk)
      })
      onward.pipe(socket)
      socket.on('error', () => {}).on('close', () => onward.destroy())
      onward.on('error', () => {})
    })
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve))
    use.defer(() => between.close())
    push.connect(`tcp://127.0.0.1:${(between.address() as { port: number }).port}`)
    await push.send('a secret message')
    expect(texts(await server.receive())).toEqual(['a secret message'])
    const wire = Buffer.concat(seen)
    expect(wire.includes('MESSAGE')).toBe(true)
    for (const clear of ['secret', 'PUSH', 'Socket-Type']) expect(wire.includes(clear), clear).toBe(false)
    push.linger = 0
    await push.close()
  })

  it('encrypts for each subscriber alone what goes to many, and each gets what it wants', async () => {
    const publisher = use.open(XPublisher, SERVER)
    await publisher.bind('tcp://127.0.0.1:0')
    const subscribers = ['a', 'a', 'b', ''].map((topic) => {
      const { secretKey } = curveKeyPair()
      const subscriber = use.open(Subscriber, { curveServerKey: ofServer.publicKey, curveSecretKey: secretKey })
      subscriber.subscribe(topic)
      subscriber.connect(publisher.lastEndpoint as string)
      return subscriber
    })
    for (let count = 0; count < 3; count++) await publisher.receive()
    await until(async () => {
      await publisher.send('sync')
      return true
    }, 'it publishes')
    const heard = async (index: number, count: number): Promise<string[]> => {
      const got: string[] = []
      while (got.length < count) {
        const text = texts(await (subscribers[index] as Subscriber).receive()).join('|')
        if (text !== 'sync') got.push(text)
      }
      return got
    }
    // The second subscription to "a" is not shown: it is there when it hears something.
    const both = subscribers.slice(0, 2).map((subscriber) => subscriber.receive())
    await until(async () => {
      await publisher.send(['a', 'first'])
      return Promise.race([Promise.all(both).then(() => true), new Promise<boolean>((resolve) => setTimeout(resolve, 5, false))])
    }, 'both hear it')
    for (const text of ['a', 'b', 'c']) await publisher.send([text, 'last'])
    for (const index of [0, 1]) {
      let text = ''
      while (text !== 'a|last') text = (await heard(index, 1))[0] as string
    }
    expect(await heard(2, 1)).toEqual(['b|last'])
    let last = ''
    while (last !== 'c|last') last = (await heard(3, 1))[0] as string
  })

  it('holds the limit of a message to the byte', async () => {
    const [server, client] = [use.open(Pull, { ...SERVER, maxMessageSize: 1000 }), use.open(Push, { ...CLIENT, reconnectInterval: 10_000 })]
    await link(server, client)
    await client.send(pattern(1000))
    expect((await server.receive())[0]?.equals(pattern(1000))).toBe(true)
    const gone = event(server, 'disconnect')
    await client.send(pattern(1001))
    expect(String((await gone).error)).toMatch(/over the limit/)
  })

  it('keeps a connection alive by heartbeats', () =>
    use.virtually(async () => {
      const heartbeats = { heartbeatInterval: 20, heartbeatTimeout: 25, heartbeatTimeToLive: 100 }
      const [server, client] = [use.open(Router, { ...SERVER, ...heartbeats }), use.open(Dealer, { ...CLIENT, ...heartbeats })]
      let ended = 0
      server.events.on('disconnect', () => ended++)
      await link(server, client)
      await client.send('first')
      await server.receive()
      await new Promise((resolve) => setTimeout(resolve, 60_000))
      await client.send('second')
      await server.receive()
      expect(ended).toBe(0)
    }))

  it('comes back when the server does, with new keys for the connection', async () => {
    const first = use.open(Pull, SERVER)
    const push = use.open(Push, { ...CLIENT, reconnectInterval: 5 })
    const address = await link(first, push)
    await push.send('1')
    await first.receive()
    const gone = event(push, 'disconnect')
    await first.close()
    await gone
    await push.send('2')
    const second = use.open(Pull, SERVER)
    await second.bind(address)
    expect(texts(await second.receive())).toEqual(['2'])
  })

  it('carries ten thousand messages each way, in order', async () => {
    const [server, client] = [use.open(Dealer, SERVER), use.open(Dealer, CLIENT)]
    await link(server, client)
    await exchange(server, client, 10_000)
  })

  it('16 MiB go to and fro', async () => {
    const [left, right] = [use.open(Pair, SERVER), use.open(Pair, CLIENT)]
    await link(left, right)
    const body = pattern(16 * 1024 * 1024)
    await left.send(['large', body])
    await right.send(await right.receive())
    expect((await left.receive())[1]?.equals(body)).toBe(true)
  })

  it('is not needed inproc, where nobody listens: there it is left out', async () => {
    const [server, client] = [use.open(Pull, SERVER), use.open(Push, CLIENT)]
    await link(server, client, 'inproc://curve')
    await client.send('x')
    expect(texts(await server.receive())).toEqual(['x'])
  })

  it.each<[string, object, object]>([
    ['a client without keys', SERVER, {}],
    ['a client with a password', SERVER, { plainUsername: 'pi', plainPassword: 'secret' }],
    ['a client with keys at a server without', {}, CLIENT],
    ['two clients', CLIENT, CLIENT],
    ['two servers', { ...SERVER, handshakeInterval: 100 }, { ...SERVER, handshakeInterval: 100 }],
  ])('tells %s that it does not work so', async (_name, ofBinder, ofConnecter) => {
    const [binder, connecter] = [use.open(Router, ofBinder), use.open(Dealer, ofConnecter)]
    const told = event(binder, 'handshake:error:protocol')
    await link(binder, connecter)
    expect((await told).error).toMatchObject({ code: 'PROTOCOL_ERROR' })
  })

  it.each<[string, object]>([
    ['a server without a secret key', { curveServer: true }],
    ['a client without a secret key', { curveServerKey: ofServer.publicKey }],
    ['a public key that belongs to another secret key', { ...CLIENT, curvePublicKey: ofServer.publicKey }],
  ])('refuses %s when it binds or connects', async (_name, options) => {
    const socket = use.open(Dealer, options)
    expect(await outcome(socket.bind('tcp://127.0.0.1:0'))).toBe('EINVAL')
    expect(() => socket.connect('tcp://127.0.0.1:1')).toThrow(/EINVAL|Invalid argument/)
    expect(inspect(await socket.bind('tcp://127.0.0.1:0').catch((error: unknown) => error))).not.toContain(ofClient.secretKey)
  })

  it('goes before PLAIN where both are set, and is the server where both roles are', async () => {
    const both = { plainUsername: 'pi', plainPassword: 'secret' }
    const server = use.open(Pull, { ...SERVER, ...CLIENT, curveSecretKey: ofServer.secretKey, curvePublicKey: null, plainServer: true })
    const client = use.open(Push, { ...CLIENT, ...both })
    await link(server, client)
    await client.send('x')
    expect(texts(await server.receive())).toEqual(['x'])
  })

  it('survives a public key of low order, which would leave nothing secret', async () => {
    const server = use.open(Pull, SERVER)
    await server.bind('tcp://127.0.0.1:0')
    const told = event(server, 'handshake:error:protocol')
    const raw = await RawConnection.connect(server.lastEndpoint as string)
    raw.write(greeting('CURVE'), command('05"HELLO" 01 00', '00*192'))
    await raw.closed
    expect(String((await told).error)).toMatch(/public key is not valid/)
  })

  it('a bound PUB that is the client is asked for its key by the SUB that connects', async () => {
    const publisher = use.open(Publisher, CLIENT)
    const subscriber = use.open(Subscriber, { ...SERVER, authenticate: known })
    subscriber.subscribe()
    await link(publisher, subscriber)
    expect(texts(await untilHeard(publisher, subscriber, 'news'))).toEqual(['news'])
  })
})

describe('keys', () => {
  it('are 40 characters each, new every time, and belong together', () => {
    const [one, two] = [curveKeyPair(), curveKeyPair()]
    for (const key of [one.publicKey, one.secretKey, two.publicKey, two.secretKey])
      expect(key).toMatch(/^[0-9a-zA-Z.:+=^!/*?&<>()[\]{}@%$#-]{40}$/)
    expect(one.secretKey).not.toBe(two.secretKey)
    expect(curvePublicKey(one.secretKey)).toBe(one.publicKey)
    // Those of libzmq's documentation.
    expect(curvePublicKey('JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6')).toBe('rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7')
    expect(curvePublicKey('D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs')).toBe('Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID')
  })

  it('are not worked out from what is no key', () => {
    for (const bad of ['', 'x', '0'.repeat(41), '~'.repeat(40)]) expect(() => curvePublicKey(bad)).toThrow(/Invalid argument/)
  })
})
