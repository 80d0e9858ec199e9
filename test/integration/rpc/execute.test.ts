import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { Command, type ServiceContext } from '../../../src/index.ts'
import { freePort } from '../../helpers/free-ports.ts'
import { Count, DIALECTS, deferred, Echo, endpointOf, failureOf, Greet, toldBy, useRpc, WAYS } from '../../helpers/rpc.ts'

const rpc = useRpc()

class Polite {
  readonly #greeting: string
  constructor(greeting: string) {
    this.#greeting = greeting
  }
  execute({ name }: Greet): string {
    return `${this.#greeting} ${name}`
  }
}

describe.each(WAYS)('over $name, in the $dialect dialect', ({ endpoint, dialect }) => {
  rpc.speak(dialect)

  it('a command is carried out and its result comes back', async () => {
    const server = await rpc.started({ rep: endpoint() })
    const client = rpc.client({ req: endpointOf(server) })
    const text = await client.execute(new Greet('Ada'))
    expectTypeOf(text).toEqualTypeOf<string>()
    expect(text).toBe('Hello Ada')
  })

  it('many calls are in flight on one connection, and each gets its own answer in whatever order they end', async () => {
    const waiting: (() => void)[] = []
    const server = await rpc.started({ rep: endpoint() }, (server) => {
      server.register(Count, ({ n }) => {
        const answer = deferred<number>()
        waiting.push(() => answer.resolve(n))
        // The last that comes is the first that is answered.
        if (waiting.length === 300) for (const go of waiting.reverse()) go()
        return answer.promise
      })
    })
    const client = rpc.client({ req: endpointOf(server) })
    const ended: number[] = []
    const results = await Promise.all(
      Array.from({ length: 300 }, async (_, n) => {
        const result = await client.execute(new Count(n))
        ended.push(n)
        return result
      }),
    )
    expect(results).toEqual(results.map((_, n) => n))
    // The service of the last one was still under way when it let all go.
    expect(ended.filter((n) => n < 299)).toEqual(Array.from({ length: 299 }, (_, index) => 298 - index))
  })

  it('a client that was there before the server gets its answers, in order', async () => {
    const where = endpoint()
    const host = where.replace(/:0$/, '')
    const at = where === host ? where.replace('*', `/tmp/zmq-rpc-test-${randomUUID()}`) : `${host}:${await freePort()}`
    const order: number[] = []
    const client = rpc.client({ req: at })
    const calls = Array.from({ length: 50 }, (_, n) => client.execute(new Count(n)))
    await rpc.started({ rep: at }, (server) =>
      server.register(Count, ({ n }) => {
        order.push(n)
        return n
      }),
    )
    await Promise.all(calls)
    expect(order).toEqual(order.map((_, n) => n))
    expect(order).toHaveLength(50)
  })
})

describe.each(DIALECTS)('a service may be, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  const services = {
    'a function': ({ name }: Greet) => `Hello ${name}`,
    'an async function': async ({ name }: Greet) => `Hello ${name}`,
    'an object': new Polite('Hello'),
    'an object of its own': { execute: ({ name }: Greet) => `Hello ${name}` },
    'an object without a prototype': Object.assign(Object.create(null), { execute: ({ name }: Greet) => `Hello ${name}` }) as Polite,
    'an object that is async': { execute: async ({ name }: Greet) => `Hello ${name}` },
  }

  it.each(Object.entries(services))('%s', async (_name, service) => {
    const server = rpc.server({ rep: 'tcp://127.0.0.1:0' }).register(Greet, service)
    await server.start()
    expect(await rpc.client({ req: endpointOf(server) }).execute(new Greet('Ada'))).toBe('Hello Ada')
  })

  it('one that gives a thenable of another library', async () => {
    const server = rpc.server({ rep: 'tcp://127.0.0.1:0' })
    // biome-ignore lint/suspicious/noThenProperty: that is the point
    server.register(Echo, () => ({ then: (resolve: (text: string) => void) => resolve('from a thenable') }))
    await server.start()
    expect(await rpc.client({ req: endpointOf(server) }).execute(new Echo())).toBe('from a thenable')
  })

  it('typed by its command', () => {
    const server = rpc.server({ rep: 'inproc://never' })
    const typed = (): unknown => {
      // @ts-expect-error: the result of Greet is a string
      server.register(Greet, () => 1)
      // @ts-expect-error: also when it comes later
      server.register(Greet, async () => 1)
      return server.register(Greet, (command, context) => {
        expectTypeOf(command).toEqualTypeOf<Greet>()
        expectTypeOf(context).toEqualTypeOf<ServiceContext>()
        return ''
      })
    }
    expectTypeOf(typed).toBeFunction()
  })
})

