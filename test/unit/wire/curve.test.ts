import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../../src/errors.ts'
import type { Command } from '../../../src/wire/command.ts'
import { Box, loadCrypto } from '../../../src/wire/mechanism/crypto.ts'
import { HelloRefused } from '../../../src/wire/mechanism/curve.ts'
import { AuthRefused, decodeHandshakeCommand, type FrameCodec, type HandshakeStep } from '../../../src/wire/mechanism/mechanism.ts'
import { encodeZ85 } from '../../../src/wire/z85.ts'
import {
  CLIENT_SAYS,
  clientInTraffic,
  clientOf,
  clientRecorder,
  keyPairOf,
  LET_IN,
  SERVER_SAYS,
  Sealer,
  serverInTraffic,
  serverOf,
  serverRecorder,
  V,
  VECTORS,
  type Vector,
} from './curve-helpers.ts'
import { bytes, command, cuts, greeting, naiveFrame, Recorder, type RecorderOptions, show } from './helpers.ts'

await loadCrypto()

const read = (body: Buffer): Command => decodeHandshakeCommand(body)
const PUBLIC_KEY = encodeZ85(V.clientPublic)

/** Both codecs of a conversation, after its handshake. */
function codecsOf(vector: Vector): { client: FrameCodec; server: FrameCodec } {
  const [client, server] = [clientOf(vector), serverOf(vector)]
  client.start()
  client.receive(read(vector.welcome))
  server.receive(read(vector.hello))
  server.receive(read(vector.initiate))
  return { client: codecOf(client.receive(read(vector.ready))), server: codecOf(server.answer({ status: 200, user: undefined })) }
}

function codecOf(step: HandshakeStep): FrameCodec {
  if (step.name !== 'ready' || step.codec === undefined) throw new Error(`a codec was expected, not ${step.name}`)
  return step.codec
}

describe.each(VECTORS)('the conversation that libsodium has worked out: $name', (vector) => {
  it('is what our client says', () => {
    const client = clientOf(vector)
    expect(client.start()).toEqual(vector.hello)
    expect(client.receive(read(vector.welcome))).toEqual({ name: 'continue', send: vector.initiate })
    expect(client.receive(read(vector.ready)).name).toBe('ready')
  })

  it('is what our server says', () => {
    const server = serverOf(vector)
    expect(server.start()).toBeUndefined()
    expect(server.receive(read(vector.hello))).toEqual({ name: 'continue', send: vector.welcome })
    const request = { mechanism: 'CURVE', publicKey: encodeZ85(vector.clientPublic) }
    expect(server.receive(read(vector.initiate))).toEqual({ name: 'authenticate', request })
    expect(server.answer({ status: 200, user: undefined })).toMatchObject({ name: 'ready', send: vector.ready })
  })

  it('carries what each side says, and each side reads it', () => {
    const codecs = codecsOf(vector)
    for (const { from, flags, body, sealed } of vector.messages) {
      const outer = (flags & 1) | ((flags & 2) << 1)
      const [sender, receiver] = from === 'client' ? [codecs.client, codecs.server] : [codecs.server, codecs.client]
      expect(sender.seal(outer, body)).toEqual(sealed)
      expect(receiver.open(sealed)).toEqual({ flags: outer, body })
      expect(sealed.length - body.length).toBe(sender.overhead)
    }
  })
})

describe('a box', () => {
  const [ours, theirs] = [keyPairOf(V.clientSecret), keyPairOf(V.serverSecret)]
  const nonce = Buffer.alloc(24, 7)

  it.each([0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 1000, 100_000])('of %i bytes is opened with the other half of the keys', (length) => {
    const plain = Buffer.alloc(length, 'plain')
    const sealed = new Box(ours, theirs.publicKey).seal(nonce, plain)
    expect(sealed).toHaveLength(length + 16)
    expect(new Box(theirs, ours.publicKey).open(nonce, sealed)?.equals(plain)).toBe(true)
    expect(new Box(theirs, ours.publicKey).open(Buffer.alloc(24), sealed)).toBeUndefined()
    expect(new Box(ours, ours.publicKey).open(nonce, sealed)).toBeUndefined()
  })

  it('that is shorter than its authenticator is not opened', () => {
    for (let length = 0; length < 16; length++) expect(new Box(ours, theirs.publicKey).open(nonce, Buffer.alloc(length))).toBeUndefined()
  })

  // All the points of low order there are, and those that read as one of them.
  it.each([
    '00*32',
    '01 00*31',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ec ff*30 7f',
    'ed ff*30 7f',
    'ee ff*30 7f',
    '00*31 80',
  ])('is not made with a public key that leaves nothing secret: %s', (key) => {
    expect(() => new Box(ours, bytes(key))).toThrow(ProtocolError)
  })
})

