/** `zmq-rpc result`: what came of a command that was submitted. */

import type { Receipt, ReceiptReport, RpcClient } from '../../index.ts'
import { defineCommand, quoted } from '../command-line.ts'
import { ASK_MS, CLIENT_OPTIONS, timeoutOption, withClient } from '../connection.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { readInput } from '../input.ts'
import { printable, readJson } from '../json.ts'
import { showResult } from '../result.ts'
import type { Session } from '../session.ts'
import { UsageError } from '../usage-error.ts'
import { readEndpoint, showAge } from '../values.ts'

export const result = defineCommand({
  summary: 'show what came of a command that was submitted',
  usage: '[RECEIPT]',
  positionals: [0, 1],
  options: {
    ...CLIENT_OPTIONS,
    timeout: timeoutOption('60s; with --track 5s'),
    track: { type: 'boolean', text: 'show where it is now, and do not wait for its end' },
    endpoint: { type: 'string', value: 'ENDPOINT', text: 'where to ask, if not where it was submitted' },
    raw: { type: 'boolean', short: 'r', text: 'write strings as they are, without quotes' },
  },
  details: [
    'RECEIPT is what zmq-rpc submit has written; without it, it is read from stdin. Waits for the end of the command (--timeout), and shows its result, as zmq-rpc call does.',
  ],
  examples: [
    ['zmq-rpc result < receipt.json', 'waits up to a minute'],
    ['zmq-rpc result --track < receipt.json', 'on disk, with the next buffer, carried out, given up'],
  ],
  async run({ options, positionals: [given] }, session) {
    if (given === undefined && process.stdin.isTTY) throw new UsageError('RECEIPT is missing')
    if (given !== undefined && !given.trimStart().startsWith('{'))
      throw new UsageError(`${quoted(given)} is no receipt: it takes that itself, or reads it from stdin: zmq-rpc result < receipt.json`)
    const receipt = readReceipt(given ?? (await readInput(session.signal)))
    const endpoint = options.endpoint ?? receipt.endpoint
    if (endpoint === undefined) throw new UsageError('the receipt does not say where to ask: --endpoint does')
    const ask = async (client: RpcClient): Promise<ExitCode> => {
      if (options.track) await showReport(await client.track(receipt, { signal: session.signal }), session)
      else await showResult(await client.result(receipt, { signal: session.signal }), session, options.raw === true)
      return EXIT.done
    }
    return withClient(readEndpoint(endpoint), options, session, ask, options.track ? { timeoutMs: ASK_MS } : {})
  },
})

function readReceipt(text: string): Receipt {
  const receipt = readJson(text, 'the receipt') as Partial<Receipt> | null
  if (typeof receipt === 'object' && typeof receipt?.id === 'string' && typeof receipt.command === 'string') return receipt as Receipt
  throw new UsageError('this is no receipt: it is a line of JSON that zmq-rpc submit has written')
}

async function showReport(report: ReceiptReport, session: Session): Promise<void> {
  if (session.json) return session.data(report)
  const { bold, dim, yellow } = session.paint
  const { state, ageMs, reason, hops } = report
  await session.line(`${bold(printable(state))}  ${dim(`(accepted ${showAge(ageMs)} ago)`)}`)
  if (reason !== undefined) await session.line(`  ${yellow(printable(reason))}`)
  for (const { by, state, attempts, deliveredTo } of hops) {
    const to = deliveredTo === undefined ? '' : `, to ${printable(deliveredTo)}`
    await session.line(
      `  ${printable(by)}: ${printable(state)}${to}${attempts === undefined ? '' : dim(`  (${attempts} ${attempts === 1 ? 'attempt' : 'attempts'})`)}`,
    )
  }
}
