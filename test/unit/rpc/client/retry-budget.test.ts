import { performance } from 'node:perf_hooks'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RetryBudget } from '../../../../src/rpc/client/retry-budget.ts'

let now = 0

beforeEach(() => {
  now = 5000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
})

afterEach(() => void vi.restoreAllMocks())

/** Takes all there is. */
function drain(budget: RetryBudget): number {
  let count = 0
  while (budget.take()) count++
  return count
}

describe('a budget of retries', () => {
  it('allows a few without any call, and then one a second', () => {
    const budget = new RetryBudget()
    expect(drain(budget)).toBe(10)
    now += 1000
    expect(drain(budget)).toBe(0)
    let taken = 0
    for (let second = 0; second < 100; second++) {
      now += 1000
      taken += drain(budget)
    }
    expect(taken).toBeGreaterThan(80)
    expect(taken).toBeLessThanOrEqual(100)
  })

  it('allows a part of the calls', () => {
    const budget = new RetryBudget({ ratio: 0.25, minPerSecond: 0 })
    expect(drain(budget)).toBe(0)
    for (let count = 0; count < 100; count++) budget.called()
    expect(drain(budget)).toBe(25)
    expect(drain(budget)).toBe(0)
  })

  it('forgets calls of long ago', () => {
    const budget = new RetryBudget({ ratio: 1, minPerSecond: 0 })
    for (let count = 0; count < 1000; count++) budget.called()
    now += 60_000
    expect(drain(budget)).toBe(2)
    now += 3_600_000
    expect(drain(budget)).toBe(0)
    now += 3_600_000
    for (let count = 0; count < 5; count++) budget.called()
    expect(drain(budget), 'those of just now count in full').toBe(5)
  })

  it('keeps no debt for long', () => {
    const budget = new RetryBudget()
    drain(budget)
    now += 60_000
    expect(drain(budget)).toBe(9)
  })

  it('can be closed: nothing is tried again', () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 0 })
    for (let count = 0; count < 1000; count++) budget.called()
    expect(budget.take()).toBe(false)
  })

  it('never allows more than its part of all calls, its reserve, and its rate', () => {
    const step = fc.record({ passMs: fc.nat(3000), calls: fc.nat(50), wanted: fc.nat(50) })
    fc.assert(
      fc.property(fc.array(step), fc.double({ min: 0, max: 2, noNaN: true }), fc.nat(5), (steps, ratio, minPerSecond) => {
        const start = now
        const budget = new RetryBudget({ ratio, minPerSecond })
        let calls = 0
        let taken = 0
        for (const { passMs, calls: more, wanted } of steps) {
          now += passMs
          for (let count = 0; count < more; count++) budget.called()
          calls += more
          for (let count = 0; count < wanted; count++) if (budget.take()) taken++
          const most = ratio * calls + minPerSecond * 10 + (minPerSecond * (now - start)) / 1000
          expect(taken).toBeLessThanOrEqual(most + 1e-6)
        }
      }),
    )
  })

  it('refuses what is no number', () => {
    expect(() => new RetryBudget({ ratio: -1 })).toThrow('[BAD_OPTION] retryBudget.ratio is -1, not a number from 0 up')
    expect(() => new RetryBudget({ minPerSecond: Number.NaN })).toThrow('[BAD_OPTION] retryBudget.minPerSecond')
  })
})
