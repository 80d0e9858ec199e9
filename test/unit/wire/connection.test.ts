/** One connection: its limits and numbers, how it pauses, how it ends. */

import { describe, expect, it } from 'vitest'
import { bytes, greeting, inTraffic, Recorder, ready } from './helpers.ts'

const PONG = bytes('04 05 04"PONG"')
const PING = bytes('04 07 04"PING" 0000')

describe('limits of a connection', () => {
  it('hold for a message of a single frame', () => {
    const limits = { maxFrameBytes: 1000, maxMessageBytes: 10 }
    const recorder = inTraffic({ limits }).hear('00 0A 61*10')
    expect(recorder.log).toEqual(['message 61616161616161616161'])
    recorder.hear('00 0B 61*11')
    expect(recorder.last).toMatch(/closed LimitExceeded: .* over the limit of 10 bytes/)
  })

  it('hold over all frames of a message', () => {
    const recorder = inTraffic({ limits: { maxMessageBytes: 10 } }).hear(
      '01 05 61*5 00 05 61*5',
      '01 05 61*5 00 05 61*5',
      '01 05 61*5 00 06 61*6',
    )
    const whole = 'message 6161616161|6161616161'
    expect(recorder.log).toEqual([whole, whole, expect.stringMatching(/over the limit of 10 bytes/)])
  })

  it('hold for a numbered message, its number included', () => {
    const recorder = inTraffic({ limits: { maxMessageBytes: 10 }, numbered: true }).hear(
      '01 04 00000007 01 00 00 06 61*6',
      '01 04 00000008 01 00 00 07 61*7',
    )
    expect(recorder.log).toEqual(['numbered 7 616161616161', expect.stringMatching(/over the limit of 10 bytes/)])
  })

  it('keep a stranger from making us hold a message: it is refused at its header', () => {
    const recorder = new Recorder().hear(greeting('NULL'), '02 00*4 10000000')
    expect(recorder.last).toMatch(/a message before the handshake was over/)
  })
})

describe('numbered messages', () => {
  it('come in order with the others, behind READY in its chunk already', () => {
    const recorder = new Recorder({ numbered: true })
    recorder.hear(greeting('NULL'), ready('ROUTER'), '01 04 00000007 01 00 00 01 61', '00 01 62', PING, '01 04 00000008 01 00 00 00')
    expect(recorder.log.slice(1)).toEqual(['numbered 7 61', 'message 62', 'numbered 8 '])
  })

  it('come as frames to whom did not ask, and where no envelope may come', () => {
    const message = '01 04 00000007 01 00 00 01 61'
    expect(inTraffic().hear(message).log).toEqual(['message 00000007||61'])
    expect(inTraffic({ numbered: true, limits: { maxMessageFrames: 2 } }).hear(message).last).toMatch(/more than 2 frames/)
    expect(inTraffic({ numbered: true, limits: { maxFrameBytes: 3 } }).hear(message).last).toMatch(/over the limit of 3 bytes/)
  })

  it('are written as their frames', () => {
    const recorder = inTraffic()
    recorder.connection.sendNumbered(7, [Buffer.from('a'), Buffer.from('b')])
    expect(recorder.said()).toEqual(bytes('01 04 00000007 01 00 01 01 61 00 01 62'))
  })
})

describe('pausing a connection', () => {
  it('keeps the messages behind READY until it is resumed', () => {
    const recorder = new Recorder()
    recorder.onEvent = (line) => {
      if (line.startsWith('ready')) recorder.connection.pause()
    }
    recorder.hear(greeting('NULL'), ready('REP'), '00 01 61 00 01 62')
    expect(recorder.log).toEqual(['ready REP'])
    recorder.connection.resume(0)
    expect(recorder.log).toEqual(['ready REP', 'message 61', 'message 62'])
  })

  it('stops after the message under way', () => {
    const recorder = inTraffic()
    recorder.onEvent = () => recorder.connection.pause()
    recorder.hear('00 01 61 00 01 62 00 01 63')
    expect(recorder.log).toEqual(['message 61'])
    recorder.connection.resume(0)
    expect(recorder.log).toEqual(['message 61', 'message 62'])
  })

  it('does not take the peer for dead: it is we who do not listen', () => {
    const heartbeat = { intervalMs: 100, timeoutMs: 50, ttlMs: 0 }
    const recorder = inTraffic({ heartbeat })
    recorder.connection.tick(100)
    recorder.connection.pause()
    for (let now = 110; now <= 1000; now += 10) recorder.connection.tick(now)
    expect(recorder.log).toEqual([])
    recorder.connection.resume(1000)
    for (let now = 1000; now <= 1200 && recorder.log.length === 0; now += 10) recorder.connection.tick(now)
    expect(recorder.log).toEqual([expect.stringMatching(/^closed PeerSilent/)])
  })

  it('does not run out the time to live of a PING that came before', () => {
    const recorder = inTraffic().hear('04 07 04"PING" 0005')
    recorder.connection.pause()
    expect(recorder.connection.deadline).toBe(Number.POSITIVE_INFINITY)
    recorder.connection.tick(10_000)
    expect(recorder.log).toEqual([])
  })
})

