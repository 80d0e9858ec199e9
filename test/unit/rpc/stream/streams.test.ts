import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CallStreams } from '../../../../src/rpc/stream/streams.ts'
import { deliver, type End, type EndOptions, flow, ITEM_BYTES, joined, numbers, readAll, Source, settled } from './stream-link.ts'

/** One stream from `near` to `far`, started. */
function stream(steps: Iterable<unknown>, options: EndOptions = {}) {
  const ends = joined(options)
  const source = new Source(steps)
  const reader = ends.far.streams.incoming(ends.near.streams.outgoing(source))
  ends.near.streams.start()
  return { ...ends, source, reader }
}

/** Room for ten items. */
const TEN = { windowBytes: 10 * ITEM_BYTES }

const unhandled: unknown[] = []
const note = (reason: unknown): unknown => unhandled.push(reason)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(async () => {
  await settled()
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0), 'unhandled rejections').toEqual([])
})

function idleOnce(...ends: End[]): void {
  for (const end of ends) expect([end.streams.open, end.idleTimes]).toEqual([0, 1])
}

describe('a stream', () => {
  it('arrives whole and in order, and ends on both sides', async () => {
    const { near, far, source, reader } = stream(numbers(1000), TEN)
    const read = readAll(reader)
    await flow(near, far)
    expect(await read).toEqual({ items: [...numbers(1000)], error: undefined })
    expect(source.returns).toBe(0)
    idleOnce(near, far)
    expect(await reader.next()).toEqual({ done: true, value: undefined })
  })

  it('may be empty', async () => {
    const { near, far, reader } = stream([])
    await flow(near, far)
    expect(await readAll(reader)).toEqual({ items: [], error: undefined })
    expect(near.log).toEqual(['end 0 0'])
    idleOnce(near, far)
  })

  it('is not asked for anything before the message with its number is on its way', async () => {
    const { near } = joined()
    const source = new Source(numbers())
    near.streams.outgoing(source)
    await settled()
    expect([source.pulls, near.streams.open]).toEqual([0, 1])
    near.streams.start()
    near.streams.start()
    expect(source.pulls).toBe(1)
  })

  it('ends with what its source threw, after the items before', async () => {
    const error = new Error('out of paper')
    const { near, far, source, reader } = stream([1, 2, error])
    await flow(near, far)
    expect(await readAll(reader)).toEqual({ items: [1, 2], error })
    expect(await reader.next(), 'an error comes once').toEqual({ done: true, value: undefined })
    expect(source.returns, 'a source that threw is at its end').toBe(0)
    idleOnce(near, far)
  })

  it('fails at an item that cannot be written, and its source is told to return', async () => {
    const { near, far, source, reader } = stream([1, Symbol('none'), 3])
    await flow(near, far)
    const { items, error } = await readAll(reader)
    expect([items, String(error)]).toEqual([[1], 'TypeError: a symbol cannot be written'])
    expect([source.pulls, source.returns]).toEqual([2, 1])
    idleOnce(near, far)
  })

  it('gives nothing but errors of its source, whatever the source is', async () => {
    const broken: AsyncIterable<unknown>[] = [
      { [Symbol.asyncIterator]: () => ({ next: () => undefined as unknown as Promise<IteratorResult<unknown>> }) },
      {
        [Symbol.asyncIterator]: () => ({
          next: () => {
            throw new Error('not even a promise')
          },
        }),
      },
      {
        [Symbol.asyncIterator]: () => ({
          next: async () => ({
            get done(): false {
              throw new Error('a getter')
            },
            value: 1,
          }),
        }),
      },
    ]
    for (const source of broken) {
      const { near, far } = joined()
      const reader = far.streams.incoming(near.streams.outgoing(source))
      near.streams.start()
      await flow(near, far)
      const { items, error } = await readAll(reader)
      expect([items, error instanceof Error]).toEqual([[], true])
      idleOnce(near, far)
    }
  })
})

