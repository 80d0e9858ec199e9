/** What the compiler must know about commands. `tsc` checks it; at run time little is left to see. */

import { describe, expectTypeOf, it } from 'vitest'
import { Command, type CommandClass, type ResultOf, ShutdownServer } from '../../src/rpc/command/command.ts'
import { CommandRegistry } from '../../src/rpc/command/command-registry.ts'

class Greet extends Command<string> {
  static readonly commandName = 'Greet'
  name: string
  constructor(name = '') {
    super()
    this.name = name
  }
}
class Find extends Command<{ id: number } | undefined> {}
class Untyped extends Command {}
class PoliteGreet extends Greet {}
class NeedsName extends Command<string> {
  name: string
  constructor(name: string) {
    super()
    this.name = name
  }
}
class Narrow extends Command<number> {
  x = 0
  override getCommandState(): { x: number } {
    return { x: this.x }
  }
  override setCommandState(state: { x: number }): void {
    this.x = state.x
  }
}

/** As `RpcClient.execute` and `RpcServer.register`. Nobody calls them. */
declare function execute<C extends Command>(command: C): Promise<ResultOf<C>>
declare function register<C extends Command>(command: CommandClass<C>, service: (command: C) => ResultOf<C>): void

describe('the type of a command', () => {
  it('carries the type of its result', () => {
    expectTypeOf<ResultOf<Greet>>().toEqualTypeOf<string>()
    expectTypeOf<ResultOf<PoliteGreet>>().toEqualTypeOf<string>()
    expectTypeOf<ResultOf<Find>>().toEqualTypeOf<{ id: number } | undefined>()
    expectTypeOf<ResultOf<Untyped>>().toEqualTypeOf<unknown>()
    expectTypeOf<ResultOf<Narrow>>().toEqualTypeOf<number>()
    expectTypeOf<ResultOf<ShutdownServer>>().toEqualTypeOf<void>()
  })

  it('is inferred from an instance and from a class', () => {
    const typed = () => execute(new Greet('Ada'))
    expectTypeOf(typed).returns.toEqualTypeOf<Promise<string>>()
    const registered = () => {
      register(Greet, (command) => {
        expectTypeOf(command).toEqualTypeOf<Greet>()
        return `Hello ${command.name}`
      })
      // @ts-expect-error: its result is a string
      register(Greet, () => 1)
      // @ts-expect-error: it cannot be constructed without arguments
      register(NeedsName, () => '')
    }
    expectTypeOf(registered).toBeFunction()
  })

  it('lets only concrete command classes into a registry', () => {
    const registered = (registry: CommandRegistry) => {
      registry.register(Greet).register(Find).register(ShutdownServer).register(Narrow)
      // @ts-expect-error: abstract
      registry.register(Command)
      // @ts-expect-error: no command
      registry.register(Map)
    }
    expectTypeOf(registered).toBeFunction()
    expectTypeOf(new CommandRegistry().get('Greet')).toEqualTypeOf<CommandClass | undefined>()
  })
})
