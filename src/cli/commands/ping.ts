/** `zmq-rpc ping`: how long a server takes to answer. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Health, type HealthReport, RemoteError, RpcClient, ZmqRpcError } from '../../index.ts'
import { defineCommand } from '../command-line.ts'
import { ASK_MS, CREDENTIAL_OPTIONS, credentialsOf } from '../connection.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-codes.ts'
import { wordsOf } from '../failure.ts'
import type { Session } from '../session.ts'
import { readCount, readDuration, readEndpoint, showMs } from '../values.ts'

export const ping = defineCommand({
  summary: 'measure how long a server takes to answer',
  usage: 'ENDPOINT',
  positionals: [1, 1],
  options: {
    count: { type: 'string', short: 'c', value: 'N', text: 'how often; 0: until Ctrl-C (4)' },
    interval: { type: 'string', short: 'i', value: 'TIME', text: 'from one to the next (1s)' },
    timeout: { type: 'string', short: 't', value: 'TIME', text: 'for each answer (5s)' },
    ...CREDENTIAL_OPTIONS,
  },
  details: [
    'Each round trip goes through the whole server, to its services and back. A server of pyzmqrpc3 is asked for a command that it does not have, and says so: nothing is carried out.',
    'Ends with 0 when there was an answer at all.',
  ],
  examples: [
    ['zmq-rpc ping localhost:30000', 'four times'],
    ['zmq-rpc ping localhost:30000 -c 0 -i 100ms', 'ten times a second, until Ctrl-C'],
  ],
  async run({ options, positionals: [endpoint = ''] }, session) {
    const req = readEndpoint(endpoint)
    const count = readCount('count', options.count, 0) ?? 4
    const intervalMs = readDuration('interval', options.interval) ?? 1000
    const timeoutMs = readDuration('timeout', options.timeout) ?? ASK_MS
    await using client = new RpcClient({ req, credentials: credentialsOf(options, session), timeoutMs, retry: false })
    session.signal.addEventListener('abort', () => void client.close())
    const tally = new Tally()
    for (let sequence = 1; (count === 0 || sequence <= count) && !session.signal.aborted; sequence++) {
      const end = await one(client, req, sequence, tally, session)
      if (end !== undefined) return end
      if (sequence !== count) await sleep(intervalMs, undefined, { signal: session.signal }).catch(() => {})
    }
    await summarize(req, tally, session)
    if (tally.times.length > 0) return EXIT.done
    return session.signal.aborted ? (session.signal.reason as ExitCode) : tally.lastFailure
  },
})

class Tally {
  sent = 0
  readonly times: number[] = []
  lastFailure: ExitCode = EXIT.failed
}

/** An exit code when there is no use in going on. */
async function one(client: RpcClient, endpoint: string, sequence: number, tally: Tally, session: Session): Promise<ExitCode | undefined> {
  tally.sent++
  try {
    // To connect is no part of a round trip.
    await client.ready()
    const start = performance.now()
    const health = await answer(client, session.signal)
    const ms = performance.now() - start
    tally.times.push(ms)
    const dialect = client.stats().servers[0]?.dialect
    if (session.json) await session.data({ endpoint, sequence, ms: rounded(ms), dialect, status: health?.status })
    else await session.line(`${endpoint}: ${showMs(ms)}${about(dialect, health)}`)
  } catch (error) {
    if (session.signal.aborted) {
      tally.sent--
      return undefined
    }
    // It would say the same again.
    if (!(error instanceof ZmqRpcError) || error.code === 'AUTH_REFUSED' || error.code === 'BAD_OPTION') throw error
    tally.lastFailure = exitCodeOf(error)
    if (session.json) await session.data({ endpoint, sequence, error: { code: error.code, message: wordsOf(error) } })
    else await session.line(`${endpoint}: ${session.paint.red('no answer')}: ${wordsOf(error)}`)
  }
  return undefined
}

/** Undefined for a server that answers, but does not say how it is. */
async function answer(client: RpcClient, signal: AbortSignal): Promise<HealthReport | undefined> {
  try {
    return await client.execute(new Health(), { signal })
  } catch (error) {
    // Whatever it says, it has answered.
    if (error instanceof RemoteError && error.code !== 'PROXY_FAILED') return undefined
    throw error
  }
}

function about(dialect: string | undefined, health: HealthReport | undefined): string {
  if (dialect === 'pyzmqrpc3' && health === undefined) return ' (in the dialect of pyzmqrpc3)'
  return health?.status === 'stopping' ? ' (it is about to stop)' : ''
}

async function summarize(endpoint: string, { sent, times }: Tally, session: Session): Promise<void> {
  const [min, max] = [Math.min(...times), Math.max(...times)]
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length
  const answered = times.length
  if (session.json) {
    const numbers = answered > 0 ? { minMs: rounded(min), meanMs: rounded(mean), maxMs: rounded(max) } : {}
    return session.data({ endpoint, summary: { sent, answered, ...numbers } })
  }
  const numbers = answered > 0 ? `; min ${showMs(min)}, mean ${showMs(mean)}, max ${showMs(max)}` : ''
  return session.line(session.paint.dim(`${sent} sent, ${answered} answered${numbers}`))
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
