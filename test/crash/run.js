/**
 * `npm run test:crash -- --kills 200 --seed 1`: clients of both dialects have commands kept by a buffered proxy, which a server carries out, and at
 * random moments proxy, server, client or all of them are killed (SIGKILL) and started again. In the end every command that was accepted must
 * have been carried out, once, and those of each client in order.
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { faultsOf } from './faults.js'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    clients: { type: 'string', default: '2' },
    keep: { type: 'boolean', default: false },
  },
})
const kills = Number(values.kills)
const random = randomOf(Number(values.seed))
/** For what is left to be delivered in the end. */
const DRAIN_MS = 300_000

const folder = mkdtempSync(join(tmpdir(), 'zmq-rpc-crash-'))
const acks = join(folder, 'acks')
const log = join(folder, 'log')
const [toServer, toProxy] = [`tcp://127.0.0.1:${await freePort()}`, `tcp://127.0.0.1:${await freePort()}`]
const python = pythonOf()

/** A program that is started again whenever it was killed. */
class Role {
  /** @param {string} name @param {(epoch: number) => string[]} command */
  constructor(name, command) {
    this.name = name
    this.command = command
    this.epoch = 0
    /** @type {import('node:child_process').ChildProcess | undefined} */
    this.process = undefined
    this.start()
  }

  start() {
    const [file, ...args] = this.command(this.epoch++)
    const child = spawn(file ?? '', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.process = child
    this.lines = createInterface(/** @type {import('node:stream').Readable} */ (child.stdout))
    this.ready = new Promise((resolve) => this.lines?.once('line', resolve))
    this.ended = new Promise((resolve) => child.once('exit', resolve))
  }

  async kill() {
    this.process?.kill('SIGKILL')
    await this.ended
  }
}

const program = (/** @type {string} */ file) => fileURLToPath(new URL(`programs/${file}`, import.meta.url))
const server = new Role('server', () => [process.execPath, program('server.js'), toServer, log, join(folder, 'keys')])
const proxy = new Role('proxy', () => [process.execPath, program('proxy.js'), toProxy, toServer, join(folder, 'buffer')])
const clients = Array.from({ length: Number(values.clients) }, (_, index) => {
  const native = (/** @type {number} */ epoch) => [process.execPath, program('client.js'), toProxy, `ours-${index}`, `${epoch}`, acks]
  const own = [new Role(`client ${index}`, native)]
  if (python === undefined) return own
  const theirs = (/** @type {number} */ epoch) => [python, program('client.py'), toProxy, `python-${index}`, `${epoch}`, acks]
  return [...own, new Role(`Python client ${index}`, theirs)]
}).flat()
const everybody = [server, proxy, ...clients]

console.log(`seed ${values.seed}, ${kills} kills, ${clients.length} clients${python === undefined ? ', none of them in Python' : ''}`)
try {
  await Promise.all(everybody.map(({ ready }) => ready))
  for (let kill = 1; kill <= kills; kill++) {
    await sleep(20 + random() * 300)
    const chance = random()
    const victims = chance < 0.35 ? [proxy] : chance < 0.65 ? [server] : chance < 0.85 ? [pick(clients)] : everybody
    await Promise.all(victims.map((victim) => victim.kill()))
    if (random() < 0.5) await sleep(random() * 300)
    for (const victim of victims) victim.start()
    // Else they would be killed before they have done anything.
    if (random() < 0.8) await Promise.all(victims.map(({ ready }) => ready))
    if (kill % 25 === 0) console.log(`${kill} kills, ${linesOf(acks).length} accepted, ${carriedOut().length} carried out`)
  }
  for (const { process } of clients) process?.kill('SIGTERM')
  await Promise.all(clients.map(({ ended }) => ended))
  const left = await drained()
  const accepted = linesOf(acks)
  const faults = [...faultsOf(accepted, linesOf(log)), ...left]
  console.log(`${accepted.length} accepted, ${carriedOut().length} carried out, ${faults.length} faults`)
  for (const fault of faults.slice(0, 20)) console.log(`  ${fault}`)
  process.exitCode = faults.length === 0 && accepted.length > 0 ? 0 : 1
} finally {
  await Promise.all(everybody.map((role) => role.kill()))
  if (values.keep || process.exitCode !== 0) console.log(`what it left: ${folder}`)
  else rmSync(folder, { recursive: true })
}

/** Waits until the buffer is empty; gives what is wrong with it. */
async function drained() {
  const end = Date.now() + DRAIN_MS
  for (;;) {
    await Promise.all([proxy.ready, server.ready])
    const line = new Promise((resolve) => proxy.lines?.once('line', resolve))
    proxy.process?.stdin?.write('\n')
    const { waiting, letters } = JSON.parse(/** @type {string} */ (await line))
    if (waiting === 0) return letters.map((/** @type {string} */ reason) => `a dead letter: ${reason}`)
    if (Date.now() > end) return [`${waiting} commands still wait in the buffer`]
    await sleep(100)
  }
}

/** @param {string} file */
function linesOf(file) {
  // A line that was being written when its writer was killed was told to nobody.
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
}

/** Without what else the server writes there. */
function carriedOut() {
  return linesOf(log).filter((line) => line !== 'server' && !line.startsWith('again '))
}

/** @template T @param {T[]} items @returns {T} */
function pick(items) {
  return /** @type {T} */ (items[Math.floor(random() * items.length)])
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). @param {number} seed */
function randomOf(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
}

/** The interpreter that has pyzmqrpc3, where there is one. @returns {string | undefined} */
function pythonOf() {
  try {
    const status = JSON.parse(readFileSync(new URL('../../.peers/status.json', import.meta.url), 'utf8'))
    return status.pyzmqrpc3.available ? status.pyzmqrpc3.python : undefined
  } catch {
    return undefined
  }
}
