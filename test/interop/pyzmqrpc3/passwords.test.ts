/** Usernames and passwords between our ends and Python's: right ones, wrong ones, none, and nobody who asks. */

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Command, ZmqRpcError } from '../../../src/index.ts'
import { until } from '../../helpers/sockets.ts'
import { Echo, Remember } from './commands.ts'
import { LOCAL, useEnds } from './ends.ts'
import { callInVain, FREE, IN_VAIN, type PythonOptions, python } from './python-process.ts'

const ends = useEnds()

const ADA = { username: 'ada', password: 'secrét 漢' }
const WRONG: Record<string, PythonOptions> = {
  'a wrong password': { username: 'ada', password: 'wrong' },
  'a wrong username': { username: 'eve', password: ADA.password },
  'no password': {},
}
const auth = { users: { [ADA.username]: ADA.password, bob: 'other' } }

describe.skipIf(!python.available)('passwords over REQ/REP', () => {
  it('a Python client with the right one is served by our server, which knows who calls', async () => {
    const { server, endpoint } = await ends.server({ rep: LOCAL, auth })
    class WhoAmI extends Command<unknown> {}
    server.register(WhoAmI, (_command, { principal }) => principal?.username)
    const client = await ends.python.client(endpoint, ADA)
    expect(await client.execute('Echo(1)')).toMatchObject({ value: [1] })
    expect(await client.send(`zipped('{"_icmd_": ["WhoAmI", {}]}')`)).toMatchObject({ value: ['ada'] })
  })

  it.each(Object.entries(WRONG))('a Python client with %s hears nothing from our server, which tells of it', async (_name, credentials) => {
    const failures = ends.events('zmq-rpc:handshake:failed')
    const { endpoint, remembered } = await ends.server({ rep: LOCAL, auth })
    const client = await ends.python.client(endpoint, credentials)
    expect(await callInVain(client)).toMatch(IN_VAIN)
    expect(remembered).toEqual([])
    expect(failures).toContainEqual(expect.objectContaining({ endpoint, error: expect.any(Error) }))
    expect(inspect(failures, { depth: 9 })).not.toMatch(/'wrong'|secrét/)
    expect(await (await ends.python.client(endpoint, ADA)).execute('Echo("others are served")')).toMatchObject({
      value: ['others are served'],
    })
  })

  it('our client with the right one is served by a Python server', async () => {
    const server = await ends.python.server({ zmq_rep_bind_address: FREE, ...ADA })
    const client = ends.client({ req: server.endpoint, credentials: ADA })
    expect(await client.execute(new Echo(1))).toBe(1)
    const values = Array.from({ length: 200 }, (_, index) => index)
    expect(await Promise.all(values.map((value) => client.execute(new Echo(value))))).toEqual(values)
  })

  it.each(Object.entries(WRONG))(
    'our client with %s is refused by a Python server at once, not by a time-out',
    async (_name, { username, password }) => {
      const server = await ends.python.server({ zmq_rep_bind_address: FREE, ...ADA })
      const credentials = username === undefined ? undefined : { username: String(username), password: String(password) }
      const client = ends.client({ req: server.endpoint, credentials, timeoutMs: 1e9 })
      const refusal = await client.execute(new Echo(1)).catch((error: unknown) => error)
      expect(refusal).toBeInstanceOf(ZmqRpcError)
      expect(refusal).toMatchObject({ code: 'AUTH_REFUSED', endpoint: server.endpoint, command: 'Echo' })
      await expect(client.execute(new Echo(2))).rejects.toMatchObject({ code: 'AUTH_REFUSED' })
      await expect(client.ready()).rejects.toMatchObject({ code: 'AUTH_REFUSED' })
      expect(String(refusal)).not.toContain(String(password))
      expect(await ends.client({ req: server.endpoint, credentials: ADA }).execute(new Echo('others are served'))).toBe('others are served')
    },
  )

  it('our client goes on when a server that refused it is restarted with its password', async () => {
    const strict = await ends.python.server({ zmq_rep_bind_address: FREE, username: 'ada', password: 'other' })
    const client = ends.client({ req: strict.endpoint, credentials: ADA })
    await expect(client.execute(new Echo(1))).rejects.toMatchObject({ code: 'AUTH_REFUSED' })
    await strict.stop()
    await ends.python.server({ zmq_rep_bind_address: strict.endpoint, ...ADA })
    const outcome = (): Promise<unknown> => client.execute(new Echo('in')).catch((error: ZmqRpcError) => error.code)
    await until(async () => (await outcome()) === 'in', 'the client is let in')
  })

  it('a password that nobody asks for: neither end gets through, ours says why at once', async () => {
    const theirs = await ends.python.server()
    const client = ends.client({ req: theirs.endpoint, credentials: ADA, timeoutMs: 60_000 })
    await expect(client.execute(new Echo(1))).rejects.toMatchObject({
      code: 'AUTH_REFUSED',
      message: expect.stringMatching(/the peer uses mechanism NULL, this socket PLAIN/),
    })

    const failures = ends.events('zmq-rpc:handshake:failed')
    const { endpoint, remembered } = await ends.server()
    expect(await callInVain(await ends.python.client(endpoint, ADA))).toMatch(IN_VAIN)
    expect(failures).toContainEqual(expect.objectContaining({ endpoint }))
    expect(remembered).toEqual([])
  })
})

describe.skipIf(!python.available)('passwords over PUB/SUB, where a Python publisher shows its own though it binds', () => {
  it('our receiver and server with auth hear a Python sender with the right one', async () => {
    const sender = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE, ...ADA })
    const receiver = await ends.receiver({ sub: sender.endpoint, auth })
    const { remembered } = await ends.server({ sub: sender.endpoint, auth })
    await until(async () => {
      await sender.execute('Remember("heard")')
      return remembered.length > 0 && receiver.lastReceivedMessage !== undefined
    }, 'both hear it')
    expect(remembered[0]).toBe('heard')
  })

  it.each(Object.entries(WRONG))('they do not hear one with %s, and tell of it', async (_name, credentials) => {
    const failures = ends.events('zmq-rpc:handshake:failed')
    const right = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE, ...ADA })
    const wrong = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE, ...credentials })
    const { remembered } = await ends.server({ sub: [wrong.endpoint, right.endpoint], auth })
    await until(async () => {
      await wrong.execute('Remember("from nobody")')
      await right.execute('Remember("from ada")')
      return remembered.length >= 20 && failures.length > 0
    }, 'the right one is heard, and the other one refused')
    expect(new Set(remembered)).toEqual(new Set(['from ada']))
    expect(failures.filter(({ endpoint }) => endpoint !== wrong.endpoint)).toEqual([])
  })

  it('a Python sender with a password is not heard by a server that does not ask: that is told, too', async () => {
    const failures = ends.events('zmq-rpc:handshake:failed')
    const sender = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE, ...ADA })
    const { remembered } = await ends.server({ sub: sender.endpoint })
    await until(() => failures.some(({ error }) => /the peer uses mechanism PLAIN, this socket NULL/.test(error.message)), 'it is told')
    expect(new Set(failures.map(({ endpoint }) => endpoint))).toEqual(new Set([sender.endpoint]))
    expect(remembered).toEqual([])
  })

  it('our publisher is heard by Python servers without a password, which cannot show one', async () => {
    const client = ends.client({ pub: LOCAL })
    await client.ready()
    const server = await ends.python.server({ zmq_sub_connect_addresses: [client.publishEndpoint] })
    await client.ready({ subscribers: 1 })
    await client.publish(new Remember(1))
    await until(async () => (await server.remembered()).length === 1, 'it is heard')
  })
})
