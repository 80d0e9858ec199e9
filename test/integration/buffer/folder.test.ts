/** A buffer's folder, looked into from outside of its program. */

import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { BufferFolder, OpaqueCommand, RpcClient, RpcProxy, RpcServer, Sender } from '../../../src/index.ts'
import { SegmentLog } from '../../../src/store/segment-log/segment-log.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { until } from '../../helpers/sockets.ts'

const LOCAL = 'tcp://127.0.0.1:0'

let path = ''
beforeEach(() => {
  path = temporaryFolder()
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('the folder of a buffer', () => {
  it('shows what waits while its proxy runs, commands of both dialects and texts, more than fit into one portion', async () => {
    await using proxy = new RpcProxy({ rep: LOCAL, req: await nowhere(), buffer: { path } })
    await proxy.start()
    await using client = new RpcClient({ req: proxy.endpoints })
    await using python = new RpcClient({ req: proxy.endpoints, dialect: 'pyzmqrpc3' })
    await using sender = new Sender({ req: proxy.endpoints })
    const state = { id: 2n ** 70n, who: [new OpaqueCommand('Person', { name: 'Ada' })] }
    await client.submit(new OpaqueCommand('Add', state))
    await python.execute(new OpaqueCommand('Add', state))
    await sender.send('lights off')
    await Promise.all(Array.from({ length: 150 }, (_, n) => python.execute(new OpaqueCommand('Count', { n }))))

    await using folder = await BufferFolder.open(path)
    expect(folder.counts).toMatchObject({ live: 153, dead: 0 })
    const waiting = await collect(folder.waiting())
    expect(waiting.slice(0, 3)).toEqual([
      {
        seq: 1,
        id: expect.any(String),
        user: undefined,
        ageMs: expect.any(Number),
        bytes: expect.any(Number),
        reason: undefined,
        message: { kind: 'command', name: 'Add', state, dialect: 'native', metadata: {} },
      },
      expect.objectContaining({ seq: 2, message: { kind: 'command', name: 'Add', state, dialect: 'pyzmqrpc3', metadata: {} } }),
      expect.objectContaining({ seq: 3, message: { kind: 'text', text: 'lights off' } }),
    ])
    expect(waiting.map(({ seq }) => seq)).toEqual(Array.from({ length: 153 }, (_, n) => n + 1))
    expect(waiting.every(({ ageMs }) => ageMs >= 0 && ageMs < 60_000)).toBe(true)
    await expect(folder.requeue([1])).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    await expect(folder.drop([1])).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    expect(await collect(folder.deadLetters())).toEqual([])
  })

  it('has what was given up delivered once more, or forgotten, when its proxy is stopped', async () => {
    const ran: unknown[] = []
    const server = new RpcServer({ rep: LOCAL })
    await server.start()
    const rep = server.endpoints[0] as string
    const proxy = new RpcProxy({ rep: LOCAL, req: rep, buffer: { path } })
    await proxy.start()
    await using client = new RpcClient({ req: proxy.endpoints, retry: false })
    for (const n of [1, 2, 3]) await expect(client.execute(new OpaqueCommand('Late', { n }))).rejects.toMatchObject({ code: 'NO_SERVICE' })
    await until(() => proxy.stats().buffer?.dead === 3, 'they are given up')
    await proxy.stop()

    await using folder = await BufferFolder.open(path)
    const dead = await collect(folder.deadLetters())
    expect(dead.map(({ reason }) => reason)).toEqual(Array.from({ length: 3 }, () => expect.stringContaining('No service')))
    const [first, second, third] = dead.map(({ seq }) => seq) as [number, number, number]
    expect(await folder.requeue([first, third, 4711])).toBe(2)
    await folder.drop([second])
    await using after = await BufferFolder.open(path)
    expect(after.counts).toMatchObject({ live: 2, dead: 0 })

    class Late extends OpaqueCommand {
      static readonly commandName = 'Late'
      override setCommandState(state: unknown): void {
        ran.push(state)
      }
    }
    server.register(Late, () => {})
    await using again = new RpcProxy({ rep: LOCAL, req: rep, buffer: { path } })
    await again.start()
    await until(() => ran.length === 2, 'they are carried out')
    expect(ran).toEqual([{ n: 1 }, { n: 3 }])
    await server.stop()
  })

  it('is one, or is refused', async () => {
    await expect(BufferFolder.open(path)).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await expect(BufferFolder.open(join(path, 'nowhere'))).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })

  it('shows what cannot be read as such, and the rest', async () => {
    const store = new SegmentLog({ path: join(path, 'commands') })
    await store.open()
    await store.append({ id: 'foreign', data: Buffer.from('what'), meta: Buffer.of(99) })
    await store.close()
    await using folder = await BufferFolder.open(path)
    expect(await collect(folder.waiting())).toMatchObject([
      { seq: 1, id: undefined, message: { kind: 'unreadable', frames: [Buffer.from('what')] } },
    ])
  })
})
