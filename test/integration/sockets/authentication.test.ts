/** PLAIN: who is let in, who asks, and what each side learns of it. */

import { describe, expect, it } from 'vitest'
import {
  type AuthAnswer,
  type AuthRequest,
  curveKeyPair,
  Dealer,
  Publisher,
  Reply,
  Request,
  Router,
  Subscriber,
} from '../../../src/socket/index.ts'
import { untilHeard } from '../../helpers/pairings.ts'
import { RawConnection, RawServer } from '../../helpers/raw-peer.ts'
import { event, link, STREAM_TRANSPORTS, texts, until, useSockets } from '../../helpers/sockets.ts'
import { bytes, command, greeting } from '../../unit/wire/helpers.ts'

const GOOD = { plainUsername: 'pi', plainPassword: 'secret' }
const check = (request: AuthRequest): AuthAnswer =>
  request.mechanism === 'PLAIN' && request.username === 'pi' && request.password === 'secret'
    ? { status: 200, user: 'pi' }
    : { status: 400 }

describe.each(STREAM_TRANSPORTS)('PLAIN over $name', ({ endpoint }) => {
  const use = useSockets()

  it('lets in who knows the password, asked at once or in time', async () => {
    for (const authenticate of [
      check,
      async (request: AuthRequest) => new Promise<AuthAnswer>((resolve) => setTimeout(() => resolve(check(request)), 20)),
    ]) {
      const [server, client] = [use.open(Reply, { plainServer: true, authenticate }), use.open(Request, GOOD)]
      await link(server, client, endpoint())
      await client.send('x')
      await server.send(await server.receive())
      expect(texts(await client.receive())).toEqual(['x'])
    }
  })

  it('refuses who does not, and both ends are told at once', async () => {
    const server = use.open(Reply, { plainServer: true, authenticate: check })
    const client = use.open(Request, { ...GOOD, plainPassword: 'wrong', reconnectInterval: 5 })
    const [atServer, atClient, retry] = [
      event(server, 'handshake:error:auth'),
      event(client, 'handshake:error:auth'),
      event(client, 'connect:retry'),
    ]
    const address = await link(server, client, endpoint())
    expect(await atServer).toMatchObject({ address, error: { status: 400, byPeer: false } })
    expect(await atClient).toMatchObject({ address, error: { status: 400, byPeer: true } })
    expect((await retry).interval).toBeGreaterThanOrEqual(5000)
    // Nobody's secret stands in an error.
    expect(JSON.stringify([await atServer, await atClient])).not.toContain('wrong')
  })

  it('asks the one that connects when the one that binds is the client', async () => {
    const asked: string[] = []
    const publisher = use.open(Publisher, GOOD)
    const subscriber = use.open(Subscriber, {
      plainServer: true,
      authenticate: (request) => {
        if (request.mechanism === 'PLAIN') asked.push(request.username)
        return check(request)
      },
    })
    subscriber.subscribe()
    await link(publisher, subscriber, endpoint())
    expect(texts(await untilHeard(publisher, subscriber, 'news'))).toEqual(['news'])
    expect(asked).toEqual(['pi'])
  })

  it('a bound PUB that has the wrong password is not listened to', async () => {
    const publisher = use.open(Publisher, { ...GOOD, plainPassword: 'wrong' })
    const subscriber = use.open(Subscriber, { plainServer: true, authenticate: check })
    subscriber.subscribe()
    const [atPublisher, atSubscriber] = [event(publisher, 'handshake:error:auth'), event(subscriber, 'handshake:error:auth')]
    await link(publisher, subscriber, endpoint())
    expect((await atPublisher).error.status).toBe(400)
    expect((await atSubscriber).error.status).toBe(400)
  })

  it('tells the authenticator where the client comes from', async () => {
    let origin: unknown
    const server = use.open(Router, {
      plainServer: true,
      authenticate: (_request, from) => {
        origin = from
        return { status: 200, user: undefined }
      },
    })
    const client = use.open(Dealer, { plainUsername: '', plainPassword: '' })
    const address = await link(server, client, endpoint())
    await client.send('x')
    await server.receive()
    expect(origin).toEqual({ endpoint: address, remoteAddress: expect.stringMatching(/^(tcp|ipc):\/\/.+/) })
  })
})