function highBitSet(key: Buffer): Buffer {
  const copy = Buffer.from(key)
  copy.writeUInt8(copy.readUInt8(31) | 0x80, 31)
  return copy
}

interface Said {
  name: string
  us: RecorderOptions
  hears: Buffer
  says: Buffer
  log: (string | RegExp)[]
}

const HELLO = naiveFrame(4, V.hello)
const WELCOME = naiveFrame(4, V.welcome)
const INITIATE = naiveFrame(4, V.initiate)
const READY = naiveFrame(4, V.ready)
const nothing = Buffer.alloc(0)
const authenticated = `authenticate ${PUBLIC_KEY}`

const SERVER_CASES: Said[] = [
  { name: 'HELLO', us: {}, hears: HELLO, says: WELCOME, log: [] },
  { name: 'HELLO, INITIATE', us: {}, hears: bytes(HELLO, INITIATE), says: bytes(WELCOME, READY), log: [authenticated, 'ready DEALER'] },
  {
    name: 'a message right behind INITIATE',
    us: {},
    hears: bytes(HELLO, INITIATE, naiveFrame(0, (V.messages[0] as { sealed: Buffer }).sealed)),
    says: bytes(WELCOME, READY),
    log: [authenticated, 'ready DEALER', 'message 61'],
  },
  {
    name: 'a key that is refused',
    us: { answer: () => ({ status: 400 }) },
    hears: bytes(HELLO, INITIATE),
    says: bytes(WELCOME, '04 0A 05"ERROR" 03"400"'),
    log: [authenticated, /^closed AuthRefused: .*were refused \(400\)/],
  },
  {
    name: 'a key about which nothing can be found out',
    us: { answer: () => ({ status: 500 }) },
    hears: bytes(HELLO, INITIATE),
    says: bytes(WELCOME, '04 0A 05"ERROR" 03"500"'),
    log: [authenticated, /\(500\)/],
  },
  {
    name: 'a key that is to come again',
    us: { answer: () => ({ status: 300 }) },
    hears: bytes(HELLO, INITIATE),
    says: WELCOME,
    log: [authenticated, /\(300\)/],
  },
  { name: 'INITIATE first', us: {}, hears: INITIATE, says: nothing, log: [/INITIATE where HELLO belongs/] },
  { name: 'READY first', us: {}, hears: READY, says: nothing, log: [/READY where HELLO belongs/] },
  { name: 'a HELLO of PLAIN', us: {}, hears: command('05"HELLO" 01"u" 01"p"'), says: nothing, log: [/HELLO of a wrong length/] },
  { name: 'HELLO twice', us: {}, hears: bytes(HELLO, HELLO), says: WELCOME, log: [/HELLO where INITIATE belongs/] },
  { name: 'ERROR', us: {}, hears: command('05"ERROR" 03"400"'), says: nothing, log: [/ERROR where HELLO belongs/] },
  { name: 'a MESSAGE first', us: {}, hears: new Sealer('client').frame(0, '"a"'), says: nothing, log: [/message before the handshake/] },
  {
    name: 'a MESSAGE before INITIATE, as a command',
    us: {},
    hears: bytes(HELLO, command('07"MESSAGE" 00*25')),
    says: WELCOME,
    log: [/MESSAGE where INITIATE belongs/],
  },
  {
    name: 'a type that does not go with ours',
    us: { type: 'PULL' },
    hears: bytes(HELLO, INITIATE),
    says: WELCOME,
    log: [authenticated, /^closed IncompatiblePeer/],
  },
]

