/**
 * docs/cli.md tells the truth: what stands behind each `$ ` of a `console run` block is what the built command line writes. They run in one
 * folder, in order, on other ports; times, keys and versions may differ. A command that runs until it is stopped goes on until the end, and
 * what its block shows has come by then.
 */

import { chmodSync, mkdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { COMMANDS } from '../../src/cli/commands.ts'
import { EXIT_MEANINGS } from '../../src/cli/exit-codes.ts'
import { freePort } from '../helpers/free-ports.ts'
import { ShellProcess } from '../helpers/shell-process.ts'
import { until } from '../helpers/sockets.ts'
import { makeProject, type Project, ROOT } from './project.ts'

const PAGE = readFileSync(join(ROOT, 'docs/cli.md'), 'utf8')

/** Commands of the page, and what they should write. */
const RUNS = [...PAGE.matchAll(/^```console run\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((run) => {
      const [line = '', ...output] = run.trimEnd().split('\n')
      return { line, output: output.join('\n') }
    }),
)

const RUNS_ON = /^zmq-rpc (serve|proxy|snoop|receive) /

/** What is different each time. */
function steady(text: string): string {
  return text
    .replace(/\d+(\.\d+)? (µs|ms|s)(?=\W|$)/g, '<time>')
    .replace(/^\d\d:\d\d:\d\d\.\d{3}/gm, '<clock>')
    .replace(/the public key, \S{40}/g, 'the public key, <key>')
    .replace(/\d+ seconds? (old|ago)/g, '<age> $1')
    .replace(/"id":"[\w-]+"/g, '"id":"<id>"')
    .replace(/\d+ bytes on disk/g, '<size> on disk')
    .replace(/process \d+/g, 'process <number>')
    .replace(/zmq-rpc \d+\.\d+\.\d+/g, 'zmq-rpc <version>')
    .replace(/localhost is [\d.:a-f, ]+(?= {2})/g, 'localhost is <addresses>')
    .trimEnd()
}

let project: Project
let path = ''
const running: { process: ShellProcess; output: string }[] = []
const ports = new Map<string, string>()

/** The page's ports to free ones, and back. */
const toFree = (text: string): string => text.replace(/\b300\d\d\b/g, (port) => ports.get(port) ?? port)
const fromFree = (text: string): string => [...ports].reduce((back, [port, free]) => back.replaceAll(free, port), text)

beforeAll(async () => {
  project = makeProject()
  for (const [, name = '', code = ''] of PAGE.matchAll(/^```js\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)) project.write(name, code)
  mkdirSync(project.path('bin'))
  project.write('bin/zmq-rpc', `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'dist/cli/main.js')}" "$@"\n`)
  chmodSync(project.path('bin/zmq-rpc'), 0o755)
  path = `${project.path('bin')}${delimiter}${process.env['PATH']}`
  for (const [port] of RUNS.map(({ line }) => line)
    .join('\n')
    .matchAll(/\b300\d\d\b/g))
    ports.set(port, String(await freePort()))
})

afterAll(async () => {
  for (const { process } of running) await process.end()
  project.remove()
})

describe.skipIf(process.platform === 'win32')('docs/cli.md', () => {
  it.each(RUNS)('$line', async ({ line, output }) => {
    const process = new ShellProcess(toFree(line.replace(/^(zmq-rpc serve \S+)$/, '$1 --rep tcp://127.0.0.1:30000')), project.folder, {
      PATH: path,
    })
    if (RUNS_ON.test(line)) {
      running.push({ process, output })
      return until(() => process.output !== '', 'it is there')
    }
    await process.ended
    expect(steady(fromFree(process.output))).toBe(steady(output))
  })

  it('shows what those that run on have written', async () => {
    for (const { process, output } of running) {
      const written = (): string => steady(fromFree(process.stdout))
      await until(() => written() === steady(output), `"${written()}" is "${steady(output)}"`)
    }
  })

  it('has every command, and every way to end', () => {
    for (const name of Object.keys(COMMANDS)) expect(PAGE).toMatch(new RegExp(`^\\| \\[.*\`${name}\\b.*\\| `, 'm'))
    for (const [code, meaning] of EXIT_MEANINGS) expect(PAGE).toContain(`| ${code} | ${meaning} |`)
  })
})
