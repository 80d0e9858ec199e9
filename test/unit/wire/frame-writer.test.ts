import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeMessage } from '../../../src/wire/encoded-message.ts'
import { headerLength, type Message, messageBytes, writeHeader } from '../../../src/wire/frame.ts'
import { FrameDecoder } from '../../../src/wire/frame-decoder.ts'
import { BY_REFERENCE_BYTES, FrameWriter } from '../../../src/wire/frame-writer.ts'
import { framesOf, numberOfMessage, ShortBody, toNumbered } from '../../../src/wire/numbered.ts'
import { bytes, naiveFrame, naiveMessage } from './helpers.ts'

const MiB = 1024 * 1024
const UNLIMITED = { maxFrameBytes: Number.MAX_SAFE_INTEGER, maxCommandBytes: 65_536, repairLostLongBit: false }

/** The bytes of a message that was encoded for many. */
function encoded(message: Message): Buffer {
  const { memory, start, end } = encodeMessage(message)
  return memory.subarray(start, end)
}

describe('a frame', () => {
  it.each([
    { flags: 0, length: 0, hex: '00 00' },
    { flags: 1, length: 1, hex: '01 01' },
    { flags: 4, length: 254, hex: '04 FE' },
    { flags: 1, length: 255, hex: '01 FF' },
    { flags: 1, length: 256, hex: '03 00*6 0100' },
    { flags: 4, length: 65_535, hex: '06 00*6 FFFF' },
    { flags: 0, length: 65_536, hex: '02 00*5 010000' },
    { flags: 0, length: 0xff_ff_ff_ff, hex: '02 00*4 FFFFFFFF' },
    { flags: 0, length: 0x1_0000_0000, hex: '02 00000001 00000000' },
    { flags: 1, length: Number.MAX_SAFE_INTEGER, hex: '03 001F FF*6' },
  ])('has the header of the specification: $flags $length', ({ flags, length, hex }) => {
    const header = Buffer.alloc(12, 0xee)
    const end = writeHeader(header, 1, flags, length)
    expect(header.subarray(1, end)).toEqual(bytes(hex))
    expect(end - 1).toBe(headerLength(length))
    expect(header[end]).toBe(0xee)
  })
})