describe.each(DIALECTS)('a result, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  const served = async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' })
    return rpc.client({ req: endpointOf(server) })
  }

  it('that is nothing is undefined; null is null where the dialect has both', async () => {
    class Nothing extends Command<void> {}
    class Null extends Command<null> {}
    const server = rpc.server({ rep: 'tcp://127.0.0.1:0' })
    server.register(Nothing, () => {}).register(Null, () => null)
    await server.start()
    const client = rpc.client({ req: endpointOf(server) })
    const nothing = await client.execute(new Nothing())
    expectTypeOf(nothing).toEqualTypeOf<void>()
    expect(nothing).toBeUndefined()
    expect(await client.execute(new Null())).toBe(dialect === 'native' ? null : undefined)
  })

  it.each([
    ['false', false],
    ['zero', 0],
    ['minus zero', -0],
    ['an empty text', ''],
    ['no number', Number.NaN],
    ['infinite', Number.POSITIVE_INFINITY],
    ['minus infinite', Number.NEGATIVE_INFINITY],
    ['an integer beyond 2^53', 2n ** 64n + 1n],
    ['a negative integer beyond 2^53', -(2n ** 200n)],
    ['a float of the size of an integer beyond 2^53', 2 ** 60],
    ['the smallest number', Number.MIN_VALUE],
    ['a lone surrogate', 'a\ud800b\udc00'],
    ['other scripts', 'Größe 日本語 😀\u0000\u2028'],
    ['nested', { a: [1, null, { b: [] }], '': {}, constructor: 1, toString: 2 }],
    ['a list', [[], [[]], {}]],
    ['a mebibyte of text', 'x€'.repeat(350_000)],
  ])('comes back as it went: %s', async (_name, value) => {
    expect(await (await served()).execute(new Echo(value))).toStrictEqual(value)
  })

  it('has a key __proto__ as a key', async () => {
    const client = await served()
    const value = JSON.parse('{"__proto__": {"polluted": 1}, "a": 1}') as object
    const back = (await client.execute(new Echo(value))) as object
    expect(Object.keys(back)).toEqual(['__proto__', 'a'])
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('of any JSON comes back as it went', async () => {
    const client = await served()
    const json = fc.jsonValue({ noUnicodeString: false } as never)
    await fc.assert(
      fc.asyncProperty(fc.oneof(json, fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n }), fc.double()), async (value) => {
        const isSmall = typeof value === 'bigint' && value >= -(2n ** 53n) + 1n && value < 2n ** 53n
        const fromPython = value === null ? undefined : isSmall ? Number(value) : value
        expect(await client.execute(new Echo(value))).toStrictEqual(dialect === 'native' ? value : fromPython)
      }),
      { numRuns: 200 },
    )
  })
})

describe.each(DIALECTS)('a result that cannot be written, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  const [outcome, text] =
    dialect === 'native'
      ? [{ code: 'BAD_RESULT', status: 500 }, /^\[BAD_RESULT\] The result of command "(Bad|Echo)" cannot be written: result/]
      : [{ code: 'SERVICE_FAILED', status: 463 }, /^\[SERVICE_FAILED\] Exception raised when calling service \w+\. Exception: /]
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  class Bad extends Command<unknown> {
    which = ''
  }
  const onlyPlain: Record<string, () => unknown> = {
    'a Map': () => new Map(),
    'a Buffer': () => Buffer.from('x'),
    'a command': () => new Greet(),
  }
  const results: Record<string, () => unknown> = {
    ...(dialect === 'pyzmqrpc3' && onlyPlain),
    'a function': () => () => {},
    'a symbol': () => Symbol('x'),
    'a cycle': () => cycle,
    'an Error': () => new Error('x'),
    'a promise inside': () => ({ later: Promise.resolve(1) }),
    'a getter that throws': () => ({
      get broken() {
        throw new Error('no')
      },
    }),
    'a toJSON that throws what cannot be shown': () => ({
      toJSON() {
        throw Object.create(null)
      },
    }),
    'nested too deep': () => {
      let deep: unknown = 1
      for (let level = 0; level < 1100; level++) deep = [deep]
      return deep
    },
    'a proxy that was revoked': () => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      return [proxy]
    },
  }

  it.each(Object.keys(results))('is told to the caller: %s', async (which) => {
    const server = rpc.server({ rep: 'tcp://127.0.0.1:0' })
    server.register(Bad, ({ which }) => (results[which] as () => unknown)())
    server.register(Echo, async ({ value }) => (results[value as string] as () => unknown)())
    await server.start()
    const client = rpc.client({ req: endpointOf(server) })
    const told = rpc.hear('zmq-rpc:service:failed')
    for (const command of [Object.assign(new Bad(), { which }), new Echo(which)]) {
      const error = await failureOf(client.execute(command))
      expect(error).toMatchObject({ ...outcome, endpoint: endpointOf(server) })
      expect(error.message).toMatch(text)
      expect(error.message.length).toBeLessThan(400)
    }
    expect(told.events).toHaveLength(2)
  })
})

