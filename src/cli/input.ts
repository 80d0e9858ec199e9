/** What stands on stdin; Ctrl-C ends the wait for more. */

import { createInterface } from 'node:readline'
import { readJson } from './json.ts'

/** No state is larger, nor could it be sent. */
const MAX_BYTES = 64 * 1024 * 1024

/** All of it. @throws Error for more than 64 MiB; the signal's reason */
export async function readInput(signal: AbortSignal): Promise<string> {
  signal.addEventListener('abort', () => process.stdin.destroy())
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of process.stdin) {
    bytes += (chunk as Buffer).length
    if (bytes > MAX_BYTES) throw new Error('stdin has more than 64 MiB')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Its lines, one JSON value each; empty ones are passed over. @throws UsageError; the signal's reason */
export async function* readJsonLines(signal: AbortSignal): AsyncGenerator<unknown> {
  let number = 0
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY, signal })) {
    number++
    if (line.trim() !== '') yield readJson(line, `line ${number} of stdin`)
  }
  signal.throwIfAborted()
}
