/** Our ends with pyzmqrpc3's proxies between them: as Python's own ends have it. */

import { describe, expect, it } from 'vitest'
import { until } from '../../helpers/sockets.ts'
import { Echo, Remember } from './commands.ts'
import { LOCAL, useEnds } from './ends.ts'
import { FREE, type PythonObject, python } from './python-process.ts'

const ends = useEnds()

describe.skipIf(!python.available)('through a proxy of pyzmqrpc3', () => {
  it('REP to REQ: our client and Python reach our server and Python; the proxy throws the results away', async () => {
    const [theirs, ours] = await Promise.all([ends.python.server(), ends.server()])
    for (const [target, remembered] of [
      [theirs.endpoint, () => theirs.remembered()],
      [ours.endpoint, () => ours.remembered],
    ] as const) {
      const proxy = await ends.python.make('ZmqProxyRep2ReqThread', { zmq_rep_bind_address: FREE, zmq_req_connect_addresses: [target] })
      const client = ends.client({ req: proxy.endpoint })
      expect(await client.execute(new Remember('ours'))).toBeUndefined()
      expect(await client.execute(new Echo('lost'))).toBeUndefined()
      const python = await ends.python.client(proxy.endpoint)
      expect(await python.execute('Remember("theirs")')).toMatchObject({ value: [null] })
      expect(await python.execute('Echo("lost")')).toMatchObject({ value: [null] })
      expect(await remembered()).toEqual(['ours', 'theirs'])
    }
  })

  it('REP to REQ with passwords on both sides', async () => {
    const { endpoint, remembered } = await ends.server({ rep: LOCAL, auth: { users: { inner: 'two' } } })
    const proxy = await ends.python.make('ZmqProxyRep2ReqThread', {
      ...{ zmq_rep_bind_address: FREE, username_rep: 'outer', password_rep: 'one' },
      ...{ zmq_req_connect_addresses: [endpoint], username_req: 'inner', password_req: 'two' },
    })
    const client = ends.client({ req: proxy.endpoint, credentials: { username: 'outer', password: 'one' } })
    expect(await client.execute(new Remember(1))).toBeUndefined()
    expect(remembered).toEqual([1])
  })

  it('REP to REQ, many calls in flight: none is lost', async () => {
    const { endpoint, remembered } = await ends.server()
    const proxy = await ends.python.make('ZmqProxyRep2ReqThread', { zmq_rep_bind_address: FREE, zmq_req_connect_addresses: [endpoint] })
    const client = ends.client({ req: proxy.endpoint })
    const values = Array.from({ length: 200 }, (_, index) => index)
    await Promise.all(values.map((value) => client.execute(new Remember(value))))
    expect(remembered).toEqual(values)
  })

  it('REP to REQ: texts of our sender reach our receiver', async () => {
    const receiver = await ends.receiver({ rep: LOCAL })
    const proxy = await ends.python.make('ZmqProxyRep2ReqThread', {
      zmq_rep_bind_address: FREE,
      zmq_req_connect_addresses: receiver.endpoints,
    })
    expect(await ends.sender({ req: proxy.endpoint }).send('é😀')).toBeUndefined()
    expect(receiver.lastReceivedMessage).toBe('é😀')
  })

  it('SUB to PUB: what our client publishes reaches our server and Python', async () => {
    const client = ends.client({ pub: LOCAL })
    await client.ready()
    const proxy = await ends.python.make('ZmqProxySub2PubThread', {
      zmq_sub_connect_addresses: [client.publishEndpoint],
      zmq_pub_bind_address: FREE,
    })
    await client.ready({ subscribers: 1 })
    const ours = await ends.server({ sub: proxy.endpoint })
    const theirs = await ends.python.server({ zmq_sub_connect_addresses: [proxy.endpoint] })
    await until(async () => {
      await client.publish(new Remember('probe'))
      return ours.remembered.length > 0 && (await theirs.remembered()).length > 0
    }, 'both hear it')
    const values = Array.from({ length: 100 }, (_, index) => index)
    for (const value of values) await client.publish(new Remember(value))
    await until(async () => ours.remembered.at(-1) === 99 && (await theirs.remembered()).at(-1) === 99, 'all arrive')
    expect(ours.remembered.filter((value) => value !== 'probe')).toEqual(values)
    expect((await theirs.remembered()).filter((value) => value !== 'probe')).toEqual(values)
  })

  it('SUB to PUB: a heartbeat of ours is passed on, and keeps our subscriber behind the proxy', async () => {
    const silences = ends.events('zmq-rpc:sub:silent')
    const sender = ends.sender({ pub: LOCAL, heartbeatIntervalMs: 50 })
    await sender.ready()
    const proxy = await ends.python.make('ZmqProxySub2PubThread', {
      zmq_sub_connect_addresses: [sender.publishEndpoint],
      zmq_pub_bind_address: FREE,
    })
    await sender.ready({ subscribers: 1 })
    const connections = ends.events('zmq-rpc:connected')
    const receiver = await ends.receiver({ sub: { endpoint: proxy.endpoint, heartbeatTimeoutMs: 1500 } })
    await until(() => connections.some(({ endpoint }) => endpoint === proxy.endpoint), 'it is connected')
    await new Promise((resolve) => setTimeout(resolve, 2500))
    expect(silences).toEqual([])
    expect(receiver.lastReceivedMessage).toBeUndefined()
  })

  it('REP to PUB: our client calls, our server and Python hear it', async () => {
    const proxy = await ends.python.make('ZmqProxyRep2PubThread', { zmq_rep_bind_address: FREE, zmq_pub_bind_address: FREE })
    const [front, back] = proxy.endpoints as [string, string]
    const ours = await ends.server({ sub: back })
    const theirs = await ends.python.server({ zmq_sub_connect_addresses: [back] })
    const client = ends.client({ req: front })
    await until(async () => {
      expect(await client.execute(new Remember('heard'))).toBeUndefined()
      return ours.remembered.length > 0 && (await theirs.remembered()).length > 0
    }, 'both hear it')
    expect(new Set([...ours.remembered, ...(await theirs.remembered())])).toEqual(new Set(['heard']))
  })

  it('SUB to REQ: what our client publishes our server is called with', async () => {
    const ours = await ends.server()
    const client = ends.client({ pub: LOCAL })
    await client.ready()
    await ends.python.make('ZmqProxySub2ReqThread', {
      zmq_sub_connect_addresses: [client.publishEndpoint],
      zmq_req_connect_addresses: [ours.endpoint],
    })
    await client.ready({ subscribers: 1 })
    const values = Array.from({ length: 100 }, (_, index) => index)
    for (const value of values) await client.publish(new Remember(value))
    await until(() => ours.remembered.length === values.length, 'all arrive')
    expect(ours.remembered).toEqual(values)
  })

  it('the buffered one: our calls are acknowledged and reach our server later', async () => {
    const ours = await ends.server()
    const proxy: PythonObject = await ends.python.make('ZmqBufferedProxyRep2ReqThread', {
      zmq_rep_bind_address: FREE,
      zmq_req_connect_addresses: [ours.endpoint],
      buffered_pub_address: FREE,
      buffered_sub_address: 'tcp://127.0.0.1:=',
    })
    const client = ends.client({ req: proxy.endpoints[0] as string })
    await until(async () => {
      expect(await client.execute(new Remember('probe'))).toBeUndefined()
      return ours.remembered.length > 0
    }, 'its inner link is there')
    for (const value of [1, 2, 3]) await client.execute(new Remember(value))
    await until(() => ours.remembered.at(-1) === 3, 'all arrive')
    expect(ours.remembered.filter((value) => value !== 'probe')).toEqual([1, 2, 3])
  })
})
