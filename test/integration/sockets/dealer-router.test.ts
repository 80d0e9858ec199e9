/** DEALER and ROUTER: routing ids, turns, and who is told that nobody is there. */

import { describe, expect, it } from 'vitest'
import { Dealer, Router, type Socket } from '../../../src/socket/index.ts'
import { RawConnection } from '../../helpers/raw-peer.ts'
import { event, link, outcome, STREAM_TRANSPORTS, TRANSPORTS, texts, until, useSockets } from '../../helpers/sockets.ts'

/** An address like this one that nobody has bound. */
async function freeAddress(socket: Socket, endpoint: string): Promise<string> {
  await socket.bind(endpoint)
  const address = socket.lastEndpoint as string
  await socket.close()
  return address
}

describe.each(TRANSPORTS)('DEALER and ROUTER over $name', ({ endpoint }) => {
  const use = useSockets()

  it('a peer without an id gets one of five bytes, starting with zero', async () => {
    const [router, one, two] = [use.open(Router), use.open(Dealer), use.open(Dealer)]
    await link(router, one, endpoint())
    two.connect(router.lastEndpoint as string)
    await one.send('1')
    const [first] = (await router.receive()) as [Buffer]
    await two.send('2')
    const [second] = (await router.receive()) as [Buffer]
    expect([first.length, first[0], second.length, second[0]]).toEqual([5, 0, 5, 0])
    expect(first.equals(second)).toBe(false)
    await router.send([second, 'for two'])
    await router.send([first, 'for one'])
    expect([texts(await one.receive()), texts(await two.receive())]).toEqual([['for one'], ['for two']])
  })

  it.each([
    ['tcp://nowhere', 'name'],
    ['tcp://127.0.0.1:9', ''],
    ['tcp://127.0.0.1:9', '\0abcd'],
    ['tcp://127.0.0.1:9', 'i'.repeat(256)],
  ])('a connect to %s as %j is refused, and names nobody', async (address, routingId) => {
    const [router, dealer] = [use.open(Router), use.open(Dealer)]
    await router.bind('tcp://127.0.0.1:0')
    expect(() => router.connect(address, { routingId })).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    dealer.connect(router.lastEndpoint as string)
    await dealer.send('hello')
    expect((await router.receive())[0]).toHaveLength(5)
  })

  it.each(['a', 'é', '__proto__', 'five5', 'i'.repeat(255)])('a peer may call itself %s', async (routingId) => {
    const [router, dealer] = [use.open(Router), use.open(Dealer, { routingId })]
    await link(router, dealer, endpoint())
    await dealer.send('hello')
    expect(texts(await router.receive())).toEqual([routingId, 'hello'])
    await router.send([routingId, 'answer'])
    expect(texts(await dealer.receive())).toEqual(['answer'])
  })

  it('a DEALER sends to its peers in turn and hears all of them', async () => {
    const dealer = use.open(Dealer)
    await dealer.bind(endpoint())
    const others = [use.open(Dealer), use.open(Dealer), use.open(Dealer)]
    for (const other of others) {
      other.connect(dealer.lastEndpoint as string)
      await other.send('hello')
      await dealer.receive()
    }
    for (let count = 0; count < 6; count++) await dealer.send(String(count))
    for (const [index, other] of others.entries()) {
      expect([texts(await other.receive()), texts(await other.receive())]).toEqual([[String(index)], [String(index + 3)]])
    }
  })

  it('a ROUTER drops what is for nobody it knows', async () => {
    const [router, dealer] = [use.open(Router), use.open(Dealer, { routingId: 'known' })]
    await link(router, dealer, endpoint())
    await dealer.send('hello')
    await router.receive()
    await router.send(['unknown', 'x'])
    await router.send([Buffer.from([0, 1, 2, 3, 4]), 'x'])
    await router.send(['', 'x'])
    await router.send(['known', 'y'])
    expect(texts(await dealer.receive())).toEqual(['y'])
  })

  it('a mandatory ROUTER fails with EHOSTUNREACH instead', async () => {
    const [router, dealer] = [use.open(Router, { mandatory: true }), use.open(Dealer, { routingId: 'known' })]
    await link(router, dealer, endpoint())
    await dealer.send('hello')
    await router.receive()
    expect(await outcome(router.send(['unknown', 'x']))).toBe('EHOSTUNREACH')
    const gone = event(router, 'disconnect')
    await dealer.close()
    await gone
    expect(await outcome(router.send(['known', 'x']))).toBe('EHOSTUNREACH')
  })

  it('the second peer with an id is turned away while the first is there, and let in after', async () => {
    const router = use.open(Router)
    const first = use.open(Dealer, { routingId: 'same' })
    const second = use.open(Dealer, { routingId: 'same', reconnectInterval: 5 })
    const address = await link(router, first, endpoint())
    await first.send('from the first')
    expect(texts(await router.receive())).toEqual(['same', 'from the first'])
    const away = event(router, 'disconnect')
    second.connect(address)
    await away
    await router.send(['same', 'for the first'])
    expect(texts(await first.receive())).toEqual(['for the first'])
    await first.close()
    // Each time it is turned away, what it sent is lost with the connection.
    const heard = router.receive()
    let done = false
    void heard.then(() => {
      done = true
    })
    await until(async () => {
      if (!done) await second.send('from the second')
      return done
    }, 'the second is heard')
    expect(texts(await heard)).toEqual(['same', 'from the second'])
  })

  it('with handover the newcomer takes the id, and the old connection ends', async () => {
    const router = use.open(Router, { handover: true })
    const [first, second] = ['first', 'second'].map(() => use.open(Dealer, { routingId: 'same', reconnectInterval: -1 })) as [
      Dealer,
      Dealer,
    ]
    const address = await link(router, first, endpoint())
    await first.send('from the first')
    await router.receive()
    const lost = event(first, 'disconnect')
    second.connect(address)
    await second.send('from the second')
    expect(texts(await router.receive())).toEqual(['same', 'from the second'])
    await lost
    await router.send(['same', 'for the second'])
    expect(texts(await second.receive())).toEqual(['for the second'])
  })

  it('probeRouter sends an empty message first, before what was queued, and when the queue is full', async () => {
    const [router, dealer] = [use.open(Router), use.open(Dealer, { probeRouter: true, routingId: 'prober', sendHighWaterMark: 2 })]
    const address = await freeAddress(use.open(Router), endpoint())
    dealer.connect(address)
    await dealer.send('1')
    await dealer.send('2')
    await router.bind(address)
    for (const body of ['', '1', '2']) expect(texts(await router.receive())).toEqual(['prober', body])
  })

  it.each([false, true])('a ROUTER names a peer that it connects to, for good: immediate %s', async (immediate) => {
    const [dealer, router] = [
      use.open(Dealer, { routingId: 'own' }),
      use.open(Router, { immediate, reconnectInterval: 5, mandatory: true }),
    ]
    await dealer.bind(endpoint())
    const address = dealer.lastEndpoint as string
    router.connect(address, { routingId: 'given' })
    for (let round = 0; round < 2; round++) {
      await dealer.send('hello')
      expect(texts(await router.receive())).toEqual(['given', 'hello'])
      await router.send(['given', 'answer'])
      expect(texts(await dealer.receive())).toEqual(['answer'])
      if (round > 0) break
      const lost = event(router, 'disconnect')
      await dealer.unbind(address)
      await lost
      await dealer.bind(address)
    }
    router.disconnect(address)
    await until(async () => (await outcome(router.send(['given', 'x']))) === 'EHOSTUNREACH', 'the name is forgotten')
  })

  it('a ROUTER may send to a peer that it has named before the peer is there', async () => {
    const [dealer, router] = [use.open(Dealer), use.open(Router)]
    const address = await freeAddress(use.open(Dealer), 'tcp://127.0.0.1:0')
    router.connect(address, { routingId: 'given' })
    await router.send(['given', 'early'])
    await dealer.bind(address)
    expect(texts(await dealer.receive())).toEqual(['early'])
  })

  it('a ROUTER needs an id and a frame', async () => {
    expect(await outcome(use.open(Router).send(['alone']))).toBe('EINVAL')
  })
})

