/**
 * Gets the peers of the interop tests ready and writes what it found to `.peers/status.json`, which
 * `test/helpers/peers.ts` reads. Quick when all is there already. A missing peer is no error, except under
 * `REQUIRE_PEERS=1`.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** @typedef {'pyzmqrpc3' | 'libzmq' | 'netns'} PeerName */
/** @typedef {{ available: boolean, why?: string, python?: string }} PeerStatus */

const PEERS = fileURLToPath(new URL('../.peers', import.meta.url))
const VENV = `${PEERS}/python`
const PYTHON = `${VENV}/bin/python`
const STAMP = `${VENV}/installed.txt`
const REQUIREMENTS = fileURLToPath(new URL('../test/interop/python/requirements.txt', import.meta.url))

/** A virtual environment with the Python package that this one talks to. */
function setUpPython() {
  const wanted = readFileSync(REQUIREMENTS, 'utf8')
  if (existsSync(PYTHON) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp(wanted)) return { python: PYTHON }
  console.log('peers: installing pyzmqrpc3 into .peers/python')
  rmSync(VENV, { recursive: true, force: true })
  run('python3', '-m', 'venv', VENV)
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--retries', '1']
  run(PYTHON, ...pip, '--requirement', REQUIREMENTS)
  run(PYTHON, '-c', 'import zmq, zmqrpc')
  writeFileSync(STAMP, stamp(wanted))
  return { python: PYTHON }
}

/** What the environment was made from: an upgraded interpreter or another pin makes it anew. @param {string} wanted */
function stamp(wanted) {
  return `${realpathSync(PYTHON)}\n${wanted}`
}

/** The bindings to libzmq: installed with the dev dependencies, but with a binary for some machines only. */
async function findLibzmq() {
  await import('zeromq')
  return {}
}

/** Network namespaces, for tests that cut or delay a link. */
function tryNetns() {
  const name = `zmq-rpc-${process.pid}`
  run('ip', 'netns', 'add', name)
  run('ip', 'netns', 'delete', name)
  return {}
}

/** @param {string} command @param {string[]} args */
function run(command, ...args) {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
}

/** @param {() => Pick<PeerStatus, 'python'> | Promise<Pick<PeerStatus, 'python'>>} setUp @returns {Promise<PeerStatus>} */
async function status(setUp) {
  try {
    return { available: true, ...(await setUp()) }
  } catch (error) {
    return { available: false, why: reason(/** @type {Error & { stderr?: string }} */ (error)) }
  }
}

/** The last line that a program wrote says most; without one, the first line of the error. @param {Error & { stderr?: string }} error */
function reason(error) {
  const lastWritten = (error.stderr ?? '').trim().split('\n').at(-1)
  return lastWritten || (error.message.split('\n')[0] ?? error.name)
}

/** @type {Record<PeerName, PeerStatus>} */
const found = { pyzmqrpc3: await status(setUpPython), libzmq: await status(findLibzmq), netns: await status(tryNetns) }
mkdirSync(PEERS, { recursive: true })
writeFileSync(`${PEERS}/status.json`, `${JSON.stringify(found, null, 2)}\n`)

for (const [name, { available, why }] of Object.entries(found)) {
  if (available) continue
  console.log(`peers: ${name} is missing: ${why}`)
  if (process.env['REQUIRE_PEERS'] === '1') process.exitCode = 1
}
if (process.exitCode) console.error('peers: REQUIRE_PEERS=1 needs every peer')
