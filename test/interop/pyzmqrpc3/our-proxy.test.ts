/** Our proxy between programs of pyzmqrpc3, and between those and ours. Theirs between ours: proxies.test.ts. */

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { RpcProxyOptions } from '../../../src/index.ts'
import { until } from '../../helpers/sockets.ts'
import { BreakableLink } from './breakable-link.ts'
import { Echo, Orphan, Raise, Remember } from './commands.ts'
import { LOCAL, useEnds } from './ends.ts'
import { callInVain, FREE, IN_VAIN, type PythonObject, python } from './python-process.ts'

const ends = useEnds()

/** A proxy of ours; where it takes calls, or publishes. */
async function between(options: RpcProxyOptions): Promise<string> {
  const proxy = await ends.proxy(options)
  return (proxy.publishEndpoint ?? proxy.endpoints[0]) as string
}

/** A publisher of Python; sends until `heard`, since it does not know when it is subscribed to. */
async function publishUntil(publisher: PythonObject, heard: () => boolean | Promise<boolean>): Promise<void> {
  await until(async () => {
    await publisher.execute('Remember("probe")')
    return heard()
  }, 'what Python publishes is heard')
}

const publisherOfPython = (): Promise<PythonObject> => ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE })

const withoutProbes = (values: readonly unknown[]): unknown[] => values.filter((value) => value !== 'probe')

