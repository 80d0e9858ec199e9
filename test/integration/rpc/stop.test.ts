import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { Receiver, RpcClient, RpcServer, ShutdownServer } from '../../../src/index.ts'
import { encodeCommand } from '../../../src/rpc/dialect/pyzmqrpc3.ts'
import { Publisher } from '../../../src/socket/index.ts'
import { Count, DIALECTS, deferred, endpointOf, failureOf, Greet, toldBy, until, useRpc, WAYS } from '../../helpers/rpc.ts'

const rpc = useRpc()

const TCP = { rep: 'tcp://127.0.0.1:0' }

describe.each(WAYS)('a server that stops, over $name, in the $dialect dialect', ({ endpoint, dialect }) => {
  rpc.speak(dialect)

  it('lets the calls under way end, sends their replies, and executes no others', async () => {
    const go = deferred()
    const begun: number[] = []
    const server = await rpc.started({ rep: endpoint() }, (server) =>
      server.register(Count, async ({ n }) => {
        begun.push(n)
        await go.promise
        return n
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const calls = [1, 2, 3].map((n) => client.execute(new Count(n)))
    await until(() => begun.length === 3, 'the calls are under way')
    const stopped = server.stop()
    expect(server.running).toBe(false)
    const late = failureOf(client.execute(new Count(4)))
    // By then it has come in; on the virtual network, where this runs as well, for certain.
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(begun).toEqual([1, 2, 3])
    go.resolve()
    expect(await Promise.all(calls)).toEqual([1, 2, 3])
    await stopped
    expect(await late).toMatchObject({ code: dialect === 'native' ? 'SHUTTING_DOWN' : 'CONNECTION_LOST', command: 'Count' })
    expect(begun).toEqual([1, 2, 3])
    await server.stopped
  })

  it('sends large replies to their end', async () => {
    const go = deferred()
    let begun = 0
    const text = 'x'.repeat(5_000_000)
    const server = await rpc.started({ rep: endpoint() }, (server) =>
      server.register(Count, async () => {
        begun++
        await go.promise
        return text as unknown as number
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const calls = [1, 2, 3].map((n) => client.execute(new Count(n)))
    await until(() => begun === 3, 'the calls are under way')
    const stopped = server.stop()
    go.resolve()
    for (const result of await Promise.all(calls)) expect(String(result).length).toBe(text.length)
    await stopped
  })
})

describe.each(DIALECTS)('a call that does not end in time, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('has its signal aborted after drainMs, and the server stops', () =>
    rpc.virtually(async () => {
      const aborted = deferred<unknown>()
      const begun = deferred()
      const server = await rpc.started(TCP, (server) =>
        server.register(Count, (_command, { signal }) => {
          begun.resolve()
          signal.addEventListener('abort', () => aborted.resolve(signal.reason))
          return new Promise<never>(() => {})
        }),
      )
      const client = rpc.client({ req: endpointOf(server) })
      const call = failureOf(client.execute(new Count()))
      await begun.promise
      const start = performance.now()
      await server.stop({ drainMs: 80 })
      expect(performance.now() - start).toBeCloseTo(80, 6)
      expect(await aborted.promise).toMatchObject({ code: 'CLOSED', endpoint: endpointOf(server) || expect.anything() })
      expect(await call).toMatchObject({ code: 'CONNECTION_LOST' })
    }))

  it('is not waited for at all with drainMs 0', () =>
    rpc.virtually(async () => {
      const begun = deferred()
      const server = await rpc.started(TCP, (server) =>
        server.register(Count, () => {
          begun.resolve()
          return new Promise<never>(() => {})
        }),
      )
      const call = failureOf(rpc.client({ req: endpointOf(server) }).execute(new Count()))
      await begun.promise
      const start = performance.now()
      await server.stop({ drainMs: 0 })
      expect(performance.now() - start).toBe(0)
      expect(await call).toMatchObject({ code: 'CONNECTION_LOST' })
    }))
})

describe('a call that waits for its turn', () => {
  it('does not keep the server from stopping, in whatever dialect it came', async () => {
    const begun = deferred()
    const go = deferred()
    const seen: number[] = []
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 1 }, (server) =>
      server.register(Count, async ({ n }) => {
        seen.push(n)
        begun.resolve()
        await go.promise
        return n
      }),
    )
    const [first, native, python] = [{}, {}, { dialect: 'pyzmqrpc3' as const }].map((options) =>
      rpc.client({ req: endpointOf(server), ...options }),
    ) as [RpcClient, RpcClient, RpcClient]
    await Promise.all([first, native, python].map((client) => client.ready()))
    const running = first.execute(new Count(1))
    await begun.promise
    const waiting = [native, python].map((client) => failureOf(client.execute(new Count(2))))
    // Both have come in: what was asked later by the same clients could be answered.
    await until(() => server.stats().waiting === 2, 'both wait for their turn')
    const stopped = server.stop({ drainMs: 1e6 })
    expect(await waiting[0]).toMatchObject({ code: 'SHUTTING_DOWN' })
    go.resolve()
    expect(await running).toBe(1)
    await stopped
    expect(await waiting[1]).toMatchObject({ code: 'CONNECTION_LOST' })
    expect(seen).toEqual([1])
  })
})

describe.each(DIALECTS)('stop, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('may be called twice, and again: all wait for the same end', async () => {
    const server = await rpc.started(TCP)
    await Promise.all([server.stop(), server.stop(), server.stop({ drainMs: 0 })])
    await server.stop()
    expect(server.running).toBe(false)
  })

  it('may come before start: then it cannot be started', async () => {
    const server = rpc.server(TCP)
    await server.stop()
    await server.stopped
    expect(await failureOf(server.start())).toMatchObject({ code: 'CLOSED' })
  })

  it('may come during start: start says that it was stopped, and nothing stays bound', async () => {
    const server = rpc.server({ rep: ['tcp://127.0.0.1:0', 'ipc://*', 'tcp://127.0.0.1:0'], sub: 'tcp://127.0.0.1:1' })
    const started = failureOf(server.start())
    await server.stop()
    expect(await started).toMatchObject({ code: 'CLOSED' })
    await server.stopped
  })

  it('may come from a service: that call still gets its reply', async () => {
    const server = await rpc.started(TCP, (server) =>
      server.register(Count, ({ n }) => {
        void server.stop()
        return n
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    expect(await client.execute(new Count(7))).toBe(7)
    await server.stopped
  })

  it('may be awaited by a service, which then waits for itself until the drain is over', async () => {
    const server = await rpc.started(TCP, (server) =>
      server.register(Count, async ({ n }) => {
        await server.stop({ drainMs: 50 })
        return n
      }),
    )
    expect(await failureOf(rpc.client({ req: endpointOf(server) }).execute(new Count(7)))).toMatchObject({ code: 'CONNECTION_LOST' })
    await server.stopped
  })

  it('lets go of the port: another server may have it at once', async () => {
    const first = await rpc.started(TCP)
    const rep = endpointOf(first)
    const client = rpc.client({ req: rep })
    expect(await client.execute(new Count(1))).toBe(1)
    const gone = rpc.hear('zmq-rpc:disconnected', ({ remoteAddress }) => remoteAddress === rep)
    await first.stop()
    await gone.atLeast(1)
    await rpc.started({ rep })
    expect(await client.execute(new Count(2))).toBe(2)
  })

  it('leaves no endpoint in the list', async () => {
    const server = rpc.server({ rep: ['tcp://127.0.0.1:0', 'inproc://stopping'] })
    expect(server.endpoints).toEqual([])
    await server.start()
    expect(server.endpoints).toHaveLength(2)
    await server.stop()
    expect(server.endpoints).toEqual([])
    const client = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await client.ready()
    expect(client.publishEndpoint).toContain('tcp://')
    await client.close()
    expect(client.publishEndpoint).toBeUndefined()
  })

  it('comes by itself when an endpoint cannot be had: nothing stays bound', async () => {
    const taken = await rpc.started(TCP)
    const server = rpc.server({ rep: ['tcp://127.0.0.1:0', endpointOf(taken)] })
    expect(await failureOf(server.start())).toMatchObject({ name: 'SocketError', code: 'EADDRINUSE' })
    await server.stopped
    expect(await failureOf(server.start())).toMatchObject({ code: 'CLOSED' })
  })

  it('comes at the end of a block with `await using`', async () => {
    let port = 0
    const ends: (RpcServer | RpcClient | Receiver)[] = []
    {
      await using server = new RpcServer(TCP)
      server.register(Greet, ({ name }) => `Hello ${name}`)
      await server.start()
      await using receiver = new Receiver({ rep: 'tcp://127.0.0.1:0' })
      await receiver.start()
      port = Number(new URL(endpointOf(server)).port)
      await using client = new RpcClient({ req: endpointOf(server) })
      expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
      ends.push(server, receiver, client)
    }
    expect((ends[0] as RpcServer).running).toBe(false)
    expect((ends[1] as Receiver).running).toBe(false)
    expect(await failureOf((ends[2] as RpcClient).execute(new Greet('x')))).toMatchObject({ code: 'CLOSED' })
    expect(await new Promise((resolve) => connect(port, '127.0.0.1').on('error', resolve))).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('keeps what publishers say meanwhile from being executed', async () => {
    const publisher = new Publisher({ linger: 0 })
    rpc.defer(() => publisher.close())
    await publisher.bind('tcp://127.0.0.1:0')
    const go = deferred()
    const begun: number[] = []
    const server = await rpc.started({ sub: publisher.lastEndpoint as string }, (server) =>
      server.register(Count, async ({ n }) => {
        begun.push(n)
        await go.promise
        return n
      }),
    )
    await until(async () => {
      await publisher.send(encodeCommand(new Count(1)))
      return begun.length > 0
    }, 'the publisher is heard')
    const before = begun.length
    const stopped = server.stop()
    for (let n = 0; n < 10; n++) await publisher.send(encodeCommand(new Count(2)))
    await new Promise((resolve) => setTimeout(resolve, 20))
    go.resolve()
    await stopped
    expect(begun.filter((n) => n === 2)).toEqual([])
    expect(begun.length).toBeLessThanOrEqual(before + 1)
  })
})

describe.each(DIALECTS)('ShutdownServer, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  const auth = { users: { pi: 'secret' } }
  const credentials = { username: 'pi', password: 'secret' }
  // What pyzmqrpc3 knows of refusals is that a service has failed.
  const refusal = dialect === 'native' ? { code: 'NOT_ALLOWED', status: 403, started: 'no' } : { code: 'SERVICE_FAILED', status: 463 }

  it('is refused where nobody is asked for a password', async () => {
    const server = await rpc.started(TCP)
    const client = rpc.client({ req: endpointOf(server) })
    const error = await failureOf(client.execute(new ShutdownServer()))
    expect(error).toMatchObject(refusal)
    expect(error.message).toContain(toldBy(dialect, 'ShutdownServerService', 'this server does not let you shut it down').trimEnd())
    expect(server.running).toBe(true)
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })

  it.each([
    ['from who showed a password', { ...TCP, auth }, credentials],
    ['from everybody, with allowShutdown', { ...TCP, allowShutdown: true }, undefined],
    ['from who showed a password, with allowShutdown', { ...TCP, auth, allowShutdown: true }, credentials],
  ])('is obeyed %s', async (_name, options, credentials) => {
    const server = await rpc.started(options)
    const client = rpc.client({ req: endpointOf(server), credentials })
    expect(await client.execute(new ShutdownServer())).toBeUndefined()
    await server.stopped
    expect(server.running).toBe(false)
  })

  it('is refused to everybody with allowShutdown false', async () => {
    const server = await rpc.started({ ...TCP, auth, allowShutdown: false })
    const client = rpc.client({ req: endpointOf(server), credentials })
    expect(await failureOf(client.execute(new ShutdownServer()))).toMatchObject(refusal)
    expect(server.running).toBe(true)
  })

  it('lets the calls under way end', async () => {
    const go = deferred()
    const begun = deferred()
    const server = await rpc.started({ ...TCP, allowShutdown: true }, (server) =>
      server.register(Count, async ({ n }) => {
        begun.resolve()
        await go.promise
        return n
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const call = client.execute(new Count(1))
    await begun.promise
    await client.execute(new ShutdownServer())
    go.resolve()
    expect(await call).toBe(1)
    await server.stopped
  })

  describe('over SUB', () => {
    const published = async (
      options: object,
      publishing: object,
    ): Promise<{ server: RpcServer; client: RpcClient; heard: Promise<unknown> }> => {
      const client = rpc.client({ pub: 'tcp://127.0.0.1:0', ...publishing })
      await client.ready()
      const heard = deferred<unknown>()
      const server = await rpc.started({ sub: client.publishEndpoint as string, ...options }, (server) =>
        server.register(Count, (_command, { principal }) => {
          heard.resolve(principal)
          return 0
        }),
      )
      await client.ready({ subscribers: 1 })
      return { server, client, heard: heard.promise }
    }

    it('is obeyed from a publisher that showed its password', async () => {
      const { server, client, heard } = await published({ auth }, { credentials })
      await client.publish(new Count())
      expect(await heard).toEqual({ username: 'pi' })
      await client.publish(new ShutdownServer())
      await server.stopped
    })

    it('is refused from one that did not, and told as an event', async () => {
      const refused = rpc.hear('zmq-rpc:command:refused')
      const { server, client, heard } = await published({}, {})
      await client.publish(new ShutdownServer())
      await client.publish(new Count())
      expect(await heard).toBeUndefined()
      expect(refused.events).toMatchObject([{ command: 'ShutdownServer', status: 403 }])
      expect(server.running).toBe(true)
    })

    it('is refused from one that asked us for a password, which says nothing about who it is', async () => {
      const { server, client, heard } = await published({ credentials }, { auth })
      await client.publish(new ShutdownServer())
      await client.publish(new Count())
      expect(await heard).toBeUndefined()
      expect(server.running).toBe(true)
    })

    it('is obeyed from everybody with allowShutdown', async () => {
      const { server, client } = await published({ allowShutdown: true }, {})
      await client.publish(new ShutdownServer())
      await server.stopped
    })
  })
})
