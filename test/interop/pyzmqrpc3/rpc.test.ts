/** Commands from our client to a Python server, and the ways in which they end. */

import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { codeOfStatus } from '../../../src/errors.ts'
import { Command, RemoteError, ShutdownServer, type ZmqRpcError } from '../../../src/index.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { until } from '../../helpers/sockets.ts'
import { Describe, Echo, Nothing, Orphan, Picky, Raise, Remember, Stranger, Unwritable } from './commands.ts'
import { LOCAL, useEnds } from './ends.ts'
import { FREE, python } from './python-process.ts'

const ends = useEnds()

describe.skipIf(!python.available)('our client and a Python server', () => {
  it('values of every kind survive the way there and back', async () => {
    const server = await ends.python.server()
    const client = ends.client({ req: server.endpoint })
    const values = [
      ...[[null], true, false, 0, -0, 1, -1, 1.5, 1e300, 5e-324, Number.MAX_SAFE_INTEGER, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY],
      ...[
        Number.NEGATIVE_INFINITY,
        2n ** 53n + 1n,
        -(10n ** 100n),
        10n ** 4299n,
        '',
        'é漢字😀',
        '\ud800',
        '\0\x7f\u2028',
        'x'.repeat(1 << 20),
      ],
      ...['é'.repeat(1 << 20), [], {}, [[], {}, [null]], { a: [1, { b: 'c' }] }, JSON.parse('{"__proto__": 1, "constructor": {"x": 2}}')],
      ...[nested(500), Array.from({ length: 5000 }, (_, index) => index)],
    ]
    for (const value of values) {
      const result = await client.execute(new Echo(value))
      // `toStrictEqual` does not know an own `__proto__`.
      if (!isDeepStrictEqual(result, value)) expect(result).toStrictEqual(value)
    }
    // Python leaves a result out that is None.
    expect(await client.execute(new Echo(null))).toBeUndefined()
    expect(await client.execute(new Nothing())).toBeUndefined()
  })

  it('commands may stand anywhere in the state of another', async () => {
    const server = await ends.python.server()
    const client = ends.client({ req: server.endpoint })
    const state = [new Echo(1), { deep: [new Raise({ deeper: new Picky(2) })] }, new Describe(new Describe(null))]
    expect(await client.execute(new Describe(state))).toEqual([
      { command: 'Echo', value: 1 },
      { deep: [{ command: 'Raise', value: { deeper: { command: 'Picky', value: 2 } } }] },
      { command: 'Describe', value: { command: 'Describe', value: null } },
    ])
  })

  it('what a service raises, and what it cannot read, comes as a RemoteError with its status and text; calls go on', async () => {
    const server = await ends.python.server()
    const client = ends.client({ req: server.endpoint })
    const raised = (text: string) => [463, `Exception raised when calling service RaiseService. Exception: ${text} `] as const
    const unread =
      'Incorrectly marshalled command. Incoming message is no proper json formatted string. Exception: Could not interpret the unzipped contents'
    const cases: [Command, readonly [number, string]][] = [
      [new Raise('no'), raised('no')],
      [new Raise('é漢字😀\ud800\n'), raised('é漢字😀\ud800\n')],
      [new Raise('x'.repeat(100_000)), raised('x'.repeat(100_000))],
      [new Orphan(), [451, 'No service on the server is registered for command "Orphan".']],
      [new Stranger(), [400, unread]],
      [new Describe([new Stranger()]), [400, unread]],
      [new Picky(-1), [400, unread]],
    ]
    for (const [command, [status, statusText]] of cases) {
      const error = await client.execute(command).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(RemoteError)
      expect(error).toMatchObject({
        code: codeOfStatus(status),
        status,
        statusText,
        endpoint: server.endpoint,
        command: command.constructor.name,
      })
      expect(await client.execute(new Echo('goes on'))).toBe('goes on')
    }
  })

  it('1,000 calls in flight at once all return right, begun before there is a connection and after', async () => {
    const server = await ends.python.server()
    const client = ends.client({ req: server.endpoint })
    for (const round of [1, 2]) {
      const values = Array.from({ length: 1000 }, (_, index) => ({ round, index, text: 'é'.repeat(index) }))
      expect(await Promise.all(values.map((value) => client.execute(new Echo(value))))).toEqual(values)
    }
  })

  it('more calls than that wait their turn: a Python server throws away what it has for us beyond 1,000 replies', async () => {
    const server = await ends.python.server()
    const client = ends.client({ req: server.endpoint, maxQueued: 5000 })
    await client.ready()
    // To write them all keeps us from reading for a while.
    const values = Array.from({ length: 2500 }, (_, index) => `${index} `.repeat(3000))
    expect(await Promise.all(values.map((value) => client.execute(new Echo(value))))).toEqual(values)
  })

  it('results and exceptions of calls in flight do not get mixed up', async () => {
    const server = await ends.python.server()
    const client = ends.client({ req: server.endpoint })
    const calls = Array.from({ length: 300 }, (_, index) =>
      index % 3 === 0 ? new Raise(`no ${index}`) : index % 3 === 1 ? new Orphan() : new Echo(index),
    )
    const answers = await Promise.allSettled(calls.map((call) => client.execute(call as Command)))
    for (const [index, answer] of answers.entries()) {
      if (index % 3 === 2) expect(answer).toEqual({ status: 'fulfilled', value: index })
      else expect(answer).toMatchObject({ status: 'rejected', reason: { status: index % 3 === 0 ? 463 : 451 } })
      if (index % 3 === 0) expect(answer).toMatchObject({ reason: { statusText: expect.stringContaining(`no ${index} `) } })
    }
  })

  it('calls to several servers go round; executeAll asks all, as a Python client does', async () => {
    const servers = await Promise.all([ends.python.server(), ends.python.server(), ends.server()])
    const endpoints = servers.map((server) => server.endpoint)
    const client = ends.client({ req: endpoints })
    await client.ready()
    for (let call = 0; call < 6; call++) await client.execute(new Remember(call))
    const remembered = [await servers[0].remembered(), await servers[1].remembered(), servers[2].remembered]
    expect(remembered).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ])
    const ok = endpoints.map((endpoint) => ({ endpoint, ok: true, value: 7 }))
    expect(await client.executeAll(new Echo(7))).toEqual(ok)
    const refused = await client.executeAll(new Stranger())
    expect(refused.map((answer) => (answer.ok ? 200 : (answer.error as RemoteError).status))).toEqual([400, 400, 451])
  })

  it('a Python client asks all of several servers of ours, too', async () => {
    const servers = await Promise.all([ends.server(), ends.server(), ends.python.server()])
    const client = await ends.python.client(servers.map((server) => server.endpoint))
    expect(await client.execute('Echo(7)')).toMatchObject({ value: [7, 7, 7] })
    expect(await client.execute('Raise("no")')).toMatchObject({
      error: 'Exception raised when calling service RaiseService. Exception: no ',
    })
    expect(await client.execute('Echo(8)')).toMatchObject({ value: [8, 8, 8] })
  })

  it('a server that is stuck costs a time-out each, and the client goes on by itself when it is started anew', async () => {
    const server = await ends.python.server()
    const client = ends.client({ req: server.endpoint })
    expect(await client.execute(new Echo('before'))).toBe('before')
    await expect(client.execute(new Unwritable(), { timeoutMs: 200 })).rejects.toMatchObject({ code: 'TIMED_OUT', command: 'Unwritable' })
    await expect(client.execute(new Echo('stuck'), { timeoutMs: 200 })).rejects.toMatchObject({ code: 'TIMED_OUT' })
    const both = Promise.allSettled([client.execute(new Echo(1), { timeoutMs: 300 }), client.execute(new Echo(2), { timeoutMs: 300 })])
    expect(await both).toMatchObject([{ reason: { code: 'TIMED_OUT' } }, { reason: { code: 'TIMED_OUT' } }])

    await client.ready()
    const calls = Promise.allSettled(Array.from({ length: 500 }, (_, index) => client.execute(new Echo(index), { timeoutMs: 500 })))
    const waiting = client.execute(new Echo('waits'), { timeoutMs: 200 })
    await expect(waiting).rejects.toMatchObject({
      code: 'TIMED_OUT',
      message: expect.stringMatching(/was not sent .* nor executed: 500 calls/),
    })
    for (const outcome of await calls) expect(outcome).toMatchObject({ reason: { code: 'TIMED_OUT' } })

    await server.stop()
    // What is sent before the client notices is lost with the connection.
    await until(
      () =>
        client.ready({ timeoutMs: 1 }).then(
          () => false,
          () => true,
        ),
      'the client notices',
    )
    const restarted = await ends.python.server({ zmq_rep_bind_address: server.endpoint })
    expect(await client.execute(new Echo('after'))).toBe('after')
    expect(await restarted.alive()).toBe(true)
  })

  it('calls wait while the server is away, and are sent in order', async () => {
    const first = await ends.python.server()
    const client = ends.client({ req: first.endpoint })
    await client.execute(new Echo(1))
    await first.stop()
    await until(
      () =>
        client.execute(new Echo('probe'), { timeoutMs: 100 }).then(
          () => false,
          (error: ZmqRpcError) => error.code === 'NOT_CONNECTED',
        ),
      'the client sees that the server is gone',
    )
    const calls = Promise.all(Array.from({ length: 100 }, (_, index) => client.execute(new Remember(index))))
    const second = await ends.python.server({ zmq_rep_bind_address: first.endpoint })
    await calls
    expect(await second.remembered()).toEqual(Array.from({ length: 100 }, (_, index) => index))
  })

  it('a server that is not there is NOT_CONNECTED, and says why', async () => {
    const server = await ends.python.server()
    await server.stop()
    const client = ends.client({ req: server.endpoint })
    await expect(client.execute(new Echo(1), { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'NOT_CONNECTED',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })
})

describe.skipIf(!python.available)('a Python client and our server', () => {
  it('a call waits for a server that is not there yet, and goes on with one that was restarted', async () => {
    const first = await ends.server()
    const client = await ends.python.client(first.endpoint)
    expect(await client.execute('Echo(1)')).toMatchObject({ value: [1] })
    await first.server.stop()
    const waiting = client.execute('Echo(2)')
    const second = await ends.server({ rep: first.endpoint })
    expect(await waiting).toMatchObject({ value: [2] })
    expect(await client.execute('Echo(3)')).toMatchObject({ value: [3] })
    expect(second.server.running).toBe(true)
  })

  it('what is under way when our server stops is still answered', async () => {
    const { server, endpoint } = await ends.server()
    class Slow extends Command<string> {}
    let begun = (): void => {}
    const underWay = new Promise<void>((resolve) => {
      begun = resolve
    })
    let finish = (_text: string): void => {}
    server.register(Slow, () => {
      begun()
      return new Promise((resolve) => {
        finish = resolve
      })
    })
    const client = await ends.python.client(endpoint)
    const outcome = client.send(`zipped('{"_icmd_": ["Slow", {}]}')`)
    await underWay
    const stopped = server.stop()
    finish('done')
    expect(await outcome).toMatchObject({ value: ['done'] })
    await stopped
  })

  it('both work over ipc, in both roles', async () => {
    const folder = temporaryFolder()
    const [theirs, ours] = [`ipc://${folder}/theirs`, `ipc://${folder}/ours`]
    await ends.python.server({ zmq_rep_bind_address: theirs })
    await ends.server({ rep: ours })
    expect(await ends.client({ req: theirs }).execute(new Echo('é'))).toBe('é')
    expect(await (await ends.python.client(ours)).execute('Echo("é")')).toMatchObject({ value: ['é'] })
  })
})

describe.skipIf(!python.available)('commands over PUB/SUB', () => {
  it('our client publishes to Python servers and ours', async () => {
    const client = ends.client({ pub: LOCAL })
    await client.ready()
    const sub = client.publishEndpoint as string
    const servers = await Promise.all([
      ends.python.server({ zmq_sub_connect_addresses: [sub] }),
      ends.python.server({ zmq_sub_connect_addresses: [[sub, 60]], zmq_rep_bind_address: FREE }),
    ])
    const ours = await ends.server({ sub })
    await client.ready({ subscribers: 3 })
    const commands = [
      new Remember('é😀'),
      new Raise('no'),
      new Orphan(),
      new Picky(-1),
      new Unwritable(),
      new Remember({ deep: [1, null] }),
    ]
    for (const command of commands) await client.publish(command)
    const expected = ['é😀', { deep: [1, null] }]
    for (const server of servers) await until(async () => (await server.remembered()).length === 2, 'both arrive')
    for (const server of servers) expect(await server.remembered()).toEqual(expected)
    await until(() => ours.remembered.length === 2, 'both arrive')
    expect(ours.remembered).toEqual(expected)
    expect(await ends.client({ req: (servers[1] as { endpoint: string }).endpoint }).execute(new Echo('still answers'))).toBe(
      'still answers',
    )
  })

  it('Python clients publish to our server, which lives through whatever comes', async () => {
    const clients = await Promise.all([1, 2].map(() => ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE })))
    const { remembered } = await ends.server({ sub: clients.map((client) => client.endpoint), rep: LOCAL })
    for (const [index, client] of clients.entries()) {
      await until(async () => {
        await client.execute(`Remember("probe ${index}")`)
        return remembered.includes(`probe ${index}`)
      }, 'the server hears the publisher')
      for (const bad of ['Raise("no")', 'Orphan()', 'stranger()', 'Picky(-1)', 'Unwritable()']) {
        expect(await client.execute(bad)).toMatchObject({ value: null })
      }
      for (const bad of ['"text"', '""', 'zipped("[")', 'zipped("{}")', '"zmq_sub_heartbeat"']) await client.send(bad)
      await client.execute(`Remember(["last", ${index}])`)
      await until(() => JSON.stringify(remembered.at(-1)) === `["last",${index}]`, 'the last one arrives')
    }
  })
})

