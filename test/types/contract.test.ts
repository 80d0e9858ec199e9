/** What the compiler must know about commands with schemas. `tsc` checks it. */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expectTypeOf, it } from 'vitest'
import * as z from 'zod'
import { type AnswerOf, Command, type CommandClass, type ResultOf } from '../../src/rpc/command/command.ts'
import { CommandRegistry } from '../../src/rpc/command/command-registry.ts'
import { command } from '../../src/rpc/command/contract.ts'
import { fieldsOf, type InputOf, type OutputOf, type Schema, streamOf } from '../../src/rpc/command/schema.ts'

const Plain = command('Plain', { state: z.object({ celsius: z.number(), unit: z.enum(['C', 'F']).default('C') }), result: z.boolean() })
const Transforming = command('Transforming', {
  state: z.object({ at: z.iso.datetime().transform((text) => new Date(text)) }),
  result: z.string().transform(Number),
})
const ByValibot = command('ByValibot', { state: v.object({ celsius: v.number(), unit: v.optional(v.string(), 'C') }), result: v.boolean() })
const ByArktype = command('ByArktype', { state: type({ celsius: 'number', unit: 'string = "C"' }), result: type('boolean') })
const Bare = command('Bare')
const Tail = command('Tail', { state: z.object({ file: z.string() }), result: streamOf(z.string().transform(Number)) })
const Upload = command('Upload', { state: fieldsOf({ name: z.string(), size: v.optional(v.number()), chunks: streamOf(z.string()) }) })
class Extended extends command('Extended', { state: z.object({ celsius: z.number() }), result: z.boolean() }) {
  get fahrenheit(): number {
    return this.celsius * 1.8 + 32
  }
}
const OneOf = command('OneOf', {
  state: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('a'), a: z.number() }),
    z.object({ kind: z.literal('b'), b: z.string() }),
  ]),
})

/** As `RpcClient.execute` and `RpcServer.register`. Nobody calls them. */
declare function execute<C extends Command>(command: C): Promise<ResultOf<C>>
declare function register<C extends Command>(
  command: CommandClass<C>,
  service: ((command: C) => AnswerOf<C> | Promise<AnswerOf<C>>) | { execute(command: C): AnswerOf<C> | Promise<AnswerOf<C>> },
): void

describe('the type of a command with schemas', () => {
  it('has its fields as the schema gives them out, and takes what the schema takes', () => {
    const made = () => {
      const plain = new Plain({ celsius: 20 })
      expectTypeOf(plain.celsius).toEqualTypeOf<number>()
      expectTypeOf(plain.unit).toEqualTypeOf<'C' | 'F'>()
      // @ts-expect-error: they cannot be changed
      plain.celsius = 5
      // @ts-expect-error: celsius is a number
      new Plain({ celsius: '20' })
      // @ts-expect-error: celsius is missing
      new Plain({})
      // @ts-expect-error: the state is missing
      new Plain()
      new Bare()
      expectTypeOf(new Transforming({ at: '2026-01-01T00:00:00Z' }).at).toEqualTypeOf<Date>()
    }
    expectTypeOf(made).toBeFunction()
  })

  it('is the same in other libraries', () => {
    const made = () => {
      expectTypeOf(new ByValibot({ celsius: 20 }).unit).toEqualTypeOf<string>()
      expectTypeOf(new ByArktype({ celsius: 20 }).unit).toEqualTypeOf<string>()
      // @ts-expect-error: celsius is missing
      new ByValibot({})
      // @ts-expect-error: celsius is missing
      new ByArktype({})
      expectTypeOf<ResultOf<InstanceType<typeof ByValibot>>>().toEqualTypeOf<boolean>()
      expectTypeOf<ResultOf<InstanceType<typeof ByArktype>>>().toEqualTypeOf<boolean>()
    }
    expectTypeOf(made).toBeFunction()
  })

  it('carries what its service returns and what its caller gets', () => {
    type Made = InstanceType<typeof Transforming>
    expectTypeOf<AnswerOf<Made>>().toEqualTypeOf<string>()
    expectTypeOf<ResultOf<Made>>().toEqualTypeOf<number>()
    expectTypeOf<ResultOf<InstanceType<typeof Bare>>>().toEqualTypeOf<unknown>()
    expectTypeOf<ResultOf<InstanceType<typeof Tail>>>().toEqualTypeOf<AsyncIterable<number>>()
    expectTypeOf<AnswerOf<InstanceType<typeof Tail>>>().toEqualTypeOf<AsyncIterable<string>>()
    class Own extends Command<string> {}
    expectTypeOf<AnswerOf<Own>>().toEqualTypeOf<string>()
  })

  it('is inferred from an instance and from a class', () => {
    const used = () => {
      expectTypeOf(execute(new Plain({ celsius: 20 }))).toEqualTypeOf<Promise<boolean>>()
      register(Plain, ({ celsius, unit }) => {
        expectTypeOf(celsius).toEqualTypeOf<number>()
        return unit === 'C'
      })
      register(Plain, async () => true)
      register(Transforming, ({ at }) => at.toISOString())
      register(Tail, async function* ({ file }) {
        yield file
      })
      register(Extended, ({ fahrenheit }) => fahrenheit > 1)
      register(Extended, { execute: (command) => command.fahrenheit > 1 })
      // @ts-expect-error: its result is a boolean
      register(Plain, () => 1)
      // @ts-expect-error: its service has to return a string
      register(Transforming, () => 1)
      new CommandRegistry([Plain, Extended, Bare]).register(Tail)
    }
    expectTypeOf(used).toBeFunction()
  })

  it('may be a union, told apart by a field', () => {
    const served = (command: InstanceType<typeof OneOf>) => {
      if (command.kind === 'a') expectTypeOf(command.a).toEqualTypeOf<number>()
      else expectTypeOf(command.b).toEqualTypeOf<string>()
    }
    expectTypeOf(served).toBeFunction()
  })

  it('is an object of fields', () => {
    const made = () => {
      // @ts-expect-error: a string has none
      command('Text', { state: z.string() })
      // @ts-expect-error: no schema
      command('Text', { state: { a: 1 } })
    }
    expectTypeOf(made).toBeFunction()
  })
})

describe('the type of fieldsOf', () => {
  it('is that of its fields: what may be undefined may be left out', () => {
    const made = () => {
      expectTypeOf<InputOf<typeof Upload extends new (state: infer I) => unknown ? Schema<I> : never>>().toEqualTypeOf<{
        name: string
        size?: number | undefined
        chunks: AsyncIterable<string>
      }>()
      expectTypeOf(new Upload({ name: 'x', chunks: {} as AsyncIterable<string> }).size).toEqualTypeOf<number | undefined>()
    }
    expectTypeOf(made).toBeFunction()
  })
})

describe('the type of a schema', () => {
  it('fits everything that keeps Standard Schema', () => {
    expectTypeOf<StandardSchemaV1<string, number>>().toExtend<Schema<string, number>>()
    expectTypeOf<Schema<string, number>>().toExtend<StandardSchemaV1<string, number>>()
    expectTypeOf<InputOf<StandardSchemaV1<string, number>>>().toEqualTypeOf<string>()
    expectTypeOf<OutputOf<StandardSchemaV1<string, number>>>().toEqualTypeOf<number>()
  })
})
