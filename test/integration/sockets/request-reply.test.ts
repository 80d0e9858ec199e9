/** REQ and REP: taking turns, envelopes, and what REQ's options change. */

import { describe, expect, it } from 'vitest'
import { Dealer, Reply, Request, Router } from '../../../src/socket/index.ts'
import { RawConnection } from '../../helpers/raw-peer.ts'
import { event, link, outcome, TRANSPORTS, texts, useSockets } from '../../helpers/sockets.ts'
import { naiveMessage } from '../../unit/wire/helpers.ts'

describe.each(TRANSPORTS)('REQ and REP over $name', ({ endpoint }) => {
  const use = useSockets()

  it('take turns, and fail with EFSM out of turn', async () => {
    const [request, reply] = [use.open(Request), use.open(Reply)]
    await link(reply, request, endpoint())
    expect(await outcome(request.receive())).toBe('EFSM')
    expect(await outcome(reply.send('too early'))).toBe('EFSM')
    await request.send('one')
    expect(await outcome(request.send('two'))).toBe('EFSM')
    expect(texts(await reply.receive())).toEqual(['one'])
    expect(await outcome(reply.receive())).toBe('EFSM')
    await reply.send('1')
    expect(await outcome(reply.send('1 again'))).toBe('EFSM')
    expect(texts(await request.receive())).toEqual(['1'])
    await request.send('two')
    expect(texts(await reply.receive())).toEqual(['two'])
  })

  it('a REP answers many in turn', async () => {
    const reply = use.open(Reply)
    await reply.bind(endpoint())
    const serving = (async () => {
      for await (const [body] of reply) await reply.send([body as Buffer, 'done'])
    })()
    const clients = Array.from({ length: 5 }, () => use.open(Request))
    for (const client of clients) client.connect(reply.lastEndpoint as string)
    await Promise.all(
      clients.map(async (client, index) => {
        for (let count = 0; count < 50; count++) {
          await client.send(`${index}:${count}`)
          expect(texts(await client.receive())).toEqual([`${index}:${count}`, 'done'])
        }
      }),
    )
    await reply.close()
    await serving
  })

  it('a REQ asks its peers in turn', async () => {
    const replies = [use.open(Reply), use.open(Reply)]
    const request = use.open(Request)
    for (const reply of replies) {
      await link(reply, request, endpoint())
    }
    for (let count = 0; count < 4; count++) {
      const reply = replies[count % 2] as Reply
      await request.send(String(count))
      expect(texts(await reply.receive())).toEqual([String(count)])
      await reply.send('ok')
      await request.receive()
    }
  })

  it('two receives of a REP wait for one request each', async () => {
    const [one, two, reply] = [use.open(Request), use.open(Request), use.open(Reply)]
    await link(reply, one, endpoint())
    two.connect(reply.lastEndpoint as string)
    const [first, second] = [reply.receive(), reply.receive()]
    await one.send('1')
    expect(texts(await first)).toEqual(['1'])
    await two.send('2')
    await reply.send('ok')
    expect(texts(await second)).toEqual(['2'])
    await reply.send('ok')
    expect(texts(await two.receive())).toEqual(['ok'])
  })

  it('two receives of a REQ wait for one reply each', async () => {
    const [request, reply] = [use.open(Request), use.open(Reply)]
    await link(reply, request, endpoint())
    await request.send('1')
    const [first, second] = [request.receive(), request.receive()]
    await reply.send(await reply.receive())
    expect(texts(await first)).toEqual(['1'])
    await request.send('2')
    await reply.send(await reply.receive())
    expect(texts(await second)).toEqual(['2'])
  })
})

describe('the envelope of a request', () => {
  const use = useSockets()

  it.each([
    ['an empty frame', ['']],
    ['an id of 4 bytes', ['abcd', '']],
    ['an id of 300 bytes', ['i'.repeat(300), '']],
    ['three ids', ['a', 'b', 'c', '']],
    ['1000 ids', [...Array.from({ length: 1000 }, (_, index) => `id ${index}`), '']],
  ])('comes back unchanged when it is %s', async (_name, envelope) => {
    const [dealer, reply] = [use.open(Dealer), use.open(Reply)]
    await link(reply, dealer)
    await dealer.send([...envelope, 'question', '', 'more'])
    expect(texts(await reply.receive())).toEqual(['question', '', 'more'])
    await reply.send(['answer', ''])
    expect(texts(await dealer.receive())).toEqual([...envelope, 'answer', ''])
  })

  it.each([
    ['has no empty frame', ['id', 'question']],
    ['ends with its empty frame', ['id', '']],
    ['is one empty frame', ['']],
  ])('that %s drops the message and keeps the connection', async (_name, bad) => {
    const [dealer, reply] = [use.open(Dealer), use.open(Reply)]
    await link(reply, dealer)
    await dealer.send(bad)
    await dealer.send(['', 'good'])
    expect(texts(await reply.receive())).toEqual(['good'])
    await reply.send('answer')
    expect(texts(await dealer.receive())).toEqual(['', 'answer'])
  })

  it('lets a DEALER have many requests under way, answered in order', async () => {
    const [dealer, reply] = [use.open(Dealer), use.open(Reply)]
    await link(reply, dealer)
    for (let id = 0; id < 50; id++) await dealer.send([String(id), '', 'question'])
    for (let id = 0; id < 50; id++) await reply.send(await reply.receive())
    for (let id = 0; id < 50; id++) expect(texts(await dealer.receive())).toEqual([String(id), '', 'question'])
  })
})