describe.skipIf(!python.available)('our proxy, REP to REQ', () => {
  it('Python calls Python through it, and gets the result, which pyzmqrpc3 throws away', async () => {
    const server = await ends.python.server()
    const client = await ends.python.client(await between({ rep: LOCAL, req: server.endpoint }))
    expect(await client.execute('Echo({"é": [1, None, 2**70, float("inf")]})')).toMatchObject({
      shown: "({'\\xe9': [1, None, 1180591620717411303424, inf]},)",
    })
    expect(await client.execute('Remember("theirs")')).toMatchObject({ value: [null] })
    expect(await server.remembered()).toEqual(['theirs'])
  })

  it('Python calls us through it, and we call Python', async () => {
    const [theirs, ours] = await Promise.all([ends.python.server(), ends.server()])
    const toOurs = await between({ rep: LOCAL, req: ours.endpoint })
    const toTheirs = await between({ rep: LOCAL, req: theirs.endpoint })
    expect(await (await ends.python.client(toOurs)).execute('Describe(Echo([1]))')).toMatchObject({
      value: [{ command: 'Echo', value: [1] }],
    })
    const client = ends.client({ req: toTheirs })
    const values = Array.from({ length: 200 }, (_, index) => ({ index, text: 'é'.repeat(index) }))
    expect(await Promise.all(values.map((value) => client.execute(new Echo(value))))).toEqual(values)
  })

  it('many Python clients at once: each gets its own results', async () => {
    const [server, ours] = await Promise.all([ends.python.server(), ends.server()])
    const proxy = await between({ rep: LOCAL, req: [server.endpoint, ours.endpoint] })
    expect(await ends.python.crowd(proxy, 8, 20)).toEqual([])
  })

  it('tells Python of errors behind it, and answers the next call, where pyzmqrpc3 answers nobody any more', async () => {
    const [theirs, ours] = await Promise.all([ends.python.server(), ends.server()])
    for (const { endpoint } of [theirs, ours]) {
      const proxy = await between({ rep: LOCAL, req: endpoint })
      const client = await ends.python.client(proxy)
      for (let round = 0; round < 2; round++) {
        expect(await client.execute('Raise("out of words")')).toMatchObject({
          error: 'Exception raised when calling service RaiseService. Exception: out of words ',
        })
        expect(await client.execute('Orphan()')).toMatchObject({
          error: 'No service on the server is registered for command "Orphan".',
        })
        expect(await client.execute('Echo(1)')).toMatchObject({ value: [1] })
      }
      const caller = ends.client({ req: proxy })
      await expect(caller.execute(new Raise('out of words'))).rejects.toMatchObject({ status: 463, message: /out of words/ })
      await expect(caller.execute(new Orphan())).rejects.toMatchObject({ code: 'NO_SERVICE' })
      expect(await caller.execute(new Echo(1))).toBe(1)
    }
  })

  it('tells Python that the far end is away, with the reason as the result, and passes calls on once it is there', async () => {
    const gone = await ends.server()
    const proxy = await between({ rep: LOCAL, req: gone.endpoint, timeoutMs: 300 })
    await gone.server.stop()
    const client = await ends.python.client(proxy)
    // Python raises the words of the status, and does not look at the result.
    expect(await client.execute('Echo(1)')).toMatchObject({ error: 'Error' })
    const [reply] = await ends.python.raw(proxy, [Buffer.from('a text')])
    expect(JSON.parse(reply as string)).toMatchObject({
      ...{ status_code: 482, status_message: 'Error' },
      response_message: expect.stringContaining(`no connection to ${gone.endpoint} within`),
    })
    await ends.server({ rep: gone.endpoint })
    await until(async () => JSON.stringify((await client.execute('Echo(1)')).value) === '[1]', 'the far end is back')
  })

  it('does not hang with a Python server that does: each call ends in time', async () => {
    const server = await ends.python.server()
    const proxy = await between({ rep: LOCAL, req: server.endpoint, timeoutMs: 500 })
    const client = await ends.python.client(proxy)
    // It sends no reply to this one, nor to any after it.
    for (const command of ['Unwritable()', 'Echo(1)', 'Echo(2)']) expect(await client.execute(command)).toMatchObject({ error: 'Error' })
  })

  it('never lets binary or a second frame through to Python, which would not survive it', async () => {
    const server = await ends.python.server()
    const proxy = await between({ rep: LOCAL, req: server.endpoint })
    for (const frames of [[Buffer.from([0xff, 0xfe])], [Buffer.from('one'), Buffer.from('two')], [Buffer.from([0xf9, 1])]]) {
      const [reply] = await ends.python.raw(proxy, frames)
      expect(JSON.parse(reply as string)).toMatchObject({ status_code: 400 })
    }
    expect(await (await ends.python.client(proxy)).execute('Echo(1)')).toMatchObject({ value: [1] })
  })

  it('answers a heartbeat by itself, on which a Python server would hang', async () => {
    const server = await ends.python.server()
    const client = await ends.python.client(await between({ rep: LOCAL, req: server.endpoint }))
    expect(await client.call('send_heartbeat')).toMatchObject({ shown: 'None' })
    expect(await client.execute('Echo(1)')).toMatchObject({ value: [1] })
  })

  it('asks for a password on one side, and shows another one on the other', async () => {
    const server = await ends.python.server({ zmq_rep_bind_address: FREE, username: 'inner', password: 'two' })
    const proxy = await between({
      ...{ rep: LOCAL, auth: { users: { outer: 'one' } } },
      ...{ req: server.endpoint, credentials: { username: 'inner', password: 'two' } },
    })
    const right = { username: 'outer', password: 'one' }
    expect(await (await ends.python.client(proxy, right)).execute('Echo(1)')).toMatchObject({ value: [1] })
    expect(await ends.client({ req: proxy, credentials: right }).execute(new Echo(2))).toBe(2)
    expect(await callInVain(await ends.python.client(proxy, { username: 'outer', password: 'two' }))).toMatch(IN_VAIN)
    const wrong = ends.client({ req: proxy, credentials: { username: 'outer', password: 'two' } })
    await expect(wrong.execute(new Echo(3))).rejects.toMatchObject({ code: 'AUTH_REFUSED' })
  })

  it('tells at once that the far end does not let it in', async () => {
    const server = await ends.python.server({ zmq_rep_bind_address: FREE, username: 'inner', password: 'two' })
    const proxy = await between({ rep: LOCAL, req: server.endpoint, credentials: { username: 'inner', password: 'wrong' } })
    await expect(ends.client({ req: proxy }).execute(new Echo(1))).rejects.toMatchObject({
      ...{ code: 'PROXY_FAILED', status: 482 },
      message: expect.stringContaining('does not let us in as user "inner"'),
    })
  })

  it('texts of Python senders reach Python receivers and ours', async () => {
    const receiver = await ends.receiver({ rep: LOCAL })
    const theirs = await ends.python.make('ZmqReceiverThread', { zmq_rep_bind_address: FREE })
    for (const [target, last] of [
      [receiver.endpoints[0], () => receiver.lastReceivedMessage],
      [theirs.endpoint, () => theirs.lastMessage()],
    ] as const) {
      const sender = await ends.python.make('ZmqSender', { zmq_req_endpoints: [await between({ rep: LOCAL, req: target as string })] })
      expect(await sender.send('"é\\U0001f600"')).toMatchObject({ value: [null] })
      expect(await last()).toBe('é😀')
    }
  })

  it('works before a proxy of theirs and behind it; theirs throws the result away', async () => {
    const server = await ends.python.server()
    const theirsBehind = await ends.python.make('ZmqProxyRep2ReqThread', {
      zmq_rep_bind_address: FREE,
      zmq_req_connect_addresses: [server.endpoint],
    })
    const ours = await between({ rep: LOCAL, req: theirsBehind.endpoint })
    const theirsBefore = await ends.python.make('ZmqProxyRep2ReqThread', { zmq_rep_bind_address: FREE, zmq_req_connect_addresses: [ours] })
    for (const [index, endpoint] of [ours, theirsBefore.endpoint].entries()) {
      expect(await (await ends.python.client(endpoint)).execute(`Remember("python ${index}")`)).toMatchObject({ value: [null] })
      expect(await ends.client({ req: endpoint }).execute(new Remember(`ours ${index}`))).toBeUndefined()
    }
    expect(await server.remembered()).toEqual(['python 0', 'ours 0', 'python 1', 'ours 1'])
  })
})

