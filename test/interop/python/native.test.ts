/** The native dialect as docs/protocol.md has it, read by somebody else: a Python program that was written from that page. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HEADER_BYTES } from '../../../src/rpc/dialect/native/header.ts'
import { decodeReply, encodeReply } from '../../../src/rpc/dialect/native/message.ts'
import type { Message } from '../../../src/wire/index.ts'
import { fromJson, READ, toJson, WRITE } from '../../helpers/native-json.ts'
import { peer } from '../../helpers/peers.ts'
import { messageVectors, valueVectors } from '../../helpers/protocol-vectors.ts'
import { arriving, nativeValue } from '../../unit/rpc/dialect/native/native-values.ts'

const python = peer('pyzmqrpc3')
const SCRIPT = fileURLToPath(new URL('native_peer.py', import.meta.url))
const RUNS = 1000

describe.skipIf(!python.available)('a reader in Python, from docs/protocol.md alone', () => {
  it('reads the messages of the page as what they are said to be', () => {
    const answers = ask(messageVectors.map(({ body }) => `message ${hex(body)}`))
    for (const [index, { described }] of messageVectors.entries()) {
      const { value } = described
      const expected = value === undefined ? described : { ...described, value: inFull(value) }
      expect(JSON.parse(answers[index] ?? '')).toEqual(expected)
    }
  })

  it('reads the values of the page as what they are said to be', () => {
    const vectors = [...valueVectors(undefined), ...valueVectors('read-only')]
    const answers = ask(vectors.map(({ bytes }) => `value ${hex([bytes])}`))
    for (const [index, { text, hex: shown }] of vectors.entries()) {
      expect([shown, JSON.parse(answers[index] ?? '')]).toEqual([shown, inFull(JSON.parse(text))])
    }
  })

  it('refuses what the page has refused', () => {
    const vectors = valueVectors('refused')
    const answers = ask(vectors.map(({ bytes, text }) => `value ${hex(text.includes('not there') ? [bytes] : [bytes, Buffer.alloc(8)])}`))
    expect(vectors.flatMap(({ hex: shown }, index) => (answers[index]?.startsWith('refused: ') ? [] : [shown]))).toEqual([])
  })

  it('reads whatever we write', () => {
    const values = fc.sample(nativeValue, RUNS)
    const messages = values.map((value) => encodeReply(value, undefined, WRITE))
    const answers = ask(messages.map(([body, ...frames]) => `value ${hex([(body as Buffer).subarray(HEADER_BYTES), ...frames])}`))
    for (const [index, value] of values.entries()) {
      const expected = JSON.parse(JSON.stringify(toJson(arriving(value))))
      const read = JSON.parse(answers[index] ?? '')
      if (!isDeepStrictEqual(read, expected)) expect(read).toEqual(expected)
    }
  })

  it("writes, with Python's msgpack, what we read", () => {
    const answers = ask(Array.from({ length: RUNS }, (_, seed) => `make ${seed}`))
    for (const answer of answers) {
      const at = answer.indexOf(' ')
      const body = Buffer.from(`f902000000000000${answer.slice(0, at)}`, 'hex')
      const value = fromJson(JSON.parse(answer.slice(at + 1)))
      expect(isDeepStrictEqual(decodeReply([body], READ).value, value)).toBe(true)
    }
  })
})

function ask(lines: string[]): string[] {
  const child = spawnSync(python.python, [SCRIPT], { input: `${lines.join('\n')}\n`, encoding: 'utf8', maxBuffer: 1 << 28 })
  if (child.status !== 0) throw new Error(child.stderr)
  const answers = child.stdout.trimEnd().split(/\r?\n/)
  expect(answers).toHaveLength(lines.length)
  return answers
}

function hex(frames: Message): string {
  return frames.map((frame) => frame.toString('hex')).join('.')
}

/** The description without its shorthands. */
function inFull(json: unknown): unknown {
  return JSON.parse(JSON.stringify(toJson(fromJson(json))))
}
