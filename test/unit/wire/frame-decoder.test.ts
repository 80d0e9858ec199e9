import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ProtocolError } from '../../../src/errors.ts'
import { FrameDecoder, type FrameLimits } from '../../../src/wire/frame-decoder.ts'
import { toNumbered } from '../../../src/wire/numbered.ts'
import { bytes, cuts, naiveFrame } from './helpers.ts'

const LIMITS: FrameLimits = { maxFrameBytes: 70_000, maxCommandBytes: 1000, repairLostLongBit: false }
const REPAIR: FrameLimits = { ...LIMITS, repairLostLongBit: true }

interface Outcome {
  /** `flags:body`, in order. */
  frames: string[]
  fault?: string | undefined
}

/** Decodes a stream given in chunks; numbered messages are written as the frames that they are made of. */
function decode(chunks: readonly Buffer[], limits: FrameLimits, numbered = false): Outcome {
  const frames: string[] = []
  const note = (flags: number, body: Buffer): unknown => frames.push(`${flags}:${body.toString('hex')}`)
  const decoder = new FrameDecoder(
    {
      frame: note,
      numbered: (number, body) => {
        for (const [index, frame] of toNumbered(number, [body]).entries()) note(index < 2 ? 1 : 0, frame)
      },
    },
    limits,
  )
  decoder.numbered = numbered
  try {
    for (const chunk of chunks) decoder.decode(chunk)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return { frames, fault: error.reason }
  }
  return { frames }
}

function cutAt(stream: Buffer, offsets: readonly number[]): Buffer[] {
  const edges = [0, ...offsets, stream.length]
  return edges.slice(1).map((to, index) => Buffer.from(stream.subarray(edges[index], to)))
}

/** The same, read from the whole stream at once, with no thought of speed. Says whether there is a fault, not which. */
function naiveDecode(stream: Buffer, limits: FrameLimits): { frames: string[]; faulty: boolean } {
  const frames: string[] = []
  let rest = stream
  while (rest.length >= 2) {
    const flags = rest[0] as number
    let long = (flags & 2) === 2
    if (limits.repairLostLongBit && flags === 4 && rest[1] === 0) long = true
    if (rest.length < (long ? 9 : 2)) break
    const size = long ? rest.readBigUInt64BE(1) : BigInt(rest[1] as number)
    const isCommand = (flags & 4) === 4
    const faulty =
      size >= 2n ** 53n ||
      flags > 7 ||
      (isCommand && (flags & 1) === 1) ||
      size > BigInt(isCommand ? limits.maxCommandBytes : limits.maxFrameBytes) ||
      (isCommand && size === 0n) ||
      (long && flags === 4 && (size < 256n || size > 265n))
    if (faulty) return { frames, faulty }
    const start = long ? 9 : 2
    if (BigInt(rest.length - start) < size) break
    frames.push(`${flags & 5}:${rest.subarray(start, start + Number(size)).toString('hex')}`)
    rest = rest.subarray(start + Number(size))
  }
  return { frames, faulty: false }
}

interface Vector {
  name: string
  hex: Buffer
  frames: string[]
  fault?: RegExp
  limits?: FrameLimits
}

const hex = (...parts: string[]): string => bytes(...parts).toString('hex')

