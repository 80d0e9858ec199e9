/**
 * Fuzzes what strangers can send: `npm run fuzz -- --seconds 60`.
 *
 * - `--seconds` how long (60); `--inputs` how many at most; `--workers` threads (one for each processor)
 * - `--seed` where to begin (from the clock): printed, and so is every input that breaks something
 * - `--target` one of them only; with `--replay HEX` runs that input once
 *
 * It fails when a property does not hold, when one input takes longer than {@link HANG_MS}, and when memory grows with the number of
 * inputs.
 */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { loadCrypto } from '../src/wire/index.ts'
import { fromHex, toHex } from './target.ts'
import { TARGETS } from './targets/index.ts'
import { HEADER_BYTES, type News, type Orders } from './worker.ts'

/** Generous: the machine may have other work. */
const HANG_MS = 30_000
const ROOM_BYTES = 1024 * 1024
const MiB = 1024 * 1024
/** What may be there at the end beyond what was there after a fifth of the time: caches of the engine, kept inputs. */
const HEAP_GROWTH_BYTES = 24 * MiB
const RSS_GROWTH_BYTES = 200 * MiB

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    inputs: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    workers: { type: 'string', default: String(availableParallelism()) },
    target: { type: 'string' },
    replay: { type: 'string' },
  },
})

type Progress = Extract<News, { name: 'progress' }>

interface Thread {
  readonly worker: Worker
  readonly shared: SharedArrayBuffer
  readonly header: Int32Array
  latest: Progress | undefined
  readonly heaps: number[]
  begun: number
  finished: boolean
  since: number
}

const seed = Number(values.seed)
const names = TARGETS.map(({ target }) => target.name)
if (values.target !== undefined && !names.includes(values.target)) throw new Error(`--target is one of ${names.join(', ')}`)

if (values.replay !== undefined) {
  await loadCrypto()
  const found = TARGETS.find(({ target }) => target.name === values.target)
  if (found === undefined) throw new Error('--replay wants its --target, too')
  console.log(found.target.run(fromHex(values.replay)))
} else {
  await fuzz()
}

async function fuzz(): Promise<void> {
  const seconds = Number(values.seconds)
  const count = Number(values.workers)
  const start = performance.now()
  const rss: number[] = []
  console.log(`seed ${seed}, ${count} workers, ${seconds} s at most`)
  const finished = Array.from({ length: count }, (_, index) => begin(seed + index, Math.ceil(Number(values.inputs) / count)))
  const threads = finished.map(({ thread }) => thread)
  const watch = setInterval(() => {
    rss.push(process.memoryUsage.rss())
    for (const thread of threads) checkAlive(thread)
    const over = performance.now() - start >= seconds * 1000 || process.exitCode === 1
    if (over) for (const { header } of threads) Atomics.store(header, 3, 1)
    if (rss.length % 15 === 0) console.log(summary(threads, rss, start))
  }, 1000)
  await Promise.all(finished.map(({ done }) => done))
  clearInterval(watch)
  report(threads, rss, start)
}

function begin(ownSeed: number, inputs: number): { thread: Thread; done: Promise<void> } {
  const shared = new SharedArrayBuffer(HEADER_BYTES + ROOM_BYTES)
  const orders: Orders = { seed: ownSeed, only: values.target, inputs, shared }
  const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: orders })
  const thread: Thread = {
    worker,
    shared,
    header: new Int32Array(shared, 0, HEADER_BYTES / 4),
    latest: undefined,
    heaps: [],
    begun: 0,
    finished: false,
    since: performance.now(),
  }
  const done = new Promise<void>((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', () => {
      thread.finished = true
      resolve()
    })
    worker.on('message', (news: News) => {
      if (news.name === 'progress') {
        thread.latest = news
        thread.heaps.push(news.heapBytes)
      } else if (news.name === 'broken') {
        fail(`${news.target} is broken (seed ${news.seed}): ${news.error}`, news.target, news.hex)
      }
    })
  })
  return { thread, done }
}

/** @param hex of the input that did it */
function fail(text: string, target: string, hex: string): void {
  console.error(`\n${text}\n\nnpm run fuzz -- --target ${target} --replay ${hex}\n`)
  process.exitCode = 1
}

function checkAlive(thread: Thread): void {
  if (thread.finished) return
  const begun = Atomics.load(thread.header, 0)
  const now = performance.now()
  if (begun !== thread.begun) {
    thread.begun = begun
    thread.since = now
  } else if (begun > 0 && now - thread.since > HANG_MS) {
    const target = TARGETS.filter(({ target: { name } }) => values.target === undefined || name === values.target)[thread.header[1] ?? 0]
    fail(`an input takes longer than ${HANG_MS} ms`, target?.target.name ?? '', toHex(current(thread)))
    void thread.worker.terminate()
  }
}

function current({ shared, header }: Thread): Buffer[] {
  const room = Buffer.from(shared, HEADER_BYTES, header[2])
  const pieces: Buffer[] = []
  for (let at = 0; at < room.length; ) {
    const length = room.readUInt32BE(at)
    pieces.push(room.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return pieces
}

function totals(threads: readonly Thread[], of: 'inputs' | 'seconds' | 'reached'): Map<string, number> {
  const sums = new Map<string, number>()
  for (const { latest } of threads) {
    for (const [name, value] of Object.entries(latest?.[of] ?? {})) {
      const before = sums.get(name) ?? 0
      sums.set(name, of === 'reached' ? Math.max(before, value) : before + value)
    }
  }
  return sums
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, number) => total + number, 0)
}

function summary(threads: readonly Thread[], rss: readonly number[], start: number): string {
  const inputs = sum(totals(threads, 'inputs').values())
  const heap = sum(threads.map(({ heaps }) => heaps.at(-1) ?? 0))
  const seconds = (performance.now() - start) / 1000
  return `${seconds.toFixed(0)} s: ${inputs} inputs, heap ${(heap / MiB).toFixed(1)} MiB, RSS ${((rss.at(-1) ?? 0) / MiB).toFixed(0)} MiB`
}

function report(threads: readonly Thread[], rss: readonly number[], start: number): void {
  console.log(`\n${summary(threads, rss, start)}\n`)
  const [inputs, seconds, reached] = [totals(threads, 'inputs'), totals(threads, 'seconds'), totals(threads, 'reached')]
  for (const [name, count] of inputs) {
    const rate = count / (seconds.get(name) || 1)
    console.log(
      `${name.padEnd(14)} ${String(count).padStart(10)} inputs ${rate.toFixed(0).padStart(7)} /s ${String(reached.get(name)).padStart(6)} kinds reached`,
    )
  }
  const heap = Math.max(...threads.map(({ heaps }) => growth(heaps)))
  const resident = growth(rss)
  console.log(`\nsince a fifth of the time: heap of a worker ${(heap / MiB).toFixed(1)} MiB, RSS ${(resident / MiB).toFixed(1)} MiB more`)
  if (heap > HEAP_GROWTH_BYTES || resident > RSS_GROWTH_BYTES) {
    console.error('memory grows')
    process.exitCode = 1
  }
}

/** From a fifth of the time on; what is there by then is not the inputs' doing. */
function growth(samples: readonly number[]): number {
  const first = samples[Math.floor(samples.length / 5)]
  const last = samples.at(-1)
  return samples.length < 10 || first === undefined || last === undefined ? 0 : last - first
}
