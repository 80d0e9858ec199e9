/**
 * The foreign ends that interop tests talk to. `scripts/setup-peers.js` looks for them before a test run and writes down
 * what it found; tests only read that:
 *
 *     const python = peer('pyzmqrpc3')
 *     describe.skipIf(!python.available)('a Python client', () => { spawn(python.python, …) })
 *
 * With `REQUIRE_PEERS=1` (as in CI) a missing peer fails the test file instead of skipping it.
 */

import { readFileSync } from 'node:fs'
import type { PeerName, PeerStatus } from '../../scripts/setup-peers.js'

const STATUS_FILE = new URL('../../.peers/status.json', import.meta.url)

/**
 * A peer as it was found. `python` is the interpreter to run when `pyzmqrpc3` is available; `command` runs the program of
 * `test/interop/peers`, or the server, where there is one.
 */
export type Peer = PeerStatus & { python: string; command: string[] }

export function peer(name: PeerName): Peer {
  const status = readStatus()[name]
  if (!status.available && process.env['REQUIRE_PEERS'] === '1') {
    throw new Error(`REQUIRE_PEERS=1, but the peer ${name} is missing: ${status.why}`)
  }
  return { ...status, python: status.python ?? '', command: status.command ?? [] }
}

/** The `zeromq` package (libzmq), loaded only when asked: its binary exists for some machines only. */
export function loadLibzmq(): Promise<typeof import('zeromq')> {
  return import('zeromq')
}

export function missingPeers(): { name: string; why: string }[] {
  return Object.entries(readStatus()).flatMap(([name, { available, why = 'unknown' }]) => (available ? [] : [{ name, why }]))
}

function readStatus(): Record<PeerName, PeerStatus> {
  try {
    return JSON.parse(readFileSync(STATUS_FILE, 'utf8'))
  } catch {
    const missing = { available: false, why: 'not set up; run `npm run peers`' }
    const zmq = { pyzmqrpc3: missing, libzmq: missing, jeromq: missing, 'go-zmq4': missing, 'zmq-rs': missing }
    return { ...zmq, netns: missing, 'nats-server': missing, 'old-nats-server': missing }
  }
}
