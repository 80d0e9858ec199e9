import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Command } from '../../../../../src/rpc/command/command.ts'
import { decodeReply, encodeReply } from '../../../../../src/rpc/dialect/native/message.ts'
import { NativeError } from '../../../../../src/rpc/dialect/native/native-error.ts'

function there(value: unknown): unknown {
  return decodeReply(encodeReply(value), {}).value
}

/** The bytes behind the header. */
function written(value: unknown): string {
  return (encodeReply(value)[0] as Buffer).toString('hex', 8)
}

function read(hex: string, ...frames: Buffer[]): unknown {
  return decodeReply([Buffer.from(`f902000000000000${hex.replaceAll(' ', '')}`, 'hex'), ...frames], {}).value
}

describe('values', () => {
  it.each<[unknown, string]>([
    [null, 'c0'],
    [undefined, 'd40000'],
    [true, 'c3'],
    [false, 'c2'],
    [0, '00'],
    [127, '7f'],
    [128, 'cc80'],
    [255, 'ccff'],
    [256, 'cd0100'],
    [65535, 'cdffff'],
    [65536, 'ce00010000'],
    [4294967295, 'ceffffffff'],
    [4294967296, 'cf0000000100000000'],
    [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
    [2 ** 53, 'cb4340000000000000'],
    [-1, 'ff'],
    [-32, 'e0'],
    [-33, 'd0df'],
    [-128, 'd080'],
    [-129, 'd1ff7f'],
    [-32768, 'd18000'],
    [-32769, 'd2ffff7fff'],
    [-2147483648, 'd280000000'],
    [-2147483649, 'd3ffffffff7fffffff'],
    [Number.MIN_SAFE_INTEGER, 'd3ffe0000000000001'],
    [-0, 'cb8000000000000000'],
    [1.5, 'cb3ff8000000000000'],
    [Number.NaN, 'cb7ff8000000000000'],
    [Number.POSITIVE_INFINITY, 'cb7ff0000000000000'],
    [Number.NEGATIVE_INFINITY, 'cbfff0000000000000'],
    [5e-324, 'cb0000000000000001'],
    [0n, 'd40100'],
    [1n, 'd40101'],
    [-1n, 'd401ff'],
    [127n, 'd4017f'],
    [128n, 'd5010080'],
    [-128n, 'd40180'],
    [-129n, 'd501ff7f'],
    [2n ** 53n - 1n, 'c707011fffffffffffff'],
    [2n ** 53n, 'cf0020000000000000'],
    [2n ** 64n - 1n, 'cfffffffffffffffff'],
    [2n ** 64n, 'c70901010000000000000000'],
    [-(2n ** 53n) + 1n, 'c70701e0000000000001'],
    [-(2n ** 53n), 'd3ffe0000000000000'],
    [-(2n ** 63n), 'd38000000000000000'],
    [-(2n ** 63n) - 1n, 'c70901ff7fffffffffffffff'],
    ['', 'a0'],
    ['Ada', 'a3416461'],
    ['é', 'a2c3a9'],
    ['😀', 'a4f09f9880'],
    ['\ufeff\ufffd\0', 'a7efbbbfefbfbd00'],
    ['a\ud800', 'd608610000d8'],
    [[], '90'],
    [[1, [2]], '92019102'],
    [new Array(16).fill(0), `dc0010${'00'.repeat(16)}`],
    [{}, '80'],
    [{ a: 1, b: { c: null } }, '82a16101a16281a163c0'],
    [JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}'), '82a95f5f70726f746f5f5f81a16101ab636f6e7374727563746f7202'],
    [{ '\udfff': 1 }, '81d508ffdf01'],
    [new Date(0), 'd6ff00000000'],
    [new Date(4294967295000), 'd6ffffffffff'],
    [new Date(4294967296000), 'd7ff0000000100000000'],
    [new Date(1), 'd7ff003d090000000000'],
    [new Date(17179869183999), 'd7ffee2e1f03ffffffff'],
    [new Date(-1), 'c70cff3b8b87c0ffffffffffffffff'],
    [new Date(8.64e15), 'c70cff00000000000007dba8218000'],
    [
      new Map<unknown, unknown>([
        [1, 'a'],
        [{}, undefined],
      ]),
      'c900000008059401a16180d40000',
    ],
    [new Set([1, 'a']), 'c900000004069201a161'],
    [new Map(), 'c9000000010590'],
    [new Int8Array([-1]), 'd50201ff'],
    [new Uint8ClampedArray([255]), 'd50202ff'],
    [new Int16Array([-2]), 'c7030203feff'],
    [new Uint16Array([258]), 'c70302040201'],
    [new Int32Array([-2]), 'c7050205feffffff'],
    [new Uint32Array([1]), 'c705020601000000'],
    [new Float32Array([1]), 'c70502070000803f'],
    [new Float64Array([1]), 'c7090208000000000000f03f'],
    [new BigInt64Array([-2n]), 'c7090209feffffffffffffff'],
    [new BigUint64Array([1n]), 'c709020a0100000000000000'],
    [new DataView(new Uint8Array([1, 2]).buffer), 'c703020b0102'],
    [new Float64Array(0), 'd40208'],
  ])('%o is written as %s, and read as the same', (value, hex) => {
    expect(written(value)).toBe(hex)
    expect(there(value)).toStrictEqual(value)
  })

  it.each([
    [31, 'bf'],
    [32, 'd920'],
    [255, 'd9ff'],
    [256, 'da0100'],
    [65_536, 'db00010000'],
  ])('writes the length of a string of %d bytes as short as can be', (length, head) => {
    expect(written('x'.repeat(length)) === head + '78'.repeat(length)).toBe(true)
    expect(written(`é${'x'.repeat(length - 2)}`).startsWith(`${head}c3a9`)).toBe(true)
    expect(there(`é${'x'.repeat(length - 2)}`) === `é${'x'.repeat(length - 2)}`).toBe(true)
  })

  it('leaves out what is undefined or a function in an object, in every size of object', () => {
    for (const size of [0, 1, 15, 16, 17, 65_535, 65_536, 70_000]) {
      const object = Object.fromEntries(Array.from({ length: size }, (_, index) => [`k${index}`, index]))
      expect(isDeepStrictEqual(there({ none: undefined, run: () => 1, ...object, last: undefined }), object)).toBe(true)
    }
  })

  it('writes binaries as bytes, whatever they are views of', () => {
    const bytes = new Uint8Array([9, 1, 2, 3, 9])
    for (const value of [Buffer.from([1, 2, 3]), bytes.subarray(1, 4), new Uint8Array([1, 2, 3]).buffer]) {
      expect(written(value)).toBe('c403010203')
      expect(there(value)).toEqual(Buffer.from([1, 2, 3]))
    }
    for (const size of [0, 255, 256, 4095]) expect(there(Buffer.alloc(size, 7))).toEqual(Buffer.alloc(size, 7))
  })

  it('sends a large binary as a frame, which is not copied', () => {
    const floats = new Float64Array(1000).map((_, index) => index / 3)
    const bytes = Buffer.alloc(4096, 1)
    const message = encodeReply({ bytes, floats, small: floats.subarray(0, 10) })
    expect(message).toHaveLength(3)
    expect(message[1]?.buffer).toBe(bytes.buffer)
    expect(message[2]?.buffer).toBe(floats.buffer)
    const { value } = decodeReply(message, {}) as { value: { bytes: Buffer; floats: Float64Array; small: Float64Array } }
    expect(value).toEqual({ bytes, floats, small: floats.subarray(0, 10) })
    expect(value.bytes).toBe(message[1])
    expect(value.floats.buffer).toBe(floats.buffer)
    expect(value.small.buffer).not.toBe(floats.buffer)
  })

  it('copies a large array that does not lie where its elements may be', () => {
    const [body, frame] = encodeReply(new Float64Array(1000).fill(0.1)) as [Buffer, Buffer]
    const odd = Buffer.alloc(8003).subarray(3)
    frame.copy(odd)
    expect(decodeReply([body, odd], {}).value).toEqual(new Float64Array(1000).fill(0.1))
  })

  it('has no more than 1024 frames of binaries: what is beyond stands in the body', () => {
    const value = Array.from({ length: 1030 }, (_, index) => Buffer.alloc(4096, index))
    const message = encodeReply(value)
    expect(message).toHaveLength(1025)
    expect((decodeReply(message, {}).value as Buffer[]).map((bytes, index) => bytes.equals(value[index] as Buffer))).not.toContain(false)
  })

  it('asks toJSON where an object has no form of its own', () => {
    expect(there(new URL('http://a/'))).toBe('http://a/')
    expect(there({ a: { toJSON: () => undefined }, b: { toJSON: (key: string) => [key, new Date(0)] } })).toEqual({
      b: ['b', new Date(0)],
    })
  })

  it('makes commands and streams with hooks', () => {
    class Inner extends Command {
      items = [1, 2]
    }
    async function* stream() {}
    const streams: unknown[] = []
    const iterable = stream()
    const message = encodeReply({ command: new Inner(), lines: [iterable] }, undefined, {
      stream: (given) => {
        streams.push(given)
        return 513
      },
    })
    expect(streams).toEqual([iterable])
    const command = (name: string, state: unknown) => ({ name, state })
    expect(decodeReply(message, { command, stream: (number) => ({ number }) }).value).toEqual({
      command: { name: 'Inner', state: { items: [1, 2] } },
      lines: [{ number: 513 }],
    })
    expect(() => decodeReply(message, { command })).toThrow('a stream where none can be')
    expect(() => decodeReply(message, {})).toThrow('a command where none can be')
    expect(() => encodeReply({ lines: [iterable] })).toThrow('result.lines[0] is a stream (AsyncIterable), which cannot be sent here')
  })
})

describe('what is no message is refused', () => {
  it.each([
    ['nothing', ''],
    ['the byte that begins no value', 'c1'],
    ['a string cut short', 'a361'],
    ['a string that is no UTF-8', 'a1ff'],
    ['a string with a surrogate in UTF-8', 'a3eda080'],
    ['a long string that is no UTF-8', `bf${'61'.repeat(30)}ff`],
    ['an array of 2^32 - 1 items', 'ddffffffff00'],
    ['an object of 2^32 - 1 members', 'dfffffffff'],
    ['a key that is no string', '810101'],
    ['a binary of 2^32 - 1 bytes', 'c6ffffffff'],
    ['an unknown extension', 'd42a00'],
    ['an undefined of another form', 'd40001'],
    ['an integer of no bytes', 'c70001'],
    ['an integer of too many bytes', `c900010001 01 ${'00'.repeat(65_537)}`],
    ['a typed array without a type', 'c70002'],
    ['a typed array of an unknown type', 'd502ff00'],
    ['a part of a number in a typed array', 'd5020300'],
    ['a frame that is not there', 'c705030000000001'],
    ['a reference to the body itself', 'c705030000000000'],
    ['a Map with half an entry', 'd5059100'],
    ['a Map that is none', 'd40500'],
    ['a Set whose items go beyond it', 'd5069200 00'],
    ['a Set that is announced longer than it is', 'c705069200'],
    ['a command without a name', 'd50400c0'],
    ['half a character', 'd40800'],
    ['a timestamp of another length', 'd5ff0000'],
    ['a timestamp with too many nanoseconds', 'd7ffffffffffffffffff'],
    ['a timestamp beyond what dates can tell', 'c70cff000000007fffffffffffffff'],
  ])('%s', (_what, hex) => {
    expect(() => read(hex)).toThrow(NativeError)
  })

  it('nesting beyond the limit', () => {
    expect(() => read(`${'91'.repeat(1000)}00`)).not.toThrow()
    expect(() => read(`${'91'.repeat(1001)}00`)).toThrow('values nested deeper than 1000 levels')
    expect(() => read(`${'91'.repeat(100_000)}00`)).toThrow(NativeError)
    expect(() => decodeReply([Buffer.from('f902000000000000919100', 'hex')], {}, { maxDepth: 1 })).toThrow(NativeError)
  })

  it('more containers and members than the limit', () => {
    const items = (count: number): Buffer => {
      const head = Buffer.from('f902000000000000dd00000000', 'hex')
      head.writeUInt32BE(count, 9)
      return Buffer.concat([head, Buffer.alloc(count, 0x90)])
    }
    expect(decodeReply([items(999_999)], {}).value).toHaveLength(999_999)
    expect(() => decodeReply([items(1_000_000)], {})).toThrow('more arrays, objects, members and such than the limit allows')
    expect(() => decodeReply([items(3)], {}, { maxNodes: 3 })).toThrow(NativeError)
    for (const value of [
      { a: 1, b: 2 },
      new Set([1, 2]),
      new Map([
        [1, 1],
        [2, 2],
      ]),
    ]) {
      expect(decodeReply(encodeReply(value), {}, { maxNodes: 3 }).value).toEqual(value)
      expect(() => decodeReply(encodeReply(value), {}, { maxNodes: 2 })).toThrow(NativeError)
    }
    expect(() => read('dd00800000')).toThrow('an announced count')
    expect(() => decodeReply(encodeReply([[1, 2], 3]), {}, { maxItems: 4 })).not.toThrow()
    expect(() => decodeReply(encodeReply([[1, 2], 3]), {}, { maxItems: 3 })).toThrow('more items of arrays than the limit allows')
  })

  it('an array of a few bytes that says it is long, many times nested', () => {
    const before = process.memoryUsage().heapUsed
    const nested = Buffer.concat([Buffer.alloc(3000, Buffer.from('dcffff', 'hex')), Buffer.alloc(65_536, 0x93)])
    expect(() => decodeReply([Buffer.concat([Buffer.from('f902000000000000', 'hex'), nested])], {})).toThrow(NativeError)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50e6)
  })

  it('a frame that is asked for twice, which could cost a copy each time', () => {
    const frame = Buffer.alloc(16)
    expect(read('92 c7050300 00000001 c7050308 00000002', frame, frame)).toHaveLength(2)
    expect(() => read('92 c7050300 00000001 c7050308 00000001', frame, frame)).toThrow('frame 1')
    expect(() => read('92 c7050300 00000002 c7050308 00000001', frame, frame)).toThrow('frame 1')
  })
})

it('reads what other writers write in a longer form than we do', () => {
  expect(read('97 d00b d1000b d20000000b d3000000000000000b cd000b ca41300000 c70101 0b'.replaceAll(' ', ''))).toEqual([
    11,
    11,
    11,
    11,
    11,
    11,
    11n,
  ])
  expect(read('de0002 d90161 dc0001c3 da000162 db00000001 63'.replaceAll(' ', ''))).toEqual({ a: [true], b: 'c' })
  expect(read('c7010590')).toEqual(new Map())
  expect(read('c500020068')).toEqual(Buffer.from([0, 0x68]))
})

it('what was read keeps no part of the message alive', () => {
  const body = encodeReply({ bytes: Buffer.from([1, 2, 3]), floats: new Float32Array(2), text: 'x' })[0] as Buffer
  const { value } = decodeReply([body], {}) as { value: { bytes: Buffer; floats: Float32Array } }
  expect(value.bytes.buffer).not.toBe(body.buffer)
  expect(value.floats.buffer).not.toBe(body.buffer)
})
