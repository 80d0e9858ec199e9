/**
 * The numbered cases that need a socket, a transport or time, against a peer that is nothing but a TCP connection. What a bare
 * connection decides stands in `connection.test.ts`, what patterns decide in `patterns.test.ts`. `lz` is libzmq.
 */

import { once } from 'node:events'
import { createServer, type Socket as NetSocket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { Dialer } from '../../src/session/dialer.ts'
import {
  type AuthAnswer,
  Dealer,
  type EventOfType,
  type Message,
  Publisher,
  Pull,
  Push,
  Reply,
  Router,
  type Socket,
} from '../../src/socket/index.ts'
import type { Pipe } from '../../src/transport/pipe.ts'
import { dialStream } from '../../src/transport/stream-server.ts'
import { NullMechanism } from '../../src/wire/index.ts'
import { RawConnection, RawServer } from '../helpers/raw-peer.ts'
import { event, link, outcome, texts, until, useSockets } from '../helpers/sockets.ts'
import { bytes, command, greeting, naiveFrame, naiveMessage, ready } from '../unit/wire/helpers.ts'

const use = useSockets()
const ANY = 'tcp://127.0.0.1:0'
const MiB = 1024 * 1024

/** A raw connection to a socket that is bound; the handshake is the test's business. */
async function stranger(socket: Socket): Promise<RawConnection> {
  if (socket.lastEndpoint === null) await socket.bind(ANY)
  const raw = await RawConnection.connect(socket.lastEndpoint as string)
  use.defer(() => raw.close())
  return raw
}

/** A raw connection that has finished its NULL handshake. */
async function peerOf(socket: Socket, type: string, routingId?: string): Promise<RawConnection> {
  const raw = await stranger(socket)
  const told = event(socket, 'handshake')
  await raw.handshake(type, routingId)
  await told
  return raw
}

async function rawServer(port = 0): Promise<RawServer> {
  const server = await RawServer.listen(port)
  use.defer(() => server.close())
  return server
}

/** A few turns of the event loop, in which whatever is about to happen by itself happens. */
async function turns(): Promise<void> {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setImmediate(resolve))
}

/** Events of some kinds, as they come. */
function collect<T extends 'connect:retry' | 'disconnect' | 'handshake'>(socket: Socket, type: T): EventOfType<T>[] {
  const came: EventOfType<T>[] = []
  socket.events.on(type, (one) => void came.push(one))
  return came
}

const LATE = 5000

describe('greeting', () => {
  it.each(['PLAIN', 'CURVE'])('case 9: a server of mechanism %s is reported, and tried again late (lz never comes back)', async (name) => {
    const server = await rawServer()
    const dealer = use.open(Dealer, { reconnectInterval: 1 })
    const [told, retry] = [event(dealer, 'handshake:error:protocol'), event(dealer, 'connect:retry')]
    dealer.connect(server.endpoint)
    const raw = await server.accept()
    raw.write(bytes('FF 00*8 7F 0301', Buffer.from(name.padEnd(20, '\0')), '00*32'))
    expect((await told).error.message).toMatch(new RegExp(`${name}.*NULL`))
    expect((await retry).interval).toBeGreaterThanOrEqual(LATE)
    await raw.closed
    expect(server.connections).toBe(1)
  })

  it('case 9: a client of another mechanism is closed, and harms no other', async () => {
    const router = use.open(Router)
    const good = await peerOf(router, 'DEALER', 'good')
    const bad = await stranger(router)
    const told = event(router, 'handshake:error:protocol')
    bad.write(greeting('PLAIN'))
    expect((await told).error).toMatchObject({ code: 'PROTOCOL_ERROR' })
    await bad.closed
    good.write(bytes('00 01 61'))
    expect(texts(await router.receive())).toEqual(['good', 'a'])
  })

  it('case 12: a connection that TCP made to itself is closed, and tried again', async () => {
    // A port that is free: nobody listens there when it is dialled.
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as { port: number }
    probe.close()
    await once(probe, 'close')

    const remote = (socket: NetSocket): string => `tcp://127.0.0.1:${socket.remotePort}`
    let toItself = true
    const dial = (signal: AbortSignal): Promise<Pipe> => {
      const from = toItself ? { localAddress: '127.0.0.1', localPort: port } : {}
      toItself = false
      return dialStream({ host: '127.0.0.1', port, ...from }, 1000, remote, signal)
    }
    const nobody = { ready() {}, message() {}, subscription() {}, writable() {}, lost() {} }
    const limits = { maxFrameBytes: 1000, maxMessageBytes: 1000, maxMessageFrames: 10, maxCommandBytes: 1000, maxHandshakeBytes: 1000 }
    const reasons: unknown[] = []
    let server: RawServer | undefined
    const finished = new Promise<void>((resolve) => {
      const dialer = new Dialer(
        'tcp://itself',
        dial,
        {
          ...{ socketType: 'DEALER', routingId: Buffer.alloc(0), properties: [], limits, conflate: false, handshakeTimeoutMs: 0 },
          ...{ sendHighWaterMark: 0, receiveHighWaterMark: 0, maxQueueBytes: 0, reconnectInterval: 1, reconnectMaxInterval: 0 },
          heartbeat: { intervalMs: 0, timeoutMs: 0, ttlMs: 0 },
          mechanism: (metadata) => new NullMechanism(metadata),
          authenticate: (): AuthAnswer => ({ status: 300 }),
        },
        nobody,
        {
          connected: () => resolve(dialer.close(0)),
          handshake() {},
          disconnected() {},
          waiting: (_session, reason) => {
            reasons.push(reason?.message)
            void rawServer(port).then((listening) => {
              server = listening
            })
          },
        },
      )
      dialer.start()
    })
    await finished
    expect(reasons[0]).toMatch(/back to itself/)
    expect(server?.connections).toBe(1)
  })
})

