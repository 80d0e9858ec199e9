/** Receipts of buffers, of one's own and of proxies, alone and one behind another. */

import { describe, expect, it, vi } from 'vitest'
import { type Receipt, RpcClient, type RpcServer } from '../../../src/index.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { memoryDisk } from '../../helpers/memory-disk.ts'
import { Count, failureOf, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()
const LOCAL = 'tcp://127.0.0.1:0'

/** A server that doubles what it counts. */
function served(rep: string, counted: number[] = [], options = {}): Promise<RpcServer> {
  return rpc.started({ rep, ...options }, (server) =>
    server.register(Count, ({ n }) => {
      if (n < 0) throw new Error(`${n} is too small`)
      counted.push(n)
      return n * 2
    }),
  )
}

describe('a receipt of a proxy', () => {
  it('is there before the server is, and gives the result when it was', async () => {
    const endpoint = await nowhere()
    const proxy = await rpc.proxy({ req: endpoint, buffer: { ...memoryDisk(), name: 'site' } })
    const caller = rpc.client({ req: proxy.endpoints })
    const receipt = await caller.submit(new Count(21))
    expect(receipt).toMatchObject({ command: 'Count', by: 'site', endpoint: proxy.endpoints[0] })
    expect(await caller.track(receipt)).toMatchObject({ state: 'waiting', hops: [{ by: 'site', state: 'waiting' }] })
    await served(endpoint)
    expect(await caller.result(receipt)).toBe(42)
    expect(await caller.track(receipt)).toMatchObject({ state: 'executed', hops: [{ by: 'site', deliveredTo: endpoint }] })
    // Anybody without a name is the same nobody; a copy is as good.
    expect(await rpc.client({ req: proxy.endpoints }).result(JSON.parse(JSON.stringify(receipt)))).toBe(42)
  })

  it('is what execute fails with when its time is over, and the command is carried out all the same', () =>
    rpc.virtually(async () => {
      const endpoint = await nowhere()
      const proxy = await rpc.proxy({ req: endpoint, buffer: memoryDisk() })
      const caller = rpc.client({ req: proxy.endpoints })
      const failure = await failureOf(caller.execute(new Count(4), { timeoutMs: 300 }))
      expect(failure).toMatchObject({ code: 'NOT_YET_EXECUTED' })
      await served(endpoint)
      expect(await caller.result(failure.receipt as Receipt<number>)).toBe(8)
    }))

  it('gives the error that the service threw, which is a dead letter, too', async () => {
    const endpoint = await nowhere()
    const proxy = await rpc.proxy({ req: endpoint, buffer: memoryDisk() })
    const caller = rpc.client({ req: proxy.endpoints })
    const receipt = await caller.submit(new Count(-1))
    await served(endpoint)
    expect(await failureOf(caller.result(receipt))).toMatchObject({ code: 'SERVICE_FAILED', statusText: '-1 is too small' })
    await until(async () => (await proxy.deadLetters()).length === 1, 'it is a dead letter')
    expect(await caller.track(receipt)).toMatchObject({ state: 'failed' })
  })

  it('is of no use to another user', async () => {
    const server = await served(LOCAL)
    const auth = { users: { ada: 'a', bob: 'b' } }
    const proxy = await rpc.proxy({ req: server.endpoints, auth, buffer: memoryDisk() })
    const ada = rpc.client({ req: proxy.endpoints, credentials: { username: 'ada', password: 'a' } })
    const bob = rpc.client({ req: proxy.endpoints, credentials: { username: 'bob', password: 'b' } })
    const receipt = await ada.submit(new Count(1), { idempotencyKey: 'same' })
    expect(await ada.result(receipt)).toBe(2)
    expect(await failureOf(bob.result(receipt))).toMatchObject({ code: 'UNKNOWN_RECEIPT' })
    expect(await bob.result(await bob.submit(new Count(2), { idempotencyKey: 'same' }))).toBe(4)
  })

  it('of a command that waits says why, while the far end is not there', async () => {
    const endpoint = await nowhere()
    const proxy = await rpc.proxy({ req: endpoint, buffer: memoryDisk() })
    const caller = rpc.client({ req: proxy.endpoints })
    const receipt = await caller.submit(new Count(1))
    const reason = expect.stringMatching(new RegExp(`^${endpoint} is not connected \\(last reason: .*ECONNREFUSED`))
    await vi.waitFor(async () => expect(await caller.track(receipt)).toMatchObject({ state: 'waiting', reason, hops: [{ reason }] }))
  })

  it('of a command that waits says so where the far end lets nobody in', async () => {
    const server = await served(LOCAL, [], { auth: { users: { pi: 'secret' } } })
    const proxy = await rpc.proxy({ req: server.endpoints, credentials: { username: 'pi', password: 'wrong' }, buffer: memoryDisk() })
    const caller = rpc.client({ req: proxy.endpoints })
    const receipt = await caller.submit(new Count(1))
    const reason = expect.stringContaining('does not let us in as user "pi"')
    await vi.waitFor(async () => expect(await caller.track(receipt)).toMatchObject({ state: 'waiting', reason }))
  })

  it('of a command that expired says so', () =>
    rpc.virtually(async () => {
      const proxy = await rpc.proxy({ req: await nowhere(), buffer: memoryDisk() })
      const caller = rpc.client({ req: proxy.endpoints })
      const receipt = await caller.submit(new Count(1), { ttlMs: 100 })
      expect(await failureOf(caller.result(receipt))).toMatchObject({ code: 'EXPIRED' })
      expect(await caller.track(receipt)).toMatchObject({ state: 'dead', reason: expect.stringContaining('expired') })
    }))
})

describe('buffers one behind another', () => {
  it('hand commands over, and pass questions on', () =>
    rpc.virtually(async () => {
      const endpoint = await nowhere()
      const far = await rpc.proxy({ req: endpoint, buffer: { ...memoryDisk(), name: 'far' } })
      const near = await rpc.proxy({ req: far.endpoints, buffer: { ...memoryDisk(), name: 'near' } })
      const caller = rpc.client({ req: near.endpoints, buffer: { ...memoryDisk(), name: 'own' } })
      const receipt = await caller.submit(new Count(5))
      expect(receipt).toEqual({ id: receipt.id, command: 'Count', by: 'own' })
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
    }))

  it('let execute wait for the result, through all of them', async () => {
    const server = await served(LOCAL)
    const far = await rpc.proxy({ req: server.endpoints, buffer: memoryDisk() })
    const near = await rpc.proxy({ req: far.endpoints, buffer: memoryDisk() })
    const caller = rpc.client({ req: near.endpoints })
    expect(await Promise.all([1, 2, 3].map((n) => caller.execute(new Count(n))))).toEqual([2, 4, 6])
  })

  it('carry out in order what one client submits, whoever restarts meanwhile', async () => {
    const counted: number[] = []
    const endpoint = await nowhere()
    const [farDisk, nearDisk] = [memoryDisk(), memoryDisk()]
    const far = await rpc.proxy({ req: endpoint, buffer: farDisk })
    const [farEndpoint] = far.endpoints as [string]
    await rpc.proxy({ req: farEndpoint, buffer: nearDisk }).then(async (near) => {
      const caller = rpc.client({ req: near.endpoints })
      await Promise.all(Array.from({ length: 300 }, (_, n) => caller.submit(new Count(n))))
    })
    await far.stop({ drainMs: 0 })
    await rpc.proxy({ rep: farEndpoint, req: endpoint, buffer: farDisk })
    await served(endpoint, counted)
    await until(() => counted.length === 300, 'all are carried out')
    expect(counted).toEqual(Array.from({ length: 300 }, (_, n) => n))
  })
})

describe("a client's own buffer", () => {
  it('keeps what is submitted, also while nobody is there, and over a restart of the client', async () => {
    const endpoint = await nowhere()
    const counted: number[] = []
    const buffer = memoryDisk()
    const before = rpc.client({ req: endpoint, buffer })
    const receipts = await Promise.all([1, 2, 3].map((n) => before.submit(new Count(n))))
    expect(before.stats().buffer).toMatchObject({ waiting: 3 })
    await before.close()
    await served(endpoint, counted)
    const after = rpc.client({ req: endpoint, buffer })
    expect(await Promise.all(receipts.map((receipt) => after.result(receipt)))).toEqual([2, 4, 6])
    expect(counted).toEqual([1, 2, 3])
    expect(await after.execute(new Count(9))).toBe(18)
  })

  it('delivers to pyzmqrpc3 servers, too', async () => {
    const counted: number[] = []
    const server = await served(LOCAL, counted, { dialect: 'pyzmqrpc3' })
    const own = rpc.client({ req: server.endpoints, buffer: memoryDisk() })
    const receipts = await Promise.all([1, 2, 3].map((n) => own.submit(new Count(n))))
    expect(await Promise.all(receipts.map((receipt) => own.result(receipt)))).toEqual([2, 4, 6])
    expect(counted).toEqual([1, 2, 3])
  })

  it('whose place another has is opened once that one is done with it', async () => {
    const server = await served(LOCAL)
    const buffer = memoryDisk()
    await buffer.store.open()
    const own = rpc.client({ req: server.endpoints, buffer })
    expect(await failureOf(own.submit(new Count(1)))).toMatchObject({ code: 'STORE_LOCKED' })
    await buffer.store.close()
    expect(await own.result(await own.submit(new Count(1)))).toBe(2)
  })

  it('that cannot be opened says why, where it matters', async () => {
    const server = await served(LOCAL)
    const own = rpc.client({ req: server.endpoints, buffer: { path: '/dev/null/buffer' } })
    expect(await failureOf(own.ready())).toBeInstanceOf(Error)
    expect(await failureOf(own.submit(new Count(1)))).toBeInstanceOf(Error)
    expect(await own.execute(new Count(1))).toBe(2)
    expect(() => new RpcClient({ pub: LOCAL, buffer: memoryDisk() })).toThrow('there is no req')
  })
})
