/**
 * What a ZMTP 3.1 connection must do, case by case, with a clock of its own. The numbers are those of the project's list
 * of conformance cases; those missing here belong to sessions, patterns or CURVE.
 */

import { describe, expect, it } from 'vitest'
import type { AuthAnswer } from '../../src/wire/mechanism/mechanism.ts'
import { AuthRefused } from '../../src/wire/mechanism/mechanism.ts'
import { bytes, command, cuts, greeting, inTraffic, naiveFrame, naiveMessage, Recorder, ready, show, typed } from '../unit/wire/helpers.ts'

const NULL_GREETING = greeting('NULL')
const PING = bytes('04 07 04"PING" 0000')
const PONG = bytes('04 05 04"PONG"')
const HELLO = command('05"HELLO" 04"user" 06"secret"')
const WELCOME = bytes('04 08 07"WELCOME"')
const INITIATE = command('08"INITIATE"', typed('DEALER', ''))
const KiB = 1024
const MiB = 1024 * KiB

/** The one line of a log that says how it ended. */
function closedBy(recorder: Recorder): string {
  expect(recorder.connection.state).toBe('closed')
  expect(recorder.log.filter((line) => line.startsWith('closed'))).toHaveLength(1)
  return recorder.last as string
}

describe('greeting', () => {
  it('case 1: 64 bytes one at a time complete the greeting, and the handshake after it', () => {
    const stream = bytes(NULL_GREETING, ready('REP'))
    const recorder = new Recorder().hearCut(stream, [...stream.keys()])
    expect(recorder.log).toEqual(['ready REP'])
  })

  it('case 2: 10 bytes, then silence, close at the handshake timeout', () => {
    const recorder = new Recorder({ handshakeTimeoutMs: 30_000 }).hear(NULL_GREETING.subarray(0, 10))
    expect(recorder.connection.deadline).toBe(30_000)
    recorder.connection.tick(29_999)
    expect(recorder.log).toEqual([])
    recorder.connection.tick(30_000)
    expect(closedBy(recorder)).toMatch(/^closed HandshakeTimeout: .*30000 ms/)
  })

  it('case 3: bytes that trickle in do not move the handshake timeout', () => {
    const stream = bytes(NULL_GREETING, ready('REP'))
    const recorder = new Recorder({ handshakeTimeoutMs: 3000 })
    for (const [index, byte] of stream.entries()) {
      recorder.now = index * 50
      recorder.hear(Buffer.from([byte]))
      expect(recorder.connection.deadline).toBe(recorder.now <= 3000 ? 3000 : Number.POSITIVE_INFINITY)
      recorder.connection.tick(recorder.now)
    }
    expect(closedBy(recorder)).toMatch(/^closed HandshakeTimeout/)
  })

  it.each([
    { what: 'HTTP', stream: bytes('"GET / HTTP/1.1" 0D0A') },
    { what: 'TLS', stream: bytes('16 03 01 02 00') },
  ])('case 4: $what closes at its first byte', ({ stream }) => {
    const recorder = new Recorder().hear(stream.subarray(0, 1))
    expect(closedBy(recorder)).toMatch(/first byte/)
  })

  it('case 5: FF…7E closes at byte 9', () => {
    const recorder = new Recorder().hear('FF 00*8')
    expect(recorder.connection.state).toBe('greeting')
    expect(closedBy(recorder.hear('7E'))).toMatch(/signature/)
  })

  it.each([0, 1, 2])('case 6: major version %i closes at byte 10', (major) => {
    const recorder = new Recorder().hear('FF 00*8 7F')
    expect(recorder.connection.state).toBe('greeting')
    expect(closedBy(recorder.hear(Buffer.from([major])))).toMatch(/too old/)
  })

  it.each(['0400', '0409', '0309', 'FF00'])('case 7: version %s goes on as 3.1', (version) => {
    const recorder = new Recorder({ type: 'SUB' }).hear('FF 00*8 7F', version, '"NULL" 00*16 00*32', ready('PUB'))
    expect(recorder.log).toEqual(['ready PUB'])
    recorder.said()
    recorder.connection.sendSubscription(true, Buffer.from('a'))
    expect(recorder.said()).toEqual(bytes('04 0B 09"SUBSCRIBE" "a"'))
  })

  it('case 8: padding, filler and as-server are not looked at under NULL', () => {
    const recorder = new Recorder().hear('FF A5*8 7F 0301 "NULL" 00*16 01 5A*31', ready('REP'))
    expect(recorder.log).toEqual(['ready REP'])
  })

  it('case 9: another mechanism closes, and says what to do', () => {
    expect(closedBy(new Recorder().hear(greeting('PLAIN')))).toMatch(/^closed MechanismMismatch: .*PLAIN.*NULL.*on both sides/)
  })

  it('case 10: NULL with rubbish behind it closes', () => {
    expect(closedBy(new Recorder().hear('FF 00*8 7F 0301 "NULL" 00*15 78 00*32'))).toMatch(/MechanismMismatch/)
  })

  it('case 11: our greeting is out, whole, before the peer has said anything', () => {
    expect(new Recorder().said()).toEqual(NULL_GREETING)
    const halfway = new Recorder().hear('FF 00*8 7F')
    expect(halfway.said()).toEqual(NULL_GREETING)
  })
})

