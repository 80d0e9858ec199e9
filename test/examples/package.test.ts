/** The built package, as its `exports` give it out. */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeProject, type Project, ROOT } from './project.ts'

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
    expect([types, code, `${code}.map`].filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
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

  it('is imported from a few files, and from no dependency', () => {
    const code = readdirSync(join(ROOT, 'dist'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'))
    expect(code.length).toBeLessThan(entries.length * 3)
    const imported = code.flatMap((name) => {
      const text = readFileSync(join(ROOT, 'dist', name), 'utf8')
      return [...text.matchAll(/^(?:import|export) (?:.* from )?["']([^"']+)["'];?$/gm)].map(([, specifier = '']) => specifier)
    })
    expect(imported.length).toBeGreaterThan(0)
    expect(imported.filter((specifier) => !/^(node:|\.)/.test(specifier))).toEqual([])
  })
})