describe('flow control', () => {
  it('holds a window at most for a stream that nobody reads, and asks its source for no more', async () => {
    const { near, far, source } = stream(numbers(), TEN)
    await flow(near, far)
    expect(near.log).toHaveLength(10)
    expect(source.pulls).toBe(10)
    expect(far.log).toEqual([])
  })

  it('lets one item overshoot', async () => {
    const { near, far, reader } = stream([99, 1000, 1], { windowBytes: 100, sizeOf: Number })
    await flow(near, far)
    expect(near.log).toEqual(['item 0 0', 'item 0 1'])
    const read = readAll(reader)
    await flow(near, far)
    expect((await read).items).toEqual([99, 1000, 1])
  })

  it('asks for nothing after an overshoot before all of it is made good', async () => {
    const { near, source } = stream([1000, 1], { windowBytes: 100, sizeOf: Number })
    await settled()
    near.streams.creditArrived(0, 900)
    await settled()
    expect(source.pulls).toBe(1)
    near.streams.creditArrived(0, 1)
    await settled()
    expect(source.pulls).toBe(2)
  })

  it('gives credit for what was taken, in few messages', async () => {
    const { near, far, reader } = stream(numbers(), TEN)
    await flow(near, far)
    for (let count = 0; count < 10; count++) await reader.next()
    expect(far.log).toEqual(['credit 0 30', 'credit 0 30', 'credit 0 30'])
    await flow(near, far)
    expect(near.log).toHaveLength(19)
  })

  it('keeps an item until the port takes it, and asks for no other', async () => {
    const ends = joined()
    const source = new Source(numbers(3))
    const reader = ends.far.streams.incoming(ends.near.streams.outgoing(source))
    ends.near.full = true
    ends.near.streams.start()
    await flow(ends.near, ends.far)
    expect([source.pulls, ends.near.log]).toEqual([1, []])
    ends.near.streams.writable()
    await settled()
    expect([source.pulls, ends.near.log]).toEqual([1, []])
    ends.near.full = false
    ends.near.streams.creditArrived(0, 1)
    await settled()
    expect(ends.near.log, 'credit is not what it waits for').toEqual([])
    ends.near.streams.writable()
    await flow(ends.near, ends.far)
    expect((await readAll(reader)).items).toEqual([0, 1, 2])
  })

  it('serves streams that wait for the port first come, first served', async () => {
    const { near } = joined()
    for (let count = 0; count < 3; count++) near.streams.outgoing(new Source(numbers()))
    near.full = true
    near.streams.start()
    await settled()
    for (let round = 0; round < 6; round++) {
      near.full = false
      const { item } = near
      near.item = (...args) => {
        const bytes = item.apply(near, args)
        near.full = true
        return bytes
      }
      near.streams.writable()
      await settled()
      near.item = item
    }
    expect(near.log).toEqual(['item 0 0', 'item 1 0', 'item 2 0', 'item 0 1', 'item 1 1', 'item 2 1'])
  })

  it('counts each stream by itself: one that is not read holds up no other', async () => {
    const { near, far } = joined(TEN)
    far.streams.incoming(near.streams.outgoing(new Source(numbers())))
    const second = far.streams.incoming(near.streams.outgoing(new Source(numbers(500))))
    near.streams.start()
    const read = readAll(second)
    await flow(near, far)
    expect((await read).items).toHaveLength(500)
  })
})

describe('a reader that wants no more', () => {
  it('stops the writer by leaving its loop, and the source returns once', async () => {
    const { near, far, source, reader } = stream(numbers(), TEN)
    await flow(near, far)
    for await (const item of reader) if (item === 4) break
    expect(far.log).toEqual(['credit 0 30', 'stop 0 0'])
    await flow(near, far)
    expect(source.returns).toBe(1)
    idleOnce(near, far)
    expect(await reader.next()).toEqual({ done: true, value: undefined })
    await reader.return()
    expect(far.log).toHaveLength(2)
  })

  it('may have items on the way: they are dropped', async () => {
    const { near, far, reader } = stream(numbers(), TEN)
    await settled()
    await reader.return()
    deliver(near)
    expect(await reader.next()).toEqual({ done: true, value: undefined })
    expect(far.log).toEqual(['stop 0 0'])
  })

  it('ends its own waiting calls', async () => {
    const { near, far, source, reader } = stream(numbers(), TEN)
    source.hold()
    const waiting = [reader.next(), reader.next()]
    await reader.return()
    expect((await Promise.all(waiting)).map(({ done }) => done)).toEqual([true, true])
    source.release()
    await flow(near, far)
    expect(source.returns).toBe(1)
    idleOnce(near, far)
  })

  it('gets what it threw back, and the writer hears of it', async () => {
    const { near, far, source, reader } = stream(numbers())
    const error = new Error('enough')
    await expect(reader.throw(error)).rejects.toBe(error)
    expect(far.sent[0]?.value).toBe('enough')
    await flow(near, far)
    expect(source.returns).toBe(1)
  })

  it('stops the writer at the end of its scope', async () => {
    const { near, far, source, reader } = stream(numbers())
    await reader[Symbol.asyncDispose]()
    await flow(near, far)
    expect(source.returns).toBe(1)
    idleOnce(near, far)
  })

  it('may say so when the writer has ended already: nothing is sent', async () => {
    const { near, far, reader } = stream(numbers(3))
    await flow(near, far)
    await reader.return()
    expect(far.log).toEqual([])
    expect(await reader.next()).toEqual({ done: true, value: undefined })
    idleOnce(near, far)
  })

  it('does not disturb an end that crosses its stop', async () => {
    const { near, far, source, reader } = stream(numbers(1))
    await settled()
    await reader.return()
    await flow(near, far)
    expect([near.log, far.log]).toEqual([['item 0 0', 'end 0 1'], ['stop 0 0']])
    expect(source.returns, 'it had ended').toBe(0)
    idleOnce(near, far)
  })

  it('stops a source that is being asked, one that waits for the port, and one that cannot even return', async () => {
    const asked = stream(numbers())
    asked.source.hold()
    await settled()
    await asked.reader.return()
    await flow(asked.far, asked.near)
    expect(asked.source.returns).toBe(1)
    asked.source.release()
    await settled()
    expect(asked.near.log, 'what it gave after that goes nowhere').toEqual(['item 0 0'])

    const blocked = stream(numbers())
    blocked.near.full = true
    await settled()
    await blocked.reader.return()
    await flow(blocked.far, blocked.near)
    blocked.near.full = false
    blocked.near.streams.writable()
    await settled()
    expect([blocked.source.returns, blocked.near.log]).toEqual([1, []])

    const errors: unknown[] = []
    const bad = stream(numbers(), { onSourceError: (error) => errors.push(error) })
    bad.source.returnThrows = true
    await bad.reader.return()
    await flow(bad.near, bad.far)
    expect([bad.source.returns, String(errors)]).toEqual([1, 'Error: the source cannot even return'])
    idleOnce(bad.near, bad.far)
  })
})

