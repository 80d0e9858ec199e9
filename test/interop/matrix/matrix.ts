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
    // What may stay mute when it connects may do so when it comes back, and when it is to be refused.
    const mayFail = { retry: under.mutelyConnects === undefined ? 0 : 3 }
    describe('patterns', () => patterns(bench, 'NULL'))
    describe('topics', () => topics(bench))
    describe('connections', mayFail, () => connections(bench))
    for (const mechanism of under.mechanisms ?? []) {
      describe(mechanism, () => {
        patterns(bench, mechanism)
        describe('letting in', mayFail, () => refusals(bench, mechanism))
      })
    }
  })
}
