import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { schemaText } from '../../../src/cli/schema-text.ts'

describe('a schema in a few characters', () => {
  it.each([
    [
      { type: 'object', properties: { name: { type: 'string' }, n: { type: 'number' } }, required: ['name'] },
      '{ name: string, n?: number }',
    ],
    [{ type: 'object', properties: { name: { type: 'string' } } }, '{ name: string }'],
    [{ type: 'object', properties: {} }, '{}'],
    [{ type: 'array', items: { type: 'string' } }, 'string[]'],
    [{ type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'null' }] } }, '(string | null)[]'],
    [{ enum: ['on', 'off'] }, '"on" | "off"'],
    [{ const: 3 }, '3'],
    [{ type: ['string', 'null'] }, 'string | null'],
    [{ type: 'string', format: 'date-time' }, 'date'],
    [{ type: 'string', contentEncoding: 'base64' }, 'bytes'],
    [{ 'x-zmq-rpc-stream': { type: 'number' } }, 'stream of number'],
    [{}, 'any'],
    [undefined, 'any'],
  ])('%j is %s', (schema, text) => {
    expect(schemaText(schema)).toBe(text)
  })

  it('never fails, and moves no cursor, whatever a server sends', () => {
    const keys = fc.constantFrom('type', 'properties', 'items', 'required', 'enum', 'const', 'anyOf', 'format', 'x-zmq-rpc-stream', 'a\x1b')
    const { schema } = fc.letrec((tie) => ({
      schema: fc.oneof(
        fc.jsonValue(),
        fc.bigInt(),
        fc.dictionary(keys, tie('schema')),
        fc.array(tie('schema'), { maxLength: 3 }),
        fc.string({ unit: 'binary' }),
      ),
    }))
    fc.assert(
      fc.property(schema, (given) => {
        expect(schemaText(given)).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
      }),
    )
  })
})
