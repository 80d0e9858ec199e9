import { expect, it } from 'vitest'
import { soak } from '../../../soak/virtual.js'
import * as rpc from '../../../src/index.ts'
import * as testing from '../../../src/testing/index.ts'

/** Of the sources, not of the built package that the program's types are of. */
const SOURCES = [rpc as never, testing as never] as const

it.each([1, 2])(
  'five thousand calls end once each on a network that breaks all the time, and leave nothing behind: seed %d',
  async (seed) => {
    const { complaints, outcomes } = await soak(...SOURCES, { calls: 5000, seed })
    expect(complaints).toEqual([])
    expect(outcomes['result']).toBeGreaterThan(2000)
  },
)

it('a seed takes the same course again', async () => {
  const [one, two] = [await soak(...SOURCES, { calls: 1000, seed: 3 }), await soak(...SOURCES, { calls: 1000, seed: 3 })]
  expect(two.outcomes).toEqual(one.outcomes)
  expect(two.virtualMs).toBe(one.virtualMs)
})