describe('handshake', () => {
  it('case 14: READY and messages in one write are heard, by one that connects too (lz may close)', async () => {
    const server = await rawServer()
    const pull = use.open(Pull)
    pull.connect(server.endpoint)
    const raw = await server.accept()
    raw.write(greeting('NULL'), ready('PUSH'), bytes('00 01 61 01 01 62 00 01 63'))
    const messages: Message[] = [await pull.receive(), await pull.receive()]
    expect(messages.map(texts)).toEqual([['a'], ['b', 'c']])
  })

  it('case 15: a socket that connects with messages waiting says nothing before the peer is ready', async () => {
    const server = await rawServer()
    const dealer = use.open(Dealer)
    dealer.connect(server.endpoint)
    await dealer.send('first')
    await dealer.send('second')
    const raw = await server.accept()
    raw.write(greeting('NULL'))
    const own = Buffer.concat([greeting('NULL'), ready('DEALER', '')])
    expect(await raw.read(own.length)).toEqual(own)
    await turns()
    expect(raw.socket.bytesRead).toBe(own.length)
    raw.write(ready('ROUTER'))
    expect(await raw.read(15)).toEqual(bytes('00 05 "first" 00 06 "second"'))
  })

  it('case 16: a message before READY closes, and reaches nobody', async () => {
    const router = use.open(Router)
    const bad = await stranger(router)
    const told = event(router, 'handshake:error:protocol')
    bad.write(greeting('NULL'), bytes('00 01 61'), ready('DEALER', 'bad'), bytes('00 01 62'))
    expect((await told).error.message).toMatch(/before the handshake/)
    await bad.closed
    const good = await peerOf(router, 'DEALER', 'good')
    good.write(bytes('00 01 63'))
    expect(texts(await router.receive())).toEqual(['good', 'c'])
  })

  it.each(['SUB', 'router', 'NOBODY', ''])('case 20: a peer of type "%s" is turned away without an ERROR, and told of', async (type) => {
    const router = use.open(Router)
    const raw = await stranger(router)
    const told = event(router, 'handshake:error:protocol')
    raw.write(greeting('NULL'), ready(type))
    expect((await told).error.message).toMatch(/socket/)
    await raw.closed
    expect(raw.socket.bytesRead).toBe(Buffer.concat([greeting('NULL'), ready('ROUTER', '')]).length)
  })

  it('case 20: a server of a type that does not fit is tried again late', async () => {
    const server = await rawServer()
    const push = use.open(Push, { reconnectInterval: 1 })
    const retry = event(push, 'connect:retry')
    push.connect(server.endpoint)
    const raw = await server.accept()
    raw.write(greeting('NULL'), ready('PUB'))
    expect((await retry).interval).toBeGreaterThanOrEqual(LATE)
    await raw.closed
  })

  it('case 27: ERROR "400" is a refusal, and tried again late (lz never comes back)', async () => {
    const server = await rawServer()
    const dealer = use.open(Dealer, { reconnectInterval: 1 })
    const [told, retry] = [event(dealer, 'handshake:error:auth'), event(dealer, 'connect:retry')]
    dealer.connect(server.endpoint)
    await dealer.send('kept')
    const raw = await server.accept()
    raw.write(greeting('NULL'), command('05"ERROR" 03"400"'))
    expect((await told).error).toMatchObject({ status: 400, byPeer: true })
    expect((await retry).interval).toBeGreaterThanOrEqual(LATE)
    await raw.closed
    expect(server.connections).toBe(1)
  })

  it('case 31: a peer that closes after its greeting is tried again, less and less often until a handshake succeeds', async () => {
    const server = await rawServer()
    const dealer = use.open(Dealer, { reconnectInterval: 2, reconnectMaxInterval: 16 })
    const retries = collect(dealer, 'connect:retry')
    dealer.connect(server.endpoint)
    const refuse = async (): Promise<void> => {
      const raw = await server.accept()
      raw.write(greeting('NULL'))
      await raw.read(64)
      raw.close()
    }
    for (let count = 0; count < 6; count++) await refuse()
    const welcome = await server.accept()
    const told = event(dealer, 'handshake')
    await welcome.handshake('ROUTER')
    await told
    welcome.close()
    await until(() => retries.length === 7, 'the seventh retry')
    // Doubled up to the greatest, and up to a first interval more by chance; lz starts anew with each TCP connection.
    const grown = [2, 4, 8, 16, 16, 16, 2]
    for (const [index, { interval }] of retries.entries()) {
      expect(interval).toBeGreaterThanOrEqual(grown[index] as number)
      expect(interval).toBeLessThanOrEqual((grown[index] as number) + 2)
    }
  })
})