describe.skipIf(!python.available)('our proxy, SUB to REQ', () => {
  it('what Python publishes Python and we are called with, in order', async () => {
    for (const target of ['theirs', 'ours']) {
      const publisher = await publisherOfPython()
      const server = target === 'theirs' ? await ends.python.server() : await ends.server()
      const remembered = async (): Promise<readonly unknown[]> =>
        typeof server.remembered === 'function' ? server.remembered() : server.remembered
      await between({ sub: publisher.endpoint, req: server.endpoint })
      await publishUntil(publisher, async () => (await remembered()).length > 0)
      // A Python server would hang on it.
      await publisher.call('send_heartbeat')
      for (let index = 0; index < 50; index++) await publisher.execute(`Remember(${index})`)
      await until(async () => (await remembered()).at(-1) === 49, 'all arrive')
      expect(withoutProbes(await remembered())).toEqual(Array.from({ length: 50 }, (_, index) => index))
    }
  })

  it('what we publish Python is called with; an error there stops nothing', async () => {
    const server = await ends.python.server()
    const client = ends.client({ pub: LOCAL })
    await client.ready()
    await between({ sub: client.publishEndpoint as string, req: server.endpoint })
    await client.ready({ subscribers: 1 })
    for (const command of [new Remember(1), new Raise('out of words'), new Orphan(), new Remember(2)]) await client.publish(command)
    await until(async () => (await server.remembered()).length === 2, 'all arrive')
    expect(await server.remembered()).toEqual([1, 2])
  })

  it('asks publishers for a password, and shows another one to the server', async () => {
    const server = await ends.python.server({ zmq_rep_bind_address: FREE, username: 'inner', password: 'two' })
    const [right, wrong] = await Promise.all(
      ['one', 'wrong'].map((password) => ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE, username: 'outer', password })),
    )
    await between({
      ...{ sub: [right?.endpoint ?? '', wrong?.endpoint ?? ''], auth: { users: { outer: 'one' } } },
      ...{ req: server.endpoint, credentials: { username: 'inner', password: 'two' } },
    })
    await wrong?.execute('Remember("from nobody")')
    await publishUntil(right as PythonObject, async () => (await server.remembered()).length > 0)
    expect(withoutProbes(await server.remembered())).toEqual([])
  })
})

describe.skipIf(!python.available)('our proxy, SUB to PUB', () => {
  it('what Python and we publish reaches Python and us, in order', async () => {
    const publisher = await publisherOfPython()
    const client = ends.client({ pub: LOCAL })
    await client.ready()
    const endpoint = await between({ sub: [publisher.endpoint, client.publishEndpoint as string], pub: LOCAL })
    const ours = await ends.server({ sub: endpoint })
    const theirs = await ends.python.server({ zmq_sub_connect_addresses: [endpoint] })
    await publishUntil(publisher, async () => ours.remembered.length > 0 && (await theirs.remembered()).length > 0)
    for (let index = 0; index < 50; index++) {
      await publisher.execute(`Remember(["python", ${index}])`)
      await client.publish(new Remember(['ours', index]))
    }
    const rows = (values: readonly unknown[], who: string): unknown[] =>
      (withoutProbes(values) as [string, number][]).filter(([name]) => name === who).map(([, index]) => index)
    const all = Array.from({ length: 50 }, (_, index) => index)
    for (const remembered of [async () => ours.remembered, () => theirs.remembered()]) {
      await until(async () => withoutProbes(await remembered()).length === 100, 'all arrive')
      for (const who of ['python', 'ours']) expect(rows(await remembered(), who)).toEqual(all)
    }
  })

  it('heartbeats of a Python publisher keep the links of subscribers behind it', async () => {
    const silences = ends.events('zmq-rpc:sub:silent')
    const publisher = await publisherOfPython()
    const endpoint = await between({ sub: publisher.endpoint, pub: LOCAL })
    const link = await BreakableLink.to(endpoint)
    ends.defer(() => link.close())
    const ours = await ends.server({ sub: { endpoint, heartbeatTimeoutMs: 1500 } })
    const theirs = await ends.python.server({ zmq_sub_connect_addresses: [[link.endpoint, 2]] })
    await publishUntil(publisher, async () => ours.remembered.length > 0 && (await theirs.remembered()).length > 0)
    const connections = link.connections
    silences.length = 0
    for (let beat = 0; beat < 35; beat++) {
      await publisher.call('send_heartbeat')
      await sleep(100)
    }
    expect(silences).toEqual([])
    expect(link.connections).toBe(connections)
    // And without them the links are made again.
    await until(() => silences.length > 0 && link.connections > connections, 'the silence is noticed')
  })

  it('listeners may be asked for a password, or shown one; so may publishers', async () => {
    const publisher = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE, username: 'outer', password: 'one' })
    const endpoint = await between({
      ...{ sub: publisher.endpoint, auth: { users: { outer: 'one' } } },
      ...{ pub: LOCAL, credentials: { username: 'inner', password: 'two' } },
    })
    const listener = await ends.server({ sub: endpoint, auth: { users: { inner: 'two' } } })
    await publishUntil(publisher, () => listener.remembered.length > 0)
    const asking = await between({
      sub: publisher.endpoint,
      auth: { users: { outer: 'one' } },
      pub: LOCAL,
      pubAuth: { users: { ear: 'x' } },
    })
    const known = await ends.server({ sub: asking, credentials: { username: 'ear', password: 'x' } })
    const unknown = await ends.server({ sub: asking, credentials: { username: 'ear', password: 'y' } })
    await publishUntil(publisher, () => known.remembered.length > 0)
    expect(unknown.remembered).toEqual([])
  })

  it('works before a proxy of theirs and behind it', async () => {
    const publisher = await publisherOfPython()
    const theirs = (endpoint: string): Promise<PythonObject> =>
      ends.python.make('ZmqProxySub2PubThread', { zmq_sub_connect_addresses: [endpoint], zmq_pub_bind_address: FREE })
    const first = await theirs(publisher.endpoint)
    const ours = await between({ sub: first.endpoint, pub: LOCAL })
    const last = await theirs(ours)
    const server = await ends.python.server({ zmq_sub_connect_addresses: [last.endpoint] })
    await publishUntil(publisher, async () => (await server.remembered()).length > 0)
  })
})