describe('a reader that is let go of', () => {
  const collect = (() => {
    setFlagsFromString('--expose-gc')
    return runInNewContext('gc') as () => void
  })()

  /** Until it happens; garbage is collected when the engine likes. */
  async function collected(happened: () => boolean): Promise<void> {
    for (let round = 0; round < 100 && !happened(); round++) {
      collect()
      await settled()
    }
  }

  it('unread, stops its writer once it is collected', async () => {
    const { near, far } = joined(TEN)
    const source = new Source(numbers())
    far.streams.incoming(near.streams.outgoing(source))
    near.streams.start()
    await flow(near, far)
    await collected(() => far.sent.length > 0)
    expect(far.sent[0]).toMatchObject({ kind: 'stop', value: 'its reader was let go of' })
    await flow(near, far)
    expect(source.returns).toBe(1)
    idleOnce(near, far)
  })

  it('while somebody waits for an item, is kept until the item is there', async () => {
    const { near, far } = joined(TEN)
    const source = new Source(numbers())
    source.hold()
    const next = far.streams.incoming(near.streams.outgoing(source)).next()
    near.streams.start()
    for (let round = 0; round < 5; round++) {
      collect()
      await flow(near, far)
    }
    expect(far.log).toEqual([])
    source.release()
    await flow(near, far)
    expect(await next).toEqual({ done: false, value: 0 })
    await collected(() => far.sent.length > 0)
    expect(far.log).toEqual(['stop 0 0'])
  })
})

describe('reading', () => {
  it('may ask for several items at once: they come in order, and the rest end', async () => {
    const { near, far, reader } = stream(numbers(2))
    const waiting = [reader.next(), reader.next(), reader.next(), reader.next()]
    await flow(near, far)
    expect((await Promise.all(waiting)).map(({ done, value }) => (done ? 'done' : value))).toEqual([0, 1, 'done', 'done'])
  })

  it('several at once, of a stream that fails: the first that gets no item gets the error', async () => {
    const error = new Error('failed')
    const { near, far, reader } = stream([0, error])
    const waiting = [reader.next(), reader.next(), reader.next()]
    const outcomes = Promise.allSettled(waiting)
    await flow(near, far)
    expect((await outcomes).map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.done : outcome.reason))).toEqual([
      false,
      error,
      true,
    ])
  })

  it('may begin with next and go on with a loop', async () => {
    const { near, far, reader } = stream(numbers(3))
    await flow(near, far)
    expect(await reader.next()).toEqual({ done: false, value: 0 })
    expect((await readAll(reader)).items).toEqual([1, 2])
  })

  it('a second time is refused', () => {
    const { reader } = stream(numbers())
    reader[Symbol.asyncIterator]()
    expect(() => reader[Symbol.asyncIterator]()).toThrow('[BAD_OPTION] this stream has been given to a reader already')
  })
})

