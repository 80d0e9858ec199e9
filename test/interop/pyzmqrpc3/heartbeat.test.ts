/** Links that go silent: heartbeats keep a SUB connection, and without them it is made again. */

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { until } from '../../helpers/sockets.ts'
import { BreakableLink } from './breakable-link.ts'
import { Remember } from './commands.ts'
import { LOCAL, useEnds } from './ends.ts'
import { FREE, python } from './python-process.ts'

const ends = useEnds()

async function linkTo(endpoint: string | undefined): Promise<BreakableLink> {
  const link = await BreakableLink.to(endpoint as string)
  ends.defer(() => link.close())
  return link
}

describe.skipIf(!python.available)('a Python subscriber with a time-out of a second, and our publisher', () => {
  // One test for the three: their waiting is what takes time.
  it('stays as long as heartbeats come, by themselves or by hand; makes the connection again when they do not', async () => {
    const beating = ends.client({ pub: LOCAL, heartbeatIntervalMs: 100 })
    const byHand = ends.client({ pub: LOCAL })
    const silent = ends.client({ pub: LOCAL })
    const clients = [beating, byHand, silent]
    await Promise.all(clients.map((client) => client.ready()))
    const links = await Promise.all(clients.map((client) => linkTo(client.publishEndpoint)))
    const servers = await Promise.all(links.map((link) => ends.python.server({ zmq_sub_connect_addresses: [[link.endpoint, 1]] })))
    await Promise.all(clients.map((client) => client.ready({ subscribers: 1 })))
    const timer = setInterval(() => void byHand.sendHeartbeat(), 100)
    ends.defer(() => clearInterval(timer))

    await until(() => (links[2]?.connections ?? 0) >= 2, 'the silent one is connected anew')
    // It takes its time-out and a poll, so this is as long again.
    await sleep(2100)
    expect(links.slice(0, 2).map((link) => link.connections)).toEqual([1, 1])
    for (const [index, client] of clients.entries()) {
      await until(async () => {
        await client.publish(new Remember(index))
        return (await servers[index]?.remembered())?.includes(index) === true
      }, 'messages still arrive')
    }
  })

  it('hears us again after its link was lost without a word', async () => {
    const client = ends.client({ pub: LOCAL, heartbeatIntervalMs: 100 })
    await client.ready()
    const link = await linkTo(client.publishEndpoint)
    const server = await ends.python.server({ zmq_sub_connect_addresses: [[link.endpoint, 1]] })
    await client.ready({ subscribers: 1 })
    await client.publish(new Remember('before'))
    await until(async () => (await server.remembered()).length === 1, 'the first arrives')
    link.cut()
    await client.publish(new Remember('lost'))
    await until(() => link.connections === 2, 'it connects anew')
    await until(async () => {
      await client.publish(new Remember('after'))
      return (await server.remembered()).includes('after')
    }, 'messages flow again')
    expect(await server.remembered()).not.toContain('lost')
  })
})

describe.skipIf(!python.available)('our subscriber with a heartbeat time-out, and a Python publisher', () => {
  it('stays as long as messages or heartbeats come, and makes the connection again after silence', async () => {
    const silences = ends.events('zmq-rpc:sub:silent')
    const publisher = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE })
    const link = await linkTo(publisher.endpoint)
    const { remembered } = await ends.server({ sub: { endpoint: link.endpoint, heartbeatTimeoutMs: 1000 } })
    for (let beat = 0; beat < 10; beat++) {
      await publisher.call('send_heartbeat')
      await sleep(100)
    }
    for (let message = 0; message < 10; message++) {
      await publisher.execute('Remember(1)')
      await sleep(100)
    }
    expect(link.connections).toBe(1)
    expect(silences).toEqual([])
    expect(remembered.length).toBeGreaterThan(0)
    await until(() => link.connections === 2, 'the connection is made again')
    expect(silences).toEqual([{ endpoint: link.endpoint, heartbeatTimeoutMs: 1000 }])
  })

  it('hears it again after its link was lost without a word', async () => {
    const publisher = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE })
    const link = await linkTo(publisher.endpoint)
    const { remembered } = await ends.server({ sub: { endpoint: link.endpoint, heartbeatTimeoutMs: 400 }, heartbeatTimeoutMs: 60_000 })
    const heard = (value: string): Promise<void> =>
      until(async () => {
        await publisher.execute(`Remember(${JSON.stringify(value)})`)
        return remembered.includes(value)
      }, `${value} is heard`)
    await heard('before')
    link.cut()
    await heard('after')
    expect(link.connections).toBe(2)
  })

  it('hears one of several endpoints again while the others stay', async () => {
    const publishers = await Promise.all([1, 2].map(() => ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE })))
    const links = await Promise.all(publishers.map(({ endpoint }) => linkTo(endpoint)))
    const { remembered } = await ends.server({ sub: links.map(({ endpoint }) => endpoint), heartbeatTimeoutMs: 500 })
    const heard = (value: string): Promise<void> =>
      until(async () => {
        for (const [index, publisher] of publishers.entries()) await publisher.execute(`Remember("${value} ${index}")`)
        return remembered.includes(`${value} 0`) && remembered.includes(`${value} 1`)
      }, `${value} is heard from both`)
    await heard('before')
    links[0]?.cut()
    await heard('after')
    expect(links.map(({ connections }) => connections)).toEqual([2, 1])
  })
})