describe('closing a connection', () => {
  it('from within any event ends the events', () => {
    for (const stopAt of ['ready', 'message', 'subscribe']) {
      const recorder = new Recorder({ type: 'XPUB' })
      recorder.onEvent = (line) => {
        if (line.startsWith(stopAt)) recorder.connection.close()
      }
      recorder.hear(greeting('NULL'), ready('SUB'), '00 01 02 04 0B 09"SUBSCRIBE" 61', ready('SUB'), '00 01 03', PING, '08')
      expect(recorder.last).toMatch(new RegExp(`^${stopAt}`))
      recorder.hear('00 01 03')
      recorder.connection.resume(0)
      recorder.connection.tick(1e9)
      expect(recorder.last).toMatch(new RegExp(`^${stopAt}`))
      expect(recorder.connection.deadline).toBe(Number.POSITIVE_INFINITY)
    }
  })

  it('is told once, and nothing is armed afterwards', () => {
    const recorder = inTraffic({ heartbeat: { intervalMs: 10, timeoutMs: 10 }, handshakeTimeoutMs: 10 }).hear('08 00', '08 00', PING)
    recorder.connection.tick(1e9)
    recorder.connection.answer({ status: 400 }, 0)
    expect(recorder.log).toEqual([expect.stringMatching(/reserved/)])
    expect(recorder.connection.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(recorder.said()).toHaveLength(0)
  })

  it('lets a fault of the application through, it is none of the peer', () => {
    const recorder = inTraffic()
    recorder.onEvent = () => {
      throw new RangeError('ours')
    }
    expect(() => recorder.hear('00 01 61')).toThrow(RangeError)
    expect(recorder.connection.state).toBe('traffic')
  })
})

describe('a greeting in stages', () => {
  const VERSION_END = 12

  it('holds our mechanism back until the peer has told its own', () => {
    const recorder = new Recorder({ stagedGreeting: true })
    expect(recorder.said()).toEqual(greeting('NULL').subarray(0, VERSION_END))
    recorder.hear(greeting('NULL').subarray(0, 63))
    expect(recorder.said()).toHaveLength(0)
    recorder.hear(greeting('NULL').subarray(63))
    expect(recorder.said()).toEqual(bytes(greeting('NULL').subarray(VERSION_END), ready('DEALER', '')))
    recorder.hear(ready('REP'))
    expect(recorder.log).toEqual(['ready REP'])
    expect(recorder.connection.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it('hears of another mechanism before it has told its own', () => {
    const recorder = new Recorder({ stagedGreeting: true }).hear(greeting('PLAIN'))
    expect(recorder.reason?.message).toMatch(/the peer uses mechanism PLAIN, this socket NULL/)
    expect(recorder.said()).toHaveLength(VERSION_END)
  })

  it('is finished after a second for a peer that waits, too', () => {
    const recorder = new Recorder({ stagedGreeting: true, handshakeTimeoutMs: 3000 })
    recorder.said()
    expect(recorder.connection.deadline).toBe(1000)
    recorder.connection.tick(999)
    expect(recorder.said()).toHaveLength(0)
    recorder.connection.tick(1000)
    expect(recorder.said()).toEqual(greeting('NULL').subarray(VERSION_END))
    expect(recorder.connection.deadline).toBe(3000)
    recorder.hear(greeting('NULL'), ready('REP'))
    expect(recorder.said()).toEqual(ready('DEALER', ''))
  })
})

describe('heartbeats of a connection', () => {
  it('are all that is armed once the handshake is over in time', () => {
    const recorder = new Recorder({ handshakeTimeoutMs: 1000 }).hear(greeting('NULL'))
    expect(recorder.connection.deadline).toBe(1000)
    recorder.hear(ready('REP'))
    expect(recorder.connection.deadline).toBe(Number.POSITIVE_INFINITY)
    recorder.connection.tick(1000)
    expect(recorder.log).toEqual(['ready REP'])
  })

  it('start at READY, come every interval whatever is received, and only say PING', () => {
    const recorder = new Recorder({ heartbeat: { intervalMs: 100, timeoutMs: 1000, ttlMs: 300 } })
    expect(recorder.connection.deadline).toBe(Number.POSITIVE_INFINITY)
    recorder.now = 70
    recorder.hear(greeting('NULL'), ready('REP'))
    recorder.said()
    for (const at of [170, 270, 370]) {
      expect(recorder.connection.deadline).toBe(at)
      recorder.connection.tick(at - 1)
      expect(recorder.connection.outputBytes).toBe(0)
      recorder.connection.tick(at)
      expect(recorder.said()).toEqual(bytes('04 07 04"PING" 0003'))
      recorder.now = at + 1
      recorder.hear(PONG)
    }
  })

  it('with a timeout of 0 never end a connection', () => {
    const recorder = inTraffic({ heartbeat: { intervalMs: 100, timeoutMs: 0 } })
    for (let now = 100; now <= 1000; now += 100) recorder.connection.tick(now)
    expect(recorder.log).toEqual([])
    expect(recorder.connection.deadline).toBe(1100)
  })

  it('write no PING to a transport that is full, but still end a connection that stays silent', () => {
    const recorder = inTraffic({ heartbeat: { intervalMs: 100, timeoutMs: 50 } })
    recorder.connection.setOutputBlocked(true)
    recorder.connection.tick(100)
    expect(recorder.connection.outputBytes).toBe(0)
    expect(recorder.connection.deadline).toBe(150)
    recorder.connection.tick(150)
    expect(recorder.last).toMatch(/PeerSilent/)
  })
})