describe('a far end that breaks the rules', () => {
  function reading(options: EndOptions = TEN) {
    const { near, far } = joined({ ...options, details: { endpoint: 'tcp://far', command: 'Tail' } })
    return { near, far, reader: far.streams.incoming(0) }
  }

  it('by a gap: the stream fails after the items before it, and the writer is stopped', async () => {
    const { far, reader } = reading()
    far.streams.itemArrived(0, 0, 'first', 10)
    far.streams.itemArrived(0, 2, 'third', 10)
    far.streams.itemArrived(0, 1, 'second', 10)
    const { items, error } = await readAll(reader)
    expect(items).toEqual(['first'])
    expect(error).toMatchObject({ code: 'PROTOCOL_ERROR', endpoint: 'tcp://far', command: 'Tail' })
    expect(String(error)).toContain('stream 0 is broken: item 2 came where item 1 was due')
    expect(far.log).toEqual(['stop 0 0'])
    idleOnce(far)
  })

  it('by sending more than its window: it fails, and what is kept stays bounded', async () => {
    const { far, reader } = reading()
    for (let sequence = 0; sequence < 50; sequence++) far.streams.itemArrived(0, sequence, sequence, 10)
    const { items, error } = await readAll(reader)
    expect(items).toEqual([...numbers(10)])
    expect(String(error)).toContain('more came than its window of 100 bytes allows')
    expect(far.log).toEqual(['stop 0 0'])
  })

  it('by an end that leaves items out', async () => {
    const { far, reader } = reading()
    far.streams.itemArrived(0, 0, 'first', 10)
    far.streams.ended(0, 3)
    const { items, error } = await readAll(reader)
    expect([items, String(error)]).toEqual([
      ['first'],
      'ZmqRpcError: [PROTOCOL_ERROR] stream 0 is broken: it ended after 3 items, of which 1 came',
    ])
    expect(far.log, 'it has ended: there is nothing to stop').toEqual([])
  })

  it('by a failure that leaves items out: the failure is the cause', async () => {
    const { far, reader } = reading()
    const cause = new Error('out of paper')
    far.streams.failedThere(0, 1, cause)
    expect((await readAll(reader)).error).toMatchObject({ code: 'PROTOCOL_ERROR', cause })
  })

  it('by an item, or a second end, after the end, as long as the reader does not know of the end', async () => {
    for (const afterwards of [
      (streams: CallStreams) => streams.itemArrived(0, 1, 'second', 10),
      (streams: CallStreams) => streams.ended(0, 1),
      (streams: CallStreams) => streams.failedThere(0, 1, new Error('late')),
    ]) {
      const { far, reader } = reading()
      far.streams.itemArrived(0, 0, 'first', 10)
      far.streams.ended(0, 1)
      afterwards(far.streams)
      const { items, error } = await readAll(reader)
      expect([items, String(error).includes('came after its end')]).toEqual([['first'], true])
      afterwards(far.streams)
      expect(await reader.next()).toEqual({ done: true, value: undefined })
      idleOnce(far)
    }
  })

  it('by an item that cannot be read: the stream fails after the items before it', async () => {
    const { far, reader } = reading()
    far.streams.itemArrived(0, 0, 'first', 10)
    const error = new Error('not MessagePack')
    far.streams.unreadable(0, error)
    expect(await readAll(reader)).toEqual({ items: ['first'], error })
    expect(far.log).toEqual(['stop 0 0'])
    idleOnce(far)
  })

  it('by talking of streams that are not there: nothing happens', () => {
    const { far } = reading()
    far.streams.itemArrived(7, 0, 'x', 10)
    far.streams.ended(7, 0)
    far.streams.failedThere(7, 0, new Error('x'))
    far.streams.creditArrived(7, 10)
    far.streams.stopArrived(7)
    expect([far.log, far.streams.open]).toEqual([[], 1])
  })

  it('by giving two streams one number, or having too many: the value with it is refused', () => {
    const { far } = reading({ maxStreams: 2 })
    expect(() => far.streams.incoming(0)).toThrow('[PROTOCOL_ERROR] stream 0 came twice')
    far.streams.incoming(65535)
    expect(() => far.streams.incoming(1)).toThrow('[PROTOCOL_ERROR] a call may have 2 streams in each direction')
    expect(far.streams.open).toBe(2)
  })
})

