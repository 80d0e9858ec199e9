/** The virtual network when it breaks: links that are cut, hosts that crash and freeze, all of it by chance. */

import { describe, expect, it } from 'vitest'
import { type Bound, begin, bind, connect, network, pair, useNetwork } from './ends.ts'

useNetwork()

describe('a link', () => {
  it('that is cut breaks its connections, and no others', async () => {
    const [a, b] = await pair()
    const c = await network.run(connect(network.host('c'), 'tcp://b:30000'))
    network.link('b', 'a').cut()
    await network.settle()
    expect([a.closed?.error, b.closed?.error]).toMatchObject([{ code: 'ECONNRESET' }, { code: 'ECONNRESET' }])
    await network.advance(100)
    expect(c.closed).toBeUndefined()
  })

  it('that is cut silently lets both ends believe in each other, and loses nothing', async () => {
    const [a, b] = await pair()
    a.pipe.write([Buffer.from('on its way')])
    network.link('a', 'b').cut({ silent: true })
    a.pipe.write([Buffer.from(', and later')])
    await network.advance(60_000)
    expect([b.bytes.length, a.closed, b.closed]).toEqual([0, undefined, undefined])
    network.heal()
    await network.advance(10)
    expect(String(b.bytes)).toBe('on its way, and later')
  })

  it('may be silent one way only', async () => {
    const [a, b] = await pair()
    network.link('a', 'b').cut({ silent: true, oneWay: true })
    a.pipe.write([Buffer.from('unheard')])
    b.pipe.write([Buffer.from('heard')])
    await network.advance(100)
    expect([String(a.bytes), String(b.bytes)]).toEqual(['heard', ''])
    expect(() => network.link('a', 'b').cut({ oneWay: true })).toThrow('silent')
  })

  it('that drops its connections takes new ones', async () => {
    const [a] = await pair()
    network.link('a', 'b').drop()
    await network.settle()
    expect(a.closed?.error).toMatchObject({ code: 'ECONNRESET' })
    await network.run(connect(network.host('a'), 'tcp://b:30000'))
  })

  it('is set while it is used', async () => {
    const [a, b] = await pair()
    network.link('a', 'b').set({ latencyMs: 500 })
    const start = network.time.now
    a.pipe.write([Buffer.from('slow')])
    await network.runUntil(() => b.chunks.length > 0)
    expect(network.time.now - start).toBe(500)
    expect(() => network.link('a', 'b').set({ latencyMs: -1 })).toThrow(RangeError)
    expect(() => network.link('a', 'b').set({ bytesPerSecond: 0 })).toThrow(RangeError)
  })

  it('between groups is cut by a partition, and healed with all the others', async () => {
    await bind(network.host('b'))
    await bind(network.host('c'))
    network.partition([['a', 'b'], ['c']])
    await network.run(connect(network.host('a'), 'tcp://b:30000'))
    await expect(network.run(connect(network.host('a'), 'tcp://c:30000'))).rejects.toMatchObject({ code: 'EHOSTUNREACH' })
    await expect(network.run(connect(network.host('b'), 'tcp://c:30000'))).rejects.toMatchObject({ code: 'EHOSTUNREACH' })
    network.heal()
    await network.run(connect(network.host('a'), 'tcp://c:30000'))
  })
})

