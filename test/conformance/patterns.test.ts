/**
 * The numbered cases that patterns decide, against a peer that is nothing but a TCP connection. `lz` is libzmq.
 */

import { describe, expect, it } from 'vitest'
import { Dealer, Publisher, Pull, Reply, Request, Router, type Socket, Subscriber, XPublisher } from '../../src/socket/index.ts'
import { RawConnection, RawServer } from '../helpers/raw-peer.ts'
import { event, outcome, texts, until, useSockets } from '../helpers/sockets.ts'
import { bytes, command, greeting, naiveMessage, ready } from '../unit/wire/helpers.ts'

const use = useSockets()
const ANY = 'tcp://127.0.0.1:0'

/** A raw peer of a socket that is bound, behind its handshake. */
async function peerOf(
  socket: Socket,
  type: string,
  { routingId, minor = 1 }: { routingId?: string; minor?: number } = {},
): Promise<RawConnection> {
  if (socket.lastEndpoint === null) await socket.bind(ANY)
  const told = event(socket, 'handshake')
  const raw = await RawConnection.connect(socket.lastEndpoint as string)
  use.defer(() => raw.close())
  raw.write(greeting('NULL', minor), ready(type, routingId))
  await raw.read(64)
  await raw.readFrame()
  await told
  return raw
}

/** A raw server that a socket has connected to, behind its handshake. */
async function serverOf(socket: Socket, type: string, minor = 1): Promise<RawConnection> {
  const server = await RawServer.listen()
  use.defer(() => server.close())
  const told = event(socket, 'handshake')
  socket.connect(server.endpoint)
  const raw = await server.accept()
  raw.write(greeting('NULL', minor), ready(type))
  await raw.read(64)
  await raw.readFrame()
  await told
  return raw
}

const message = (...frames: (string | Buffer)[]): Buffer => naiveMessage(frames.map((frame) => Buffer.from(frame as string)))

async function heard(raw: RawConnection): Promise<Buffer[]> {
  const frames: Buffer[] = []
  for (;;) {
    const { flags, body } = await raw.readFrame()
    frames.push(body)
    if ((flags & 1) === 0) return frames
  }
}

