import { describe, expect, it } from 'vitest'
import type { Principal, ServiceContext } from '../../../src/index.ts'
import { encodeCommand } from '../../../src/rpc/dialect/pyzmqrpc3.ts'
import { RawConnection } from '../../helpers/raw-peer.ts'
import { Count, DIALECTS, deferred, endpointOf, failureOf, Greet, useRpc, WAYS } from '../../helpers/rpc.ts'
import { naiveMessage } from '../../unit/wire/helpers.ts'

const rpc = useRpc()

/** A server that remembers the context of the last call. */
async function watched(options: object): Promise<{ endpoint: string; context(): ServiceContext }> {
  let last: ServiceContext | undefined
  const server = await rpc.started({ rep: 'tcp://127.0.0.1:0', ...options }, (server) =>
    server.register(Count, ({ n }, context) => {
      last = context
      return n
    }),
  )
  return { endpoint: endpointOf(server), context: () => last as ServiceContext }
}

describe.each(DIALECTS)('the principal, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('is who showed the password, each by connection', async () => {
    const { endpoint, context } = await watched({ auth: { users: { pi: 'a', admin: 'b' } } })
    const [pi, admin] = [
      rpc.client({ req: endpoint, credentials: { username: 'pi', password: 'a' } }),
      rpc.client({ req: endpoint, credentials: { username: 'admin', password: 'b' } }),
    ]
    await pi.execute(new Count())
    expect(context().principal).toEqual({ username: 'pi' })
    await admin.execute(new Count())
    expect(context().principal).toEqual({ username: 'admin' })
  })

  it('is what an async authenticate function says, with whatever it adds; it is told where the client comes from', async () => {
    const origins: unknown[] = []
    const principal: Principal = { username: 'pi', roles: ['reader'] }
    const authenticate = async ({ username, password }: { username: string; password: string }, origin: unknown) => {
      origins.push(origin)
      await new Promise((resolve) => setImmediate(resolve))
      return username === 'pi' && password === 'ß' ? principal : undefined
    }
    const { endpoint, context } = await watched({ auth: { authenticate } })
    await rpc.client({ req: endpoint, credentials: { username: 'pi', password: 'ß' } }).execute(new Count())
    expect(context().principal).toBe(principal)
    expect(origins).toEqual([{ endpoint, remoteAddress: expect.stringMatching(/^tcp:\/\/127\.0\.0\.1:\d+$/) }])
    const other = rpc.client({ req: endpoint, credentials: { username: 'pi', password: 'ss' } })
    expect(await failureOf(other.execute(new Count()))).toMatchObject({ code: 'AUTH_REFUSED' })
  })

  it('stays who it was when the publisher comes back as somebody else', async () => {
    const publisher = async (pub: string, username: string) => {
      const client = rpc.client({ pub, credentials: { username, password: 'x' } })
      await client.ready()
      return client
    }
    const first = await publisher('tcp://127.0.0.1:0', 'pi')
    const sub = first.publishEndpoint as string
    const contexts: ServiceContext[] = []
    const heard = [deferred(), deferred()]
    await rpc.started({ sub, auth: { users: { pi: 'x', admin: 'x' } } }, (server) =>
      server.register(Count, ({ n }, context) => {
        heard[contexts.push(context) - 1]?.resolve()
        return n
      }),
    )
    await first.ready({ subscribers: 1 })
    await first.publish(new Count())
    await heard[0]?.promise
    await first.close()
    const second = await publisher(sub, 'admin')
    await second.ready({ subscribers: 1 })
    await second.publish(new Count())
    await heard[1]?.promise
    expect(contexts.map(({ principal }) => principal?.username)).toEqual(['pi', 'admin'])
  })

  it('is nobody where nobody is asked', async () => {
    const { endpoint, context } = await watched({})
    await rpc.client({ req: endpoint }).execute(new Count())
    expect(context().principal).toBeUndefined()
  })
})

