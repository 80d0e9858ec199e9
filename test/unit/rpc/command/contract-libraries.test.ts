/** The same contract written with each of the schema libraries: what is promised must not depend on the library. */

import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { ZmqRpcError } from '../../../../src/errors.ts'
import { type CommandClass, makeCommand } from '../../../../src/rpc/command/command.ts'
import { command, contractOf, pendingCheck } from '../../../../src/rpc/command/contract.ts'
import { contractHash, describeContract, diffContracts, hashesDiffer } from '../../../../src/rpc/command/contract-hash.ts'
import { fieldsOf, streamOf } from '../../../../src/rpc/command/schema.ts'

const definition = { idempotent: true }

const ByZod = command('Heat', {
  ...definition,
  state: z.object({
    celsius: z.number().min(5).max(30),
    unit: z.enum(['C', 'F']).default('C'),
    plan: z.object({ steps: z.array(z.object({ note: z.string() })) }).optional(),
  }),
  result: z.object({ reached: z.boolean() }),
})
const ByValibot = command('Heat', {
  ...definition,
  state: toStandardJsonSchema(
    v.object({
      celsius: v.pipe(v.number(), v.minValue(5), v.maxValue(30)),
      unit: v.optional(v.picklist(['C', 'F']), 'C'),
      plan: v.optional(v.object({ steps: v.array(v.object({ note: v.string() })) })),
    }),
  ),
  result: toStandardJsonSchema(v.object({ reached: v.boolean() })),
})
const ByArktype = command('Heat', {
  ...definition,
  state: type({ celsius: '5 <= number <= 30', unit: '"C" | "F" = "C"', 'plan?': { steps: type({ note: 'string' }).array() } }),
  result: type({ reached: 'boolean' }),
})

const LIBRARIES: [string, { new (state: never): object } & CommandClass][] = [
  ['zod', ByZod],
  ['valibot', ByValibot],
  ['arktype', ByArktype],
]

const refusal = (run: () => unknown): ZmqRpcError => {
  try {
    run()
  } catch (error) {
    if (error instanceof ZmqRpcError) return error
    throw error
  }
  throw new Error('it was not refused')
}

describe.each(LIBRARIES)('a contract with %s', (_library, Heat) => {
  const make = (state: unknown) => new Heat(state as never)

  it('fills in what is left out', () => {
    expect({ ...make({ celsius: 20 }) }).toEqual({ celsius: 20, unit: 'C' })
  })

  it('names each field that does not fit, however deep', () => {
    const error = refusal(() => make({ celsius: 99, unit: 'K', plan: { steps: [{ note: '' }, { note: 7 }] } }))
    expect(error).toMatchObject({ code: 'BAD_COMMAND', command: 'Heat' })
    const named = error.message.replace(/^.* does not fit: /, '').split('; ').map((line) => line.split(':')[0]) // biome-ignore format: one line
    expect(named.sort()).toEqual(['celsius', 'plan.steps[1].note', 'unit'])
  })

  it('says what is expected', () => {
    expect(refusal(() => make({ celsius: 99 })).message).toMatch(/30/)
    expect(refusal(() => make({ celsius: '20' })).message).toMatch(/number/)
    expect(refusal(() => make({})).message).toMatch(/celsius/)
    expect(refusal(() => make(7)).message).toMatch(/the state: .*object/i)
  })

  it.each<[unknown]>([
    [{ celsius: 'hunter2' }],
    [{ celsius: 20, unit: 'hunter2' }],
    [{ celsius: 20, plan: 'hunter2' }],
    [{ celsius: 20, plan: { steps: 'hunter2' } }],
    [{ celsius: 20, plan: { steps: [{ note: ['hunter2'] }] } }],
    ['hunter2'],
  ])('does not tell what was there: %j', (state) => {
    expect(refusal(() => make(state)).message).not.toContain('hunter2')
    expect(refusal(() => makeCommand(Heat).setCommandState(state)).message).not.toContain('hunter2')
  })

  it('has the result checked and read', () => {
    const { checkResult, readResult } = contractOf(Heat)
    expect(readResult?.({ reached: true })).toEqual({ reached: true })
    expect(checkResult?.({ reached: true })).toEqual({ reached: true })
    expect(refusal(() => readResult?.({ reached: 'hunter2' })).message).toMatch(/reached: (?!.*hunter2)/)
  })

  it('shows its JSON Schema', () => {
    const state = contractOf(Heat).stateSchema()
    expect(state).toMatchObject({ type: 'object', required: ['celsius'] })
    expect(state['properties']).toMatchObject({ celsius: { type: 'number', minimum: 5, maximum: 30 }, unit: { enum: ['C', 'F'] } })
    expect(contractOf(Heat).resultSchema()).toMatchObject({ properties: { reached: { type: 'boolean' } }, required: ['reached'] })
  })

  it('has a hash that is its own, and changes with it', () => {
    expect(contractHash(contractOf(Heat))).toMatch(/^[0-9a-f]{16}$/)
    expect(hashesDiffer(contractHash(contractOf(Heat)), contractHash(contractOf(command('Heat'))))).toBe(true)
  })

  it.each(LIBRARIES)('does not differ from the same one with %s, in words', (_other, Other) => {
    expect(diffContracts(describeContract(contractOf(Heat)), describeContract(contractOf(Other)))).toEqual([])
  })
})