const VECTORS: Vector[] = [
  { name: 'nothing', hex: bytes(''), frames: [] },
  { name: 'an empty frame', hex: bytes('00 00'), frames: ['0:'] },
  { name: 'an empty frame with more', hex: bytes('01 00 00 00'), frames: ['1:', '0:'] },
  { name: 'one byte', hex: bytes('00 01 61'), frames: ['0:61'] },
  { name: 'a request of three frames', hex: bytes('01 04 00000007 01 00 00 04 "ping"'), frames: ['1:00000007', '1:', '0:70696e67'] },
  { name: '255 bytes, short', hex: bytes('00 FF 61*255'), frames: [`0:${hex('61*255')}`] },
  { name: '256 bytes, long', hex: bytes('02 0000000000000100 61*256'), frames: [`0:${hex('61*256')}`] },
  { name: '256 bytes with more', hex: bytes('03 0000000000000100 61*256 00 00'), frames: [`1:${hex('61*256')}`, '0:'] },
  { name: 'the long form of an empty frame', hex: bytes('02 00*8 00 01 62'), frames: ['0:', '0:62'] },
  { name: 'the long form of three bytes', hex: bytes('03 00*7 03 "abc" 00 00'), frames: ['1:616263', '0:'] },
  { name: 'a command', hex: bytes('04 05 04"PONG"'), frames: ['4:04504f4e47'] },
  { name: 'a long command', hex: bytes('06 00*7 05 04"PONG"'), frames: ['4:04504f4e47'] },
  { name: 'a command between frames', hex: bytes('01 01 61 04 05 04"PONG" 00 01 62'), frames: ['1:61', '4:04504f4e47', '0:62'] },
  { name: 'a frame cut short', hex: bytes('00 01 61 00 05 "abc"'), frames: ['0:61'] },
  { name: 'a header cut short', hex: bytes('00 01 61 02 00 00'), frames: ['0:61'] },
  { name: 'each reserved bit: 08', hex: bytes('00 00 08 00'), frames: ['0:'], fault: /reserved/ },
  { name: 'each reserved bit: 10', hex: bytes('10 00'), frames: [], fault: /reserved/ },
  { name: 'each reserved bit: 20', hex: bytes('20 01 61'), frames: [], fault: /reserved/ },
  { name: 'each reserved bit: 40', hex: bytes('42 00*7 01 61'), frames: [], fault: /reserved/ },
  { name: 'each reserved bit: 80', hex: bytes('84 05 04"PONG"'), frames: [], fault: /reserved/ },
  { name: 'a command with more', hex: bytes('05 05 04"PONG"'), frames: [], fault: /MORE/ },
  { name: 'a long command with more', hex: bytes('07 00*7 05 04"PONG"'), frames: [], fault: /MORE/ },
  { name: 'an empty command', hex: bytes('04 00'), frames: [], fault: /empty/ },
  { name: 'an empty command in the long form', hex: bytes('06 00*8'), frames: [], fault: /empty/ },
  { name: '2^64-1 bytes', hex: bytes('02 FF*8'), frames: [], fault: /2\^53/ },
  { name: '2^63 bytes', hex: bytes('02 80 00*7'), frames: [], fault: /2\^53/ },
  { name: '2^53 bytes', hex: bytes('02 0020 00*6'), frames: [], fault: /2\^53/ },
  { name: '2^53-1 bytes', hex: bytes('02 001F FF*6'), frames: [], fault: /9007199254740991 bytes is over the limit/ },
  { name: '2^32 + 1 bytes, which is not 1', hex: bytes('02 00000001 00000001 61'), frames: [], fault: /4294967297 bytes/ },
  { name: 'the limit', hex: bytes('02 00*6 0100 61*256'), frames: [`0:${hex('61*256')}`], limits: { ...LIMITS, maxFrameBytes: 256 } },
  { name: 'the limit and one', hex: bytes('02 00*6 0101'), frames: [], fault: /257 bytes/, limits: { ...LIMITS, maxFrameBytes: 256 } },
  { name: 'a command at its limit', hex: bytes('04 05 04"PONG"'), frames: ['4:04504f4e47'], limits: { ...LIMITS, maxCommandBytes: 5 } },
  {
    name: 'a command over its limit',
    hex: bytes('04 05 04"PONG"'),
    frames: [],
    fault: /5 bytes/,
    limits: { ...LIMITS, maxCommandBytes: 4 },
  },
  {
    name: 'SUBSCRIBE of 246 bytes from libzmq 4.3.4, LONG forgotten',
    hex: bytes('04 00*6 0100 09"SUBSCRIBE" 74*246 00 01 61'),
    frames: [`4:${hex('09"SUBSCRIBE" 74*246')}`, '0:61'],
    limits: REPAIR,
  },
  {
    name: 'SUBSCRIBE of 255 bytes, LONG forgotten',
    hex: bytes('04 00*6 0109 09"SUBSCRIBE" 74*255'),
    frames: [`4:${hex('09"SUBSCRIBE" 74*255')}`],
    limits: REPAIR,
  },
  {
    name: 'CANCEL of 249 bytes, LONG forgotten',
    hex: bytes('04 00*6 0100 06"CANCEL" 74*249'),
    frames: [`4:${hex('06"CANCEL" 74*249')}`],
    limits: REPAIR,
  },
  { name: 'the same where nothing is repaired', hex: bytes('04 00*6 0100 09"SUBSCRIBE" 74*246'), frames: [], fault: /empty/ },
  { name: 'a lost LONG bit and 255 bytes', hex: bytes('04 00*7 FF 61*255'), frames: [], fault: /empty/, limits: REPAIR },
  { name: 'a lost LONG bit and 266 bytes', hex: bytes('04 00*6 010A 61*266'), frames: [], fault: /empty/, limits: REPAIR },
  {
    name: 'an ordinary command where repairs are made',
    hex: bytes('04 05 04"PONG" 00 00'),
    frames: ['4:04504f4e47', '0:'],
    limits: REPAIR,
  },
  { name: 'an empty message where repairs are made', hex: bytes('00 00 00 00'), frames: ['0:', '0:'], limits: REPAIR },
]

