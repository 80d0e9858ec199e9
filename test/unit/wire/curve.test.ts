/** CURVE up to its READY: every cut, every bit that was changed, every other key. */

import { inspect } from 'node:util'
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
  Sealer,
  serverInTraffic,
  serverOf,
  serverRecorder,
  V,
  VECTORS,
  type Vector,
} from './curve-helpers.ts'
import { bytes, command, cuts, greeting, naiveFrame, Recorder, type RecorderOptions } from './helpers.ts'

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