describe('what a library does by itself', () => {
  it('a message of arktype has no values in it, however its rules are joined', () => {
    const Odd = command('Odd', {
      state: type({
        even: 'number % 2 & number > 5',
        mail: 'string.email',
        like: /^x/,
        kind: 'number[] | Date',
        own: type('string').narrow((_text, context) => context.mustBe('a good word')),
        free: type('string').narrow((_text, context) => context.reject({ problem: 'is not what I want' })),
      }),
    })
    const bad = { even: 3, mail: 'hunter2', like: 'hunter2', kind: 'hunter2', own: 'hunter2', free: 'hunter2' }
    const { message } = refusal(() => new Odd(bad as never))
    expect(message).not.toContain('hunter2')
    expect(message).toContain('even: must be even and more than 5')
    expect(message).toContain('own: must be a good word')
    expect(message).toContain('free: is not what I want')
    expect(message).toMatch(/kind: must be an array or a Date/)
  })

  it('a message of valibot keeps the words of its author', () => {
    const Odd = command('Odd', {
      state: v.object({ mail: v.pipe(v.string(), v.email()), own: v.pipe(v.string(), v.check((text) => text === '', 'must be empty')) }), // biome-ignore format: one line
    })
    const { message } = refusal(() => new Odd({ mail: 'hunter2', own: 'hunter2' }))
    expect(message).toContain('mail: Invalid email; own: must be empty')
    expect(message).not.toContain('hunter2')
  })

  it('more than ten things that are wrong are counted', () => {
    const keys = Array.from({ length: 15 }, (_, index) => `f${index}`)
    const Wide = command('Wide', { state: z.object(Object.fromEntries(keys.map((key) => [key, z.string()]))) })
    expect(refusal(() => new Wide({})).message).toMatch(/f9: [^;]*; and 5 more$/)
  })

  it('what JSON Schema has no word for says nothing, and the rest stays', () => {
    const stateOf = (made: CommandClass) => contractOf(made).stateSchema()['properties']
    const bytes = z.instanceof(Uint8Array)
    expect(stateOf(command('X', { state: z.object({ at: z.date(), big: z.bigint(), bytes, n: z.number() }) }))).toEqual({
      at: {},
      big: {},
      bytes: {},
      n: { type: 'number' },
    })
    expect(stateOf(command('X', { state: type({ at: 'Date', n: 'number' }) }))).toEqual({ at: {}, n: { type: 'number' } })
    const byValibot = v.object({ at: v.date(), n: v.number() })
    expect(stateOf(command('X', { state: toStandardJsonSchema(byValibot) }))).toEqual({ at: {}, n: { type: 'number' } })
    // Without the package for it, valibot does not describe itself.
    expect(contractOf(command('X', { state: byValibot })).stateSchema()).toEqual({ $comment: 'its library does not describe it' })
  })

  it.each<[string, CommandClass]>([
    ['zod', command('Slow', { state: z.object({ a: z.string().refine(async (text) => text === 'x', 'no x') }) })],
    [
      'valibot',
      command('Slow', {
        state: v.objectAsync({
          a: v.pipeAsync(
            v.string(),
            v.checkAsync(async (text) => text === 'x', 'no x'),
          ),
        }),
      }),
    ],
  ])('rules that take their time are waited for where a command arrives: %s', async (_library, Slow) => {
    const [good, bad] = [makeCommand(Slow), makeCommand(Slow)]
    good.setCommandState({ a: 'x' })
    bad.setCommandState({ a: 'y' })
    await pendingCheck(good)
    expect({ ...good }).toEqual({ a: 'x' })
    await expect(pendingCheck(bad)).rejects.toThrow('does not fit: a: no x')
  })

  it('fields may have schemas of different libraries', () => {
    const Upload = command('Upload', {
      state: fieldsOf({ name: z.string(), size: v.number(), kind: type('"a" | "b"'), note: z.string().optional(), chunks: streamOf(z.string()) }), // biome-ignore format: one line
    })
    expect(contractOf(Upload).stateSchema()).toMatchObject({ required: ['name', 'size', 'kind', 'chunks'] })
    const { message } = refusal(() => new Upload({ name: 1, size: '', kind: 'c' } as never))
    expect(message.replace(/^.* does not fit: /, '').split('; ').map((line) => line.split(':')[0])).toEqual(['name', 'size', 'kind', 'chunks']) // biome-ignore format: one line
  })
})