describe('PLAIN', () => {
  const HELLO = command('05"HELLO" 04"user" 06"secret"')
  const SERVER_GREETING = greeting('PLAIN', 1, 1)
  const serverOf = (authenticate: () => AuthAnswer | Promise<AuthAnswer>, handshakeInterval = 30_000): Router =>
    use.open(Router, { plainServer: true, authenticate, handshakeInterval })

  it('case 33: a wrong password hears ERROR "400" and no WELCOME (lz says ^RROR)', async () => {
    const router = serverOf(() => ({ status: 400 }))
    const raw = await stranger(router)
    const told = event(router, 'handshake:error:auth')
    raw.write(greeting('PLAIN'), HELLO)
    const said = bytes(SERVER_GREETING, '04 0A 05"ERROR" 03"400"')
    expect(await raw.read(said.length)).toEqual(said)
    await raw.closed
    expect(raw.socket.bytesRead).toBe(said.length)
    expect((await told).error).toMatchObject({ status: 400, byPeer: false })
  })

  it.each([
    { spelt: 'ERROR', said: command('05"ERROR" 03"400"') },
    { spelt: '^RROR, as lz misspells it', said: bytes('04 09 5E"RROR" 03"400"') },
  ])('case 34: $spelt is a refusal to a client, and tried again late', async ({ said }) => {
    const server = await rawServer()
    const dealer = use.open(Dealer, { plainUsername: 'user', plainPassword: 'wrong', reconnectInterval: 1 })
    const [told, retry] = [event(dealer, 'handshake:error:auth'), event(dealer, 'connect:retry')]
    dealer.connect(server.endpoint)
    const raw = await server.accept()
    raw.write(SERVER_GREETING)
    await raw.read(64)
    await raw.readFrame()
    raw.write(said)
    expect((await told).error).toMatchObject({ status: 400, byPeer: true })
    expect((await retry).interval).toBeGreaterThanOrEqual(LATE)
    await raw.closed
  })

  it('case 36: an empty user and password are asked about, and may be let in', async () => {
    const asked: unknown[] = []
    const router = use.open(Router, {
      plainServer: true,
      authenticate: (request) => {
        asked.push(request)
        return { status: 200, user: 'nobody' }
      },
    })
    const raw = await stranger(router)
    raw.write(greeting('PLAIN'), command('05"HELLO" 00 00'))
    await raw.read(64)
    expect((await raw.readFrame()).body.toString('latin1')).toBe('\x07WELCOME')
    expect(asked).toEqual([{ mechanism: 'PLAIN', username: '', password: '' }])
  })

  it('case 39: the answer 300 closes without a word (lz leaves the connection hanging)', async () => {
    const router = serverOf(() => ({ status: 300 }))
    const raw = await stranger(router)
    const told = event(router, 'handshake:error:auth')
    raw.write(greeting('PLAIN'), HELLO)
    await raw.closed
    expect(raw.socket.bytesRead).toBe(64)
    expect((await told).error).toMatchObject({ status: 300 })
  })

  it('case 40: an authenticator that never answers costs no more than the handshake interval', async () => {
    const router = serverOf(() => new Promise(() => {}), 50)
    const raw = await stranger(router)
    const told = event(router, 'handshake:error:protocol')
    raw.write(greeting('PLAIN'), HELLO)
    expect((await told).error.message).toMatch(/50 ms/)
    await raw.closed
    expect(router.stats()).toMatchObject({ connections: 0, handshakes: 0, failedHandshakes: 1 })
  })

  it('case 40: a client that leaves while the authenticator thinks is forgotten, and the answer let go', async () => {
    let answer: (answer: AuthAnswer) => void = () => {}
    let asked: () => void = () => {}
    const asking = new Promise<void>((resolve) => {
      asked = resolve
    })
    const router = serverOf(() => {
      asked()
      return new Promise((resolve) => {
        answer = resolve
      })
    })
    const raw = await stranger(router)
    const told = event(router, 'handshake:error:other')
    raw.write(greeting('PLAIN'), HELLO)
    await asking
    raw.close()
    await told
    expect(router.stats().handshakes).toBe(0)
    answer({ status: 200, user: 'user' })
    await turns()
    expect(router.stats()).toMatchObject({ connections: 0, handshakes: 0 })
  })
})