describe.skipIf(!python.available)('ShutdownServer', () => {
  it('from our client stops a Python server', async () => {
    const server = await ends.python.server()
    const client = ends.client({ req: server.endpoint })
    await client.execute(new Echo(1))
    // A Python server may close its socket before its last reply is written.
    const end = await client.execute(new ShutdownServer()).catch((error: ZmqRpcError) => error.code)
    expect([undefined, 'CONNECTION_LOST']).toContain(end)
    await until(async () => !(await server.alive()), 'the Python server ends')
  })

  it('published by our client stops a Python server', async () => {
    const client = ends.client({ pub: LOCAL })
    await client.ready()
    const server = await ends.python.server({ zmq_sub_connect_addresses: [client.publishEndpoint] })
    await client.ready({ subscribers: 1 })
    await client.publish(new ShutdownServer())
    await until(async () => !(await server.alive()), 'the Python server ends')
  })

  it('from a Python client stops our server where it allows that, after the answer', async () => {
    const { server, endpoint } = await ends.server({ rep: LOCAL, allowShutdown: true })
    const client = await ends.python.client(endpoint)
    expect(await client.execute('zmqrpc.ShutdownServer()')).toMatchObject({ value: [null] })
    await server.stopped
  })

  it('published by a Python client stops our server where it allows that', async () => {
    const client = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE })
    const { server } = await ends.server({ sub: client.endpoint, allowShutdown: true })
    await until(async () => {
      await client.execute('zmqrpc.ShutdownServer()')
      return !server.running
    }, 'our server hears it')
    await server.stopped
  })

  it('published by a Python client that showed no password is not obeyed otherwise', async () => {
    const refusals = ends.events('zmq-rpc:command:refused')
    const client = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE })
    const { server } = await ends.server({ sub: client.endpoint })
    await until(async () => {
      await client.execute('zmqrpc.ShutdownServer()')
      return refusals.length > 0
    }, 'our server hears it')
    expect(refusals[0]).toMatchObject({ command: 'ShutdownServer' })
    expect(server.running).toBe(true)
  })

  it('published by a Python client that showed its password stops our server', async () => {
    const client = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE, username: 'ada', password: 'secret' })
    const { server } = await ends.server({ sub: client.endpoint, auth: { users: { ada: 'secret' } } })
    await until(async () => {
      await client.execute('zmqrpc.ShutdownServer()')
      return !server.running
    }, 'our server hears it')
    await server.stopped
  })

  it('from a Python client that showed no password is refused otherwise', async () => {
    const { server, endpoint } = await ends.server()
    const client = await ends.python.client(endpoint)
    expect(await client.execute('zmqrpc.ShutdownServer()')).toMatchObject({
      error: expect.stringMatching(/^Exception raised when calling service ShutdownServerService\. Exception: .*allowShutdown /),
    })
    expect(await client.execute('Echo(1)')).toMatchObject({ value: [1] })
    expect(server.running).toBe(true)
  })

  it('from a Python client with a password stops our server, but not one that allows it to nobody', async () => {
    const auth = { users: { ada: 'secret' } }
    const [obeying, refusing] = await Promise.all([
      ends.server({ rep: LOCAL, auth }),
      ends.server({ rep: LOCAL, auth, allowShutdown: false }),
    ])
    const credentials = { username: 'ada', password: 'secret' }
    const refused = await ends.python.client(refusing.endpoint, credentials)
    expect((await refused.execute('zmqrpc.ShutdownServer()')).error).toMatch(/allowShutdown/)
    expect(await refused.execute('Echo(1)')).toMatchObject({ value: [1] })
    const client = await ends.python.client(obeying.endpoint, credentials)
    expect(await client.execute('zmqrpc.ShutdownServer()')).toMatchObject({ value: [null] })
    await obeying.server.stopped
  })
})

function nested(levels: number): unknown {
  let value: unknown = 'deep'
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { a: value }
  return value
}
