/** What an idle connection costs its server: resident memory after a garbage collection, over many connections. */

import { Peer } from '../lib/peer.js'
import { median } from '../lib/rounds.js'
import { printTable } from '../lib/table.js'

export const title = 'memory'

/** @param {import('../lib/rounds.js').Plan & { connections: number }} plan */
export async function run(plan) {
  const servers = [
    { name: 'net', args: ['net.js'], zmtp: false },
    { name: 'zmq-rpc', args: ['sockets.js', 'zmq-rpc/sockets'], zmtp: true },
    { name: 'zeromq', args: ['sockets.js', 'zeromq'], zmtp: true },
  ].filter(({ name }) => name === 'net' || plan.only === undefined || plan.only.test(name))
  /** @type {number[][]} */
  const kibibytes = servers.map(() => [])
  for (let round = 0; round < 3; round++) {
    for (const [index, { args, zmtp }] of servers.entries()) {
      kibibytes[index]?.push(await measure(args, zmtp, plan.connections))
    }
  }
  const first = median(kibibytes[0] ?? [])
  const rows = servers.map(({ name }, index) => {
    const each = median(kibibytes[index] ?? [])
    return [name, each.toFixed(1), (each - first).toFixed(1)]
  })
  printTable(`Memory of an idle connection, ${plan.connections} of them`, ['server', 'KiB each', 'above net'], rows)
}

/** @param {string[]} args @param {boolean} zmtp @param {number} connections */
async function measure([file = '', ...args], zmtp, connections) {
  const server = Peer.node(file, args, ['--expose-gc'])
  const clients = Peer.node('idle-clients.js')
  try {
    const { port } = await server.call('listenIdle')
    // The first ones pay for code and pools.
    await clients.call('open', { port, zmtp, count: 200 })
    const before = await server.call('memory')
    await clients.call('open', { port, zmtp, count: connections })
    return ((await server.call('memory')) - before) / connections / 1024
  } finally {
    clients.close()
    server.close()
  }
}
