/** The test vectors that stand in `docs/protocol.md` as examples. */

import { readFileSync } from 'node:fs'
import type { Message } from '../../src/wire/index.ts'
import { fromHex } from './native-json.ts'

export interface MessageVector {
  readonly name: string
  readonly body: Message
  /** As the page describes it. */
  readonly described: { readonly kind: string } & Record<string, unknown>
}

export interface ValueVector {
  readonly hex: string
  readonly bytes: Buffer
  /** JSON, or, of what is refused, the reason. */
  readonly text: string
}

const PAGE = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8')

/** Blocks of hex, each with one of JSON behind it. */
export const messageVectors: readonly MessageVector[] = [
  ...PAGE.matchAll(/^```hex message=([\w-]+)\n(.*?)^```\n\n```json\n(.*?)^```$/gms),
].map(([, name = '', hex = '', json = '']) => ({ name, body: frames(hex), described: JSON.parse(json) }))

/** Lines of hex, and behind at least two spaces what they are. `undefined`: written and read. */
export function valueVectors(kind: 'read-only' | 'refused' | undefined): ValueVector[] {
  const [, block] = new RegExp(`^\`\`\`values${kind === undefined ? '' : ` ${kind}`}\n(.*?)^\`\`\`$`, 'ms').exec(PAGE) ?? []
  const lines = (block ?? '').split('\n').filter((line) => line !== '')
  return lines.map((line) => {
    const [, hex = '', text = ''] = /^(.*?) {2,}(.*)$/.exec(line) ?? []
    return { hex, bytes: fromHex(hex), text }
  })
}

/** The numbers in the first column of the table of errors. */
export function statusVectors(): number[] {
  const section = PAGE.slice(PAGE.indexOf('\n## Errors\n'), PAGE.indexOf('\n## Publish and subscribe\n'))
  return [...section.matchAll(/^\| (\d+) \|/gm)].map(([, status]) => Number(status))
}

function frames(hex: string): Message {
  return hex.split(/^---$/m).map((frame) => fromHex(frame.replace(/#.*$/gm, '')))
}
