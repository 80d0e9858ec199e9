/** What holds for every value, and for every message of a stranger. */

import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Command } from '../../../../../src/rpc/command/command.ts'
import {
  decodeAccepted,
  decodeCall,
  decodeCallFields,
  decodeCallHead,
  decodeCallState,
  decodeError,
  decodeFailed,
  decodeGoAway,
  decodeHello,
  decodeItem,
  decodeReason,
  decodeReply,
  encodeAccepted,
  encodeCall,
  encodeError,
  encodeHello,
  encodeItem,
  encodeReply,
  type WireError,
  withExtras,
} from '../../../../../src/rpc/dialect/native/message.ts'
import { NativeError } from '../../../../../src/rpc/dialect/native/native-error.ts'
import type { Message } from '../../../../../src/wire/index.ts'
import { READ, WRITE } from '../../../../helpers/native-json.ts'
import { arriving, key, nativeValue, text } from './native-values.ts'

const extras = fc.record(
  {
    metadata: fc.array(fc.tuple(key, text), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
    idempotencyKey: text,
    orderingKey: text,
    keep: fc.record({ ttlMs: fc.maxSafeNat() }, { requiredKeys: [], noNullPrototype: true }),
  },
  { requiredKeys: [], noNullPrototype: true },
)

const { error: wireError } = fc.letrec<{ error: WireError }>((tie) => ({
  error: fc.record(
    {
      status: fc.integer({ min: 0, max: 999 }),
      text,
      name: text,
      code: fc.oneof(text, fc.integer()),
      details: fc.jsonValue(),
      cause: tie('error'),
      stack: text,
    },
    { requiredKeys: ['status', 'text'], noNullPrototype: true },
  ),
}))

/** The same message as it may lie in the chunks that came: no frame where its elements could be aligned. */
function displaced(message: Message): Message {
  return message.map((frame) => {
    const chunk = Buffer.alloc(frame.length + 4)
    const odd = chunk.subarray(3, 3 + frame.length)
    frame.copy(odd)
    return odd
  })
}

describe('whatever is written is read as the same', () => {
  it('in a reply', () => {
    fc.assert(
      fc.property(nativeValue, fc.option(extras, { nil: undefined }), (value, given) => {
        const message = displaced(encodeReply(value, given, WRITE))
        const reply = decodeReply(message, READ)
        expect(isDeepStrictEqual(reply, { value: arriving(value), extras: given })).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('in a call', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 255 }), nativeValue, (name, state) => {
        const call = decodeCall(encodeCall({ name, state, timeLeftMs: 1, flags: 0 }, WRITE), READ)
        expect(isDeepStrictEqual(call, { name, state: arriving(state), extras: undefined })).toBe(true)
      }),
    )
  })

  it('in a call that is passed on with other extras', () => {
    const some = fc.option(extras, { nil: undefined })
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 255 }), nativeValue, some, some, (name, state, first, second) => {
        const body = displaced(encodeCall({ name, state, timeLeftMs: 17, flags: 4, extras: first }, WRITE))
        const changed = withExtras(body, decodeCallHead(body), second)
        const expected = encodeCall({ name, state, timeLeftMs: 17, flags: 4, extras: second }, WRITE)
        expect(changed.map((frame) => frame.toString('hex'))).toEqual(expected.map((frame) => frame.toString('hex')))
      }),
    )
  })

  it('in the word of a buffer', () => {
    const accepted = fc.record(
      { id: text.filter((id) => id !== ''), by: text, ageMs: fc.maxSafeNat() },
      { requiredKeys: ['id'], noNullPrototype: true },
    )
    fc.assert(
      fc.property(accepted, (told) => {
        expect(decodeAccepted(encodeAccepted(told))).toEqual(told)
      }),
    )
  })

  it('in an error, but for causes without end', () => {
    fc.assert(
      fc.property(wireError, (error) => {
        expect(isDeepStrictEqual(decodeError(encodeError(error)).error, error)).toBe(true)
      }),
    )
  })

  it('in items of a stream, one after the other', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 30 }), (items) => {
        const messages = items.map((item, sequence) => encodeItem(1, sequence, item))
        expect(
          isDeepStrictEqual(
            messages.map((message) => decodeItem(message)),
            items,
          ),
        ).toBe(true)
      }),
    )
  })
})

const DECODERS = [
  (body: Message) => decodeCall(body, READ),
  (body: Message) => decodeReply(body, READ),
  decodeCallHead,
  decodeError,
  decodeItem,
  decodeFailed,
  decodeReason,
  decodeHello,
  decodeGoAway,
  decodeAccepted,
]

