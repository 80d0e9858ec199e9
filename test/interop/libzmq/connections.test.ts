/** Connections between ours and libzmq's over time: restarts, heartbeats, routing ids, and what each side sees. */

import { describe, expect, it } from 'vitest'
import { Dealer, Pull, Push, Reply, Request, Router, Subscriber, XPublisher } from '../../../src/socket/index.ts'
import { event, texts, until, useSockets } from '../../helpers/sockets.ts'
import { libzmq, libzmqEvent, openLibzmq, zmq } from './libzmq.ts'

describe.skipIf(!libzmq.available)('restarts', () => {
  const use = useSockets()

  it('our client comes back to a server of libzmq, with what it queued, once and in order', async () => {
    const client = use.open(Dealer, { reconnectInterval: 5 })
    let server = openLibzmq(use, zmq.Router)
    await server.bind('tcp://127.0.0.1:*')
    const address = server.lastEndpoint as string
    client.connect(address)
    await client.send('first')
    await server.receive()
    for (let restart = 0; restart < 2; restart++) {
      const lost = event(client, 'disconnect')
      server.close()
      await lost
      for (let number = 0; number < 100; number++) await client.send(`${restart}:${number}`)
      server = openLibzmq(use, zmq.Router)
      const again = server
      // libzmq closes in a thread of its own: the port is free a moment later.
      await until(
        () =>
          again.bind(address).then(
            () => true,
            () => false,
          ),
        'the port is free',
      )
      for (let number = 0; number < 100; number++) expect(texts(await server.receive())[1]).toBe(`${restart}:${number}`)
    }
  })

  it('a client of libzmq comes back to our server, with what it queued, once and in order', async () => {
    const client = openLibzmq(use, zmq.Dealer, { reconnectInterval: 5 })
    let server = use.open(Router)
    await server.bind('tcp://127.0.0.1:0')
    const address = server.lastEndpoint as string
    client.connect(address)
    await client.send('first')
    await server.receive()
    for (let restart = 0; restart < 2; restart++) {
      const lost = libzmqEvent(client, 'disconnect')
      await server.close()
      await lost
      for (let number = 0; number < 100; number++) await client.send(`${restart}:${number}`)
      server = use.open(Router)
      await server.bind(address)
      for (let number = 0; number < 100; number++) expect(texts(await server.receive())[1]).toBe(`${restart}:${number}`)
    }
  })

  it('our subscriber subscribes again at a publisher of libzmq', async () => {
    const subscriber = use.open(Subscriber, { reconnectInterval: 5 })
    subscriber.subscribe('a')
    let publisher = openLibzmq(use, zmq.XPublisher)
    await publisher.bind('tcp://127.0.0.1:*')
    const address = publisher.lastEndpoint as string
    subscriber.connect(address)
    await publisher.receive()
    const lost = event(subscriber, 'disconnect')
    publisher.close()
    await lost
    publisher = openLibzmq(use, zmq.XPublisher)
    const again = publisher
    await until(
      () =>
        again.bind(address).then(
          () => true,
          () => false,
        ),
      'the port is free',
    )
    expect(String((await publisher.receive())[0])).toBe('\x01a')
    await publisher.send('a news')
    expect(texts(await subscriber.receive())).toEqual(['a news'])
  })

  it('a subscriber of libzmq subscribes again at our publisher', async () => {
    const subscriber = openLibzmq(use, zmq.Subscriber, { reconnectInterval: 5 })
    subscriber.subscribe('a')
    const first = use.open(XPublisher)
    await first.bind('tcp://127.0.0.1:0')
    const address = first.lastEndpoint as string
    subscriber.connect(address)
    await first.receive()
    await first.close()
    const second = use.open(XPublisher)
    await second.bind(address)
    // A socket of libzmq does what it has to do for a connection only while it is used.
    const hearing = subscriber.receive()
    expect(String((await second.receive())[0])).toBe('\x01a')
    await second.send('a news')
    expect(texts(await hearing)).toEqual(['a news'])
  })

  it('what either sends right before it closes arrives', async () => {
    const pull = use.open(Pull)
    await pull.bind('tcp://127.0.0.1:0')
    const theirs = openLibzmq(use, zmq.Push, { linger: 5000 })
    theirs.connect(pull.lastEndpoint as string)
    for (let number = 0; number < 500; number++) await theirs.send(String(number))
    theirs.close()
    for (let number = 0; number < 500; number++) expect(texts(await pull.receive())).toEqual([String(number)])

    const theirPull = openLibzmq(use, zmq.Pull)
    await theirPull.bind('tcp://127.0.0.1:*')
    const ours = use.open(Push, { linger: 5000 })
    ours.connect(theirPull.lastEndpoint as string)
    for (let number = 0; number < 500; number++) await ours.send(String(number))
    await ours.close()
    for (let number = 0; number < 500; number++) expect(texts(await theirPull.receive())).toEqual([String(number)])
  })
})

