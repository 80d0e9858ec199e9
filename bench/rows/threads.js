/**
 * What threads are worth, and what they cost: services that compute, that only answer, that wait, and that get 1 MiB; without threads, with
 * one, and with two. Where the machine has other things to do, the CPU time of a call is what to look at: a service that computes scales when it
 * is the same with each.
 */

import { Peer } from '../lib/peer.js'
import { compete } from '../lib/rounds.js'
import { printStandings } from '../lib/table.js'

/** @typedef {(client: Peer, seconds: number) => Promise<import('../lib/rounds.js').Run>} Work */

/** @type {[title: string, work: Work][]} */
const TABLES = [
  [
    'A service that computes for some 70 ms, 8 in flight',
    (client, seconds) => client.call('call', { kind: 'computeLong', inFlight: 8, seconds }),
  ],
  [
    'A service that computes for some 7 ms, 8 in flight',
    (client, seconds) => client.call('call', { kind: 'compute', inFlight: 8, seconds }),
  ],
  ['A service that answers at once, one in flight', (client, seconds) => client.call('greet', { inFlight: 1, seconds })],
  ['A service that answers at once, 100 in flight', (client, seconds) => client.call('greet', { inFlight: 100, seconds })],
  ['A service that waits for 5 ms, 100 in flight', (client, seconds) => client.call('call', { kind: 'wait', inFlight: 100, seconds })],
  ['1 MiB there and back, 4 in flight', (client, seconds) => client.call('call', { kind: 'binary', inFlight: 4, seconds })],
]

/** @param {number} threads @param {Work} work @returns {import('../lib/rounds.js').Entrant} */
function entrant(threads, work) {
  return {
    name: threads === 0 ? 'no threads' : `threads: ${threads}`,
    start: async () => {
      const server = Peer.node('threads.js', [String(threads)])
      const client = Peer.node('threads.js', ['0'])
      await client.call('connect', await server.call('listen'))
      return { processes: [server, client], run: (seconds) => work(client, seconds) }
    },
  }
}

export const title = 'threads'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  for (const [name, work] of TABLES) {
    const standings = await compete(
      [0, 1, 2].map((threads) => entrant(threads, work)),
      plan,
    )
    printStandings(name, 'calls/s', standings, (rate) => rate.toFixed(0))
  }
}
