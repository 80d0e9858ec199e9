/** Receipts of buffers, of one's own and of proxies, alone and one behind another. */

import { afterEach, describe, expect, it } from 'vitest'
import { Command, RpcClient, type RpcClientOptions, RpcProxy, type RpcProxyOptions, RpcServer } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/store/memory-store.ts'
import { failureOf } from '../../helpers/rpc.ts'
import { until } from '../../helpers/sockets.ts'

class Add extends Command<number> {
  n = 0
  static of(n: number): Add {
    return Object.assign(new Add(), { n })
  }
}

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
})

function kept<T extends AsyncDisposable>(one: T): T {
  open.push(one)
  return one
}

const LOCAL = 'tcp://127.0.0.1:0'

function disk(): { store: MemoryStore; outcomes: MemoryStore } {
  return { store: new MemoryStore(), outcomes: new MemoryStore({ dedupeWindow: 0 }) }
}

/** An endpoint where nobody is, yet. */
async function nowhere(): Promise<string> {
  const server = new RpcServer({ rep: LOCAL })
  await server.start()
  const [endpoint] = server.endpoints as [string]
  await server.stop({ drainMs: 0 })
  return endpoint
}

async function served(endpoint: string, added: number[] = [], options = {}): Promise<RpcServer> {
  const server = kept(new RpcServer({ rep: endpoint, ...options }))
  server.register(Add, ({ n }) => {
    if (n < 0) throw new Error(`${n} is too small`)
    added.push(n)
    return n * 2
  })
  await server.start()
  return server
}

async function proxied(options: RpcProxyOptions): Promise<RpcProxy> {
  const proxy = kept(new RpcProxy({ rep: LOCAL, ...options }))
  await proxy.start()
  return proxy
}

const client = (options: RpcClientOptions): RpcClient => kept(new RpcClient({ timeoutMs: 5000, ...options }))

describe('a receipt of a proxy', () => {
  it('is there before the server is, and gives the result when it was', async () => {
    const endpoint = await nowhere()
    const proxy = await proxied({ req: endpoint, buffer: { ...disk(), name: 'site' } })
    const caller = client({ req: proxy.endpoints })
    const receipt = await caller.submit(Add.of(21))
    expect(receipt).toMatchObject({ command: 'Add', by: 'site', endpoint: proxy.endpoints[0] })
    expect(await caller.track(receipt)).toMatchObject({ state: 'waiting', hops: [{ by: 'site', state: 'waiting' }] })
    await served(endpoint)
    expect(await caller.result(receipt)).toBe(42)
    expect(await caller.track(receipt)).toMatchObject({ state: 'executed', hops: [{ by: 'site', deliveredTo: endpoint }] })
    // Anybody without a name is the same nobody; a copy is as good.
    expect(await client({ req: proxy.endpoints }).result(JSON.parse(JSON.stringify(receipt)))).toBe(42)
  })

  it('is what execute fails with when its time is over, and the command is carried out all the same', async () => {
    const endpoint = await nowhere()
    const proxy = await proxied({ req: endpoint, buffer: disk() })
    const caller = client({ req: proxy.endpoints })
    const failure = (await failureOf(caller.execute(Add.of(4), { timeoutMs: 300 }))) as Error & { receipt?: never }
    expect(failure).toMatchObject({ code: 'NOT_YET_EXECUTED' })
    await served(endpoint)
    expect(await caller.result(failure.receipt as never)).toBe(8)
  })

  it('gives the error that the service threw, which is a dead letter, too', async () => {
    const endpoint = await nowhere()
    const proxy = await proxied({ req: endpoint, buffer: disk() })
    const caller = client({ req: proxy.endpoints })
    const receipt = await caller.submit(Add.of(-1))
    await served(endpoint)
    expect(await failureOf(caller.result(receipt))).toMatchObject({ code: 'SERVICE_FAILED', statusText: '-1 is too small' })
    await until(async () => (await proxy.deadLetters()).length === 1, 'it is a dead letter')
    expect(await caller.track(receipt)).toMatchObject({ state: 'failed' })
  })

  it('is of no use to another user', async () => {
    const server = await served(LOCAL)
    const auth = { users: { ada: 'a', bob: 'b' } }
    const proxy = await proxied({ req: server.endpoints, auth, buffer: disk() })
    const ada = client({ req: proxy.endpoints, credentials: { username: 'ada', password: 'a' } })
    const bob = client({ req: proxy.endpoints, credentials: { username: 'bob', password: 'b' } })
    const receipt = await ada.submit(Add.of(1), { idempotencyKey: 'same' })
    expect(await ada.result(receipt)).toBe(2)
    expect(await failureOf(bob.result(receipt))).toMatchObject({ code: 'UNKNOWN_RECEIPT' })
    expect(await bob.result(await bob.submit(Add.of(2), { idempotencyKey: 'same' }))).toBe(4)
  })

  it('of a command that expired says so', async () => {
    const proxy = await proxied({ req: await nowhere(), buffer: disk() })
    const caller = client({ req: proxy.endpoints })
    const receipt = await caller.submit(Add.of(1), { ttlMs: 100 })
    expect(await failureOf(caller.result(receipt))).toMatchObject({ code: 'EXPIRED' })
    expect(await caller.track(receipt)).toMatchObject({ state: 'dead', reason: expect.stringContaining('expired') })
  })
})