describe('request and reply', () => {
  it.each([
    { what: 'an id of four bytes', envelope: [Buffer.from([0, 0, 0, 7]), Buffer.alloc(0)] },
    { what: 'the empty frame alone', envelope: [Buffer.alloc(0)] },
    { what: 'an id of 300 bytes', envelope: [Buffer.alloc(300, 'i'), Buffer.alloc(0)] },
    { what: '1000 frames', envelope: [...Array.from({ length: 999 }, (_, index) => Buffer.from(String(index))), Buffer.alloc(0)] },
  ])('case 61: a REP gives the envelope back unchanged: $what', async ({ envelope }) => {
    const reply = use.open(Reply)
    const raw = await peerOf(reply, 'DEALER')
    raw.write(naiveMessage([...envelope, Buffer.from('ping'), Buffer.alloc(0)]))
    expect(texts(await reply.receive())).toEqual(['ping', ''])
    await reply.send('pong')
    const expected = naiveMessage([...envelope, Buffer.from('pong')])
    expect(await raw.read(expected.length)).toEqual(expected)
  })

  it('case 61: a request without an empty frame, or with nothing behind it, is dropped, and the connection lives', async () => {
    const reply = use.open(Reply)
    const raw = await peerOf(reply, 'DEALER')
    raw.write(message('no', 'delimiter'), message('delimiter last', ''), message(''), message('', 'good'))
    expect(texts(await reply.receive())).toEqual(['good'])
    expect(reply.stats().dropped.noEnvelope).toBe(3)
  })

  it.each([
    { what: 'without its empty frame', reply: message('reply') },
    { what: 'without its empty frame, of two frames', reply: message('x', 'reply') },
    { what: 'of the empty frame alone', reply: message('') },
  ])('case 62: a reply $what closes the connection', async ({ reply }) => {
    const request = use.open(Request, { reconnectInterval: 10_000 })
    const raw = await serverOf(request, 'ROUTER')
    await request.send('question')
    expect((await heard(raw)).map(String)).toEqual(['', 'question'])
    const lost = event(request, 'disconnect')
    raw.write(reply)
    expect((await lost).error?.message).toMatch(/empty frame/)
    await raw.closed
  })

  it('case 62: a reply of a peer that was not asked is ignored', async () => {
    const request = use.open(Request)
    const asked = await serverOf(request, 'ROUTER')
    const other = await serverOf(request, 'ROUTER')
    await request.send('question')
    await heard(asked)
    other.write(message('', 'wrong'))
    await until(() => request.stats().dropped.unexpected === 1, 'the wrong reply was seen')
    asked.write(message('', 'right'))
    expect(texts(await request.receive())).toEqual(['right'])
  })

  it('case 62: a reply with another number than the request is skipped, and the connection kept', async () => {
    const request = use.open(Request, { correlate: true })
    const raw = await serverOf(request, 'ROUTER')
    await request.send('question')
    const [number] = await heard(raw)
    const wrong = Buffer.from(number as Buffer)
    wrong.writeUInt32BE((wrong.readUInt32BE(0) + 1) >>> 0)
    raw.write(message(wrong, '', 'wrong'), message('', 'without'), message(number as Buffer, '', 'right'))
    expect(texts(await request.receive())).toEqual(['right'])
    expect(request.stats().dropped.unexpected).toBe(2)
  })

  it('case 63: with RELAXED and CORRELATE only the reply to the second request counts', async () => {
    const request = use.open(Request, { relaxed: true, correlate: true })
    const raw = await serverOf(request, 'ROUTER')
    await request.send('first')
    const [first] = await heard(raw)
    await request.send('second')
    const [second] = await heard(raw)
    expect((second as Buffer).readUInt32BE(0)).toBe(((first as Buffer).readUInt32BE(0) + 1) >>> 0)
    raw.write(message(first as Buffer, '', 'late'), message(second as Buffer, '', 'right'))
    expect(texts(await request.receive())).toEqual(['right'])
  })
})

describe('routing', () => {
  it('case 64: without HANDOVER a second peer of the same id is closed (lz keeps it, deaf)', async () => {
    const router = use.open(Router)
    const first = await peerOf(router, 'DEALER', { routingId: 'same' })
    const lost = event(router, 'disconnect')
    const second = await peerOf(router, 'DEALER', { routingId: 'same' })
    second.write(message('from the second'))
    expect((await lost).error).toMatchObject({ code: 'EADDRINUSE' })
    await second.closed
    first.write(message('from the first'))
    expect(texts(await router.receive())).toEqual(['same', 'from the first'])
    await router.send(['same', 'answer'])
    expect((await heard(first)).map(String)).toEqual(['answer'])
    // The id is free again once the first has left; in lz a newcomer stays deaf even then.
    const left = event(router, 'disconnect')
    first.close()
    await left
    const third = await peerOf(router, 'DEALER', { routingId: 'same' })
    third.write(message('from the third'))
    expect(texts(await router.receive())).toEqual(['same', 'from the third'])
  })

  it('case 64: with HANDOVER the second peer takes the id, and the first is closed', async () => {
    const router = use.open(Router, { handover: true })
    const first = await peerOf(router, 'DEALER', { routingId: 'same' })
    const second = await peerOf(router, 'DEALER', { routingId: 'same' })
    await first.closed
    await router.send(['same', 'answer'])
    expect((await heard(second)).map(String)).toEqual(['answer'])
    second.write(message('question'))
    expect(texts(await router.receive())).toEqual(['same', 'question'])
  })

  it('case 64: a message to an unknown id is dropped, or refused with MANDATORY', async () => {
    const router = use.open(Router)
    const raw = await peerOf(router, 'DEALER', { routingId: 'here' })
    await router.send(['gone', 'x'])
    expect(router.stats().dropped.unroutable).toBe(1)
    await router.send(['here', 'y'])
    expect((await heard(raw)).map(String)).toEqual(['y'])
    router.mandatory = true
    expect(await outcome(router.send(['gone', 'x']))).toBe('EHOSTUNREACH')
    expect(await outcome(router.send(['here', 'z']))).toBe('fulfilled')
  })

  it.each([
    { type: Router, ours: 'ROUTER', theirs: 'DEALER', frames: [Buffer.from('peer'), Buffer.from('real')], sent: message('real') },
    { type: Pull, ours: 'PULL', theirs: 'PUSH', frames: [Buffer.from('real')], sent: message('real') },
    { type: Reply, ours: 'REP', theirs: 'DEALER', frames: [Buffer.from('real')], sent: message('', 'real') },
  ])('case 68: a SUBSCRIBE to a $ours is dropped (lz delivers it)', async ({ type, theirs, frames, sent }) => {
    const socket = use.open<Router | Pull | Reply, object>(type as never)
    const raw = await peerOf(socket, theirs, { routingId: 'peer' })
    raw.write(command('09"SUBSCRIBE" "abc"'), command('06"CANCEL" "abc"'), sent)
    expect(await socket.receive()).toEqual(frames)
  })
})