describe('the frame decoder', () => {
  it.each(VECTORS)('reads at any cut: $name', ({ hex: stream, frames, fault, limits = LIMITS }) => {
    for (const numbered of [false, true]) {
      for (const offsets of [[], ...cuts(stream.length)]) {
        const outcome = decode(cutAt(stream, offsets), limits, numbered)
        expect(outcome.frames).toEqual(frames)
        if (fault === undefined) expect(outcome.fault).toBeUndefined()
        else expect(outcome.fault).toMatch(fault)
      }
    }
  })

  it.each(VECTORS)('agrees with the naive codec: $name', ({ hex: stream, frames, fault, limits = LIMITS }) => {
    expect(naiveDecode(stream, limits)).toEqual({ frames, faulty: fault !== undefined })
  })

  it('agrees with the naive codec on any bytes, however they are cut', () => {
    const soup = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom('00', '01', '02', '03', '04', '06') },
        { weight: 4, arbitrary: fc.constantFrom('00*7', '00*6', '00', '01', '0100', '0109', '05', 'FF') },
        { weight: 2, arbitrary: fc.constantFrom('01 04 00000007 01 00', '01 04 FFFFFFFE 01 00 00 04 "ping"', '01 04 "nine" 01 00 00') },
        { weight: 2, arbitrary: fc.constantFrom('04"PONG"', '61*5', '74*256', '09"SUBSCRIBE" 74*246', '00 01 61', '01 00') },
        { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }).map((array) => Buffer.from(array).toString('hex')) },
      ),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(soup, fc.array(fc.nat(600), { maxLength: 12 }), fc.boolean(), fc.boolean(), (parts, offsets, repair, numbered) => {
        const stream = bytes(...parts)
        const limits = repair ? REPAIR : LIMITS
        const sorted = offsets.map((offset) => Math.min(offset, stream.length)).sort((a, b) => a - b)
        const { frames, fault } = decode(cutAt(stream, sorted), limits, numbered)
        expect({ frames, faulty: fault !== undefined }).toEqual(naiveDecode(stream, limits))
      }),
      { numRuns: 2000 },
    )
  })

  it('hands over a numbered message that lies whole in a chunk without its envelope, where that is asked for', () => {
    const seen: string[] = []
    const decoder = new FrameDecoder(
      {
        frame: (flags, body) => seen.push(`${flags}:${body.toString('hex')}`),
        numbered: (number, body) => seen.push(`${number} ${body}`),
      },
      LIMITS,
    )
    const message = '01 04 FFFFFFFE 01 00 00 04 "ping"'
    const frames = ['1:fffffffe', '1:', '0:70696e67']
    decoder.decode(bytes(message))
    decoder.numbered = true
    // Whole; behind another frame of its message; with a second frame of body; with a body of the long form; cut.
    decoder.decode(bytes(message, '01 00', message, '01 04 00000007 01 00 01 00 00 01 61', '01 04 00000007 01 00 02 00*7 01 62'))
    decoder.decode(bytes('01 04 00000008 01 00 00'))
    decoder.decode(bytes('00'))
    expect(seen).toEqual([
      ...frames,
      '4294967294 ping',
      ...['1:', ...frames],
      ...['1:00000007', '1:', '1:', '0:61'],
      ...['1:00000007', '1:', '0:62'],
      ...['1:00000008', '1:', '0:'],
    ])
  })

  it('stays failed: what follows a fault is not read', () => {
    const frames: Buffer[] = []
    const decoder = new FrameDecoder({ frame: (_flags, body) => frames.push(body) }, LIMITS)
    expect(() => decoder.decode(bytes('08 00'))).toThrow(ProtocolError)
    decoder.decode(bytes('00 01 61'))
    decoder.resume()
    expect(frames).toEqual([])
  })

  it('hands a whole frame over as a view of its chunk, and a frame in pieces as a copy', () => {
    const frames: Buffer[] = []
    const decoder = new FrameDecoder({ frame: (_flags, body) => frames.push(body) }, LIMITS)
    const first = bytes('00 03 "abc" 00 03 "de"')
    const second = bytes('"f"')
    decoder.decode(first)
    decoder.decode(second)
    expect(frames.map(String)).toEqual(['abc', 'def'])
    first.fill(0)
    second.fill(0)
    expect(frames.map(String)).toEqual(['\0\0\0', 'def'])
  })

  it('keeps little of a large chunk alive with small frames, and has nothing copied of large ones', () => {
    const sizes = [60, 0, 5, 8000, 250, 9000, 1, 20_000, 30, 3]
    const bodies = sizes.map((size, index) => Buffer.alloc(size, index + 1))
    const stream = Buffer.concat(bodies.flatMap((body) => [naiveFrame(0, body), naiveFrame(1, body)]))
    // As a socket gives it: a chunk with memory of its own.
    const chunk = Buffer.allocUnsafeSlow(stream.length)
    stream.copy(chunk)
    const frames: Buffer[] = []
    new FrameDecoder({ frame: (_flags, body) => frames.push(body) }, LIMITS).decode(chunk)
    expect(frames).toEqual(bodies.flatMap((body) => [body, body]))
    for (const frame of frames) expect(frame.buffer.byteLength).toBeLessThanOrEqual(Math.max(8192, frame.length * 4))
    for (const frame of frames) expect(frame.buffer === chunk.buffer).toBe(frame.length === 20_000)
  })

  it('refuses a message at its header, with nothing held of it, while only commands are due', () => {
    const frames: string[] = []
    const decoder = new FrameDecoder({ frame: (_flags, body) => frames.push(String(body)) }, LIMITS)
    decoder.commandsOnly = true
    decoder.decode(bytes('04 01 "a"'))
    decoder.commandsOnly = false
    decoder.decode(bytes('00 01 "b"'))
    decoder.commandsOnly = true
    expect(() => decoder.decode(bytes('02 00*6 1000'))).toThrow(/before the handshake/)
    expect(frames).toEqual(['a', 'b'])
    expect(decoder.bufferedBytes).toBe(0)
  })
})

