import { describe, expect, test } from 'vitest'
import { Dealer, Publisher, Pull, Push, Router, Subscriber, XPublisher, XSubscriber } from '../../../src/socket/index.ts'
import { useSockets } from '../../helpers/sockets.ts'

const sockets = useSockets()
const ANY = 'tcp://127.0.0.1:0'

async function bound<S extends { bind(address: string): Promise<void>; lastEndpoint: string | null }>(socket: S): Promise<string> {
  await socket.bind(ANY)
  return socket.lastEndpoint as string
}

const texts = (message: Buffer[]): string[] => message.map(String)

describe('an XPUB socket', () => {
  test('shows only first and last holders of a topic by default', async () => {
    const publisher = sockets.open(XPublisher)
    const at = await bound(publisher)
    const [one, two] = [sockets.open(XSubscriber), sockets.open(XSubscriber)]
    for (const subscriber of [one, two]) subscriber.connect(at)
    await one.send('\x01a')
    expect(texts(await publisher.receive())).toEqual(['\x01a'])
    await two.send('\x01a')
    await two.send('\x01b')
    expect(texts(await publisher.receive())).toEqual(['\x01b'])
    await two.send('\x00a')
    await two.send('\x00b')
    expect(texts(await publisher.receive())).toEqual(['\x00b'])
    await one.send('\x00a')
    expect(texts(await publisher.receive())).toEqual(['\x00a'])
  })

  test('shows every subscription with verbosity allSubs, and every cancellation with allSubsUnsubs', async () => {
    for (const verbosity of ['allSubs', 'allSubsUnsubs'] as const) {
      const publisher = sockets.open(XPublisher, { verbosity })
      const at = await bound(publisher)
      const [one, two] = [sockets.open(XSubscriber), sockets.open(XSubscriber)]
      for (const subscriber of [one, two]) subscriber.connect(at)
      await one.send('\x01a')
      expect(texts(await publisher.receive())).toEqual(['\x01a'])
      await two.send('\x01a')
      expect(texts(await publisher.receive())).toEqual(['\x01a'])
      await two.send('\x00a')
      await two.send('\x01b')
      const next = verbosity === 'allSubs' ? ['\x01b'] : ['\x00a', '\x01b']
      for (const text of next) expect(texts(await publisher.receive())).toEqual([text])
    }
  })

  test('subscribes by hand with manual: whoever asked last, to whatever the application says', async () => {
    const publisher = sockets.open(XPublisher, { manual: true })
    const at = await bound(publisher)
    const subscriber = sockets.open(XSubscriber)
    subscriber.connect(at)
    await subscriber.send('\x01wanted')
    expect(texts(await publisher.receive())).toEqual(['\x01wanted'])
    publisher.subscribe('given')
    await publisher.send('wanted')
    await publisher.send('given')
    expect(texts(await subscriber.receive())).toEqual(['given'])
    expect(() => sockets.open(XPublisher).subscribe('a')).toThrow('manual')
  })

  test('welcomes each subscriber', async () => {
    const publisher = sockets.open(XPublisher, { welcomeMessage: 'welcome' })
    const subscriber = sockets.open(Subscriber)
    subscriber.subscribe()
    subscriber.connect(await bound(publisher))
    expect(texts(await subscriber.receive())).toEqual(['welcome'])
  })

  test('disconnects a subscriber whose topics take too much memory', async () => {
    const publisher = sockets.open(XPublisher, { maxSubscriptionBytes: 1000 })
    const at = await bound(publisher)
    const lost = new Promise<{ error?: Error | undefined }>((resolve) => publisher.events.on('disconnect', resolve))
    const subscriber = sockets.open(Subscriber, { reconnectInterval: -1 })
    subscriber.connect(at)
    for (let index = 0; index < 10; index++) subscriber.subscribe(String(index).padStart(100))
    expect((await lost).error?.message).toContain('more than 1000 bytes')
  })
})

