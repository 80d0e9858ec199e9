/**
 * A command on disk: through the whole buffered proxy, from the client's `submit` to its receipt, with 1, 100 and 1000 in flight, beside
 * what the disk itself can do. `BENCH_FOLDER` says on which disk.
 */

import { Peer } from '../lib/peer.js'
import { compete } from '../lib/rounds.js'
import { count, printStandings } from '../lib/table.js'

/** @param {number} inFlight @returns {import('../lib/rounds.js').Entrant[]} */
const entrants = (inFlight) => [
  {
    name: 'fdatasync loop',
    start: async () => {
      const disk = Peer.node('fsync.js')
      return { processes: [disk], run: (seconds) => disk.call('submit', { inFlight, seconds }) }
    },
  },
  {
    name: 'buffered proxy, nobody behind it',
    start: async () => {
      const [proxy, client] = [Peer.node('buffer.js'), Peer.node('buffer.js')]
      await client.call('connect', await proxy.call('listen'))
      return { processes: [proxy, client], run: (seconds) => client.call('submit', { inFlight, seconds }) }
    },
  },
  {
    name: 'buffered proxy, delivering meanwhile',
    start: async () => {
      const [server, proxy, client] = [Peer.node('buffer.js'), Peer.node('buffer.js'), Peer.node('buffer.js')]
      await client.call('connect', await proxy.call('listen', await server.call('listenServer')))
      return { processes: [server, proxy, client], run: (seconds) => client.call('submit', { inFlight, seconds }) }
    },
  },
]

export const title = 'buffer'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  for (const inFlight of [1, 100, 1000]) {
    const standings = await compete(entrants(inFlight), plan)
    printStandings(`Commands on disk, ${inFlight} in flight`, 'per second', standings, count)
  }
}
