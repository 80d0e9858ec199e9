import { describe, expect, it } from 'vitest'
import type { RpcServer } from '../../../src/index.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { Count, DIALECTS, deferred, endpointOf, failureOf, Greet, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

/** A server that answers with its own number. */
const numbered = (number: number, rep = 'tcp://127.0.0.1:0'): Promise<RpcServer> =>
  rpc.started({ rep }, (server) => server.register(Count, () => number))

describe.each(DIALECTS)('execute, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('goes to each endpoint in turn', async () => {
    const servers = await Promise.all([numbered(0), numbered(1), numbered(2)])
    const client = rpc.client({ req: servers.map(endpointOf) })
    await client.ready()
    const results: number[] = []
    for (let n = 0; n < 9; n++) results.push(await client.execute(new Count()))
    expect(results).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2])
  })

  it('prefers those that are connected', async () => {
    const [zero, one] = await Promise.all([numbered(0), numbered(1)])
    const client = rpc.client({ req: [endpointOf(zero), endpointOf(one)] })
    await client.ready()
    const rep = endpointOf(zero)
    const gone = rpc.hear('zmq-rpc:disconnected', ({ remoteAddress }) => remoteAddress === rep)
    await zero.stop()
    await gone.atLeast(1)
    for (let n = 0; n < 6; n++) expect(await client.execute(new Count(), { timeoutMs: 2000 })).toBe(1)
  })

  it('does not wait for an endpoint that is away when another comes', async () => {
    const away = await nowhere()
    const there = await numbered(1)
    const client = rpc.client({ req: [away, endpointOf(there)] })
    // Neither is connected yet: whichever comes first gets what waits, in order.
    const calls = Array.from({ length: 10 }, () => client.execute(new Count(), { timeoutMs: 10_000 }))
    expect(await Promise.all(calls)).toEqual(calls.map(() => 1))
  })

  it('says which endpoint answered, or did not', async () => {
    const away = await nowhere()
    const failing = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, () => {
        throw new Error('no')
      }),
    )
    const client = rpc.client({ req: [away, endpointOf(failing)] })
    expect(await failureOf(client.execute(new Count(), { timeoutMs: 10_000 }))).toMatchObject({
      status: 463,
      endpoint: endpointOf(failing),
    })
  })

  it('takes an endpoint in again when it is back, with nothing to help', async () => {
    const [zero, one] = await Promise.all([numbered(0), numbered(1)])
    const client = rpc.client({ req: [endpointOf(zero), endpointOf(one)] })
    await client.ready()
    const rep = endpointOf(zero)
    const gone = rpc.hear('zmq-rpc:disconnected', ({ remoteAddress }) => remoteAddress === rep)
    await zero.stop()
    await gone.atLeast(1)
    await numbered(2, rep)
    await client.ready()
    const results = [await client.execute(new Count()), await client.execute(new Count())]
    expect(results.sort()).toEqual([1, 2])
  })
})

describe.each(DIALECTS)('a server that goes away with as many calls in flight as may be, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('takes those along; what was not sent yet goes to the one that is left', async () => {
    const go = deferred()
    const waiting = (number: number): Promise<RpcServer> =>
      rpc.started({ rep: 'tcp://127.0.0.1:0', maxConcurrentCalls: 5000 }, (server) =>
        server.register(Count, () => go.promise.then(() => number)),
      )
    const [leaving, staying] = await Promise.all([waiting(0), waiting(1)])
    const client = rpc.client({ req: [endpointOf(leaving), endpointOf(staying)] })
    await client.ready()
    const calls = Array.from({ length: 2600 }, (_, n) => client.execute(new Count(n)).catch(({ code }) => code as string))
    await leaving.stop({ drainMs: 0 })
    await calls[0]
    go.resolve()
    const ends = await Promise.all(calls)
    const inFlight = dialect === 'native' ? 1000 : 500
    expect(ends.filter((end) => end === 'CONNECTION_LOST')).toHaveLength(inFlight)
    expect(ends.filter((end) => end === 1)).toHaveLength(2600 - inFlight)
  })
})