describe('publish and subscribe', () => {
  const subscribe = (topic: string | Buffer): Buffer => command('09"SUBSCRIBE"', Buffer.from(topic as string))
  const cancel = (topic: string | Buffer): Buffer => command('06"CANCEL"', Buffer.from(topic as string))

  /** Resolves when the publisher has taken in all that the peer has sent. */
  const taken = async (publisher: XPublisher, raw: RawConnection): Promise<void> => {
    raw.write(bytes('00 02 02 "?"'))
    for (;;) if (texts(await publisher.receive())[0] === '\x02?') return
  }

  it('case 65: SUBSCRIBE twice and CANCEL once is unsubscribed', async () => {
    const publisher = use.open(XPublisher)
    const raw = await peerOf(publisher, 'SUB')
    raw.write(subscribe('A'), subscribe('A'), cancel('A'), subscribe('B'))
    await taken(publisher, raw)
    await publisher.send('A is not wanted')
    await publisher.send('B is')
    expect((await heard(raw)).map(String)).toEqual(['B is'])
  })

  describe.each([0, 1])('case 66: with a peer of 3.%i', (minor) => {
    it('a publisher hears both forms, and the empty topic', async () => {
      const publisher = use.open(XPublisher)
      const raw = await peerOf(publisher, 'SUB', { minor })
      raw.write(subscribe('a'), bytes('00 02 01 "b"'), bytes('00 02 00 "a"'), cancel('b'), bytes('00 01 01'))
      const shown: string[] = []
      for (let count = 0; count < 5; count++) shown.push((await publisher.receive())[0]?.toString('hex') ?? '')
      expect(shown).toEqual(['0161', '0162', '0061', '0062', '01'])
      await publisher.send('anything')
      expect((await heard(raw)).map(String)).toEqual(['anything'])
    })

    it.each([0, 245, 246, 255, 300])('a subscriber tells a topic of %i bytes in the form of that version', async (length) => {
      const topic = Buffer.alloc(length, 't')
      const subscriber = use.open(Subscriber)
      const raw = await serverOf(subscriber, 'PUB', minor)
      subscriber.subscribe(topic)
      subscriber.unsubscribe(topic)
      const said =
        minor === 1
          ? Buffer.concat([subscribe(topic), cancel(topic)])
          : Buffer.concat([naiveMessage([bytes('01', topic)]), naiveMessage([bytes('00', topic)])])
      expect(await raw.read(said.length)).toEqual(said)
    })
  })

  it('case 67: 200,000 topics of one peer, each deeper than the last, are taken, matched and forgotten', async () => {
    const publisher = use.open(Publisher)
    const raw = await peerOf(publisher, 'SUB')
    const nested = Array.from({ length: 2000 }, (_, index) => subscribe(Buffer.alloc(index, 'a')))
    const many = Array.from({ length: 198_000 }, (_, index) => subscribe(`topic/${index}`))
    const all = Buffer.concat([...nested, ...many])
    raw.write(all)
    // The last one is the sign that all were taken.
    let answered = false
    const answer = heard(raw).then((frames) => {
      answered = true
      return frames
    })
    await until(async () => {
      await publisher.send('topic/197999')
      return answered
    }, 'the last topic is known')
    expect((await answer).map(String)).toEqual(['topic/197999'])
    const left = event(publisher, 'disconnect')
    raw.close()
    await left
  })

  it('case 67: one topic of 10 MB closes, at its header', async () => {
    const publisher = use.open(Publisher)
    const raw = await peerOf(publisher, 'SUB')
    const lost = event(publisher, 'disconnect')
    raw.write(bytes('06 00*5 98968A 09"SUBSCRIBE"'))
    expect((await lost).error?.message).toMatch(/over the limit of 65536/)
    await raw.closed
  })

  it('case 69: a subscriber that does not read misses whole messages; the others miss none', async () => {
    const publisher = use.open(Publisher, { sendHighWaterMark: 10 })
    const [slow, quick] = [await peerOf(publisher, 'SUB'), await peerOf(publisher, 'SUB')]
    for (const raw of [slow, quick]) raw.write(subscribe(''))
    for (const raw of [slow, quick]) {
      let there = false
      const first = heard(raw).then(() => {
        there = true
      })
      await until(async () => {
        await publisher.send(['sync', ''])
        return there
      }, 'both are subscribed')
      await first
    }
    slow.socket.pause()
    const body = Buffer.alloc(64 * 1024, 'b')
    let [sent, arrived] = [0, -1]
    const next = async (): Promise<void> => {
      for (;;) {
        const [number, rest] = await heard(quick)
        if (String(number) === 'sync') continue
        expect([Number(number), rest?.length]).toEqual([arrived + 1, body.length])
        arrived++
        return
      }
    }
    while (publisher.stats().dropped.highWaterMark < 100) {
      await publisher.send([String(sent++), body])
      await next()
    }
    slow.socket.resume()
    let before = -1
    let whole = 0
    const last = sent
    await until(async () => {
      await publisher.send([String(sent++), body])
      await next()
      return publisher.stats().queuedMessages === 0
    }, 'the slow one has caught up')
    await publisher.send([String(sent), body])
    for (;;) {
      const [number, rest] = await heard(slow)
      if (String(number) === 'sync') continue
      expect(Number(number)).toBeGreaterThan(before)
      expect(rest).toHaveLength(body.length)
      before = Number(number)
      if (before < last) whole++
      if (before === sent) break
    }
    expect(whole).toBeLessThanOrEqual(last - 100)
  })

  it('case 70: a subscriber tells its topics again after a reconnect, each once', async () => {
    const server = await RawServer.listen()
    use.defer(() => server.close())
    const subscriber = use.open(Subscriber, { reconnectInterval: 1 })
    subscriber.subscribe('a', 'a', 'b', 'gone')
    subscriber.unsubscribe('gone')
    subscriber.connect(server.endpoint)
    for (let round = 0; round < 3; round++) {
      const raw = await server.accept()
      await raw.handshake('PUB')
      const topics = [(await raw.readFrame()).body, (await raw.readFrame()).body].map((body) => body.toString('latin1'))
      expect(topics.sort()).toEqual(['\x09SUBSCRIBEa', '\x09SUBSCRIBEb'])
      // What it says next is said next: nothing stood between.
      subscriber.subscribe('c')
      expect((await raw.readFrame()).body.toString('latin1')).toBe('\x09SUBSCRIBEc')
      subscriber.unsubscribe('c')
      raw.close()
    }
  })

  it('case 49: a PING between the frames of a message is answered by a socket, too', async () => {
    const dealer = use.open(Dealer)
    const raw = await peerOf(dealer, 'ROUTER')
    raw.write(bytes('01 01 61'), command('04"PING" 0000 "ctx"'), bytes('00 01 62'))
    expect((await raw.readFrame()).body.toString('latin1')).toBe('\x04PONGctx')
    expect(texts(await dealer.receive())).toEqual(['a', 'b'])
  })
})
