/** The pyzmqrpc3 dialect against the real pyzmqrpc3: random values survive both ways. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Command } from '../../../src/rpc/command/command.ts'
import { CommandRegistry } from '../../../src/rpc/command/command-registry.ts'
import { parsePythonJson } from '../../../src/rpc/dialect/python-json-reader.ts'
import { decodeCommand, encodeCommand, encodeReply } from '../../../src/rpc/dialect/pyzmqrpc3.ts'
import { peer } from '../../helpers/peers.ts'
import { pythonValue } from './python-values.ts'

class Box extends Command {
  value: unknown = null

  static of(value: unknown): Box {
    const box = new Box()
    box.value = value
    return box
  }
}

const registry = new CommandRegistry([Box])
const python = peer('pyzmqrpc3')
const SCRIPT = fileURLToPath(new URL('dialect_peer.py', import.meta.url))
const RUNS = 1000

describe.skipIf(!python.available)('the pyzmqrpc3 dialect and pyzmqrpc3 itself', () => {
  it('agree on every value that we write', () => {
    const values = [...fc.sample(pythonValue, RUNS), Box.of([Box.of(1), { deep: Box.of('é') }]), 'x'.repeat(1 << 20), nested(450)]
    const frames = ask(values.map((value) => `echo ${encodeCommand(Box.of(value)).toString('latin1')}`))
    for (const [index, frame] of frames.entries()) expectSame(unbox(frame), values[index])
  })

  it('agree on every value that Python writes', () => {
    const seeds = Array.from({ length: RUNS }, (_, seed) => seed)
    const made = ask(seeds.map((seed) => `make ${seed}`))
    const verdicts = ask(seeds.map((seed) => `check ${seed} ${encodeCommand(Box.of(unbox(made[seed] ?? ''))).toString('latin1')}`))
    expect(verdicts.filter((verdict) => verdict !== 'ok')).toEqual([])
  })

  it('agree on every result in a reply', () => {
    const results = fc.sample(pythonValue, RUNS)
    const answers = ask(results.map((result) => `reply ${encodeReply({ status: 200, statusText: 'OK', result }).toString('latin1')}`))
    for (const [index, answer] of answers.entries()) expectSame(parsePythonJson(answer), results[index])
  })
})

function ask(lines: string[]): string[] {
  const child = spawnSync(python.python, [SCRIPT], {
    input: `${lines.join('\n')}\n`,
    encoding: 'latin1',
    maxBuffer: 1 << 28,
    env: { ...process.env, PYTHONIOENCODING: 'latin1' },
  })
  if (child.status !== 0) throw new Error(child.stderr)
  const answers = child.stdout.trimEnd().split(/\r?\n/)
  expect(answers).toHaveLength(lines.length)
  return answers
}

function unbox(frame: string): unknown {
  const decoded = decodeCommand(Buffer.from(frame, 'latin1'), registry)
  if (decoded.kind === 'failure') throw new Error(decoded.detail)
  return (decoded.command as Box).value
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { a: value }
  return value
}

/** Stricter than `toEqual`: own `__proto__` keys and the sign of zero count. */
function expectSame(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toStrictEqual(expected)
  expect(isDeepStrictEqual(actual, expected)).toBe(true)
}
