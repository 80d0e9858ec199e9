/** Clients of the native dialect that keep to nothing: it costs the server little, and nobody else anything. */

import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Command, type RpcServer } from '../../../../src/index.ts'
import { KIND, NATIVE_1 } from '../../../../src/rpc/dialect/native/header.ts'
import {
  encodeCall,
  encodeCancel,
  encodeCredit,
  encodeEnd,
  encodeFailed,
  encodeHello,
  encodeItem,
  encodeReply,
  encodeStop,
} from '../../../../src/rpc/dialect/native/message.ts'
import { Count, deferred, Echo, endpointOf, Greet, until, useRpc } from '../../../helpers/rpc.ts'
import { Source } from './source.ts'
import { outcomeOf, Stranger } from './stranger.ts'

const rpc = useRpc()

const TCP = { rep: 'tcp://127.0.0.1:0' }

class Tail extends Command<AsyncIterable<unknown>> {
  static readonly commandName: string = 'Tail'
}

/** Takes whatever its state streams, one item at a time, when it is let. */
class Feed extends Command<number> {
  static readonly commandName: string = 'Feed'
  items: unknown = null
}

const header = (kind: number, number = 0, amount = 0): Buffer => {
  const bytes = Buffer.from([NATIVE_1, kind, number >> 8, number, 0, 0, 0, 0])
  bytes.writeUInt32BE(amount, 4)
  return bytes
}

/** A CALL whose state is the bytes given, behind a name. */
const callWith = (name: string, state: Buffer): Buffer[] => {
  const [body] = encodeCall({ name, state: null, timeLeftMs: 10_000, flags: 0 })
  return [Buffer.concat([(body as Buffer).subarray(0, -1), state])]
}