describe('framing', () => {
  it('case 44: 16 MiB between two sockets are intact, both ways', async () => {
    const [left, right] = [use.open(Dealer), use.open(Dealer)]
    await link(left, right)
    const body = Buffer.alloc(16 * MiB, 'conformance')
    await Promise.all([left.send([body, 'l']), right.send([body, 'r'])])
    for (const socket of [left, right]) expect((await socket.receive())[0]?.equals(body)).toBe(true)
  })

  it.each(['80 00*7', '0020 00*6', 'FF*8'])('case 45: the size %s ends that connection alone', async (size) => {
    const router = use.open(Router)
    const [bad, good] = [await peerOf(router, 'DEALER', 'bad'), await peerOf(router, 'DEALER', 'good')]
    const lost = event(router, 'disconnect')
    bad.write(bytes('02', size))
    expect((await lost).error).toMatchObject({ code: 'PROTOCOL_ERROR' })
    await bad.closed
    good.write(bytes('00 01 61'))
    expect(texts(await router.receive())).toEqual(['good', 'a'])
  })

  it('case 46: a message of maxMessageSize is delivered, one byte more ends the connection', async () => {
    const pull = use.open(Pull, { maxMessageSize: 1000 })
    const raw = await peerOf(pull, 'PUSH')
    const lost = event(pull, 'disconnect')
    raw.write(naiveFrame(0, Buffer.alloc(1000)), naiveFrame(0, Buffer.alloc(1001)), bytes('00 01 61'))
    expect((await pull.receive())[0]).toHaveLength(1000)
    expect((await lost).error?.message).toMatch(/1001 bytes is over the limit of 1000/)
    await raw.closed
    // lz counts each frame for itself, we count the message.
    const other = await peerOf(pull, 'PUSH')
    const lostToo = event(pull, 'disconnect')
    other.write(naiveMessage([Buffer.alloc(600), Buffer.alloc(600)]))
    expect((await lostToo).error?.message).toMatch(/over the limit of 1000/)
  })

  it('case 47: 200 MiB announced and 10 bytes sent, by 20 peers, cost about 1 MiB each', async () => {
    const pull = use.open(Pull)
    const raws: RawConnection[] = []
    for (let count = 0; count < 20; count++) raws.push(await peerOf(pull, 'PUSH'))
    const [before, heard] = [process.memoryUsage().arrayBuffers, pull.stats().bytesReceived]
    const announcement = bytes('02 00000000 0C800000 61*10')
    for (const raw of raws) raw.write(announcement)
    await until(() => pull.stats().bytesReceived === heard + 20 * announcement.length, 'all was read')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30 * MiB)
  })

  it.each([
    { how: 'a reset in mid-frame', tail: '00 05 "cc"', end: (raw: RawConnection) => raw.socket.resetAndDestroy() },
    { how: 'an end in mid-message', tail: '01 01 63', end: (raw: RawConnection) => raw.socket.end() },
  ])('case 52: $how leaves what came whole, drops the rest, and is no error of the process', async ({ tail, end }) => {
    const pull = use.open(Pull)
    const raw = await peerOf(pull, 'PUSH')
    const lost = event(pull, 'disconnect')
    raw.write(bytes('00 01 61 01 01 62 00 01 62', tail))
    // A reset takes along what was not read: wait until it was.
    await until(() => pull.stats().bytesReceived >= raw.socket.bytesWritten, 'all was read')
    end(raw)
    await lost
    expect(texts(await pull.receive())).toEqual(['a'])
    expect(texts(await pull.receive())).toEqual(['b', 'b'])
    const next = await peerOf(pull, 'PUSH')
    next.write(bytes('00 01 64'))
    expect(texts(await pull.receive())).toEqual(['d'])
  })
})