describe('a REP', () => {
  const use = useSockets()

  it('may reply to a peer that is gone', async () => {
    const [request, reply] = [use.open(Request), use.open(Reply)]
    await link(reply, request)
    await request.send('anybody there?')
    await reply.receive()
    const gone = event(reply, 'disconnect')
    await request.close()
    await gone
    await reply.send('yes')
    const next = use.open(Request)
    next.connect(reply.lastEndpoint as string)
    await next.send('next')
    expect(texts(await reply.receive())).toEqual(['next'])
  })
})

describe('a REQ', () => {
  const use = useSockets()

  it('counts the reply of the peer that it asked only', async () => {
    const [request, asked, other] = [use.open(Request), use.open(Router), use.open(Router)]
    await link(asked, request)
    await link(other, request)
    // Once to each, so that the other one knows its id.
    await request.send('1')
    const [askedId] = await asked.receive()
    await asked.send([askedId as Buffer, '', 'reply 1'])
    await request.receive()
    await request.send('2')
    const [otherId] = await other.receive()
    await asked.send([askedId as Buffer, '', 'not asked'])
    await asked.send([askedId as Buffer, '', 'not asked'])
    await other.send([otherId as Buffer, '', 'reply 2'])
    expect(texts(await request.receive())).toEqual(['reply 2'])
    await request.send('3')
    await asked.receive()
    await asked.send([askedId as Buffer, '', 'reply 3'])
    expect(texts(await request.receive())).toEqual(['reply 3'])
  })

  it.each([
    ['one frame', ['x']],
    ['no empty frame', ['x', 'y']],
    ['an empty frame alone', ['']],
  ])('gives up a connection that replies with %s', async (_name, bad) => {
    const [request, router] = [use.open(Request), use.open(Router)]
    await link(router, request)
    await request.send('question')
    const [id] = await router.receive()
    const lost = event(request, 'disconnect')
    await router.send([id as Buffer, ...bad])
    expect((await lost).error).toMatchObject({ code: 'PROTOCOL_ERROR' })
  })

  it('tolerates a number before the empty frame, and does not take the reply for its own', async () => {
    const [request, router] = [use.open(Request), use.open(Router)]
    await link(router, request)
    await request.send('question')
    const [id] = await router.receive()
    await router.send([id as Buffer, 'abcd', '', 'numbered'])
    await router.send([id as Buffer, '', 'plain'])
    expect(texts(await request.receive())).toEqual(['plain'])
  })

  it('numbers its requests with correlate, and skips replies to others', async () => {
    const [request, router] = [use.open(Request, { correlate: true }), use.open(Router)]
    await link(router, request)
    await request.send('question')
    const [id, number, empty, body] = (await router.receive()) as [Buffer, Buffer, Buffer, Buffer]
    expect([number.length, empty.length, String(body)]).toEqual([4, 0, 'question'])
    await router.send([id, Buffer.from('none'), '', 'wrong number'])
    await router.send([id, '', 'no number'])
    await router.send([id, number, '', 'right number'])
    expect(texts(await request.receive())).toEqual(['right number'])
    await request.send('another')
    const [, next] = (await router.receive()) as [Buffer, Buffer]
    expect(next.equals(number)).toBe(false)
  })

  it('may ask again with relaxed, and the late reply does not count with correlate', async () => {
    const [request, router] = [use.open(Request, { relaxed: true, correlate: true }), use.open(Router)]
    await link(router, request)
    await request.send('first')
    const first = await router.receive()
    await request.send('second')
    const second = await router.receive()
    await router.send([...first.slice(0, 3), 'late'])
    await router.send([...second.slice(0, 3), 'in time'])
    expect(texts(await request.receive())).toEqual(['in time'])
    expect(await outcome(request.receive())).toBe('EFSM')
  })

  it('waits in vain when its peer is lost, and may ask again with relaxed', async () => {
    const [request, first, second] = [
      use.open(Request, { relaxed: true, correlate: true, receiveTimeout: 0 }),
      use.open(Reply),
      use.open(Reply),
    ]
    const address = await link(first, request)
    await request.send('first')
    await first.receive()
    const lost = event(request, 'disconnect')
    await first.close()
    await lost
    expect(await outcome(request.receive())).toBe('EAGAIN')
    await second.bind(address)
    await request.send('second')
    request.receiveTimeout = 10_000
    const received = request.receive()
    expect(texts(await second.receive())).toEqual(['second'])
    await second.send('reply')
    expect(texts(await received)).toEqual(['reply'])
  })

  it('waits for a peer before it sends', async () => {
    const [request, reply] = [use.open(Request), use.open(Reply)]
    await request.bind('tcp://127.0.0.1:0')
    request.sendTimeout = 10
    expect(await outcome(request.send('given up'))).toBe('EAGAIN')
    request.sendTimeout = -1
    const sending = request.send('question')
    reply.connect(request.lastEndpoint as string)
    expect(texts(await reply.receive())).toEqual(['question'])
    await sending
  })
})

describe('a REP with several calls that wait to receive', () => {
  const use = useSockets()

  it('gives each its own request, in order, also when it reads on in the middle of it', async () => {
    const reply = use.open(Reply, { receiveHighWaterMark: 1 })
    await reply.bind('tcp://127.0.0.1:0')
    const raw = await RawConnection.connect(reply.lastEndpoint as string)
    use.defer(() => raw.close())
    const calls = Array.from({ length: 4 }, () => reply.receive())
    await raw.handshake('DEALER')
    raw.write(...['1', '2', '3', '4'].map((body) => naiveMessage([Buffer.alloc(0), Buffer.from(body)])))
    for (const [index, call] of calls.entries()) {
      expect(texts(await call)).toEqual([String(index + 1)])
      await reply.send(`answer ${index + 1}`)
      await raw.readFrame()
      expect(String((await raw.readFrame()).body)).toBe(`answer ${index + 1}`)
    }
  })
})
