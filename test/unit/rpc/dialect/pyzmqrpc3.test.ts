import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { deflateSync, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Command, ShutdownServer } from '../../../../src/rpc/command/command.ts'
import { CommandRegistry } from '../../../../src/rpc/command/command-registry.ts'
import { parsePythonJson } from '../../../../src/rpc/dialect/python-json-reader.ts'
import {
  type DecodeFailure,
  decodeCommand,
  decodeReply,
  encodeCommand,
  encodeReply,
  HEARTBEAT,
  isHeartbeat,
  readCommandText,
  STATUS,
  STATUS_TEXT,
} from '../../../../src/rpc/dialect/pyzmqrpc3.ts'
import { pythonValue } from '../../../interop/python/python-values.ts'

/** Made by the real thing: test/interop/python/make-vectors.py. */
const vectors = JSON.parse(readFileSync(new URL('pyzmqrpc3-vectors.json', import.meta.url), 'utf8')) as {
  requests: { frame: string; json: string }[]
  failures: { what: string; frame: string; reply: string }[]
  replies: { json: string; reply: string }[]
  raised: string
}

class Stateful extends Command {
  state: unknown = {}

  static of<C extends Stateful>(this: new () => C, state: unknown): C {
    const command = new this()
    command.state = state
    return command
  }

  override getCommandState(): unknown {
    return this.state
  }

  override setCommandState(state: unknown): void {
    this.state = state
  }
}
class Greet extends Stateful {}
class Shape extends Stateful {}
class Point extends Stateful {}
class Strict extends Stateful {
  override setCommandState(): void {
    throw new Error('refused')
  }
}

const registry = new CommandRegistry([Greet, Shape, Point, Strict])

const ascii = (text: string) => Buffer.from(text, 'latin1')
const frameOf = (json: string) => ascii(deflateSync(json).toString('base64'))
const jsonOf = (frame: Buffer) => inflateSync(Buffer.from(frame.toString('latin1'), 'base64')).toString('latin1')

function decoded(frame: Uint8Array): Command {
  const result = decodeCommand(frame, registry)
  if (result.kind === 'failure') throw new Error(result.detail)
  return result.command
}

function failed(frame: Uint8Array, limits = {}): DecodeFailure {
  const result = decodeCommand(frame, registry, limits)
  if (result.kind === 'command') throw new Error('decoded')
  return result
}

