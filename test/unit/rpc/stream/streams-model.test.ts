/** Streams under any order of events: a model says what each reader must have got, and what both ends must agree on. */

import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { StreamReader } from '../../../../src/rpc/stream/incoming-stream.ts'
import { deliver, type End, joined, settled } from './stream-link.ts'

/** Gives what the test offers, when it offers it. */
class Tap implements AsyncIterable<number> {
  offered = 0
  pulls = 0
  returns = 0
  readonly faults: string[] = []
  /** Its source ended or threw by itself, and the writer knows. */
  finished = false
  #last: 'end' | Error | undefined
  #given = 0
  #asked: ((result: IteratorResult<number>) => void) | undefined
  #refuse: ((error: Error) => void) | undefined

  offer(): void {
    if (this.#last === undefined) this.offered++
    this.#give()
  }

  finish(how: 'end' | Error): void {
    this.#last ??= how
    this.#give()
  }

  get outcome(): 'end' | Error | undefined {
    return this.#last
  }

  [Symbol.asyncIterator](): AsyncIterator<number> {
    return {
      next: () =>
        new Promise((resolve, reject) => {
          this.pulls++
          if (this.returns > 0) this.faults.push('asked after it was told to return')
          if (this.#asked !== undefined) this.faults.push('asked twice at a time')
          this.#asked = resolve
          this.#refuse = reject
          this.#give()
        }),
      return: async () => {
        this.returns++
        return { done: true, value: undefined }
      },
    }
  }

  #give(): void {
    const asked = this.#asked
    if (asked === undefined) return
    if (this.#given === this.offered && this.#last === undefined) return
    this.#asked = undefined
    if (this.#given < this.offered) return asked({ done: false, value: this.#given++ })
    this.finished = true
    if (this.#last === 'end') asked({ done: true, value: undefined })
    else this.#refuse?.(this.#last as Error)
  }
}

/** One stream, from its writer's tap to what its reader saw. */
class Stream {
  readonly tap = new Tap()
  readonly number: number
  readonly from: End
  readonly to: End
  readonly reader: StreamReader
  readonly got: number[] = []
  /** What the reader's calls ended with: the first that is no item. */
  outcome: 'end' | Error | undefined
  taking = 0
  taken = 0
  /** What was taken before the reader returned. */
  takenBeforeReturn: number | undefined

  constructor(from: End, to: End) {
    this.from = from
    this.to = to
    this.number = from.streams.outgoing(this.tap)
    from.streams.start()
    this.reader = to.streams.incoming(this.number)
  }

  take(): void {
    this.taking++
    this.taken++
    this.reader.next().then(
      ({ done, value }) => {
        this.taking--
        if (done === true) this.outcome ??= 'end'
        else this.got.push(value as number)
      },
      (error: Error) => {
        this.taking--
        this.outcome ??= error
      },
    )
  }
}

const WINDOW_BYTES = 40
const sizeOf = (value: unknown): number => 1 + (((value as number) * 7) % 13)

const which = fc.nat(3)
const what = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('offer' as const), stream: which, count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('take' as const), stream: which, count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 16, arbitrary: fc.record({ do: fc.constant('deliver' as const), end: fc.boolean(), count: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('block' as const), end: fc.boolean(), full: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), stream: which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), stream: which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('return' as const), stream: which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('finish' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), rarely: fc.nat(3) }) },
)
const actions = fc.array(fc.tuple(what, fc.boolean()), { maxLength: 120, size: 'max' })

const unhandled: unknown[] = []
const note = (reason: unknown): unknown => unhandled.push(reason)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(() => void process.off('unhandledRejection', note))

it('whatever happens in whatever order: items in order, memory bounded, every stream ends once on both sides', async () => {
  await fc.assert(
    fc.asyncProperty(actions, async (steps) => {
      const { near, far } = joined({ windowBytes: WINDOW_BYTES, sizeOf })
      // Two streams of the client's state, two of the service's result.
      const streams = [new Stream(near, far), new Stream(near, far), new Stream(far, near), new Stream(far, near)]
      const cutError = new Error('the connection was cut')
      let cut = false
      let finished = false
      const unblock = (end: End): void => {
        end.full = false
        end.streams.writable()
      }

      for (const [step, settle] of steps) {
        const one = streams['stream' in step ? step.stream : 0] as Stream
        const end = 'end' in step && step.end ? near : far
        if (step.do === 'offer') for (let count = 0; count < step.count; count++) one.tap.offer()
        else if (step.do === 'take') for (let count = 0; count < step.count; count++) one.take()
        else if (step.do === 'deliver') deliver(end, step.count)
        else if (step.do === 'block' && step.full) end.full = true
        else if (step.do === 'block') unblock(end)
        else if (step.do === 'end') one.tap.finish('end')
        else if (step.do === 'fail') one.tap.finish(new Error(`source ${step.stream} failed`))
        else if (step.do === 'finish') {
          finished = true
          far.streams.finish()
        } else if (step.do === 'return') {
          one.takenBeforeReturn ??= one.taken
          void one.reader.return()
        } else if (step.do === 'cut' && step.rarely === 0) {
          cut = true
          for (const lost of [near, far]) {
            lost.sent.length = 0
            lost.streams.abort(cutError)
          }
        }
        if (settle) await settled()
        for (const stream of streams) checkBounds(stream)
        if (!cut) checkFinish(near, far, streams, finished)
      }

      // Whatever still runs is brought to its end.
      for (const { tap } of streams) tap.finish('end')
      for (const stream of streams) while (stream.taking === 0 || stream.taking < stream.tap.offered - stream.got.length + 1) stream.take()
      for (let still = 0; still < 3; still++) {
        for (const end of [near, far]) {
          unblock(end)
          still = end.sent.length > 0 ? 0 : still
          deliver(end)
        }
        await settled()
        for (const stream of streams) checkBounds(stream)
      }

      for (const stream of streams) checkEnd(stream, cut ? cutError : undefined, finished)
      for (const end of [near, far]) expect([end.streams.open, end.idleTimes], 'open streams, times idle').toEqual([0, 1])
      expect(unhandled, 'unhandled rejections').toEqual([])
    }),
    { numRuns: 150 },
  )
})