/** A value, or a NativeError; and nothing that a few bytes could not have meant. */
function expectHarmless(message: Message): void {
  const copy = message.map((frame) => Buffer.from(frame))
  for (const decode of DECODERS) {
    try {
      decode(message)
    } catch (error) {
      if (!(error instanceof NativeError)) throw error
      if (error.message.length > 200) throw new Error(`a long text: ${error.message}`)
    }
  }
  expect(message.every((frame, index) => frame.equals(copy[index] as Buffer))).toBe(true)
}

const someMessage = fc.oneof(
  nativeValue.map((value) => encodeReply(value, { metadata: { a: 'b' } }, WRITE)),
  nativeValue.map((state) => encodeCall({ name: 'Greet', state, timeLeftMs: 1, flags: 0 }, WRITE)),
  wireError.map((error) => encodeError(error)),
  extras.map((given) => encodeCall({ name: 'Keep', state: {}, timeLeftMs: 1, flags: 8, extras: given })),
  text.map((by) => encodeAccepted({ id: 'id-1', by, ageMs: 12 })),
  fc.array(text, { maxLength: 3 }).map((features) => encodeHello({ features, contracts: [['Greet', 'x']], maxMessageBytes: 1 })),
)

describe('whatever a stranger sends is a value or a NativeError', () => {
  it('when a message is cut off anywhere', () => {
    fc.assert(
      fc.property(someMessage, ([body, ...frames]) => {
        const whole = body as Buffer
        for (let length = 0; length < Math.min(whole.length, 400); length++) expectHarmless([whole.subarray(0, length), ...frames])
        for (let count = 0; count < frames.length; count++) expectHarmless([whole, ...frames.slice(0, count)])
      }),
      { numRuns: 100 },
    )
  })

  it('when bytes of it are changed, put in or left out', () => {
    const change = fc.tuple(fc.nat(), fc.constantFrom('set', 'flip', 'insert', 'remove'), fc.integer({ min: 0, max: 255 }))
    fc.assert(
      fc.property(someMessage, fc.array(change, { minLength: 1, maxLength: 4 }), ([body, ...frames], changes) => {
        const bytes = [...(body as Buffer)]
        for (const [where, how, byte] of changes) {
          const at = 8 + (where % Math.max(1, bytes.length - 8))
          if (how === 'set') bytes[at] = byte
          else if (how === 'flip') bytes[at] = (bytes[at] ?? 0) ^ (1 << (byte % 8))
          else if (how === 'insert') bytes.splice(at, 0, byte)
          else bytes.splice(at, 1)
        }
        expectHarmless([Buffer.from(bytes), ...frames])
      }),
      { numRuns: 3000 },
    )
  })

  it('when it is noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) =>
        expectHarmless([Buffer.concat([Buffer.from('f901000100000000', 'hex'), noise])]),
      ),
      { numRuns: 3000 },
    )
  })
})

describe('the fields of a command', () => {
  const entries = fc.array(fc.tuple(fc.oneof(key, fc.constantFrom('a', 'b', 'c')), nativeValue), { maxLength: 18 })

  class Any extends Command {}
  const method = (): string => 'own'

  /** A command with these fields, and a method among them. */
  function withFields(fields: readonly (readonly [string, unknown])[]): Command {
    const command = new Any()
    const describe = (value: unknown) => ({ value, writable: true, enumerable: true, configurable: true })
    for (const [name, value] of [...fields, ['method', method] as const]) Object.defineProperty(command, name, describe(value))
    return command
  }

  it('are written and read as the state that they are', () => {
    fc.assert(
      fc.property(entries, entries, (sent, there) => {
        const command = withFields(sent)
        const call = { name: 'Any', timeLeftMs: 1, flags: 0 }
        const message = encodeCall({ ...call, fields: command }, WRITE)
        expect(message).toEqual(encodeCall({ ...call, state: command.getCommandState() }, WRITE))
        const head = decodeCallHead(message)
        const [straight, byState] = [withFields(there), withFields(there)]
        expect(decodeCallFields(message, head, READ, straight)).toBe(true)
        byState.setCommandState(decodeCallState(message, head, READ))
        expect(isDeepStrictEqual(straight, byState)).toBe(true)
      }),
    )
  })

  it('are left alone where the state is no object', () => {
    for (const state of [null, 7, 'text', [1], new Map([['a', 1]])]) {
      const command = withFields([['a', 0]])
      const message = encodeCall({ name: 'Any', state, timeLeftMs: 1, flags: 0 })
      expect(decodeCallFields(message, decodeCallHead(message), READ, command)).toBe(false)
      expect(command).toMatchObject({ a: 0 })
    }
  })
})