const CLIENT_CASES: Said[] = [
  { name: 'nothing yet', us: {}, hears: nothing, says: HELLO, log: [] },
  { name: 'WELCOME', us: {}, hears: WELCOME, says: bytes(HELLO, INITIATE), log: [] },
  { name: 'WELCOME, READY', us: {}, hears: bytes(WELCOME, READY), says: bytes(HELLO, INITIATE), log: ['ready ROUTER'] },
  {
    name: 'a message right behind READY',
    us: {},
    hears: bytes(WELCOME, READY, new Sealer('server').frame(0, '"a"')),
    says: bytes(HELLO, INITIATE),
    log: ['ready ROUTER', 'message 61'],
  },
  {
    name: 'ERROR for READY',
    us: {},
    hears: bytes(WELCOME, command('05"ERROR" 03"400"')),
    says: bytes(HELLO, INITIATE),
    log: [/^closed AuthRefused: the peer refused the credentials \(400\)/],
  },
  { name: 'ERROR for WELCOME', us: {}, hears: command('05"ERROR" 04"busy"'), says: HELLO, log: [/ended the handshake: busy/] },
  { name: 'READY before WELCOME', us: {}, hears: READY, says: HELLO, log: [/READY where WELCOME belongs/] },
  { name: 'WELCOME twice', us: {}, hears: bytes(WELCOME, WELCOME), says: bytes(HELLO, INITIATE), log: [/WELCOME where READY belongs/] },
  { name: 'HELLO of another client', us: {}, hears: HELLO, says: HELLO, log: [/HELLO where WELCOME belongs/] },
]

/** The whole of what is heard, at every cut. */
function replay(make: (options: RecorderOptions) => Recorder, asServer: 0 | 1, { us, hears, says, log }: Said): void {
  const stream = bytes(greeting('CURVE'), hears)
  for (const offsets of [[], ...cuts(stream.length)]) {
    const recorder = make(us).hearCut(stream, offsets)
    expect(recorder.log).toHaveLength(log.length)
    log.forEach((line, index) => {
      if (typeof line === 'string') expect(recorder.log[index]).toBe(line)
      else expect(recorder.log[index]).toMatch(line)
    })
    expect(recorder.said()).toEqual(bytes(greeting('CURVE', 1, asServer), says))
  }
}

describe('a CURVE server, at any cut', () => {
  it.each(SERVER_CASES)('hears $name', (said) => replay(serverRecorder, 1, said))
})

describe('a CURVE client, at any cut', () => {
  it.each(CLIENT_CASES)('hears $name', (said) => replay(clientRecorder, 0, said))
})

describe('an application that answers later', () => {
  const asked = (): Recorder => serverRecorder({ answer: undefined as never, handshakeTimeoutMs: 1000 }).hear(CLIENT_SAYS)

  it('lets the client in, who is known by what it said', () => {
    const recorder = asked()
    expect(recorder.log).toEqual([authenticated])
    recorder.said()
    recorder.connection.answer({ status: 200, user: { id: 7 } }, 500)
    expect(recorder.info?.user).toEqual({ id: 7 })
    expect(recorder.said()).toEqual(READY)
  })

  it('finds a client that talked on meanwhile gone', () => {
    const recorder = asked().hear(INITIATE)
    expect(recorder.last).toMatch(/INITIATE where our answer belongs/)
  })

  it('finds the connection closed by the handshake timeout', () => {
    const recorder = asked()
    recorder.connection.tick(1000)
    expect(recorder.last).toMatch(/^closed HandshakeTimeout/)
    recorder.said()
    recorder.connection.answer({ status: 200, user: 'late' }, 1001)
    expect(recorder.said()).toHaveLength(0)
  })
})

/** With one bit of one byte changed, for each byte. */
function* altered(frame: Buffer): Generator<[offset: number, frame: Buffer]> {
  for (let offset = 0; offset < frame.length; offset++) {
    const copy = Buffer.from(frame)
    copy.writeUInt8(copy.readUInt8(offset) ^ (1 << (offset % 8)), offset)
    yield [offset, copy]
  }
}

/** Of every other length. */
function* cutOrGrown(body: Buffer): Generator<Buffer> {
  for (let length = 1; length < body.length; length++) yield body.subarray(0, length)
  yield bytes(body, '00')
  yield bytes(body, body)
}

