/** What stands around calls, on both sides. */

import { describe, expect, it } from 'vitest'
import { type ClientInterceptor, RpcClient, type ServerInterceptor, ServiceError, ZmqRpcError } from '../../../src/index.ts'
import { Count, Echo, endpointOf, failureOf, Greet, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

async function serving(interceptors: ServerInterceptor[] = []): Promise<string> {
  return endpointOf(await rpc.started({ rep: 'tcp://127.0.0.1:0', interceptors }))
}

function client(req: string | string[], ...interceptors: ClientInterceptor[]): RpcClient {
  return rpc.own(new RpcClient({ req, interceptors, timeoutMs: 10_000 }))
}

class OutOfPaper extends ServiceError<{ tray: number }> {}

describe('interceptors of a client', () => {
  it('stand around the call in their order, the first outermost', async () => {
    const order: string[] = []
    const named =
      (name: string): ClientInterceptor =>
      async (call, next) => {
        order.push(`${name} before ${call.name}`)
        const result = await next(call)
        order.push(`${name} after ${String(result)}`)
        return `${name}(${String(result)})`
      }
    expect(await client(await serving(), named('a'), named('b')).execute(new Greet('Ada'))).toBe('a(b(Hello Ada))')
    expect(order).toEqual(['a before Greet', 'b before Greet', 'b after Hello Ada', 'a after b(Hello Ada)'])
  })

  it('may change the command and its options', async () => {
    const seen: unknown[] = []
    const endpoint = await serving([
      ({ context }, next) => {
        seen.push(context.metadata, context.remainingMs < 6000)
        return next()
      },
    ])
    const caller = client(endpoint, (call, next) =>
      next({
        ...call,
        command: new Greet('Bob'),
        options: { ...call.options, timeoutMs: 5000, metadata: { ...call.options.metadata, token: 't' } },
      }),
    )
    expect(await caller.execute(new Greet('Ada'), { metadata: { own: 'o' } })).toBe('Hello Bob')
    expect(seen).toEqual([{ own: 'o', token: 't' }, true])
  })

  it('may answer in the place of the server, which hears nothing', async () => {
    let heard = 0
    const endpoint = await serving([() => ++heard])
    expect(await client(endpoint, async () => 'from memory').execute(new Greet('Ada'))).toBe('from memory')
    expect(heard).toBe(0)
  })

  it('may call twice, as for a second attempt', async () => {
    let heard = 0
    const endpoint = await serving([
      (_call, next) => {
        if (++heard === 1) throw new Error('not yet')
        return next()
      },
    ])
    const again: ClientInterceptor = async (call, next) => {
      try {
        return await next(call)
      } catch {
        return next(call)
      }
    }
    expect(await client(endpoint, again).execute(new Greet('Ada'))).toBe('Hello Ada')
    expect(heard).toBe(2)
  })

  it.each<[string, ClientInterceptor]>([
    [
      'throws',
      () => {
        throw new Error('no token')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no token'))],
  ])('that %s: the call is rejected with that very error, and is not made', async (_name, interceptor) => {
    const error = await failureOf(client(await serving(), interceptor).execute(new Greet('Ada')))
    expect([error.constructor, error.message]).toEqual([Error, 'no token'])
  })

  it('see the error that the call ends with, and may throw another one', async () => {
    let seen: unknown
    const caller = client(await serving(), async (call, next) => {
      try {
        return await next(call)
      } catch (error) {
        seen = error
        throw new OutOfPaper('translated', { details: { tray: 1 }, cause: error })
      }
    })
    class Nobody extends Echo {
      static override readonly commandName = 'Nobody'
    }
    expect(await failureOf(caller.execute(new Nobody()))).toBeInstanceOf(OutOfPaper)
    expect(seen).toMatchObject({ code: 'NO_SERVICE' })
  })

  it('hear of options that are wrong as of any other failure', async () => {
    const seen: unknown[] = []
    const caller = client(await serving(), async (call, next) => {
      try {
        return await next({ ...call, options: { timeoutMs: -1 } })
      } catch (error) {
        seen.push(error)
        throw error
      }
    })
    expect(await failureOf(caller.execute(new Greet()))).toMatchObject({ code: 'BAD_OPTION' })
    expect(seen.length).toBe(1)
  })

  it('stand around each call of executeAll by itself', async () => {
    const endpoints = [await serving(), await serving()]
    let calls = 0
    const caller = client(endpoints, async (call, next) => {
      if (++calls === 1) throw new Error('the first one is not made')
      return `(${String(await next(call))})`
    })
    const answers = await caller.executeAll(new Greet('all'))
    expect(answers).toMatchObject([
      { endpoint: endpoints[0], ok: false, error: expect.any(ZmqRpcError) },
      { endpoint: endpoints[1], ok: true, value: '(Hello all)' },
    ])
    expect(answers[0]).toMatchObject({ error: { cause: new Error('the first one is not made') } })
  })
})

describe('interceptors of a server', () => {
  it('stand around the service in their order, see the command and its context, and may change the result', async () => {
    const order: string[] = []
    const named =
      (name: string): ServerInterceptor =>
      async ({ command, name: commandName, context }, next) => {
        order.push(`${name} before ${commandName} ${(command as Greet).name} by ${context.peer.kind}`)
        const result = await next()
        return `${name}(${String(result)})`
      }
    expect(await client(await serving([named('a'), named('b')])).execute(new Greet('Ada'))).toBe('a(b(Hello Ada))')
    expect(order).toEqual(['a before Greet Ada by req', 'b before Greet Ada by req'])
  })

  it('leave a service that answers at once as it is: what is not awaited takes no time', async () => {
    const kinds: string[] = []
    const endpoint = await serving([
      (_call, next) => {
        const result = next()
        kinds.push(result instanceof Promise ? 'promise' : typeof result)
        return result
      },
    ])
    await client(endpoint).execute(new Greet('Ada'))
    expect(kinds).toEqual(['string'])
  })

  it('may answer in its place, or have it run twice', async () => {
    let ran = 0
    const server = await rpc.started(
      {
        rep: 'tcp://127.0.0.1:0',
        interceptors: [({ name }, next) => (name === 'Greet' ? 'cached' : [next(), next()])],
      },
      (server) => server.register(Count, () => ++ran),
    )
    const caller = client(endpointOf(server))
    expect(await caller.execute(new Greet('Ada'))).toBe('cached')
    expect(await caller.execute(new Count())).toEqual([1, 2])
  })

  it('throw in its name: the caller is told as if the service had', async () => {
    const endpoint = await serving([
      () => {
        throw new OutOfPaper('tray 2 is empty', { details: { tray: 2 }, code: 'EMPTY' })
      },
    ])
    const failed = rpc.hear('zmq-rpc:service:failed', (event) => event.endpoint === endpoint)
    const caller = rpc.own(new RpcClient({ req: endpoint, errors: [OutOfPaper] }))
    const error = await failureOf(caller.execute(new Greet('Ada')))
    expect(error).toBeInstanceOf(OutOfPaper)
    expect(error).toMatchObject({ details: { tray: 2 }, remoteCode: 'EMPTY' })
    expect(failed.events).toMatchObject([{ command: 'Greet' }])
  })

  it('see what the service throws, and may answer all the same', async () => {
    const server = await rpc.started(
      {
        rep: 'tcp://127.0.0.1:0',
        interceptors: [
          async (_call, next) => {
            try {
              return await next()
            } catch (error) {
              return `mended: ${(error as Error).message}`
            }
          },
        ],
      },
      (server) =>
        server.register(Count, () => {
          throw new Error('broken')
        }),
    )
    expect(await client(endpointOf(server)).execute(new Count())).toBe('mended: broken')
  })

  it('also stand around what Python sends, and what is published', async () => {
    const seen: string[] = []
    const interceptors: ServerInterceptor[] = [
      ({ name, context }, next) => {
        seen.push(`${name} ${context.peer.kind}`)
        return next()
      },
    ]
    const publisher = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await publisher.ready()
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0', sub: publisher.publishEndpoint as string, interceptors })
    await rpc.client({ req: endpointOf(server), dialect: 'pyzmqrpc3' }).execute(new Greet('Ada'))
    await publisher.ready({ subscribers: 1 })
    const ended = rpc.hear('zmq-rpc:service:ended', (event) => event.endpoint === publisher.publishEndpoint)
    await publisher.publish(new Count())
    await ended.atLeast(1)
    expect(seen).toEqual(['Greet req', 'Count pub'])
  })

  it('hear nothing of what is refused', async () => {
    const seen: string[] = []
    const server = await rpc.started({
      rep: 'tcp://127.0.0.1:0',
      allow: 'nobody',
      interceptors: [({ name }) => seen.push(name)],
    })
    expect(await failureOf(client(endpointOf(server)).execute(new Greet()))).toMatchObject({ code: 'NOT_ALLOWED' })
    expect(seen).toEqual([])
  })
})
