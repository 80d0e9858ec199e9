/** Our sockets and those of pyzmq, which most Python peers stand on. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthAnswer, type AuthRequest, Reply, Request, Subscriber } from '../../../src/socket/index.ts'
import { carriesEveryShape, ours, PAIRINGS, type TypeName, untilHeard } from '../../helpers/pairings.ts'
import { peer } from '../../helpers/peers.ts'
import { event, texts, useSockets } from '../../helpers/sockets.ts'
import { type PythonSocket, PythonSockets } from './python-sockets.ts'

const TRIED = ['REQ and REP', 'DEALER and REP', 'DEALER and ROUTER', 'REQ and ROUTER', 'PUB and SUB', 'PUSH and PULL']

describe.skipIf(!peer('pyzmqrpc3').available)('with pyzmq', () => {
  const use = useSockets()
  let python: PythonSockets

  beforeAll(() => {
    python = new PythonSockets()
  })

  afterAll(() => python.end())

  async function open(type: TypeName, options: object = {}): Promise<PythonSocket> {
    const socket = await python.open(type, options)
    use.defer(() => socket.close())
    return socket
  }

  describe.each(PAIRINGS.filter(({ name }) => TRIED.includes(name)))('$name', (pairing) => {
    const { left, right } = pairing
    it.each([
      ['ours', 'ours'],
      ['ours', 'theirs'],
      ['theirs', 'ours'],
      ['theirs', 'theirs'],
    ])('carry every message when the first is %s and %s binds', async (first, binder) => {
      const mine = use.open(ours(first === 'ours' ? left : right))
      const theirs = await open(first === 'ours' ? right : left)
      const [one, two] = first === 'ours' ? [mine, theirs] : [theirs, mine]
      const [bound, connecting] = binder === 'ours' ? [mine, theirs] : [theirs, mine]
      await bound.bind('tcp://127.0.0.1:*')
      connecting.connect(bound.lastEndpoint as string)
      await carriesEveryShape(pairing, one, two)
    })
  })

  it('its REQ with correlate and relaxed takes our reply in time, not the late one', async () => {
    const reply = use.open(Reply)
    await reply.bind('tcp://127.0.0.1:0')
    const request = await open('Request', { REQ_CORRELATE: 1, REQ_RELAXED: 1 })
    request.connect(reply.lastEndpoint as string)
    await request.send('first')
    await reply.receive()
    await request.send('second')
    await reply.send('late')
    expect(texts(await reply.receive())).toEqual(['second'])
    await reply.send('in time')
    expect(texts(await request.receive())).toEqual(['in time'])
  })

  describe('PLAIN', () => {
    const good = { plainUsername: 'pi', plainPassword: 'secret' }
    const bad = { plainUsername: 'pi', plainPassword: 'wrong' }
    const authenticate = (request: AuthRequest): AuthAnswer =>
      request.mechanism === 'PLAIN' && request.password === 'secret' ? { status: 200, user: request.username } : { status: 400 }

    it("lets our client in at its server, behind pyzmq's authenticator", async () => {
      await python.passwords({ pi: 'secret' })
      const reply = await open('Reply', { PLAIN_SERVER: 1 })
      await reply.bind('tcp://127.0.0.1:*')
      const request = use.open(Request, good)
      request.connect(reply.lastEndpoint as string)
      await request.send('question')
      expect(texts(await reply.receive())).toEqual(['question'])
      await reply.send('answer')
      expect(texts(await request.receive())).toEqual(['answer'])
    })

    it('refuses our client at its server, which is told at once', async () => {
      await python.passwords({ pi: 'secret' })
      const reply = await open('Reply', { PLAIN_SERVER: 1 })
      await reply.bind('tcp://127.0.0.1:*')
      const request = use.open(Request, bad)
      const refused = event(request, 'handshake:error:auth')
      request.connect(reply.lastEndpoint as string)
      expect((await refused).error.status).toBe(400)
    })

    it('lets its client in at our server', async () => {
      const reply = use.open(Reply, { plainServer: true, authenticate })
      await reply.bind('tcp://127.0.0.1:0')
      const request = await open('Request', { PLAIN_USERNAME: 'pi', PLAIN_PASSWORD: 'secret' })
      request.connect(reply.lastEndpoint as string)
      await request.send('question')
      expect(texts(await reply.receive())).toEqual(['question'])
      await reply.send('answer')
      expect(texts(await request.receive())).toEqual(['answer'])
    })

    it('refuses its client at our server', async () => {
      const reply = use.open(Reply, { plainServer: true, authenticate, receiveTimeout: 0 })
      await reply.bind('tcp://127.0.0.1:0')
      const refused = event(reply, 'handshake:error:auth')
      const request = await open('Request', { PLAIN_USERNAME: 'pi', PLAIN_PASSWORD: 'wrong' })
      request.connect(reply.lastEndpoint as string)
      await request.send('question')
      expect((await refused).error.status).toBe(400)
      await expect(reply.receive()).rejects.toMatchObject({ code: 'EAGAIN' })
    })

    it('its bound PUB is the client, our SUB the server, as pyzmqrpc3 has it', async () => {
      const publisher = await open('Publisher', { PLAIN_USERNAME: 'pi', PLAIN_PASSWORD: 'secret' })
      await publisher.bind('tcp://127.0.0.1:*')
      const subscriber = use.open(Subscriber, { plainServer: true, authenticate })
      subscriber.subscribe()
      subscriber.connect(publisher.lastEndpoint as string)
      expect(texts(await untilHeard(publisher, subscriber, 'news'))).toEqual(['news'])
    })
  })
})
