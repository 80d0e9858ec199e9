/** A buffered proxy of ours between programs of pyzmqrpc3: what was acknowledged arrives, also what the far end was not there for. */

import { describe, expect, it } from 'vitest'
import { memoryDisk } from '../../helpers/memory-disk.ts'
import { until } from '../../helpers/sockets.ts'
import { LOCAL, useEnds } from './ends.ts'
import { FREE, python } from './python-process.ts'

const ends = useEnds()
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

describe.skipIf(!python.available)('a buffered proxy between Python programs', () => {
  it('answers 200 without a result at once, and has all of it carried out in order when the server is there', async () => {
    // Its port is known once it was there.
    const before = await ends.python.server()
    await before.stop()
    const proxy = await ends.proxy({ rep: LOCAL, req: before.endpoint, buffer: memoryDisk() })
    const client = await ends.python.client(proxy.endpoints)
    for (const n of upTo(20)) expect((await client.execute(`Remember(${n})`)).shown).toBe('(None,)')
    expect(proxy.stats().buffer).toMatchObject({ waiting: 20 })
    const server = await ends.python.server({ zmq_rep_bind_address: before.endpoint })
    await until(async () => (await server.remembered()).length === 20, 'all are carried out')
    expect(await server.remembered()).toEqual(upTo(20))
    await until(() => proxy.stats().buffer?.waiting === 0, 'nothing waits')
    await server.stop()
  }, 60_000)

  it('has what our server refuses, or fails at, among its dead letters, and goes on', async () => {
    const { endpoint, remembered } = await ends.server()
    const proxy = await ends.proxy({ rep: LOCAL, req: endpoint, buffer: memoryDisk() })
    const client = await ends.python.client(proxy.endpoints)
    for (const command of ['Remember(1)', 'Raise("no")', 'Orphan(1)', 'Remember(2)']) await client.execute(command)
    await until(() => remembered.length === 2, 'what can be carried out is')
    await until(async () => (await proxy.deadLetters()).length === 2, 'the others are dead letters')
    const letters = await proxy.deadLetters()
    expect(letters.map(({ command }) => command)).toEqual(['Raise', 'Orphan'])
    expect(letters[0]?.reason).toMatch(/^failed: no \(status 463\)/)
    expect(letters[1]?.reason).toMatch(/^refused: .*\(status 451\)/)
  }, 60_000)

  it('keeps what Python publishes', async () => {
    const { endpoint, remembered } = await ends.server()
    const publisher = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: FREE })
    const proxy = await ends.proxy({ sub: publisher.endpoint, req: endpoint, buffer: memoryDisk() })
    await until(async () => {
      await publisher.execute('Remember("first")')
      return remembered.length > 0
    }, 'the proxy listens')
    for (const n of upTo(10)) await publisher.execute(`Remember(${n})`)
    await until(() => remembered.includes(9), 'all have come')
    expect(remembered.filter((value) => value !== 'first')).toEqual(upTo(10))
    await until(() => proxy.stats().buffer?.waiting === 0, 'nothing waits')
  }, 60_000)
})
