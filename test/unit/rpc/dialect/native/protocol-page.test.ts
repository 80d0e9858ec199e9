/** docs/protocol.md is right: its examples are what we write, and what they are said to be is what we read. */

import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../../../../src/errors.ts'
import { amountOf, FLAG, KIND, kindOf, NO_LIMIT, numberOf } from '../../../../../src/rpc/dialect/native/header.ts'
import {
  type Accepted,
  decodeAccepted,
  decodeCall,
  decodeError,
  decodeFailed,
  decodeGoAway,
  decodeHello,
  decodeItem,
  decodeReason,
  decodeReply,
  type Extras,
  encodeAccepted,
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
  type Hello,
  type WireError,
} from '../../../../../src/rpc/dialect/native/message.ts'
import { NativeError } from '../../../../../src/rpc/dialect/native/native-error.ts'
import type { Message } from '../../../../../src/wire/index.ts'
import { fromJson, READ, toJson, WRITE } from '../../../../helpers/native-json.ts'
import { messageVectors, statusVectors, valueVectors } from '../../../../helpers/protocol-vectors.ts'

/** What stands in the description of a message, as far as its kind has it. */
interface Described {
  kind: string
  flags: number
  timeLeftMs: number
  name: string
  state: unknown
  extras?: Extras
  streams: number
  value: unknown
  error: WireError
  reason?: string
  stream: number
  sequence: number
  bytes: number
}

function encode(described: Described): Message {
  const { kind, name, extras, error, reason, stream, sequence, bytes } = described
  switch (kind) {
    case 'CALL': {
      const timeLeftMs = described.timeLeftMs === NO_LIMIT ? Number.POSITIVE_INFINITY : described.timeLeftMs
      return encodeCall({ name, state: fromJson(described.state), timeLeftMs, flags: described.flags, extras }, WRITE)
    }
    case 'REPLY':
      return encodeReply(fromJson(described.value), extras, WRITE)
    case 'ERROR':
      return encodeError(error, extras)
    case 'CANCEL':
      return encodeCancel(reason)
    case 'ITEM':
      return encodeItem(stream, sequence, fromJson(described.value))
    case 'END':
      return encodeEnd(stream, sequence)
    case 'FAILED':
      return encodeFailed(stream, sequence, error)
    case 'CREDIT':
      return encodeCredit(stream, bytes)
    case 'STOP':
      return encodeStop(stream, reason)
    case 'HELLO':
      return encodeHello(described as unknown as Hello)
    case 'GOAWAY':
      return encodeGoAway({ reason: reason ?? '' })
    case 'ACCEPTED':
      return encodeAccepted(described as unknown as Accepted)
    default:
      throw new Error(`no such kind: ${kind}`)
  }
}

/** As the page would describe it. */
function describeMessage(body: Message): Partial<Described> | ({ kind: string } & (Hello | Accepted)) {
  const head = body[0] as Buffer
  const [number, amount] = [numberOf(head), amountOf(head)]
  const kind =
    Object.entries(KIND)
      .find(([, value]) => value === kindOf(head))?.[0]
      .toUpperCase() ?? ''
  switch (kindOf(head)) {
    case KIND.call: {
      const { name, state, extras } = decodeCall(body, READ)
      return { kind, flags: number & ~FLAG.extras, timeLeftMs: amount, ...(extras && { extras }), name, state: toJson(state) }
    }
    case KIND.reply: {
      const { value, extras } = decodeReply(body, READ)
      return { kind, streams: amount, ...(extras && { extras }), value: toJson(value) }
    }
    case KIND.error:
      return { kind, error: decodeError(body).error }
    case KIND.item:
      return { kind, stream: number, sequence: amount, value: toJson(decodeItem(body)) }
    case KIND.end:
      return { kind, stream: number, sequence: amount }
    case KIND.failed:
      return { kind, stream: number, sequence: amount, error: decodeFailed(body) }
    case KIND.credit:
      return { kind, stream: number, bytes: amount }
    case KIND.hello:
      return { kind, ...decodeHello(body) }
    case KIND.goAway:
      return { kind, ...decodeGoAway(body) }
    case KIND.accepted:
      return { kind, ...decodeAccepted(body) }
    default: {
      const reason = decodeReason(body)
      return { kind, ...(kindOf(head) === KIND.stop && { stream: number }), ...(reason !== undefined && { reason }) }
    }
  }
}

/** The description without its shorthands. */
function inFull(json: unknown): unknown {
  return toJson(fromJson(json))
}

const HEADER = Buffer.from('f902000000000000', 'hex')
const FRAME = Buffer.alloc(8)

describe('the messages of docs/protocol.md', () => {
  it('are one of each kind at least', () => {
    expect(new Set(messageVectors.map(({ described }) => described.kind))).toEqual(
      new Set(Object.keys(KIND).map((kind) => kind.toUpperCase())),
    )
  })

  it.each(messageVectors)('$name', ({ body, described }) => {
    const written = encode(described as unknown as Described)
    expect(written.map((frame) => frame.toString('hex'))).toEqual(body.map((frame) => frame.toString('hex')))
    const told = describeMessage(body)
    const { value } = described
    expect(told).toEqual(value === undefined ? described : { ...described, value: inFull(value) })
  })
})

describe('the values of docs/protocol.md', () => {
  it.each(valueVectors(undefined))('$hex', ({ bytes, text }) => {
    const value = fromJson(JSON.parse(text))
    expect(Buffer.concat(encodeReply(value, undefined, WRITE)).toString('hex', HEADER.length)).toBe(bytes.toString('hex'))
    expect(isDeepStrictEqual(decodeReply([Buffer.concat([HEADER, bytes])], READ).value, value)).toBe(true)
  })

  it.each(valueVectors('read-only'))('$hex is only read', ({ bytes, text }) => {
    const value = fromJson(JSON.parse(text))
    expect(encodeReply(value, undefined, WRITE)[0]?.subarray(HEADER.length)).not.toEqual(bytes)
    expect(isDeepStrictEqual(decodeReply([Buffer.concat([HEADER, bytes])], READ).value, value)).toBe(true)
  })

  it.each(valueVectors('refused'))('$hex is refused: $text', ({ bytes, text }) => {
    const frames = text.includes('not there') ? [] : [FRAME]
    expect(() => decodeReply([Buffer.concat([HEADER, bytes]), ...frames], READ)).toThrow(NativeError)
  })
})

it('the statuses of docs/protocol.md are all there are', () => {
  const ours = Object.values(ERROR_CODES).flatMap((traits) => ('status' in traits ? [traits.status] : []))
  expect(statusVectors()).toEqual(ours)
})
