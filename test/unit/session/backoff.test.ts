import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Backoff } from '../../../src/session/backoff.ts'

const waits = (backoff: Backoff, times: number, refused = false): (number | undefined)[] =>
  Array.from({ length: times }, () => backoff.next(refused))

describe('the wait before the next attempt to connect', () => {
  it('is the first interval each time when it is not to grow', () => {
    expect(waits(new Backoff({ reconnectInterval: 100, reconnectMaxInterval: 0 }, () => 0), 4)).toEqual([100, 100, 100, 100])
  })

  it('has a random part of up to one interval', () => {
    expect(waits(new Backoff({ reconnectInterval: 100, reconnectMaxInterval: 0 }, () => 0.5), 2)).toEqual([150, 150])
  })

  it('doubles up to the longest interval', () => {
    expect(waits(new Backoff({ reconnectInterval: 100, reconnectMaxInterval: 900 }, () => 0), 6)).toEqual([100, 200, 400, 800, 900, 900])
  })

  it('does not shrink below the first interval when the longest is shorter', () => {
    expect(waits(new Backoff({ reconnectInterval: 100, reconnectMaxInterval: 10 }, () => 0), 2)).toEqual([100, 100])
  })

  it('starts again after a whole handshake', () => {
    const backoff = new Backoff({ reconnectInterval: 100, reconnectMaxInterval: 900 }, () => 0)
    waits(backoff, 3)
    backoff.succeeded()
    expect(waits(backoff, 2)).toEqual([100, 200])
  })

  it('is five seconds at least after a refusal', () => {
    expect(waits(new Backoff({ reconnectInterval: 100, reconnectMaxInterval: 0 }, () => 0), 1, true)).toEqual([5000])
    expect(waits(new Backoff({ reconnectInterval: 9000, reconnectMaxInterval: 0 }, () => 0), 1, true)).toEqual([9000])
  })

  it('never comes with an interval of -1', () => {
    const backoff = new Backoff({ reconnectInterval: -1, reconnectMaxInterval: 1000 })
    expect([backoff.next(false), backoff.next(true)]).toEqual([undefined, undefined])
  })

  it('stays within its bounds for ever', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 0, max: 0x7fff_ffff }), (first, most) => {
        const backoff = new Backoff({ reconnectInterval: first, reconnectMaxInterval: most })
        for (const wait of waits(backoff, 100)) {
          expect(wait).toBeGreaterThanOrEqual(first)
          expect(wait).toBeLessThanOrEqual(Math.max(first, most) + first)
        }
      }),
    )
  })
})