describe.each(DIALECTS)('a service that throws, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  class NoMessage extends Error {
    override get message(): string {
      throw new Error('not even this')
    }
  }
  class Raise extends Command {
    which = ''
    later = false
  }
  const thrown: Record<string, [value: unknown, text: string]> = {
    'an Error': [new Error('Täst \ud800'), 'Täst \ud800'],
    'an Error without a text': [new Error(''), ''],
    'a text': ['just text', 'just text'],
    'a number': [42, '42'],
    undefined: [undefined, 'undefined'],
    null: [null, 'null'],
    'a symbol': [Symbol('x'), 'Symbol(x)'],
    'an object': [{ a: 1 }, '[object Object]'],
    'an object without a prototype': [Object.create(null), 'an error that cannot be shown'],
    'an error whose message throws': [new NoMessage(), 'an error that cannot be shown'],
    'an error whose message is a symbol': [Object.assign(new Error(), { message: Symbol('x') }), 'Symbol(x)'],
    'an error whose message cannot be shown': [
      Object.assign(new Error(), { message: Object.create(null) }),
      'an error that cannot be shown',
    ],
    'a proxy that was revoked': [revoked(), 'an error that cannot be shown'],
  }

  it.each(Object.keys(thrown))('reaches the caller as 463, and the server lives on: %s', async (which) => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Raise, ({ which, later }): unknown => {
        const [value] = thrown[which] as [unknown, string]
        if (later) return Promise.reject(value)
        throw value
      }),
    )
    const client = rpc.client({ req: endpointOf(server), timeoutMs: 3000 })
    const [, text] = thrown[which] as [unknown, string]
    for (const later of [false, true]) {
      const error = await failureOf(client.execute(Object.assign(new Raise(), { which, later })))
      expect(error).toMatchObject({
        code: 'SERVICE_FAILED',
        status: 463,
        statusText: toldBy(dialect, 'RaiseService', text),
        command: 'Raise',
        endpoint: endpointOf(server),
      })
    }
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })
})

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

describe.each(DIALECTS)('a command that cannot be written, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('fails at once, before anything is sent', async () => {
    const client = rpc.client({ req: 'tcp://127.0.0.1:1' })
    const error = await failureOf(client.execute(new Echo({ later: Promise.resolve() })))
    expect(error).toMatchObject({ code: 'BAD_COMMAND', command: 'Echo' })
    expect(error.message).toContain('state.value.later is a Promise')
    await expect(client.executeAll(new Echo(Symbol('x')))).rejects.toMatchObject({ code: 'BAD_COMMAND', command: 'Echo' })
  })

  it('fails at once when its getCommandState throws', async () => {
    const client = rpc.client({ req: 'tcp://127.0.0.1:1', pub: 'tcp://127.0.0.1:0' })
    class Broken extends Command {
      override getCommandState(): unknown {
        throw new Error('no state today')
      }
    }
    for (const failing of [client.execute(new Broken()), client.executeAll(new Broken()), client.publish(new Broken())]) {
      const error = await failureOf(failing)
      expect(error).toMatchObject({ code: 'BAD_COMMAND', command: 'Broken', cause: { message: 'no state today' } })
      expect(error.message).toContain('no state today')
    }
  })

  it('is also what is no command at all', async () => {
    const client = rpc.client({ req: 'tcp://127.0.0.1:1', pub: 'tcp://127.0.0.1:0' })
    for (const nothing of [{ name: 'Ada' }, 'Greet', null, undefined, Greet] as never[]) {
      for (const failing of [client.execute(nothing), client.executeAll(nothing), client.publish(nothing)]) {
        expect(await failureOf(failing)).toMatchObject({ code: 'BAD_COMMAND', message: expect.stringContaining('no command') })
      }
    }
  })
})

describe.each(DIALECTS)('ten thousand calls, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('are in flight at once on one client, each with its own result', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' })
    const client = rpc.client({ req: endpointOf(server), maxQueued: 10_000, timeoutMs: 30_000 })
    const results = await Promise.all(Array.from({ length: 10_000 }, (_, n) => client.execute(new Count(n))))
    expect(results).toEqual(results.map((_, n) => n))
  })
})