describe.each(STREAM_TRANSPORTS)('a ROUTER over $name', ({ endpoint }) => {
  const use = useSockets()

  it('gives a peer that comes back another id', async () => {
    const [router, dealer] = [use.open(Router), use.open(Dealer, { reconnectInterval: 5 })]
    const address = await link(router, dealer, endpoint())
    await dealer.send('1')
    const [before] = (await router.receive()) as [Buffer]
    const lost = event(dealer, 'disconnect')
    await router.unbind(address)
    await lost
    await router.bind(address)
    await dealer.send('2')
    const [after] = (await router.receive()) as [Buffer]
    expect(after.equals(before)).toBe(false)
  })
})

describe('a mandatory ROUTER whose peer does not read', () => {
  const use = useSockets()

  async function stalled(router: Router): Promise<RawConnection> {
    await router.bind('tcp://127.0.0.1:0')
    const raw = await RawConnection.connect(router.lastEndpoint as string)
    use.defer(() => raw.close())
    const known = event(router, 'handshake')
    await raw.handshake('DEALER', 'stalled')
    raw.socket.pause()
    await known
    return raw
  }

  it('waits at the high-water mark', async () => {
    const router = use.open(Router, { mandatory: true, sendHighWaterMark: 3, sendTimeout: 0 })
    await stalled(router)
    const body = Buffer.alloc(1024 * 1024)
    let code: unknown
    for (let count = 0; count < 100 && code !== 'EAGAIN'; count++) code = await outcome(router.send(['stalled', body]))
    expect(code).toBe('EAGAIN')
  })

  it('says EHOSTUNREACH to whoever waits when the peer goes', async () => {
    const router = use.open(Router, { mandatory: true, sendHighWaterMark: 3 })
    const raw = await stalled(router)
    const body = Buffer.alloc(1024 * 1024)
    const sends = Array.from({ length: 100 }, () => outcome(router.send(['stalled', body])))
    await sends[0]
    raw.close()
    expect((await Promise.all(sends)).at(-1)).toBe('EHOSTUNREACH')
  })

  it('without mandatory drops over the mark', async () => {
    const router = use.open(Router, { sendHighWaterMark: 3, sendTimeout: 0 })
    await stalled(router)
    const body = Buffer.alloc(1024 * 1024)
    for (let count = 0; count < 100; count++) await router.send(['stalled', body])
    expect(router.stats().dropped.highWaterMark).toBeGreaterThan(0)
  })
})
