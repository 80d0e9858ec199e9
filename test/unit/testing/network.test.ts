/** The virtual network as a network: connections, endpoints, dialling; and what is left of it afterwards. */

import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { StuckError, simulate } from '../../../src/testing/index.ts'
import { parseEndpoint } from '../../../src/transport/endpoint.ts'
import { dial, listen } from '../../../src/transport/transports.ts'
import { begin, bind, connect, network, OPTIONS, pair, useNetwork } from './ends.ts'

const KiB = 1024

useNetwork()

describe('a connection', () => {
  it('takes the time of the link: there and back, and there for each piece of data', async () => {
    begin({ latencyMs: 20 })
    const [a, b] = await pair()
    expect(network.time.now).toBe(60)
    a.pipe.write([Buffer.from('hello')])
    await network.runUntil(() => b.chunks.length > 0)
    expect(b.chunks).toEqual([{ at: 80, bytes: Buffer.from('hello') }])
    expect([a.pipe.bytesSent, b.pipe.bytesReceived]).toEqual([5, 5])
  })

  it('knows its far end by address and port', async () => {
    const [a, b] = await pair()
    expect(a.pipe.remoteAddress).toBe(`tcp://${network.host('b').address}:30000`)
    expect(b.pipe.remoteAddress).toMatch(new RegExp(`^tcp://${network.host('a').address}:\\d+$`))
  })

  it('carries copies: what the sender does to its bytes afterwards is its own affair', async () => {
    const [a, b] = await pair()
    const bytes = Buffer.from('hello')
    a.pipe.write([bytes])
    bytes.fill('x')
    await network.advance(10)
    expect(String(b.bytes)).toBe('hello')
  })

  it('keeps the order of its bytes, whatever the jitter, the chunks and the outages', async () => {
    const writes = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(fc.integer(), writes, fc.array(fc.integer({ min: 0, max: 50 })), async (seed, writes, outages) => {
        begin({ seed, jitterMs: 30, chunking: 'random' })
        const [a, b] = await pair()
        const link = network.link('a', 'b')
        for (const [index, bytes] of writes.entries()) {
          a.pipe.write([Buffer.from(bytes)])
          await network.advance(outages[index] ?? 1)
          if (link.isCut) link.heal()
          else if (outages[index] !== undefined) link.cut({ silent: true })
        }
        link.heal()
        a.pipe.end()
        await network.runUntil(() => b.closed !== undefined)
        expect(b.bytes).toEqual(Buffer.concat(writes))
        expect(b.closed?.error).toBeUndefined()
        expect(network.openEnds).toBe(0)
      }),
    )
  })

  it('may have its bytes in pieces that were never written so', async () => {
    begin({ chunking: 'random' })
    const [a, b] = await pair()
    for (let n = 0; n < 100; n++) a.pipe.write([Buffer.alloc(100, n)])
    await network.advance(100)
    expect(b.bytes.length).toBe(10_000)
    expect(b.chunks.some(({ bytes }) => bytes.length < 100)).toBe(true)
    expect(b.chunks.some(({ bytes }) => new Set(bytes).size > 1)).toBe(true)
  })

  it('is as fast as its link', async () => {
    begin({ latencyMs: 10, bytesPerSecond: 100_000 })
    const [a, b] = await pair()
    const start = network.time.now
    for (let n = 0; n < 10; n++) a.pipe.write([Buffer.alloc(10_000)])
    await network.runUntil(() => b.bytes.length === 100_000)
    expect(network.time.now - start).toBeCloseTo(1010, 6)
  })

  it('that is not read fills up, says so, and goes on when it is read', async () => {
    const [a, b] = await pair()
    b.pipe.pause()
    let written = 0
    while (a.pipe.write([Buffer.alloc(10_000)])) written += 10_000
    written += 10_000
    expect(written).toBeGreaterThan(256 * KiB)
    expect(written).toBeLessThan(512 * KiB)
    await network.advance(1000)
    expect([a.drained, b.bytes.length]).toEqual([0, 0])
    b.pipe.resume()
    await network.runUntil(() => a.drained === 1)
    await network.advance(10)
    expect(b.bytes.length).toBe(written)
  })

  it('that ends has said all before', async () => {
    const [a, b] = await pair()
    a.pipe.write([Buffer.alloc(1_000_000)])
    a.pipe.end()
    await network.runUntil(() => b.closed !== undefined)
    expect([b.bytes.length, b.closed?.error, a.closed?.error]).toEqual([1_000_000, undefined, undefined])
    expect(network.openEnds).toBe(0)
  })

  it('that is destroyed is closed at once, at the far end a little later', async () => {
    begin({ latencyMs: 20 })
    const [a, b] = await pair()
    const start = network.time.now
    a.pipe.destroy()
    await network.runUntil(() => b.closed !== undefined)
    expect([a.closed?.at, b.closed?.at]).toEqual([start, start + 20])
  })

  it('that is closed with bytes unread is reset, even where the far end does not read either', async () => {
    const [a, b] = await pair()
    a.pipe.pause()
    b.pipe.pause()
    while (b.pipe.write([Buffer.alloc(10_000)]));
    await network.advance(10)
    a.pipe.destroy()
    await network.runUntil(() => b.closed !== undefined)
    expect(b.closed?.error).toMatchObject({ code: 'ECONNRESET' })
  })

  it('lives on after its listener', async () => {
    const bound = await bind(network.host('b'))
    const a = await network.run(connect(network.host('a'), 'tcp://b:30000'))
    await network.advance(10)
    await bound.close()
    a.pipe.write([Buffer.from('hello')])
    await network.advance(10)
    expect(String(bound.accepted[0]?.bytes)).toBe('hello')
  })
})

