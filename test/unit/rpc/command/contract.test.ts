import { describe, expect, it } from 'vitest'
import { ZmqRpcError } from '../../../../src/errors.ts'
import { Command, type CommandClass, isCommand, isCommandClass, makeCommand } from '../../../../src/rpc/command/command.ts'
import { CommandRegistry, constructCommand } from '../../../../src/rpc/command/command-registry.ts'
import { command, contractOf, pendingCheck } from '../../../../src/rpc/command/contract.ts'
import { fieldsOf, type Schema, streamOf, type Verdict } from '../../../../src/rpc/command/schema.ts'
import { decodeCommand, encodeCommand } from '../../../../src/rpc/dialect/pyzmqrpc3.ts'

/** Schemas by hand: the libraries have tests of their own. */
function schema<Input, Output = Input>(validate: (value: unknown) => Verdict<Output> | Promise<Verdict<Output>>): Schema<Input, Output> {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}
const text = schema<string>((value) => (typeof value === 'string' ? { value } : { issues: [{ message: 'expected a string' }] }))
/** Text on the wire, a number for whoever reads it. */
const numeral = schema<string, number>((value) =>
  typeof value === 'string' && /^\d+$/.test(value) ? { value: Number(value) } : { issues: [{ message: 'expected digits' }] },
)
const later = <Input, Output>(inner: Schema<Input, Output>) =>
  schema<Input, Output>((value) => Promise.resolve().then(() => inner['~standard'].validate(value)))

const Heat = command('Heat', {
  state: fieldsOf({ celsius: numeral, room: text }),
  result: numeral,
  idempotent: true,
  timeoutMs: 5000,
  description: 'Heats a room',
  version: '2.1',
  deprecated: 'use Warm',
})

const refusal = (run: () => unknown): ZmqRpcError => {
  try {
    run()
  } catch (error) {
    if (error instanceof ZmqRpcError) return error
    throw error
  }
  throw new Error('it was not refused')
}