const memory = (): number => {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function expectAlive(server: RpcServer): Promise<void> {
  const client = rpc.client({ req: endpointOf(server) })
  expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  await client.close()
}

describe('a call that cannot be read', () => {
  const cases: [string, Buffer[], number][] = [
    ['nothing behind the header', [header(KIND.call)], 400],
    ['a name that is no text', [Buffer.concat([header(KIND.call), Buffer.from([0x07, 0x80])])], 400],
    ['a name that is cut off', [Buffer.concat([header(KIND.call), Buffer.from([0xd9, 0xff, 0x41])])], 400],
    [
      'extras that are none',
      [Buffer.concat([header(KIND.call, 1), Buffer.from([0xc0, 0xa5]), Buffer.from('Greet'), Buffer.from([0x80])])],
      400,
    ],
    ['no state', callWith('Greet', Buffer.alloc(0)), 400],
    ['a state that is no map', callWith('Greet', Buffer.from([0x07])), 400],
    ['a map of four billion', callWith('Greet', Buffer.from('dfffffffff', 'hex')), 400],
    ['an array of four billion', callWith('Echo', Buffer.from('81a576616c7565ddffffffff', 'hex')), 400],
    ['a binary of four billion', callWith('Echo', Buffer.from('81a576616c7565c6ffffffff', 'hex')), 400],
    ['a frame that did not come', callWith('Echo', Buffer.from('81a576616c7565c705030000000001', 'hex')), 400],
    ['depth without end', callWith('Echo', Buffer.concat([Buffer.from('81a576616c7565', 'hex'), Buffer.alloc(100_000, 0x91)])), 400],
    ['a text that is no UTF-8', callWith('Greet', Buffer.from('81a46e616d65a2ffff', 'hex')), 400],
    ['a command that nobody knows, within', callWith('Echo', Buffer.from('81a576616c7565c704 04 a14e 80'.replaceAll(' ', ''), 'hex')), 400],
    ['a stream twice', callWith('Echo', Buffer.from('81a57661 6c756592d5070000d5070000'.replaceAll(' ', ''), 'hex')), 400],
    ['an unknown command', callWith('Nobody', Buffer.from([0x80])), 451],
    ['__proto__ for a name', callWith('__proto__', Buffer.from([0x80])), 451],
    ['constructor for a name', callWith('constructor', Buffer.from([0x80])), 451],
    ['an empty name', callWith('', Buffer.from([0x80])), 451],
    ['a name of 100,000', callWith('x'.repeat(100_000), Buffer.from([0x80])), 400],
  ]

  it.each(cases)('is answered: %s', async (_name, body, status) => {
    const server = await rpc.started(TCP)
    const stranger = new Stranger(rpc, endpointOf(server))
    const before = memory()
    await stranger.say(1, body)
    expect(outcomeOf(await stranger.hear())).toBe(status)
    expect(memory() - before).toBeLessThan(50e6)
    await expectAlive(server)
  })

  it('has more than a hundred streams', async () => {
    const server = await rpc.started(TCP)
    const stranger = new Stranger(rpc, endpointOf(server))
    const streams = Array.from({ length: 200 }, (_, number) => Buffer.from([0xd5, 0x07, 0, number]))
    await stranger.say(1, callWith('Echo', Buffer.concat([Buffer.from('81a576616c7565dc00c8', 'hex'), ...streams])))
    expect(outcomeOf(await stranger.hear())).toBe(400)
    expect(server.stats()).toMatchObject({ running: 0, waiting: 0, streams: 0 })
  })

  it('pollutes nothing', async () => {
    let seen: unknown
    const server = rpc.server(TCP).register(Echo, ({ value }) => {
      seen = value
    })
    await server.start()
    const stranger = new Stranger(rpc, endpointOf(server))
    // { value: { __proto__: { polluted: 1 } }, __proto__: {} }
    const proto = 'a95f5f70726f746f5f5f'
    await stranger.say(1, callWith('Echo', Buffer.from(`82a576616c756581${proto}81a8706f6c6c7574656401${proto}80`, 'hex')))
    expect(outcomeOf(await stranger.hear())).toBeUndefined()
    expect(Object.keys(seen as object)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(seen)).toBe(Object.prototype)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })
})

describe('what belongs to no call', () => {
  it('is ignored, whatever it is: kinds of tomorrow, answers, words of a server', async () => {
    const server = await rpc.started(TCP)
    const stranger = new Stranger(rpc, endpointOf(server))
    for (let kind = 0; kind < 256; kind++) {
      if (kind === KIND.call) continue
      for (const id of [0, 1, 0xffffffff]) await stranger.say(id, [header(kind, 0xffff, 0xffffffff), randomBytes(20)])
    }
    await stranger.say(7, encodeReply('as if'))
    await stranger.say(0, encodeHello({ features: ['everything'] }))
    await stranger.say(7, encodeItem(0, 0, 'x'))
    await stranger.say(7, encodeCredit(0, 1))
    await stranger.say(7, encodeStop(3))
    expect(await stranger.probe()).toEqual([])
    expect(server.stats()).toMatchObject({ running: 0, waiting: 0, streams: 0 })
    await expectAlive(server)
  })

  it('may come a hundred thousand times', { timeout: 30_000 }, async () => {
    const server = await rpc.started(TCP)
    const stranger = new Stranger(rpc, endpointOf(server))
    const before = memory()
    for (let n = 0; n < 100_000; n++) await stranger.cancel(n)
    expect(await stranger.probe()).toEqual([])
    expect(memory() - before).toBeLessThan(50e6)
    await expectAlive(server)
  })
})

describe('a number that is in use', () => {
  it('begins no second call; that is counted, and the first is answered', async () => {
    const go = deferred()
    const server = await rpc.started(TCP, (server) => server.register(Count, ({ n }) => go.promise.then(() => n)))
    const stranger = new Stranger(rpc, endpointOf(server))
    await stranger.call(1, 'Count', { n: 1 })
    for (let n = 2; n < 50; n++) await stranger.call(1, 'Count', { n })
    expect(await stranger.probe()).toEqual([])
    expect(server.stats().dropped.duplicateCall).toBe(48)
    go.resolve()
    expect(outcomeOf(await stranger.hear())).toBe(1)
    await stranger.call(1, 'Count', { n: 7 })
    expect(outcomeOf(await stranger.hear())).toBe(7)
  })

  it('of a call that was cancelled is free at once, though its service goes on; nothing gets mixed up', async () => {
    const go = deferred()
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 100, maxQueuedCalls: 100 }, (server) =>
      server.register(Count, ({ n }) => (n === 0 ? 0 : go.promise.then(() => n))),
    )
    const stranger = new Stranger(rpc, endpointOf(server))
    for (let n = 1; n <= 5000; n++) {
      await stranger.call(1, 'Count', { n })
      await stranger.cancel(1)
    }
    // What runs on in services keeps its place: no more than may be under way are.
    expect(server.stats().running).toBeLessThanOrEqual(100)
    await until(() => server.stats().received === 5000, 'all were heard')
    await stranger.call(1, 'Count', { n: 6000 })
    await until(() => server.stats().waiting === 1, 'the last waits')
    go.resolve()
    expect(outcomeOf(await stranger.hear())).toBe(6000)
    await until(() => server.stats().running === 0, 'all is over')
    await expectAlive(server)
  })
})