describe('the end of a call', () => {
  it('that is aborted: readers get what is there, then the error; sources return', async () => {
    const { near, far, source, reader } = stream(numbers(), TEN)
    await settled()
    deliver(near, 3)
    const error = new Error('connection lost')
    near.streams.abort(error)
    far.streams.abort(error)
    far.streams.abort(new Error('again'))
    expect(await readAll(reader)).toEqual({ items: [0, 1, 2], error })
    expect(source.returns).toBe(1)
    idleOnce(near, far)
    deliver(near)
    expect([far.log, far.idleTimes]).toEqual([[], 1])
  })

  it('that is aborted before it was sent: sources return', async () => {
    const { near } = joined()
    const source = new Source(numbers())
    near.streams.outgoing(source)
    near.streams.abort(new Error('cancelled'))
    near.streams.start()
    await settled()
    expect([source.pulls, source.returns, near.log]).toEqual([0, 1, []])
    idleOnce(near)
  })

  it('whose message could not be written: what it was to carry is told to return, what is under way goes on', async () => {
    const { near, far, source, reader } = stream(numbers(), TEN)
    const second = new Source(numbers())
    near.streams.outgoing(second)
    near.streams.withdraw()
    near.streams.start()
    await flow(near, far)
    expect([second.pulls, second.returns]).toEqual([0, 1])
    expect([source.returns, near.streams.open]).toEqual([0, 1])
    await reader.return()
    await flow(near, far)
    idleOnce(near, far)
  })

  it('that is aborted leaves no waiting reader behind', async () => {
    const { far, reader } = stream([])
    const waiting = Promise.allSettled([reader.next(), reader.next()])
    const error = new Error('closed')
    far.streams.abort(error)
    expect(await waiting).toMatchObject([
      { status: 'rejected', reason: error },
      { status: 'fulfilled', value: { done: true } },
    ])
  })

  it('ends at once what is registered after it', async () => {
    const { near } = joined()
    const error = new Error('cancelled')
    near.streams.abort(error)
    const source = new Source(numbers())
    near.streams.outgoing(source)
    expect((await readAll(near.streams.incoming(0))).error).toBe(error)
    expect(source.returns).toBe(1)
    expect(near.streams.open).toBe(0)
  })

  it('whose service is done: what it did not read is stopped, and says so to who still reads', async () => {
    const { near, far, source, reader } = stream(numbers(), TEN)
    await flow(near, far)
    far.streams.finish()
    await flow(near, far)
    expect(source.returns).toBe(1)
    const { items, error } = await readAll(reader)
    expect([items, (error as { code: string }).code]).toEqual([[...numbers(10)], 'CLOSED'])
    idleOnce(near, far)
  })

  it('whose result is a stream: what comes in is read as long as something goes out', async () => {
    const { near, far } = joined(TEN)
    const input = far.streams.incoming(near.streams.outgoing(new Source(numbers(100))))
    near.streams.start()
    async function* doubled(): AsyncGenerator<number> {
      for await (const item of input) if ((item as number) < 50) yield (item as number) * 2
    }
    const output = near.streams.incoming(far.streams.outgoing(doubled()))
    far.streams.start()
    far.streams.finish()
    const read = readAll(output)
    await flow(near, far)
    expect((await read).items).toEqual([...numbers(50)].map((item) => item * 2))
    idleOnce(near, far)
  })

  it('whose result is a stream that is stopped: what comes in is stopped, too', async () => {
    const { near, far } = joined(TEN)
    const source = new Source(numbers())
    far.streams.incoming(near.streams.outgoing(source))
    near.streams.start()
    const output = near.streams.incoming(far.streams.outgoing(new Source(numbers())))
    far.streams.start()
    far.streams.finish()
    await flow(near, far)
    await output.return()
    await flow(near, far)
    expect(source.returns).toBe(1)
    idleOnce(near, far)
  })

  it('is told again when streams came later', async () => {
    const { near, far } = stream([])
    await flow(near, far)
    idleOnce(near, far)
    near.streams.incoming(far.streams.outgoing(new Source([])))
    far.streams.start()
    await flow(near, far)
    expect([near.idleTimes, far.idleTimes]).toEqual([2, 2])
  })
})

describe('limits', () => {
  it('a call with too many streams cannot be written', () => {
    const { near } = joined({ maxStreams: 1, details: { command: 'Tail' } })
    near.streams.outgoing(new Source([]))
    expect(() => near.streams.outgoing(new Source([]))).toThrow('[BAD_COMMAND] a call may have 1 streams in each direction')
  })

  it('by default a window is 256 KiB, and a call has 100 streams', async () => {
    const { near, far, source } = stream(numbers(), { sizeOf: () => 1024 })
    await flow(near, far)
    expect(source.pulls).toBe(256)
    for (let count = 1; count < 100; count++) near.streams.outgoing(new Source([]))
    expect(() => near.streams.outgoing(new Source([]))).toThrow('100 streams')
  })
})
