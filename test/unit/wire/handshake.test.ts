import { describe, expect, it } from 'vitest'
import type { AuthAnswer } from '../../../src/wire/mechanism/mechanism.ts'
import { AuthRefused } from '../../../src/wire/mechanism/mechanism.ts'
import { PlainServer } from '../../../src/wire/mechanism/plain.ts'
import { bytes, command, cuts, greeting, Recorder, type RecorderOptions, ready, typed } from './helpers.ts'

interface Vector {
  name: string
  us: RecorderOptions
  /** What the peer says, behind its greeting. */
  hears: Buffer
  /** What we say, behind ours. */
  says: Buffer
  log: (string | RegExp)[]
}

const answering = (status: 200 | 300 | 400 | 500): (() => AuthAnswer) => {
  return () => (status === 200 ? { status, user: 'somebody' } : { status })
}

const nothing = Buffer.alloc(0)
const OUR_READY = ready('DEALER', '')

const NULL_VECTORS: Vector[] = [
  { name: 'READY', us: {}, hears: ready('ROUTER'), says: OUR_READY, log: ['ready ROUTER'] },
  {
    name: 'READY byte for byte, with a routing id of ours',
    us: { routingId: 'me' },
    hears: bytes('04 2B 05"READY" 0B"Socket-Type" 00000006"ROUTER" 08"Identity" 00000002"id"'),
    says: bytes('04 2B 05"READY" 0B"Socket-Type" 00000006"DEALER" 08"Identity" 00000002"me"'),
    log: ['ready ROUTER id'],
  },
  {
    name: 'READY in the long form',
    us: {},
    hears: bytes('06 00*7 29 05"READY" 0B"Socket-Type" 00000006"DEALER" 08"Identity" 00000000'),
    says: bytes('04 29 05"READY" 0B"Socket-Type" 00000006"DEALER" 08"Identity" 00000000'),
    log: ['ready DEALER'],
  },
  {
    name: 'a message right behind READY',
    us: {},
    hears: bytes(ready('REP'), '01 00 00 01 61'),
    says: OUR_READY,
    log: ['ready REP', 'message |61'],
  },
  { name: 'a message', us: {}, hears: bytes('00 01 61'), says: OUR_READY, log: [/message before the handshake/] },
  { name: 'an empty message', us: {}, hears: bytes('01 00'), says: OUR_READY, log: [/message before the handshake/] },
  { name: 'PING', us: {}, hears: command('04"PING" 0000'), says: OUR_READY, log: [/PING where READY belongs/] },
  { name: 'HELLO', us: {}, hears: command('05"HELLO" 00 00'), says: OUR_READY, log: [/HELLO where READY belongs/] },
  { name: 'ready in lower case', us: {}, hears: command('05"ready"', typed('REP')), says: OUR_READY, log: [/ready where READY belongs/] },
  {
    name: 'ERROR with a text',
    us: {},
    hears: command('05"ERROR" 05"no" 0A "go"'),
    says: OUR_READY,
    log: [/the peer ended the handshake: no\?go/],
  },
  { name: 'ERROR without a text', us: {}, hears: command('05"ERROR" 00'), says: OUR_READY, log: [/no reason given/] },
  { name: 'ERROR of ZAP', us: {}, hears: command('05"ERROR" 03"400"'), says: OUR_READY, log: [/^closed AuthRefused: .*\(400\)/] },
  {
    name: 'ERROR with a wrong length',
    us: {},
    hears: command('05"ERROR" 04"400"'),
    says: OUR_READY,
    log: [/ERROR command with a wrong length/],
  },
  { name: 'ERROR with nothing', us: {}, hears: command('05"ERROR"'), says: OUR_READY, log: [/ERROR command with a wrong length/] },
  { name: 'another type', us: {}, hears: ready('PUB'), says: OUR_READY, log: [/^closed IncompatiblePeer: .*PUB.*DEALER/] },
]

const CLIENT: RecorderOptions = { plain: ['user', 'secret'] }
const HELLO = command('05"HELLO" 04"user" 06"secret"')
const WELCOME = bytes('04 08 07"WELCOME"')
const INITIATE = command('08"INITIATE"', typed('DEALER', ''))

