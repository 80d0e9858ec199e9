/** `zmq-rpc bench`: how many calls a server answers, and how long each takes. */

import { Health, OpaqueCommand, RemoteError, type RpcClient, ZmqRpcError } from '../../index.ts'
import { defineCommand } from '../command-line.ts'
import { ASK_MS, CLIENT_OPTIONS, timeoutOption, withClient } from '../connection.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.ts'
import { readJson } from '../json.ts'
import { Latencies } from '../latencies.ts'
import type { Session } from '../session.ts'
import { readCount, readDuration, readEndpoint, showMs } from '../values.ts'

const PERCENTILES = [0.5, 0.9, 0.99, 0.999] as const
const BARS = 12

export const bench = defineCommand({
  summary: 'measure how many calls a server answers, and how long each takes',
  usage: 'ENDPOINT [COMMAND [JSON]]',
  positionals: [1, 3],
  options: {
    duration: { type: 'string', short: 'd', value: 'TIME', text: 'how long it measures (5s)' },
    concurrency: { type: 'string', short: 'c', value: 'N', text: 'calls under way at a time, on one connection (100)' },
    warmup: { type: 'string', value: 'TIME', text: 'before it measures (1s)' },
    ...CLIENT_OPTIONS,
    timeout: timeoutOption('60s; 5s without COMMAND'),
  },
  details: [
    'Without COMMAND it is the question how the server is doing, which every server of this package answers; one of pyzmqrpc3 is asked for a command that it does not have, and its refusal is the answer. With COMMAND, that is really carried out, again and again.',
    'A result that streams is not read. Ctrl-C ends it, and sums up.',
  ],
  examples: [
    ['zmq-rpc bench localhost:30000', '5 seconds, 100 calls at a time'],
    [`zmq-rpc bench localhost:30000 Greet '{"name": "Ada"}' -c 1`, 'a command of your own, one call after the other'],
  ],
  async run({ options, positionals: [endpoint = '', name, json] }, session) {
    const durationMs = readDuration('duration', options.duration) ?? 5000
    const warmupMs = readDuration('warmup', options.warmup) ?? 1000
    const concurrency = readCount('concurrency', options.concurrency) ?? 100
    const state = json === undefined ? {} : readJson(json, 'the state')
    const req = readEndpoint(endpoint)
    return withClient(
      req,
      options,
      session,
      async (client) => {
        const call = name === undefined ? () => ask(client) : () => client.execute(new OpaqueCommand(name, state))
        const command = name ?? Health.commandName
        // One first: what is wrong with all is told at once.
        await call()
        session.progress(`${req}: warming up`)
        await load(call, concurrency, warmupMs, session)
        const measured = await load(call, concurrency, durationMs, session, (seconds, perSecond) =>
          session.progress(`${req}: ${seconds} s, ${Math.round(perSecond).toLocaleString('en')} calls a second`),
        )
        await (session.json
          ? session.data(asData(req, command, concurrency, measured))
          : show(req, command, concurrency, measured, session))
        return measured.latencies.count > 0 ? EXIT.done : measured.lastFailure
      },
      { maxQueued: Math.max(1000, concurrency), retry: false, ...(name === undefined && { timeoutMs: ASK_MS }) },
    )
  },
})

interface Measured {
  readonly seconds: number
  readonly latencies: Latencies
  readonly failed: ReadonlyMap<string, number>
  readonly lastFailure: ExitCode
}

/** A refusal is an answer, too. */
async function ask(client: RpcClient): Promise<void> {
  try {
    await client.execute(new Health())
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error
  }
}

/** As many callers, each with one call after the other. */
async function load(
  call: () => Promise<unknown>,
  concurrency: number,
  durationMs: number,
  { signal }: Session,
  tell: (seconds: number, perSecond: number) => void = () => {},
): Promise<Measured> {
  const latencies = new Latencies()
  const failed = new Map<string, number>()
  let lastFailure: ExitCode = EXIT.failed
  const began = performance.now()
  const isOver = (): boolean => signal.aborted || performance.now() - began >= durationMs
  const caller = async (): Promise<void> => {
    while (!isOver()) {
      const start = performance.now()
      try {
        await call()
        latencies.add(performance.now() - start)
      } catch (error) {
        if (signal.aborted) return
        const code = error instanceof ZmqRpcError ? error.code : 'FAILED'
        failed.set(code, (failed.get(code) ?? 0) + 1)
        lastFailure = exitCodeOf(error)
      }
    }
  }
  const progress = setInterval(() => {
    const seconds = (performance.now() - began) / 1000
    tell(Math.round(seconds), latencies.count / seconds)
  }, 500)
  try {
    await Promise.all(Array.from({ length: concurrency }, caller))
  } finally {
    clearInterval(progress)
  }
  return { seconds: (performance.now() - began) / 1000, latencies, failed, lastFailure }
}

function asData(endpoint: string, command: string, concurrency: number, { seconds, latencies, failed }: Measured): object {
  const rounded = (ms: number): number => Number(ms.toPrecision(4))
  const { count, leastMs, meanMs, mostMs } = latencies
  const percentiles = PERCENTILES.map((part) => [`p${part * 100}`.replace('.', ''), rounded(latencies.percentileMs(part))])
  const times = { min: rounded(leastMs), mean: rounded(meanMs), ...Object.fromEntries(percentiles), max: rounded(mostMs) }
  return {
    endpoint,
    command,
    concurrency,
    seconds: rounded(seconds),
    answered: count,
    perSecond: Math.round(count / seconds),
    failed: Object.fromEntries(failed),
    ...(count > 0 && { latencyMs: times }),
    histogram: latencies.bars(BARS).map(({ fromMs, toMs, count }) => ({ fromMs: rounded(fromMs), toMs: rounded(toMs), count })),
  }
}

async function show(endpoint: string, command: string, concurrency: number, measured: Measured, session: Session): Promise<void> {
  const { seconds, latencies, failed } = measured
  const { bold, cyan, dim, red } = session.paint
  const { count, leastMs, meanMs, mostMs } = latencies
  await session.line(`${endpoint}: ${command}, ${concurrency} at a time, for ${seconds.toFixed(1)} s`)
  await session.line(`${bold(Math.round(count / seconds).toLocaleString('en'))} calls a second; ${count.toLocaleString('en')} answered`)
  for (const [code, times] of failed) await session.line(red(`${times.toLocaleString('en')} failed: ${code}`))
  if (count === 0) return
  const rows = [
    ['least', leastMs],
    ['mean', meanMs],
    ...PERCENTILES.map((part) => [`${part * 100} %`, latencies.percentileMs(part)] as const),
    ['most', mostMs],
  ] as const
  await session.line()
  for (const [name, ms] of rows) await session.line(`  ${name.padStart(6)}  ${showMs(ms)}`)
  await session.line()
  const bars = latencies.bars(BARS)
  const longest = Math.max(...bars.map((bar) => bar.count))
  for (const { toMs, count: times } of bars) {
    const length = Math.round((times / longest) * 40)
    await session.line(
      `  up to ${showMs(toMs).padStart(8)}  ${cyan('█'.repeat(length).padEnd(40))}  ${dim(`${((times / count) * 100).toFixed(1)} %`)}`,
    )
  }
}
