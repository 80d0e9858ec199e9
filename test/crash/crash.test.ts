/** A short form of `npm run test:crash`, and that it would find what it looks for. */

import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Program } from '../../examples/support/program.ts'
import { faultsOf } from './faults.js'

const RUN = fileURLToPath(new URL('run.js', import.meta.url))

describe('commands that were accepted', () => {
  it('are carried out, once and in order, whoever is killed', async () => {
    const run = new Program('crash', process.execPath, [RUN, '--kills', '10', '--clients', '1'])
    try {
      await run.exits(0, 150_000)
    } finally {
      run.kill('SIGTERM')
    }
    expect(run.lines.at(-1)).toMatch(/^\d+ accepted, \d+ carried out, 0 faults$/)
  }, 160_000)
})

describe('the crash test', () => {
  it('finds what is lost, comes twice, or comes out of order', () => {
    expect(faultsOf(['a 0 1', 'a 0 2', 'b 0 1'], ['b 0 1', 'a 0 1', 'a 0 2', 'a 0 9'])).toEqual([])
    expect(faultsOf(['a 0 1', 'a 0 2'], ['a 0 2'])).toEqual(['lost: a 0 1'])
    expect(faultsOf(['a 0 1'], ['a 0 1', 'a 0 1'])).toEqual(['carried out twice: a 0 1'])
    expect(faultsOf(['a 0 9', 'a 1 0'], ['a 1 0', 'a 0 9'])).toEqual(['out of order: a 1 0 before a 0 9'])
  })

  it('tells what may be asked for again, since the server was killed before it had answered, from what may not', () => {
    const many = Array.from({ length: 64 }, (_, index) => `a 0 ${index + 2}`)
    expect(faultsOf(['a 0 1'], ['server', 'a 0 1', 'b 0 1', 'server', 'again a 0 1'])).toEqual([])
    expect(faultsOf(['a 0 1'], ['server', 'a 0 1', 'again a 0 1'])).toEqual(['again from a server that was not killed: a 0 1'])
    expect(faultsOf(['a 0 1'], ['server', 'a 0 1', ...many, 'server', 'again a 0 1'])).toHaveLength(1)
    expect(faultsOf([], ['server', 'again a 0 1'])).toEqual(['again, and not carried out before: a 0 1'])
  })
})
