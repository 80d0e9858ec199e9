/** 64 bytes there and back, with 1, 100 and 1000 in flight. */

import { Peer } from '../lib/peer.js'
import { compete } from '../lib/rounds.js'
import { spin } from '../lib/spinner.js'
import { count, printStandings } from '../lib/table.js'

/**
 * @typedef {{ inFlight: number }} Work
 * @typedef {{ most: number, entrant: (work: Work) => import('../lib/rounds.js').Entrant }} EchoPeer
 */

/**
 * @param {string} name
 * @param {() => Peer} makeServer
 * @param {() => Peer} [makeClient] where the two differ
 * @param {number} [most] calls that it can have in flight
 * @returns {EchoPeer}
 */
export function echoEntrant(name, makeServer, makeClient = makeServer, most = Number.POSITIVE_INFINITY) {
  const entrant = (/** @type {Work} */ work) => ({
    name,
    start: async () => {
      const [server, client] = [makeServer(), makeClient()]
      await client.call('connect', await server.call('listenEcho'))
      const run = (/** @type {number} */ seconds) => client.call('echo', { ...work, seconds })
      return { processes: [server, client], run }
    },
  })
  return { most, entrant }
}

const PEERS = [
  echoEntrant('net', () => Peer.node('net.js')),
  echoEntrant('zmq-rpc', () => Peer.node('sockets.js', ['zmq-rpc/sockets'])),
  echoEntrant('zmq-rpc, batches', () => Peer.node('sockets.js', ['zmq-rpc/sockets', 'batches'])),
  echoEntrant('net, JSON lines', () => Peer.node('net-json.js')),
  echoEntrant('zeromq', () => Peer.node('sockets.js', ['zeromq'])),
  echoEntrant('pyzmq', () => Peer.python('pyzmq.py')),
]

export const title = 'echo'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  await echoTables('Echo of 64 bytes (DEALER to ROUTER)', PEERS, plan)
}

/**
 * @param {string} what
 * @param {EchoPeer[]} peers
 * @param {import('../lib/rounds.js').Plan} plan
 * @param {number} [references] so many of the first peers are what the others are measured against
 */
export async function echoTables(what, peers, plan, references = 1) {
  for (const inFlight of [1, 100, 1000]) {
    const stop = inFlight === 1 ? spin() : () => {}
    const entrants = peers.filter(({ most }) => most >= inFlight).map(({ entrant }) => entrant({ inFlight }))
    const standings = await compete(entrants, plan, references).finally(stop)
    const unit = inFlight === 1 ? 'round trip, µs' : 'per second'
    printStandings(`${what}, ${inFlight} in flight`, unit, standings, inFlight === 1 ? (rate) => (1e6 / rate).toFixed(1) : count)
  }
}
