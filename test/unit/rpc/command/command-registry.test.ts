import { describe, expect, it } from 'vitest'
import { ZmqRpcError } from '../../../../src/errors.ts'
import { Command, type CommandClass, ShutdownServer } from '../../../../src/rpc/command/command.ts'
import { CommandRegistry } from '../../../../src/rpc/command/command-registry.ts'

class Greet extends Command {}

/** The registry also meets classes from JavaScript, where nobody checked their types. */
function refusal(commandClass: unknown, registry = new CommandRegistry()): ZmqRpcError {
  try {
    registry.register(commandClass as CommandClass)
  } catch (error) {
    if (error instanceof ZmqRpcError) return error
    throw error
  }
  throw new Error('not refused')
}

describe('a command registry', () => {
  it('finds classes by their names on the wire', () => {
    class Named extends Command {
      static readonly commandName = 'Other'
    }
    const registry = new CommandRegistry([ShutdownServer]).register(Greet).register(Named)
    expect(registry.get('Greet')).toBe(Greet)
    expect(registry.get('Other')).toBe(Named)
    expect(registry.get('Named')).toBeUndefined()
    expect(registry.has('ShutdownServer')).toBe(true)
    expect(registry.names()).toEqual(['ShutdownServer', 'Greet', 'Other'])
  })

  it('has no names of its own, not even those that every object has', () => {
    const registry = new CommandRegistry()
    for (const name of ['', 'constructor', '__proto__', 'toString']) expect(registry.get(name)).toBeUndefined()
  })

  it('takes the same class twice', () => {
    expect(new CommandRegistry([Greet, Greet]).names()).toEqual(['Greet'])
  })

  it('knows only its own classes', () => {
    new CommandRegistry([Greet])
    expect(new CommandRegistry().has('Greet')).toBe(false)
  })

  it.each<[string, unknown, string]>([
    ['Command itself', Command, 'Command itself cannot be registered: register a class that extends it'],
    ['an instance', new Greet(), 'an instance of a command was given: register its class'],
    ['another class', Map, '"Map" is no command class: it must extend Command'],
    ['a function', () => 1, '"" is no command class: it must extend Command'],
    ['nothing', undefined, 'a value of type undefined is no command class: it must extend Command'],
    [
      'a class that needs arguments',
      class NeedsName extends Command {
        length: number
        constructor(name: string) {
          super()
          this.length = name.length
        }
      },
      'command "NeedsName" cannot be constructed without arguments (TypeError: Cannot read properties of undefined (reading ' +
        "'length')): the receiving side constructs it so, and then sets its state",
    ],
    [
      'a constructor that returns something else',
      Object.defineProperty(
        function Liar() {
          return {}
        },
        'prototype',
        { value: Object.create(Command.prototype) },
      ),
      'the constructor of command "Liar" returns something that is no command',
    ],
    [
      'an anonymous class',
      (() => class extends Command {})(),
      'a command class has no name: name the class or give it a static commandName',
    ],
    [
      'an invalid name',
      Object.assign(class extends Command {}, { commandName: 'a b' }),
      '"a b" is no valid command name: it must be 1 to 255 characters, start with a letter, "_" or "$", and go on with those, digits, "." or "-"',
    ],
  ])('refuses %s', (_what, commandClass, text) => {
    expect(refusal(commandClass)).toMatchObject({ code: 'BAD_REGISTRATION', message: `[BAD_REGISTRATION] ${text}` })
  })

  it('refuses another class of a name that is taken, and keeps the first', () => {
    const registry = new CommandRegistry([Greet])
    const error = refusal(Object.assign(class extends Command {}, { commandName: 'Greet' }), registry)
    expect(error).toMatchObject({
      command: 'Greet',
      message: '[BAD_REGISTRATION] another class is registered as command "Greet" already: give one of them a static commandName',
    })
    expect(registry.get('Greet')).toBe(Greet)
  })

  it('says why the constructor threw', () => {
    const cause = new Error('no')
    const error = refusal(
      class Throws extends Command {
        constructor() {
          super()
          throw cause
        }
      },
    )
    expect(error.cause).toBe(cause)
  })
})
