import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Subscriptions } from '../../../src/socket/subscriptions.ts'

const topicOf = (text: string): Buffer => Buffer.from(text, 'latin1')

/** The slow and obvious way. */
class Naive {
  readonly held = new Map<string, Set<string>>()

  add(topic: string, holder: string): boolean {
    const holders = this.held.get(topic)
    if (holders === undefined) this.held.set(topic, new Set([holder]))
    else holders.add(holder)
    return holders === undefined
  }

  remove(topic: string, holder: string): boolean {
    const holders = this.held.get(topic)
    if (!holders?.delete(holder) || holders.size > 0) return false
    this.held.delete(topic)
    return true
  }

  holdersFor(frame: string): Set<string> {
    return new Set([...this.held].flatMap(([topic, holders]) => (frame.startsWith(topic) ? [...holders] : [])))
  }
}

describe('subscriptions', () => {
  const short = fc.string({ unit: fc.constantFrom('a', 'b', '\xff', '\0'), maxLength: 4 })
  // With much in common, so that they part, and meet again, in the middle.
  const long = fc.tuple(fc.constantFrom('same/same/', 'same/other/', 'same/sam', ''), short).map((parts) => parts.join(''))
  const topic = fc.oneof(short, long)
  const holder = fc.constantFrom('x', 'y', 'z')
  const step = fc.record({ what: fc.constantFrom('add', 'add', 'remove', 'match', 'removeAll'), topic, holder })

  it('do what a list of prefixes does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const subscriptions = new Subscriptions<string>()
        const naive = new Naive()
        for (const { what, topic: text, holder: who } of steps) {
          if (what === 'add') expect(subscriptions.add(topicOf(text), who)).toBe(naive.add(text, who))
          if (what === 'remove') expect(subscriptions.remove(topicOf(text), who)).toBe(naive.remove(text, who))
          if (what === 'removeAll') {
            const orphaned = [...naive.held.keys()].filter((held) => naive.remove(held, who))
            expect(
              subscriptions
                .removeAll(who)
                .map((each) => each.toString('latin1'))
                .sort(),
            ).toEqual(orphaned.sort())
          }
          expect(new Set(subscriptions.holdersFor(topicOf(text)))).toEqual(naive.holdersFor(text))
          expect(subscriptions.matches(topicOf(text))).toBe(naive.holdersFor(text).size > 0)
          expect(
            subscriptions
              .topics()
              .map((each) => each.toString('latin1'))
              .sort(),
          ).toEqual([...naive.held.keys()].sort())
        }
      }),
    )
  })

  it('count a holder once for each topic, as a publisher must', () => {
    const subscriptions = new Subscriptions<string>()
    expect(subscriptions.add(topicOf('a'), 'x')).toBe(true)
    expect(subscriptions.add(topicOf('a'), 'x')).toBe(false)
    expect(subscriptions.remove(topicOf('a'), 'x')).toBe(true)
    expect(subscriptions.matches(topicOf('a'))).toBe(false)
  })

  it('compare bytes, not text', () => {
    const subscriptions = new Subscriptions<string>()
    subscriptions.add(Buffer.from([0xc3]), 'x')
    expect(subscriptions.matches(Buffer.from('é'))).toBe(true)
    expect(subscriptions.matches(Buffer.from([0xff, 0xfd]))).toBe(false)
  })

  it('cost no more than the frame is long, however deeply they lie within each other', () => {
    const subscriptions = new Subscriptions<number>()
    const nested = (index: number): Buffer => topicOf('a'.repeat(index))
    for (let index = 0; index < 10_000; index++) subscriptions.add(Buffer.concat([nested(index), topicOf('b')]), index)
    const frame = nested(16_384)
    const started = process.cpuUsage()
    for (let count = 0; count < 100; count++) expect(subscriptions.holdersFor(frame).size).toBe(0)
    // By a table for each length it was 30 seconds.
    expect(process.cpuUsage(started).user).toBeLessThan(2e6)
    expect(subscriptions.holdersFor(Buffer.concat([nested(5000), topicOf('b')]))).toEqual(new Set([5000]))
    for (let index = 0; index < 10_000; index++) expect(subscriptions.removeAll(index)).toHaveLength(1)
    expect(subscriptions.topics()).toEqual([])
  })

  it('take 200,000 topics in no time worth speaking of', () => {
    const subscriptions = new Subscriptions<string>()
    const started = process.cpuUsage()
    for (let index = 0; index < 200_000; index++) subscriptions.add(topicOf(`topic ${index}`), 'x')
    expect(subscriptions.holdersFor(topicOf('topic 199999 and more')).size).toBe(1)
    subscriptions.removeAll('x')
    expect(subscriptions.topics()).toEqual([])
    expect(process.cpuUsage(started).user).toBeLessThan(5e6)
  })
})
