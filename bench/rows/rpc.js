/** Calls with two short strings in and one out, ours and pyzmqrpc3's in every combination. A pyzmqrpc3 client has one call in flight. */

import { Peer } from '../lib/peer.js'
import { echoEntrant, echoTables } from './echo.js'

const json = () => Peer.node('net-json.js')
const ours = () => Peer.node('rpc.js', ['pyzmqrpc3'])
const python = () => Peer.python('pyzmqrpc3.py')

const PEERS = [
  echoEntrant('net, JSON lines', json),
  echoEntrant('zmq-rpc', ours),
  echoEntrant('zmq-rpc client, pyzmqrpc3 server', python, ours),
  echoEntrant('pyzmqrpc3 client, zmq-rpc server', ours, python, 1),
  echoEntrant('pyzmqrpc3', python, python, 1),
]

export const title = 'rpc'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  await echoTables('Calls in the pyzmqrpc3 dialect', PEERS, plan)
}
