/**
 * Records of 200 bytes that are to survive a power cut: how many a second, with so many on their way at a time; how many are read and
 * acknowledged, a hundred at a time; what that costs the disk; how long it takes to open a million of them.
 *
 * What each promises when it has said that a record is safe: the loop by hand, the segment log, Redis with `appendfsync always` and JetStream
 * with `sync_interval: always` have synced it; the segment log with `os-cache` has given it to the operating system; Mosquitto has it in
 * memory, and writes it to a file later. The loop by hand finds nothing, knows no id twice, and acknowledges in order only; its records are 14
 * bytes shorter, and draining it checks them, but makes no entries of them. The servers cost a hop more, which the others do without.
 * `BENCH_FOLDER` says on which disk.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SegmentLog } from 'zmq-rpc/store'
import { compete } from '../lib/rounds.js'
import { byHand, jetStream, mosquitto, redis, segmentLog } from '../lib/stores.js'
import { printStandings, printTable } from '../lib/table.js'

export const title = 'store'

const DATA = Buffer.alloc(200, 'command ')
const DRAINED = 20_000
const MILLION = 1_000_000

/** @typedef {import('../lib/stores.js').BenchStore} BenchStore */

/** @type {{ name: string, make: () => Promise<BenchStore> }[]} */
const STORES = [
  { name: 'by hand', make: byHand },
  { name: 'segment log', make: () => segmentLog('fsync') },
  { name: 'segment log, os-cache', make: () => segmentLog('os-cache') },
  { name: 'JetStream, sync_interval always', make: jetStream },
  { name: 'Redis, appendfsync always', make: redis },
  { name: 'Mosquitto, QoS 1', make: mosquitto },
]

/** @param {import('../lib/rounds.js').Plan} plan */
export async function run(plan) {
  for (const flight of [1, 100, 1000]) {
    const standings = await compete(
      STORES.map(({ name, make }) => entrant(name, make, (store, seconds) => append(store, flight, seconds))),
      plan,
    )
    printStandings(`Records made safe, ${flight} on their way`, 'records/s', standings)
  }
  const drains = STORES.filter(({ name }) => !/Redis|Mosquitto|os-cache/.test(name))
  const standings = await compete(
    drains.map(({ name, make }) => entrant(name, make, drain)),
    plan,
  )
  printStandings('Records read and acknowledged, a hundred at a time; CPU with appending them', 'records/s', standings)
  await wear()
  await openMillion()
}

/**
 * @param {string} name
 * @param {() => Promise<BenchStore>} make
 * @param {(store: BenchStore, seconds: number) => Promise<import('../lib/rounds.js').Run>} work
 * @returns {import('../lib/rounds.js').Entrant}
 */
function entrant(name, make, work) {
  return {
    name,
    start: async () => {
      const store = await make()
      // Half of the work is done in this process.
      const here = { cpuSeconds: () => process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6, close: () => void store.close() }
      const processes = /** @type {import('../lib/peer.js').Peer[]} */ (/** @type {unknown} */ ([...store.processes, here]))
      return { processes, run: (seconds) => work(store, seconds) }
    },
  }
}

let made = 0

function nextId() {
  return `b3f1c2d4-0000-4000-8000-${String(made++).padStart(12, '0')}`
}

/** @param {BenchStore} store @param {number} flight @param {number} seconds */
async function append(store, flight, seconds) {
  const start = performance.now()
  const end = start + seconds * 1000
  let count = 0
  const one = async () => {
    for (; performance.now() < end; count++) await store.append(nextId(), DATA)
  }
  await Promise.all(Array.from({ length: flight }, one))
  return { count, seconds: (performance.now() - start) / 1000 }
}

/** @param {BenchStore} store */
async function drain(store) {
  for (let made = 0; made < DRAINED; made += 1000) await Promise.all(Array.from({ length: 1000 }, () => store.append(nextId(), DATA)))
  const start = performance.now()
  let count = 0
  while (count < DRAINED) count += (await store.drain?.()) ?? DRAINED
  return { count, seconds: (performance.now() - start) / 1000 }
}

async function wear() {
  const rows = []
  for (const flight of [1, 100, 1000]) {
    const store = await segmentLog('fsync')
    const before = store.diskUse?.() ?? { syncs: 0, writtenBytes: 0 }
    const records = flight === 1 ? 5_000 : 50_000
    for (let count = 0; count < records; count += flight) {
      await Promise.all(Array.from({ length: flight }, () => store.append(nextId(), DATA)))
    }
    const appended = store.diskUse?.() ?? before
    for (let count = 0; count < records; ) count += (await store.drain?.()) ?? records
    const drained = store.diskUse?.() ?? before
    await store.close()
    const per = (/** @type {number} */ value) => ((value / records) * 1000).toFixed(1)
    const use = (/** @type {typeof before} */ from, /** @type {typeof before} */ to) => [
      per(to.syncs - from.syncs),
      per((to.writtenBytes - from.writtenBytes) / 1024),
    ]
    rows.push([flight, ...use(before, appended), ...use(appended, drained)])
  }
  const head = ['on their way', 'syncs', 'KiB', 'syncs to drain', 'KiB to drain']
  printTable('Segment log: what 1,000 records of 200 bytes (and ids of 36) cost the disk, before it makes blocks of it', head, rows)
}

async function openMillion() {
  const path = mkdtempSync(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'zmq-rpc-bench-'))
  try {
    let memory = 0
    const filling = new SegmentLog({ path })
    await filling.open()
    for (let count = 0; count < MILLION; count += 1000) {
      await Promise.all(Array.from({ length: 1000 }, () => filling.append({ id: nextId(), data: DATA })))
    }
    await filling.close()
    const before = memoryBytes()
    const cpu = process.cpuUsage()
    const start = performance.now()
    const store = new SegmentLog({ path })
    const { live } = await store.open()
    const opened = performance.now() - start
    const { user, system } = process.cpuUsage(cpu)
    memory = memoryBytes() - before
    const reading = performance.now()
    for (const name of readdirSync(path)) if (name.endsWith('.log')) readFileSync(join(path, name))
    const read = performance.now() - reading
    await store.close()
    printTable(
      `Segment log: opening ${live} records, each checked`,
      ['ms', 'CPU ms', 'ms to read the files once', 'MiB of memory'],
      [[opened.toFixed(0), ((user + system) / 1000).toFixed(0), read.toFixed(0), (memory / 2 ** 20).toFixed(1)]],
    )
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

function memoryBytes() {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
