/** The examples in a project of their own, and programs that end with the test that started them. */

import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { Program, type ProgramOptions } from '../../examples/support/program.ts'
import { makeProject, type Project, ROOT, TYPESCRIPT } from './project.ts'

export interface Examples {
  run(file: string, args?: string[], options?: ProgramOptions): Program
  runPython(python: string, file: string, args?: string[], options?: ProgramOptions): Program
  /** What a program says that it listens on. */
  endpointOf(program: Program): Promise<string>
  project(): Project
}

export function useExamples(): Examples {
  const programs: Program[] = []
  let project: Project

  beforeAll(() => {
    project = makeProject()
    for (const path of ['examples', 'scripts', 'test/interop/python/requirements.txt'])
      cpSync(join(ROOT, path), project.path(path), { recursive: true })
  })

  afterEach(async () => {
    await Promise.all(programs.splice(0).map((program) => program.stop()))
  })

  afterAll(() => project.remove())

  const started = (program: Program): Program => {
    programs.push(program)
    return program
  }

  return {
    run: (file, args = [], options = {}) =>
      started(new Program(file, process.execPath, [...TYPESCRIPT, project.path(`examples/${file}`), ...args], options)),
    runPython: (python, file, args = [], options = {}) =>
      started(new Program(file, python, [project.path(`examples/${file}`), ...args], options)),
    endpointOf: async (program) => (await program.line(/(listening|publishing) on/)).replace(/^.* on /, ''),
    project: () => project,
  }
}