describe('a writer that breaks the rules', () => {
  /** A server that keeps the stream that Feed gets, and takes items of it as it is told. */
  const fed = async (): Promise<{ server: RpcServer; stranger: Stranger; items: AsyncIterator<unknown>; end: () => void }> => {
    const got = deferred<AsyncIterator<unknown>>()
    const done = deferred<number>()
    const server = await rpc.started(TCP, (server) =>
      server.register(Feed, ({ items }) => {
        got.resolve((items as AsyncIterable<unknown>)[Symbol.asyncIterator]())
        return done.promise
      }),
    )
    const stranger = new Stranger(rpc, endpointOf(server))
    // Stream 0 stands in it.
    await stranger.say(1, callWith('Feed', Buffer.from('81a56974656d73d5070000', 'hex')))
    return { server, stranger, items: await got.promise, end: () => done.resolve(0) }
  }

  it('by sending more than its window: loses the stream, and the server holds no more than that', async () => {
    const { server, stranger, items } = await fed()
    const before = memory()
    const chunk = randomBytes(100_000)
    for (let n = 0; n < 2000; n++) await stranger.say(1, encodeItem(0, n, chunk))
    const said = await stranger.probe()
    expect(said.map(({ kind }) => kind)).toEqual([KIND.stop])
    expect(memory() - before).toBeLessThan(60e6)
    let taken = 0
    const reading = async (): Promise<void> => {
      for (; !(await items.next()).done; taken++);
    }
    await expect(reading()).rejects.toMatchObject({ code: 'PROTOCOL_ERROR', message: expect.stringContaining('its window') })
    expect(taken).toBe(3)
    await expectAlive(server)
  })

  it.each<[string, Buffer[][], RegExp]>([
    ['a gap in the sequence', [encodeItem(0, 0, 1), encodeItem(0, 2, 2)], /item 2 came where item 1 was due/],
    ['a sequence that begins anywhere', [encodeItem(0, 0xffffffff, 1)], /item 4294967295 came where item 0 was due/],
    ['an end too early', [encodeItem(0, 0, 1), encodeEnd(0, 5)], /ended after 5 items, of which 1 came/],
    ['an item that cannot be read', [[header(KIND.item, 0, 0), Buffer.from([0xc1])]], /cannot be read/],
    ['an item that is nothing', [[header(KIND.item, 0, 0)]], /cannot be read/],
    ['a failure that cannot be read', [[Buffer.concat([header(KIND.failed, 0, 0), Buffer.from([0xc1])])]], /cannot be read/],
  ])('by %s: the reader is told, and the call goes on', async (_name, bodies, text) => {
    const { server, stranger, items, end } = await fed()
    for (const body of bodies) await stranger.say(1, body)
    const reading = async (): Promise<void> => {
      while (!(await items.next()).done);
    }
    await expect(reading()).rejects.toThrow(text)
    end()
    let said = await stranger.hear()
    while (said.kind === KIND.stop) said = await stranger.hear()
    expect(outcomeOf(said)).toBe(0)
    await expectAlive(server)
    expect(server.stats()).toMatchObject({ running: 0, streams: 0 })
  })

  it('by talking of streams that there are not: is ignored', async () => {
    const { stranger, items, end } = await fed()
    for (const number of [1, 99, 0xffff]) {
      await stranger.say(1, encodeItem(number, 0, 'x'))
      await stranger.say(1, encodeEnd(number, 0))
      await stranger.say(1, encodeFailed(number, 0, { status: 463, text: 'x' }))
      await stranger.say(1, encodeCredit(number, 0xffffffff))
      await stranger.say(1, encodeStop(number))
    }
    await stranger.say(1, encodeItem(0, 0, 'right'))
    await stranger.say(1, encodeEnd(0, 1))
    expect(await items.next()).toEqual({ done: false, value: 'right' })
    expect((await items.next()).done).toBe(true)
    end()
    expect(outcomeOf(await stranger.hear())).toBe(0)
  })
})

