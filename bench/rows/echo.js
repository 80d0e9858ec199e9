/** 64 bytes there and back, with 1, 100 and 1000 in flight. */

import { Peer } from '../lib/peer.js'
import { compete } from '../lib/rounds.js'
import { spin } from '../lib/spinner.js'
import { count, printStandings } from '../lib/table.js'

/** A peer on both sides. @param {string} name @param {() => Peer} make @returns {(run: object) => import('../lib/rounds.js').Entrant} */
export function echoEntrant(name, make) {
  return (work) => ({
    name,
    start: async () => {
      const [server, client] = [make(), make()]
      await client.call('connect', await server.call('listenEcho'))
      return { processes: [server, client], run: (seconds) => client.call('echo', { ...work, seconds }) }
    },
  })
}

const PEERS = [
  echoEntrant('net', () => Peer.node('net.js')),
  echoEntrant('zmq-rpc', () => Peer.node('sockets.js', ['zmq-rpc/sockets'])),
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
 * @param {((work: object) => import('../lib/rounds.js').Entrant)[]} peers
 * @param {import('../lib/rounds.js').Plan} plan
 */
export async function echoTables(what, peers, plan) {
  for (const inFlight of [1, 100, 1000]) {
    const stop = inFlight === 1 ? spin() : () => {}
    const standings = await compete(
      peers.map((peer) => peer({ inFlight })),
      plan,
    ).finally(stop)
    const unit = inFlight === 1 ? 'round trip, µs' : 'per second'
    printStandings(`${what}, ${inFlight} in flight`, unit, standings, inFlight === 1 ? (rate) => (1e6 / rate).toFixed(1) : count)
  }
}