describe('endpoints', () => {
  it.each([
    ['tcp://*:30000', 'tcp://0.0.0.0:30000'],
    ['tcp://127.0.0.1:30000', 'tcp://127.0.0.1:30000'],
    ['tcp://b:30000', 'tcp://10.0.0.2:30000'],
    ['tcp://eth0:30000', 'tcp://10.0.0.2:30000'],
    ['tcp://lo:30000', 'tcp://127.0.0.1:30000'],
    ['tcp://localhost:30000', 'tcp://127.0.0.1:30000'],
    ['tcp://[::1]:30000', 'tcp://[::1]:30000'],
    ['ipc:///run/b.sock', 'ipc:///run/b.sock'],
  ])('%s is bound as %s', async (endpoint, bound) => {
    expect((await bind(network.host('b'), endpoint)).endpoint).toBe(bound)
    expect(network.boundEndpoints).toEqual([bound])
  })

  it('get a free port for 0', async () => {
    const [one, two] = [await bind(network.host('b'), 'tcp://*:0'), await bind(network.host('b'), 'tcp://*:0')]
    expect(one.endpoint).toMatch(/^tcp:\/\/0\.0\.0\.0:\d{5}$/)
    expect(two.endpoint).not.toBe(one.endpoint)
  })

  it('are bound once on a host, and again when they are closed', async () => {
    const b = network.host('b')
    const first = await bind(b)
    await expect(bind(b, 'tcp://127.0.0.1:30000')).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await bind(network.host('c'))
    await first.close()
    await bind(b)
    await bind(b, 'ipc:///run/b.sock')
    await expect(bind(b, 'ipc:///run/b.sock')).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it('of another host, or of none, cannot be bound', async () => {
    network.host('c')
    await expect(bind(network.host('b'), 'tcp://c:30000')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
    await expect(bind(network.host('b'), 'tcp://8.8.8.8:30000')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
    await expect(bind(network.host('b'), 'tcp://nowhere:30000')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  it('are reached by name, by address, and on their own host by any name for it', async () => {
    const [a, b] = [network.host('a'), network.host('b')]
    await bind(b)
    await network.run(connect(a, 'tcp://b:30000'))
    await network.run(connect(a, `tcp://${b.address}:30000`))
    for (const name of ['localhost', '127.0.0.1', '0.0.0.0', 'b', b.address]) await network.run(connect(b, `tcp://${name}:30000`))
  })

  it('of the loopback address are of their host alone', async () => {
    await bind(network.host('b'), 'tcp://127.0.0.1:30000')
    await network.run(connect(network.host('b'), 'tcp://127.0.0.1:30000'))
    await expect(network.run(connect(network.host('a'), 'tcp://b:30000'))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('of ipc are of their host alone', async () => {
    await bind(network.host('b'), 'ipc:///run/b.sock')
    await network.run(connect(network.host('b'), 'ipc:///run/b.sock'))
    await expect(network.run(connect(network.host('a'), 'ipc:///run/b.sock'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('that nobody has bound refuse, after the time it takes to ask', async () => {
    begin({ latencyMs: 20 })
    network.host('b')
    const refused = network.run(connect(network.host('a'), 'tcp://b:30000'))
    await expect(refused).rejects.toMatchObject({ code: 'ECONNREFUSED', message: 'connect ECONNREFUSED 10.0.0.2:30000' })
    expect(network.time.now).toBe(40)
  })

  it('of hosts that nobody knows are not found', async () => {
    await expect(network.run(connect(network.host('a'), 'tcp://nowhere:1'))).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  it('of code that no host runs are of localhost', async () => {
    await bind(network.host('localhost'), 'tcp://127.0.0.1:30000')
    const address = parseEndpoint('tcp://127.0.0.1:30000', 'connect') as Parameters<typeof dial>[0]
    const pipe = await network.run(dial(address, OPTIONS, new AbortController().signal))
    expect(pipe.remoteAddress).toBe('tcp://127.0.0.1:30000')
  })
})

describe('dialling', () => {
  it('a silent host ends with its time-out', async () => {
    await bind(network.host('b'))
    network.link('a', 'b').cut({ silent: true })
    await expect(network.run(connect(network.host('a'), 'tcp://b:30000', { connectTimeoutMs: 3000 }))).rejects.toThrow('within 3000 ms')
    expect(network.time.now).toBe(3000)
    await expect(network.run(connect(network.host('a'), 'tcp://b:30000'))).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    expect(network.time.now).toBe(130_000)
    expect(network.time.pending).toEqual([])
  })

  it('succeeds when the link is healed in time', async () => {
    await bind(network.host('b'))
    network.link('a', 'b').cut({ silent: true })
    const dialled = connect(network.host('a'), 'tcp://b:30000')
    await network.advance(5000)
    network.heal()
    await network.run(dialled)
  })

  it('over a broken link fails at once', async () => {
    await bind(network.host('b'))
    network.link('a', 'b').cut()
    await expect(network.run(connect(network.host('a'), 'tcp://b:30000'))).rejects.toMatchObject({ code: 'EHOSTUNREACH' })
    expect(network.time.now).toBeLessThan(10)
  })

  it('is given up by its signal', async () => {
    const controller = new AbortController()
    network.host('b')
    const dialled = connect(network.host('a'), 'tcp://b:30000', {}, controller.signal)
    controller.abort(new Error('enough'))
    await expect(dialled).rejects.toThrow('enough')
    await network.advance(10)
    expect(network.time.pending).toEqual([])
  })
})

describe('simulate', () => {
  beforeEach(() => network.uninstall())

  it('gives what the test gives, on a network of its own', async () => {
    const { setTimeout: real } = globalThis
    const result = await simulate(
      async (simulated) => {
        expect([simulated.seed, globalThis.setTimeout === real]).toEqual([7, false])
        await new Promise((resolve) => setTimeout(resolve, 50_000))
        return simulated.time.now
      },
      { seed: 7 },
    )
    expect(result).toBe(50_000)
    expect(globalThis.setTimeout).toBe(real)
  })

  it('fails as the test fails, and cleans up', async () => {
    const { setTimeout: real } = globalThis
    const failing = (): never => {
      throw new Error('not what was expected')
    }
    await expect(simulate(failing)).rejects.toThrow('not what was expected')
    const endless = (): Promise<never> => new Promise(() => setInterval(() => {}, 1000))
    await expect(simulate(endless, { limitMs: 5000 })).rejects.toThrow(StuckError)
    expect(globalThis.setTimeout).toBe(real)
  })
})

describe('afterwards', () => {
  it('everything is real again', async () => {
    const { random } = Math
    network.uninstall()
    expect(Math.random).not.toBe(random)
    const bound = await listen({ transport: 'tcp', host: '127.0.0.1', port: 0 }, OPTIONS, { accepted: () => {}, failed: () => {} })
    const { port } = new URL(bound.endpoint)
    const pipe = await dial({ transport: 'tcp', host: '127.0.0.1', port: Number(port) }, OPTIONS, new AbortController().signal)
    pipe.destroy()
    await bound.close()
    network.uninstall()
  })

  it('what was open can be closed', async () => {
    const [a] = await pair()
    network.uninstall()
    const closed = new Promise<void>((resolve) => {
      a.pipe.end()
      process.nextTick(resolve)
    })
    await closed
    expect(a.closed).toMatchObject({ error: undefined })
  })

  it('a waiting test is told what happened last', async () => {
    await pair()
    await expect(network.run(new Promise(() => {}))).rejects.toThrow(/What happened last:\n.*b listens.*\n.*a is connected to b/)
  })
})
