import { describe, expect, test } from 'vitest'
import {
  Dealer,
  Publisher,
  Pull,
  Push,
  Reply,
  Request,
  Router,
  Proxy as SocketProxy,
  Subscriber,
  XPublisher,
  XSubscriber,
} from '../../../src/socket/index.ts'
import { until, useSockets } from '../../helpers/sockets.ts'

const sockets = useSockets()
const ANY = 'tcp://127.0.0.1:0'

async function bound<S extends { bind(address: string): Promise<void>; lastEndpoint: string | null }>(socket: S): Promise<string> {
  await socket.bind(ANY)
  return socket.lastEndpoint as string
}

/** A proxy between the two, which runs until the test ends. */
function run(proxy: SocketProxy): Promise<void> {
  const done = proxy.run()
  sockets.defer(async () => {
    proxy.terminate()
    await done
  })
  return done
}

describe('a proxy', () => {
  test('carries requests and their replies between many clients and many servers', async () => {
    const [front, back] = [sockets.open(Router), sockets.open(Dealer)]
    const [frontAt, backAt] = [await bound(front), await bound(back)]
    void run(new SocketProxy(front, back))
    for (let index = 0; index < 3; index++) {
      const server = sockets.open(Reply)
      server.connect(backAt)
      void (async () => {
        for await (const [text] of server) await server.send(`re: ${text}`)
      })()
    }
    const answers = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        const client = sockets.open(Request)
        client.connect(frontAt)
        await client.send(`request ${index}`)
        return String(await client.receive())
      }),
    )
    expect(answers).toEqual(Array.from({ length: 10 }, (_, index) => `re: request ${index}`))
  })

  test('carries subscriptions one way and publications the other', async () => {
    const [front, back] = [sockets.open(XSubscriber), sockets.open(XPublisher)]
    const [frontAt, backAt] = [await bound(front), await bound(back)]
    void run(new SocketProxy(front, back))
    const publisher = sockets.open(Publisher)
    publisher.connect(frontAt)
    const subscriber = sockets.open(Subscriber)
    subscriber.subscribe('a')
    subscriber.connect(backAt)
    // A publisher cannot know when the subscription has crossed the proxy: it says it until it is heard.
    const talking = setInterval(() => void publisher.send(['b', 'unheard']).then(() => publisher.send(['a', 'heard'])), 5)
    sockets.defer(() => clearInterval(talking))
    expect((await subscriber.receive()).map(String)).toEqual(['a', 'heard'])
  })

  test('lets go what the other side can never send, and carries on', async () => {
    const [front, back] = [sockets.open(Router), sockets.open(Dealer)]
    const [frontAt, backAt] = [await bound(front), await bound(back)]
    void run(new SocketProxy(front, back))
    const [client, server] = [sockets.open(Dealer), sockets.open(Router)]
    client.connect(frontAt)
    server.connect(backAt)
    // With the routing id of the client it has one frame too many.
    await client.send(Array<string>(4096).fill(''))
    await client.send('next')
    expect(String((await server.receive()).at(-1))).toBe('next')
  })

  test('shows every message to its capture socket', async () => {
    const [front, back, capture, watcher] = [sockets.open(Pull), sockets.open(Push), sockets.open(Push), sockets.open(Pull)]
    const [frontAt, backAt] = [await bound(front), await bound(back)]
    watcher.connect(await bound(capture))
    void run(new SocketProxy(front, back, capture))
    const [source, sink] = [sockets.open(Push), sockets.open(Pull)]
    source.connect(frontAt)
    sink.connect(backAt)
    // The watcher is there once it gets something: until then the capture has no room.
    const captured = watcher.receive()
    let sent = 0
    let seen: string | undefined
    void captured.then(([text]) => {
      seen = String(text)
    })
    while (seen === undefined) {
      await source.send(String(sent))
      expect(String(await sink.receive())).toBe(String(sent))
      sent++
    }
    await source.send('last')
    expect(String(await sink.receive())).toBe('last')
    let last = seen
    while (last !== 'last') last = String(await watcher.receive())
  })

  test('holds messages back while it is paused, and loses none', async () => {
    const [front, back] = [sockets.open(Pull), sockets.open(Push)]
    const [frontAt, backAt] = [await bound(front), await bound(back)]
    const proxy = new SocketProxy(front, back)
    void run(proxy)
    const [source, sink] = [sockets.open(Push), sockets.open(Pull, { receiveTimeout: 100 })]
    source.connect(frontAt)
    sink.connect(backAt)
    await source.send('before')
    sink.receiveTimeout = 10_000
    expect(String(await sink.receive())).toBe('before')
    proxy.pause()
    for (let index = 0; index < 100; index++) await source.send(String(index))
    sink.receiveTimeout = 100
    await expect(sink.receive()).rejects.toMatchObject({ code: 'EAGAIN' })
    proxy.resume()
    sink.receiveTimeout = 10_000
    for (let index = 0; index < 100; index++) expect(String(await sink.receive())).toBe(String(index))
  })

  test('closes both sockets when it is terminated, and run resolves', async () => {
    const [front, back] = [sockets.open(Router), sockets.open(Dealer)]
    await Promise.all([bound(front), bound(back)])
    const proxy = new SocketProxy(front, back)
    const done = run(proxy)
    proxy.terminate()
    await done
    expect([front.closed, back.closed]).toEqual([true, true])
    await expect(proxy.run()).rejects.toMatchObject({ code: 'EINVAL' })
  })

  test('sends on what it took while it was paused, when it is terminated', async () => {
    const [front, back] = [sockets.open(Pull), sockets.open(Push)]
    const [frontAt, backAt] = [await bound(front), await bound(back)]
    const proxy = new SocketProxy(front, back)
    const done = run(proxy)
    const [source, sink] = [sockets.open(Push), sockets.open(Pull)]
    source.connect(frontAt)
    sink.connect(backAt)
    await source.send('before')
    expect(String(await sink.receive())).toBe('before')
    proxy.pause()
    const { bytesReceived } = front.stats()
    await source.send('taken')
    await until(() => front.stats().bytesReceived > bytesReceived, 'it has come')
    await new Promise((resolve) => setImmediate(resolve))
    proxy.terminate()
    await done
    expect(String(await sink.receive())).toBe('taken')
  })

  test('refuses two sockets between which nothing can go', async () => {
    await expect(new SocketProxy(sockets.open(Pull), sockets.open(Pull)).run()).rejects.toThrow('nothing goes from PULL to PULL')
  })
})
