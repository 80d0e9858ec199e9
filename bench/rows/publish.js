/** 64 bytes from one publisher to 1 and 10 subscribers, all of which get all. */

import { Peer } from '../lib/peer.js'
import { compete } from '../lib/rounds.js'
import { count, printStandings } from '../lib/table.js'

/**
 * @param {string} name
 * @param {() => Peer} make
 * @param {number} subscribers
 * @param {object} [more] for the subscribers
 * @returns {import('../lib/rounds.js').Entrant}
 */
export function publishEntrant(name, make, subscribers, more = {}) {
  return {
    name,
    start: async () => {
      const [publisher, subscriber] = [make(), make()]
      const ports = await publisher.call('listenPublish')
      await subscriber.call('subscribe', { ...ports, ...more, count: subscribers })
      await publisher.call('introduce', { count: subscribers })
      return { processes: [publisher, subscriber], run: (seconds) => publisher.call('publish', { seconds, count: subscribers }) }
    },
  }
}

export const title = 'publish'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  for (const subscribers of [1, 10]) {
    const standings = await compete(
      [
        publishEntrant('net', () => Peer.node('net.js'), subscribers),
        publishEntrant('zmq-rpc', () => Peer.node('sockets.js', ['zmq-rpc/sockets']), subscribers),
        publishEntrant('zmq-rpc, batches', () => Peer.node('sockets.js', ['zmq-rpc/sockets', 'batches']), subscribers),
        publishEntrant('net, a write each', () => Peer.node('net.js', ['each']), subscribers),
        publishEntrant('zeromq', () => Peer.node('sockets.js', ['zeromq']), subscribers),
        publishEntrant('pyzmq', () => Peer.python('pyzmq.py'), subscribers),
      ],
      plan,
    )
    printStandings(`Publishing 64 bytes to ${subscribers}`, 'delivered per second', standings, count)
  }
}