describe('pausing the frame decoder', () => {
  /** Pauses after each frame. */
  function stepper(): { decoder: FrameDecoder; frames: string[] } {
    const frames: string[] = []
    const decoder = new FrameDecoder(
      {
        frame: (flags, body) => {
          frames.push(`${flags}:${body.toString('latin1')}`)
          decoder.pause()
        },
      },
      LIMITS,
    )
    return { decoder, frames }
  }

  it('stops after the frame under way and goes on where it stopped, at any cut', () => {
    const stream = bytes('01 01 "a" 00 02 "bc" 04 05 04"PONG" 02 00*6 0100 64*256 00 00')
    const expected = ['1:a', '0:bc', '4:\x04PONG', `0:${'d'.repeat(256)}`, '0:']
    for (const offsets of cuts(stream.length)) {
      const { decoder, frames } = stepper()
      for (const chunk of cutAt(stream, offsets)) decoder.decode(chunk)
      expect(frames).toEqual(expected.slice(0, 1))
      for (let resumes = 2; resumes <= expected.length; resumes++) {
        decoder.resume()
        expect(frames).toEqual(expected.slice(0, resumes))
      }
      decoder.resume()
      expect(frames).toEqual(expected)
      expect(decoder.bufferedBytes).toBe(0)
    }
  })

  it('goes straight on when it is resumed from within the frame', () => {
    const frames: string[] = []
    const decoder = new FrameDecoder(
      {
        frame: (_flags, body) => {
          frames.push(String(body))
          decoder.pause()
          decoder.resume()
        },
      },
      LIMITS,
    )
    decoder.decode(bytes('00 01 "a" 00 01 "b" 00 01 "c"'))
    expect(frames).toEqual(['a', 'b', 'c'])
  })

  it('hands nothing on and holds nothing once stopped', () => {
    const { decoder, frames } = stepper()
    decoder.decode(bytes('00 01 "a" 00 01 "b" 00'))
    expect(decoder.bufferedBytes).toBe(4)
    decoder.stop()
    decoder.decode(bytes('00 01 "c"'))
    decoder.resume()
    expect(frames).toEqual(['0:a'])
    expect(decoder.bufferedBytes).toBe(0)
  })
})

