/** A project as a user has it: the built package in `node_modules`, and files beside it. In a folder of its own, outside ours. */

import { execFileSync } from 'node:child_process'
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
  return projectWith(['@types', '@noble', ...WRITTEN_WITH], (installed) => {
    cpSync(join(ROOT, 'dist'), join(installed, 'dist'), { recursive: true })
    cpSync(join(ROOT, 'package.json'), join(installed, 'package.json'))
  })
}

/** What the docs write schemas with, log with, and keep a buffer in. */
const WRITTEN_WITH = ['zod', 'pino', '@nats-io']

/** What `npm pack` makes. */
export interface Pack {
  /** Where it is. */
  readonly file: string
  /** Bytes. */
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string }[]
}

/** Packs the package as it would be published. */
export function pack(folder: string): Pack {
  requireBuilt()
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const [made] = JSON.parse(execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  return { ...made, file: join(folder, made.filename) }
}

/** What the page of the start has one install, with the package as it is packed. */
export function makePackedProject(): Project {
  return projectWith(['@types', '@noble', 'typescript', 'tsx'], (installed) => {
    const { file } = pack(join(installed, '..'))
    execFileSync('tar', ['-xf', file, '-C', installed, '--strip-components=1'])
  })
}

function requireBuilt(): void {
  if (!existsSync(join(ROOT, 'dist/index.js'))) throw new Error('the package is not built: `npm run build` comes first')
}

/** `packages` are linked, `install` gets the folder for our own. */
function projectWith(packages: readonly string[], install: (installed: string) => void): Project {
  requireBuilt()
  const folder = mkdtempSync(join(tmpdir(), 'zmq-rpc-project-'))
  const installed = join(folder, 'node_modules/zmq-rpc')
  mkdirSync(installed, { recursive: true })
  install(installed)
  for (const name of packages) symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
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
