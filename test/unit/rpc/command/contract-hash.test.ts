import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Command } from '../../../../src/rpc/command/command.ts'
import { command, contractOf } from '../../../../src/rpc/command/contract.ts'
import {
  type ContractSchemas,
  contractHash,
  describeContract,
  diffContracts,
  hashesDiffer,
} from '../../../../src/rpc/command/contract-hash.ts'
import type { JsonSchema } from '../../../../src/rpc/command/json-schema.ts'
import { type Schema, streamOf } from '../../../../src/rpc/command/schema.ts'

/** A schema that says so of itself, and takes anything. */
function saying(input: JsonSchema): Schema<object> {
  const standard = { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }), jsonSchema: { input: () => input } }
  return { '~standard': standard } as unknown as Schema<object>
}
const hashOf = (state: JsonSchema, result: JsonSchema = {}) =>
  contractHash(contractOf(command('Heat', { state: saying(state), result: saying(result) })))

const STATE: JsonSchema = {
  type: 'object',
  properties: { celsius: { type: 'number', minimum: 5 }, unit: { enum: ['C', 'F'] }, title: { type: 'string' } },
  required: ['celsius', 'unit'],
}

describe('the hash of a contract', () => {
  it('is short, and the same for the same contract', () => {
    expect(hashOf(STATE)).toMatch(/^[0-9a-f]{16}$/)
    expect(hashOf(STATE)).toBe(hashOf(structuredClone(STATE) as JsonSchema))
    // On every machine and in every version: peers of different versions compare them.
    expect(hashOf(STATE)).toMatchInlineSnapshot(`"ccd47ef2ef56fddf"`)
  })

  it('does not depend on the order of things, nor on what is said to people', () => {
    const same: JsonSchema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      required: ['unit', 'celsius'],
      description: 'for people',
      properties: {
        title: { type: 'string', title: 'A title' },
        unit: { enum: ['F', 'C'], default: 'C' },
        celsius: { minimum: 5, type: 'number', examples: [20] },
      },
      type: 'object',
    }
    expect(hashOf(same)).toBe(hashOf(STATE))
  })

  it.each<[string, JsonSchema]>([
    ['a limit', { ...STATE, properties: { ...(STATE['properties'] as object), celsius: { type: 'number', minimum: 6 } } }],
    ['a type', { ...STATE, properties: { ...(STATE['properties'] as object), celsius: { type: 'integer', minimum: 5 } } }],
    ['a field', { ...STATE, properties: { ...(STATE['properties'] as object), room: { type: 'string' } } }],
    [
      'a field that has the name of an annotation',
      { ...STATE, properties: { celsius: { type: 'number', minimum: 5 }, unit: { enum: ['C', 'F'] } } },
    ],
    ['what is required', { ...STATE, required: ['celsius'] }],
  ])('depends on %s', (_what, other) => {
    expect(hashOf(other)).not.toBe(hashOf(STATE))
  })

  it('depends on the name and on the result', () => {
    expect(hashOf(STATE, { type: 'string' })).not.toBe(hashOf(STATE))
    expect(contractHash(contractOf(command('Warm', { state: saying(STATE), result: saying({}) })))).not.toBe(hashOf(STATE))
  })

  it('of a class depends on the names and kinds of its fields, and cannot be compared with that of a schema', () => {
    const one = contractHash(contractOf({ Heat: class Heat extends Command { celsius = 20 } }.Heat)) // biome-ignore format: one line
    const same = contractHash(contractOf({ Heat: class Heat extends Command { celsius = 5 } }.Heat)) // biome-ignore format: one line
    const other = contractHash(contractOf({ Heat: class Heat extends Command { celsius = '' } }.Heat)) // biome-ignore format: one line
    expect(one).toMatch(/^~[0-9a-f]{16}$/)
    expect(one).toBe(same)
    expect(hashesDiffer(one, same)).toBe(false)
    expect(hashesDiffer(one, other)).toBe(true)
    expect(hashesDiffer(one, hashOf(STATE))).toBe(false)
    expect(hashesDiffer(hashOf(STATE), hashOf({}))).toBe(true)
  })
})

