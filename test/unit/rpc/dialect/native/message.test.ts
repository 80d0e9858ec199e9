import { describe, expect, it } from 'vitest'
import { amountOf, FLAG, isNative, KIND, kindOf, NO_LIMIT, numberOf, setAmount } from '../../../../../src/rpc/dialect/native/header.ts'
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
  encodeCancel,
  encodeCredit,
  encodeEnd,
  encodeError,
  encodeFailed,
  encodeGoAway,
  encodeHello,
  encodeItem,
  encodeReply,
  encodeStop,
  type WireError,
} from '../../../../../src/rpc/dialect/native/message.ts'
import { NativeError } from '../../../../../src/rpc/dialect/native/native-error.ts'
import type { Message } from '../../../../../src/wire/index.ts'

const greet = { name: 'Greet', state: { greeting: 'Hello', name: 'World' }, timeLeftMs: 1500, flags: 0 }

/** What a proxy reads. */
function header(message: Message): number[] {
  const [frame] = message as [Buffer]
  expect(isNative(frame)).toBe(true)
  return [kindOf(frame), numberOf(frame), amountOf(frame)]
}

/** Three small keys of a map that no version has yet. */
function withUnknownKeys(message: Message, at: number): Message {
  const [frame] = message as [Buffer]
  const head = Buffer.from(frame.subarray(0, at + 1))
  head[at] = (head[at] as number) + 3
  const unknown = Buffer.from('a161 c70377010203 a162 93c08101a3616263d6ff00000000 a163 cb0000000000000000'.replaceAll(' ', ''), 'hex')
  return [Buffer.concat([head, unknown, frame.subarray(at + 1)])]
}

describe('the header', () => {
  it('says of a call its flags and the time that it has left', () => {
    expect(header(encodeCall(greet))).toEqual([KIND.call, 0, 1500])
    expect(header(encodeCall({ ...greet, flags: FLAG.noReply | FLAG.repeatable }))).toEqual([KIND.call, 6, 1500])
    expect(header(encodeCall({ ...greet, extras: {} }))).toEqual([KIND.call, FLAG.extras, 1500])
  })

  it.each([
    [0, 0],
    [-5, 0],
    [0.2, 1],
    [1000.5, 1001],
    [NO_LIMIT - 1, NO_LIMIT - 1],
    [NO_LIMIT, NO_LIMIT],
    [1e15, NO_LIMIT],
    [Number.POSITIVE_INFINITY, NO_LIMIT],
  ])('has %d ms as %d', (timeLeftMs, amount) => {
    expect(header(encodeCall({ ...greet, timeLeftMs }))).toEqual([KIND.call, 0, amount])
  })

  it('says stream and sequence number, bytes of credit, or nothing', () => {
    expect(header(encodeReply(1))).toEqual([KIND.reply, 0, 0])
    expect(header(encodeItem(65535, 4294967295, 'x'))).toEqual([KIND.item, 65535, 4294967295])
    expect(header(encodeEnd(2, 256))).toEqual([KIND.end, 2, 256])
    expect(header(encodeFailed(3, 1, { status: 463, text: '' }))).toEqual([KIND.failed, 3, 1])
    expect(header(encodeCredit(4, 262144))).toEqual([KIND.credit, 4, 262144])
    expect(header(encodeStop(5))).toEqual([KIND.stop, 5, 0])
    expect(header(encodeCancel())).toEqual([KIND.cancel, 0, 0])
    expect(header(encodeError({ status: 400, text: '' }))).toEqual([KIND.error, 0, 0])
    expect(header(encodeHello({ features: [] }))).toEqual([KIND.hello, 0, 0])
    expect(header(encodeGoAway({ reason: '' }))).toEqual([KIND.goAway, 0, 0])
  })

  it('can be changed by a proxy, and nothing else changes', () => {
    const [frame] = encodeCall(greet) as [Buffer]
    for (const amount of [0, 1, 0x1234_5678, NO_LIMIT]) {
      setAmount(frame, amount)
      expect(amountOf(frame)).toBe(amount)
      expect(decodeCall([frame], {})).toEqual({ name: 'Greet', state: greet.state, extras: undefined })
    }
  })

  it('tells native messages from others', () => {
    expect(isNative(Buffer.from('eJyrVspMz'))).toBe(false)
    expect(isNative(Buffer.from('zmq_sub_heartbeat'))).toBe(false)
    expect(isNative(Buffer.alloc(0))).toBe(false)
    expect(isNative(Buffer.from('f901000000000000', 'hex'))).toBe(true)
    expect(isNative(Buffer.from('f9010000000000', 'hex'))).toBe(false)
  })
})

