/** PUB, SUB, XPUB and XSUB: who hears what, and what becomes of those who do not keep up. */

import { describe, expect, it } from 'vitest'
import { Publisher, Router, Subscriber, XPublisher, XSubscriber } from '../../../src/socket/index.ts'
import { pattern } from '../../helpers/pairings.ts'
import { RawConnection } from '../../helpers/raw-peer.ts'
import { event, link, TRANSPORTS, texts, until, useSockets } from '../../helpers/sockets.ts'
import { command, naiveMessage } from '../../unit/wire/helpers.ts'

/** `+topic` and `-topic`, as an XPUB tells. */
const told = ([news]: Buffer[]): string => (news?.[0] === 1 ? '+' : '-') + news?.toString('latin1', 1)

describe.each(TRANSPORTS)('over $name', ({ endpoint }) => {
  const use = useSockets()

  it('a SUB hears what starts with its topics, once however many match', async () => {
    const [publisher, subscriber] = [use.open(XPublisher), use.open(Subscriber)]
    subscriber.subscribe('a', 'ab', Buffer.from([0xff]))
    await link(publisher, subscriber, endpoint())
    for (let count = 0; count < 3; count++) await publisher.receive()
    for (const text of ['b', 'a', 'abc', '', 'ba', 'abd']) await publisher.send([text, 'body'])
    await publisher.send([Buffer.from([0xff, 0xfe]), 'body'])
    const heard = []
    for (let count = 0; count < 4; count++) heard.push((await subscriber.receive())[0]?.toString('latin1'))
    expect(heard).toEqual(['a', 'abc', 'abd', '\xff\xfe'])
  })

  it('a SUB may subscribe and unsubscribe while it is connected', async () => {
    const [publisher, subscriber] = [use.open(XPublisher), use.open(Subscriber)]
    await link(publisher, subscriber, endpoint())
    subscriber.subscribe()
    expect(told(await publisher.receive())).toBe('+')
    await publisher.send('1')
    expect(texts(await subscriber.receive())).toEqual(['1'])
    subscriber.subscribe('x')
    expect(told(await publisher.receive())).toBe('+x')
    subscriber.unsubscribe()
    expect(told(await publisher.receive())).toBe('-')
    await publisher.send('2')
    await publisher.send('x3')
    expect(texts(await subscriber.receive())).toEqual(['x3'])
  })

  it('a SUB that subscribed twice cancels twice', async () => {
    const [publisher, subscriber] = [use.open(XPublisher), use.open(Subscriber)]
    await link(publisher, subscriber, endpoint())
    subscriber.subscribe('a', 'a')
    subscriber.unsubscribe('a')
    subscriber.unsubscribe('never')
    subscriber.subscribe('b')
    expect([told(await publisher.receive()), told(await publisher.receive())]).toEqual(['+a', '+b'])
    await publisher.send('a1')
    expect(texts(await subscriber.receive())).toEqual(['a1'])
    subscriber.unsubscribe('a')
    expect(told(await publisher.receive())).toBe('-a')
  })

  it('an XPUB hears of the first that subscribes and of the last that leaves', async () => {
    const publisher = use.open(XPublisher)
    await publisher.bind(endpoint())
    const [one, two] = [use.open(Subscriber), use.open(Subscriber)]
    one.subscribe('a')
    one.connect(publisher.lastEndpoint as string)
    expect(told(await publisher.receive())).toBe('+a')
    two.subscribe('a', 'b')
    two.connect(publisher.lastEndpoint as string)
    expect(told(await publisher.receive())).toBe('+b')
    await one.close()
    await two.close()
    const left = [told(await publisher.receive()), told(await publisher.receive())]
    expect(left.sort()).toEqual(['-a', '-b'])
  })

  it('an XSUB subscribes by messages and may tell its publishers more', async () => {
    const [publisher, subscriber] = [use.open(XPublisher), use.open(XSubscriber)]
    await link(publisher, subscriber, endpoint())
    await subscriber.send('\x01a')
    expect(told(await publisher.receive())).toBe('+a')
    await subscriber.send(['hello', 'publisher'])
    expect(texts(await publisher.receive())).toEqual(['hello', 'publisher'])
    await subscriber.send('\x00a')
    expect(told(await publisher.receive())).toBe('-a')
  })

  it('what an XSUB tells a publisher that is not there yet waits for it, behind the topics', async () => {
    const [first, subscriber] = [use.open(XPublisher), use.open(XSubscriber, { reconnectInterval: 5 })]
    await first.bind(endpoint())
    const address = first.lastEndpoint as string
    await first.close()
    subscriber.connect(address)
    await subscriber.send('hello')
    await subscriber.send('\x01topic')
    const publisher = use.open(XPublisher)
    await publisher.bind(address)
    expect([texts(await publisher.receive()), texts(await publisher.receive())]).toEqual([['\x01topic'], ['hello']])
  })

  it('a SUB hears many publishers, and each of many hears all', async () => {
    const publishers = [use.open(XPublisher), use.open(XPublisher)]
    const subscribers = [use.open(Subscriber), use.open(Subscriber)]
    for (const publisher of publishers) await publisher.bind(endpoint())
    for (const subscriber of subscribers) {
      subscriber.subscribe()
      for (const publisher of publishers) subscriber.connect(publisher.lastEndpoint as string)
    }
    for (const publisher of publishers) await publisher.receive()
    // The second subscription is no news; an answer shows that it was heard.
    for (const [index, subscriber] of subscribers.entries()) {
      subscriber.subscribe(`unique ${index}`)
      for (const publisher of publishers) expect(told(await publisher.receive())).toBe(`+unique ${index}`)
    }
    for (const [index, publisher] of publishers.entries()) await publisher.send(`from ${index}`)
    for (const subscriber of subscribers) {
      const heard = [texts(await subscriber.receive())[0], texts(await subscriber.receive())[0]]
      expect(heard.sort()).toEqual(['from 0', 'from 1'])
    }
  })

  it('topics are told again to a publisher that comes back, each once', async () => {
    const first = use.open(XPublisher)
    const subscriber = use.open(Subscriber, { reconnectInterval: 5 })
    subscriber.subscribe('a', 'a', 'b')
    const address = await link(first, subscriber, endpoint())
    await first.receive()
    await first.receive()
    const lost = event(subscriber, 'disconnect')
    await first.close()
    await lost
    subscriber.unsubscribe('b')
    subscriber.subscribe('c')
    const second = use.open(XPublisher)
    await second.bind(address)
    expect([told(await second.receive()), told(await second.receive())].sort()).toEqual(['+a', '+c'])
    await second.send('c1')
    expect(texts(await subscriber.receive())).toEqual(['c1'])
  })

  it('a PUB that nobody listens to sends for ever', async () => {
    const publisher = use.open(Publisher, { sendTimeout: 0, sendHighWaterMark: 1 })
    await publisher.bind(endpoint())
    for (let count = 0; count < 100; count++) await publisher.send('x')
  })
})

