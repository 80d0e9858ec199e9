/** A project as a user has it: the built package in `node_modules`, and files beside it. In a folder of its own, outside ours. */

import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What runs TypeScript: Node itself where it can, else tsx. */
export const TYPESCRIPT: readonly string[] =
  'typescript' in process.features && process.features.typescript
    ? []
    : ['--import', pathToFileURL(join(ROOT, 'node_modules/tsx/dist/loader.mjs')).href]

export interface Project {
  readonly folder: string
  path(file: string): string
  write(file: string, text: string): void
  remove(): void
}

export function makeProject(): Project {
  if (!existsSync(join(ROOT, 'dist/index.js'))) throw new Error('the package is not built: `npm run build` comes first')
  const folder = mkdtempSync(join(tmpdir(), 'zmq-rpc-project-'))
  const installed = join(folder, 'node_modules/zmq-rpc')
  mkdirSync(installed, { recursive: true })
  cpSync(join(ROOT, 'dist'), join(installed, 'dist'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(installed, 'package.json'))
  // zod is what the docs write schemas with, pino what they log with.
  for (const scope of ['@types', '@noble', 'pino', 'zod'])
    symlinkSync(join(ROOT, 'node_modules', scope), join(folder, 'node_modules', scope))
  const project: Project = {
    folder,
    path: (file) => join(folder, file),
    write: (file, text) => {
      mkdirSync(join(folder, file, '..'), { recursive: true })
      writeFileSync(join(folder, file), text)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
  project.write('package.json', JSON.stringify({ type: 'module', private: true }))
  return project
}
