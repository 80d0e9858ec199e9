/**
 * The code in README.md and docs/*.md is right: every `ts` block type-checks, as strictly as our own code and with the types
 * of the built package; those marked `ts run` run, and write what the `text` block behind them says; and the first screen of the
 * README works to the letter.
 *
 * - A block whose first line is a comment with a file's name is that file, for the others of its page to import.
 * - A block may use a `client`, a `server` and `Greet` without making them.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Program } from '../../examples/support/program.ts'
import { peer } from '../helpers/peers.ts'
import { makeProject, type Project, ROOT, TYPESCRIPT } from './project.ts'

interface Block {
  readonly language: string
  readonly run: boolean
  readonly code: string
  /** Where it stands: `README.md:12`. */
  readonly place: string
  /** Its file in the project. */
  readonly file: string
  /** What it should write. */
  readonly output: string | undefined
}

const PAGES = ['README.md', 'CONTRIBUTING.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
)

/** What a piece of a program may take for granted. */
const GIVEN = {
  client: "declare const client: import('zmq-rpc').RpcClient",
  server: "declare const server: import('zmq-rpc').RpcServer",
  Greet: "declare const Greet: new (name?: string) => import('zmq-rpc').Command<string> & { name: string }",
}

const STRICT = {
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noPropertyAccessFromIndexSignature: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
    allowImportingTsExtensions: true,
    noEmit: true,
  },
}

/** The fenced blocks of a page. */
function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  const folder = page.replace(/\W+/g, '-')
  const found = [...text.matchAll(/^```(\w+)( run)?\n([\s\S]*?)^```$/gm)]
  return found.map((match, index) => {
    const [whole, language = '', run, code = ''] = match
    const next = found[index + 1]
    const line = text.slice(0, match.index).split('\n').length
    const name = /^(?:\/\/|#) ([\w-]+\.(?:ts|py))\b/.exec(code)?.[1]
    return {
      language,
      run: run !== undefined,
      code,
      place: `${page}:${line}`,
      file: `${folder}/${name ?? `line-${line}.ts`}`,
      // Only white space between the two.
      output: next?.[1] === 'text' && text.slice(match.index + whole.length, next.index).trim() === '' ? next[3] : undefined,
    }
  })
}

/** A block as a module, with what it takes for granted. */
function moduleOf({ code }: Block): string {
  const isGiven = (name: string): boolean =>
    new RegExp(`\\b${name}\\b`).test(code) && !new RegExp(`(const|class|import \\{.*) ${name}\\b`).test(code)
  const given = Object.entries(GIVEN).flatMap(([name, declaration]) => (isGiven(name) ? [declaration] : []))
  return [...given, code, 'export {}', ''].join('\n')
}

const blocks = PAGES.flatMap(blocksOf)
const typescript = blocks.filter(({ language }) => language === 'ts')

describe('the code in README.md and docs', () => {
  let project: Project

  beforeAll(() => {
    project = makeProject()
    project.write('tsconfig.json', JSON.stringify(STRICT))
    for (const block of typescript) project.write(block.file, moduleOf(block))
    for (const block of blocks) if (block.language === 'python') project.write(block.file, block.code)
  })

  afterAll(() => project.remove())

  const run = (file: string): Program => new Program(file, process.execPath, [...TYPESCRIPT, project.path(file)])

  it('is there', () => {
    expect(typescript.length).toBeGreaterThan(8)
  })

  it('type-checks', { timeout: 60_000 }, async () => {
    const tsc = new Program('tsc', process.execPath, [
      join(ROOT, 'node_modules/typescript/bin/tsc'),
      '-p',
      project.folder,
      '--pretty',
      'false',
    ])
    await tsc.ended
    expect(withoutOthers(tsc.lines)).toEqual([])
  })

  // Some simulate hours, which costs seconds on a machine that has nothing else to do.
  it.each(typescript.filter((block) => block.run))('$place runs', { timeout: 90_000 }, async ({ file, output }) => {
    const program = run(file)
    await program.exits(0, 60_000)
    if (output !== undefined) expect(program.lines.join('\n')).toBe(output.trimEnd())
  })

  const python = peer('pyzmqrpc3')

  it('answers on the first screen', { timeout: 30_000 }, async () => {
    const server = run('README-md/server.ts')
    try {
      const client = run('README-md/client.ts')
      await client.exits(0)
      const shown = blocks.find(({ place, language }) => place.startsWith('README.md') && language === 'text')
      expect(client.lines).toEqual(shown?.code.trimEnd().split('\n'))
    } finally {
      await server.stop()
    }
  })

  it.skipIf(!python.available)('answers on the first screen to Python, too', { timeout: 30_000 }, async () => {
    const server = run('README-md/server.ts')
    try {
      await server.line(/./)
      const pythonClient = Program.python(python.python, project.path('README-md/greet_client.py'))
      await pythonClient.exits(0)
      expect(pythonClient.lines).toEqual(['Hello Ada, says Python'])
    } finally {
      await server.stop()
    }
  })

  const servers = python.available ? ['greet_server.py', 'greet-server.ts'] : ['greet-server.ts']
  it.each(servers)('is answered by the %s of docs/from-pyzmqrpc3.md', { timeout: 30_000 }, async (name) => {
    const file = `docs-from-pyzmqrpc3-md/${name}`
    const server = name.endsWith('.py') ? Program.python(python.python, project.path(file)) : run(file)
    try {
      const client = run('docs-from-pyzmqrpc3-md/greet-client.ts')
      await client.exits(0)
      expect(client.lines).toEqual(['Hello Ada'])
    } finally {
      await server.stop()
    }
  })

  it('publishes and is heard, as the README says', async () => {
    const block = typescript.find(({ code }) => code.includes('publisher.publish'))
    const program = run(block?.file ?? '')
    try {
      await program.line(/somebody greets everybody/)
    } finally {
      await program.stop()
    }
  })
})

describe('the links in README.md and docs', () => {
  it.each(PAGES)('of %s lead to files that are there', (page) => {
    const text = readFileSync(join(ROOT, page), 'utf8')
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)].map(([, path = '', anchor = '']) => ({ path, anchor }))
    const missing = targets.filter(({ path, anchor }) => {
      const file = path === '' ? join(ROOT, page) : join(ROOT, page, '..', path)
      try {
        return anchor !== '' && !anchorsOf(readFileSync(file, 'utf8')).has(anchor)
      } catch (error) {
        return (error as NodeJS.ErrnoException).code !== 'EISDIR'
      }
    })
    expect(missing).toEqual([])
  })

  it('name source files that are there', () => {
    const sources = new Set(readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).map((file) => file.split('/').at(-1)))
    const named = [...readFileSync(join(ROOT, 'docs/tour.md'), 'utf8').matchAll(/`(?:src\/)?(?:[\w-]+\/)*([\w-]+\.ts)`/g)].map(
      ([, name]) => name,
    )
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter((name) => !sources.has(name))).toEqual([])
  })
})

/** What `tsc` says but for the types of other packages, which need not be as strict as ours. What belongs to an error is indented. */
function withoutOthers(lines: readonly string[]): string[] {
  let isTheirs = false
  return lines.filter((line) => {
    if (!line.startsWith(' ')) isTheirs = /node_modules\/(?!zmq-rpc\/)/.test(line)
    return !isTheirs
  })
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading)
  return new Set(
    headings.map(
      (heading) =>
        `#${heading
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-')}`,
    ),
  )
}