describe('a command with schemas', () => {
  it('has its fields as the schema gives them out, and sends what it was given', () => {
    const heat = new Heat({ celsius: '20', room: 'kitchen' })
    expect({ ...heat }).toEqual({ celsius: 20, room: 'kitchen' })
    expect(heat.getCommandState()).toEqual({ celsius: '20', room: 'kitchen' })
    expect(() => Object.assign(heat, { celsius: 5 })).toThrow(TypeError)
  })

  it('is a command like any other: known by name, registered, written and read', () => {
    expect(isCommand(new Heat({ celsius: '1', room: '' }))).toBe(true)
    expect(isCommandClass(Heat)).toBe(true)
    const registry = new CommandRegistry([Heat])
    expect(registry.names()).toEqual(['Heat'])
    const decoded = decodeCommand(encodeCommand(new Heat({ celsius: '20', room: 'kitchen' })), registry)
    expect(decoded).toMatchObject({ kind: 'command', name: 'Heat', command: { celsius: 20, room: 'kitchen' } })
    expect(decoded.kind === 'command' && decoded.command).toBeInstanceOf(Heat)
  })

  it('does not notice when the object it was made of changes', () => {
    const given = { celsius: '20', room: 'kitchen' }
    const heat = new Heat(given)
    given.room = 'hall'
    expect(heat.getCommandState()).toEqual({ celsius: '20', room: 'kitchen' })
  })

  it('is refused where it is made, with the fields and without the values', () => {
    const error = refusal(() => new Heat({ celsius: 'secret', room: 7 } as never))
    expect(error).toMatchObject({ code: 'BAD_COMMAND', command: 'Heat', started: 'no' })
    expect(error.message).toBe('[BAD_COMMAND] the state of command "Heat" does not fit: celsius: expected digits; room: expected a string')
    expect(refusal(() => new (Heat as unknown as new () => unknown)()).message).toContain('celsius: expected digits')
    expect(refusal(() => new Heat(5 as never)).message).toContain('the state: expected an object')
  })

  it('is refused where it arrives, in the words of the schema', () => {
    const registry = new CommandRegistry([Heat])
    const error = refusal(() => constructCommand(registry, 'Heat', { celsius: '20' }))
    expect(error.message).toBe('[BAD_COMMAND] the state of command "Heat" does not fit: room: expected a string')
  })

  it('may be left unchecked when it is made', () => {
    const Unchecked = command('Unchecked', { state: fieldsOf({ celsius: numeral }), checkWhenMade: false })
    const made = new Unchecked({ celsius: 'x' })
    expect(made.celsius).toBe('x')
    expect(refusal(() => makeCommand(Unchecked).setCommandState(made.getCommandState())).code).toBe('BAD_COMMAND')
  })

  it('takes one state, and no other after it', () => {
    const heat = makeCommand(Heat)
    heat.setCommandState({ celsius: '20', room: 'hall' })
    expect(refusal(() => heat.setCommandState({ celsius: '5', room: 'hall' })).message).toContain('has its state already')
    expect({ ...heat }).toEqual({ celsius: 20, room: 'hall' })
  })

  it('lets no field take the place of a method, or of what every object has', () => {
    const Loose = command('Loose', { state: schema<Record<string, unknown>>((value) => ({ value: value as Record<string, unknown> })) })
    const loose = makeCommand(Loose)
    loose.setCommandState(JSON.parse('{"getCommandState": 1, "toString": 2, "__proto__": {"polluted": 1}, "constructor": 3, "fine": 4}'))
    expect({ ...loose }).toEqual({ fine: 4 })
    expect(contractOf(loose).name).toBe('Loose')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('refuses a state that its schema turns into something without fields', () => {
    const Odd = command('Odd', { state: schema<object>((value) => ({ value: [value] })) })
    expect(refusal(() => new Odd({})).message).toContain('the output of command "Odd" is an array')
  })

  it('says so when its schema throws', () => {
    const Broken = command('Broken', {
      state: schema<object>(() => {
        throw new Error('out of order')
      }),
    })
    expect(refusal(() => new Broken({})).message).toContain('its schema threw out of order')
  })

  it('needs no schemas at all', () => {
    const Bare = command('Bare')
    expect(new Bare().getCommandState()).toEqual({})
    expect(contractOf(Bare)).toMatchObject({ name: 'Bare', readResult: undefined, checkResult: undefined, validateState: undefined })
  })

  it('may be extended; the subclass is a command of its own name with the same contract', () => {
    class Warm extends command('Base', { state: fieldsOf({ celsius: numeral }), idempotent: true }) {
      get fahrenheit(): number {
        return this.celsius * 1.8 + 32
      }
      asked = 0
    }
    expect({ ...new Warm({ celsius: '20' }) }).toEqual({ celsius: 20, asked: 0 })
    expect(new Warm({ celsius: '20' }).fahrenheit).toBe(68)
    expect(contractOf(Warm)).toMatchObject({ name: 'Warm', idempotent: true })
    const registry = new CommandRegistry([Warm])
    expect((constructCommand(registry, 'Warm', { celsius: '100' }) as Warm).fahrenheit).toBe(212)
    expect(refusal(() => new Warm({ celsius: 'x' })).command).toBe('Warm')
  })

  it.each<[string, () => unknown, RegExp]>([
    ['a name that is none', () => command('no name'), /no valid command name/],
    ['a state that is no schema', () => command('X', { state: {} as never }), /its state is an object, not a schema/],
    ['a result that is no schema', () => command('X', { result: 'string' as never }), /its result is a string, not a schema/],
    ['a time that is none', () => command('X', { timeoutMs: 0 }), /timeoutMs/],
    ['idempotence that is none', () => command('X', { idempotent: 'yes' as never }), /idempotent is a string/],
    ['a description that is none', () => command('X', { description: 1 as never }), /description is a number/],
  ])('cannot be made with %s', (_what, make, words) => {
    expect(refusal(make)).toMatchObject({ code: 'BAD_COMMAND', message: expect.stringMatching(words) })
  })
})

describe('a schema that answers later', () => {
  const Slow = command('Slow', { state: later(fieldsOf({ celsius: numeral })), result: later(numeral) })

  it('is not waited for where a command is made', () => {
    const made = new Slow({ celsius: 'x' })
    expect(made.celsius).toBe('x')
    expect(pendingCheck(made)).toBeUndefined()
  })

  it('is waited for where it arrives: there are no fields before', async () => {
    const arrived = makeCommand(Slow)
    arrived.setCommandState({ celsius: '20' })
    expect({ ...arrived }).toEqual({})
    await pendingCheck(arrived)
    expect({ ...arrived }).toEqual({ celsius: 20 })
  })

  it('refuses in the same words', async () => {
    const arrived = makeCommand(Slow)
    arrived.setCommandState({ celsius: 'x' })
    await expect(pendingCheck(arrived)).rejects.toThrow('[BAD_COMMAND] the state of command "Slow" does not fit: celsius: expected digits')
    await expect(contractOf(Slow).readResult?.('x')).rejects.toMatchObject({ code: 'BAD_RESULT' })
    expect(await contractOf(Slow).readResult?.('7')).toBe(7)
    expect(await contractOf(Slow).checkResult?.('7')).toBe('7')
  })
})

describe('a contract', () => {
  it('tells the same of both ways to write a command', () => {
    class Heater extends Command<number> {
      static readonly commandName = 'Heat'
      static readonly idempotent = true
      static readonly timeoutMs = 5000
      static readonly description = 'Heats a room'
      static readonly version = '2.1'
      static readonly deprecated = 'use Warm'
      celsius = 20
      room = ''
    }
    const traits = { name: 'Heat', idempotent: true, timeoutMs: 5000, description: 'Heats a room', version: '2.1', deprecated: 'use Warm' }
    expect(contractOf(Heat)).toMatchObject({ ...traits, hasSchemas: true })
    expect(contractOf(Heater)).toMatchObject({ ...traits, hasSchemas: false })
    expect(contractOf(new Heater())).toBe(contractOf(Heater))
    expect(Object.isFrozen(contractOf(Heater))).toBe(true)
  })

  it('has defaults', () => {
    class Plain extends Command {}
    expect(contractOf(Plain)).toMatchObject({
      name: 'Plain',
      idempotent: false,
      timeoutMs: undefined,
      version: undefined,
      deprecated: false,
    })
  })

  it('is refused for a class that says nonsense about itself', () => {
    class Odd extends Command {
      static readonly timeoutMs = -1
    }
    expect(refusal(() => contractOf(Odd))).toMatchObject({ code: 'BAD_COMMAND', command: 'Odd' })
  })

  it('has the server check the result that it writes, and the client read it', () => {
    const { checkResult, readResult } = contractOf(Heat)
    expect(checkResult?.('20')).toBe('20')
    expect(readResult?.('20')).toBe(20)
    for (const read of [checkResult, readResult]) {
      expect(refusal(() => read?.('x'))).toMatchObject({
        code: 'BAD_RESULT',
        message: '[BAD_RESULT] the result of command "Heat" does not fit: the result: expected digits',
      })
    }
  })

  it('shows the fields of a class in its JSON Schema', () => {
    class Kinds extends Command {
      text = ''
      count = 0
      on = false
      list = []
      map = {}
      at = new Date(0)
      bytes = new Uint8Array(0)
      huge = 1n
      open = undefined
      run = () => 1
    }
    expect(contractOf(Kinds).stateSchema()).toEqual({
      type: 'object',
      properties: {
        text: { type: 'string' },
        count: { type: 'number' },
        on: { type: 'boolean' },
        list: { type: 'array' },
        map: { type: 'object' },
        at: { type: 'string', format: 'date-time' },
        bytes: { type: 'string', contentEncoding: 'base64' },
        huge: { type: 'integer' },
        open: {},
      },
    })
    expect(contractOf(Kinds).resultSchema()).toBeUndefined()
  })

  it('says nothing about a schema that says nothing about itself', () => {
    const nothing = { $comment: 'its library does not describe it' }
    expect(contractOf(Heat).resultSchema()).toEqual(nothing)
    expect(contractOf(Heat).stateSchema()).toEqual({
      type: 'object',
      properties: { celsius: nothing, room: nothing },
      required: ['celsius', 'room'],
    })
  })
})

describe('a stream in a contract', () => {
  const Tail = command('Tail', { state: fieldsOf({ file: text, keys: streamOf(text) }), result: streamOf(numeral) })
  async function* given(...items: unknown[]): AsyncGenerator<never> {
    yield* items as never[]
  }
  const all = async (stream: unknown): Promise<unknown[]> => {
    const items: unknown[] = []
    for await (const item of stream as AsyncIterable<unknown>) items.push(item)
    return items
  }

  it('has each item read by the client, and checked by the server', async () => {
    const { checkResult, readResult } = contractOf(Tail)
    expect(await all(readResult?.(given('1', '2')))).toEqual([1, 2])
    expect(await all(checkResult?.(given('1', '2')))).toEqual(['1', '2'])
  })

  it('ends with an error at an item that does not fit, and stops its source', async () => {
    let stopped = false
    async function* source() {
      try {
        yield '1'
        yield 'secret'
        yield '3'
      } finally {
        stopped = true
      }
    }
    const read: unknown[] = []
    const reading = async () => {
      const stream = contractOf(Tail).readResult?.(source()) as AsyncIterable<unknown>
      for await (const item of stream) read.push(item)
    }
    await expect(reading()).rejects.toMatchObject({
      code: 'BAD_RESULT',
      message: '[BAD_RESULT] the result of command "Tail" does not fit: item 1 of a stream: expected digits',
    })
    expect(read).toEqual([1])
    expect(stopped).toBe(true)
  })

  it('may stand in the state', async () => {
    const tail = makeCommand(Tail)
    tail.setCommandState({ file: 'log', keys: given('a', 7) })
    await expect(all((tail as unknown as { keys: unknown }).keys)).rejects.toMatchObject({
      code: 'BAD_COMMAND',
      message: '[BAD_COMMAND] the state of command "Tail" does not fit: item 1 of a stream: expected a string',
    })
    expect(refusal(() => new Tail({ file: 'log', keys: [] as never })).message).toContain('keys: expected a stream')
  })

  it('tells its source when it is given up, even before it was read', async () => {
    const told: unknown[] = []
    const source = {
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: '1' }), return: async () => told.push('over') }),
    }
    const stream = contractOf(Tail).readResult?.(source) as AsyncIterable<unknown>
    const items = stream[Symbol.asyncIterator]()
    await items.return?.()
    expect(told).toEqual(['over'])
    expect(await items.next()).toEqual({ done: true, value: undefined })
  })

  it('is told apart in the JSON Schema', () => {
    expect(contractOf(Tail).resultSchema()).toEqual({ 'x-zmq-rpc-stream': { $comment: 'its library does not describe it' } })
  })
})

describe('fieldsOf', () => {
  it('leaves out what it does not know, and what is undefined', () => {
    const maybe = schema<string | undefined>((value) => ({ value: value as string | undefined }))
    const Some = command('Some', { state: fieldsOf({ a: text, b: maybe }) })
    expect({ ...(new Some({ a: 'x', extra: 1 } as never) as object) }).toEqual({ a: 'x' })
    expect((contractOf(Some).stateSchema() as { required: unknown }).required).toEqual(['a'])
  })
})

/** A class that is registered as `CommandClass` may be either. */
const _either: CommandClass[] = [Heat, class Own extends Command {}]