const CLIENT_VECTORS: Vector[] = [
  { name: 'WELCOME, READY', us: CLIENT, hears: bytes(WELCOME, ready('ROUTER', '')), says: bytes(HELLO, INITIATE), log: ['ready ROUTER'] },
  { name: 'WELCOME alone', us: CLIENT, hears: WELCOME, says: bytes(HELLO, INITIATE), log: [] },
  {
    name: 'a message behind READY',
    us: CLIENT,
    hears: bytes(WELCOME, ready('REP'), '00 01 61'),
    says: bytes(HELLO, INITIATE),
    log: ['ready REP', 'message 61'],
  },
  { name: 'ERROR', us: CLIENT, hears: command('05"ERROR" 03"400"'), says: HELLO, log: [/^closed AuthRefused: .*\(400\)/] },
  {
    name: 'ERROR as libzmq spells it',
    us: CLIENT,
    hears: bytes('04 09 5E"RROR" 03"400"'),
    says: HELLO,
    log: [/^closed AuthRefused: .*\(400\)/],
  },
  { name: 'ERROR 500', us: CLIENT, hears: bytes('04 09 5E"RROR" 03"500"'), says: HELLO, log: [/^closed AuthRefused: .*\(500\)/] },
  {
    name: 'ERROR behind WELCOME',
    us: CLIENT,
    hears: bytes(WELCOME, '04 0A 05"ERROR" 03"300"'),
    says: bytes(HELLO, INITIATE),
    log: [/\(300\)/],
  },
  { name: 'the misspelt ERROR cut short', us: CLIENT, hears: bytes('04 05 5E"RROR"'), says: HELLO, log: [/without a whole name/] },
  { name: 'WELCOME with something behind it', us: CLIENT, hears: bytes('04 09 07"WELCOME" 00'), says: HELLO, log: [/something behind it/] },
  { name: 'READY before WELCOME', us: CLIENT, hears: ready('ROUTER'), says: HELLO, log: [/READY where WELCOME belongs/] },
  { name: 'WELCOME twice', us: CLIENT, hears: bytes(WELCOME, WELCOME), says: bytes(HELLO, INITIATE), log: [/WELCOME where READY belongs/] },
  { name: 'HELLO from another client', us: CLIENT, hears: HELLO, says: HELLO, log: [/HELLO where WELCOME belongs/] },
  { name: 'empty credentials', us: { plain: ['', ''] }, hears: nothing, says: command('05"HELLO" 00 00'), log: [] },
  {
    name: 'the longest credentials',
    us: { plain: ['u'.repeat(255), 'p'.repeat(255)] },
    hears: WELCOME,
    says: bytes('06 00*6 0206 05"HELLO" FF 75*255 FF 70*255', INITIATE),
    log: [],
  },
]

const LET_IN: RecorderOptions = { type: 'ROUTER', plain: 'server', answer: answering(200) }
const SERVER_READY = ready('ROUTER', '')

const SERVER_VECTORS: Vector[] = [
  {
    name: 'HELLO, INITIATE',
    us: LET_IN,
    hears: bytes(HELLO),
    says: bytes(WELCOME),
    log: ['authenticate user:secret'],
  },
  {
    name: 'INITIATE that did not wait, when the answer came at once',
    us: LET_IN,
    hears: bytes(HELLO, INITIATE, '00 01 61'),
    says: bytes(WELCOME, SERVER_READY),
    log: ['authenticate user:secret', 'ready DEALER', 'message 61'],
  },
  { name: 'empty credentials', us: LET_IN, hears: command('05"HELLO" 00 00'), says: WELCOME, log: ['authenticate :'] },
  {
    name: 'the answer 300',
    us: { ...LET_IN, answer: answering(300) },
    hears: HELLO,
    says: nothing,
    log: ['authenticate user:secret', /\(300\)/],
  },
  {
    name: 'the answer 400',
    us: { ...LET_IN, answer: answering(400) },
    hears: HELLO,
    says: bytes('04 0A 05"ERROR" 03"400"'),
    log: ['authenticate user:secret', /^closed AuthRefused: .*were refused \(400\)/],
  },
  {
    name: 'the answer 500',
    us: { ...LET_IN, answer: answering(500) },
    hears: HELLO,
    says: bytes('04 0A 05"ERROR" 03"500"'),
    log: ['authenticate user:secret', /\(500\)/],
  },
  { name: 'no username', us: LET_IN, hears: command('05"HELLO"'), says: nothing, log: [/cut short/] },
  { name: 'no password', us: LET_IN, hears: command('05"HELLO" 04"user"'), says: nothing, log: [/cut short/] },
  { name: 'a username past the end', us: LET_IN, hears: command('05"HELLO" 05"user"'), says: nothing, log: [/cut short/] },
  { name: 'a password past the end', us: LET_IN, hears: command('05"HELLO" 04"user" 07"secret"'), says: nothing, log: [/cut short/] },
  {
    name: 'a byte behind the password',
    us: LET_IN,
    hears: command('05"HELLO" 04"user" 06"secret" 00'),
    says: nothing,
    log: [/behind the password/],
  },
  { name: 'WELCOME for HELLO, as libzmq 4.3.0 says', us: LET_IN, hears: WELCOME, says: nothing, log: [/WELCOME where HELLO belongs/] },
  { name: 'INITIATE first', us: LET_IN, hears: INITIATE, says: nothing, log: [/INITIATE where HELLO belongs/] },
  { name: 'READY first', us: LET_IN, hears: ready('REQ'), says: nothing, log: [/READY where HELLO belongs/] },
  {
    name: 'HELLO twice',
    us: LET_IN,
    hears: bytes(HELLO, HELLO),
    says: WELCOME,
    log: ['authenticate user:secret', /HELLO where INITIATE belongs/],
  },
  {
    name: 'an INITIATE of a type that does not go with ours',
    us: LET_IN,
    hears: bytes(HELLO, command('08"INITIATE"', typed('SUB'))),
    says: WELCOME,
    log: ['authenticate user:secret', /^closed IncompatiblePeer/],
  },
  { name: 'a message', us: LET_IN, hears: bytes('00 01 61'), says: nothing, log: [/message before the handshake/] },
]

