/**
 * The same call (two short strings in, one out) by other ways to call a function in another process. Their packages are no
 * dependencies of this project: `bench/rivals` has its own, installed here when they are first needed. A rival that cannot
 * be installed or started is said in the table, and the others compete.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startNatsServer } from '../lib/nats-server.js'
import { Missing, Peer, peerStatus } from '../lib/peer.js'
import { echoEntrant, echoTables } from './echo.js'

const FOLDER = fileURLToPath(new URL('../rivals/', import.meta.url))
const SET_UP_PEERS = fileURLToPath(new URL('../../scripts/setup-peers.js', import.meta.url))

export const title = 'rivals'

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  const missing = install()
  if (!peerStatus('nats-server').available) spawnSync(process.execPath, [SET_UP_PEERS, 'nats-server'], { stdio: 'inherit' })
  const rival = (/** @type {string} */ name, /** @type {string} */ file) => rivalEntrant(name, `../rivals/${file}`, missing)

  const json = () => Peer.node('net-json.js')
  const python = () => Peer.python('pyzmqrpc3.py')
  const peers = [
    echoEntrant('net, JSON lines', json),
    echoEntrant('zmq-rpc', () => Peer.node('rpc.js')),
    echoEntrant('zmq-rpc, pyzmqrpc3 dialect', () => Peer.node('rpc.js', ['pyzmqrpc3'])),
    echoEntrant('net, JSON lines, a write each', () => Peer.node('net-json.js', ['each'])),
    rivalEntrant('zeromq, JSON', 'zeromq-json.js'),
    rival('Moleculer, TCP', 'moleculer.js'),
    rivalEntrant('NATS, CPU with its server', '../rivals/nats.js', missing, startNatsServer),
    rival('capnweb, WebSocket', 'capnweb.js'),
    rival('tRPC, WebSocket', 'trpc.js'),
    rival('Fastify and undici', 'fastify.js'),
    rival('grpc-js', 'grpc.js'),
    echoEntrant('pyzmqrpc3', python, python, 1),
  ]
  await echoTables('The same call by rivals', peers, plan, 2)
}

/**
 * @param {string} name
 * @param {string} file
 * @param {string} [missing] why it cannot take part
 * @param {() => Promise<{ server: Peer, port: number }>} [startBroker] what its two sides talk through
 * @returns {import('./echo.js').EchoPeer}
 */
function rivalEntrant(name, file, missing, startBroker) {
  const entrant = (/** @type {import('./echo.js').Work} */ work) => ({
    name,
    start: async () => {
      if (missing !== undefined) throw new Missing(missing)
      /** @type {Peer[]} */
      const processes = []
      try {
        const broker = await startBroker?.()
        if (broker) processes.push(broker.server)
        const server = Peer.node(file)
        processes.push(server)
        const listening = await server.call('listenEcho', { port: broker?.port })
        const client = Peer.node(file)
        processes.push(client)
        await client.call('connect', listening)
        return { processes, run: (/** @type {number} */ seconds) => client.call('echo', { ...work, seconds }) }
      } catch (error) {
        for (const peer of processes) peer.close()
        if (error instanceof Missing) throw error
        throw new Missing(firstError(String(error)))
      }
    },
  })
  return { most: Number.POSITIVE_INFINITY, entrant }
}

/** The packages of `bench/rivals`, as its lock file says, without running what they bring. @returns {string | undefined} why it failed */
function install() {
  const stamp = `${FOLDER}node_modules/.installed.json`
  const wanted = readFileSync(`${FOLDER}package-lock.json`, 'utf8')
  try {
    if (readFileSync(stamp, 'utf8') === wanted) return undefined
  } catch {}
  console.log('rivals: installing them into bench/rivals/node_modules')
  try {
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1']
    execFileSync('npm', ['ci', ...quiet], { cwd: FOLDER, stdio: 'pipe', encoding: 'utf8' })
    writeFileSync(stamp, wanted)
    return undefined
  } catch (error) {
    const { stderr, message } = /** @type {Error & { stderr?: string }} */ (error)
    return `npm ci failed: ${firstError(stderr || message)}`
  }
}

/** One line that fits into a table: what a program wrote about an error, or else that it ended. @param {string} text */
function firstError(text) {
  const [first = 'no reason', ...lines] = text.split('\n').map((line) => line.trim())
  return (lines.find((line) => /^\w*Error\b/.test(line)) ?? first).replace(/^(Error: )+/, '').replaceAll('|', '/')
}
