/** Proxies in front of buffers, that keep nothing, or not everything. */

import { describe, expect, it, onTestFinished } from 'vitest'
import { Command, type Receipt, RpcClient, RpcProxy, type RpcProxyOptions, RpcServer, type ZmqRpcError } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/testing/index.ts'

class Add extends Command<number> {
  n = 0
}

const add = (n: number): Add => Object.assign(new Add(), { n })
const LOCAL = 'tcp://127.0.0.1:0'
const NOWHERE = 'ipc:///tmp/zmq-rpc-nobody-is-there.sock'

async function proxied(options: RpcProxyOptions): Promise<RpcProxy> {
  const proxy = new RpcProxy({ rep: LOCAL, ...options })
  onTestFinished(() => proxy.stop({ drainMs: 0 }))
  await proxy.start()
  return proxy
}

function client(req: RpcProxy): RpcClient {
  const made = new RpcClient({ req: req.endpoints, timeoutMs: 10_000 })
  onTestFinished(() => made.close())
  return made
}

async function served(): Promise<{ server: RpcServer; added: number[] }> {
  const added: number[] = []
  const server = new RpcServer({ rep: LOCAL })
  server.register(Add, ({ n }) => {
    added.push(n)
    return n * 2
  })
  onTestFinished(() => server.stop({ drainMs: 0 }))
  await server.start()
  return { server, added }
}

const disk = () => ({ store: new MemoryStore(), outcomes: new MemoryStore({ dedupeWindow: 0 }) })

async function failureOf(promise: Promise<unknown>): Promise<ZmqRpcError> {
  return promise.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: ZmqRpcError) => error,
  )
}

describe('a proxy without a buffer, in front of one that has one', () => {
  it('passes on that a command is kept, so that its caller has a receipt that it can ask with, through the proxy', async () => {
    const far = await proxied({ req: NOWHERE, buffer: { ...disk(), name: 'far' } })
    const near = await proxied({ req: far.endpoints })
    const caller = client(near)
    const error = await failureOf(caller.execute(add(1), { timeoutMs: 500 }))
    expect(error).toMatchObject({ code: 'NOT_YET_EXECUTED', receipt: { by: 'far', command: 'Add', endpoint: near.endpoints[0] } })
    expect(await caller.track(error.receipt as Receipt)).toMatchObject({ state: 'waiting' })
  })

  it('whose own time is over first says the same', async () => {
    const far = await proxied({ req: NOWHERE, buffer: { ...disk(), name: 'far' } })
    const near = await proxied({ req: far.endpoints, timeoutMs: 300 })
    const error = await failureOf(client(near).execute(add(1)))
    expect(error).toMatchObject({ code: 'NOT_YET_EXECUTED', status: 202, receipt: { by: 'far' } })
  })

  it('does not take what is submitted', async () => {
    const far = await proxied({ req: NOWHERE, buffer: disk() })
    const near = await proxied({ req: far.endpoints })
    expect(await failureOf(client(near).submit(add(1)))).toMatchObject({ code: 'NO_BUFFER', started: 'no' })
  })
})

describe('a buffer that does not keep a command', () => {
  it('has it carried out at once, says so to who submitted it, and has nothing waiting behind', { timeout: 20_000 }, async () => {
    const { server, added } = await served()
    const far = await proxied({ req: server.endpoints, buffer: disk() })
    const near = await proxied({ req: far.endpoints, buffer: { ...disk(), keep: [] } })
    expect(await failureOf(client(near).submit(add(1)))).toMatchObject({ code: 'NO_BUFFER', started: 'yes' })
    expect(added).toEqual([1])
    expect(near.stats().outgoing).toMatchObject({ inFlight: 0 })
  })

  it('is one that another buffer, in front of it, can hand its commands to', { timeout: 20_000 }, async () => {
    const { server, added } = await served()
    const last = await proxied({ req: server.endpoints, buffer: disk() })
    const far = await proxied({ req: last.endpoints, buffer: { ...disk(), keep: [] } })
    const near = await proxied({ req: far.endpoints, buffer: { ...disk(), name: 'near' } })
    const caller = client(near)
    const receipt = await caller.submit(add(4))
    expect(await caller.result(receipt)).toBe(8)
    expect(await caller.track(receipt)).toMatchObject({ state: 'executed', hops: [{ by: 'near' }] })
    expect(added).toEqual([4])
  })
})