describe('an authenticator', () => {
  const use = useSockets()

  it.each<[string, () => never | Promise<never>]>([
    [
      'throws',
      () => {
        throw new Error('database gone')
      },
    ],
    ['rejects', () => Promise.reject(new Error('database gone'))],
  ])('that %s sends away for now, without a word, and the socket tells why', async (_name, authenticate) => {
    const [server, client] = [use.open(Reply, { plainServer: true, authenticate }), use.open(Request, GOOD)]
    const [why, atServer, atClient] = [
      event(server, 'handshake:error:other'),
      event(server, 'handshake:error:auth'),
      event(client, 'handshake:error:other'),
    ]
    await link(server, client)
    expect((await why).error.message).toBe('database gone')
    expect((await atServer).error.status).toBe(300)
    await atClient
  })

  it.each([undefined, null, {}, { status: 201 }, { status: '200' }, true, 200])('that answers %j sends away for now', async (nonsense) => {
    const [server, client] = [use.open(Reply, { plainServer: true, authenticate: () => nonsense as never }), use.open(Request, GOOD)]
    const [why, atClient] = [event(server, 'handshake:error:other'), event(client, 'handshake:error:other')]
    await link(server, client)
    expect((await why).error.message).toContain('a status of 200, 300, 400 or 500')
    await atClient
  })

  it('that says 300 sends away without a word, to come again soon', async () => {
    let asked = 0
    const authenticate = (request: AuthRequest): AuthAnswer => (++asked < 3 ? { status: 300 } : check(request))
    const [server, client] = [use.open(Reply, { plainServer: true, authenticate }), use.open(Request, { ...GOOD, reconnectInterval: 5 })]
    await link(server, client)
    await client.send('x')
    expect(texts(await server.receive())).toEqual(['x'])
    expect(asked).toBe(3)
  })

  it('that is missing lets nobody in, until there is one', async () => {
    const [server, client] = [use.open(Reply, { plainServer: true }), use.open(Request, { ...GOOD, reconnectInterval: 5 })]
    const refused = event(client, 'handshake:error:other')
    await link(server, client)
    await refused
    server.authenticate = check
    await client.send('x')
    expect(texts(await server.receive())).toEqual(['x'])
  })

  it('that never answers is waited for as long as a handshake may take', async () => {
    const server = use.open(Reply, { plainServer: true, authenticate: () => new Promise<never>(() => {}), handshakeInterval: 100 })
    const client = use.open(Request, { ...GOOD, reconnectInterval: 10_000 })
    const [atServer, atClient] = [event(server, 'handshake:error:protocol'), event(client, 'handshake:error:other')]
    await link(server, client)
    expect((await atServer).error.message).toMatch(/100 ms/)
    await atClient
  })

  it('may answer when the client has left', async () => {
    let answer: ((answer: AuthAnswer) => void) | undefined
    const server = use.open(Router, {
      plainServer: true,
      authenticate: () =>
        new Promise<AuthAnswer>((resolve) => {
          answer = resolve
        }),
    })
    await server.bind('tcp://127.0.0.1:0')
    const gone = event(server, 'handshake:error:other')
    const raw = await RawConnection.connect(server.lastEndpoint as string)
    raw.write(greeting('PLAIN'), command('05"HELLO" 02"pi" 06"secret"'))
    await until(() => answer !== undefined, 'the authenticator is asked')
    raw.close()
    await gone
    answer?.({ status: 200, user: 'late' })
    const client = use.open(Dealer, GOOD)
    server.authenticate = check
    client.connect(server.lastEndpoint as string)
    await client.send('x')
    await server.receive()
  })
})

describe('over inproc', () => {
  const use = useSockets()

  it.each([{ plainServer: true }, { curveServer: true, curveSecretKey: curveKeyPair().secretKey }])(
    'nobody is asked, as with libzmq: those who connect are of the same process (%o)',
    async (options) => {
      let asked = 0
      const server = use.open(Router, {
        ...options,
        authenticate: () => {
          asked++
          return { status: 400 }
        },
      })
      const client = use.open(Dealer)
      await link(server, client, 'inproc://trusted')
      await client.send('hello')
      expect(String((await server.receive())[1])).toBe('hello')
      expect(asked).toBe(0)
    },
  )
})

describe('mechanisms that do not match', () => {
  const use = useSockets()

  it.each([
    ['a client without password and a server that wants one', {}, { plainServer: true, authenticate: check }],
    ['a client with password and a server that wants none', GOOD, {}],
    ['two clients', GOOD, GOOD],
    ['two servers', { plainServer: true, authenticate: check }, { plainServer: true, authenticate: check, handshakeInterval: 50 }],
  ])('%s are told so', async (_name, ofClient, ofServer) => {
    const [server, client] = [use.open(Router, ofServer), use.open(Dealer, ofClient)]
    const told = event(server, 'handshake:error:protocol')
    await link(server, client)
    expect((await told).error).toMatchObject({ code: 'PROTOCOL_ERROR' })
  })

  it('the client tells what the server answered, however it spells its ERROR', async () => {
    for (const [error, status] of [
      [command('05"ERROR" 03"400"'), 400],
      [command('5e"RROR" 03"400"'), 400],
      [command('05"ERROR" 03"500"'), 500],
    ] as const) {
      const server = await RawServer.listen()
      use.defer(() => server.close())
      const client = use.open(Dealer, GOOD)
      const told = event(client, 'handshake:error:auth')
      client.connect(server.endpoint)
      const raw = await server.accept()
      raw.write(greeting('PLAIN', 1, 1))
      await raw.read(64)
      expect((await raw.readFrame()).body.equals(bytes('05"HELLO" 02"pi" 06"secret"'))).toBe(true)
      raw.write(error)
      expect((await told).error.status).toBe(status)
    }
  })
})