describe('what was changed on the way closes, wherever it was changed', () => {
  // Nobody checks the padding: it only makes HELLO longer than WELCOME.
  const PADDING = { from: 8, to: 80 }

  it('HELLO', () => {
    for (const [offset, hello] of altered(V.hello)) {
      const recorder = serverRecorder().hear(greeting('CURVE'), naiveFrame(4, hello))
      const padding = offset >= PADDING.from && offset < PADDING.to
      expect(recorder.connection.state, `byte ${offset}`).toBe(padding ? 'handshake' : 'closed')
    }
    for (const hello of cutOrGrown(V.hello)) {
      expect(serverRecorder().hear(greeting('CURVE'), naiveFrame(4, hello)).connection.state).toBe('closed')
    }
  })

  it('WELCOME', () => {
    for (const welcome of [...[...altered(V.welcome)].map(([, frame]) => frame), ...cutOrGrown(V.welcome)]) {
      const recorder = clientRecorder().hear(greeting('CURVE'), naiveFrame(4, welcome))
      expect(recorder.connection.state).toBe('closed')
      // Nothing of what proves who we are goes to somebody else.
      expect(recorder.said()).toEqual(bytes(greeting('CURVE'), HELLO))
    }
  })

  it('INITIATE, and nobody is asked', () => {
    for (const initiate of [...[...altered(V.initiate)].map(([, frame]) => frame), ...cutOrGrown(V.initiate)]) {
      const recorder = serverRecorder().hear(greeting('CURVE'), HELLO, naiveFrame(4, initiate))
      expect(recorder.log).toEqual([expect.stringMatching(/^closed ProtocolError/)])
    }
  })

  it('READY', () => {
    for (const ready of [...[...altered(V.ready)].map(([, frame]) => frame), ...cutOrGrown(V.ready)]) {
      const recorder = clientRecorder().hear(greeting('CURVE'), WELCOME, naiveFrame(4, ready))
      expect(recorder.log).toEqual([expect.stringMatching(/^closed ProtocolError/)])
    }
  })

  it('MESSAGE', () => {
    const message = new Sealer('client').seal(0, '"a message"')
    for (const changed of [...[...altered(message)].map(([, frame]) => frame), ...cutOrGrown(message)]) {
      const recorder = serverInTraffic().hear(naiveFrame(0, changed))
      expect(recorder.log).toEqual([expect.stringMatching(/^closed ProtocolError/)])
    }
  })

  it('an empty MESSAGE frame', () => {
    expect(serverInTraffic().hear('00 00').last).toMatch(/in clear/)
  })
})

describe('a handshake with other keys', () => {
  const transient = keyPairOf(V.clientTransientSecret)
  const count = (counter: number): Buffer => bytes('00*7', Buffer.from([counter]))
  const other = keyPairOf(Buffer.alloc(32, 5))

  function hello({ version = '01 00', key = V.serverPublic, counter = 1, signature = Buffer.alloc(64) } = {}): Buffer {
    const box = new Box(transient, key).seal(bytes('"CurveZMQHELLO---"', count(counter)), signature)
    return command('05"HELLO"', version, '00*72', transient.publicKey, count(counter), box)
  }

  function initiate({ cookie = V.cookie, claimed = V.clientPublic, vouched = V.serverPublic } = {}): Buffer {
    const serverTransient = keyPairOf(V.serverTransientSecret).publicKey
    const vouch = new Box(keyPairOf(V.clientSecret), serverTransient).seal(
      bytes('"VOUCH---"', V.vouchNonce),
      bytes(transient.publicKey, vouched),
    )
    const content = bytes(claimed, V.vouchNonce, vouch, V.clientMetadata)
    const box = new Box(transient, serverTransient).seal(bytes('"CurveZMQINITIATE"', count(2)), content)
    return command('08"INITIATE"', cookie, count(2), box)
  }

  it('is as the vector when they are not other', () => {
    expect([hello(), initiate()]).toEqual([HELLO, INITIATE])
  })

  it.each([
    ['for another server', hello({ key: other.publicKey }), /cannot be opened: the peer has another public key for this server/],
    ['of another version', hello({ version: '02 00' }), /another version/],
    ['of another minor version', hello({ version: '01 01' }), /another version/],
    ['with something else signed', hello({ signature: Buffer.alloc(64, 1) }), /wrong signature/],
    ['with a public key of low order', bytes('04 C8 05"HELLO" 01 00', '00*192'), /public key is not valid/],
  ])('closes on a HELLO %s', (_name, frame, text) => {
    const recorder = serverRecorder().hear(greeting('CURVE'), frame)
    expect(recorder.log).toEqual([expect.stringMatching(text)])
    expect(recorder.said()).toEqual(greeting('CURVE', 1, 1))
  })

  it.each([
    ['whose cookie is of another connection', initiate({ cookie: Buffer.alloc(96, 1) }), /cookie that is not ours/],
    ['of who claims the key of another', initiate({ claimed: other.publicKey }), /the vouch cannot be opened/],
    ['that vouches for another server', initiate({ vouched: other.publicKey }), /a vouch for other keys/],
    ['with a key of low order', initiate({ claimed: Buffer.alloc(32) }), /public key is not valid/],
    ['of who writes its key in another way', initiate({ claimed: highBitSet(V.clientPublic) }), /public key is not valid/],
  ])('closes on an INITIATE %s', (_name, frame, text) => {
    const recorder = serverRecorder().hear(greeting('CURVE'), HELLO, frame)
    expect(recorder.log).toEqual([expect.stringMatching(text)])
  })

  it('closes on an INITIATE whose counter does not rise above that of HELLO', () => {
    for (const counter of [2, 3, 200]) {
      const recorder = serverRecorder().hear(greeting('CURVE'), hello({ counter }), INITIATE)
      expect(recorder.last).toMatch(/counter of CURVE has not risen/)
    }
    expect(serverRecorder().hear(greeting('CURVE'), hello({ counter: 0 }), INITIATE).connection.state).toBe('traffic')
  })

  it('does not begin when the server key that is set is none', () => {
    const recorder = new Recorder({ mechanism: (metadata) => clientOf(V, metadata, Buffer.alloc(32)) }).hear(greeting('CURVE'))
    expect(recorder.last).toMatch(/public key is not valid/)
  })
})

