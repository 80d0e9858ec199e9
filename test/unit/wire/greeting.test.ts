import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../../src/errors.ts'
import { encodeGreeting, GreetingDecoder, MechanismMismatch } from '../../../src/wire/greeting.ts'
import { bytes, greeting } from './helpers.ts'

const NULL_NAME = '"NULL" 00*16'

interface Good {
  name: string
  hex: Buffer
  minor: 0 | 1
}

const GOOD: Good[] = [
  { name: '3.1, as written by the specification', hex: bytes(`FF 00*8 7F 03 01 ${NULL_NAME} 00 00*31`), minor: 1 },
  { name: '3.0, as libzmq 4.0 to 4.3.2 says', hex: bytes(`FF 00*8 7F 03 00 ${NULL_NAME} 00 00*31`), minor: 0 },
  { name: 'a length in the padding, as libzmq has it', hex: bytes(`FF 00*7 01 7F 03 01 ${NULL_NAME} 00 00*31`), minor: 1 },
  { name: 'a signature of which only the low bit is set', hex: bytes(`FF 00*8 01 03 01 ${NULL_NAME} 00 00*31`), minor: 1 },
  { name: '3.9', hex: bytes(`FF 00*8 7F 03 09 ${NULL_NAME} 00 00*31`), minor: 1 },
  { name: '4.0, which is not 3.0', hex: bytes(`FF 00*8 7F 04 00 ${NULL_NAME} 00 00*31`), minor: 1 },
  { name: '255.0', hex: bytes(`FF 00*8 7F FF 00 ${NULL_NAME} 00 00*31`), minor: 1 },
  { name: 'as-server set under NULL, and a filler', hex: bytes(`FF AA*8 7F 03 01 ${NULL_NAME} 01 EE*31`), minor: 1 },
]

interface Bad {
  name: string
  hex: Buffer
  /** The offset of the byte that gives it away. */
  at: number
  fault: RegExp
}

const BAD: Bad[] = [
  { name: 'HTTP', hex: bytes('"GET / HTTP/1.1" 0D0A 0D0A'), at: 0, fault: /first byte/ },
  { name: 'TLS', hex: bytes('16 03 01 02 00 01 00 01 FC 03 03 00*64'), at: 0, fault: /first byte/ },
  { name: 'a ZMTP 1.0 frame', hex: bytes('01 00 00*64'), at: 0, fault: /first byte/ },
  { name: 'an even signature', hex: bytes(`FF 00*8 7E 03 01 ${NULL_NAME} 00*32`), at: 9, fault: /signature/ },
  { name: 'ZMTP 2.0', hex: bytes('FF 00*8 7F 01 00*53'), at: 10, fault: /ZMTP 1, which is too old/ },
  { name: 'major 2', hex: bytes('FF 00*8 7F 02 00*53'), at: 10, fault: /ZMTP 2, which is too old/ },
  { name: 'major 0', hex: bytes('FF 00*8 7F 00 00*53'), at: 10, fault: /ZMTP 0, which is too old/ },
  { name: 'another mechanism', hex: bytes('FF 00*8 7F 03 01 "PLAIN" 00*15 00*32'), at: 31, fault: /mechanism PLAIN, this socket NULL/ },
  { name: 'no mechanism', hex: bytes('FF 00*8 7F 03 01 00*20 00*32'), at: 31, fault: /mechanism \(none\)/ },
  { name: 'a mechanism with rubbish behind it', hex: bytes('FF 00*8 7F 03 01 "NULL" 00*15 01 00*32'), at: 31, fault: /mechanism NULL/ },
  { name: 'a mechanism in lower case', hex: bytes('FF 00*8 7F 03 01 "null" 00*16 00*32'), at: 31, fault: /mechanism null/ },
  { name: 'a longer name that begins as ours', hex: bytes('FF 00*8 7F 03 01 "NULLIFY" 00*13 00*32'), at: 31, fault: /NULLIFY/ },
]

describe('a greeting that is good', () => {
  it.each(GOOD)('is read at any cut: $name', ({ hex, minor }) => {
    expect(hex).toHaveLength(64)
    for (let cut = 0; cut <= 64; cut++) {
      const decoder = new GreetingDecoder('NULL')
      expect(decoder.push(hex.subarray(0, cut))).toBe(cut)
      if (cut < 64) {
        expect(decoder.greeting).toBeUndefined()
        expect(decoder.push(hex.subarray(cut))).toBe(64 - cut)
      }
      expect(decoder.greeting).toEqual({ minor })
    }
  })

  it('leaves what follows it in the chunk', () => {
    const decoder = new GreetingDecoder('NULL')
    const stream = bytes(greeting('NULL'), '04 29 05')
    expect(decoder.push(stream.subarray(0, 7))).toBe(7)
    expect(decoder.push(stream.subarray(7))).toBe(57)
    expect(decoder.greeting).toEqual({ minor: 1 })
  })
})

describe('a greeting that is not', () => {
  it.each(BAD)('is refused at the byte that shows it, not later: $name', ({ hex, at, fault }) => {
    const decoder = new GreetingDecoder('NULL')
    for (let offset = 0; offset < at; offset++) decoder.push(hex.subarray(offset, offset + 1))
    expect(() => decoder.push(hex.subarray(at, at + 1))).toThrow(fault)
  })

  it.each(BAD)('is refused in one chunk: $name', ({ hex, fault }) => {
    expect(() => new GreetingDecoder('NULL').push(hex)).toThrow(fault)
    expect(() => new GreetingDecoder('NULL').push(hex)).toThrow(ProtocolError)
  })

  it('tells another mechanism from lost peers, and shows no control characters', () => {
    const stream = bytes('FF 00*8 7F 03 01 "CU" 0A 1B "VE" 00*14 00*32')
    expect(() => new GreetingDecoder('PLAIN').push(stream)).toThrow(MechanismMismatch)
    expect(() => new GreetingDecoder('PLAIN').push(stream)).toThrow(/mechanism CU\?\?VE, this socket PLAIN/)
  })
})

describe('our greeting', () => {
  it.each([
    { mechanism: 'NULL', asServer: false, hex: `FF 00*8 7F 03 01 ${NULL_NAME} 00 00*31` },
    { mechanism: 'PLAIN', asServer: false, hex: 'FF 00*8 7F 03 01 "PLAIN" 00*15 00 00*31' },
    { mechanism: 'PLAIN', asServer: true, hex: 'FF 00*8 7F 03 01 "PLAIN" 00*15 01 00*31' },
  ])('is the 64 bytes of the specification: $mechanism, server $asServer', ({ mechanism, asServer, hex }) => {
    expect(encodeGreeting(mechanism, asServer)).toEqual(bytes(hex))
  })
})