describe('the memory of the frame decoder', () => {
  afterEach(() => vi.restoreAllMocks())

  const WIDE: FrameLimits = { maxFrameBytes: 1024 ** 3, maxCommandBytes: 65_536, repairLostLongBit: false }
  const MiB = 1024 * 1024

  it('starts at 1 MiB for a frame of 200 MiB of which little came', () => {
    const chunks = [bytes('02 00000000 0C800000 61*10'), bytes('61*10')]
    const allocate = vi.spyOn(Buffer, 'allocUnsafe')
    const decoder = new FrameDecoder({ frame: () => {} }, WIDE)
    for (const chunk of chunks) decoder.decode(chunk)
    expect(allocate.mock.calls).toEqual([[MiB]])
    expect(decoder.bufferedBytes).toBe(20)
  })

  it('never holds more than twice what came, and ends with the exact size', () => {
    const size = 5 * MiB + 3
    const body = Buffer.alloc(size, 'zmtp')
    const stream = naiveFrame(0, body)
    const frames: Buffer[] = []
    const allocate = vi.spyOn(Buffer, 'allocUnsafe')
    const decoder = new FrameDecoder({ frame: (_flags, frame) => frames.push(frame) }, WIDE)
    for (let offset = 0; offset < stream.length; offset += 65_536) {
      decoder.decode(stream.subarray(offset, offset + 65_536))
      const largest = Math.max(...allocate.mock.calls.map(([length]) => length))
      expect(largest).toBeLessThanOrEqual(Math.max(MiB, 2 * (offset + 65_536)))
    }
    expect(frames).toHaveLength(1)
    expect(frames[0]?.equals(body)).toBe(true)
    expect(allocate.mock.calls.length).toBeLessThanOrEqual(5)
  })

  it('allocates nothing for a size that is refused', () => {
    const headers = ['02 FF*8', '02 0020 00*6', '02 00000000 40000001', '06 00*5 01 00 01'].map((header) => bytes(header))
    const allocate = vi.spyOn(Buffer, 'allocUnsafe')
    for (const header of headers) {
      expect(() => new FrameDecoder({ frame: () => {} }, WIDE).decode(header), header.toString('hex')).toThrow(ProtocolError)
    }
    expect(allocate).not.toHaveBeenCalled()
  })
})
