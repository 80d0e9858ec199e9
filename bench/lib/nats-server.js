/** A nats-server for a competition, on a port of its own. */

import { Missing, Peer, peerStatus } from './peer.js'

/** @returns {Promise<{ server: Peer, port: number }>} @throws Missing */
export async function startNatsServer() {
  const { available, command: [program, ...args] = [], why } = peerStatus('nats-server')
  if (!available || program === undefined) throw new Missing(`no nats-server here: ${why}`)
  const server = new Peer(program, [...args, '--addr', '127.0.0.1', '--port', '-1'])
  const [, port] = await server.says(/client connections on [^\n]*:(\d+)\n/)
  return { server, port: Number(port) }
}
