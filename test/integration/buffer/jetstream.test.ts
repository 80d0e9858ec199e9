/** A proxy whose buffer lies in JetStream: what it accepted outlives the proxy, and the servers of NATS. */

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Command, type Receipt, RpcClient, RpcProxy, RpcServer } from '../../../src/index.ts'
import { JetStreamStore } from '../../../src/store/jetstream/index.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { NatsServers } from '../../helpers/nats.ts'
import { peer } from '../../helpers/peers.ts'
import { until } from '../../helpers/sockets.ts'

class Measure extends Command<number> {
  n = 0
}

const measure = (n: number): Measure => Object.assign(new Measure(), { n })

const nats = peer('nats-server')

describe.skipIf(!nats.available)('a proxy with its buffer in JetStream', () => {
  let servers: NatsServers

  beforeAll(async () => {
    servers = await NatsServers.start({ command: nats.command, sync: true })
  })
  afterAll(() => servers.stop())

  function makeProxy(name: string, req: string): RpcProxy {
    const store = (part: string) => () =>
      new JetStreamStore({ name: `${name}-${part}`, nats: servers.nats, system: servers.system, durability: 'fsync', timeoutMs: 1000 })
    return new RpcProxy({
      rep: 'tcp://127.0.0.1:0',
      req,
      buffer: { store: store('commands'), outcomes: store('outcomes'), backoffMs: [10, 100] },
    })
  }

  it('delivers in order what it accepted while the server was away, also after it was started anew', async () => {
    const endpoint = await nowhere()
    const first = makeProxy('outage', endpoint)
    await first.start()
    const client = new RpcClient({ req: first.endpoints })
    const receipts: Receipt<number>[] = []
    for (let n = 1; n <= 50; n++) receipts.push(await client.submit(measure(n)))
    // By the endpoint that it got, not by the one that was asked for.
    expect(receipts[0]).toMatchObject({ endpoint: first.endpoints[0], by: first.endpoints[0] })
    await client.close()
    await first.stop({ drainMs: 0 })

    const second = makeProxy('outage', endpoint)
    onTestFinished(() => second.stop({ drainMs: 0 }))
    await second.start()
    const carriedOut: number[] = []
    const server = new RpcServer({ rep: endpoint })
    server.register(Measure, ({ n }) => {
      carriedOut.push(n)
      return n * n
    })
    onTestFinished(() => server.stop({ drainMs: 0 }))
    await server.start()

    const asking = new RpcClient({ req: second.endpoints })
    onTestFinished(() => asking.close())
    const here = second.endpoints[0] as string
    const results = await Promise.all(receipts.map((receipt) => asking.result({ ...receipt, endpoint: here })))
    expect(results).toEqual(receipts.map((_, index) => (index + 1) ** 2))
    expect(carriedOut).toEqual(receipts.map((_, index) => index + 1))
  })

  it('accepts nothing while NATS is away, says so, and goes on when it is back', async () => {
    const alone = await NatsServers.start({ command: nats.command, sync: true })
    onTestFinished(() => alone.stop())
    const store = (part: string) => () =>
      new JetStreamStore({ name: part, nats: alone.nats, system: alone.system, durability: 'fsync', timeoutMs: 500 })
    const server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
    server.register(Measure, ({ n }) => n)
    onTestFinished(() => server.stop({ drainMs: 0 }))
    await server.start()
    const proxy = new RpcProxy({ rep: 'tcp://127.0.0.1:0', req: server.endpoints, buffer: { store: store('c'), outcomes: store('o') } })
    onTestFinished(() => proxy.stop({ drainMs: 0 }))
    await proxy.start()
    const client = new RpcClient({ req: proxy.endpoints })
    onTestFinished(() => client.close())
    expect(await client.execute(measure(1))).toBe(1)

    await alone.kill(0)
    await expect(client.submit(measure(2), { idempotencyKey: 'two', timeoutMs: 2000 })).rejects.toMatchObject({
      code: 'TIMED_OUT',
      message: expect.stringContaining('JetStream could not'),
    })
    await alone.startServer(0)
    let receipt: Receipt<number> | undefined
    await until(async () => {
      receipt = await client.submit(measure(2), { idempotencyKey: 'two', timeoutMs: 2000 }).catch(() => undefined)
      return receipt !== undefined
    }, 'the command is accepted')
    expect(await client.result(receipt as Receipt<number>)).toBe(2)
  })
})