describe('a call', () => {
  it('arrives as it was sent, with and without extras', () => {
    expect(decodeCall(encodeCall(greet), {})).toEqual({ name: 'Greet', state: greet.state, extras: undefined })
    const extras = { metadata: { traceparent: '00-ab-cd-01', ['__proto__']: 'é' }, idempotencyKey: 'order 17' }
    expect(decodeCall(encodeCall({ ...greet, extras }), {})).toEqual({ name: 'Greet', state: greet.state, extras })
    expect(decodeCall(encodeCall({ ...greet, extras: {} }), {}).extras).toEqual({})
  })

  it('is judged by its head before its state is read', () => {
    const [frame] = encodeCall({ ...greet, extras: { idempotencyKey: 'k' } }) as [Buffer]
    const broken = [frame.subarray(0, -1)]
    const head = decodeCallHead(broken)
    expect(head).toMatchObject({ name: 'Greet', extras: { idempotencyKey: 'k' } })
    expect(() => decodeCallState(broken, head, {})).toThrow(NativeError)
    expect(decodeCallState([frame], head, {})).toEqual(greet.state)
  })

  it('may have extras, and bytes behind its state, that a later version put there', () => {
    const [frame] = encodeCall({ ...greet, extras: { idempotencyKey: 'k' } }) as [Buffer]
    const later = Buffer.concat([
      frame.subarray(0, 8),
      Buffer.from('8209c7037701020302a16b', 'hex'),
      frame.subarray(12),
      Buffer.from([0xc1]),
    ])
    expect(decodeCall([later, Buffer.from('a frame that nobody asked for')], {})).toEqual({
      name: 'Greet',
      state: greet.state,
      extras: { idempotencyKey: 'k' },
    })
  })

  it('has a name of at most 255 characters', () => {
    expect(decodeCallHead(encodeCall({ ...greet, name: 'n'.repeat(255) })).name).toHaveLength(255)
    expect(() => decodeCallHead(encodeCall({ ...greet, name: 'n'.repeat(256) }))).toThrow(NativeError)
  })
})

describe('a reply', () => {
  it.each([[undefined], [null], ['text'], [{ a: [1, 2.5, -0] }]])('holds %o', (value) => {
    expect(decodeReply(encodeReply(value), {})).toStrictEqual({ value, extras: undefined })
    expect(decodeReply(encodeReply(value, { metadata: { a: 'b' } }), {})).toStrictEqual({ value, extras: { metadata: { a: 'b' } } })
  })
})

describe('an error', () => {
  const full: WireError = {
    status: 463,
    text: 'the tray is empty',
    name: 'OutOfPaper',
    code: 'EPAPER',
    details: { tray: 2, since: new Date(0) },
    cause: { status: 463, text: 'no paper', code: 7 },
    stack: 'OutOfPaper: …\n    at print',
  }

  it('arrives with all that it has, and nothing else', () => {
    expect(decodeError(encodeError(full))).toStrictEqual({ error: full, extras: undefined })
    const bare = { status: 451, text: '' }
    expect(decodeError(encodeError(bare, { metadata: {} }))).toStrictEqual({ error: bare, extras: { metadata: {} } })
    expect(decodeFailed(encodeFailed(0, 3, full))).toStrictEqual(full)
  })

  it('keeps eight causes', () => {
    let error: WireError = { status: 463, text: '0' }
    for (let causes = 1; causes < 20; causes++) error = { status: 463, text: String(causes), cause: error }
    const texts: string[] = []
    for (let at: WireError | undefined = decodeError(encodeError(error)).error; at !== undefined; at = at.cause) texts.push(at.text)
    expect(texts).toEqual(['19', '18', '17', '16', '15', '14', '13', '12', '11'])
  })

  it('may have keys that a later version put there', () => {
    expect(decodeError(withUnknownKeys(encodeError(full), 8)).error).toStrictEqual(full)
  })

  it.each([
    ['no map', '90'],
    ['no status', '81a474657874a0'],
    ['a status that is none', '81a6737461747573ff'],
    ['a text that is none', '82a6737461747573ccc8a47465787401'],
    ['a code that is none', '82a6737461747573ccc8a4636f6465c0'],
  ])('with %s is refused', (_what, hex) => {
    expect(() => decodeError([Buffer.from(`f903000000000000${hex}`, 'hex')])).toThrow(NativeError)
  })
})