describe('an XPUB whose application is late', () => {
  const use = useSockets()

  it('tells of subscriptions in the order in which they were made, whoever made them', async () => {
    const publisher = use.open(XPublisher)
    const [one, two] = [use.open(Subscriber), use.open(Subscriber)]
    await link(publisher, one, 'inproc://order')
    one.subscribe('1', '2', 'x')
    one.unsubscribe('x')
    two.connect('inproc://order')
    two.subscribe('x')
    const news: string[] = []
    for (let count = 0; count < 5; count++) news.push(told(await publisher.receive()))
    // Else a proxy would end up without 'x', which the second one wants.
    expect(news).toEqual(['+1', '+2', '+x', '-x', '+x'])
  })
})

describe.each([0, 1, 245, 246, 249, 250, 254, 255, 256, 300, 40_000])('a topic of %i bytes', (length) => {
  const use = useSockets()

  it('is subscribed to and cancelled', async () => {
    const [publisher, subscriber] = [use.open(XPublisher), use.open(Subscriber)]
    const topic = pattern(length)
    await link(publisher, subscriber)
    subscriber.subscribe(topic)
    expect((await publisher.receive())[0]?.equals(Buffer.concat([Buffer.from([1]), topic]))).toBe(true)
    await publisher.send([Buffer.concat([topic, Buffer.from('!')]), 'body'])
    expect((await subscriber.receive())[1]?.toString()).toBe('body')
    subscriber.unsubscribe(topic)
    expect((await publisher.receive())[0]?.equals(Buffer.concat([Buffer.from([0]), topic]))).toBe(true)
  })
})

