import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { printable, readJson, writeJson } from '../../../src/cli/json.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'
import { Command, OpaqueCommand } from '../../../src/index.ts'

/** What JSON can hold, large integers included. */
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    fc.string({ unit: 'binary' }),
    // Digits beyond 2^53 are taken for an integer that is exact.
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Number.isInteger(n) && !Number.isSafeInteger(n) ? 0 : n + 0)),
    fc.bigInt().filter((n) => n > 2n ** 53n || n < -(2n ** 53n)),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.string().filter((key) => key !== '_icmd_' && key !== '__proto__'),
      tie('value'),
      { maxKeys: 4 },
    ),
  ),
})).value

describe('JSON of the command line', () => {
  it('comes back as it was written, in one line or indented', () => {
    fc.assert(
      fc.property(value, fc.constantFrom(0, 2), (given, indent) => {
        expect(readJson(writeJson(given, { indent }), 'it')).toEqual(given)
      }),
    )
  })

  it('is read as JSON.parse reads it where there are no large integers, and refused where that refuses it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string(), fc.stringMatching(/^[[\]{}",:\\0-9.eE+-]{0,30}$/)), (text) => {
        let expected: unknown
        try {
          expected = JSON.parse(text)
        } catch {
          expect(() => readJson(text, 'it')).toThrow(UsageError)
          return
        }
        if (/\d{16}/.test(text) || text.includes('_icmd_')) return
        expect(readJson(text, 'it')).toEqual(expected)
      }),
    )
  })

  it.each([
    ['9007199254740993', 9007199254740993n],
    ['[-9007199254740993]', [-9007199254740993n]],
    ['9007199254740991', 9007199254740991],
    ['1.0000000000000000', 1],
    ['1e20', 1e20],
    ['12345678901234567000.5', 12345678901234567000],
    ['"12345678901234567890"', '12345678901234567890'],
    [String.raw`"\"12345678901234567890"`, '"12345678901234567890'],
    ['{"12345678901234567890": 1}', { '12345678901234567890': 1 }],
  ])('reads %s', (text, expected) => {
    expect(readJson(text, 'it')).toEqual(expected)
  })

  it('holds commands, both ways', () => {
    const text = '{"who":[{"_icmd_":["Person",{"name":"Ada"}]}]}'
    const { who } = readJson(text, 'it') as { who: OpaqueCommand[] }
    expect(who[0]).toBeInstanceOf(OpaqueCommand)
    expect(who[0]).toMatchObject({ name: 'Person', state: { name: 'Ada' } })
    expect(writeJson({ who })).toBe(text)
    class Person extends Command {
      name = 'Ada'
    }
    expect(writeJson(new Person())).toBe('{"_icmd_":["Person",{"name":"Ada"}]}')
    expect(() => readJson('{"_icmd_": "Person"}', 'it')).toThrow('stands for a command')
  })

  it('writes what JSON has no word for as the nearest that it has', () => {
    const map = new Map<unknown, unknown>([['a', 1]])
    const values = [new Date(0), Buffer.from('hi'), new Float32Array([1, 2]), map, new Map([[1, 2]]), new Set([1]), Number.NaN, undefined]
    expect(writeJson(values)).toBe('["1970-01-01T00:00:00.000Z","aGk=",[1,2],{"a":1},[[1,2]],[1],null,null]')
    expect(writeJson({ left: undefined })).toBe('{}')
    expect(writeJson(undefined)).toBe('null')
  })

  it('lets nothing through that moves a cursor or turns text round', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const shown of [writeJson(text), printable(text)]) expect(shown).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
        expect(JSON.parse(writeJson(text))).toBe(text)
      }),
    )
    expect(writeJson('\x9b31m\u202e')).toBe(String.raw`"\u009b31m\u202e"`)
  })
})
