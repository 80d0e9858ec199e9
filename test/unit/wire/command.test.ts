import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../../src/errors.ts'
import {
  decodeCommand,
  decodePing,
  encodeCommand,
  encodePing,
  encodePong,
  encodeSubscription,
  readSubscriptionMessage,
  subscriptionMessage,
} from '../../../src/wire/command.ts'
import { FrameWriter } from '../../../src/wire/frame-writer.ts'
import { bytes, naiveFrame } from './helpers.ts'

describe('a command', () => {
  it.each([
    { name: 'READY', body: bytes('05"READY"'), data: bytes('') },
    { name: 'PING', body: bytes('04"PING" 0005 "abc"'), data: bytes('0005 "abc"') },
    { name: 'a', body: bytes('01"a" 00'), data: bytes('00') },
    { name: 'N'.repeat(255), body: bytes('FF 4E*255 01'), data: bytes('01') },
  ])('is its name and what follows: $name', ({ name, body, data }) => {
    expect(decodeCommand(body)).toEqual({ name, data })
    expect(encodeCommand(name, data)).toEqual(body)
  })

  it.each(['', '00', '00 61', '05"READ"', '01', 'FF 61*254'])('has a whole name: %s', (body) => {
    expect(() => decodeCommand(bytes(body))).toThrow(ProtocolError)
  })

  it('is written in pieces as one', () => {
    expect(encodeCommand('A', bytes('01'), bytes(''), bytes('02 03'))).toEqual(bytes('01"A" 01 02 03'))
  })
})

describe('PING and PONG', () => {
  it.each([
    { ttlMs: 0, hex: '0000' },
    { ttlMs: 100, hex: '0001' },
    { ttlMs: 6000, hex: '003C' },
    { ttlMs: 65_500, hex: '028F' },
    { ttlMs: 65_600, hex: '028F' },
    { ttlMs: 6_553_500, hex: '028F' },
  ])('never tell libzmq a time to live that it would wrap: $ttlMs ms', ({ ttlMs, hex }) => {
    expect(encodePing(ttlMs)).toEqual(bytes(`04"PING" ${hex}`))
  })

  it.each([
    { hex: '0000', ttlMs: 0, context: '' },
    { hex: '0005 "abcd"', ttlMs: 500, context: '"abcd"' },
    { hex: 'FFFF', ttlMs: 6_553_500, context: '' },
    { hex: '0290', ttlMs: 65_600, context: '' },
    { hex: '0000 61*16', ttlMs: 0, context: '61*16' },
    { hex: '0000 61*16 62*4', ttlMs: 0, context: '61*16' },
  ])('read the time to live in tenths of a second, and 16 bytes of context: $hex', ({ hex, ttlMs, context }) => {
    expect(decodePing(bytes(hex))).toEqual({ ttlMs, context: bytes(context) })
  })

  it.each(['', '00'])('refuse a PING without its time to live: %j', (hex) => {
    expect(() => decodePing(bytes(hex))).toThrow(/time to live/)
  })

  it('carry the context back', () => {
    expect(encodePong(bytes('"abc"'))).toEqual(bytes('04"PONG" "abc"'))
  })
})

describe('a subscription', () => {
  function travelling(subscribe: boolean, topic: Buffer, peerMinor: 0 | 1): Buffer {
    const { flags, body } = encodeSubscription(subscribe, topic, peerMinor)
    const writer = new FrameWriter()
    writer.writeFrame(flags, body)
    return Buffer.concat(writer.take())
  }

  it.each([
    { subscribe: true, length: 0, head: '04 0A 09"SUBSCRIBE"' },
    { subscribe: true, length: 245, head: '04 FF 09"SUBSCRIBE"' },
    { subscribe: true, length: 246, head: '06 00*6 0100 09"SUBSCRIBE"' },
    { subscribe: true, length: 255, head: '06 00*6 0109 09"SUBSCRIBE"' },
    { subscribe: true, length: 300, head: '06 00*6 0136 09"SUBSCRIBE"' },
    { subscribe: false, length: 248, head: '04 FF 06"CANCEL"' },
    { subscribe: false, length: 249, head: '06 00*6 0100 06"CANCEL"' },
  ])('is a command for a peer of 3.1, LONG by the size of its body: $subscribe $length', ({ subscribe, length, head }) => {
    const topic = Buffer.alloc(length, 't')
    expect(travelling(subscribe, topic, 1)).toEqual(bytes(head, topic))
  })

  it.each([
    { subscribe: true, length: 0, head: '00 01 01' },
    { subscribe: true, length: 254, head: '00 FF 01' },
    { subscribe: true, length: 255, head: '02 00*6 0100 01' },
    { subscribe: false, length: 0, head: '00 01 00' },
    { subscribe: false, length: 255, head: '02 00*6 0100 00' },
  ])('is a message for a peer of 3.0: $subscribe $length', ({ subscribe, length, head }) => {
    const topic = Buffer.alloc(length, 't')
    expect(travelling(subscribe, topic, 0)).toEqual(bytes(head, topic))
  })

  it('is the same as by the naive codec, for any topic', () => {
    const topics = fc.oneof(fc.nat(600), fc.constantFrom(65_525, 65_526, 65_536)).map((length) => Buffer.alloc(length, 'topic'))
    fc.assert(
      fc.property(topics, fc.boolean(), (topic, subscribe) => {
        const name = subscribe ? '09"SUBSCRIBE"' : '06"CANCEL"'
        expect(travelling(subscribe, topic, 1).equals(naiveFrame(4, bytes(name, topic)))).toBe(true)
        expect(travelling(subscribe, topic, 0).equals(naiveFrame(0, bytes(subscribe ? '01' : '00', topic)))).toBe(true)
      }),
    )
  })

  it('in the message form is told by its first byte alone', () => {
    expect(readSubscriptionMessage([bytes('01 "ab"')])).toEqual({ subscribe: true, topic: bytes('"ab"') })
    expect(readSubscriptionMessage([bytes('00')])).toEqual({ subscribe: false, topic: bytes('') })
    expect(readSubscriptionMessage([bytes('01 "a"'), bytes('02')])).toEqual({ subscribe: true, topic: bytes('"a"') })
    expect(readSubscriptionMessage([bytes('02 "a"')])).toBeUndefined()
    expect(readSubscriptionMessage([bytes('')])).toBeUndefined()
    expect(readSubscriptionMessage([bytes(''), bytes('01 "a"')])).toBeUndefined()
    expect(subscriptionMessage(true, bytes('"ab"'))).toEqual(bytes('01 "ab"'))
    expect(subscriptionMessage(false, bytes(''))).toEqual(bytes('00'))
  })
})
