/** How `bench/run.js` is asked: no stack traces, and nothing is measured. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const RUN = fileURLToPath(new URL('../../bench/run.js', import.meta.url))

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...args], { encoding: 'utf8', timeout: 30_000 })
  return { status, stdout, stderr }
}

it('tells every row and how long it takes, and what there is where it is asked for what there is not', () => {
  const unknown = run('nope')
  expect(unknown).toMatchObject({
    status: 2,
    stdout: '',
    stderr: expect.stringMatching(/^no such row: nope; there are echo, .*\n.*--help.*\n$/),
  })
  const { status, stdout } = run('--help')
  expect(status).toBe(0)
  const rows = /there are (.*)/.exec(unknown.stderr)?.[1]?.split(', ') as string[]
  for (const row of rows) expect(stdout).toMatch(new RegExp(`^  ${row} +\\S`, 'm'))
  expect(stdout).toContain('--quick')
  expect(run('--nope')).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/^Unknown option '--nope'.*\n.*--help.*\n$/) })
})