/** At any time. */
function checkBounds({ tap, from, to, number, got }: Stream): void {
  const sent = amounts(from, 'item', number)
  const lastBytes = sent.length === 0 ? 0 : sizeOf(sent.at(-1))
  expect(sumOf(sent) - lastBytes - sumOf(got), 'bytes on the way or kept, before the last item').toBeLessThan(WINDOW_BYTES)
  const credit = amounts(to, 'credit', number).reduce((sum, bytes) => sum + bytes, 0)
  expect(credit, 'credit').toBeLessThanOrEqual(sumOf(sent))
  expect(tap.pulls, 'items that were asked for').toBeLessThanOrEqual(sent.length + 1)
  expect(sent, 'sequence of what was sent').toEqual(sent.map((_, index) => index))
  expect(got, 'what was read').toEqual(got.map((_, index) => index))
  expect(got.length).toBeLessThanOrEqual(sent.length)
}

/** What the service did not read is stopped when it is done and nothing goes out any more, not before. */
function checkFinish(near: End, far: End, streams: readonly Stream[], finished: boolean): void {
  const [inputs, outputs] = [streams.filter(({ to }) => to === far), streams.filter(({ to }) => to === near)]
  const done = finished && outputs.every(({ tap, number }) => tap.returns > 0 || lastWords(far, number).length > 0)
  if (done) expect(far.streams.open, 'open streams of a service that is done').toBe(0)
  for (const { number, takenBeforeReturn } of inputs) {
    if (!done && takenBeforeReturn === undefined) expect(amounts(far, 'stop', number), 'stops before the service is done').toEqual([])
  }
}

/** When nothing happens any more. */
function checkEnd(stream: Stream, cut: Error | undefined, finished: boolean): void {
  const { tap, from, to, number, got, outcome, takenBeforeReturn } = stream
  const returned = takenBeforeReturn !== undefined
  const last = lastWords(from, number)
  expect(tap.faults).toEqual([])
  const stops = amounts(to, 'stop', number).length
  expect(last.length, 'last words of the writer').toBeLessThanOrEqual(1)
  expect(stops, 'stops').toBeLessThanOrEqual(1)
  expect(tap.returns, 'times the source was told to return').toBeLessThanOrEqual(1)
  // A source that was asked for its next item when it was told to return may have ended after that.
  if (!tap.finished) expect(tap.returns, 'a source that did not end by itself was told to return').toBe(1)
  if (last.length === 1) {
    expect(last[0], 'the last word counts the items').toBe(amounts(from, 'item', number).length)
    expect(tap.returns, 'a source that ended by itself is left alone').toBe(0)
  }
  if (cut === undefined && stops === 0) expect(last.length, 'a stream that nobody stopped ends by its writer').toBe(1)

  if (returned) expect(got.length, 'nothing comes after a return').toBeLessThanOrEqual(takenBeforeReturn)
  else if (!finished) expect(got.length, 'what came was delivered').toBe(to.arrived.get(number) ?? 0)
  expect(outcome, 'the reader knows of an end').toBeDefined()
  if (outcome === 'end' && !returned) {
    expect(tap.outcome, 'only what ended well ends well').toBe('end')
    expect(got.length, 'and it is whole').toBe(tap.offered)
  } else if (outcome === tap.outcome && !returned) {
    expect(got.length, 'all items come before the failure').toBe(tap.offered)
  } else if (!returned) {
    expect(outcome === cut || (finished && (outcome as { code?: string }).code === 'CLOSED'), `why it ended: ${outcome}`).toBe(true)
  }
}

function sumOf(items: readonly number[]): number {
  return items.reduce((sum, item) => sum + sizeOf(item), 0)
}

function lastWords(end: End, number: number): number[] {
  return [...amounts(end, 'end', number), ...amounts(end, 'failed', number)]
}

function amounts(end: End, kind: string, number: number): number[] {
  const start = `${kind} ${number} `
  return end.log.filter((line) => line.startsWith(start)).map((line) => Number(line.slice(start.length)))
}
