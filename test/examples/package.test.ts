/** The built package, as its `exports` give it out. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeProject, type Pack, type Project, pack, ROOT } from './project.ts'

/** It is installed on devices over slow lines. CONTRIBUTING.md says how large it is. */
const MOST_PACKED_BYTES = 1_000_000
/** With the sources, and the maps to them: what it takes of a small device's card. */
const MOST_UNPACKED_BYTES = 4_500_000

const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>
}
const entries = Object.entries(exports).flatMap(([name, files]) =>
  typeof files === 'string' ? [] : [{ specifier: name.replace('.', 'zmq-rpc'), ...files }],
)

describe('the built package', () => {
  let project: Project
  beforeAll(() => {
    project = makeProject()
  })
  afterAll(() => project.remove())

  /** Runs a program in a project that has the package; returns what it writes. */
  const run = (program: string): unknown => {
    project.write('program.js', program)
    return JSON.parse(execFileSync(process.execPath, [project.path('program.js')], { encoding: 'utf8' }))
  }

  it.each(entries)('$specifier has its types, and a map to the source, beside it', ({ types, default: code }) => {
    // One that only passes on what stands in a shared file has nothing to map.
    const passesOn = /^(export \{.*\} from ".*";\s*)+$/.test(readFileSync(join(ROOT, code), 'utf8'))
    expect([types, code, ...(passesOn ? [] : [`${code}.map`])].filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
    if (passesOn) return
    const { sources } = JSON.parse(readFileSync(join(ROOT, `${code}.map`), 'utf8')) as { sources: string[] }
    expect(sources.filter((source) => !existsSync(join(ROOT, code, '..', source)))).toEqual([])
  })

  it('has one of each class and function, whichever entry it comes from', () => {
    const modules = entries.map(({ specifier }) => `await import('${specifier}')`).join(', ')
    const twice = run(`
      const seen = new Map()
      const twice = []
      for (const module of [${modules}]) for (const [name, value] of Object.entries(module)) {
        if (seen.has(name) && seen.get(name) !== value) twice.push(name)
        seen.set(name, value)
      }
      console.log(JSON.stringify(twice))`)
    expect(twice).toEqual([])
  })

  it('starts threads, for services and for programs', () => {
    project.write(
      'module.js',
      `import { Command, RpcServer } from 'zmq-rpc'
      export class Greet extends Command { name = '' }
      export default async (services) => {
        if (services !== undefined) return void services.register(Greet, ({ name }) => 'Hello ' + name)
        const server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
        server.register(Greet, () => 'Hello from a program')
        await server.start()
        return server
      }`,
    )
    const answers = run(`
      import { RpcClient, RpcServer, startThread } from 'zmq-rpc'
      import { Greet } from './module.js'
      const services = new URL('./module.js', import.meta.url)
      const server = new RpcServer({ rep: 'tcp://127.0.0.1:0', services, threads: 2 })
      await server.start()
      const thread = await startThread(services)
      const answers = []
      for (const { endpoints } of [server, thread]) {
        const client = new RpcClient({ req: endpoints })
        answers.push(await client.execute(Object.assign(new Greet(), { name: 'Ada' })))
        await client.close()
      }
      await Promise.all([server.stop(), thread.stop()])
      await thread.join()
      console.log(JSON.stringify(answers))`)
    expect(answers).toEqual(['Hello Ada', 'Hello from a program'])
  })

  it('is imported from a few files, and from no dependency', () => {
    const code = readdirSync(join(ROOT, 'dist'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'))
    // One more is what threads start with.
    expect(code.length).toBeLessThan((entries.length + 1) * 3)
    const imported = code.flatMap((name) => {
      const text = readFileSync(join(ROOT, 'dist', name), 'utf8')
      return [...text.matchAll(/^(?:import|export) (?:.* from )?["']([^"']+)["'];?$/gm)].map(([, specifier = '']) => specifier)
    })
    expect(imported.length).toBeGreaterThan(0)
    expect(imported.filter((specifier) => !/^(node:|\.)/.test(specifier))).toEqual([])
  })
})

describe('what is published', () => {
  let folder: string
  let packed: Pack
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'zmq-rpc-pack-'))
    packed = pack(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('is small', () => {
    expect(packed.size).toBeLessThan(MOST_PACKED_BYTES)
    expect(packed.unpackedSize).toBeLessThan(MOST_UNPACKED_BYTES)
  })

  it('is what runs, its types, its sources, and what people read', () => {
    const tops = new Set(packed.files.map(({ path }) => path.split('/')[0]))
    expect([...tops].sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json', 'src'])
  })

  it('runs no script when it is installed, and neither does anything below it', () => {
    const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { dev?: boolean; hasInstallScript?: boolean }>
    }
    const installed = Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true)
    expect(installed.map(([path]) => path)).toContain('node_modules/@noble/ciphers')
    expect(installed.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([])
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
    expect(Object.keys(scripts).filter((name) => /^(?:pre|post)?install$|^prepare$/.test(name))).toEqual([])
  })
})
