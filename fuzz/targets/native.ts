/**
 * Messages of the native dialect, as servers and clients read them.
 *
 * Properties: whatever came, the outcome is a value or a NativeError with a short text; what came is not changed; what was read
 * is no more than what came can stand for; and written again, it is read as the same.
 */

import { isDeepStrictEqual } from 'node:util'
import { OpaqueCommand } from '../../src/rpc/command/command.ts'
import { KIND, kindOf as messageKind } from '../../src/rpc/dialect/native/header.ts'
import {
  decodeCall,
  decodeCallHead,
  decodeCallState,
  decodeError,
  decodeFailed,
  decodeGoAway,
  decodeHello,
  decodeItem,
  decodeReason,
  decodeReply,
  encodeCall,
  encodeError,
  encodeFailed,
  encodeGoAway,
  encodeHello,
  encodeItem,
  encodeReply,
} from '../../src/rpc/dialect/native/message.ts'
import { NativeError } from '../../src/rpc/dialect/native/native-error.ts'
import type { Message } from '../../src/wire/index.ts'
import { NumberedStream, READ, WRITE } from '../../test/helpers/native-json.ts'
import { allocatedBytes } from '../allocations.ts'
import type { Random } from '../random.ts'
import { kindOf, must, type Target } from '../target.ts'

const LIMITS = { maxDepth: 100, maxNodes: 10_000, maxItems: 20_000 }

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** Whole values and halves of them, in MessagePack. */
const TOKENS = [
  ...['00', '7f', 'ff', 'e0', 'c0', 'c1', 'c2', 'c3', 'ccff', 'cdffff', 'ceffffffff', 'cf001fffffffffffff', 'cfffffffffffffffff'],
  ...['d080', 'd18000', 'd280000000', 'd3ffe0000000000001', 'd3ffe0000000000000', 'd38000000000000000', 'ca3fc00000', 'cb8000000000000000'],
  ...[
    'cb7ff8000000000000',
    'cb4340000000000000',
    'a0',
    'a161',
    'a2c3a9',
    'a1ff',
    'a3eda080',
    'a3efbfbd',
    'd90161',
    'da000161',
    'db0000000161',
  ],
  ...[
    'bf',
    'd9ff',
    'daffff',
    'dbffffffff',
    'a95f5f70726f746f5f5f',
    'a4737461747573',
    'a474657874',
    'a663617573',
    'a56361757365',
    'a86665617475726573',
  ],
  ...[
    '80',
    '81',
    '82',
    '8f',
    'de0001',
    'deffff',
    'df00000001',
    'dfffffffff',
    '90',
    '91',
    '92',
    '9f',
    'dc0001',
    'dcffff',
    'dd00000001',
    'ddffffffff',
  ],
  ...['c400', 'c40161', 'c5ffff', 'c6ffffffff', 'd40000', 'd40001', 'd4017f', 'd40180', 'd5010080', 'c70001', 'c8ffff01', 'c9ffffffff01'],
  ...['d5020101', 'd502 03 00', 'c70203 0304', 'c70902 080000000000000000', 'c9000000020200', 'd502ff00', 'd40208', 'd40200'],
  ...['c7050300 00000001', 'c7050308 00000001', 'c7050307 00000002', 'c7050300 00000000', 'c7050300 ffffffff', 'd70300000000010000'],
  ...[
    'c70404 a24e6101',
    'd504a0c0',
    'c70204a161',
    'c9000000030491',
    'd50590c0',
    'c7050590',
    'c70305920102',
    'd5059101',
    'd50690c0',
    'c703069201a161',
  ],
  ...[
    'd5070000',
    'd507ffff',
    'd40700',
    'd6080061d800',
    'd40800',
    'd508 00d8',
    'd6ff00000000',
    'd7ff003d090000000000',
    'd7ffffffffffffffffff',
  ],
  ...[
    'c70cff3b8b87c0ffffffffffffffff',
    'c70cff000000007fffffffffffffff',
    'd5ff0000',
    'd42a00',
    'c7002a',
    'c8000101',
    `${'91'.repeat(101)}00`,
  ],
].map(hex)

function token(random: Random): Buffer {
  if (random.oneIn(30)) return random.bytes(1 + random.below(6))
  if (random.oneIn(12)) return written(random)
  return random.pick(TOKENS)
}

/** A value as we write it. */
function written(random: Random): Buffer {
  return (encodeReply(value(random, 3), undefined, WRITE)[0] as Buffer).subarray(8)
}

function value(random: Random, depth: number): unknown {
  const leaf = depth === 0 || random.oneIn(2)
  switch (random.below(leaf ? 9 : 14)) {
    case 0:
      return random.pick([null, undefined, true, false, -0, Number.NaN, 2 ** 53, -1, 300, 70_000, 1.5])
    case 1:
      return random.pick([0n, -1n, 2n ** 53n, 2n ** 64n, -(2n ** 63n), 2n ** 200n])
    case 2:
      return random.pick(['', 'a', 'é', '\ud800', '\ufffd', '__proto__', 'x'.repeat(random.below(40)), '漢'.repeat(random.below(30))])
    case 3:
      return new Date(random.next() * random.pick([1, 1000, -1000]))
    case 4:
      return random.bytes(random.below(20))
    case 5:
      return Float32Array.from(random.bytes(random.below(5)))
    case 6:
      return BigInt64Array.from([BigInt(random.next())])
    case 7:
      return new NumberedStream(random.below(0x1_0000))
    case 8:
      return random.next() - 0x8000_0000
    case 9:
      return new Map([[value(random, depth - 1), value(random, depth - 1)]])
    case 10:
      return new Set([value(random, depth - 1), value(random, depth - 1)])
    case 11:
      return new OpaqueCommand('N', value(random, depth - 1))
    case 12:
      return Array.from({ length: random.below(18) }, () => value(random, depth - 1))
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(18) }, (_, index) => [
          random.pick(['__proto__', 'name', `k${index}`, 'toJSON', 'é', '\udc00']),
          value(random, depth - 1),
        ]),
      )
  }
}