describe('handshake', () => {
  it('case 13: READY in the chunk of the greeting is accepted', () => {
    expect(new Recorder().hear(bytes(NULL_GREETING, ready('REP'))).log).toEqual(['ready REP'])
  })

  it('case 14: READY and a message in one chunk are both heard', () => {
    expect(new Recorder().hear(bytes(NULL_GREETING, ready('REP'), '00 01 61')).log).toEqual(['ready REP', 'message 61'])
  })

  describe('case 15: nothing but the handshake is written before the peer is ready', () => {
    const heartbeat = { intervalMs: 10, timeoutMs: 10, ttlMs: 10 }
    const answer = (): AuthAnswer => ({ status: 200, user: 'user' })
    const plainClient = { plain: ['user', 'secret'] as const, heartbeat }
    const cases = [
      { name: 'NULL', us: { heartbeat }, peer: bytes(NULL_GREETING, ready('ROUTER')), says: bytes(NULL_GREETING, ready('DEALER', '')) },
      {
        name: 'PLAIN client',
        us: plainClient,
        peer: bytes(greeting('PLAIN'), WELCOME, ready('ROUTER')),
        says: bytes(greeting('PLAIN'), HELLO, INITIATE),
      },
      {
        name: 'PLAIN server',
        us: { plain: 'server' as const, answer, heartbeat },
        peer: bytes(greeting('PLAIN'), HELLO, INITIATE),
        says: bytes(greeting('PLAIN', 1, 1), WELCOME, ready('DEALER', '')),
      },
    ]

    it.each(cases)('$name: at every byte, with heartbeats due and a transport that fills and drains', ({ us, peer, says }) => {
      const recorder = new Recorder(us)
      const said: Buffer[] = []
      // The application sends as soon as it may, which is in `ready`.
      recorder.onEvent = (line) => {
        if (!line.startsWith('ready')) return
        said.push(recorder.said())
        recorder.connection.send([Buffer.from('first')])
      }
      for (const [index, byte] of peer.entries()) {
        // Everything that could write is asked to, long after every interval.
        recorder.now = index * 1000
        expect(recorder.connection.deadline).toBe(Number.POSITIVE_INFINITY)
        recorder.connection.tick(recorder.now)
        recorder.connection.setOutputBlocked(true)
        recorder.connection.setOutputBlocked(false)
        recorder.connection.pause()
        recorder.connection.resume(recorder.now)
        said.push(recorder.said())
        expect(recorder.connection.state).not.toBe('traffic')
        recorder.hear(Buffer.from([byte]))
      }
      expect(recorder.connection.state).toBe('traffic')
      expect(Buffer.concat(said)).toEqual(says)
      expect(recorder.said()).toEqual(bytes('00 05 "first"'))
      recorder.connection.tick(recorder.now + 10)
      expect(recorder.said()).toEqual(bytes('04 07 04"PING" 0000'))
    })

    it('an ERROR of ours is the last word', () => {
      const recorder = new Recorder({ plain: 'server', heartbeat, answer: () => ({ status: 400 }) })
      recorder.hear(greeting('PLAIN'), HELLO, INITIATE, PING)
      recorder.connection.tick(1e6)
      expect(recorder.said()).toEqual(bytes(greeting('PLAIN', 1, 1), '04 0A 05"ERROR" 03"400"'))
    })
  })

  it.each([
    { what: 'a message', hears: bytes('00 01 61') },
    { what: 'an empty message', hears: bytes('00 00') },
    { what: 'the header of a large message', hears: bytes('02 00*4 0F000000') },
  ])('case 16: $what before READY closes', ({ hears }) => {
    expect(closedBy(new Recorder().hear(NULL_GREETING, hears))).toMatch(/message before the handshake/)
  })

  it.each([
    { what: 'PING', hears: PING },
    { what: 'PONG', hears: PONG },
    { what: 'SUBSCRIBE', hears: command('09"SUBSCRIBE"') },
    { what: 'an unknown command', hears: command('05"HAPPY"') },
  ])('case 17: $what before READY closes', ({ hears }) => {
    const recorder = new Recorder({ type: 'XPUB' }).hear(NULL_GREETING, hears)
    expect(closedBy(recorder)).toMatch(/where READY belongs/)
    expect(recorder.said()).toEqual(bytes(NULL_GREETING, ready('XPUB')))
  })

  it('case 18: a second READY closes', () => {
    const recorder = inTraffic().hear('00 01 61', ready('ROUTER'), '00 01 62')
    expect(recorder.log).toEqual(['message 61', expect.stringMatching(/second READY/)])
  })

  it('case 19: READY without a Socket-Type closes', () => {
    expect(closedBy(new Recorder().hear(NULL_GREETING, command('05"READY"')))).toMatch(/does not say its socket type/)
    expect(closedBy(new Recorder().hear(NULL_GREETING, command('05"READY" 08"Identity" 00000001"a"')))).toMatch(/socket type/)
  })

  it.each([
    { type: 'PUB', fault: /^closed IncompatiblePeer/ },
    { type: 'DEALER2', fault: /unknown socket type/ },
    { type: 'dealer', fault: /unknown socket type/ },
    { type: '', fault: /unknown socket type/ },
  ])('case 20: the type "$type" closes without an ERROR', ({ type, fault }) => {
    const recorder = new Recorder().hear(NULL_GREETING, ready(type))
    expect(closedBy(recorder)).toMatch(fault)
    expect(recorder.said()).toEqual(bytes(NULL_GREETING, ready('DEALER', '')))
  })

  it('case 21: two Socket-Types close', () => {
    expect(closedBy(new Recorder().hear(NULL_GREETING, command('05"READY"', typed('REP'), typed('REP'))))).toMatch(/twice/)
  })

  it('case 22: the name socket-type is honoured', () => {
    const hears = command('05"READY" 0B"socket-type" 00000003"REP" 08"IDENTITY" 00000002"me"')
    expect(new Recorder().hear(NULL_GREETING, hears).log).toEqual(['ready REP me'])
  })

  it.each([
    { what: 'a name cut short', tail: '08"Ident"' },
    { what: 'a value cut short', tail: '08"Identity" 00000004"abc"' },
    { what: 'a stray byte', tail: '41' },
    { what: 'a value of FFFFFFFF bytes', tail: '08"Identity" FFFFFFFF"abc"' },
    { what: 'an empty name', tail: '00 00000000' },
  ])('case 23: $what closes', ({ tail }) => {
    expect(closedBy(new Recorder().hear(NULL_GREETING, command('05"READY"', typed('REP'), tail)))).toMatch(/metadata/)
  })

  it('case 24: 1 MB of metadata closes at its header, 10,000 properties close as well', () => {
    expect(closedBy(new Recorder().hear(NULL_GREETING, '06 00*5 100000'))).toMatch(/1048576 bytes is over the limit of 65536/)
    const properties = (count: number): Buffer[] => Array.from({ length: count }, (_, index) => bytes(`05"${10_000 + index}" 00000000`))
    const hearing = (count: number): Recorder =>
      new Recorder().hear(NULL_GREETING, command('05"READY"', typed('REP'), ...properties(count)))
    expect(closedBy(hearing(10_000))).toMatch(/over the limit of 65536/)
    expect(closedBy(hearing(6000))).toMatch(/more than 128/)
  })

  it('case 25: a routing id of 256 bytes or with a leading zero closes, one of 255 does not', () => {
    const hearing = (id: Buffer): Recorder => new Recorder({ type: 'ROUTER' }).hear(NULL_GREETING, ready('DEALER', id))
    expect(hearing(Buffer.alloc(255, 'a')).info?.routingId).toEqual(Buffer.alloc(255, 'a'))
    expect(closedBy(hearing(Buffer.alloc(256, 'a')))).toMatch(/256 bytes/)
    expect(closedBy(hearing(bytes('00 61626364')))).toMatch(/zero byte/)
  })

  it('case 26: __proto__ is a routing id and a property name like any other', () => {
    const hears = command('05"READY"', typed('DEALER', '__proto__'), '09"__proto__" 00000001"x"')
    const recorder = new Recorder({ type: 'ROUTER' }).hear(NULL_GREETING, hears)
    expect(recorder.log).toEqual(['ready DEALER __proto__'])
    expect(String(recorder.info?.metadata.get('__proto__'))).toBe('x')
    expect(Object.getPrototypeOf({})).toBe(Object.prototype)
  })

  it('case 27: ERROR "400" closes as refused credentials', () => {
    const recorder = new Recorder().hear(NULL_GREETING, command('05"ERROR" 03"400"'))
    expect(closedBy(recorder)).toMatch(/AuthRefused/)
    expect(recorder.reason).toMatchObject({ status: 400, byPeer: true })
  })

  it.each(['05"ERROR"', '05"ERROR" 02"400"', '05"ERROR" 04"400"'])('case 28: an ERROR with a wrong length closes: %s', (body) => {
    const recorder = new Recorder().hear(NULL_GREETING, command(body))
    expect(closedBy(recorder)).toMatch(/wrong length/)
    expect(recorder.reason).not.toBeInstanceOf(AuthRefused)
  })

  it.each([0, 1, 5])('case 29: READY with flags %i closes', (flags) => {
    const body = ready('REP').subarray(2)
    const recorder = new Recorder().hear(NULL_GREETING, naiveFrame(flags, body))
    expect(closedBy(recorder)).toMatch(/message before|MORE flag/)
  })

  it.each(['ROUTER', 'PUB', 'XPUB'] as const)('case 30: an empty command closes at once, in the handshake: %s', (type) => {
    expect(closedBy(new Recorder({ type }).hear(NULL_GREETING, '04 00'))).toMatch(/empty/)
  })

  it('case 30: an empty command closes after the handshake, save where it can only be a lost LONG bit', () => {
    expect(closedBy(inTraffic().hear('04 00'))).toMatch(/empty/)
    const publisher = (): Recorder => inTraffic({ type: 'PUB' }, 'SUB')
    const repaired = publisher().hear('04 00*6 0104 09"SUBSCRIBE" 74*250', '04 00*6 0100 06"CANCEL" 74*249')
    expect(repaired.log).toEqual([`subscribe ${show(Buffer.alloc(250, 't'))}`, `cancel ${show(Buffer.alloc(249, 't'))}`])
    expect(closedBy(publisher().hear('04 00*8'))).toMatch(/empty/)
    expect(closedBy(publisher().hear('04 00 00 01 61 00 01 62 00'))).toMatch(/closed LimitExceeded/)
  })
})

