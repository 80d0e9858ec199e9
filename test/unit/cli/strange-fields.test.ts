/** Fields that a command does not have are told to whoever types them. */

import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { runProgram } from '../../../src/cli/program.ts'
import { Session } from '../../../src/cli/session.ts'
import { strangeFields } from '../../../src/cli/strange-fields.ts'
import { useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

describe('fields that a command does not have', () => {
  const schema = { type: 'object', properties: { name: {}, polite: {} } }

  it('are told, with the one that was probably meant', () => {
    expect(strangeFields('Greet', schema, { name: 'Ada', polte: true, x: 2 })).toEqual([
      'Greet has no field polte: did you mean polite?',
      'Greet has no field x: it has name, polite',
    ])
    expect(strangeFields('Stop', { properties: {} }, { now: true })).toEqual(['Stop has no field now: it has none'])
  })

  it.each([
    undefined,
    null,
    'text',
    {},
    { properties: 5 },
    { ...schema, additionalProperties: true },
    { ...schema, additionalProperties: {} },
    { ...schema, patternProperties: {} },
    { ...schema, anyOf: [] },
    { ...schema, $ref: '#/$defs/other' },
  ])('are not known of the schema %o', (unclear) => {
    expect(strangeFields('Greet', unclear, { nmae: 1 })).toEqual([])
  })

  it.each([
    ['at a terminal, after the result', true, 'warning: Greet has no field nmae: it has name\n'],
    ['to no program', false, ''],
  ])('are told %s', async (_, isTTY, told) => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' })
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    Object.assign(stdout, { isTTY })
    const streams = { stdout, stderr } as unknown as { stdout: NodeJS.WriteStream; stderr: NodeJS.WriteStream }
    const session = new Session({ ...streams, env: {}, json: false, color: false, signal: new AbortController().signal })
    expect(await runProgram(['call', server.endpoints[0] as string, 'Greet', '{"nmae": "Ada"}'], session, '0')).toBe(0)
    expect(String(stdout.read())).toMatch(/^"Hello .*"\n$/)
    expect(String(stderr.read() ?? '')).toBe(told)
  })
})
