import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { checkFloors } from '../../scripts/check-floors.js'
import { temporaryFolder } from '../helpers/folder.ts'

let root: string
beforeEach(() => {
  root = temporaryFolder()
})

function faultsOf(files: Record<string, string>): string[] {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return checkFloors(root)
}

describe('the import floors', () => {
  it('let a folder import itself, lower floors and the ground', () => {
    const faults = faultsOf({
      'errors.ts': 'export class E {}',
      'wire/frame.ts': "import { E } from '../errors.ts'\nexport const frame = E",
      'wire/index.ts': "export * from './frame.ts'",
      'session/session.ts': "import { frame } from '../wire/index.ts'\nexport const session = frame",
      'index.ts': "export { session } from './session/session.ts'",
      'cli/main.ts': "import { session } from '../index.ts'\nsession",
    })
    expect(faults).toEqual([])
  })

  it.each([
    ['a value', "import { a } from '../rpc/a.ts'"],
    ['a value over several lines', "import {\n  a,\n} from '../rpc/a.ts'", 4],
    ['a type', "import type { A } from '../rpc/a.ts'"],
    ['a file for its effect', "import '../rpc/a.ts'"],
    ['a re-export', "export * as a from '../rpc/a.ts'"],
    ['a type re-export', "export type { A } from '../rpc/a.ts'"],
    ['an import expression', "const a = await import('../rpc/a.ts')"],
  ])('stop an upward import of %s', (_what, statement, line = 2) => {
    const faults = faultsOf({ 'wire/frame.ts': `// line 1\n${statement}\n`, 'rpc/a.ts': 'export const a = 1' })
    expect(faults).toEqual([`wire/frame.ts:${line}: 'wire' may not import 'rpc' (rpc/a.ts)`])
  })

  it('keep the ground from importing anything, and everyone from importing the programs', () => {
    const faults = faultsOf({
      'errors.ts': "import './options.ts'",
      'options.ts': '',
      'cli/main.ts': '',
      'index.ts': "import './cli/main.ts'",
    })
    expect(faults).toEqual([
      "errors.ts:1: 'errors' may not import 'options' (options.ts)",
      "index.ts:1: 'index' may not import 'cli' (cli/main.ts)",
    ])
  })

  it('want a place for a new folder', () => {
    const faults = faultsOf({ 'attic/a.ts': "import '../errors.ts'", 'errors.ts': '' })
    expect(faults).toEqual(["attic/a.ts:1: 'attic' is on no floor; give it one in scripts/check-floors.js"])
  })

  it('do not read examples in comments', () => {
    expect(faultsOf({ 'wire/a.ts': "/**\n * import { a } from '../rpc/a.ts'\n */\n" })).toEqual([])
  })
})

describe('an import cycle', () => {
  it('is a fault, named once', () => {
    const faults = faultsOf({
      'wire/a.ts': "import './b.ts'",
      'wire/b.ts': "\nimport './c.ts'",
      'wire/c.ts': "import './b.ts'",
    })
    expect(faults).toEqual(['wire/c.ts:1: import cycle: wire/b.ts -> wire/c.ts -> wire/b.ts'])
  })

  it('may be closed by a type import', () => {
    expect(faultsOf({ 'wire/a.ts': "import './b.ts'", 'wire/b.ts': "import type { A } from './a.ts'" })).toEqual([])
  })
})