describe('the other messages', () => {
  it('arrive as they were sent', () => {
    expect(decodeItem(encodeItem(1, 2, { line: 'x' }))).toEqual({ line: 'x' })
    expect(decodeReason(encodeCancel('no longer needed'))).toBe('no longer needed')
    expect(decodeReason(encodeCancel())).toBeUndefined()
    expect(decodeReason(encodeStop(1, 'enough'))).toBe('enough')
    expect(decodeGoAway(encodeGoAway({ reason: 'maintenance' }))).toEqual({ reason: 'maintenance' })
    const hello = { features: ['streams', 'x'], contracts: [['Greet', 'abc']] as [string, string][], maxMessageBytes: 67108864 }
    expect(decodeHello(encodeHello(hello))).toStrictEqual(hello)
    expect(decodeHello(encodeHello({ features: [] }))).toStrictEqual({ features: [] })
  })

  it('may have keys that a later version put there', () => {
    expect(decodeHello(withUnknownKeys(encodeHello({ features: ['a'] }), 8))).toStrictEqual({ features: ['a'] })
    expect(decodeGoAway(withUnknownKeys(encodeGoAway({ reason: 'r' }), 8))).toEqual({ reason: 'r' })
  })

  it.each([[decodeCallHead], [decodeReply], [decodeError], [decodeItem], [decodeFailed], [decodeReason], [decodeHello], [decodeGoAway]])(
    '%o refuses a message without a header, and one without a value',
    (decode) => {
      expect(() => decode([], {})).toThrow(NativeError)
      expect(() => decode([Buffer.from('f901', 'hex')], {})).toThrow(NativeError)
      expect(() => decode([Buffer.from('f901000000000000', 'hex')], {})).toThrow(NativeError)
      expect(() => decode([Buffer.from('f901000000000000c1', 'hex')], {})).toThrow(NativeError)
    },
  )
})

it('a value whose getter writes a message of its own disturbs neither', () => {
  let inner: Message = []
  const outer = encodeReply({
    before: 'a',
    get during() {
      inner = encodeReply('inner')
      return 'b'
    },
    after: 'c',
  })
  expect(decodeReply(outer, {}).value).toEqual({ before: 'a', during: 'b', after: 'c' })
  expect(decodeReply(inner, {}).value).toBe('inner')
})

it('a value that cannot be written leaves nothing behind', () => {
  expect(() => encodeReply([new Uint8Array(5000), { deep: [Symbol('x')] }])).toThrow('result[1].deep[0] is a symbol')
  expect(encodeReply(1)).toEqual([Buffer.from('f90200000000000001', 'hex')])
  expect(() => encodeCall({ ...greet, state: [Symbol('x')] })).toThrow(
    '[BAD_COMMAND] cannot write command "Greet": state[0] is a symbol, which the native dialect cannot hold',
  )
  expect(() => encodeReply({ big: Symbol.iterator })).toThrow('cannot write the result: result.big is a symbol')
})

it('messages that were written do not change when others are', () => {
  const messages = Array.from({ length: 2000 }, (_, index) => encodeReply({ index, text: 'x'.repeat(index % 200) }))
  for (const [index, message] of messages.entries()) {
    expect(decodeReply(message, {}).value).toEqual({ index, text: 'x'.repeat(index % 200) })
  }
})