describe('the frame writer', () => {
  it.each([
    { name: 'one frame', message: ['hello'], hex: '00 05 "hello"' },
    { name: 'an empty frame', message: [''], hex: '00 00' },
    { name: 'an envelope', message: ['id', '', 'ping'], hex: '01 02 "id" 01 00 00 04 "ping"' },
    { name: 'a long frame', message: ['', 'x'.repeat(256)], hex: '01 00 02 00*6 0100 78*256' },
    {
      name: 'frames by reference',
      message: ['x'.repeat(2048), 'y', 'z'.repeat(2049)],
      hex: '03 00*6 0800 78*2048 01 01 "y" 02 00*6 0801 7A*2049',
    },
  ])('writes $name', ({ message, hex }) => {
    const frames = message.map((text) => Buffer.from(text))
    const writer = new FrameWriter()
    writer.writeMessage(frames)
    expect(writer.pendingBytes).toBe(bytes(hex).length)
    expect(Buffer.concat(writer.take())).toEqual(bytes(hex))
    expect(encoded(frames)).toEqual(bytes(hex))
    expect(writer.pendingBytes).toBe(0)
    expect(writer.take()).toEqual([])
  })

  it.each([0, 1, 0x0102_0304, 0x8000_0000, 0xffff_ffff])('writes the envelope of a numbered message as its frames: %i', (number) => {
    const body = [Buffer.from('one'), Buffer.alloc(BY_REFERENCE_BYTES, 'l')]
    const [writer, plain] = [new FrameWriter(), new FrameWriter()]
    // Behind a message that was encoded for many.
    for (const one of [writer, plain]) one.writeEncoded(encodeMessage([Buffer.from('shared')]))
    writer.writeNumbered(number, body)
    const message = toNumbered(number, body)
    plain.writeMessage(message)
    expect(Buffer.concat(writer.take())).toEqual(Buffer.concat(plain.take()))
    expect(numberOfMessage(message)).toBe(number)
  })

  it('writes short bodies with room for their numbers as one piece, without a copy, as long as they follow each other', () => {
    const memory = Buffer.alloc(4096)
    const short = (start: number, end: number, text: string): ShortBody => {
      memory.fill(text, start, end)
      return new ShortBody(memory, start, end)
    }
    const bodies = [short(10, 12, 'a'), short(22, 22 + 255, 'b'), short(287, 287, '')]
    const writer = new FrameWriter()
    for (const [index, body] of bodies.entries()) writer.writeNumbered(0xffff_fff0 + index, body)
    // Alone, and so copied.
    writer.writeNumbered(7, short(3000, 3001, 'c'))
    for (let start = 310; start < 2700; start += 210) writer.writeNumbered(start, short(start, start + 200, 'd'))
    const pieces = writer.take()
    expect(pieces.map((piece) => piece.buffer === memory.buffer)).toEqual([false, true])
    const large = Array.from({ length: 12 }, (_, index) => index * 210 + 310)
    expect(Buffer.concat(pieces)).toEqual(
      Buffer.concat([
        bytes('01 04 FFFFFFF0 01 00 00 02 "aa"', '01 04 FFFFFFF1 01 00 00 FF 62*255'),
        bytes('01 04 FFFFFFF2 01 00 00 00', '01 04 00000007 01 00 00 01 "c"'),
        ...large.map((number) => naiveMessage(toNumbered(number, [Buffer.alloc(200, 'd')]))),
      ]),
    )
  })

  it('writes a short body as a frame of its own where it must be kept', () => {
    const body = new ShortBody(Buffer.from('0123456789body!'), 10, 14)
    expect(framesOf(body)).toEqual([Buffer.from('body')])
    expect(toNumbered(1, body)).toEqual([bytes('00000001'), Buffer.alloc(0), Buffer.from('body')])
  })

  it('puts small messages into one piece', () => {
    const writer = new FrameWriter()
    for (let count = 0; count < 100; count++) writer.writeMessage([Buffer.from('a'), Buffer.from('b')])
    expect(writer.take()).toHaveLength(1)
  })

  it('has copied a small body when it returns, and keeps a large one by reference', () => {
    const small = Buffer.alloc(BY_REFERENCE_BYTES - 1, 's')
    const large = Buffer.alloc(BY_REFERENCE_BYTES, 'l')
    const writer = new FrameWriter()
    writer.writeMessage([small, large])
    small.fill(0)
    const pieces = writer.take()
    expect(Buffer.concat(pieces)).toEqual(bytes('03 00*6 07FF 73*2047 02 00*6 0800 6C*2048'))
    expect(pieces.at(-1)).toBe(large)
  })

  it('writes messages that were encoded for many, and follow each other, as one piece without a copy', () => {
    const writers = [new FrameWriter(), new FrameWriter()]
    for (let count = 0; count < 100; count++) {
      const message = encodeMessage([Buffer.alloc(64, count)])
      for (const writer of writers) writer.writeEncoded(message)
    }
    const [[piece, ...more] = [], [twin] = []] = writers.map((writer) => writer.take())
    expect(more).toEqual([])
    expect(piece?.length).toBe(100 * 66)
    expect(twin?.buffer).toBe(piece?.buffer)
  })

  it('copies those that stand alone into what is written around them', () => {
    const writer = new FrameWriter()
    for (let count = 0; count < 10; count++) {
      const message = encodeMessage([Buffer.from('a')])
      encodeMessage([Buffer.from('for others')])
      writer.writeEncoded(message)
      writer.writeMessage([Buffer.from('b')])
    }
    const pieces = writer.take()
    expect(pieces).toHaveLength(1)
    expect(pieces[0]).toEqual(bytes('00 01 "a" 00 01 "b"'.concat(' 00 01 "a" 00 01 "b"'.repeat(9))))
  })

  it('never touches a piece again that was taken, whichever writer gets the rest of its slab', () => {
    const first = new FrameWriter()
    first.writeMessage([Buffer.from('first')])
    const pieces = first.take()
    for (let count = 0; count < 2000; count++) {
      const other = count % 2 === 0 ? first : new FrameWriter()
      other.writeMessage([Buffer.alloc(50, 'x')])
      other.take()
    }
    expect(Buffer.concat(pieces)).toEqual(bytes('00 05 "first"'))
  })
})

