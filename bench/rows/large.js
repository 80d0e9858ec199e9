/** 1 MiB there and back, four in flight. */

import { Peer } from '../lib/peer.js'
import { compete } from '../lib/rounds.js'
import { printStandings } from '../lib/table.js'

const BYTES = 1024 * 1024

/** @param {string} name @param {() => Peer} make @returns {import('../lib/rounds.js').Entrant} */
function entrant(name, make) {
  return {
    name,
    start: async () => {
      const [server, client] = [make(), make()]
      await client.call('connect', await server.call('listenEchoLarge'))
      return { processes: [server, client], run: (seconds) => client.call('echoLarge', { bytes: BYTES, inFlight: 4, seconds }) }
    },
  }
}

export const title = 'large'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  const standings = await compete(
    [
      entrant('net', () => Peer.node('net.js')),
      entrant('zmq-rpc', () => Peer.node('sockets.js', ['zmq-rpc/sockets'])),
      entrant('zeromq', () => Peer.node('sockets.js', ['zeromq'])),
      entrant('pyzmq', () => Peer.python('pyzmq.py')),
    ],
    plan,
  )
  printStandings('Echo of 1 MiB, 4 in flight', 'MB/s', standings, (rate) => ((rate * BYTES) / 1e6).toFixed(0))
}
