import { performance } from 'node:perf_hooks'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Deadlines, Timed, timerMs } from '../../../src/rpc/deadlines.ts'

/** How late a deadline may be met, ms: the grain of the wheel. */
const TICK_MS = 8

class Due extends Timed {
  times = 0
  readonly #whenExpired: (due: Due) => void
  constructor(whenExpired: (due: Due) => void = () => {}) {
    super()
    this.#whenExpired = whenExpired
  }
  override expired(): void {
    this.times++
    this.#whenExpired(this)
  }
}

/** The time that the wheel sees. */
let now = 0

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  now = 1000.25
})

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** Time passes, and the process notices only now. */
function pass(ms: number): void {
  now += ms
  vi.advanceTimersByTime(TICK_MS)
}

describe('many deadlines', () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        add: fc.oneof(fc.nat(200), fc.double({ min: 0, max: 40_000, noNaN: true }), fc.constant(Number.POSITIVE_INFINITY)),
      }),
    },
    { weight: 2, arbitrary: fc.record({ remove: fc.nat() }) },
    { weight: 4, arbitrary: fc.record({ pass: fc.oneof(fc.double({ min: 0, max: 30, noNaN: true }), fc.nat(20_000)) }) },
  )

  it('are each met once, never early, at most a tick late, and never when removed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const wheel = new Deadlines()
        const model = new Map<Due, number>()
        const removed: Due[] = []
        const met = new Set<Due>()
        const add = (ms: number): void => {
          const due = new Due((one) => {
            expect(model.get(one), 'the deadline of what expired').toBeLessThanOrEqual(now)
            expect(model.delete(one)).toBe(true)
            met.add(one)
          })
          model.set(due, now + ms)
          wheel.add(due, ms)
        }
        const look = (): void => {
          const finite = [...model.values()].filter((deadline) => deadline < Number.POSITIVE_INFINITY)
          expect(wheel.size).toBe(finite.length)
          for (const deadline of finite) expect(deadline).toBeGreaterThan(now - TICK_MS)
        }
        for (const step of steps) {
          if ('add' in step) {
            add(step.add)
          } else if ('remove' in step) {
            const all = [...model.keys()]
            const one = all[step.remove % Math.max(all.length, 1)]
            if (one === undefined) continue
            wheel.remove(one)
            model.delete(one)
            removed.push(one)
          } else {
            pass(step.pass)
            look()
          }
        }
        pass(50_000)
        pass(TICK_MS)
        look()
        expect(wheel.size).toBe(0)
        for (const due of met) expect(due.times).toBe(1)
        for (const due of removed) expect(due.times).toBe(0)
        expect(vi.getTimerCount(), 'timers that are left').toBe(0)
      }),
      { numRuns: 300 },
    )
  })

  it('are met after the process stood still for many turns of the wheel', () => {
    const wheel = new Deadlines()
    const dues = Array.from({ length: 2000 }, () => new Due())
    for (const [index, due] of dues.entries()) wheel.add(due, index * 37)
    pass(10 * 60_000)
    expect(dues.map((due) => due.times)).toEqual(dues.map(() => 1))
    expect(wheel.size).toBe(0)
  })

  it('share one timer, which ends with the last of them', () => {
    const wheel = new Deadlines()
    const dues = Array.from({ length: 1000 }, () => new Due())
    for (const due of dues) wheel.add(due, 5000)
    expect(vi.getTimerCount()).toBe(1)
    for (const due of dues) wheel.remove(due)
    pass(TICK_MS)
    expect(vi.getTimerCount()).toBe(0)
    wheel.add(dues[0] as Due, 10)
    expect(vi.getTimerCount()).toBe(1)
    pass(20)
    expect(dues[0]?.times).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('one deadline', () => {
  it('may be put off by another that is met in the same moment', () => {
    const wheel = new Deadlines()
    const dues: Due[] = []
    const putOffOther = (one: Due): void => {
      for (const due of dues) {
        if (due === one || due.times > 0) continue
        wheel.remove(due)
        wheel.add(due, 1000)
      }
    }
    dues.push(new Due(putOffOther), new Due(putOffOther))
    for (const due of dues) wheel.add(due, 10)
    pass(20)
    expect(dues.map((due) => due.times).sort()).toEqual([0, 1])
    pass(990)
    expect(dues.map((due) => due.times).sort()).toEqual([0, 1])
    pass(20)
    expect(dues.map((due) => due.times)).toEqual([1, 1])
    expect(wheel.size).toBe(0)
  })

  it('may be removed by another that is met in the same moment', () => {
    const wheel = new Deadlines()
    const dues: Due[] = []
    const removeOther = (one: Due): void => {
      for (const due of dues) if (due !== one) wheel.remove(due)
    }
    dues.push(new Due(removeOther), new Due(removeOther))
    for (const due of dues) wheel.add(due, 10)
    pass(20)
    expect(dues.map((due) => due.times).sort()).toEqual([0, 1])
    expect(wheel.size).toBe(0)
  })

  it('may be set while others are met', () => {
    const wheel = new Deadlines()
    const second = new Due()
    wheel.add(new Due(() => wheel.add(second, 0)), 10)
    pass(20)
    expect(second.times).toBe(0)
    pass(TICK_MS)
    pass(TICK_MS)
    expect(second.times).toBe(1)
  })

  it('is none when it is infinite: nothing waits', () => {
    const wheel = new Deadlines()
    const due = new Due()
    wheel.add(due, Number.POSITIVE_INFINITY)
    expect(wheel.size).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
    wheel.remove(due)
    expect(wheel.size).toBe(0)
  })

  it('may be removed twice', () => {
    const wheel = new Deadlines()
    const due = new Due()
    wheel.add(due, 10)
    wheel.remove(due)
    wheel.remove(due)
    expect(wheel.size).toBe(0)
  })
})

describe('in real time', () => {
  it('a deadline is met about when it is due, not before', async () => {
    vi.useRealTimers()
    vi.restoreAllMocks()
    const wheel = new Deadlines()
    const start = performance.now()
    const ended = await new Promise<number>((resolve) => wheel.add(new Due(() => resolve(performance.now())), 40))
    expect(ended - start).toBeGreaterThanOrEqual(40)
    expect(ended - start).toBeLessThan(2000)
  })

  it('a time that no timer of Node can wait is shortened to what it can', () => {
    expect(timerMs(Number.POSITIVE_INFINITY)).toBe(0x7fff_ffff)
    expect(timerMs(2 ** 40)).toBe(0x7fff_ffff)
    expect(timerMs(5)).toBe(5)
  })
})