describe('heartbeat', () => {
  const ping = (tenths: number): Buffer => command('04"PING"', Buffer.from([tenths >> 8, tenths & 255]))

  /** Resolves well after `tenths` of a second: when a peer that announced twice as much was given up. */
  async function outlive(router: Router, tenths: number): Promise<void> {
    const silent = await peerOf(router, 'DEALER', 'silent')
    silent.write(ping(2 * tenths))
    await silent.closed
  }

  it('case 56: a peer that sends PINGs and reads no PONG makes us hold one', async () => {
    const router = use.open(Router)
    const raw = await peerOf(router, 'DEALER', 'pinging')
    raw.socket.pause()
    const context = Buffer.alloc(16, 'c')
    const burst = Buffer.concat(Array<Buffer>(10_000).fill(command('04"PING" 0000', context)))
    // Far more than the system's own buffers take.
    for (let count = 0; count < 100; count++) if (!raw.socket.write(burst)) await once(raw.socket, 'drain')
    raw.write(command('04"PING" 0000 "last"'), bytes('00 01 61'))
    expect(texts(await router.receive())).toEqual(['pinging', 'a'])
    expect(router.stats().bytesSent).toBeLessThan(0.8 * 100 * burst.length)
    raw.socket.resume()
    let frame = await raw.readFrame()
    while (frame.body.toString('latin1') !== '\x04PONGlast') frame = await raw.readFrame()
  })

  it('case 57: a time to live of 5 and silence close at 0.5 s', async () => {
    const router = use.open(Router)
    const raw = await peerOf(router, 'DEALER', 'silent')
    const lost = event(router, 'disconnect')
    const started = performance.now()
    raw.write(ping(5))
    expect((await lost).error?.message).toMatch(/time to live/)
    expect(performance.now() - started).toBeGreaterThan(450)
    await raw.closed
  })

  it('case 57: a single byte after the PING cancels the time to live', async () => {
    const router = use.open(Router)
    const raw = await peerOf(router, 'DEALER', 'alive')
    raw.write(ping(1))
    await raw.readFrame()
    raw.write(bytes('00'))
    await outlive(router, 1)
    raw.write(bytes('01 61'))
    expect(texts(await router.receive())).toEqual(['alive', 'a'])
  })

  it.each([656, 65_535])('case 58: a time to live of %i is not wrapped (lz multiplies in 16 bits: 656 is 64 ms there)', async (tenths) => {
    const router = use.open(Router)
    const raw = await peerOf(router, 'DEALER', 'patient')
    raw.write(ping(tenths))
    await raw.readFrame()
    await outlive(router, 1)
    raw.write(bytes('00 01 61'))
    expect(texts(await router.receive())).toEqual(['patient', 'a'])
  })

  it('case 59: a server that is frozen is given up after the timeout, and connected to anew', async () => {
    const server = await rawServer()
    const dealer = use.open(Dealer, { heartbeatInterval: 30, heartbeatTimeout: 300, reconnectInterval: 1 })
    const lost = event(dealer, 'disconnect')
    dealer.connect(server.endpoint)
    const frozen = await server.accept()
    await frozen.handshake('ROUTER')
    expect((await frozen.readFrame()).body.toString('latin1')).toBe('\x04PING\0\0')
    expect((await lost).error?.message).toMatch(/no PING for 300 ms/)
    await frozen.closed
    const next = await server.accept()
    await next.handshake('ROUTER')
    await dealer.send('again')
    let frame = await next.readFrame()
    while (frame.flags === 4) frame = await next.readFrame()
    expect(frame.body.toString()).toBe('again')
  })

  it('case 60: a large frame that trickles in is a sign of life (lz counts whole frames, and kills it)', async () => {
    const router = use.open(Router, { heartbeatInterval: 100, heartbeatTimeout: 400 })
    const raw = await peerOf(router, 'DEALER', 'slow')
    const frame = naiveFrame(0, Buffer.from('0123456789'))
    let offset = 0
    const trickle = setInterval(() => {
      raw.write(frame.subarray(offset, ++offset))
      if (offset === frame.length) clearInterval(trickle)
    }, 100)
    use.defer(() => clearInterval(trickle))
    expect(texts(await router.receive())).toEqual(['slow', '0123456789'])
  })
})