describe('PLAIN', () => {
  const server = (status?: 200 | 300 | 400 | 500): Recorder => {
    const answer = status === 200 ? { status, user: 'user' } : { status: status ?? 500 }
    return new Recorder({ type: 'ROUTER', plain: 'server', handshakeTimeoutMs: 1000, ...(status && { answer: () => answer }) })
  }
  const client = (): Recorder => new Recorder({ plain: ['user', 'secret'] })
  const PLAIN_GREETING = greeting('PLAIN')
  const SERVER_GREETING = greeting('PLAIN', 1, 1)

  it('case 32: right credentials, in exactly these bytes', () => {
    const theClient = client()
    const theServer = server(200)
    const wire: string[] = []
    for (let turn = 0; turn < 4; turn++) {
      for (const [from, to] of [
        [theClient, theServer],
        [theServer, theClient],
      ] as const) {
        const said = from.said()
        wire.push(said.toString('hex'))
        to.hear(said)
      }
    }
    const expected = [
      PLAIN_GREETING,
      bytes(SERVER_GREETING),
      bytes('04 12 05"HELLO" 04"user" 06"secret"'),
      bytes('04 08 07"WELCOME"'),
      bytes('04 2C 08"INITIATE" 0B"Socket-Type" 00000006"DEALER" 08"Identity" 00000000'),
      bytes('04 29 05"READY" 0B"Socket-Type" 00000006"ROUTER" 08"Identity" 00000000'),
      bytes(''),
      bytes(''),
    ]
    expect(wire).toEqual(expected.map((said) => said.toString('hex')))
    expect(theClient.log).toEqual(['ready ROUTER'])
    expect(theServer.log).toEqual(['authenticate user:secret', 'ready DEALER'])
    expect(theServer.info?.user).toBe('user')
  })

  it('case 33: a wrong password hears ERROR "400" and no WELCOME', () => {
    const recorder = server(400).hear(PLAIN_GREETING, HELLO)
    expect(recorder.said()).toEqual(bytes(SERVER_GREETING, '04 0A 05"ERROR" 03"400"'))
    expect(closedBy(recorder)).toMatch(/credentials of user "user" were refused \(400\)/)
  })

  it('case 34: the ERROR that libzmq misspells is a refusal, not a broken protocol', () => {
    const recorder = client().hear(PLAIN_GREETING, '04 09 5E"RROR" 03"400"')
    expect(closedBy(recorder)).toMatch(/AuthRefused/)
    expect(recorder.reason).toMatchObject({ status: 400, byPeer: true })
  })

  it.each([
    { what: 'no user', body: '05"HELLO"' },
    { what: 'a user past the end', body: '05"HELLO" 09"user"' },
    { what: 'no password', body: '05"HELLO" 04"user"' },
    { what: 'a password past the end', body: '05"HELLO" 04"user" 09"secret"' },
    { what: 'a byte behind', body: '05"HELLO" 04"user" 06"secret" 00' },
  ])('case 35: HELLO with $what closes, and the application is not asked', ({ body }) => {
    const recorder = server(200).hear(PLAIN_GREETING, command(body))
    expect(recorder.log).toEqual([expect.stringMatching(/^closed ProtocolError: a HELLO/)])
    expect(recorder.said()).toEqual(SERVER_GREETING)
  })

  it('case 36: an empty user and password are asked about', () => {
    expect(server(200).hear(PLAIN_GREETING, command('05"HELLO" 00 00')).log).toEqual(['authenticate :'])
  })

  it.each([
    { what: 'INITIATE first', hears: INITIATE, asked: 0 },
    { what: 'HELLO twice, without waiting', hears: bytes(HELLO, HELLO), asked: 1 },
    { what: 'INITIATE without waiting', hears: bytes(HELLO, INITIATE), asked: 1 },
  ])('case 37: $what closes', ({ hears, asked }) => {
    const recorder = server().hear(PLAIN_GREETING, hears)
    expect(recorder.log.slice(0, -1)).toEqual(Array(asked).fill('authenticate user:secret'))
    expect(closedBy(recorder)).toMatch(/where (HELLO|our answer) belongs/)
    recorder.said()
    recorder.connection.answer({ status: 200, user: 'user' }, 0)
    expect(recorder.said()).toHaveLength(0)
  })

  it('case 37: HELLO twice closes after WELCOME as well', () => {
    expect(closedBy(server(200).hear(PLAIN_GREETING, HELLO, HELLO))).toMatch(/where INITIATE belongs/)
  })

  it('case 38: WELCOME with a byte more, and READY before WELCOME, close', () => {
    expect(closedBy(client().hear(PLAIN_GREETING, '04 09 07"WELCOME" 00'))).toMatch(/behind it/)
    expect(closedBy(client().hear(PLAIN_GREETING, ready('ROUTER')))).toMatch(/where WELCOME belongs/)
  })

  it('case 39: the answer 300 closes without a word', () => {
    const recorder = server(300).hear(PLAIN_GREETING, HELLO)
    expect(recorder.said()).toEqual(SERVER_GREETING)
    expect(closedBy(recorder)).toMatch(/\(300\)/)
  })

  it('case 40: an application that never answers runs into the handshake timeout', () => {
    const recorder = server().hear(PLAIN_GREETING, HELLO)
    recorder.connection.tick(999)
    expect(recorder.connection.state).toBe('handshake')
    recorder.connection.tick(1000)
    expect(closedBy(recorder)).toMatch(/HandshakeTimeout/)
  })

  it('case 40: an answer for a client that has left is let go', () => {
    const recorder = server().hear(PLAIN_GREETING, HELLO)
    recorder.said()
    recorder.connection.close()
    recorder.connection.answer({ status: 200, user: 'user' }, 500)
    expect(recorder.said()).toHaveLength(0)
    expect(recorder.log).toEqual(['authenticate user:secret'])
    expect(recorder.connection.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it('case 41: a NULL client is turned away at its greeting', () => {
    const recorder = server(200).hear(NULL_GREETING)
    expect(closedBy(recorder)).toMatch(/MechanismMismatch/)
    expect(recorder.said()).toEqual(SERVER_GREETING)
  })
})

describe('framing', () => {
  it.each([254, 255, 256, 65_535, 65_536, 16 * MiB])('case 44: %i bytes there and back are intact', (size) => {
    const body = Buffer.alloc(size, 'conformance')
    const sender = inTraffic({ type: 'ROUTER' }, 'DEALER')
    const receiver = inTraffic({ type: 'DEALER' }, 'ROUTER')
    for (const [from, to] of [
      [sender, receiver],
      [receiver, sender],
    ] as const) {
      from.connection.send([Buffer.from('id'), body])
      const stream = from.said()
      expect(stream.equals(naiveMessage([Buffer.from('id'), body]))).toBe(true)
      for (let offset = 0; offset < stream.length; offset += 64 * KiB) to.hear(stream.subarray(offset, offset + 64 * KiB))
      expect(to.messages).toHaveLength(1)
      expect(to.messages[0]?.[1]?.equals(body)).toBe(true)
    }
  })

  it.each(['80 00*7', '0020 00*6', 'FF*8'])('case 45: the size %s closes', (size) => {
    expect(closedBy(inTraffic().hear('02', size))).toMatch(/2\^53/)
  })

  it('case 46: the limit is delivered, one byte more closes at the header', () => {
    const limits = { maxFrameBytes: 1000 }
    expect(inTraffic({ limits }).hear(naiveFrame(0, Buffer.alloc(1000))).messages[0]?.[0]).toHaveLength(1000)
    expect(closedBy(inTraffic({ limits }).hear(naiveFrame(0, Buffer.alloc(1001)).subarray(0, 9)))).toMatch(/1001 bytes is over/)
  })

  it('case 47: 200 MiB announced and 10 bytes sent cost about 1 MiB', () => {
    const recorder = inTraffic()
    const before = process.memoryUsage().arrayBuffers
    recorder.hear('02 00000000 0C800000 61*10')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * MiB)
    expect(recorder.connection.state).toBe('traffic')
  })

  it('case 48: a million frames with MORE close at the cap', () => {
    const recorder = inTraffic()
    const chunk = bytes('01 00'.repeat(1000))
    let chunks = 0
    while (recorder.connection.state === 'traffic' && chunks < 1000) {
      recorder.hear(chunk)
      chunks++
    }
    expect(chunks).toBe(5)
    expect(closedBy(recorder)).toMatch(/more than 4096 frames/)
    const whole = inTraffic().hear('01 00'.repeat(4095), '00 00')
    expect(whole.messages[0]).toHaveLength(4096)
  })

  it('case 49: a PING between frames is answered, and the message is whole', () => {
    const recorder = inTraffic().hear('01 01 61', PING, '00 01 62')
    expect(recorder.said()).toEqual(PONG)
    expect(recorder.log).toEqual(['message 61|62'])
  })

  it('case 50: an unknown command between frames is ignored', () => {
    const recorder = inTraffic().hear('01 01 61', command('05"HAPPY" 01020304'), command('05"ERROR" 03"400"'), '00 01 62')
    expect(recorder.log).toEqual(['message 61|62'])
    expect(recorder.said()).toHaveLength(0)
  })

  it.each(['08 01 61', '10 00', '20 00', '40 00', '80 00', 'F4 00', '05 05 04"PONG"', '07 00*7 05 04"PONG"'])(
    'case 51: reserved bits and commands with MORE close: %s',
    (hex) => {
      expect(closedBy(inTraffic().hear('00 01 61', hex))).toMatch(/framing is lost/)
    },
  )

  it('case 52: a connection lost in mid-message has delivered what was whole, and nothing else', () => {
    const stream = bytes('00 01 61 01 01 62 00 05 "cc"')
    for (const offsets of cuts(stream.length)) {
      const recorder = inTraffic().hearCut(stream, offsets)
      recorder.connection.close()
      recorder.hear('"ccc"')
      recorder.connection.resume(0)
      expect(recorder.log).toEqual(['message 61'])
    }
  })

  it('case 53: chunk boundaries at every offset of a stream give the same messages', () => {
    const stream = bytes(
      NULL_GREETING,
      ready('ROUTER', 'peer'),
      '01 04 00000007 01 00 00 04 "ping"',
      PING,
      naiveMessage([Buffer.alloc(0), Buffer.alloc(255, 'a'), Buffer.alloc(256, 'b')]),
      '01 01 61 04 05 04"PONG" 00 00',
    )
    const whole = new Recorder().hear(stream)
    expect(whole.log).toHaveLength(4)
    const said = whole.said()
    for (const offsets of cuts(stream.length)) {
      const recorder = new Recorder().hearCut(stream, offsets)
      expect(recorder.log).toEqual(whole.log)
      expect(recorder.said()).toEqual(said)
    }
  })
})

describe('heartbeat', () => {
  it.each([0, 4, 16, 20])('case 54: a PING with %i bytes of context is answered with 16 at most', (length) => {
    const context = Buffer.from('0123456789abcdefghij').subarray(0, length)
    const recorder = inTraffic().hear(command('04"PING" 0000', context))
    expect(recorder.said()).toEqual(command('04"PONG"', context.subarray(0, 16)))
  })

  it.each(['', '00'])('case 55: a PING whose time to live is "%s" closes', (ttl) => {
    const recorder = inTraffic().hear(command('04"PING"', ttl))
    expect(closedBy(recorder)).toMatch(/time to live/)
    expect(recorder.said()).toHaveLength(0)
  })

  it('case 56: 10,000 PINGs to a peer that does not read leave one PONG, the last', () => {
    const recorder = inTraffic()
    recorder.connection.setOutputBlocked(true)
    for (let count = 0; count < 10_000; count++) recorder.hear(command('04"PING" 0000', Buffer.from(String(count))))
    expect(recorder.connection.outputBytes).toBe(0)
    recorder.connection.setOutputBlocked(false)
    expect(recorder.said()).toEqual(command('04"PONG" "9999"'))
    recorder.connection.setOutputBlocked(true)
    recorder.connection.setOutputBlocked(false)
    expect(recorder.said()).toHaveLength(0)
  })

  it('case 57: a time to live of 5 and silence close at 0.5 s', () => {
    const recorder = inTraffic()
    recorder.now = 1000
    recorder.hear('04 07 04"PING" 0005')
    expect(recorder.connection.deadline).toBe(1500)
    recorder.connection.tick(1499)
    expect(recorder.log).toEqual([])
    recorder.connection.tick(1500)
    expect(closedBy(recorder)).toMatch(/PeerSilent: .*time to live/)
  })

  it('case 57: any byte cancels the time to live', () => {
    const recorder = inTraffic().hear('04 07 04"PING" 0005')
    recorder.now = 499
    recorder.hear('00')
    expect(recorder.connection.deadline).toBe(Number.POSITIVE_INFINITY)
    recorder.connection.tick(1e9)
    expect(recorder.connection.state).toBe('traffic')
  })

  it('case 58: a time to live of 65535 is 6553.5 s', () => {
    expect(inTraffic().hear('04 07 04"PING" FFFF').connection.deadline).toBe(6_553_500)
  })

  it('case 59: a peer that is frozen is closed after the timeout, at 800 ms for 300 and 500', () => {
    const recorder = inTraffic({ heartbeat: { intervalMs: 300, timeoutMs: 500, ttlMs: 1000 } })
    const pings: number[] = []
    for (let now = 0; recorder.connection.state === 'traffic' && now < 5000; now++) {
      recorder.now = now
      recorder.connection.tick(now)
      if (recorder.said().length > 0) pings.push(now)
    }
    expect(pings).toEqual([300, 600])
    expect(recorder.now).toBe(800)
    expect(closedBy(recorder)).toMatch(/PeerSilent/)
  })

  it('case 60: a large frame that trickles in keeps the connection alive', () => {
    const recorder = inTraffic({ heartbeat: { intervalMs: 100, timeoutMs: 100 } })
    const stream = naiveFrame(0, Buffer.alloc(300, 'x'))
    for (const [index, byte] of stream.entries()) {
      recorder.now = index * 50
      recorder.hear(Buffer.from([byte]))
      recorder.connection.tick(recorder.now)
    }
    expect(recorder.log).toEqual([`message ${show(Buffer.alloc(300, 'x'))}`])
  })
})

describe('subscriptions', () => {
  const publisher = (minor = 1): Recorder => inTraffic({ type: 'XPUB' }, 'SUB', minor)
  const subscribe = (topic: Buffer): Buffer => command('09"SUBSCRIBE"', topic)

  it('case 65: SUBSCRIBE twice and CANCEL once are told as they came', () => {
    const recorder = publisher().hear(subscribe(bytes('41')), subscribe(bytes('41')), command('06"CANCEL" 41'))
    expect(recorder.log).toEqual(['subscribe 41', 'subscribe 41', 'cancel 41'])
  })

  it.each([0, 1])('case 66: both forms are heard from a peer of 3.%i', (minor) => {
    const recorder = publisher(minor).hear(subscribe(bytes('')), command('06"CANCEL"'), '00 02 01 61 00 02 00 61')
    expect(recorder.log).toEqual(['subscribe ', 'cancel ', 'message 0161', 'message 0061'])
  })

  it.each([0, 245, 246, 255, 300])('case 66: a topic of %i bytes goes to 3.1 as a command and to 3.0 as a message', (length) => {
    const topic = Buffer.alloc(length, 't')
    for (const on of [true, false]) {
      const modern = inTraffic({ type: 'SUB' }, 'PUB', 1)
      modern.connection.sendSubscription(on, topic)
      expect(modern.said()).toEqual(command(on ? '09"SUBSCRIBE"' : '06"CANCEL"', topic))
      const old = inTraffic({ type: 'SUB' }, 'PUB', 0)
      old.connection.sendSubscription(on, topic)
      expect(old.said()).toEqual(naiveMessage([bytes(on ? '01' : '00', topic)]))
    }
  })

  it('case 67: 200,000 SUBSCRIBEs in one chunk are told one by one, without recursion', () => {
    const topics = Array.from({ length: 200_000 }, (_, index) => subscribe(Buffer.from(`a/b/c/d/${index}`)))
    const recorder = publisher().hear(Buffer.concat(topics))
    expect(recorder.log).toHaveLength(200_000)
    expect(recorder.log.at(-1)).toBe(`subscribe ${Buffer.from('a/b/c/d/199999').toString('hex')}`)
  })

  it('case 67: a SUBSCRIBE of 10 MB closes at its header', () => {
    expect(closedBy(publisher().hear('06 00*5 989680'))).toMatch(/10000000 bytes is over the limit of 65536/)
  })

  it.each([
    { type: 'ROUTER', peer: 'DEALER' },
    { type: 'PULL', peer: 'PUSH' },
    { type: 'REP', peer: 'REQ' },
    { type: 'SUB', peer: 'PUB' },
  ] as const)('case 68: SUBSCRIBE and CANCEL to a $type are dropped', ({ type, peer }) => {
    const recorder = inTraffic({ type }, peer).hear(subscribe(bytes('61')), command('06"CANCEL" 61'), '00 01 62')
    expect(recorder.log).toEqual(['message 62'])
  })
})
