/**
 * What it costs to write and to read messages of the native dialect, beside JSON of the same: `npx tsx bench/codec.ts`.
 *
 * CPU time of this process, in ns for each message: the best and the median of some rounds in which each had its turn.
 */

import { decodeCall, encodeCall } from '../src/rpc/dialect/native/message.ts'

const ROUNDS = 9
const WARM_UP = 2

const greet = { greeting: 'Hello', name: 'World' }
const report = {
  id: 17,
  at: 1_722_945_600_123,
  ok: true,
  readings: [
    { name: 'temperature', value: 21.5, unit: 'C' },
    { name: 'humidity', value: 0.45, unit: '%' },
    { name: 'pressure', value: 1013.25, unit: 'hPa' },
  ],
  tags: ['roof', 'north'],
  note: null,
  comment: 'Die Tür war offen, daher die Zugluft – sonst alles gut',
}
const rows = Array.from({ length: 1000 }, (_, id) => ({ id, name: `row ${id}`, price: id * 1.25, active: id % 2 === 0 }))
const image = { name: 'a.png', bytes: Buffer.alloc(1 << 20, 7) }

/** Keeps the work from being left out. */
let sink = 0

interface Case {
  readonly title: string
  readonly times: number
  readonly state: unknown
  readonly json: boolean
}

const CASES: readonly Case[] = [
  { title: 'two short strings', times: 100_000, state: greet, json: true },
  { title: 'a report, 3 levels', times: 20_000, state: report, json: true },
  { title: '1000 rows', times: 100, state: rows, json: true },
  { title: '1 MiB of bytes', times: 20_000, state: image, json: false },
]

const runs = CASES.flatMap(({ title, times, state, json }) => {
  const call = { name: 'Greet', state, timeLeftMs: 60_000, flags: 0 }
  const message = encodeCall(call)
  const text = Buffer.from(json ? JSON.stringify(call) : '{}')
  const ways: [string, () => number][] = [
    ['write', () => encodeCall(call).length],
    ['read', () => decodeCall(message, {}).name.length],
  ]
  if (json) ways.push(['JSON write', () => Buffer.from(JSON.stringify(call)).length])
  if (json) ways.push(['JSON read', () => JSON.parse(text.toString()).name.length])
  return ways.map(([way, run]) => ({ title, way, times, run, measured: [] as number[] }))
})

for (let round = 0; round < WARM_UP + ROUNDS; round++) {
  for (const { times, run, measured } of runs) {
    const before = process.cpuUsage()
    for (let count = 0; count < times; count++) sink += run()
    const { user, system } = process.cpuUsage(before)
    if (round >= WARM_UP) measured.push(((user + system) * 1000) / times)
  }
}

for (const { title, way, measured } of runs) {
  measured.sort((left, right) => left - right)
  const [best = 0, median = 0] = [measured[0], measured[measured.length >> 1]]
  console.log(`${title.padEnd(20)} ${way.padEnd(12)} ${best.toFixed(0).padStart(9)} ${median.toFixed(0).padStart(9)} ns`)
}
if (sink === 0) console.log('nothing was done')