describe('an authenticate function that throws', () => {
  it.each([
    [
      'at once',
      () => {
        throw new Error('no database')
      },
    ],
    ['later', () => Promise.reject(new Error('no database'))],
    [
      'what is no error',
      () => {
        throw undefined
      },
    ],
  ])('%s: lets nobody in, tells why as an event, and the server lives on', async (_name, fail) => {
    let broken = true
    const { endpoint } = await watched({
      auth: { authenticate: ({ username }: { username: string }) => (broken ? (fail as () => Promise<never>)() : { username }) },
    })
    const failed = rpc.hear('zmq-rpc:handshake:failed', (event) => event.endpoint === endpoint)
    const client = rpc.client({ req: endpoint, credentials: { username: 'pi', password: 'hunter2' } })
    const error = await failureOf(client.execute(new Count(), { timeoutMs: 500 }))
    expect(['AUTH_REFUSED', 'NOT_CONNECTED']).toContain(error.code)
    expect(failed.events.length).toBeGreaterThan(0)
    broken = false
    const other = rpc.client({ req: endpoint, credentials: { username: 'pi', password: 'hunter2' } })
    expect(await other.execute(new Greet('Ada'))).toBe('Hello Ada')
  })

  it('or never answers: the call is not connected in its time', async () => {
    const { endpoint } = await watched({ auth: { authenticate: () => new Promise(() => {}) } })
    const client = rpc.client({ req: endpoint, credentials: { username: 'pi', password: 'x' } })
    expect(await failureOf(client.execute(new Count(), { timeoutMs: 100 }))).toMatchObject({ code: 'NOT_CONNECTED' })
  })
})

describe.each(WAYS)('the peer, over $name, in the $dialect dialect', ({ name, endpoint, dialect }) => {
  rpc.speak(dialect)

  it('is where the call came in, and from where', async () => {
    const { endpoint: rep, context } = await watched({ rep: endpoint() })
    await rpc.client({ req: rep }).execute(new Count())
    expect(context().peer).toMatchObject({ endpoint: rep, kind: 'req' })
    expect(context().peer.remoteAddress).toMatch(name.startsWith('tcp') ? /^tcp:\/\/(127\.0\.0\.1|\[::1\]):\d+$/ : /^(ipc|inproc):\/\//)
    expect(context().signal.aborted).toBe(false)
    // For logs: nothing but that.
    expect(Object.keys(context().peer)).toEqual(['endpoint', 'remoteAddress', 'kind'])
  })

  it('is a publisher that nobody answers', async () => {
    const seen = deferred<ServiceContext>()
    const publisher = rpc.client({ pub: endpoint() })
    await publisher.ready()
    const sub = publisher.publishEndpoint as string
    await rpc.started({ sub }, (server) =>
      server.register(Count, (_command, context) => {
        seen.resolve(context)
        return 0
      }),
    )
    await publisher.ready({ subscribers: 1 })
    await publisher.publish(new Count())
    expect((await seen.promise).peer).toMatchObject({ endpoint: sub, kind: 'pub' })
  })
})

describe.each(WAYS)('the signal, over $name, in the $dialect dialect', ({ endpoint, dialect }) => {
  rpc.speak(dialect)

  it("is aborted when the caller's connection is lost; asked for before or after", async () => {
    const contexts: ServiceContext[] = []
    const begun = deferred()
    const aborted = deferred<unknown>()
    const server = await rpc.started({ rep: endpoint() }, (server) =>
      server.register(Count, ({ n }, context) => {
        contexts.push(context)
        if (n === 0) context.signal.addEventListener('abort', () => aborted.resolve(context.signal.reason))
        else begun.resolve()
        return new Promise<never>(() => {})
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const calls = [failureOf(client.execute(new Count(0))), failureOf(client.execute(new Count(1)))]
    await begun.promise
    await client.close()
    await Promise.all(calls)
    expect(await aborted.promise).toMatchObject({ code: 'CONNECTION_LOST', endpoint: endpointOf(server) })
    expect(contexts[1]?.signal.aborted).toBe(true)
    expect(contexts[1]?.signal.reason).toMatchObject({ code: 'CONNECTION_LOST' })
  })
})

describe.each(DIALECTS)('a caller that is cut off, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('has its calls aborted, and no others', async () => {
    const contexts: ServiceContext[] = []
    const both = deferred()
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, (_command, context) => {
        contexts.push(context)
        if (contexts.length === 2) both.resolve()
        return new Promise<never>(() => {})
      }),
    )
    const lost = rpc.hear('zmq-rpc:disconnected')
    const client = rpc.client({ req: endpointOf(server) })
    const call = failureOf(client.execute(new Count()))
    const raw = await RawConnection.connect(endpointOf(server))
    await raw.handshake('REQ')
    raw.write(naiveMessage([Buffer.alloc(0), encodeCommand(new Count())]))
    await both.promise
    raw.socket.resetAndDestroy()
    await lost.atLeast(1)
    expect(contexts.map(({ signal }) => signal.aborted).sort()).toEqual([false, true])
    await server.stop({ drainMs: 0 })
    expect(contexts.map(({ signal }) => signal.aborted)).toEqual([true, true])
    await call
  })
})