function replay(mechanism: 'NULL' | 'PLAIN', { us, hears, says, log }: Vector): void {
  const stream = bytes(greeting(mechanism), hears)
  for (const offsets of [[], ...cuts(stream.length)]) {
    const recorder = new Recorder(us).hearCut(stream, offsets)
    expect(recorder.log).toHaveLength(log.length)
    log.forEach((line, index) => {
      if (typeof line === 'string') expect(recorder.log[index]).toBe(line)
      else expect(recorder.log[index]).toMatch(line)
    })
    expect(recorder.said()).toEqual(bytes(greeting(mechanism, 1, us.plain === 'server' ? 1 : 0), says))
  }
}

describe('a NULL handshake, at any cut', () => {
  it.each(NULL_VECTORS)('hears $name', (vector) => replay('NULL', vector))
})

describe('a PLAIN client, at any cut', () => {
  it.each(CLIENT_VECTORS)('hears $name', (vector) => replay('PLAIN', vector))
})

describe('a PLAIN server, at any cut', () => {
  it.each(SERVER_VECTORS)('hears $name', (vector) => replay('PLAIN', vector))
})

describe('an application that answers later', () => {
  const server = (): Recorder =>
    new Recorder({ ...LET_IN, answer: undefined as never, handshakeTimeoutMs: 1000 }).hear(greeting('PLAIN'), HELLO)

  it('lets the client in, and the peer is known by what it said', () => {
    const recorder = server()
    expect(recorder.log).toEqual(['authenticate user:secret'])
    recorder.said()
    recorder.connection.answer({ status: 200, user: { id: 7 } }, 500)
    expect(recorder.said()).toEqual(WELCOME)
    recorder.hear(INITIATE)
    expect(recorder.info?.user).toEqual({ id: 7 })
    expect(recorder.said()).toEqual(SERVER_READY)
  })

  it('is heard once', () => {
    const recorder = server()
    recorder.said()
    recorder.connection.answer({ status: 200, user: 'first' }, 1)
    recorder.connection.answer({ status: 400 }, 2)
    expect(recorder.said()).toEqual(WELCOME)
    expect(recorder.connection.state).toBe('handshake')
  })

  it('refuses, and the error says that it was us', () => {
    const recorder = server()
    recorder.connection.answer({ status: 400 }, 1)
    expect(recorder.reason).toBeInstanceOf(AuthRefused)
    expect(recorder.reason).toMatchObject({ status: 400, byPeer: false })
  })

  it('finds a client that talked on meanwhile gone, and says nothing more', () => {
    const recorder = server().hear(INITIATE)
    expect(recorder.last).toMatch(/INITIATE where our answer belongs/)
    recorder.said()
    recorder.connection.answer({ status: 200, user: 'late' }, 1)
    expect(recorder.said()).toHaveLength(0)
    expect(recorder.log).toHaveLength(2)
  })

  it('finds the connection closed by the handshake timeout', () => {
    const recorder = server()
    recorder.connection.tick(1000)
    expect(recorder.last).toMatch(/^closed HandshakeTimeout/)
    recorder.said()
    recorder.connection.answer({ status: 200, user: 'late' }, 1001)
    expect(recorder.said()).toHaveLength(0)
    expect(recorder.connection.state).toBe('closed')
  })
})

describe('a PLAIN server by itself', () => {
  it('takes nothing between HELLO and the answer', () => {
    const server = new PlainServer(Buffer.alloc(0))
    const hello = { name: 'HELLO', data: bytes('00 00') }
    expect(server.receive(hello).name).toBe('authenticate')
    expect(() => server.receive(hello)).toThrow(/HELLO where nothing belongs/)
    expect(() => server.receive({ name: 'INITIATE', data: typed('REQ') })).toThrow(/INITIATE where nothing belongs/)
    server.answer({ status: 200, user: undefined })
    expect(server.receive({ name: 'INITIATE', data: typed('REQ') }).name).toBe('ready')
  })
})

describe('what a reason tells', () => {
  it('never holds a password', () => {
    for (const status of [300, 400, 500] as const) {
      const recorder = new Recorder({ ...LET_IN, answer: answering(status) }).hear(greeting('PLAIN'), HELLO)
      expect(recorder.last).not.toContain('secret')
      expect(String(recorder.reason?.stack)).not.toContain('secret')
    }
  })

  it('shows a name of the peer without control characters, and not all of a long one', () => {
    const recorder = new Recorder().hear(greeting('NULL'), command('FF 1B*255'))
    expect(recorder.reason?.reason).toBe(`the peer sent ${'?'.repeat(32)} where READY belongs`)
    const waiting = new Recorder({ plain: 'server' }).hear(greeting('PLAIN'), HELLO, command('03 1B 0A "x"'))
    expect(waiting.reason?.reason).toBe('the peer sent ??x where our answer belongs')
  })
})