describe.skipIf(!libzmq.available)('heartbeats', () => {
  const use = useSockets()

  it('keep an idle connection, whoever asks for them', async () => {
    const beats = { heartbeatInterval: 10, heartbeatTimeout: 1000, heartbeatTimeToLive: 1000 }
    const keeps = async (mine: object, theirs: object): Promise<void> => {
      const server = use.open(Router, mine)
      await server.bind('tcp://127.0.0.1:0')
      let lost = 0
      server.events.on('disconnect', () => lost++)
      const client = openLibzmq(use, zmq.Dealer, theirs)
      client.connect(server.lastEndpoint as string)
      await client.send('before')
      await server.receive()
      // Longer than the time-out.
      await new Promise((resolve) => setTimeout(resolve, 1500))
      await client.send('after')
      expect(texts(await server.receive())[1]).toBe('after')
      expect(lost).toBe(0)
    }
    await Promise.all([keeps(beats, {}), keeps({}, beats), keeps(beats, beats)])
  })
})

describe.skipIf(!libzmq.available)('routing ids', () => {
  const use = useSockets()

  it.each(['a', 'client', 'i'.repeat(255)])('of ours are known to libzmq, and the other way round: %s', async (routingId) => {
    const theirRouter = openLibzmq(use, zmq.Router)
    await theirRouter.bind('tcp://127.0.0.1:*')
    const ourDealer = use.open(Dealer, { routingId })
    ourDealer.connect(theirRouter.lastEndpoint as string)
    await ourDealer.send('hello')
    expect(texts(await theirRouter.receive())).toEqual([routingId, 'hello'])
    await theirRouter.send([routingId, 'answer'])
    expect(texts(await ourDealer.receive())).toEqual(['answer'])

    const ourRouter = use.open(Router)
    await ourRouter.bind('tcp://127.0.0.1:0')
    const theirRequest = openLibzmq(use, zmq.Request, { routingId })
    theirRequest.connect(ourRouter.lastEndpoint as string)
    await theirRequest.send('hello')
    expect(texts(await ourRouter.receive())).toEqual([routingId, '', 'hello'])
    await ourRouter.send([routingId, '', 'answer'])
    expect(texts(await theirRequest.receive())).toEqual(['answer'])
  })

  it('a client of libzmq with an id that is taken is turned away, and let in when the first has left', async () => {
    const router = use.open(Router)
    await router.bind('tcp://127.0.0.1:0')
    const first = use.open(Dealer, { routingId: 'same' })
    first.connect(router.lastEndpoint as string)
    await first.send('1')
    await router.receive()
    const second = openLibzmq(use, zmq.Dealer, { routingId: 'same', reconnectInterval: 5 })
    const away = event(router, 'disconnect')
    second.connect(router.lastEndpoint as string)
    await away
    await first.close()
    let heard = ''
    void router.receive().then(([, body]) => {
      heard = String(body)
    })
    await until(async () => {
      if (heard === '') await second.send('2')
      return heard !== ''
    }, 'the second is heard')
    expect(heard).toBe('2')
  })
})

describe.skipIf(!libzmq.available)('REQ with libzmq', () => {
  const use = useSockets()

  it('correlate and relaxed work with its REP', async () => {
    const reply = openLibzmq(use, zmq.Reply)
    await reply.bind('tcp://127.0.0.1:*')
    const request = use.open(Request, { correlate: true, relaxed: true })
    request.connect(reply.lastEndpoint as string)
    await request.send('first')
    await reply.receive()
    await request.send('second')
    await reply.send('late')
    expect(texts(await reply.receive())).toEqual(['second'])
    await reply.send('in time')
    expect(texts(await request.receive())).toEqual(['in time'])
  })
})

describe.skipIf(!libzmq.available)('types that do not go together', () => {
  const use = useSockets()

  it('are told by ours, and libzmq is none the worse', async () => {
    const router = openLibzmq(use, zmq.Router)
    await router.bind('tcp://127.0.0.1:*')
    const wrong = use.open(Pull)
    const told = event(wrong, 'handshake:error:protocol', 'handshake:error:other')
    wrong.connect(router.lastEndpoint as string)
    await told
    const right = use.open(Dealer)
    right.connect(router.lastEndpoint as string)
    await right.send('x')
    expect(texts(await router.receive())[1]).toBe('x')
  })
})

describe.skipIf(!libzmq.available)('events', () => {
  const use = useSockets()

  /** Names and fields, without ours that libzmq lacks, and without what depends on the moment. */
  function watched(socket: { events: { on(type: never, listener: (event: never) => void): unknown } }): string[] {
    const seen: string[] = []
    for (const type of ['accept', 'bind', 'connect', 'connect:delay', 'handshake', 'disconnect', 'end'] as const) {
      socket.events.on(type as never, (came: { type: string; address?: string }) =>
        seen.push(`${came.type} ${came.address?.replace(/\d+$/, '')}`),
      )
    }
    return seen
  }

  it('are those of libzmq, in its order, with its fields', async () => {
    const theirs = [openLibzmq(use, zmq.Reply), openLibzmq(use, zmq.Request)] as const
    const mine = [use.open(Reply), use.open(Request)] as const
    const logs: string[][] = []
    for (const [server, client] of [theirs, mine]) {
      const [atServer, atClient] = [watched(server as never), watched(client as never)]
      logs.push(atServer, atClient)
      await server.bind('tcp://127.0.0.1:*')
      client.connect(server.lastEndpoint as string)
      await client.send('x')
      await server.send(await server.receive())
      await client.receive()
      await client.close()
      await until(() => atServer.some((line) => line.startsWith('disconnect')), 'the server notices')
      await server.close()
      await until(() => [atServer, atClient].every((log) => log.some((line) => line.startsWith('end'))), 'both have ended')
    }
    expect(logs[2]).toEqual(logs[0])
    expect(logs[3]).toEqual(logs[1])
  })
})
