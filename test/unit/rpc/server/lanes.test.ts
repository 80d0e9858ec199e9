import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { verdictOf } from '../../../../src/rpc/buffer/verdict.ts'
import { encodeError } from '../../../../src/rpc/dialect/native/message.ts'
import { isForNow, type Lane, type LaneCall, Lanes } from '../../../../src/rpc/server/lanes.ts'

const peer = {}

class One implements LaneCall {
  readonly number: number
  lane: Lane | undefined
  turnedAway = false

  constructor(number: number) {
    this.number = number
  }

  turnAway(): void {
    this.turnedAway = true
    this.lane?.leave(this)
  }
}

function enter(lanes: Lanes<object>, one: One, behind: boolean, key = 'a'): boolean {
  one.lane = lanes.enter(one, peer, key, behind)
  return one.lane !== undefined
}

describe('an answer for now', () => {
  it('is one after which a buffer sends a command again, whatever its status', () => {
    const command = { name: 'Open' } as Parameters<typeof verdictOf>[1]
    for (let status = 201; status < 1000; status++) {
      const sentAgain = verdictOf(encodeError({ status, text: '' }), command).kind === 'again'
      expect([status, isForNow(status)]).toEqual([status, sentAgain])
    }
    expect(isForNow(200)).toBe(false)
  })
})

describe('a lane', () => {
  it('lets one call begin at a time, in the order in which they came', () => {
    const lanes = new Lanes()
    const [first, second] = [new One(1), new One(2)]
    enter(lanes, first, false)
    enter(lanes, second, true)
    expect([first, second].map((one) => one.lane?.mayBegin(one, false))).toEqual([true, false])
    first.lane?.begin(first)
    expect(second.lane?.mayBegin(second, false)).toBe(false)
    expect(second.lane?.mayBegin(second, true)).toBe(true)
    first.lane?.leave(first)
    expect(second.lane?.mayBegin(second, false)).toBe(true)
  })

  it('turns away what is behind a call that was not answered, until one comes that nothing is in front of', () => {
    const lanes = new Lanes()
    const [first, second, third, fourth] = [new One(1), new One(2), new One(3), new One(4)]
    enter(lanes, first, false)
    enter(lanes, second, true)
    first.lane?.broken(first)
    first.lane?.leave(first)
    expect(second.turnedAway).toBe(true)
    expect(enter(lanes, third, true)).toBe(false)
    expect(enter(lanes, first, false)).toBe(true)
    expect(enter(lanes, fourth, true)).toBe(true)
  })

  it('has nothing to do with those of another key, or of another peer', () => {
    const lanes = new Lanes<object>()
    const [first, second, third] = [new One(1), new One(2), new One(3)]
    enter(lanes, first, false)
    first.lane?.broken(first)
    expect(enter(lanes, second, true, 'b')).toBe(true)
    expect(lanes.enter(third, {}, 'a', true)).toBeDefined()
  })

  it('is forgotten when it is empty, but not while it stands; with its peer in any case', () => {
    const lanes = new Lanes()
    const [first, second] = [new One(1), new One(2)]
    enter(lanes, first, false)
    first.lane?.leave(first)
    expect(lanes.size).toBe(0)
    enter(lanes, first, false)
    first.lane?.broken(first)
    first.lane?.leave(first)
    expect(lanes.size).toBe(1)
    enter(lanes, second, false)
    second.lane?.leave(second)
    expect(lanes.size).toBe(0)
    enter(lanes, first, false)
    first.lane?.broken(first)
    lanes.forget(peer)
    expect(lanes.size).toBe(0)
  })

  it('that would be one too many to remember has everything turned away that has something in front of it', () => {
    const lanes = new Lanes()
    for (let number = 0; number < 1500; number++) {
      const one = new One(number)
      enter(lanes, one, false, `lane ${number}`)
      one.lane?.broken(one)
      one.lane?.leave(one)
    }
    expect(lanes.size).toBeLessThanOrEqual(1001)
    const [first, second] = [new One(1), new One(2)]
    expect(enter(lanes, second, true, 'lane 1400')).toBe(false)
    expect(enter(lanes, second, true, 'another')).toBe(false)
    expect(enter(lanes, first, false, 'lane 1400')).toBe(true)
    expect(enter(lanes, second, true, 'lane 1400')).toBe(true)
  })
})

/** A sender that goes back as a whole, and a server that turns away whatever it likes. */
describe('whatever is turned away, given up or slow', () => {
  it('what is carried out is carried out in order, and each once', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant('send' as const) },
      { weight: 4, arbitrary: fc.constant('begin' as const) },
      { weight: 4, arbitrary: fc.constant('answer' as const) },
      { weight: 2, arbitrary: fc.constant('refuse' as const) },
      { weight: 1, arbitrary: fc.constant('abort' as const) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, overlap) => {
        const lanes = new Lanes()
        const done: number[] = []
        /** Not done yet, in order; the sender's. */
        let toSend = Array.from({ length: 30 }, (_, number) => new One(number))
        let flying: One[] = []
        const begun = new Set<One>()
        const ended = (one: One, answered: boolean): void => {
          flying = flying.filter((other) => other !== one)
          if (!answered) toSend = [...toSend, one].sort((a, b) => a.number - b.number)
        }
        let goingBack = false
        for (const what of steps) {
          if (goingBack && flying.length === 0) goingBack = false
          const first = flying.find((one) => !begun.has(one))
          const running = [...begun][0]
          if (what === 'send' && !goingBack && toSend[0] !== undefined) {
            const one = toSend.shift() as One
            one.turnedAway = false
            const behind = flying.length > 0
            flying.push(one)
            if (!enter(lanes, one, behind)) {
              goingBack = true
              ended(one, false)
            }
          } else if (what === 'begin' && first?.lane?.mayBegin(first, overlap)) {
            first.lane.begin(first)
            begun.add(first)
            // An overlapping server keeps them in the order in which they begin.
            done.push(first.number)
          } else if (what === 'answer' && running !== undefined) {
            begun.delete(running)
            running.lane?.leave(running)
            ended(running, true)
          } else if ((what === 'refuse' || what === 'abort') && first?.lane !== undefined) {
            // Before it has begun: turned away, or given up by a sender that means to send it again.
            goingBack = true
            const { lane } = first
            lane.broken(first)
            lane.leave(first)
            ended(first, false)
          }
          for (const one of [...flying]) if (one.turnedAway && !begun.has(one)) ended(one, false)
        }
        expect(done).toEqual([...done].sort((a, b) => a - b))
        expect(new Set(done).size).toBe(done.length)
      }),
      { numRuns: 1000 },
    )
  })
})
