/** The outside of a peer process: starts it, calls its methods, reads its CPU time from the operating system. Or of a server that it needs. */

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const TICKS_PER_SECOND = 100
const PEERS = new URL('../peers/', import.meta.url)

/** A peer that cannot be had here; the message says why. */
export class Missing extends Error {}

export class Peer {
  #process
  /** @type {{ resolve(value: any): void, reject(error: Error): void }[]} */
  #waiting = []
  #complaints = ''
  #closing = false

  /** @param {string} command @param {string[]} args */
  constructor(command, args) {
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#process.stderr.on('data', (text) => {
      this.#complaints = (this.#complaints + text).slice(-4000)
    })
    this.#process.stdin.on('error', () => {})
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      const { result, error } = JSON.parse(line)
      const call = this.#waiting.shift()
      if (error === undefined) call?.resolve(result)
      else call?.reject(new Error(error))
    })
    const ended = (/** @type {string} */ why) => {
      const error = new Error(`${[command, ...args].join(' ')} ${why}`)
      if (!this.#closing && this.#waiting.length === 0) throw error
      for (const call of this.#waiting.splice(0)) call.reject(error)
    }
    this.#process.on('error', ({ message }) => ended(`does not start: ${message}`))
    this.#process.on('exit', (code) => ended(`ended with ${code}: ${this.#complaints}`))
  }

  /** A file of `bench/peers` under Node. @param {string} file @param {string[]} [args] @param {string[]} [flags] */
  static node(file, args = [], flags = []) {
    const extra = process.env['BENCH_NODE_FLAGS']?.split(' ').filter(Boolean) ?? []
    return new Peer(process.execPath, [...flags, ...extra, fileURLToPath(new URL(file, PEERS)), ...args])
  }

  /** A file of `bench/peers` under the Python that `npm run peers` has set up. @param {string} file @throws Missing */
  static python(file) {
    return new Peer(pythonPath(), [fileURLToPath(new URL(file, PEERS))])
  }

  /** @param {string} method @param {unknown} [args] @returns {Promise<any>} */
  call(method, args = {}) {
    this.#process.stdin.write(`${JSON.stringify({ method, args })}\n`)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** What a server writes about itself on stderr, once it matches. @param {RegExp} pattern @returns {Promise<RegExpExecArray>} */
  says(pattern) {
    return new Promise((resolve, reject) => {
      const call = { resolve, reject }
      this.#waiting.push(call)
      const look = () => {
        const match = pattern.exec(this.#complaints)
        if (match === null) return
        this.#process.stderr.off('data', look)
        this.#waiting.splice(this.#waiting.indexOf(call), 1)
        resolve(match)
      }
      this.#process.stderr.on('data', look)
    })
  }

  /** All its threads, user and system; 0 where there is no /proc. */
  cpuSeconds() {
    try {
      const stat = readFileSync(`/proc/${this.#process.pid}/stat`, 'latin1')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
    } catch {
      return 0
    }
  }

  close() {
    this.#closing = true
    this.#process.kill('SIGKILL')
  }
}

function pythonPath() {
  const status = peerStatus('pyzmqrpc3')
  if (status.available && status.python) return status.python
  throw new Missing('no Python peer here: `npm run peers` sets it up')
}

/** What `npm run peers` has found. @param {import('../../scripts/setup-peers.js').PeerName} name @returns {import('../../scripts/setup-peers.js').PeerStatus} */
export function peerStatus(name) {
  const none = { available: false, why: 'not set up' }
  try {
    return JSON.parse(readFileSync(new URL('../../.peers/status.json', import.meta.url), 'utf8'))[name] ?? none
  } catch {
    return none
  }
}