describe('what it means when the peer closes', () => {
  it('is most likely a wrong server key while our HELLO is not answered, and anything later on', () => {
    const recorder = clientRecorder()
    expect(recorder.connection.reasonIfClosedNow).toBeUndefined()
    recorder.hear(greeting('CURVE'))
    expect(recorder.connection.reasonIfClosedNow).toBeInstanceOf(HelloRefused)
    expect(String(recorder.connection.reasonIfClosedNow)).toMatch(/server's public key/)
    recorder.hear(WELCOME)
    expect(recorder.connection.reasonIfClosedNow).toBeUndefined()
    recorder.hear(READY)
    expect(recorder.connection.reasonIfClosedNow).toBeUndefined()
  })
})

describe('counters', () => {
  it('that are repeated or fall close', () => {
    const sealer = new Sealer('client')
    const [first, second] = [sealer.frame(0, '"1"'), sealer.frame(0, '"2"')]
    expect(serverInTraffic().hear(first, first).log).toEqual(['message 31', expect.stringMatching(/not risen/)])
    expect(serverInTraffic().hear(second, first).log).toEqual(['message 32', expect.stringMatching(/not risen/)])
    sealer.counter = 1
    expect(serverInTraffic().hear(sealer.frame(0, '"x"')).log).toEqual([expect.stringMatching(/not risen/)])
  })

  it('may leave some out', () => {
    const sealer = new Sealer('client')
    const recorder = serverInTraffic()
    for (const counter of [2, 10, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 40]) {
      sealer.counter = counter
      recorder.hear(sealer.frame(0, '"x"'))
    }
    expect(recorder.log).toEqual(Array.from({ length: 6 }, () => 'message 78'))
  })

  it('from 2^53 on are never taken twice', () => {
    const sealer = new Sealer('client')
    sealer.counter = 2 ** 60
    const last = bytes('07"MESSAGE" FF*8', Buffer.alloc(17))
    const recorder = serverInTraffic().hear(sealer.frame(0, '"x"'))
    sealer.counter = 2 ** 60 - 1
    recorder.hear(sealer.frame(0, '"x"'))
    expect(recorder.log).toEqual(['message 78', expect.stringMatching(/not risen/)])
    expect(serverInTraffic().hear(naiveFrame(0, last)).last).toMatch(/cannot be opened/)
  })

  it('of ours begin behind those of the handshake, and count each frame', () => {
    const client = clientInTraffic()
    client.connection.send([Buffer.from('a'), Buffer.from('b')])
    client.connection.send([Buffer.from('c')])
    const sealer = new Sealer('client')
    expect(client.said()).toEqual(bytes(sealer.frame(1, '"a"'), sealer.frame(0, '"b"'), sealer.frame(0, '"c"')))
    const server = serverInTraffic()
    server.connection.send([Buffer.from('a')])
    expect(server.said()).toEqual(new Sealer('server').frame(0, '"a"'))
  })
})

describe('frames inside', () => {
  it('are a message, whole, with commands between its parts', () => {
    const sealer = new Sealer('client')
    const recorder = serverInTraffic()
    recorder.hear(sealer.frame(1, '"a"'), sealer.frame(2, '04"PING" 0000 "context"'), sealer.frame(1), sealer.frame(0, '"c"'))
    expect(recorder.log).toEqual(['message 61||63'])
    expect(new Sealer('server').open(recorder.said())).toEqual(['0 2 \x04PONGcontext'])
  })

  it('are PINGs of ours, too', () => {
    const recorder = clientInTraffic({ heartbeat: { intervalMs: 100, timeoutMs: 50, ttlMs: 500 } })
    recorder.connection.tick(100)
    expect(new Sealer('client').open(recorder.said())).toEqual(['0 2 \x04PING\x00\x05'])
    recorder.now = 120
    recorder.hear(new Sealer('server').frame(2, '04"PONG"'))
    recorder.connection.tick(151)
    expect(recorder.connection.state).toBe('traffic')
  })

  it('are one PONG for all PINGs that came while nothing could be written', () => {
    const [sealer, recorder] = [new Sealer('client'), serverInTraffic()]
    recorder.connection.setOutputBlocked(true)
    recorder.hear(sealer.frame(2, '04"PING" 0000 "1"'), sealer.frame(2, '04"PING" 0000 "2"'))
    expect(recorder.said()).toHaveLength(0)
    recorder.connection.setOutputBlocked(false)
    expect(new Sealer('server').open(recorder.said())).toEqual(['0 2 \x04PONG2'])
  })

  it.each([
    [1, (topic: string) => `0 2 \x09SUBSCRIBE${topic}`, (topic: string) => `0 2 \x06CANCEL${topic}`],
    [0, (topic: string) => `0 0 \x01${topic}`, (topic: string) => `0 0 \x00${topic}`],
  ])('are subscriptions, for a peer of 3.%i', (minor, subscribed, cancelled) => {
    const stream = Buffer.from(SERVER_SAYS)
    stream[11] = minor
    const recorder = clientRecorder({ type: 'DEALER' }).hear(stream)
    recorder.said()
    const topic = 't'.repeat(250)
    recorder.connection.sendSubscription(true, Buffer.from('ab'))
    recorder.connection.sendSubscription(true, Buffer.from(topic))
    recorder.connection.sendSubscription(false, Buffer.from(topic))
    expect(new Sealer('client').open(recorder.said())).toEqual([subscribed('ab'), subscribed(topic), cancelled(topic)])
  })

  it('are heard by publishers as subscriptions, and by no others', () => {
    const vector = VECTORS[1] as Vector
    const publisher = new Recorder({ type: 'XPUB', mechanism: (metadata) => serverOf(vector, metadata), answer: LET_IN })
    publisher.hear(greeting('CURVE'), naiveFrame(4, vector.hello), naiveFrame(4, vector.initiate))
    for (const { from, sealed } of vector.messages) if (from === 'client') publisher.hear(naiveFrame(0, sealed))
    expect(publisher.log.slice(2)).toEqual(['subscribe 746f706963', 'message 016f74686572', 'cancel 746f706963'])
    expect(serverInTraffic().hear(new Sealer('client').frame(2, '09"SUBSCRIBE" "a"')).log).toEqual([])
  })

  it('may be commands that nobody knows', () => {
    expect(serverInTraffic().hear(new Sealer('client').frame(2, '03"NEW" "data"')).log).toEqual([])
  })

  it.each([
    ['COMMAND where it stands outside', 4, '04"PING" 0000', /reserved flag bits/],
    ['every flag', 0xff, '', /reserved flag bits/],
    ['a command with MORE', 3, '04"PING" 0000', /command has the MORE flag/],
    ['an empty command', 2, '', /without a whole name/],
    ['a PING without its time', 2, '04"PING"', /time to live/],
    ['a second READY', 2, '05"READY"', /second READY/],
  ])('close when they are %s', (_name, flags, body, text) => {
    expect(serverInTraffic().hear(new Sealer('client').frame(flags, body)).log).toEqual([expect.stringMatching(text)])
  })
})

describe('frames outside', () => {
  it('may have the COMMAND that the specification reads as if they had', () => {
    const sealer = new Sealer('client')
    const recorder = serverInTraffic().hear(naiveFrame(4, sealer.seal(1, '"a"')), naiveFrame(0, sealer.seal(0, '"b"')))
    recorder.hear(naiveFrame(4, sealer.seal(0, Buffer.alloc(70_000, 'x'))))
    expect(recorder.log).toEqual(['message 61|62', `message ${show(Buffer.alloc(70_000, 'x'))}`])
  })

  it.each([
    ['a message in clear', '00 01 61', /in clear behind the handshake/],
    ['a message of several frames in clear', '01 01 61 00 01 62', /MORE flag set outside/],
    ['a PING in clear', '04 07 04"PING" 0000', /in clear/],
    ['ERROR in clear', '04 0A 05"ERROR" 03"400"', /in clear/],
    ['another READY', READY, /in clear/],
    ['an empty command', '04 00', /command is empty/],
    ['a MESSAGE with MORE', bytes('01 22', new Sealer('client').seal(0, '"a"')), /MORE flag set outside/],
  ])('close when they are %s', (_name, heard, text) => {
    expect(serverInTraffic({ type: 'ROUTER' }).hear(heard).log).toEqual([expect.stringMatching(text)])
  })

  it('of a subscription are never taken for one whose LONG bit was forgotten', () => {
    const vector = VECTORS[1] as Vector
    const publisher = new Recorder({ type: 'XPUB', mechanism: (metadata) => serverOf(vector, metadata), answer: LET_IN })
    publisher.hear(greeting('CURVE'), naiveFrame(4, vector.hello), naiveFrame(4, vector.initiate))
    publisher.hear('04 00*6 0100 09"SUBSCRIBE" 74*246')
    expect(publisher.last).toMatch(/command is empty/)
  })
})

describe('limits', () => {
  const limits = { maxFrameBytes: 1000, maxMessageBytes: 1500, maxMessageFrames: 3, maxCommandBytes: 500 }
  const hear = (...frames: [flags: number, length: number][]): string[] => {
    const sealer = new Sealer('client')
    const recorder = serverInTraffic({ limits })
    for (const [flags, length] of frames) recorder.hear(sealer.frame(flags, Buffer.alloc(length, flags === 2 ? '\x03NEW' : 'x')))
    return recorder.log
  }

  it('count what is inside, to the byte', () => {
    expect(hear([0, 1000])).toEqual([`message ${show(Buffer.alloc(1000, 'x'))}`])
    expect(hear([1, 1000], [0, 500])).toHaveLength(1)
    expect(hear([2, 500])).toEqual([])
    expect(hear([0, 1001])).toEqual([expect.stringMatching(/a frame of 1034 bytes is over the limit of 1033/)])
    expect(hear([1, 1000], [0, 501])).toEqual([expect.stringMatching(/message over the limit of 1500 bytes/)])
    expect(hear([2, 501])).toEqual([expect.stringMatching(/a command of 501 bytes is over the limit of 500 bytes/)])
    expect(hear([1, 1], [1, 1], [1, 1], [0, 1])).toEqual([expect.stringMatching(/more than 3 frames/)])
  })

  it('hold for a message sent as a command, too', () => {
    const sealer = new Sealer('client')
    expect(serverInTraffic({ limits }).hear(naiveFrame(4, sealer.seal(0, '78*1000'))).log).toHaveLength(1)
    const header = serverInTraffic({ limits }).hear('06 00*6 040A')
    expect(header.log).toEqual([expect.stringMatching(/command of 1034 bytes is over the limit of 1033/)])
  })

  it('are judged when the header is there', () => {
    expect(serverInTraffic({ limits }).hear('02 00*6 040A').log).toEqual([expect.stringMatching(/over the limit/)])
    expect(serverInTraffic().hear('02 FF*8').log).toEqual([expect.stringMatching(/2\^53/)])
  })

  it('of commands hold in the handshake', () => {
    expect(serverRecorder({ limits: { maxHandshakeBytes: 250 } }).hear(greeting('CURVE'), HELLO, INITIATE).last).toMatch(
      /over the limit of 250/,
    )
  })
})

describe('two connections, joined', () => {
  const frames = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ minLength: 200, maxLength: 300 }),
    fc.constant(new Uint8Array(70_000)),
  )
  const messages = fc.array(
    fc.array(
      frames.map((body) => Buffer.from(body)),
      { minLength: 1, maxLength: 4 },
    ),
    { maxLength: 6 },
  )
  const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 })

  it('carry any messages both ways, however the bytes are cut', () => {
    fc.assert(
      fc.property(messages, messages, fractions, (fromClient, fromServer, where) => {
        const [client, server] = [clientRecorder(), serverRecorder()]
        // To and fro, in pieces, until both are silent.
        const settle = (): void => {
          for (let moved = true; moved; ) {
            moved = false
            for (const [from, to] of [[client, server] as const, [server, client] as const]) {
              const said = from.said()
              if (said.length === 0) continue
              moved = true
              to.hearCut(
                said,
                where.map((fraction) => Math.floor(fraction * said.length)).sort((a, b) => a - b),
              )
            }
          }
        }
        settle()
        for (const message of fromClient) client.connection.send(message)
        for (const message of fromServer) server.connection.send(message)
        settle()
        expect([client.connection.state, server.connection.state]).toEqual(['traffic', 'traffic'])
        const equal = (one: Buffer[][], two: Buffer[][]): boolean =>
          one.length === two.length &&
          one.every(
            (message, index) =>
              Buffer.concat(message).equals(Buffer.concat(two[index] as Buffer[])) && message.length === two[index]?.length,
          )
        expect([equal(server.messages, fromClient), equal(client.messages, fromServer)]).toEqual([true, true])
      }),
      { numRuns: 60 },
    )
  })

  it('hold back while one is paused, and go on', () => {
    const sealer = new Sealer('client')
    const recorder = serverInTraffic()
    recorder.onEvent = () => recorder.connection.pause()
    recorder.hear(sealer.frame(0, '"1"'), sealer.frame(0, '"2"'), sealer.frame(0, '"3"'))
    expect(recorder.log).toEqual(['message 31'])
    recorder.connection.resume(0)
    expect(recorder.log).toEqual(['message 31', 'message 32'])
    recorder.onEvent = () => {}
    recorder.connection.resume(0)
    expect(recorder.log).toEqual(['message 31', 'message 32', 'message 33'])
  })

  it('read what lies between two bytes of anything else as rubbish, never as a message', () => {
    const good = bytes(new Sealer('client').frame(0, '"good"'))
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.nat(good.length), (junk, offset) => {
        const stream = bytes(good.subarray(0, offset), Buffer.from(junk), good.subarray(offset))
        const recorder = serverInTraffic().hear(stream)
        // What stood whole before the junk has come; nothing else has.
        expect(recorder.messages.every((message) => String(message[0]) === 'good')).toBe(true)
        expect(recorder.messages.length).toBeLessThanOrEqual(1)
      }),
    )
  })
})

describe('what a reason tells', () => {
  it('never holds a secret', () => {
    const secrets = [V.clientSecret, V.serverSecret, V.clientTransientSecret, V.serverTransientSecret]
    const written = secrets.flatMap((secret) => [
      secret.toString('hex'),
      encodeZ85(secret),
      secret.toString('base64'),
      secret.toString('base64url'),
    ])
    const reasons = [
      serverRecorder({ answer: () => ({ status: 400 }) }).hear(CLIENT_SAYS).reason,
      serverRecorder().hear(greeting('CURVE'), command('05"HELLO" 01 00', '01*192')).reason,
      serverRecorder().hear(greeting('CURVE'), HELLO, command('08"INITIATE" 00*248')).reason,
      clientRecorder().hear(greeting('CURVE'), command('07"WELCOME" 00*160')).reason,
      clientInTraffic().hear('00 01 61').reason,
      serverInTraffic().hear('00 01 61').reason,
    ]
    for (const reason of reasons) {
      expect(reason).toBeInstanceOf(ProtocolError)
      const shown = inspect(reason, { depth: 10, showHidden: true })
      for (const secret of written) expect(shown).not.toContain(secret)
    }
    expect(reasons[0]).toBeInstanceOf(AuthRefused)
  })
})