describe('the difference of two contracts', () => {
  const side = (state: JsonSchema, result?: JsonSchema): ContractSchemas => ({ name: 'Heat', hasSchemas: true, state, result })
  const object = (properties: Record<string, JsonSchema>, required: string[] = []): JsonSchema => ({ type: 'object', properties, required })

  it.each<[string, JsonSchema, JsonSchema, string[]]>([
    ['nothing', STATE, STATE, []],
    ['a field that the server does not have', object({ setpoint: {} }), object({}), ['field "setpoint" is missing on the server']],
    ['a field that the client does not have', object({}), object({ rate: {} }), ['field "rate" is missing on the client']],
    ['one that it would need', object({}), object({ rate: {} }, ['rate']), ['field "rate" is missing on the client, and required']],
    [
      'a field of another type',
      object({ rate: { type: 'number' } }),
      object({ rate: { type: 'string' } }),
      ['field "rate": number on the client, string on the server'],
    ],
    [
      'one deep within',
      object({ a: object({ b: { type: 'array', items: { type: 'number' } } }) }),
      object({ a: object({ b: { type: 'array', items: { type: ['string', 'null'] } } }) }),
      ['field "a.b[]": number on the client, null or string on the server'],
    ],
    [
      'what is required',
      object({ a: {}, b: {} }, ['a']),
      object({ a: {}, b: {} }, ['b']),
      ['field "a" is required on the client alone', 'field "b" is required on the server alone'],
    ],
    [
      'a limit',
      object({ a: { type: 'number', maximum: 30 } }),
      object({ a: { type: 'number' } }),
      ['field "a": maximum is 30 on the client, not set on the server'],
    ],
    [
      'values',
      object({ unit: { enum: ['C', 'F'] } }),
      object({ unit: { enum: ['F', 'C', 'K'] } }),
      ['field "unit": one of "C", "F" on the client, one of "C", "F", "K" on the server'],
    ],
    [
      'room for other fields',
      object({}),
      { ...object({}), additionalProperties: false },
      ['the state: other fields are refused on the server alone'],
    ],
    ['a side that says nothing', object({ a: {} }), object({ a: { type: 'string' } }), []],
    [
      'something behind a reference',
      { $ref: '#/$defs/s~1t', $defs: { 's/t': object({ a: { type: 'string' } }) } },
      object({ a: { type: 'number' } }),
      ['field "a": string on the client, number on the server'],
    ],
  ])('tells of %s', (_what, client, server, lines) => {
    expect(diffContracts(side(client), side(server))).toEqual(lines)
  })

  it('tells of results, and of the items of streams', () => {
    const stream = (item: Schema<object>) => describeContract(contractOf(command('Tail', { result: streamOf(item) })))
    expect(diffContracts(stream(saying({ type: 'string' })), stream(saying({ type: 'number' })))).toEqual([
      'an item of the result: string on the client, number on the server',
    ])
    expect(diffContracts(side({}, { type: 'string' }), side({}, { type: 'number' }))).toEqual([
      'the result: string on the client, number on the server',
    ])
    expect(diffContracts(side({}, { type: 'string' }), side({}))).toEqual([])
  })

  it('asks of a class only for what its instances show', () => {
    class Heat extends Command {
      celsius = 20
      unit = 'C'
      room = 1
      extra = ''
    }
    const server = side(object({ celsius: { type: 'integer', minimum: 5 }, unit: { enum: ['C'] }, room: { type: 'string' } }, ['celsius']))
    expect(diffContracts(describeContract(contractOf(Heat)), server)).toEqual([
      'field "room": number on the client, string on the server',
      'field "extra" is missing on the server',
    ])
  })

  it('ends, whatever the far end says', () => {
    const circle: JsonSchema = { $ref: '#' }
    const deep: JsonSchema = {
      type: 'object',
      properties: Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`f${n}`, { $ref: '#' }])),
    }
    const other: JsonSchema = { ...deep, properties: { ...(deep['properties'] as object), more: {} } }
    expect(diffContracts(side(circle), side(circle))).toEqual([])
    expect(diffContracts(side(deep), side(other)).length).toBeLessThanOrEqual(50)
    fc.assert(
      fc.property(fc.anything({ withBigInt: false }), fc.anything(), (one, two) => {
        diffContracts(side(one as JsonSchema), side(two as JsonSchema))
        diffContracts(side(object({ a: one as JsonSchema })), side(object({ a: two as JsonSchema })))
      }),
    )
  })
})