describe.skipIf(!python.available)('our proxy, REP to PUB', () => {
  it('Python and we call, Python and we hear it; the callers are told that it was published, and no result', async () => {
    const proxy = await ends.proxy({ rep: LOCAL, pub: LOCAL })
    const ours = await ends.server({ sub: proxy.publishEndpoint as string })
    const theirs = await ends.python.server({ zmq_sub_connect_addresses: [proxy.publishEndpoint as string] })
    const client = ends.client({ req: proxy.endpoints })
    const python = await ends.python.client(proxy.endpoints)
    await until(async () => {
      expect(await client.execute(new Remember('probe'))).toBeUndefined()
      return ours.remembered.length > 0 && (await theirs.remembered()).length > 0
    }, 'both hear it')
    expect(await python.execute('Remember("theirs")')).toMatchObject({ value: [null] })
    expect(await client.execute(new Remember('ours'))).toBeUndefined()
    for (const remembered of [async () => ours.remembered, () => theirs.remembered()]) {
      await until(async () => withoutProbes(await remembered()).length === 2, 'both arrive')
      expect(withoutProbes(await remembered())).toEqual(['theirs', 'ours'])
    }
  })

  it('asks callers for a password, and shows another one to listeners', async () => {
    const proxy = await ends.proxy({
      ...{ rep: LOCAL, auth: { users: { outer: 'one' } } },
      ...{ pub: LOCAL, credentials: { username: 'inner', password: 'two' } },
    })
    const listener = await ends.server({ sub: proxy.publishEndpoint as string, auth: { users: { inner: 'two' } } })
    const client = await ends.python.client(proxy.endpoints, { username: 'outer', password: 'one' })
    await until(async () => {
      expect(await client.execute('Remember("heard")')).toMatchObject({ value: [null] })
      return listener.remembered.length > 0
    }, 'it is heard')
  })
})

describe.skipIf(!python.available)('a fleet', () => {
  it('Python and we call Python and us, directly and through our proxies: every call is right', { timeout: 60_000 }, async () => {
    const theirs = await ends.python.server()
    const ours = await ends.server()
    const both = await between({ rep: LOCAL, req: [theirs.endpoint, ours.endpoint] })
    const toOurs = await between({ rep: LOCAL, req: ours.endpoint })
    const twice = await between({ rep: LOCAL, req: both })
    const ways = [theirs.endpoint, ours.endpoint, both, toOurs, twice]
    const crowds = ways.map((endpoint) => ends.python.crowd(endpoint, 3, 15))
    const calls = ways.map(async (endpoint) => {
      const client = ends.client({ req: endpoint, timeoutMs: 30_000 })
      const values = Array.from({ length: 100 }, (_, index) => [endpoint, index])
      expect(await Promise.all(values.map((value) => client.execute(new Echo(value))))).toEqual(values)
    })
    await Promise.all(calls)
    expect(await Promise.all(crowds)).toEqual(ways.map(() => []))
  })
})
