/** What stands on stdin. */

import { createInterface } from 'node:readline'
import { readJson } from './json.ts'

/** No state is larger, nor could it be sent. */
const MAX_BYTES = 64 * 1024 * 1024

/** All of it. @throws Error for more than 64 MiB */
export async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of process.stdin) {
    bytes += (chunk as Buffer).length
    if (bytes > MAX_BYTES) throw new Error('stdin has more than 64 MiB')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Its lines, one JSON value each; empty ones are passed over. @throws UsageError */
export async function* readJsonLines(): AsyncGenerator<unknown> {
  let number = 0
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++
    if (line.trim() !== '') yield readJson(line, `line ${number} of stdin`)
  }
}
