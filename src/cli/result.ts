/**
 * What a call came to, on stdout: as JSON, a stream item by item, and streams within it behind it.
 */

import type { Session } from './session.ts'

/** `raw`: strings as they are. */
export async function showResult(result: unknown, session: Session, raw: boolean): Promise<void> {
  const write = (value: unknown) => (raw && typeof value === 'string' ? session.line(value) : session.data(value))
  if (isStream(result)) {
    for await (const item of result) await write(item)
    return
  }
  if (raw && typeof result === 'string') return session.line(result)
  const streams: [string, AsyncIterable<unknown>][] = []
  await session.data(result, {
    indent: session.interactive && !session.json ? 2 : 0,
    stream: (stream, path) => {
      streams.push([path, stream])
      return { $stream: path }
    },
  })
  await Promise.all(
    streams.map(async ([stream, items]) => {
      for await (const item of items) await session.data({ stream, item })
    }),
  )
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