describe.each(DIALECTS)('executeAll, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('fails where there is nobody to ask', async () => {
    const client = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    for (const failing of [client.execute(new Count()), client.executeAll(new Count())]) {
      expect(await failureOf(failing)).toMatchObject({ code: 'BAD_OPTION' })
    }
  })

  it('has the answer of every endpoint, in their order, one that is down included', async () => {
    const down = await nowhere()
    const [zero, two] = await Promise.all([numbered(0), numbered(2)])
    const client = rpc.client({ req: [endpointOf(zero), down, endpointOf(two)] })
    const answers = await client.executeAll(new Count(), { timeoutMs: 1500 })
    expect(answers).toMatchObject([
      { endpoint: endpointOf(zero), ok: true, value: 0 },
      { endpoint: down, ok: false, error: { code: 'NOT_CONNECTED', endpoint: down, command: 'Count' } },
      { endpoint: endpointOf(two), ok: true, value: 2 },
    ])
  })

  it('does not move a call to another endpoint', async () => {
    const late = await nowhere()
    const zero = await numbered(0)
    const client = rpc.client({ req: [endpointOf(zero), late] })
    const answers = client.executeAll(new Count())
    await client.execute(new Greet('x'))
    await numbered(1, late)
    expect(await answers).toMatchObject([
      { ok: true, value: 0 },
      { ok: true, value: 1, endpoint: late },
    ])
  })

  it('tells errors of each apart', async () => {
    const closed = await rpc.started({ rep: 'tcp://127.0.0.1:0', auth: { users: { pi: 'secret' } } })
    const failing = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, () => {
        throw new Error('no')
      }),
    )
    const other = rpc.server({ rep: 'tcp://127.0.0.1:0' })
    await other.start()
    const client = rpc.client({ req: [closed, failing, other].map(endpointOf) })
    expect(await client.executeAll(new Count())).toMatchObject([
      { ok: false, error: { code: 'AUTH_REFUSED', endpoint: endpointOf(closed) } },
      { ok: false, error: { code: 'SERVICE_FAILED', status: 463, endpoint: endpointOf(failing) } },
      { ok: false, error: { code: 'NO_SERVICE', status: 451, endpoint: endpointOf(other) } },
    ])
  })
})

describe('ready', () => {
  it('waits for all endpoints, and names the one that is missing', async () => {
    const there = await numbered(1)
    const away = await nowhere()
    const client = rpc.client({ req: [endpointOf(there), away] })
    await client.ready({ servers: 1 })
    const error = await failureOf(client.ready({ timeoutMs: 200 }))
    expect(error).toMatchObject({ code: 'NOT_CONNECTED', endpoint: away })
    await numbered(2, away)
    await client.ready()
    expect((await client.executeAll(new Count())).map((answer) => answer.ok && answer.value)).toEqual([1, 2])
  })

  it('waits for as many as are asked for', async () => {
    const there = await numbered(1)
    const away = await nowhere()
    const client = rpc.client({ req: [away, endpointOf(there)] })
    await client.ready({ servers: 1, timeoutMs: 5000 })
    expect(await client.execute(new Count())).toBe(1)
    await client.ready({ servers: 1 })
    await client.ready({ servers: 0 })
    expect(await failureOf(client.ready({ servers: 1.5, timeoutMs: 50 }))).toMatchObject({ code: 'NOT_CONNECTED' })
    expect(await failureOf(client.ready({ servers: 2, timeoutMs: 50 }))).toMatchObject({ code: 'NOT_CONNECTED', endpoint: away })
    for (const servers of [3, -1, Number.NaN]) {
      expect(await failureOf(client.ready({ servers }))).toMatchObject({ code: 'BAD_OPTION' })
    }
  })

  it('is not disturbed by an endpoint that refuses us, while another is enough', async () => {
    const closed = await rpc.started({ rep: 'tcp://127.0.0.1:0', auth: { users: { pi: 'secret' } } })
    const late = await nowhere()
    const client = rpc.client({ req: [endpointOf(closed), late] })
    const ready = client.ready({ servers: 1 })
    expect(await failureOf(client.ready())).toMatchObject({ code: 'AUTH_REFUSED' })
    await numbered(1, late)
    await ready
  })
})
