import { describe, expect, it } from 'vitest'
import { Command, type CommandClass, RpcServer, ShutdownServer, ZmqRpcError } from '../../../src/index.ts'
import { DIALECTS, Echo, endpointOf, failureOf, Greet, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

const greet = ({ name }: Greet): string => `Hello ${name}`

class NeedsName extends Command<string> {
  name: string
  constructor(name: string) {
    super()
    this.name = name.trim()
  }
}

class Polite {
  execute({ name }: Greet): string {
    return `Dear ${name}`
  }
}

function refusal(commandClass: unknown, service: unknown, options: { before?: (server: RpcServer) => void } = {}): Error {
  const server = rpc.server({ rep: 'inproc://never' })
  options.before?.(server)
  try {
    server.register(commandClass as CommandClass, service as () => unknown)
  } catch (error) {
    expect(error).toBeInstanceOf(ZmqRpcError)
    expect(error).toMatchObject({ code: 'BAD_REGISTRATION' })
    return error as Error
  }
  throw new Error('it was not refused')
}

describe('what is no command is refused', () => {
  it.each([
    ['Command itself', Command, 'Command itself cannot be registered: register a class that extends it'],
    ['another class', Map, '"Map" is no command class: it must extend Command'],
    ['an instance', new Greet(), 'an instance of a command was given: register its class'],
    ['a string', 'Greet', 'a value of type string is no command class: it must extend Command'],
    ['nothing', undefined, 'a value of type undefined is no command class: it must extend Command'],
    ['null', null, 'a value of type object is no command class: it must extend Command'],
    ['a function', () => {}, '"" is no command class: it must extend Command'],
  ])('%s', (_name, commandClass, text) => {
    expect(refusal(commandClass, () => '').message).toBe(`[BAD_REGISTRATION] ${text}`)
  })

  it('a class without a constructor that needs no arguments', () => {
    expect(refusal(NeedsName, () => '').message).toMatch(
      /^\[BAD_REGISTRATION\] command "NeedsName" cannot be constructed without arguments \(TypeError: .*\): the receiving side constructs it so/,
    )
  })

  it('a class without a name', () => {
    expect(refusal(class extends Command {}, () => '').message).toBe(
      '[BAD_REGISTRATION] a command class has no name: name the class or give it a static commandName',
    )
  })
})

describe('what is no service is refused', () => {
  const needed = 'a service is a function, or an object with a method execute(command, context)'

  it.each([
    ['a class instead of an instance', Polite, 'a class was given: give an instance of it'],
    ['nothing', undefined, 'undefined was given'],
    ['null', null, 'null was given'],
    ['a string', 'Polite', 'string was given'],
    ['an object that cannot execute', { run: () => '' }, 'object was given'],
    ['an object whose execute is no function', { execute: 'x' }, 'object was given'],
  ])('%s', (_name, service, hint) => {
    expect(refusal(Greet, service).message).toBe(`[BAD_REGISTRATION] ${needed}; ${hint}`)
  })
})

describe('what is there already is refused', () => {
  it('a second service for a command', () => {
    const error = refusal(Greet, new Polite(), { before: (server) => server.register(Greet, greet) })
    expect(error.message).toBe('[BAD_REGISTRATION] command "Greet" has a service already (greet): a second one, Polite, is refused')
    expect(error).toMatchObject({ command: 'Greet' })
  })

  it('a second service without a name, which is called what it is', () => {
    const error = refusal(Greet, () => 'second', { before: (server) => server.register(Greet, { execute: () => 'first' }) })
    expect(error.message).toBe('[BAD_REGISTRATION] command "Greet" has a service already (an object): a second one, a function, is refused')
  })

  it('the same service once more', () => {
    expect(refusal(Greet, greet, { before: (server) => server.register(Greet, greet) }).message).toContain('has a service already')
  })

  it('another class of the same name', () => {
    class Other extends Command {
      static readonly commandName = 'Greet'
    }
    const error = refusal(Other, () => '', { before: (server) => server.register(Greet, greet) })
    expect(error.message).toBe(
      '[BAD_REGISTRATION] another class is registered as command "Greet" already: give one of them a static commandName',
    )
  })

  it('a service for the command that every server has', () => {
    expect(refusal(ShutdownServer, () => undefined).message).toContain('command "ShutdownServer" has a service already')
  })

  it('two classes of one name among commands', () => {
    class Other extends Command {
      static readonly commandName = 'Greet'
    }
    expect(() => new RpcServer({ rep: 'inproc://never', commands: [Greet, Other] })).toThrow(
      '[BAD_REGISTRATION] another class is registered',
    )
    expect(() => new RpcServer({ rep: 'inproc://never', commands: [Command as unknown as CommandClass] })).toThrow(
      '[BAD_REGISTRATION] Command itself',
    )
  })
})

describe.each(DIALECTS)('what was refused changes nothing, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('the first service goes on, and the refused class has none', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' })
    expect(() => server.register(Greet, () => 'second')).toThrow('has a service already')
    expect(() => server.register(NeedsName as unknown as CommandClass<NeedsName>, () => '')).toThrow('without arguments')
    const client = rpc.client({ req: endpointOf(server) })
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    expect(await failureOf(client.execute(new NeedsName('x')))).toMatchObject({ code: 'NO_SERVICE', status: 451 })
  })
})

describe.each(DIALECTS)('a service that is registered later, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('serves a server that is under way', async () => {
    class Late extends Command<number> {}
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' })
    const client = rpc.client({ req: endpointOf(server) })
    expect(await failureOf(client.execute(new Late()))).toMatchObject({ code: 'NO_SERVICE', status: 451 })
    server.register(Late, () => 7)
    expect(await client.execute(new Late())).toBe(7)
  })
})

describe.each(DIALECTS)('a command inside the state of another, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  class Point extends Command {
    x = 0
    y = 0
  }
  const nested = (): Echo => new Echo({ list: [Object.assign(new Point(), { x: 1, y: 2 })], deep: { point: new Point() } })

  it('comes out as an instance of its class when the server knows it by `commands`', async () => {
    let seen: unknown
    const server = rpc.server({ rep: 'tcp://127.0.0.1:0', commands: [Point] })
    server.register(Echo, ({ value }) => {
      seen = value
    })
    await server.start()
    await rpc.client({ req: endpointOf(server) }).execute(nested())
    const { list, deep } = seen as { list: unknown[]; deep: { point: unknown } }
    expect(list[0]).toBeInstanceOf(Point)
    expect(list).toEqual([{ x: 1, y: 2 }])
    expect(deep.point).toBeInstanceOf(Point)
  })

  it('is known by its service, too; and has none by being known', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0', commands: [Point] })
    const client = rpc.client({ req: endpointOf(server) })
    await expect(client.execute(new Point())).rejects.toMatchObject({
      status: 451,
      statusText: 'No service on the server is registered for command "Point".',
    })
    server.register(Point, () => 'now it has')
    expect(await client.execute(new Point())).toBe('now it has')
  })

  it('is refused when the server does not know it', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' })
    const refused = rpc.hear('zmq-rpc:command:refused')
    const error = await failureOf(rpc.client({ req: endpointOf(server) }).execute(nested()))
    expect(error).toMatchObject({ code: 'BAD_COMMAND', status: 400 })
    expect(refused.events[0]?.detail).toContain('no command "Point" is registered')
  })
})
