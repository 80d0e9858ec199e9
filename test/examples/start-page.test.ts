/**
 * docs/start.md works to the letter: its files, written into an empty folder that has the package as `npm pack` makes it, are checked by
 * `tsc`, run, and write what the page shows; the link is cut and mended, and a wrong password told. Only the port is another one: the
 * README's own programs may be running.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Program } from '../../examples/support/program.ts'
import { freePort } from '../helpers/free-ports.ts'
import { peer } from '../helpers/peers.ts'
import { makePackedProject, type Project, ROOT, TYPESCRIPT } from './project.ts'

const python = peer('pyzmqrpc3')
const port = await freePort()
const page = readFileSync(join(ROOT, 'docs/start.md'), 'utf8').replaceAll('30000', String(port))

/** Blocks that begin with a file's name. */
const files = new Map(
  [...page.matchAll(/^```\w+\n(?:\/\/|#) ([\w.-]+)\n([\s\S]*?)^```$/gm)].map(([, name = '', text = '']) => [name, text]),
)
/** What the page shows of its programs' lines. */
const shown = [...page.matchAll(/^```text\n([\s\S]*?)^```$/gm)].flatMap(([, text = '']) => text.trimEnd().split('\n'))

describe('docs/start.md', () => {
  let project: Project
  let server: Program

  beforeAll(async () => {
    project = makePackedProject()
    for (const [name, text] of files) project.write(name, text)
    server = start('server.ts')
    await server.line(/listening on/)
  })

  afterAll(async () => {
    await server.stop()
    project.remove()
  })

  const start = (file: string, ...args: string[]): Program =>
    new Program(file, process.execPath, [...(file.endsWith('.ts') ? TYPESCRIPT : []), project.path(file), ...args], { cwd: project.folder })

  it('has files that type-check with its tsconfig.json', { timeout: 60_000 }, async () => {
    expect([...files.keys()]).toEqual(expect.arrayContaining(['tsconfig.json', 'greet.ts', 'server.ts', 'client.ts', 'greet_client.py']))
    const tsc = new Program('tsc', process.execPath, [project.path('node_modules/typescript/bin/tsc'), '--pretty', 'false'], {
      cwd: project.folder,
    })
    await tsc.ended
    expect(tsc.lines).toEqual([])
  })

  it.each(['client.ts', 'client.js'])('has a %s that is answered', async (file) => {
    const client = start(file)
    await client.exits(0)
    expect(client.lines).toEqual(['Hello Ada'])
    expect(shown).toContain('Hello Ada')
  })

  it.skipIf(!python.available)('has a Python client that is answered', async () => {
    const client = Program.python(python.python, project.path('greet_client.py'))
    await client.exits(0)
    expect(client.lines).toEqual(['Hello Ada, says Python'])
    expect(shown).toContain('Hello Ada, says Python')
  })

  it('shows what comes of a link that is cut and mended', { timeout: 30_000 }, async () => {
    const client = start('every-second.ts')
    try {
      await client.line(/^Hello number 1$/)
      server.kill('SIGINT')
      await server.exits(0)
      expect(server.lines).toContain('stopped')
      const told = await client.line(/^\[NOT_CONNECTED\]/)
      expect(shown).toContain(told.replace('::1', '127.0.0.1'))

      const doctor = start('node_modules/zmq-rpc/dist/cli/main.js', 'doctor', `localhost:${port}`)
      await doctor.ended
      const found = doctor.lines.find((line) => line.startsWith('✗')) ?? ''
      expect(page).toContain(found.replace(/ +\(.* ms\)$/, ''))

      const before = client.lines.length
      server = start('server.js')
      await server.line(/listening on/)
      await expect.poll(() => client.lines.slice(before).some((line) => line.startsWith('Hello number')), { timeout: 10_000 }).toBe(true)
    } finally {
      await client.stop()
    }
  })

  it('shows what comes of a wrong password', async () => {
    const client = start('every-second.ts', 'wrong')
    try {
      expect(shown).toContain(await client.line(/^\[AUTH_REFUSED\]/))
      const told = await server.line(/text: '\[AUTH_REFUSED\]/)
      expect(shown).toContain(told)
    } finally {
      await client.stop()
    }
  })
})
