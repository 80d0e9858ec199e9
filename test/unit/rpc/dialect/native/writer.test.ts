/** What the native dialect does not write, and how it says so. */

import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { Command, OpaqueCommand } from '../../../../../src/rpc/command/command.ts'
import { swapped } from '../../../../../src/rpc/dialect/native/binary.ts'
import { decodeReply, encodeCall, encodeReply, writeCall } from '../../../../../src/rpc/dialect/native/message.ts'
import { FrameWriter } from '../../../../../src/wire/frame-writer.ts'
import { type Message, toNumbered } from '../../../../../src/wire/index.ts'

const write = (state: unknown) => encodeCall({ name: 'Greet', state, timeLeftMs: 1, flags: 0 })

class Throws extends Command {
  override getCommandState(): unknown {
    throw new Error('not now')
  }
}

describe('a value that cannot be written is refused with its path', () => {
  const cyclic: Record<string, unknown> = { list: [] }
  ;(cyclic['list'] as unknown[]).push(new Map([['a b', { back: cyclic }]]))
  const growing = new Set<unknown>()
  growing.add({
    get more() {
      growing.add({})
      return 1
    },
  })

  it.each<[string, unknown, string]>([
    ['a symbol', { samples: [1, 2, 3, { x: Symbol('x') }] }, 'state.samples[3].x is a symbol, which the native dialect cannot hold'],
    ['a function that is no member of an object', [() => 1], 'state[0] is a function, which the native dialect cannot hold'],
    ['a Promise', { 'a b': Promise.resolve() }, 'state["a b"] is a Promise: await it first'],
    ['an Error', [new RangeError('x')], 'state[0] is an Error, which the native dialect cannot hold: send its message'],
    [
      'an Error of another realm',
      runInNewContext('[new Error()]'),
      'state[0] is an Error, which the native dialect cannot hold: send its message',
    ],
    ['a RegExp', [/x/], 'state[0] is a RegExp, which the native dialect cannot hold: send its source'],
    ['a WeakMap', new Map([['k', new WeakMap()]]), 'state.k is a weak collection, which the native dialect cannot hold'],
    ['an object around a primitive', new Set([1, Object('x')]), 'state[1] is an object around a primitive: send the primitive'],
    ['an invalid Date', { at: new Date(Number.NaN) }, 'state.at is an invalid Date'],
    ['a cycle', cyclic, 'state.list[0]["a b"].back refers to an object that it is part of: a cycle has no end in a message'],
    ['a bigint without measure', [1n << 600_000n], 'state[0] is an integer of more than 65536 bytes'],
    [
      'a stream',
      { inner: new OpaqueCommand('Tail', { lines: (async function* () {})() }) },
      'state.inner.lines is a stream (AsyncIterable), which cannot be sent here',
    ],
    ['a Set that grows', growing, 'state changed while it was written'],
    ['a command whose state cannot be had', [new Throws()], 'state[0] cannot be had: getCommandState of "Throws" threw not now'],
    ['what a toJSON makes', [{ toJSON: () => Symbol('x') }], 'state[0] is a symbol, which the native dialect cannot hold'],
  ])('%s', (_what, state, text) => {
    expect(() => write(state)).toThrow(`[BAD_COMMAND] cannot write command "Greet": ${text}`)
    expect(() => encodeReply(state)).toThrow(`[BAD_COMMAND] cannot write the result: ${text.replace('state', 'result')}`)
  })

  it('a getter that throws', () => {
    const cause = new Error('no')
    const value = {
      list: [
        {
          get x() {
            throw cause
          },
        },
      ],
    }
    const message = '[BAD_COMMAND] cannot write command "Greet": state.list[0] cannot be read: a toJSON or a getter threw no'
    expect(() => write(value)).toThrow(expect.objectContaining({ cause, message, command: 'Greet' }))
  })

  it('nesting beyond 1000 levels, and none before', () => {
    const nested = (depth: number) => {
      let value: unknown = 1
      for (let level = 0; level < depth; level++) value = level % 2 ? [value] : level % 3 ? new Map([[1, value]]) : { a: value }
      return value
    }
    expect(decodeReply(encodeReply(nested(1000)), {}).value).toStrictEqual(nested(1000))
    expect(() => encodeReply(nested(1001))).toThrow(/ is nested deeper than 1000 levels$/)
    expect(() => encodeReply(nested(100_000))).toThrow(/ is nested deeper than 1000 levels$/)
  })

  it('a stream with a number that no message can hold', () => {
    const lines = (async function* () {})()
    expect(() => encodeReply([lines], undefined, { stream: () => 65_536 })).toThrow('result[0] is one stream too many for a call')
  })
})

it('an object that stands in two places is written twice, since that is no cycle', () => {
  const shared = { a: new Set([1]) }
  expect(decodeReply(encodeReply([shared, { shared }, shared]), {}).value).toEqual([shared, { shared }, shared])
})

it('what a cycle holds is not written a thousand times before it is noticed', () => {
  const cyclic: Record<string, unknown> = { big: 'x'.repeat(10_000_000) }
  cyclic['self'] = cyclic
  const before = process.memoryUsage().arrayBuffers
  expect(() => encodeReply(cyclic)).toThrow('result.self refers to an object')
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100e6)
})

it('instances of ordinary classes are written as their fields', () => {
  class Point {
    x = 1
    #hidden = 2
    get sum() {
      return this.x + this.#hidden
    }
    move = () => {}
  }
  class Dated extends Date {}
  const bare = Object.create(null, { x: { value: 1, enumerable: true }, y: { value: 2 } })
  expect(decodeReply(encodeReply([new Point(), bare, new Dated(5), runInNewContext('({ a: new Map([[1, 2]]) })')]), {}).value).toEqual([
    { x: 1 },
    { x: 1 },
    new Date(5),
    { a: new Map([[1, 2]]) },
  ])
})

it('elements are least significant byte first, also where the machine has them the other way round', () => {
  const bytes = Buffer.from('0102030405060708', 'hex')
  expect([0, 3, 5, 8, 11].map((type) => swapped(bytes, type).toString('hex'))).toEqual([
    '0102030405060708',
    '0201040306050807',
    '0403020108070605',
    '0807060504030201',
    '0102030405060708',
  ])
  expect(bytes.toString('hex')).toBe('0102030405060708')
})

describe('a call that is to be sent once', () => {
  // Texts of this length are given more room than they need, so that the end of a slab comes in their midst.
  it('has room for its number before it, wherever in the memory it came to stand', () => {
    for (let count = 0; count < 2000; count++) {
      const call = { name: 'Echo', state: { value: 'a'.repeat(100 + (count % 120)) }, timeLeftMs: 1000, flags: 0 }
      const writer = new FrameWriter()
      writer.writeNumbered(count, writeCall(call))
      expect(Buffer.concat(writer.take()).equals(framed(toNumbered(count, encodeCall(call))))).toBe(true)
    }
  })
})

function framed(message: Message): Buffer {
  const writer = new FrameWriter()
  writer.writeMessage(message)
  return Buffer.concat(writer.take())
}