describe('a publisher', () => {
  test('sends to those that do not match with invertMatching', async () => {
    const publisher = sockets.open(XPublisher, { invertMatching: true })
    const subscriber = sockets.open(Subscriber, { invertMatching: true })
    subscriber.subscribe('a')
    subscriber.connect(await bound(publisher))
    await publisher.receive()
    await publisher.send('a1')
    await publisher.send('b1')
    expect(texts(await subscriber.receive())).toEqual(['b1'])
  })

  test('waits for a slow subscriber with noDrop, and loses nothing', async () => {
    const publisher = sockets.open(XPublisher, { noDrop: true, sendHighWaterMark: 10 })
    const subscriber = sockets.open(Subscriber, { receiveHighWaterMark: 10 })
    subscriber.subscribe()
    subscriber.connect(await bound(publisher))
    await publisher.receive()
    const body = Buffer.alloc(64 * 1024)
    const count = 400
    let waited = false
    const sending = (async () => {
      for (let index = 0; index < count; index++) {
        publisher.sendTimeout = 0
        const sent = await publisher.send([String(index), body]).then(
          () => true,
          () => false,
        )
        publisher.sendTimeout = 10_000
        if (sent) continue
        waited = true
        await publisher.send([String(index), body])
      }
    })()
    for (let index = 0; index < count; index++) expect(String((await subscriber.receive())[0])).toBe(String(index))
    await sending
    expect(waited).toBe(true)
  })

  test('waits with noDrop no longer than the slow subscriber is there', async () => {
    const publisher = sockets.open(XPublisher, { noDrop: true, sendHighWaterMark: 2 })
    const subscriber = sockets.open(Subscriber, { receiveHighWaterMark: 1 })
    subscriber.subscribe()
    subscriber.connect(await bound(publisher))
    await publisher.receive()
    const body = Buffer.alloc(1024 * 1024)
    publisher.sendTimeout = 0
    while (
      await publisher.send(body).then(
        () => true,
        () => false,
      )
    );
    publisher.sendTimeout = 5000
    const waiting = publisher.send(body)
    await subscriber.close()
    await waiting
  })
})

describe('conflate', () => {
  test('keeps the last message only, for a peer that is not there yet', async () => {
    const push = sockets.open(Push, { conflate: true })
    const pull = sockets.open(Pull)
    const at = await bound(pull)
    await pull.unbind(at)
    push.connect(at)
    for (let index = 0; index < 5; index++) await push.send(String(index))
    await pull.bind(at)
    expect(texts(await pull.receive())).toEqual(['4'])
  })

  test('keeps the last message only, for an application that does not receive', async () => {
    const publisher = sockets.open(XPublisher)
    const subscriber = sockets.open(Subscriber, { conflate: true })
    subscriber.subscribe('a')
    subscriber.connect(await bound(publisher))
    await publisher.receive()
    // A second one that hears everything tells when all has come.
    const witness = sockets.open(Subscriber)
    witness.subscribe('end')
    witness.connect(publisher.lastEndpoint as string)
    await publisher.receive()
    for (let index = 0; index < 100; index++) await publisher.send(`a${index}`)
    await publisher.send('end')
    await witness.receive()
    let last = texts(await subscriber.receive())
    while (last[0] !== 'a99') last = texts(await subscriber.receive())
    subscriber.receiveTimeout = 0
    await expect(subscriber.receive()).rejects.toMatchObject({ code: 'EAGAIN' })
  })
})

test('a ROUTER names the peer that it connects to', async () => {
  const dealer = sockets.open(Dealer, { routingId: 'own' })
  const router = sockets.open(Router, { mandatory: true })
  const up = new Promise((resolve) => router.events.on('handshake', resolve))
  router.connect(await bound(dealer), { routingId: 'given' })
  await up
  await router.send(['given', 'hello'])
  expect(texts(await dealer.receive())).toEqual(['hello'])
  await dealer.send('back')
  expect(texts(await router.receive())).toEqual(['given', 'back'])
})

test('a PUB socket takes the same options', () => {
  const publisher = sockets.open(Publisher, { noDrop: true, invertMatching: true, conflate: true })
  expect([publisher.noDrop, publisher.invertMatching, publisher.conflate]).toEqual([true, true, true])
})
