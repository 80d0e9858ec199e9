/** Proxies in front of buffers, that keep nothing, or not everything. */

import { describe, expect, it } from 'vitest'
import type { Receipt, RpcClient, RpcProxy, RpcServer } from '../../../src/index.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { memoryDisk } from '../../helpers/memory-disk.ts'
import { Count, failureOf, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

const client = (proxy: RpcProxy): RpcClient => rpc.client({ req: proxy.endpoints })

/** A server that doubles what it counts. */
async function served(): Promise<{ server: RpcServer; counted: number[] }> {
  const counted: number[] = []
  const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
    server.register(Count, ({ n }) => {
      counted.push(n)
      return n * 2
    }),
  )
  return { server, counted }
}

describe('a proxy without a buffer, in front of one that has one', () => {
  it('passes on that a command is kept, so that its caller has a receipt that it can ask with, through the proxy', () =>
    rpc.virtually(async () => {
      const far = await rpc.proxy({ req: await nowhere(), buffer: { ...memoryDisk(), name: 'far' } })
      const near = await rpc.proxy({ req: far.endpoints })
      const caller = client(near)
      const error = await failureOf(caller.execute(new Count(1), { timeoutMs: 500 }))
      expect(error).toMatchObject({ code: 'NOT_YET_EXECUTED', receipt: { by: 'far', command: 'Count', endpoint: near.endpoints[0] } })
      expect(await caller.track(error.receipt as Receipt)).toMatchObject({ state: 'waiting' })
    }))

  it('whose own time is over first says the same', () =>
    rpc.virtually(async () => {
      const far = await rpc.proxy({ req: await nowhere(), buffer: { ...memoryDisk(), name: 'far' } })
      const near = await rpc.proxy({ req: far.endpoints, timeoutMs: 300 })
      const error = await failureOf(client(near).execute(new Count(1)))
      expect(error).toMatchObject({ code: 'NOT_YET_EXECUTED', status: 202, receipt: { by: 'far' } })
    }))

  it('does not take what is submitted', async () => {
    const far = await rpc.proxy({ req: await nowhere(), buffer: memoryDisk() })
    const near = await rpc.proxy({ req: far.endpoints })
    expect(await failureOf(client(near).submit(new Count(1)))).toMatchObject({ code: 'NO_BUFFER', started: 'no' })
  })
})

describe('a buffer that does not keep a command', () => {
  it('has it carried out at once, says so to who submitted it, and has nothing waiting behind', { timeout: 20_000 }, async () => {
    const { server, counted } = await served()
    const far = await rpc.proxy({ req: server.endpoints, buffer: memoryDisk() })
    const near = await rpc.proxy({ req: far.endpoints, buffer: { ...memoryDisk(), keep: [] } })
    expect(await failureOf(client(near).submit(new Count(1)))).toMatchObject({ code: 'NO_BUFFER', started: 'yes' })
    expect(counted).toEqual([1])
    expect(near.stats().outgoing).toMatchObject({ inFlight: 0 })
  })

  it('is one that another buffer, in front of it, can hand its commands to', { timeout: 20_000 }, async () => {
    const { server, counted } = await served()
    const last = await rpc.proxy({ req: server.endpoints, buffer: memoryDisk() })
    const far = await rpc.proxy({ req: last.endpoints, buffer: { ...memoryDisk(), keep: [] } })
    const near = await rpc.proxy({ req: far.endpoints, buffer: { ...memoryDisk(), name: 'near' } })
    const caller = client(near)
    const receipt = await caller.submit(new Count(4))
    expect(await caller.result(receipt)).toBe(8)
    expect(await caller.track(receipt)).toMatchObject({ state: 'executed', hops: [{ by: 'near' }] })
    expect(counted).toEqual([4])
  })
})
