/** A thread that fuzzes until it is told to stop. What it runs stands in shared memory, where its watchdog finds it. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import './allocations.ts'
import { loadCrypto } from '../src/wire/index.ts'
import { Fuzzer } from './fuzzer.ts'
import { toHex } from './target.ts'
import { TARGETS } from './targets/index.ts'

/** What a worker is given. */
export interface Orders {
  seed: number
  only: string | undefined
  inputs: number
  shared: SharedArrayBuffer
}

type Counts = Record<string, number>

/** What a worker tells. */
export type News =
  | { name: 'progress'; inputs: Counts; seconds: Counts; reached: Counts; heapBytes: number }
  | { name: 'broken'; target: string; seed: number; hex: string; error: string }
  | { name: 'done' }

/** Each target in turn, so long at a time. */
const TURN_MS = 50
const REPORT_MS = 2000

/** Shared memory: how many inputs have begun, how long the current one is, its target, and its hex. */
export const HEADER_BYTES = 16

// Most inputs end in an error, and its stack would take a quarter of the time; `--replay` shows it.
Error.stackTraceLimit = 0

async function work({ seed, only, inputs: limit, shared }: Orders): Promise<void> {
  await loadCrypto()
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const header = new Int32Array(shared, 0, HEADER_BYTES / 4)
  const room = Buffer.from(shared, HEADER_BYTES)
  const chosen = TARGETS.filter(({ target }) => only === undefined || target.name === only)
  const runs = chosen.map(({ target, share }, index) => ({ fuzzer: new Fuzzer(target, seed * 31 + index), share, inputs: 0, seconds: 0 }))
  const table = (value: (run: (typeof runs)[number]) => number): Counts =>
    Object.fromEntries(runs.map((run) => [run.fuzzer.target.name, value(run)]))
  const tell = (): void => {
    collect()
    const heapBytes = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
    const news: News = {
      name: 'progress',
      inputs: table(({ inputs }) => inputs),
      seconds: table(({ seconds }) => seconds),
      reached: table(({ fuzzer }) => fuzzer.reached),
      heapBytes,
    }
    parentPort?.postMessage(news)
  }

  let total = 0
  let told = performance.now()
  for (;;) {
    for (const [index, run] of runs.entries()) {
      const start = performance.now()
      const end = start + TURN_MS * run.share
      do {
        const input = run.fuzzer.next()
        note(header, room, index, input)
        try {
          run.fuzzer.run(input)
        } catch (error) {
          const text = String(error)
          tell()
          parentPort?.postMessage({ name: 'broken', target: run.fuzzer.target.name, seed, hex: toHex(input), error: text } satisfies News)
          return
        }
        run.inputs++
        total++
      } while (performance.now() < end && total < limit)
      run.seconds += (performance.now() - start) / 1000
      // zlib lets go of its memory in a turn of its own.
      await new Promise((resolve) => setImmediate(resolve))
      if (total >= limit || Atomics.load(header, 3) === 1) {
        tell()
        parentPort?.postMessage({ name: 'done' } satisfies News)
        return
      }
    }
    if (performance.now() - told < REPORT_MS) continue
    tell()
    told = performance.now()
  }
}

/** Each piece behind its length. */
function note(header: Int32Array, room: Buffer, target: number, input: readonly Buffer[]): void {
  let at = 0
  for (const piece of input) {
    if (at + 4 + piece.length > room.length) break
    room.writeUInt32BE(piece.length, at)
    room.set(piece, at + 4)
    at += 4 + piece.length
  }
  header[1] = target
  header[2] = at
  Atomics.add(header, 0, 1)
}

if (parentPort !== null) await work(workerData as Orders)