describe('buffers one behind another', () => {
  it('hand commands over, and pass questions on', async () => {
    const endpoint = await nowhere()
    const far = await proxied({ req: endpoint, buffer: { ...disk(), name: 'far' } })
    const near = await proxied({ req: far.endpoints, buffer: { ...disk(), name: 'near' } })
    const caller = client({ req: near.endpoints, buffer: { ...disk(), name: 'own' } })
    const receipt = await caller.submit(Add.of(5))
    expect(receipt).toEqual({ id: receipt.id, command: 'Add', by: 'own' })
    await until(async () => (await caller.track(receipt)).hops.length === 3, 'it is with the last of them')
    expect((await caller.track(receipt)).hops.map(({ by, state }) => `${by} ${state}`)).toEqual([
      'own delivered',
      'near delivered',
      'far waiting',
    ])
    expect(await failureOf(caller.result(receipt, { timeoutMs: 200 }))).toMatchObject({ code: 'NOT_YET_EXECUTED' })
    await served(endpoint)
    expect(await caller.result(receipt)).toBe(10)
    expect(await caller.track(receipt)).toMatchObject({ state: 'executed' })
    await far.stop()
    expect(await caller.track(receipt, { timeoutMs: 20_000 })).toMatchObject({
      state: 'delivered',
      reason: expect.stringContaining('cannot be asked now'),
    })
  })

  it('let execute wait for the result, through all of them', async () => {
    const server = await served(LOCAL)
    const far = await proxied({ req: server.endpoints, buffer: disk() })
    const near = await proxied({ req: far.endpoints, buffer: disk() })
    const caller = client({ req: near.endpoints })
    expect(await Promise.all([1, 2, 3].map((n) => caller.execute(Add.of(n))))).toEqual([2, 4, 6])
  })

  it('carry out in order what one client submits, whoever restarts meanwhile', async () => {
    const added: number[] = []
    const endpoint = await nowhere()
    const [farDisk, nearDisk] = [disk(), disk()]
    const far = await proxied({ req: endpoint, buffer: farDisk })
    const [farEndpoint] = far.endpoints as [string]
    await proxied({ req: farEndpoint, rep: LOCAL, buffer: nearDisk }).then(async (near) => {
      const caller = client({ req: near.endpoints })
      await Promise.all(Array.from({ length: 300 }, (_, n) => caller.submit(Add.of(n))))
    })
    await far.stop({ drainMs: 0 })
    await proxied({ rep: farEndpoint, req: endpoint, buffer: farDisk })
    await served(endpoint, added)
    await until(() => added.length === 300, 'all are carried out')
    expect(added).toEqual(Array.from({ length: 300 }, (_, n) => n))
  })
})

describe("a client's own buffer", () => {
  it('keeps what is submitted, also while nobody is there, and over a restart of the client', async () => {
    const endpoint = await nowhere()
    const added: number[] = []
    const buffer = disk()
    const before = client({ req: endpoint, buffer })
    const receipts = await Promise.all([1, 2, 3].map((n) => before.submit(Add.of(n))))
    expect(before.stats().buffer).toMatchObject({ waiting: 3 })
    await before.close()
    await served(endpoint, added)
    const after = client({ req: endpoint, buffer })
    expect(await Promise.all(receipts.map((receipt) => after.result(receipt)))).toEqual([2, 4, 6])
    expect(added).toEqual([1, 2, 3])
    expect(await after.execute(Add.of(9))).toBe(18)
  })

  it('delivers to pyzmqrpc3 servers, too', async () => {
    const added: number[] = []
    const server = await served(LOCAL, added, { dialect: 'pyzmqrpc3' })
    const own = client({ req: server.endpoints, buffer: disk() })
    const receipts = await Promise.all([1, 2, 3].map((n) => own.submit(Add.of(n))))
    expect(await Promise.all(receipts.map((receipt) => own.result(receipt)))).toEqual([2, 4, 6])
    expect(added).toEqual([1, 2, 3])
  })

  it('whose place another has is opened once that one is done with it', async () => {
    const server = await served(LOCAL)
    const buffer = disk()
    await buffer.store.open()
    const own = client({ req: server.endpoints, buffer })
    expect(await failureOf(own.submit(Add.of(1)))).toMatchObject({ code: 'STORE_LOCKED' })
    await buffer.store.close()
    expect(await own.result(await own.submit(Add.of(1)))).toBe(2)
  })

  it('that cannot be opened says why, where it matters', async () => {
    const server = await served(LOCAL)
    const own = client({ req: server.endpoints, buffer: { path: '/dev/null/buffer' } })
    expect(await failureOf(own.ready())).toBeInstanceOf(Error)
    expect(await failureOf(own.submit(Add.of(1)))).toBeInstanceOf(Error)
    expect(await own.execute(Add.of(1))).toBe(2)
    expect(() => new RpcClient({ pub: LOCAL, buffer: disk() })).toThrow('there is no req')
  })
})