/** The messages of honest peers, of any kind. */
function message(random: Random): Message {
  const error = { status: 463, text: 'x', name: 'E', code: 7, details: value(random, 1), cause: { status: 463, text: 'y' } }
  const plain = { ...error, details: { a: [1, 'b'] } }
  const extras = random.oneIn(2) ? undefined : { metadata: { a: 'b' }, ...(random.oneIn(2) && { idempotencyKey: 'k' }) }
  switch (random.below(8)) {
    case 0:
      return encodeError(plain, extras)
    case 1:
      return encodeFailed(1, 2, plain)
    case 2:
      return encodeItem(1, 2, { a: [1, 'b'] })
    case 3:
      return encodeHello({ features: ['a'], contracts: [['Greet', 'h']], maxMessageBytes: 1000 })
    case 4:
      return encodeGoAway({ reason: 'r' })
    case 5:
      return encodeReply(value(random, 4), extras, WRITE)
    default:
      return encodeCall({ name: 'Greet', state: value(random, 4), timeLeftMs: 5, flags: 0, extras }, WRITE)
  }
}

export const nativeTarget: Target = {
  name: 'native',

  /** The first piece: how many frames stand behind the body, and the bytes that they are made of. */
  generate(random) {
    const head = random.bytes(2)
    if (random.oneIn(3)) {
      const pieces = Array.from({ length: 1 + random.below(6) }, () => token(random))
      return [head, hex(`f9 0${random.pick([1, 2, 3, 5, 7])} 0000 00000000`), ...pieces]
    }
    const body = message(random)[0] as Buffer
    const at = 8 + random.below(body.length - 7)
    return [head, body.subarray(0, 8), body.subarray(8, at), body.subarray(at)]
  },

  piece: token,

  run(input) {
    const setting = input[0] ?? Buffer.alloc(0)
    const content = Buffer.concat(input.slice(1))
    // At an odd address, so that elements are aligned by luck only.
    const frame = Buffer.from(Buffer.alloc(40, setting[1] ?? 1).buffer, 3, 24)
    const body: Message = [content, ...Array.from({ length: (setting[0] ?? 0) % 4 }, () => frame)]
    const before = allocatedBytes()
    const copy = Buffer.from(content)
    let reached: string
    try {
      reached = read(body)
    } catch (error) {
      if (!(error instanceof NativeError)) throw error
      must(error.message.length < 200, 'the error is short', () => error.message)
      reached = kindOf(error.message)
    }
    must(content.equals(copy), 'what came is not changed')
    must(allocatedBytes() - before <= 40 * (content.length + 4096), 'no announced size is allocated')
    must(Object.getPrototypeOf({}) === Object.prototype, 'no prototype is touched')
    return `${Math.min(content[1] ?? 0, 12)} ${reached}`
  },
}

/** As its kind says; what it is said to be, it is read as. */
function read(body: Message): string {
  const head = body[0] as Buffer
  if (head.length < 8) {
    decodeCallHead(body)
    throw new Error('a message without a header was read')
  }
  switch (messageKind(head)) {
    case KIND.call: {
      const { name, extras, stateAt } = decodeCallHead(body)
      const state = decodeCallState(body, { name, extras, stateAt }, READ, LIMITS)
      const again = decodeCall(encodeCall({ name, state, timeLeftMs: 1, flags: 0, extras }, WRITE), READ)
      must(isDeepStrictEqual(again, { name, state: arriving(state), extras }), 'a call is written as it was read')
      return told(state)
    }
    case KIND.error: {
      const { error } = decodeError(body, {}, LIMITS)
      must(isDeepStrictEqual(decodeError(encodeError(error)).error, { ...error, ...arriving(error) }), 'an error is written as it was read')
      return told(error.details)
    }
    case KIND.failed:
      return told(decodeFailed(body, {}, LIMITS).details)
    case KIND.item:
      return told(decodeItem(body, {}, LIMITS))
    case KIND.cancel:
    case KIND.stop:
      return told(decodeReason(body))
    case KIND.hello:
      return told(decodeHello(body).features)
    case KIND.goAway:
      return told(decodeGoAway(body).reason)
    default: {
      const reply = decodeReply(body, READ, LIMITS)
      const again = decodeReply(encodeReply(reply.value, reply.extras, WRITE), READ)
      must(isDeepStrictEqual(again.value, arriving(reply.value)), 'a reply is written as it was read')
      return told(reply.value)
    }
  }
}

/** What a value is once more written and read: `undefined` does not travel as a member of an object. */
function arriving<T>(value: T): T {
  return through(value) as T
}

function through(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(through)
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [through(key), through(item)]))
  if (value instanceof Set) return new Set([...value].map(through))
  if (value instanceof OpaqueCommand) return new OpaqueCommand(value.name, through(value.state))
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, through(item)]])))
}

function told(value: unknown): string {
  return typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : typeof value
}
