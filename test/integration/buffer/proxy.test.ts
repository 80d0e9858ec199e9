/** A buffered proxy between programs of ours: accepted is on disk, and what is on disk is carried out. */

import { deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { BufferFolder, Command, type Endpoint, Receiver, RpcClient, RpcProxy, RpcServer } from '../../../src/index.ts'
import { simulate } from '../../../src/testing/index.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { memoryDisk } from '../../helpers/memory-disk.ts'
import { Count, failureOf, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()
const LOCAL = 'tcp://127.0.0.1:0'

/** A server that answers how many it has counted. */
function served(counted: number[], rep = LOCAL): Promise<RpcServer> {
  return rpc.started({ rep }, (server) => server.register(Count, ({ n }) => counted.push(n)))
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

describe('a buffered proxy', () => {
  it('has commands carried out, and gives their results back', async () => {
    const counted: number[] = []
    const server = await served(counted)
    const proxy = await rpc.proxy({ req: server.endpoints, buffer: memoryDisk() })
    const caller = rpc.client({ req: proxy.endpoints })
    const answers = await Promise.all(upTo(100).map((n) => caller.execute(new Count(n))))
    expect(counted).toEqual(upTo(100))
    expect(answers).toEqual(upTo(100).map((n) => n + 1))
    await until(() => proxy.stats().buffer?.waiting === 0, 'all is done')
  })

  it('tells Python callers that it is kept, and delivers it when the far end is there', async () => {
    const counted: number[] = []
    const endpoint = await nowhere()
    const proxy = await rpc.proxy({ req: endpoint, buffer: memoryDisk() })
    const caller = rpc.client({ req: proxy.endpoints, dialect: 'pyzmqrpc3' })
    for (let n = 0; n < 50; n++) expect(await caller.execute(new Count(n))).toBeUndefined()
    expect(proxy.stats().buffer).toMatchObject({ waiting: 50, accepted: 50 })
    await served(counted, endpoint)
    await until(() => counted.length === 50, 'all are delivered')
    expect(counted).toEqual(upTo(50))
  })

  it('goes on after it was restarted', async () => {
    const counted: number[] = []
    const endpoint = await nowhere()
    const buffer = memoryDisk()
    const before = await rpc.proxy({ req: endpoint, buffer })
    const caller = rpc.client({ req: before.endpoints, dialect: 'pyzmqrpc3' })
    for (let n = 0; n < 10; n++) await caller.execute(new Count(n))
    await before.stop()
    await rpc.proxy({ req: endpoint, buffer })
    await served(counted, endpoint)
    await until(() => counted.length === 10, 'all are delivered')
    expect(counted).toEqual(upTo(10))
  })

  it('keeps them in a folder, where another proxy finds them', async () => {
    const counted: number[] = []
    const endpoint = await nowhere()
    const path = temporaryFolder()
    const before = await rpc.proxy({ req: endpoint, buffer: { path } })
    const caller = rpc.client({ req: before.endpoints, dialect: 'pyzmqrpc3' })
    await Promise.all(upTo(100).map((n) => caller.execute(new Count(n))))
    expect(await failureOf(new RpcProxy({ rep: LOCAL, req: endpoint, buffer: { path } }).start())).toMatchObject({ code: 'STORE_LOCKED' })
    await before.stop()
    await rpc.proxy({ req: endpoint, buffer: { path } })
    await served(counted, endpoint)
    await until(() => counted.length === 100, 'all are delivered')
    expect(counted).toEqual(upTo(100))
  })

  it('keeps texts for a receiver, too', async () => {
    const texts: string[] = []
    const receiver = rpc.own(
      new (class extends Receiver {
        override handleIncomingMessage(text: string): void {
          texts.push(text)
        }
      })({ rep: LOCAL }),
    )
    await receiver.start()
    const proxy = await rpc.proxy({ req: receiver.endpoints, buffer: memoryDisk() })
    const sender = rpc.sender({ req: proxy.endpoints })
    for (const text of ['a', 'b', 'c']) expect(await sender.send(text)).toBeUndefined()
    await until(() => texts.length === 3, 'all are there')
    expect(texts).toEqual(['a', 'b', 'c'])
  })

  it('refuses a Python command whose name is longer than names are, and says so', async () => {
    const proxy = await rpc.proxy({ req: await nowhere(), buffer: memoryDisk() })
    const sender = rpc.sender({ req: proxy.endpoints })
    const text = deflateSync(JSON.stringify({ _icmd_: ['N'.repeat(70_000), {}] })).toString('base64')
    expect(await failureOf(sender.send(text))).toMatchObject({ status: 400, message: expect.stringContaining('1 to 255 characters') })
    expect(proxy.stats().buffer).toMatchObject({ waiting: 0 })
  })

  it('takes no longer to stop than it may, though what it keeps and what it passes on are both under way', () =>
    simulate(async (network) => {
      class Live extends Command<number> {}
      const server = network.host('server').run(() => new RpcServer({ rep: 'tcp://*:30000' }))
      for (const command of [Count, Live]) server.register<Command<number>>(command, () => new Promise<number>(() => {}))
      await network.host('server').run(() => server.start())
      const buffer = { ...memoryDisk(), keep: ['Count'] }
      const proxy = network.host('proxy').run(() => new RpcProxy({ rep: 'tcp://*:30000', req: 'tcp://server:30000', buffer }))
      await network.host('proxy').run(() => proxy.start())
      const caller = network.host('client').run(() => new RpcClient({ req: 'tcp://proxy:30000' }))
      const live = failureOf(caller.execute(new Live()))
      await caller.submit(new Count(1))
      await until(() => server.stats().running === 2, 'both are under way')
      const began = performance.now()
      await proxy.stop({ drainMs: 3000 })
      expect(performance.now() - began).toBeGreaterThanOrEqual(3000)
      expect(performance.now() - began).toBeLessThan(4000)
      expect(proxy.stats().buffer?.open).toBe(false)
      await live
      await caller.close()
      await server.stop({ drainMs: 0 })
    }))

  it('has a service that failed run anew when its command is requeued, though the server remembers that it failed', async () => {
    const path = temporaryFolder()
    let runs = 0
    const server = await rpc.started({ rep: LOCAL }, (server) =>
      server.register(Count, () => {
        if (++runs <= 3) throw new Error(`run ${runs} failed`)
        return runs
      }),
    )
    const first = await rpc.proxy({ req: server.endpoints, buffer: { path } })
    const caller = rpc.client({ req: first.endpoints })
    const receipt = await caller.submit(new Count(1))
    const requeue = async (proxy: RpcProxy): Promise<void> => {
      await until(() => proxy.stats().buffer?.dead === 1, 'it is a dead letter')
      const [letter] = await proxy.deadLetters()
      expect(letter?.reason).toContain(`run ${runs} failed`)
      expect(await proxy.requeue(letter?.seq ?? 0)).toBe(true)
    }
    await requeue(first)
    await requeue(first)
    await until(() => first.stats().buffer?.dead === 1, 'it is a dead letter')
    await first.stop()

    // Requeued from outside, as the command line does: known after a restart, too.
    const folder = await BufferFolder.open(path)
    for await (const { seq } of folder.deadLetters()) expect(await folder.requeue([seq])).toBe(1)
    await folder.close()
    const second = await rpc.proxy({ req: server.endpoints, buffer: { path } })
    expect(await rpc.client({ req: second.endpoints }).result({ ...receipt, endpoint: second.endpoints[0] as Endpoint })).toBe(4)
    expect(runs).toBe(4)

    const python = rpc.client({ req: second.endpoints, dialect: 'pyzmqrpc3' })
    runs = 2
    await python.execute(new Count(2))
    await requeue(second)
    await until(() => second.stats().buffer?.waiting === 0, 'it is done')
    expect(runs).toBe(4)
  })
})