describe('a reader that breaks the rules', () => {
  it('by giving credit without end, and reading nothing: costs what a deaf client may cost', { timeout: 30_000 }, async () => {
    const source = new Source(Number.POSITIVE_INFINITY, () => Buffer.alloc(10_000, 'x'))
    const server = await rpc.started(TCP, (server) => server.register(Tail, () => source))
    const deaf = new Stranger(rpc, endpointOf(server), { receiveHighWaterMark: 1 })
    const before = memory()
    await deaf.call(1, 'Tail')
    for (let n = 0; n < 1000; n++) await deaf.say(1, encodeCredit(0, 0xffffffff))
    let last = -1
    await until(async () => {
      await expectAlive(server)
      const same = source.given === last && source.given > 30
      last = source.given
      await new Promise((resolve) => setTimeout(resolve, 20))
      return same
    }, 'it goes no further')
    expect(memory() - before).toBeLessThan(80e6)
    await deaf.close()
    await until(() => source.ended === 'told to return', 'the writer is told')
    expect(server.stats()).toMatchObject({ running: 0, streams: 0, connections: 0 })
  })

  it('by leaving a thousand streams unread: each costs a window at most, and all of it when it leaves', async () => {
    const sources: Source[] = []
    const server = await rpc.started(TCP, (server) =>
      server.register(Tail, () => {
        const source = new Source(Number.POSITIVE_INFINITY, () => Buffer.alloc(4000, 'x'))
        sources.push(source)
        return source
      }),
    )
    const stranger = new Stranger(rpc, endpointOf(server), { receiveHighWaterMark: 1 })
    const before = memory()
    for (let id = 1; id <= 1000; id++) await stranger.call(id, 'Tail')
    await until(() => sources.length === 1000, 'all are answered')
    await expectAlive(server)
    expect(sources.reduce((sum, { given }) => sum + given, 0)).toBeLessThan(1000 * 70)
    expect(memory() - before).toBeLessThan(150e6)
    await stranger.close()
    await until(() => sources.every(({ ended }) => ended === 'told to return'), 'all are told')
    expect(server.stats()).toMatchObject({ running: 0, streams: 0 })
  })

  it('by stopping again and again, and by credit for what has ended: is ignored', async () => {
    const source = new Source(10)
    const server = await rpc.started(TCP, (server) => server.register(Tail, () => source))
    const stranger = new Stranger(rpc, endpointOf(server))
    await stranger.call(1, 'Tail')
    for (let n = 0; n < 5; n++) {
      await stranger.say(1, encodeStop(0, 'enough'))
      await stranger.say(1, encodeCredit(0, 0xffffffff))
      await stranger.say(1, encodeCancel('and more than enough'))
    }
    await stranger.probe()
    expect(source.ended).not.toBe('not yet')
    expect(server.stats()).toMatchObject({ running: 0, streams: 0 })
  })
})

describe('messages of any kind, in any order', () => {
  const body = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => [Buffer.from(bytes)]),
    fc
      .tuple(fc.nat(13), fc.nat(3), fc.oneof(fc.nat(5), fc.nat(0xffffffff)), fc.uint8Array({ maxLength: 30 }))
      .map(([kind, number, amount, rest]) => [Buffer.concat([header(kind, number, amount), rest])]),
    fc.constantFrom('Tail', 'Echo', 'Feed', 'Greet').map((name) => encodeCall({ name, state: { value: 1 }, timeLeftMs: 5000, flags: 0 })),
    fc.constant(callWith('Feed', Buffer.from('81a56974656d73d5070000', 'hex'))),
    fc.tuple(fc.nat(2), fc.nat(4)).map(([stream, sequence]) => encodeItem(stream, sequence, 'item')),
    fc.tuple(fc.nat(2), fc.nat(4)).map(([stream, sequence]) => encodeEnd(stream, sequence)),
    fc.nat(2).map((stream) => encodeStop(stream)),
    fc.tuple(fc.nat(2), fc.nat(0xffffffff)).map(([stream, bytes]) => encodeCredit(stream, bytes)),
    fc.constant(encodeCancel('x')),
  )

  it('leave the server as it was', { timeout: 60_000 }, async () => {
    const rejections: unknown[] = []
    const note = (reason: unknown): number => rejections.push(reason)
    process.on('unhandledRejection', note)
    rpc.defer(() => process.off('unhandledRejection', note))
    const server = await rpc.started(TCP, (server) => {
      server.register(Tail, () => new Source(1000, (n) => 'x'.repeat(n)))
      server.register(Feed, async ({ items }) => {
        let count = 0
        for await (const _item of items as AsyncIterable<unknown>) count++
        return count
      })
    })
    const client = rpc.client({ req: endpointOf(server) })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(4), body), { maxLength: 30 }), async (said) => {
        const stranger = new Stranger(rpc, endpointOf(server))
        for (const [id, frames] of said) await stranger.say(id, frames)
        await stranger.probe()
        expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
        await stranger.close()
      }),
      { numRuns: 150 },
    )
    await until(() => server.stats().streams === 0 && server.stats().running === 0 && server.stats().connections === 1, 'nothing is left')
    expect(rejections).toEqual([])
  })
})
