/** A buffered proxy between programs of ours: accepted is on disk, and what is on disk is carried out. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import {
  BufferFolder,
  Command,
  type Endpoint,
  Receiver,
  RpcClient,
  type RpcClientOptions,
  RpcProxy,
  type RpcProxyOptions,
  RpcServer,
  type RpcServerOptions,
  Sender,
} from '../../../src/index.ts'
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

/** Stores that outlive the proxy, as a disk does. */
function disk(): { store: MemoryStore; outcomes: MemoryStore } {
  return { store: new MemoryStore(), outcomes: new MemoryStore({ dedupeWindow: 0 }) }
}

async function served(added: number[], options: Partial<RpcServerOptions> = {}): Promise<RpcServer> {
  const server = kept(new RpcServer({ rep: LOCAL, ...options }))
  server.register(Add, ({ n }) => {
    added.push(n)
    return added.length
  })
  await server.start()
  return server
}

async function proxied(options: RpcProxyOptions): Promise<RpcProxy> {
  const proxy = kept(new RpcProxy({ rep: LOCAL, ...options }))
  await proxy.start()
  return proxy
}

const client = (req: string[], options: Partial<RpcClientOptions> = {}): RpcClient =>
  kept(new RpcClient({ req, timeoutMs: 5000, ...options }))

describe('a buffered proxy', () => {
  it('has commands carried out, and gives their results back', async () => {
    const added: number[] = []
    const server = await served(added)
    const proxy = await proxied({ req: server.endpoints, buffer: disk() })
    const caller = client(proxy.endpoints)
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => caller.execute(Add.of(n))))
    expect(added).toEqual(Array.from({ length: 100 }, (_, n) => n))
    expect(answers).toEqual(Array.from({ length: 100 }, (_, n) => n + 1))
    await until(() => proxy.stats().buffer?.waiting === 0, 'all is done')
  })

  it('tells Python callers that it is kept, and delivers it when the far end is there', async () => {
    const added: number[] = []
    const first = await served([])
    const [endpoint] = first.endpoints as [string]
    await first.stop()
    const proxy = await proxied({ req: endpoint, buffer: disk() })
    const caller = client(proxy.endpoints, { dialect: 'pyzmqrpc3' })
    for (let n = 0; n < 50; n++) expect(await caller.execute(Add.of(n))).toBeUndefined()
    expect(proxy.stats().buffer).toMatchObject({ waiting: 50, accepted: 50 })
    await served(added, { rep: endpoint })
    await until(() => added.length === 50, 'all are delivered')
    expect(added).toEqual(Array.from({ length: 50 }, (_, n) => n))
  })

  it('goes on after it was restarted', async () => {
    const added: number[] = []
    const first = await served([])
    const [endpoint] = first.endpoints as [string]
    await first.stop()
    const buffer = disk()
    const before = await proxied({ req: endpoint, buffer })
    const caller = client(before.endpoints, { dialect: 'pyzmqrpc3' })
    for (let n = 0; n < 10; n++) await caller.execute(Add.of(n))
    await before.stop()
    await proxied({ req: endpoint, buffer })
    await served(added, { rep: endpoint })
    await until(() => added.length === 10, 'all are delivered')
    expect(added).toEqual(Array.from({ length: 10 }, (_, n) => n))
  })

  it('keeps them in a folder, where another proxy finds them', async () => {
    const added: number[] = []
    const first = await served([])
    const [endpoint] = first.endpoints as [string]
    await first.stop()
    const path = await mkdtemp(join(tmpdir(), 'buffer-'))
    const before = await proxied({ req: endpoint, buffer: { path } })
    const caller = client(before.endpoints, { dialect: 'pyzmqrpc3' })
    await Promise.all(Array.from({ length: 100 }, (_, n) => caller.execute(Add.of(n))))
    expect(await failureOf(new RpcProxy({ rep: LOCAL, req: endpoint, buffer: { path } }).start())).toMatchObject({ code: 'STORE_LOCKED' })
    await before.stop()
    await proxied({ req: endpoint, buffer: { path } })
    await served(added, { rep: endpoint })
    await until(() => added.length === 100, 'all are delivered')
    expect(added).toEqual(Array.from({ length: 100 }, (_, n) => n))
    await rm(path, { recursive: true })
  })

  it('keeps texts for a receiver, too', async () => {
    const texts: string[] = []
    const receiver = kept(
      new (class extends Receiver {
        override handleIncomingMessage(text: string): void {
          texts.push(text)
        }
      })({ rep: LOCAL }),
    )
    await receiver.start()
    const proxy = await proxied({ req: receiver.endpoints, buffer: disk() })
    const sender = kept(new Sender({ req: proxy.endpoints }))
    for (const text of ['a', 'b', 'c']) expect(await sender.send(text)).toBeUndefined()
    await until(() => texts.length === 3, 'all are there')
    expect(texts).toEqual(['a', 'b', 'c'])
  })

  it('has a service that failed run anew when its command is requeued, though the server remembers that it failed', async () => {
    const path = await mkdtemp(join(tmpdir(), 'zmq-rpc-requeue-'))
    let runs = 0
    const server = kept(new RpcServer({ rep: LOCAL }))
    server.register(Add, () => {
      if (++runs <= 3) throw new Error(`run ${runs} failed`)
      return runs
    })
    await server.start()
    const first = await proxied({ req: server.endpoints, buffer: { path } })
    const caller = client(first.endpoints)
    const receipt = await caller.submit(Add.of(1))
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
    const second = await proxied({ req: server.endpoints, buffer: { path } })
    expect(await client(second.endpoints).result({ ...receipt, endpoint: second.endpoints[0] as Endpoint })).toBe(4)
    expect(runs).toBe(4)

    const python = client(second.endpoints, { dialect: 'pyzmqrpc3' })
    runs = 2
    await python.execute(Add.of(2))
    await requeue(second)
    await until(() => second.stats().buffer?.waiting === 0, 'it is done')
    expect(runs).toBe(4)
    await second.stop()
    await rm(path, { recursive: true })
  })
})
