import { isDeepStrictEqual } from 'node:util'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePythonJson } from '../../../../src/rpc/dialect/python-json-reader.ts'
import { stringifyPythonJson } from '../../../../src/rpc/dialect/python-json-writer.ts'
import { pythonValue } from '../../../interop/python/python-values.ts'

describe('writing the JSON of Python', () => {
  it.each<[unknown, string]>([
    [null, 'null'],
    [undefined, 'null'],
    [true, 'true'],
    [1, '1'],
    [-0, '-0.0'],
    [0.1, '0.1'],
    [1e-4, '0.0001'],
    [1e-5, '1e-05'],
    [1.25e-7, '1.25e-07'],
    [5e-324, '5e-324'],
    [1e15, '1000000000000000'],
    [2 ** 53 - 1, '9007199254740991'],
    [2 ** 53, '9007199254740992.0'],
    [-(2 ** 53), '-9007199254740992.0'],
    [1e16, '1e+16'],
    [123456789012345680, '1.2345678901234568e+17'],
    [1e22, '1e+22'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
    [2n ** 64n, '18446744073709551616'],
    [-7n, '-7'],
    ['Ada', '"Ada"'],
    ['"\\/\b\f\n\r\t\0\x1f\x7f', '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f"'],
    ['é漢😀\u2028', '"\\u00e9\\u6f22\\ud83d\\ude00\\u2028"'],
    ['a\ud800b\udc00', '"a\\ud800b\\udc00"'],
    [[], '[]'],
    [{}, '{}'],
    [[1, [2, 'x'], { a: 1, é: null }], '[1, [2, "x"], {"a": 1, "\\u00e9": null}]'],
    [{ a: undefined, b: 1, c: undefined }, '{"b": 1}'],
    [[undefined, 1], '[null, 1]'],
    [new Array(2), '[null, null]'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [{ at: new Date(Number.NaN) }, '{"at": null}'],
    [new URL('http://a/'), '"http://a/"'],
    [{ toJSON: (key: string) => ({ key, toJSON: 1 }) }, '{"key": "", "toJSON": 1}'],
    [[{ toJSON: (key: string) => key }], '["0"]'],
    [{ a: { toJSON: () => undefined }, b: { toJSON: (key: string) => [key] } }, '{"b": ["b"]}'],
    [Object.create(null, { x: { value: 1, enumerable: true } }), '{"x": 1}'],
    [
      new (class Point {
        x = 1
        y = 2
      })(),
      '{"x": 1, "y": 2}',
    ],
    [JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}'), '{"__proto__": {"a": 1}, "constructor": 2}'],
    [runInNewContext('({ a: [1] })'), '{"a": [1]}'],
  ])('writes %o as %s', (value, text) => {
    expect(stringifyPythonJson(value)).toBe(text)
  })

  const cyclic: Record<string, unknown> = { list: [] }
  ;(cyclic['list'] as unknown[]).push({ back: cyclic })
  const binary = /is binary \(\w+\), which the pyzmqrpc3 dialect cannot carry: send base64 text or an array of numbers$/

  it.each<[string, unknown, string | RegExp]>([
    [
      'a Map',
      { samples: [1, 2, 3, { x: new Map() }] },
      'state.samples[3].x is a Map, which JSON cannot hold: send Object.fromEntries(map) or [...map]',
    ],
    [
      'a Map of another realm',
      [runInNewContext('new Map()')],
      'state[0] is a Map, which JSON cannot hold: send Object.fromEntries(map) or [...map]',
    ],
    ['a Set', new Set(), 'state is a Set, which JSON cannot hold: send [...set]'],
    ['a Promise', { 'a b': Promise.resolve() }, 'state["a b"] is a Promise: await it first'],
    ['an Error', [new RangeError('x')], 'state[0] is an Error, which JSON cannot hold: send its message'],
    ['a RegExp', [/x/], 'state[0] is a RegExp, which JSON cannot hold: send its source'],
    ['a WeakMap', [new WeakMap()], 'state[0] is a weak collection, which JSON cannot hold'],
    ['an object around a primitive', [Object('x')], 'state[0] is an object around a primitive: send the primitive'],
    ['a function', { a: { f: () => 1 } }, 'state.a.f is a function, which JSON cannot hold'],
    ['a symbol', [Symbol('x')], 'state[0] is a symbol, which JSON cannot hold'],
    ['a cycle', cyclic, 'state.list[0].back refers to an object that it is part of: a cycle has no end in JSON'],
    ['a Buffer', { data: Buffer.from('x') }, binary],
    ['a Uint8Array', { data: new Uint8Array(1) }, /^\[BAD_COMMAND\] cannot write it: state\.data is binary \(Uint8Array\)/],
    ['a Float64Array', [new Float64Array(1)], binary],
    ['a DataView', [new DataView(new ArrayBuffer(1))], binary],
    ['an ArrayBuffer', [new ArrayBuffer(1)], binary],
    ['a SharedArrayBuffer', [new SharedArrayBuffer(1)], binary],
    ['a toJSON that makes binary', [{ toJSON: () => Buffer.from('x') }], binary],
    [
      'an integer that Python would not read',
      [10n ** 4300n],
      'state[0] is an integer of more than 4300 digits, which Python does not read',
    ],
  ])('refuses %s with its path', (_what, value, text) => {
    const write = () => stringifyPythonJson(value, { root: 'state', subject: 'it' })
    if (typeof text === 'string') expect(write).toThrow(`[BAD_COMMAND] cannot write it: ${text}`)
    else expect(write).toThrow(text)
  })

  it('tells where a getter threw, and why', () => {
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
    expect(() => stringifyPythonJson(value)).toThrow(
      expect.objectContaining({
        cause,
        message: '[BAD_COMMAND] cannot write the value: value.list[0] cannot be read: a toJSON or a getter threw Error: no',
      }),
    )
  })

  it('writes an object twice that stands in two places, since that is no cycle', () => {
    const shared = { a: 1 }
    expect(stringifyPythonJson([shared, { shared }, shared])).toBe('[{"a": 1}, {"shared": {"a": 1}}, {"a": 1}]')
  })

  it('writes nesting up to its limit, 1000 unless told', () => {
    const nested = (depth: number) => {
      let value: unknown = 1
      for (let level = 0; level < depth; level++) value = level % 2 ? [value] : { a: value }
      return value
    }
    expect(parsePythonJson(stringifyPythonJson(nested(500)))).toStrictEqual(nested(500))
    expect(parsePythonJson(stringifyPythonJson(nested(1000)))).toStrictEqual(nested(1000))
    expect(() => stringifyPythonJson(nested(1001))).toThrow(/is nested deeper than 1000 levels$/)
    expect(() => stringifyPythonJson(nested(100_000))).toThrow(/is nested deeper than 1000 levels$/)
    expect(() => stringifyPythonJson(nested(4), { maxDepth: 3 })).toThrow('is nested deeper than 3 levels')
  })

  it.each(['x', 'é', '"', '\\', '😀'])('writes a megabyte of %s in good time', (char) => {
    const text = char.repeat((1 << 20) / char.length)
    const started = process.cpuUsage()
    expect(parsePythonJson(stringifyPythonJson([text]))).toEqual([text])
    expect(process.cpuUsage(started).user).toBeLessThan(2e6)
  })

  it('writes a long array piece by piece without losing any', () => {
    const rows = Array.from({ length: 20_000 }, (_, id) => ({ id, name: `row ${id}` }))
    expect(JSON.parse(stringifyPythonJson({ rows }))).toEqual({ rows })
  })

  it('writes ASCII only, and what it writes is read as the same value', () => {
    fc.assert(
      fc.property(pythonValue, (value) => {
        const text = stringifyPythonJson(value)
        expect(text).toMatch(/^[ -~]*$/)
        expect(isDeepStrictEqual(parsePythonJson(text), value)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('agrees with JSON.stringify about ordinary values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        if (JSON.stringify(value).includes('-0')) return
        expect(JSON.stringify(JSON.parse(stringifyPythonJson(value)))).toBe(JSON.stringify(value))
      }),
    )
  })
})
