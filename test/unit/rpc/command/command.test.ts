import { afterEach, describe, expect, it } from 'vitest'
import { Command, commandNameOf, isCommand, isCommandClass, ShutdownServer } from '../../../../src/rpc/command/command.ts'

class Greet extends Command<string> {
  name = ''
  polite = false
  note: string | undefined = undefined
  #secret = 1
  shout = () => this.name.toUpperCase()

  get secret(): number {
    return this.#secret
  }
}

afterEach(() => {
  // Whatever a test does, nothing may have got to where every object sees it.
  expect(Object.keys(Object.prototype)).toEqual([])
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})

describe('the default state of a command', () => {
  it('is its own fields without functions, private fields and accessors', () => {
    const greet = new Greet()
    greet.name = 'Ada'
    expect(greet.getCommandState()).toStrictEqual({ name: 'Ada', polite: false, note: undefined })
  })

  it('is a new object, so that changing it does not change the command', () => {
    const greet = new Greet()
    ;(greet.getCommandState() as Greet).name = 'Eve'
    expect(greet.name).toBe('')
  })

  it('is taken over field by field', () => {
    const greet = new Greet()
    greet.setCommandState({ name: 'Ada', polite: true, note: 'x' })
    expect(greet).toMatchObject({ name: 'Ada', polite: true, note: 'x' })
  })

  it('leaves fields alone that the state does not have, and ignores what the command does not have', () => {
    const greet = new Greet()
    greet.setCommandState({ name: 'Ada', addedInVersion2: true })
    expect(greet).toMatchObject({ name: 'Ada', polite: false })
    expect(greet).not.toHaveProperty('addedInVersion2')
  })

  it('says once that it ignores a field: mostly an initial value was forgotten', async () => {
    class Forgotten extends Command {
      declare name: string
      known = 1
    }
    const warnings: (Error & { code?: string })[] = []
    const listen = (warning: Error): unknown => warning.message.includes('Forgotten') && warnings.push(warning)
    process.on('warning', listen)
    const command = new Forgotten()
    command.setCommandState({ known: 2, toString: 'x', __proto__: null })
    command.setCommandState({ name: 'Ada', other: 'x' })
    new Forgotten().setCommandState({ name: 'Bob' })
    await new Promise(setImmediate)
    process.off('warning', listen)
    expect(command).toMatchObject({ known: 2 })
    expect(command).not.toHaveProperty('name')
    expect(warnings.map(({ code }) => code)).toEqual(['ZMQ_RPC_FIELD_IGNORED'])
    expect(warnings[0]?.message).toMatch(/^command "Forgotten" came with the field "name", .* give it an initial value/)
  })

  it('never replaces a method, whether own or inherited', () => {
    const greet = new Greet()
    greet.setCommandState({ name: 'Ada', shout: 'x', getCommandState: 'x', setCommandState: 'x', toString: 'x' })
    expect(greet.shout()).toBe('ADA')
    expect(greet.getCommandState()).toMatchObject({ name: 'Ada' })
    expect(Object.keys(greet)).not.toContain('toString')
  })

  it('cannot pollute a prototype', () => {
    const greet = new Greet()
    greet.setCommandState(JSON.parse('{"name": "Ada", "__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}'))
    expect(Object.getPrototypeOf(greet)).toBe(Greet.prototype)
    expect(greet.constructor).toBe(Greet)
    expect(greet).not.toHaveProperty('polluted')
  })

  it.each([
    [null, 'null'],
    [undefined, 'undefined'],
    [[1], 'an array'],
    ['text', 'a string'],
    [1, 'a number'],
  ])('is refused when it is %j', (state, what) => {
    expect(() => new Greet().setCommandState(state)).toThrow(
      `[BAD_COMMAND] the state of command "Greet" is ${what}, not an object of its fields`,
    )
  })
})

describe('the name of a command', () => {
  it('is that of its class', () => {
    expect(commandNameOf(Greet)).toBe('Greet')
    expect(commandNameOf(new Greet())).toBe('Greet')
  })

  it('is its static commandName where it has one', () => {
    class Minified extends Command {
      static readonly commandName = 'Measure'
    }
    expect(commandNameOf(Minified)).toBe('Measure')
    expect(commandNameOf(new Minified())).toBe('Measure')
  })

  it('is not inherited, since a subclass is another command', () => {
    class Base extends Command {
      static readonly commandName: string = 'First'
    }
    class Second extends Base {}
    expect(commandNameOf(Second)).toBe('Second')
  })

  it('does not change with a field that is called constructor', () => {
    class Odd extends Command {}
    const odd = Object.assign(new Odd(), { constructor: Greet })
    expect(commandNameOf(odd)).toBe('Odd')
  })

  it.each(['Größe', '$x', '_x', 'shop.Order', 'shop-order', 'A'.repeat(255)])('may be %s', (commandName) => {
    expect(commandNameOf(Object.assign(class extends Command {}, { commandName }))).toBe(commandName)
  })

  it.each(['1st', 'a b', 'a\n', '"', 'A'.repeat(256), '\ud800', 7, null])('may not be %j', (commandName) => {
    const named = Object.defineProperty(class X extends Command {}, 'commandName', { value: commandName })
    expect(() => commandNameOf(named)).toThrow(/^\[BAD_COMMAND\] .* is no valid command name: it must be 1 to 255 characters/)
  })

  it('is missed in an anonymous class, with a hint', () => {
    expect(() => commandNameOf(new (class extends Command {})())).toThrow(
      '[BAD_COMMAND] a command class has no name: name the class or give it a static commandName',
    )
  })
})

describe('a command', () => {
  it('is known as such', () => {
    expect(isCommand(new Greet())).toBe(true)
    for (const other of [Greet, {}, null, undefined, 'Greet', JSON.parse('{"zmq-rpc.command": true}')]) expect(isCommand(other)).toBe(false)
    expect(isCommandClass(Greet)).toBe(true)
    for (const other of [Command, new Greet(), Map, () => 1, null, {}]) expect(isCommandClass(other)).toBe(false)
  })

  it('carries nothing of its result type at run time', () => {
    expect(Reflect.ownKeys(new ShutdownServer())).toEqual([])
  })
})

describe('ShutdownServer', () => {
  it('has a name that survives minifying, and no state', () => {
    expect(commandNameOf(ShutdownServer)).toBe('ShutdownServer')
    expect(Object.hasOwn(ShutdownServer, 'commandName')).toBe(true)
    expect(new ShutdownServer().getCommandState()).toEqual({})
  })
})
