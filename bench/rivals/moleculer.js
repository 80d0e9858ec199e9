/** Moleculer over TCP, from node to node without a broker in between; nothing on that costs and is not needed. */

import moleculer from 'moleculer'
import { serve } from '../lib/agent.js'
import { makeCalls } from '../lib/calls.js'

let broker

/** @param {string} nodeID @param {object} transport */
function makeBroker(nodeID, transport) {
  broker = new moleculer.ServiceBroker({
    nodeID,
    logger: false,
    validator: false,
    internalServices: false,
    serializer: 'Notepack',
    transporter: { type: 'TCP', options: { udpDiscovery: false, useHostname: false, ...transport } },
  })
}

serve({
  listenEcho: async () => {
    makeBroker('server', {})
    broker.createService({ name: 'greeter', actions: { greet: ({ params: { greeting, name } }) => `${greeting} ${name}` } })
    await broker.start()
    return { port: broker.registry.nodes.localNode.port }
  },

  connect: async ({ port }) => {
    makeBroker('client', { urls: `127.0.0.1:${port}/server` })
    await broker.start()
    await broker.waitForServices('greeter', 20_000)
  },

  echo: (work) => makeCalls((greeting, name) => broker.call('greeter.greet', { greeting, name }), work),
})
