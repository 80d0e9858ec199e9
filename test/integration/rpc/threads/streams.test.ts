/** Streams and large binaries to and from services in threads. */

import { describe, expect, it } from 'vitest'
import { failureOf, until, useRpc } from '../../../helpers/rpc.ts'
import { Binary, Double, Log, Numbers, OutOfPaper, Spin, Sum } from './commands.ts'
import { serve } from './serve.ts'

const rpc = useRpc()

describe('streams of calls of threads', () => {
  it('go both ways, to their end, whatever their size', async () => {
    const server = await serve(rpc)
    const client = rpc.client({ req: server.endpoints })
    const got: number[] = []
    for await (const n of await client.execute(new Numbers(20_000))) got.push(n)
    expect(got).toEqual(Array.from({ length: 20_000 }, (_, n) => n))
    const sum = new Sum()
    sum.items = numbers(20_000)
    expect(await client.execute(sum)).toBe((20_000 * 19_999) / 2)
    const double = new Double()
    double.items = (async function* () {
      for (let n = 0; n < 40; n++) yield n % 2 === 0 ? n : Buffer.alloc(200_000, n)
    })()
    const sizes: unknown[] = []
    for await (const item of await client.execute(double))
      sizes.push(item instanceof Uint8Array ? [item.length, item[0], item.at(-1)] : item)
    expect(sizes).toEqual(Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? 2 * n : [400_000, n, n])))
    await until(() => server.stats().streams === 0 && server.stats().running === 0, 'nothing is left')
  })

  it('wait for a slow reader, and end where it leaves', async () => {
    const server = await serve(rpc)
    const client = rpc.client({ req: server.endpoints })
    for await (const n of await client.execute(new Numbers(10_000_000))) if (n === 5) break
    await until(async () => (await client.execute(new Log())).includes('numbers ended'), 'the generator ended')
    await until(() => server.stats().streams === 0, 'nothing is left')
  })

  it('tell what they failed with, at either end', async () => {
    const server = await serve(rpc)
    const client = rpc.client({ req: server.endpoints, errors: [OutOfPaper] })
    const got: unknown[] = []
    const read = async (): Promise<void> => {
      for await (const n of await client.execute(new Numbers(2, 'throws'))) got.push(n)
    }
    expect(await failureOf(read())).toMatchObject({ name: 'OutOfPaper', details: { tray: 2 } })
    expect(got).toEqual([0, 1])
    const sum = new Sum()
    sum.items = (async function* () {
      yield 1
      throw new Error('no more')
    })()
    expect((await failureOf(client.execute(sum))).message).toContain('no more')
  })

  it('fail by name when their thread ends, behind what came', async () => {
    const server = await serve(rpc, { threads: 2 })
    const client = rpc.client({ req: server.endpoints })
    const got: number[] = []
    const read = async (): Promise<void> => {
      for await (const n of await client.execute(new Numbers(3, 'exits'))) got.push(n)
    }
    expect((await failureOf(read())).code).toBe('THREAD_FAILED')
    expect(got).toEqual([0, 1, 2])
    await until(() => server.stats().streams === 0, 'nothing is left')
  })

  it('of a caller wait while a service has the thread, and none is lost', async () => {
    const server = await serve(rpc)
    const client = rpc.client({ req: server.endpoints })
    const double = new Double()
    double.items = (async function* () {
      for (let n = 0; n < 100; n++) yield Buffer.alloc(100_000, n)
    })()
    const stream = await client.execute(double)
    const spin = client.execute(new Spin(300))
    let count = 0
    for await (const item of stream) expect((item as Buffer)[0]).toBe(count++)
    expect(count).toBe(100)
    await spin
  })
})

describe('large binaries', () => {
  it('arrive whole, there and back, and what a service keeps stays its own', async () => {
    const server = await serve(rpc)
    const client = rpc.client({ req: server.endpoints })
    for (const size of [0, 1, 4095, 4096, 16_383, 16_384, 100_000, 8 * 1024 * 1024]) {
      const bytes = Buffer.alloc(size, 'abcdefg')
      expect(bytes.equals((await client.execute(new Binary(bytes))) as Buffer)).toBe(true)
      expect(bytes.equals((await client.execute(new Binary(bytes, 'given away'))) as Buffer)).toBe(true)
      expect(bytes.length).toBe(size)
    }
    for (let n = 0; n < 3; n++) expect((await client.execute(new Binary(Buffer.alloc(1), 'kept'))).length).toBe(100_000)
    await until(async () => (await client.execute(new Log())).length === 8, 'they were looked at afterwards')
    expect(await client.execute(new Log())).toContain('0 bytes are left')
  })

  it('of a client in the same process stay its own', async () => {
    const server = await serve(rpc, { rep: 'inproc://threads-binaries' })
    const client = rpc.client({ req: 'inproc://threads-binaries' })
    const bytes = new Uint8Array(100_000).fill(3)
    expect((await client.execute(new Binary(bytes))).length).toBe(100_000)
    expect(bytes.length).toBe(100_000)
    expect(server.running).toBe(true)
  })
})

async function* numbers(count: number): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) yield n
}
