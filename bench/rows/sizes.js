/** 16 bytes to 16 MiB there and back, one at a time: where the cost of a message gives way to that of its bytes. */

import { Peer } from '../lib/peer.js'
import { compete } from '../lib/rounds.js'
import { spin } from '../lib/spinner.js'
import { printStandings } from '../lib/table.js'

const KIB = 1024
const MIB = 1024 * KIB
const SIZES = [16, 256, 4 * KIB, 64 * KIB, MIB, 16 * MIB]

/**
 * @param {string} name
 * @param {() => Peer} make
 * @param {number} bytes
 * @returns {import('../lib/rounds.js').Entrant}
 */
function entrant(name, make, bytes) {
  return {
    name,
    start: async () => {
      const [server, client] = [make(), make()]
      await client.call('connect', await server.call('listenEchoLarge'))
      return { processes: [server, client], run: (seconds) => client.call('echoLarge', { bytes, inFlight: 1, seconds }) }
    },
  }
}

export const title = 'sizes'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  // Six tables: each takes a quarter of what the others do, and a fifth to get warm.
  const short = { ...plan, warmup: plan.warmup / 5, seconds: plan.seconds / 4 }
  const stop = spin()
  try {
    for (const bytes of SIZES) {
      const standings = await compete(
        [
          entrant('net', () => Peer.node('net.js'), bytes),
          entrant('zmq-rpc', () => Peer.node('sockets.js', ['zmq-rpc/sockets']), bytes),
          entrant('zeromq', () => Peer.node('sockets.js', ['zeromq']), bytes),
        ],
        short,
      )
      const write = (/** @type {number} */ rate) => `${(1e6 / rate).toFixed(1)} (${((rate * bytes) / 1e6).toPrecision(3)} MB/s)`
      printStandings(`Echo of ${textOf(bytes)} (DEALER to ROUTER), one at a time`, 'round trip, µs (each way)', standings, write)
    }
  } finally {
    stop()
  }
}

/** @param {number} bytes */
function textOf(bytes) {
  if (bytes >= MIB) return `${bytes / MIB} MiB`
  return bytes >= KIB ? `${bytes / KIB} KiB` : `${bytes} bytes`
}
