/**
 * What a published message costs as subscriptions that do not match it grow. Not with `zeromq`: libzmq loses subscriptions
 * of a burst beyond a high-water mark that the package does not let one set.
 */

import { Peer } from '../lib/peer.js'
import { compete } from '../lib/rounds.js'
import { count, printStandings } from '../lib/table.js'
import { publishEntrant } from './publish.js'

export const title = 'subscriptions'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  const entrants = [1, 1000, 100_000].map((others) =>
    publishEntrant(`${others} others`, () => Peer.node('sockets.js', ['zmq-rpc/sockets']), 1, { others }),
  )
  const standings = await compete(entrants, { ...plan, only: undefined })
  printStandings('Publishing beside subscriptions that do not match', 'delivered per second', standings, count)
}