describe('a request', () => {
  it.each(vectors.requests)('of Python is read, and written by us as the same JSON: $json', ({ frame, json }) => {
    const result = decodeCommand(ascii(frame), registry)
    expect(result).toMatchObject({ kind: 'command', name: /"([A-Z]\w+)"/.exec(json)?.[1] })
    expect(jsonOf(encodeCommand(decoded(ascii(frame))))).toBe(json)
    expect(readCommandText(ascii(frame))).toBe(json)
  })

  it.each([10, 5000])('is ASCII that starts as that of Python, with %d characters of state', (length) => {
    const frame = encodeCommand(Greet.of({ name: 'é'.repeat(length) }))
    expect(frame.toString('latin1')).toMatch(/^eJ[A-Za-z0-9+/]+={0,2}$/)
    expect(jsonOf(frame)).toBe(`{"_icmd_": ["Greet", {"name": "${'\\u00e9'.repeat(length)}"}]}`)
  })

  it('of every size is zlib data, whether it is worth compressing or not', () => {
    for (let length = 0; length < 400; length++) {
      const name = '~'.repeat(length)
      expect(decoded(encodeCommand(Greet.of({ name })))).toMatchObject({ state: { name } })
    }
  })

  it('may hold commands anywhere', () => {
    const shape = Shape.of({ corner: Point.of({ x: 1 }), more: [Point.of({ x: 2 }), { deep: Shape.of([Point.of(null)]) }] })
    expect(jsonOf(encodeCommand(shape))).toBe(
      '{"_icmd_": ["Shape", {"corner": {"_icmd_": ["Point", {"x": 1}]}, "more": [{"_icmd_": ["Point", {"x": 2}]}, ' +
        '{"deep": {"_icmd_": ["Shape", [{"_icmd_": ["Point", null]}]]}}]}]}',
    )
    const back = decoded(encodeCommand(shape))
    expect(back).toStrictEqual(shape)
    expect((back as Shape).state).toHaveProperty('more.0', expect.any(Point))
  })

  it('gets nested commands before the one that holds them', () => {
    const order: unknown[] = []
    class Step extends Command {
      override setCommandState(state: { step: number }): void {
        order.push(state.step)
      }
    }
    const text = '{"_icmd_": ["Step", {"step": 3, "a": [{"_icmd_": ["Step", {"step": 1}]}, {"_icmd_": ["Step", {"step": 2}]}]}]}'
    decodeCommand(frameOf(text), new CommandRegistry([Step]))
    expect(order).toEqual([1, 2, 3])
  })

  it('reads its own fields where the class does not say otherwise', () => {
    class Order extends Command<number> {
      item = ''
      count = 1
      at: unknown = undefined
    }
    const order = new Order()
    order.item = 'tea'
    order.at = new Date(0)
    expect(jsonOf(encodeCommand(order))).toBe('{"_icmd_": ["Order", {"item": "tea", "count": 1, "at": "1970-01-01T00:00:00.000Z"}]}')
    const result = decodeCommand(encodeCommand(order), new CommandRegistry([Order]))
    expect(result).toMatchObject({ kind: 'command', name: 'Order', command: { item: 'tea', count: 1, at: '1970-01-01T00:00:00.000Z' } })
  })

  it('carries every value there and back', () => {
    fc.assert(
      fc.property(pythonValue, (value) => {
        const { state } = decoded(encodeCommand(Greet.of({ value }))) as Greet
        expect(isDeepStrictEqual(state, { value })).toBe(true)
      }),
    )
  })

  it('never pollutes a prototype, even with commands under dangerous keys', () => {
    const point = '{"_icmd_": ["Point", {"__proto__": {"polluted": 1}}]}'
    const { state } = decoded(frameOf(`{"_icmd_": ["Greet", {"__proto__": ${point}, "constructor": ${point}}]}`)) as Greet
    expect(Object.getPrototypeOf(state)).toBe(Object.prototype)
    const own = Object.getOwnPropertyDescriptor(state, '__proto__')?.value as Point
    expect(own).toBeInstanceOf(Point)
    expect(Object.keys(own.state as object)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('is read from any view of bytes', () => {
    const frame = encodeCommand(new ShutdownServer())
    const view = new Uint8Array(new Uint8Array([1, 2, ...frame, 3]).buffer, 2, frame.length)
    expect(decodeCommand(view, new CommandRegistry([ShutdownServer]))).toMatchObject({ name: 'ShutdownServer' })
  })
})

describe('a request that cannot be written', () => {
  class Throws extends Command {
    override getCommandState(): unknown {
      throw new Error('not ready')
    }
  }

  it.each<[Command, string]>([
    [Greet.of({ samples: [{ x: new Map() }] }), 'cannot write command "Greet": state.samples[0].x is a Map, which JSON cannot hold'],
    [Greet.of({ data: Buffer.from('x') }), 'cannot write command "Greet": state.data is binary (Uint8Array), which the pyzmqrpc3 dialect'],
    [Shape.of({ a: [Point.of({ f: Symbol() })] }), 'cannot write command "Shape": state.a[0].f is a symbol'],
    [Greet.of({ note: { _icmd_: ['ShutdownServer', {}] } }), 'state.note has the key "_icmd_", which the far end would take for a command'],
    [new Throws(), 'cannot write command "Throws": state cannot be had: getCommandState of "Throws" threw Error: not ready'],
    [Greet.of([new Throws()]), 'cannot write command "Greet": state[0] cannot be had: getCommandState of "Throws" threw'],
    [new (class extends Command {})(), 'a command class has no name'],
  ])('says what and where: %o', (command, text) => {
    expect(() => encodeCommand(command)).toThrow(expect.objectContaining({ code: 'BAD_COMMAND', message: expect.stringContaining(text) }))
  })

  it('does not loop when a command holds itself', () => {
    const greet = Greet.of({})
    greet.state = { self: [greet] }
    expect(() => encodeCommand(greet)).toThrow('state.self[0] refers to an object that it is part of')
  })

  it('counts the levels that commands take', () => {
    const chain = (length: number) => {
      let command = Greet.of(1)
      for (let link = 1; link < length; link++) command = Greet.of(command)
      return command
    }
    expect(decoded(encodeCommand(chain(500)))).toStrictEqual(chain(500))
    expect(() => encodeCommand(chain(501))).toThrow(/is nested deeper than 1000 levels$/)
  })
})

describe('a frame that holds no command', () => {
  it.each(vectors.failures)('is answered as Python does: $what', ({ frame, reply }) => {
    const { status, statusText } = failed(ascii(frame))
    expect(encodeReply({ status, statusText }).toString('latin1')).toBe(reply)
  })

  it('is answered with 451 when its command is not known here, where Python answers 400', () => {
    expect(failed(frameOf('{"_icmd_": ["Unknown", {}]}'))).toEqual({
      kind: 'failure',
      status: 451,
      statusText: 'No service on the server is registered for command "Unknown".',
      detail: 'no command "Unknown" is registered',
      name: 'Unknown',
    })
  })

  it('does not make us send a long name back, or log it', () => {
    const name = 'A'.repeat(100_000)
    const failure = failed(frameOf(`{"_icmd_": ["${name}", {}]}`))
    expect(failure.statusText.length).toBeLessThan(400)
    expect([failure.detail.length < 400, failure.name?.length]).toEqual([true, 255])
    // Found by fuzzing: inside of another command it was logged whole.
    const nested = failed(frameOf(`{"_icmd_": ["Greet", [{"_icmd_": ["${name}", 1]}]]}`))
    expect([nested.detail.length < 400, String(nested.cause).length < 400]).toEqual([true, true])
  })

  it.each<[string, Buffer, string | RegExp]>([
    ['no zlib data', ascii('aGVsbG8='), 'not base64 of zlib data within the limits: incorrect header check'],
    ['bad JSON', frameOf('{"a" 1}'), 'expected ":" at position 5 (line 1, column 6)'],
    [
      'an unknown nested command',
      frameOf('{"_icmd_": ["Greet", [{"_icmd_": ["Gone", 1]}]]}'),
      'no command "Gone" is registered, and the message holds one',
    ],
    ['a setter that throws', frameOf('{"_icmd_": ["Strict", {}]}'), 'setCommandState of "Strict" threw Error: refused'],
    ['a command without state', frameOf('{"_icmd_": ["Greet"]}'), '"_icmd_" is not a pair of a name and a state'],
    ['a list', frameOf('[1]'), 'the message is JSON, but no command: a list'],
    ['invalid UTF-8', ascii(deflateSync(Buffer.from([0x22, 0xff, 0x22])).toString('base64')), /encoded data was not valid/],
    [
      'a name of the prototype',
      frameOf('{"a": {"_icmd_": ["constructor", {}]}}'),
      'no command "constructor" is registered, and the message holds one',
    ],
  ])('says for our log what was wrong: %s', (_what, frame, detail) => {
    if (typeof detail === 'string') expect(failed(frame).detail).toContain(detail)
    else expect(failed(frame).detail).toMatch(detail)
  })

  it('is refused before it is inflated beyond the limit', () => {
    const bomb = frameOf(JSON.stringify('0'.repeat(1_000_000)))
    expect(bomb.length).toBeLessThan(3000)
    const failure = failed(bomb, { maxInflatedBytes: 100_000 })
    expect(failure).toMatchObject({ status: 400, statusText: STATUS_TEXT.badCommand('Could not decode/unzip the contents') })
    expect(failure.detail).toContain('100000 bytes')
    expect(failed(bomb)).toMatchObject({ status: 451 })
  })

  it('is refused when it is nested beyond the limit', () => {
    expect(failed(frameOf('[[[[1]]]]'), { maxDepth: 3 })).toMatchObject({
      status: 400,
      detail: expect.stringContaining('deeper than 3 levels'),
    })
  })

  it('never makes the decoder throw, whatever it holds', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeCommand(bytes, registry).kind).toBe('failure')
      }),
    )
    const icmd = fc.constantFrom(
      '{"_icmd_": ["Greet", ',
      '{"_icmd_": ',
      ']}',
      '"Greet"',
      '[',
      ']',
      '{',
      '}',
      '1',
      ',',
      'NaN',
      '"a": ',
      'null',
    )
    fc.assert(
      fc.property(fc.array(icmd), (parts) => {
        expect(['command', 'failure']).toContain(decodeCommand(frameOf(parts.join('')), registry).kind)
      }),
    )
  })
})

