/** A network on its way from pyzmqrpc3 to this package: programs of both, in both dialects, at once, and none has to know. */

import { describe, expect, it } from 'vitest'
import { until } from '../../helpers/sockets.ts'
import { Echo, Raise, Remember } from './commands.ts'
import { LOCAL, useEnds } from './ends.ts'
import { FREE, python } from './python-process.ts'

const ends = useEnds()

/** What both languages and both dialects can hold. */
const VALUES = [0, -7, 2 ** 53, 1.5, '', 'Größe 日本語 😀', true, false, [], [1, [2, null]], {}, { a: { b: ['c', null] } }]

describe.skipIf(!python.available)('servers of Python, and of ours in both dialects', () => {
  it('are called by clients of all three kinds at once, and each call gets its own answer', async () => {
    const [theirs, ours, plain] = await Promise.all([
      ends.python.server(),
      ends.server(),
      ends.server({ rep: LOCAL, dialect: 'pyzmqrpc3' }),
    ])
    const req = [theirs.endpoint, ours.endpoint, plain.endpoint]
    const clients = [ends.client({ req }), ends.client({ req, dialect: 'pyzmqrpc3' })]
    await Promise.all(clients.map((client) => client.ready()))
    const pythonClients = await Promise.all(req.map((endpoint) => ends.python.client(endpoint)))
    const fromOurs = clients.flatMap((client, who) =>
      Array.from({ length: 120 }, async (_, n) => {
        const value = { who, n, value: VALUES[n % VALUES.length] }
        expect(await client.execute(new Echo(value))).toEqual(value)
      }),
    )
    // One at a time each, as a REQ socket has it.
    const fromPython = pythonClients.map(async (client, who) => {
      for (let n = 0; n < 20; n++) {
        const { value } = await client.execute(`Echo({"who": "python ${who}", "n": ${n}})`)
        expect(value).toEqual([{ who: `python ${who}`, n }])
      }
    })
    const failing = clients.map((client) =>
      Promise.all(Array.from({ length: 6 }, (_, n) => expect(client.execute(new Raise(`no ${n}`))).rejects.toMatchObject({ status: 463 }))),
    )
    await Promise.all([...fromOurs, ...fromPython, ...failing])
    // Everybody was asked: no server was left out.
    expect(ours.server.stats().received).toBeGreaterThan(60)
    expect(plain.server.stats().received).toBeGreaterThan(60)
    expect(clients.map((client) => client.stats()).map(({ queued, inFlight }) => queued + inFlight)).toEqual([0, 0])
  })

  it("may take each other's place at an endpoint: the client speaks to each in what it knows", { timeout: 40_000 }, async () => {
    const first = await ends.python.server()
    const { endpoint } = first
    const client = ends.client({ req: endpoint })
    expect(await client.execute(new Echo(1))).toBe(1)
    await expect(client.execute(new Echo(new Map()))).rejects.toMatchObject({ code: 'BAD_COMMAND' })
    await first.stop()
    const second = await ends.server({ rep: endpoint })
    expect(await client.execute(new Echo(new Map([[1n, 2]])))).toEqual(new Map([[1n, 2]]))
    // Written while nobody knew yet for whom.
    await second.server.stop()
    const waiting = [client.execute(new Echo({ waits: [1] })), client.execute(new Echo(new Set([1]))).catch(({ code }) => code)]
    const third = await ends.python.server({ zmq_rep_bind_address: endpoint })
    expect(await Promise.all(waiting)).toEqual([{ waits: [1] }, 'BAD_COMMAND'])
    await third.stop()
  })

  it('hear what is published, by Python and by us, side by side', async () => {
    const ourPublisher = ends.client({ pub: LOCAL })
    await ourPublisher.ready()
    const pythonPublisher = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE })
    const sub = [ourPublisher.publishEndpoint as string, pythonPublisher.endpoint]
    const [ours, plain] = await Promise.all([ends.server({ sub }), ends.server({ sub, dialect: 'pyzmqrpc3' })])
    const theirs = await ends.python.server({ zmq_sub_connect_addresses: sub })
    const heard = [() => ours.remembered, () => plain.remembered]
    await ourPublisher.ready({ subscribers: 3 })
    // Python does not know who listens to it.
    await until(async () => {
      await pythonPublisher.execute('Remember("knock")', 1)
      return heard.every((remembered) => remembered().includes('knock'))
    }, 'Python is heard')
    for (let n = 0; n < 50; n++) await ourPublisher.publish(new Remember(n))
    for (let n = 0; n < 20; n++) await pythonPublisher.execute(`Remember("python ${n}")`, 1)
    await until(() => heard.every((remembered) => remembered().includes(49) && remembered().includes('python 19')), 'all is heard')
    for (const remembered of heard) {
      expect(remembered().filter((value) => typeof value === 'number')).toEqual(Array.from({ length: 50 }, (_, n) => n))
      expect(remembered().filter((value) => String(value).startsWith('python'))).toEqual(
        Array.from({ length: 20 }, (_, n) => `python ${n}`),
      )
    }
    await until(async () => (await theirs.remembered()).includes('python 19'), 'Python has heard all')
    await until(async () => (await theirs.remembered()).includes(49), 'of ours, too')
    expect((await theirs.remembered()).filter((value) => typeof value === 'number')).toEqual(Array.from({ length: 50 }, (_, n) => n))
  })
})