describe('connections', () => {
  it('case 71: what a DEALER had not sent when the server went arrives at the next one, once and in order', async () => {
    const server = await rawServer()
    const { port } = new URL(server.endpoint)
    const dealer = use.open(Dealer, { reconnectInterval: 1, reconnectMaxInterval: 20, sendHighWaterMark: 0 })
    dealer.connect(server.endpoint)
    const first = await server.accept()
    await first.handshake('ROUTER')
    await dealer.send('0')
    expect((await first.readFrame()).body.toString()).toBe('0')
    const lost = event(dealer, 'disconnect')
    await server.close()
    await lost
    for (let number = 1; number <= 1000; number++) await dealer.send(String(number))
    const next = await RawServer.listen(Number(port))
    use.defer(() => next.close())
    const second = await next.accept()
    await second.handshake('ROUTER')
    for (let number = 1; number <= 1000; number++) expect((await second.readFrame()).body.toString()).toBe(String(number))
    await dealer.send('last')
    expect((await second.readFrame()).body.toString()).toBe('last')
  })

  it.each([
    { linger: 0, atLeast: 0 },
    { linger: 300, atLeast: 290 },
  ])('case 72: close with linger $linger and no peer there takes so long, and gives the message up', async ({ linger, atLeast }) => {
    const server = await RawServer.listen()
    await server.close()
    const push = use.open(Push, { linger, reconnectInterval: 10 })
    push.connect(server.endpoint)
    await push.send('unsent')
    const started = performance.now()
    await push.close()
    expect(performance.now() - started).toBeGreaterThanOrEqual(atLeast)
    expect(push.stats().dropped.lost).toBe(1)
  })

  it('case 72: close with linger -1 waits for the peer, which then gets everything', async () => {
    const server = await rawServer()
    const { port } = new URL(server.endpoint)
    await server.close()
    const push = use.open(Push, { linger: -1, reconnectInterval: 1, reconnectMaxInterval: 10 })
    push.connect(server.endpoint)
    const refused = event(push, 'connect:retry')
    await push.send('kept')
    let closed = false
    const closing = push.close().then(() => {
      closed = true
    })
    await refused
    expect(closed).toBe(false)
    const late = await rawServer(Number(port))
    const raw = await late.accept()
    await raw.handshake('PULL')
    expect((await raw.readFrame()).body.toString()).toBe('kept')
    await closing
  })

  it('case 72: unbind wants the resolved endpoint, not the wildcard', async () => {
    const reply = use.open(Reply)
    await reply.bind('tcp://127.0.0.1:*')
    expect(await outcome(reply.unbind('tcp://127.0.0.1:*'))).toBe('ENOENT')
    await reply.unbind(reply.lastEndpoint as string)
  })

  it('case 72: unbind ends the connections that came in', async () => {
    const publisher = use.open(Publisher)
    const raw = await peerOf(publisher, 'SUB')
    await publisher.unbind(publisher.lastEndpoint as string)
    await raw.closed
  })
})