describe('a reply', () => {
  it.each(vectors.replies)('is byte for byte that of Python: $json', ({ json, reply }) => {
    expect(encodeReply({ status: 200, statusText: 'OK', result: parsePythonJson(json) }).toString('latin1')).toBe(reply)
    const expected = json === 'null' ? undefined : parsePythonJson(json)
    expect(isDeepStrictEqual(decodeReply(ascii(reply)), { status: 200, statusText: 'OK', result: expected })).toBe(true)
  })

  it('says what a service raised, with the space of Python at the end', () => {
    const statusText = STATUS_TEXT.serviceRaised('Raises', 'no such sensor')
    expect(encodeReply({ status: STATUS.serviceRaised, statusText }).toString('latin1')).toBe(vectors.raised)
  })

  it.each([undefined, null, { toJSON: () => undefined }, { toJSON: () => null }])('leaves out a result that is %o', (result) => {
    expect(encodeReply({ status: 200, statusText: 'OK', result }).toString('latin1')).toBe('{"status_code": 200, "status_message": "OK"}')
  })

  it.each<[unknown, string]>([
    [{ rows: [new Set()] }, '[BAD_COMMAND] cannot write the result: result.rows[0] is a Set'],
    [Buffer.from('x'), '[BAD_COMMAND] cannot write the result: result is binary'],
    [
      [Greet.of({})],
      '[BAD_COMMAND] cannot write the result: result[0] is a command ("Greet"), which no client of the pyzmqrpc3 dialect decodes',
    ],
    [() => 1, '[BAD_COMMAND] cannot write the result: result is a function'],
  ])('cannot hold %o', (result, text) => {
    expect(() => encodeReply({ status: 200, statusText: 'OK', result })).toThrow(text)
  })

  it.each([
    ['{"status_code": 200}', { status: 200, statusText: 'OK', result: undefined }],
    ['{"status_code": 500}', { status: 500, statusText: 'Error occurred with code 500', result: undefined }],
    ['{"status_code": 482, "status_message": "Error", "response_message": "late"}', { status: 482, statusText: 'Error', result: 'late' }],
    [
      '{"status_code": 451, "status_message": null, "more": 1}',
      { status: 451, statusText: 'Error occurred with code 451', result: undefined },
    ],
    ['{"status_code": 200, "status_message": "OK", "response_message": null}', { status: 200, statusText: 'OK', result: null }],
    [
      '{"status_code": 200, "response_message": {"_icmd_": ["Greet", {}]}}',
      { status: 200, statusText: 'OK', result: { _icmd_: ['Greet', {}] } },
    ],
  ])('is read: %s', (text, reply) => {
    expect(decodeReply(ascii(text))).toStrictEqual(reply)
  })

  it.each([
    ['hello', 'the reply is no JSON text: expected a value at position 0'],
    ['', 'the reply is no JSON text'],
    ['"\xff"', 'the reply is no JSON text'],
    ['[1]', 'the reply is JSON, but no object with a status_code'],
    ['null', 'the reply is JSON, but no object with a status_code'],
    ['{}', 'the reply has no status_code that is a number'],
    ['{"status_code": "200"}', 'the reply has no status_code that is a number'],
    ['{"status_code": true}', 'the reply has no status_code that is a number'],
    ['{"__proto__": {"status_code": 200}}', 'the reply has no status_code that is a number'],
  ])('is refused: %s', (text, message) => {
    expect(() => decodeReply(ascii(text))).toThrow(
      expect.objectContaining({ code: 'BAD_REPLY', message: expect.stringContaining(`[BAD_REPLY] ${message}`) }),
    )
  })
})

describe('a heartbeat', () => {
  it('is told from everything else', () => {
    expect(isHeartbeat(ascii(HEARTBEAT))).toBe(true)
    expect(isHeartbeat(new Uint8Array(ascii('zmq_sub_heartbeat')))).toBe(true)
    for (const other of ['', 'zmq_sub_heartbeaT', 'zmq_sub_heartbeat ', 'x']) expect(isHeartbeat(ascii(other))).toBe(false)
  })
})