/** Sizes where something changes: the header, copy or reference, the end of a slab; sometimes more than 1 MiB. */
const bodySize = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(0, 1, 254, 255, 256, 257, 2047, 2048, 2049) },
  { weight: 30, arbitrary: fc.nat(5000) },
  { weight: 5, arbitrary: fc.constantFrom(16_383, 16_384, 65_535, 65_536) },
  { weight: 1, arbitrary: fc.integer({ min: MiB - 1, max: 3 * MiB }) },
)

interface Step {
  sizes: number[]
  /** Which of the writers, all of which share the slabs. */
  writer: number
  /** Encoded once and written by those whose bits are set, instead of written by one. */
  encodedFor: number
  command: boolean
  take: boolean
}

const steps = fc.array(
  fc.record<Step>({
    sizes: fc.array(bodySize, { minLength: 1, maxLength: 5 }),
    writer: fc.nat(2),
    encodedFor: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 7 })),
    command: fc.boolean(),
    take: fc.boolean(),
  }),
  { maxLength: 40 },
)

/** Bytes that differ from body to body and along a body. */
function body(size: number, seed: number): Buffer {
  const buffer = Buffer.allocUnsafe(size)
  for (let offset = 0; offset < size; offset++) buffer[offset] = (offset * 31 + seed * 17 + (offset >> 8)) & 0xff
  return buffer
}

describe('what frame writers write', () => {
  it('is what the naive codec writes, and decodes to the same with any chunking', () => {
    fc.assert(
      fc.property(steps, fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 10 }), (script, chunkSizes) => {
        const writers = [0, 1, 2].map(() => ({
          writer: new FrameWriter(),
          pieces: [] as Buffer[],
          wanted: [] as Buffer[],
          frames: [] as Buffer[],
        }))
        script.forEach(({ sizes, writer: index, encodedFor, command, take }, seed) => {
          const { writer, pieces, wanted, frames } = writers[index] as (typeof writers)[number]
          const message: Message = sizes.map((size, part) => body(size, seed * 7 + part))
          const shared = encodeMessage(message)
          for (const [bit, other] of (encodedFor === 0 ? [] : writers).entries()) {
            if ((encodedFor & (1 << bit)) === 0) continue
            other.wanted.push(naiveMessage(message))
            other.frames.push(...message)
            other.writer.writeEncoded(shared)
          }
          if (encodedFor === 0) {
            wanted.push(naiveMessage(message))
            frames.push(...message)
            writer.writeMessage(message)
          }
          if (command) {
            const pong = bytes('04"PONG"')
            wanted.push(naiveFrame(4, pong))
            frames.push(pong)
            writer.writeFrame(4, pong)
          }
          const total = wanted.reduce((sum, piece) => sum + piece.length, 0)
          expect(writer.pendingBytes + pieces.reduce((sum, piece) => sum + piece.length, 0)).toBe(total)
          if (take) pieces.push(...writer.take())
        })
        for (const { writer, pieces, wanted, frames } of writers) {
          pieces.push(...writer.take())
          // Joined only now: a slab that was written over would show.
          const stream = Buffer.concat(pieces)
          expect(stream.equals(Buffer.concat(wanted))).toBe(true)
          const decoded: Buffer[] = []
          const decoder = new FrameDecoder({ frame: (_flags, frame) => decoded.push(Buffer.from(frame)) }, UNLIMITED)
          for (let offset = 0, turn = 0; offset < stream.length; turn++) {
            const size = chunkSizes[turn % chunkSizes.length] as number
            decoder.decode(Buffer.from(stream.subarray(offset, offset + size)))
            offset += size
          }
          expect(decoded.length).toBe(frames.length)
          expect(decoded.every((frame, index) => frame.equals(frames[index] as Buffer))).toBe(true)
          expect(decoder.bufferedBytes).toBe(0)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('has the size that messageBytes and the headers tell', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3000), { minLength: 1, maxLength: 6 }), (sizes) => {
        const message = sizes.map((size) => body(size, size))
        const headers = sizes.reduce((sum, size) => sum + headerLength(size), 0)
        expect(encoded(message).length).toBe(headers + messageBytes(message))
      }),
    )
  })
})