describe('a publisher and a peer that speaks for itself', () => {
  const use = useSockets()

  async function rawSubscriber(publisher: XPublisher): Promise<RawConnection> {
    if (publisher.lastEndpoint === null) await publisher.bind('tcp://127.0.0.1:0')
    const raw = await RawConnection.connect(publisher.lastEndpoint as string)
    use.defer(() => raw.close())
    await raw.handshake('SUB')
    return raw
  }

  it('counts a topic once for each connection: subscribing twice and cancelling once is unsubscribed', async () => {
    const publisher = use.open(XPublisher)
    const raw = await rawSubscriber(publisher)
    raw.write(
      command('09"SUBSCRIBEa"'),
      command('09"SUBSCRIBEa"'),
      command('06"CANCELa"'),
      command('06"CANCELnever"'),
      command('09"SUBSCRIBEb"'),
    )
    expect([told(await publisher.receive()), told(await publisher.receive()), told(await publisher.receive())]).toEqual(['+a', '-a', '+b'])
    await publisher.send('a1')
    await publisher.send('b1')
    expect(String((await raw.readFrame()).body)).toBe('b1')
  })

  it('understands subscriptions that are messages', async () => {
    const publisher = use.open(XPublisher)
    const raw = await rawSubscriber(publisher)
    raw.write(Buffer.from('\0\x02\x01a\0\x02\0a\0\x01\x01', 'latin1'))
    expect([told(await publisher.receive()), told(await publisher.receive()), told(await publisher.receive())]).toEqual(['+a', '-a', '+'])
  })

  it('drops messages, not parts of them, for the one that does not read; the other hears everything', async () => {
    const publisher = use.open(XPublisher, { sendHighWaterMark: 10 })
    const slow = await rawSubscriber(publisher)
    slow.write(command('09"SUBSCRIBE"'))
    await publisher.receive()
    slow.socket.pause()
    const quick = use.open(Subscriber)
    quick.subscribe('', 'quick')
    quick.connect(publisher.lastEndpoint as string)
    expect(told(await publisher.receive())).toBe('+quick')
    const body = Buffer.alloc(200 * 1024)
    const total = 200
    for (let number = 0; number < total; number++) {
      await publisher.send([`${number}`, body, 'end'])
      const [first, , last] = texts(await quick.receive())
      expect([first, last]).toEqual([`${number}`, 'end'])
    }
    // Now the slow one reads what was kept for it: whole messages, in order, with gaps.
    slow.socket.resume()
    let done = false
    const numbers: number[] = []
    const reading = (async () => {
      for (;;) {
        const first = await slow.readFrame()
        if (String(first.body) === 'over') return
        expect(first.flags & 1).toBe(1)
        const [second, third] = [await slow.readFrame(), await slow.readFrame()]
        expect([second.flags & 1, second.body.length, third.flags & 1, String(third.body)]).toEqual([1, body.length, 0, 'end'])
        numbers.push(Number(first.body))
      }
    })().finally(() => {
      done = true
    })
    await until(async () => {
      await publisher.send('over')
      return done
    }, 'the slow one has caught up')
    await reading
    expect(numbers.length).toBeLessThan(total)
    expect(numbers.length).toBeGreaterThan(10)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  })

  it('holds no more for a peer that does not read than its mark allows', async () => {
    const publisher = use.open(XPublisher, { sendHighWaterMark: 100 })
    const slow = await rawSubscriber(publisher)
    slow.write(command('09"SUBSCRIBE"'))
    await publisher.receive()
    slow.socket.pause()
    const before = process.memoryUsage().arrayBuffers
    for (let number = 0; number < 2000; number++) {
      await publisher.send(Buffer.alloc(64 * 1024))
      if (number % 50 === 0) await new Promise(setImmediate)
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(80 * 1024 * 1024)
  })

  it('a SUBSCRIBE to a socket that is no publisher is no message', async () => {
    const router = use.open(Router)
    await router.bind('tcp://127.0.0.1:0')
    const raw = await RawConnection.connect(router.lastEndpoint as string)
    use.defer(() => raw.close())
    await raw.handshake('DEALER', 'raw')
    raw.write(command('09"SUBSCRIBEa"'), Buffer.from('\0\x01m'))
    expect(texts(await router.receive())).toEqual(['raw', 'm'])
  })
})

describe('a SUB', () => {
  const use = useSockets()

  it('filters once more what a publisher sends that it did not ask for', async () => {
    const subscriber = use.open(Subscriber)
    subscriber.subscribe('a')
    await subscriber.bind('tcp://127.0.0.1:0')
    const raw = await RawConnection.connect(subscriber.lastEndpoint as string)
    use.defer(() => raw.close())
    await raw.handshake('PUB')
    raw.write(Buffer.from('\0\x01b\0\x01a'))
    expect(texts(await subscriber.receive())).toEqual(['a'])
  })

  it('that does not receive stops reading at its mark, and loses nothing of what came', async () => {
    const subscriber = use.open(Subscriber, { receiveHighWaterMark: 10 })
    subscriber.subscribe()
    await subscriber.bind('tcp://127.0.0.1:0')
    const raw = await RawConnection.connect(subscriber.lastEndpoint as string)
    use.defer(() => raw.close())
    await raw.handshake('PUB')
    const total = 400
    const body = pattern(50_000)
    for (let number = 0; number < total; number++) raw.write(naiveMessage([Buffer.from(String(number)), body]))
    // The kernel's buffers are full: the far end is made to wait.
    await until(() => raw.socket.writableLength > 0, 'the far end waits')
    for (let number = 0; number < total; number++) {
      const [first, second] = await subscriber.receive()
      expect([String(first), second?.equals(body)]).toEqual([String(number), true])
    }
  })
})
