/** CURVE after its handshake: what may be in a MESSAGE, in which order, and how large. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadCrypto } from '../../../src/wire/mechanism/crypto.ts'
import {
  clientInTraffic,
  clientRecorder,
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
import { bytes, greeting, naiveFrame, Recorder, show } from './helpers.ts'

await loadCrypto()

const HELLO = naiveFrame(4, V.hello)
const INITIATE = naiveFrame(4, V.initiate)
const READY = naiveFrame(4, V.ready)

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
