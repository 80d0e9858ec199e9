/** What a published message costs as subscriptions that do not match it grow. */

import { Peer } from '../lib/peer.js'
import { compete } from '../lib/rounds.js'
import { count, printStandings } from '../lib/table.js'
import { publishEntrant } from './publish.js'

export const title = 'subscriptions'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  for (const pack of ['zmq-rpc/sockets', 'zeromq']) {
    if (pack === 'zeromq' && plan.only !== undefined && !plan.only.test(pack)) continue
    const entrants = [1, 1000, 100_000].map((others) =>
      publishEntrant(`${others} others`, () => Peer.node('sockets.js', [pack]), 1, { others }),
    )
    const standings = await compete(entrants, { ...plan, only: undefined })
    printStandings(`Publishing beside subscriptions that do not match, ${pack}`, 'delivered per second', standings, count)
  }
}
