/** Who may have which command carried out, in both dialects. */

import { describe, expect, it } from 'vitest'
import { type Allow, type Principal, type RpcServerOptions, ShutdownServer } from '../../../src/index.ts'
import { Count, deferred, Echo, endpointOf, failureOf, Greet, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

const PASSWORDS: Record<string, string> = { ada: 'a', bob: 'b' }
const ROLES: Record<string, string[]> = { ada: ['admin'], bob: ['reader'] }

const auth: RpcServerOptions['auth'] = {
  authenticate: ({ username, password }): Principal | undefined =>
    PASSWORDS[username] === password ? { username, roles: ROLES[username] } : undefined,
}

/** A server whose Count has this rule, and how often its service ran. */
async function guarded(allow: Allow | undefined, options: Partial<RpcServerOptions> = {}): Promise<{ endpoint: string; ran(): number }> {
  let ran = 0
  const server = await rpc.started({ rep: 'tcp://127.0.0.1:0', auth, ...options }, (server) =>
    server.register(Count, ({ n }) => n * ++ran, { allow }),
  )
  return { endpoint: endpointOf(server), ran: () => ran }
}

describe.each(['auto', 'pyzmqrpc3'] as const)('in the dialect "%s"', (dialect) => {
  const as = (req: string, username: 'ada' | 'bob') =>
    rpc.client({ req, dialect, credentials: { username, password: PASSWORDS[username] as string } })

  const refused =
    dialect === 'auto'
      ? {
          code: 'NOT_ALLOWED',
          status: 403,
          retrySafe: 'never',
          started: 'no',
          statusText: 'User "bob" may not have command "Count" carried out.',
        }
      : { code: 'SERVICE_FAILED', status: 463, statusText: expect.stringContaining('User "bob" may not have command "Count" carried out.') }

  it.each<[string, Allow]>([
    ['users', { users: ['ada'] }],
    ['roles', { roles: ['admin', 'owner'] }],
    ['a function', ({ principal, command, peer }) => command === 'Count' && peer.kind === 'req' && principal?.username === 'ada'],
    ['a function that takes its time', async ({ principal }) => (await Promise.resolve(principal))?.username === 'ada'],
  ])('a rule by %s lets one user pass and refuses the other, whose command is not carried out', async (_name, allow) => {
    const { endpoint, ran } = await guarded(allow)
    const told = rpc.hear('zmq-rpc:command:refused', (event) => event.endpoint === endpoint)
    expect(await as(endpoint, 'ada').execute(new Count(7))).toBe(7)
    expect(await failureOf(as(endpoint, 'bob').execute(new Count(8)))).toMatchObject(refused)
    expect(ran()).toBe(1)
    expect(told.events).toMatchObject([{ status: 403, command: 'Count', detail: 'User "bob" may not have command "Count" carried out.' }])
  })

  it.each<[string, Allow]>([
    [
      'throws',
      () => {
        throw new Error('no database at 10.0.0.7')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no database at 10.0.0.7'))],
  ])('a rule that %s refuses; why, only the event tells', async (_name, allow) => {
    const { endpoint, ran } = await guarded(allow)
    const told = rpc.hear('zmq-rpc:command:refused', (event) => event.endpoint === endpoint)
    const error = await failureOf(as(endpoint, 'bob').execute(new Count()))
    expect(error).toMatchObject(refused)
    expect(error.message).not.toContain('database')
    expect(told.events).toMatchObject([{ status: 403, error: new Error('no database at 10.0.0.7') }])
    expect(ran()).toBe(0)
    expect(await as(endpoint, 'ada').execute(new Greet('Ada'))).toBe('Hello Ada')
  })

  it("the server's rule is for the commands that have none of their own", async () => {
    const { endpoint } = await guarded({ users: ['bob'] }, { allow: 'nobody' })
    const bob = as(endpoint, 'bob')
    expect(await bob.execute(new Count(1))).toBe(1)
    expect((await failureOf(bob.execute(new Greet('Bob')))).message).toContain('User "bob" may not have command "Greet" carried out.')
  })

  it('ShutdownServer has a rule of its own; where nobody is allowed anything, neither is that', async () => {
    const closed = await rpc.started({ rep: 'tcp://127.0.0.1:0', auth, allow: 'nobody' })
    expect(await failureOf(as(endpointOf(closed), 'bob').execute(new ShutdownServer()))).toMatchObject({
      code: dialect === 'auto' ? 'NOT_ALLOWED' : 'SERVICE_FAILED',
    })
    expect(closed.running).toBe(true)
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0', auth, allow: 'nobody', allowShutdown: true })
    await as(endpointOf(server), 'bob').execute(new ShutdownServer())
    await server.stopped
  })

  it('a rule "authenticated" refuses those whom nobody asked who they are', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0', allow: 'authenticated' })
    const error = await failureOf(rpc.client({ req: endpointOf(server), dialect }).execute(new Greet()))
    expect(error.message).toContain('Those who are not known by a password or key may not have command "Greet" carried out.')
  })
})

describe('a command that is not allowed', () => {
  it('is refused before its state is read', async () => {
    const { endpoint } = await guarded('nobody', { auth: undefined })
    let read = 0
    class Costly extends Count {
      static override readonly commandName = 'Count'
      override getCommandState(): unknown {
        read++
        return super.getCommandState()
      }
    }
    expect(await failureOf(rpc.client({ req: endpoint }).execute(new Costly()))).toMatchObject({ code: 'NOT_ALLOWED' })
    expect(read).toBe(1)
  })

  it('says nothing about whether it was known: one without a service is refused as that', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0', allow: 'nobody' }, () => {})
    const client = rpc.client({ req: endpointOf(server) })
    expect(await failureOf(client.execute(new Count()))).toMatchObject({ code: 'NO_SERVICE' })
    expect(await failureOf(client.execute(new Greet()))).toMatchObject({ code: 'NOT_ALLOWED' })
  })

  it('is not carried out when it was published, either: by whom, the password says', async () => {
    const publisher = rpc.client({ pub: 'tcp://127.0.0.1:0', credentials: { username: 'bob', password: 'b' } })
    await publisher.ready()
    const sub = publisher.publishEndpoint as string
    const told = rpc.hear('zmq-rpc:command:refused', (event) => event.endpoint === sub)
    let ran = 0
    await rpc.started({ sub, auth }, (server) => server.register(Count, () => ++ran, { allow: { users: ['ada'] } }))
    const ended = rpc.hear('zmq-rpc:service:ended', (event) => event.endpoint === sub)
    await publisher.ready({ subscribers: 1 })
    await publisher.publish(new Count(1))
    await publisher.publish(new Echo(2))
    expect(await ended.atLeast(1)).toMatchObject([{ command: 'Echo' }])
    expect(ran).toBe(0)
    expect(await told.atLeast(1)).toMatchObject([{ status: 403, command: 'Count' }])
  })

  it('is refused even while it waits for a rule that takes its time, and does not hold up others', async () => {
    const decision = deferred<boolean>()
    const { endpoint, ran } = await guarded(() => decision.promise, { auth: undefined })
    const client = rpc.client({ req: endpoint })
    const waiting = failureOf(client.execute(new Count()))
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    decision.resolve(false)
    expect(await waiting).toMatchObject({ code: 'NOT_ALLOWED' })
    expect(ran()).toBe(0)
  })

  it.each([
    ['the server', () => rpc.server({ rep: 'inproc://never', allow: 'admins' as never })],
    ['register', () => rpc.server({ rep: 'inproc://never' }).register(Count, () => 0, { allow: {} })],
  ])('by a rule that is none is a mistake that %s refuses, and nothing is left open', (_name, make) => {
    expect(make).toThrow(/^\[BAD_OPTION\] allow is no rule/)
  })
})
