import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePythonJson } from '../../../../src/rpc/dialect/python-json-reader.ts'

/** Reads it twice: as it is, and where the quick way is out of question. */
function parseBothWays(text: string): unknown {
  const value = parsePythonJson(text)
  const [slow, word] = parsePythonJson(`[${text}, NaN]`) as unknown[]
  expect(word).toBeNaN()
  expect(slow).toStrictEqual(value)
  return value
}

describe('reading the JSON of Python', () => {
  it.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['[NaN, "NaN", -Infinity]', [Number.NaN, 'NaN', Number.NEGATIVE_INFINITY]],
    ['0', 0],
    ['-0', -0],
    ['-0.0', -0],
    ['1.0', 1],
    ['1E5', 100_000],
    ['1e400', Number.POSITIVE_INFINITY],
    ['-1e400', Number.NEGATIVE_INFINITY],
    ['999999999999999', 999_999_999_999_999],
    ['1000000000000000', 1_000_000_000_000_000],
    ['9007199254740991', 9_007_199_254_740_991],
    ['-9007199254740991', -9_007_199_254_740_991],
    ['9007199254740992', 9_007_199_254_740_992n],
    ['-9007199254740992', -9_007_199_254_740_992n],
    ['9007199254740993', 9_007_199_254_740_993n],
    ['{"a": [123456789012345678901234567890]}', { a: [123456789012345678901234567890n] }],
    ['-18446744073709551616', -18446744073709551616n],
    ['12345678901234567890.5', Number('12345678901234567890.5')],
    ['12345678901234567890e1', Number('12345678901234567890e1')],
    ['12345678901234567890E-1', Number('12345678901234567890e-1')],
    ['0.1234567890123456789', Number('0.1234567890123456789')],
    ['1e0000000000000000005', 100_000],
    ['"12345678901234567890"', '12345678901234567890'],
    ['"\\"12345678901234567890"', '"12345678901234567890'],
    ['["\\\\", 12345678901234567890, "\\\\\\""]', ['\\', 12345678901234567890n, '\\"']],
    ['"\\ud800"', '\ud800'],
    ['"\\udc00\\ud83d\\ude00"', '\udc00😀'],
    ['"a\x7f\u2028é😀"', 'a\x7f\u2028é😀'],
    ['"\\/\\b\\f\\n\\r\\t\\u00E9"', '/\b\f\n\r\té'],
    [' \t\r\n[ \n1 ,\t2 ]\r\n ', [1, 2]],
    ['{ "a" : { } , "b" : [ ] }', { a: {}, b: [] }],
    ['{"a": 1, "b": 2, "a": 3}', { a: 3, b: 2 }],
    ['[true, false, null]', [true, false, null]],
  ])('reads %s', (text, value) => {
    expect(parseBothWays(text)).toStrictEqual(value)
  })

  it('keeps __proto__ as a key like others, on the quick way and the slow one', () => {
    for (const more of ['', ', "b": NaN']) {
      const value = parsePythonJson(`{"__proto__": {"polluted": 1}, "constructor": 2${more}}`) as Record<string, unknown>
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
      expect(Object.keys(value).slice(0, 2)).toEqual(['__proto__', 'constructor'])
      expect(value['polluted']).toBeUndefined()
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    }
  })

  it('cannot keep keys that look like array indices where they were', () => {
    expect(Object.keys(parsePythonJson('{"10": 1, "a": 2, "9": 3}') as object)).toEqual(['9', '10', 'a'])
  })

  it.each([
    ['', 'expected a value at position 0 (line 1, column 1)'],
    ['[1,\n 2,]', 'expected a value at position 7 (line 2, column 4)'],
    ['[1 2]', 'expected "," or "]" at position 3 (line 1, column 4)'],
    ['{"a": 1 "b"}', 'expected "," or "}" at position 8 (line 1, column 9)'],
    ['{"a" 1}', 'expected ":" at position 5 (line 1, column 6)'],
    ['{"a": 1,}', 'expected a key in double quotes at position 8 (line 1, column 9)'],
    ['{1: 2}', 'expected a key in double quotes at position 1 (line 1, column 2)'],
    ['01', 'something follows the value at position 1 (line 1, column 2)'],
    ['1.', 'something follows the value at position 1 (line 1, column 2)'],
    ['1e', 'something follows the value at position 1 (line 1, column 2)'],
    ['-', 'expected a value at position 0 (line 1, column 1)'],
    ['-NaN', 'expected a value at position 0 (line 1, column 1)'],
    ['+1', 'expected a value at position 0 (line 1, column 1)'],
    ['nul', 'expected a value at position 0 (line 1, column 1)'],
    ['"abc', 'this string has no end at position 0 (line 1, column 1)'],
    ['"abc\\"', 'this string has no end at position 0 (line 1, column 1)'],
    ['["a\tb"]', 'control character in a string at position 3 (line 1, column 4)'],
    ['"a\\x"', 'bad escape in a string at position 2 (line 1, column 3)'],
    ['"\\ud83d\\u+e00"', 'bad escape in a string at position 7 (line 1, column 8)'],
    ['\u00a01', 'expected a value at position 0 (line 1, column 1)'],
    ['\ufeff1', 'expected a value at position 0 (line 1, column 1)'],
    ['[1', 'expected "," or "]" at position 2 (line 1, column 3)'],
    ['[', 'expected a value at position 1 (line 1, column 2)'],
    ['1'.repeat(4301), 'an integer of more than 4300 digits at position 0 (line 1, column 1)'],
  ])('refuses %j and says where', (text, message) => {
    expect(() => parsePythonJson(text)).toThrow(new SyntaxError(message))
  })

  it('reads integers of 4300 digits, as Python does', () => {
    expect(parsePythonJson(`-${'7'.repeat(4300)}`)).toBe(-BigInt('7'.repeat(4300)))
  })

  it.each([
    ['arrays', '[', ']'],
    ['objects', '{"a": ', '}'],
  ])('has a limit for nested %s, 1000 unless told', (_what, open, close) => {
    const nested = (depth: number, inner = '1') => open.repeat(depth) + inner + close.repeat(depth)
    for (const inner of ['1', 'NaN', '"]]]}}}"', '"[[[{{{"']) {
      expect(() => parsePythonJson(nested(1000, inner))).not.toThrow()
      expect(() => parsePythonJson(nested(1001, inner))).toThrow(/^nested deeper than 1000 levels at position \d+/)
      expect(() => parsePythonJson(nested(3, inner), { maxDepth: 3 })).not.toThrow()
      expect(() => parsePythonJson(nested(4, inner), { maxDepth: 3 })).toThrow('nested deeper than 3 levels')
    }
    expect(() => parsePythonJson(open.repeat(1_000_000))).toThrow('nested deeper than 1000 levels')
  })

  it.each([
    ['arrays', '[],', 1],
    ['arrays of one', '[[[0]]],', 3],
    ['objects', '{},', 1],
    ['members', '{"a":":[{","b":{}},', 4],
  ])('has a limit for the number of %s, a million unless told', (_what, unit, nodes) => {
    for (const inner of ['1', 'NaN']) {
      // The array around them counts, too.
      const times = (count: number): string => `[${unit.repeat(count)}${inner}]`
      expect(() => parsePythonJson(times(5), { maxNodes: 5 * nodes + 1 })).not.toThrow()
      expect(() => parsePythonJson(times(5), { maxNodes: 5 * nodes })).toThrow(/^more than \d+ arrays, objects and members at position \d+/)
      expect(() => parsePythonJson(times(Math.floor(999_999 / nodes)))).not.toThrow()
      expect(() => parsePythonJson(times(Math.ceil(1_000_000 / nodes)))).toThrow('more than 1000000')
    }
  })

  it('does not count siblings as depth', () => {
    expect(parsePythonJson(`[${Array(5000).fill('[{}]').join()}]`)).toHaveLength(5000)
  })

  it('agrees with JSON.parse about everything that holds nothing special', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary' }), (text) => {
        const expected: unknown = JSON.parse(text)
        if (/(?<![.\d])\d{16}/.test(text)) return
        expect(parsePythonJson(text)).toStrictEqual(expected)
        expect((parsePythonJson(`[${text}, NaN]`) as unknown[])[0]).toStrictEqual(expected)
      }),
    )
  })

  it('accepts of damaged texts just what JSON.parse accepts', () => {
    const damaged = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('"', '\\', '[', '}', ',', '1', '-', '.', 'e', '\n', '\u0001', ' ', 'u'))
      .map(([text, at, char]) => text.slice(0, at % (text.length + 1)) + char + text.slice((at % (text.length + 1)) + (at % 2)))
    fc.assert(
      fc.property(damaged, (text) => {
        expect(accepts(() => parsePythonJson(text))).toBe(accepts(() => JSON.parse(text)))
      }),
      { numRuns: 2000 },
    )
  })
})

function accepts(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError)
    return false
  }
}
