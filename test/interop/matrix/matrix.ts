/** What every foreign implementation is put through; `jeromq.test.ts` and its like say what is known about each. */

import { describe } from 'vitest'
import { peer } from '../../helpers/peers.ts'
import { connections } from './connections.ts'
import { patterns } from './patterns.ts'
import { refusals } from './security.ts'
import { topics } from './topics.ts'
import { Bench, type UnderTest } from './under-test.ts'

export function matrix(under: UnderTest): void {
  describe.skipIf(!peer(under.name).available)(under.name, () => {
    const bench = new Bench(under)
    describe('patterns', () => patterns(bench, 'NULL'))
    describe('topics', () => topics(bench))
    describe('connections', () => connections(bench))
    for (const mechanism of under.mechanisms ?? []) {
      describe(mechanism, () => {
        patterns(bench, mechanism)
        refusals(bench, mechanism)
      })
    }
  })
}