describe('a host that crashes', () => {
  it('resets its connections and refuses new ones', async () => {
    const [a, b] = await pair()
    network.host('b').crash()
    await network.advance(10)
    expect(a.closed?.error).toMatchObject({ code: 'ECONNRESET' })
    expect(b.closed).toBeUndefined()
    await expect(network.run(connect(network.host('a'), 'tcp://b:30000'))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect([network.openEnds, network.boundEndpoints]).toEqual([0, []])
  })

  it('silently says nothing, until it is back and is spoken to', async () => {
    const [a] = await pair()
    network.host('b').crash({ silent: true })
    a.pipe.write([Buffer.from('anybody there?')])
    await network.advance(60_000)
    expect(a.closed).toBeUndefined()
    await expect(network.run(connect(network.host('a'), 'tcp://b:30000', { connectTimeoutMs: 1000 }))).rejects.toThrow('within 1000 ms')
    network.host('b').restart(() => {})
    await network.advance(10)
    expect(a.closed?.error).toMatchObject({ code: 'ECONNRESET' })
  })

  it('runs nothing any more: no timer, no connection, no endpoint of its old life comes about', async () => {
    const b = network.host('b')
    const seen: string[] = []
    let later = (): void => {}
    b.run(() => {
      setTimeout(() => seen.push('timer'), 10)
      setInterval(() => seen.push('interval'), 10)
      later = () => setTimeout(() => seen.push('set afterwards'), 10)
      void new Promise<void>((resolve) => setImmediate(resolve)).then(() => seen.push('immediate'))
    })
    const dialled = connect(b, 'tcp://localhost:1')
    dialled.catch(() => seen.push('dialled'))
    b.crash()
    b.restart(() => {})
    later()
    await network.advance(1000)
    // Set by code that no host runs: it is the test's own.
    expect(seen).toEqual(['set afterwards'])
  })

  it('has pipes that can be closed, and are heard of nowhere', async () => {
    const [a, b] = await pair()
    network.host('a').crash({ silent: true })
    expect(a.pipe.write([Buffer.from('from the grave')])).toBe(true)
    a.pipe.end()
    await network.advance(1000)
    expect(a.closed).toMatchObject({ error: undefined })
    expect([b.bytes.length, b.closed]).toEqual([0, undefined])
  })

  it('runs its program again when it restarts', async () => {
    const b = network.host('b')
    let lives = 0
    expect(b.restartable).toBe(false)
    expect(() => b.restart()).toThrow('no program')
    expect(b.start(() => ++lives)).toBe(1)
    expect(b.restart()).toBe(2)
    b.crash()
    b.crash()
    expect(b.running).toBe(false)
    expect(() => b.run(() => {})).toThrow('restart it first')
    expect(b.restart()).toBe(3)
    expect(b.running).toBe(true)
  })
})

describe('a host that is frozen', () => {
  it('does nothing, keeps everything, and goes on', async () => {
    const [a, b] = await pair()
    const fired: number[] = []
    network.host('b').run(() => setTimeout(() => fired.push(network.time.now), 10))
    const stopped = network.host('b').run(() => setTimeout(() => fired.push(-1), 10))
    const start = network.time.now
    network.host('b').freeze()
    a.pipe.write([Buffer.from('are you there?')])
    await network.advance(1000)
    clearTimeout(stopped)
    expect([fired, b.bytes.length, a.closed]).toEqual([[], 0, undefined])
    network.host('b').thaw()
    await network.settle()
    expect(fired).toEqual([start + 1000])
    expect(String(b.bytes)).toBe('are you there?')
  })

  it('is connected to, and hears of it later', async () => {
    const bound = await bind(network.host('b'))
    network.host('b').freeze()
    const a = await network.run(connect(network.host('a'), 'tcp://b:30000'))
    a.pipe.write([Buffer.from('hello')])
    await network.advance(100)
    expect(bound.accepted).toEqual([])
    network.host('b').thaw()
    await network.settle()
    expect(String(bound.accepted[0]?.bytes)).toBe('hello')
  })
})

describe('chaos', () => {
  it('breaks what it is told to break, as often as it is told to, and mends it', async () => {
    const b = network.host('b')
    const start = (): Promise<Bound> => bind(b)
    await b.start(start)
    const a = network.host('a')
    a.run(() => setInterval(() => connect(a, 'tcp://b:30000').catch(() => {}), 100))
    const chaos = network.chaos({
      dropsPerMinute: 60,
      cutsPerMinute: 30,
      silentCutsPerMinute: 30,
      crashesPerMinute: 30,
      freezesPerMinute: 30,
      outageMs: [10, 500],
    })
    await network.advance(120_000)
    chaos.stop()
    const { drops, cuts, silentCuts, crashes, freezes } = chaos.counts
    for (const count of [drops, cuts, silentCuts, crashes, freezes]) expect(count).toBeGreaterThan(20)
    expect(drops).toBeLessThan(200)
    expect([network.link('a', 'b').isCut, b.running, b.frozen]).toEqual([false, true, false])
    expect(network.log.length).toBeGreaterThan(200)
  })

  it('fails the test when a program cannot start again', async () => {
    let first = true
    network.host('b').start(() => {
      if (!first) throw new Error('no disk')
      first = false
    })
    network.chaos({ crashesPerMinute: 60 })
    await expect(network.advance(600_000)).rejects.toThrow('no disk')
  })
})

describe('the seed', () => {
  const course = async (seed: number): Promise<string[]> => {
    begin({ seed, jitterMs: 10, chunking: 'random' })
    const [a, b] = await pair()
    network.chaos({ silentCutsPerMinute: 30 })
    network.host('a').run(() => setInterval(() => a.pipe.write([Buffer.alloc(Math.random() * 1000)]), 100))
    await network.advance(10_000)
    return [...network.log, ...b.chunks.map(({ at, bytes }) => `${at}: ${bytes.length}`)]
  }

  it('decides what happens', async () => {
    const first = await course(7)
    expect(first.length).toBeGreaterThan(50)
    expect(await course(7)).toEqual(first)
    expect(await course(8)).not.toEqual(first)
  })
})
