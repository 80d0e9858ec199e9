import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Latencies } from '../../../src/cli/latencies.ts'

const durations = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 })

function of(times: readonly number[]): Latencies {
  const latencies = new Latencies()
  for (const ms of times) latencies.add(ms)
  return latencies
}

describe('latencies', () => {
  it('tell percentiles within one percent', () => {
    fc.assert(
      fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (times, part) => {
        const sorted = [...times].sort((a, b) => a - b)
        const exact = sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] as number
        expect(of(times).percentileMs(part) / exact).toBeGreaterThan(0.988)
        expect(of(times).percentileMs(part) / exact).toBeLessThan(1.012)
      }),
    )
  })

  it('tell the least, the most and the mean exactly', () => {
    expect(of([3, 1, 2])).toMatchObject({ count: 3, leastMs: 1, mostMs: 3, meanMs: 2 })
  })

  it('stand in bars, each in one', () => {
    fc.assert(
      fc.property(durations, fc.integer({ min: 2, max: 20 }), (times, most) => {
        const bars = of(times).bars(most)
        expect(bars.length).toBeLessThanOrEqual(most + 1)
        expect(bars.reduce((sum, { count }) => sum + count, 0)).toBe(times.length)
        for (const { fromMs, toMs } of bars) expect(fromMs).toBeLessThanOrEqual(toMs * 1.012)
      }),
    )
    expect(of([]).bars(5)).toEqual([])
  })
})
