/**
 * Makes `site/`, the documentation as a static site: the pages of `docs/` and, from the sources' own comments, the API of
 * every entry of the package. It needs no network to be read, and no server: `site/index.html` may be opened from the disk.
 *
 * `docs/README.md` is its front page, and its table of contents: a page that is not listed there is a mistake, as are a
 * public name without a comment and a link that leads nowhere. Any warning ends the build with exit code 1.
 */

import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application, Converter, KindRouter, PageEvent } from 'typedoc'
import { checkSite } from './check-site.js'
import { undocumented } from './undocumented.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const OUT = join(ROOT, 'site')

/** @typedef {{ path: string, title: string, category: string }} Page */

/** The pages that the table of contents lists, in its order. @returns {Page[]} */
function contents() {
  const sections = readFileSync(join(ROOT, 'docs/README.md'), 'utf8').split(/^## /m).slice(1)
  return sections.flatMap((section) => {
    const category = section.slice(0, section.indexOf('\n'))
    return [...section.matchAll(/^\| \[([^\]]+)\]\(([^)#]+\.md)\)/gm)].map(([, title = '', path = '']) => ({
      path: join(ROOT, 'docs', path),
      title,
      category,
    }))
  })
}

/** Source file of each entry -> what one imports. @returns {Map<string, string>} */
function entries() {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const code = Object.entries(exports).filter(([, target]) => target.types !== undefined)
  return new Map(
    code.map(([entry, { default: built }]) => [join(ROOT, built.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts')), entry.replace('.', name)]),
  )
}

/** Pages keep the names of their files, whatever they are called in the contents. */
class Router extends KindRouter {
  /** @param {import('typedoc').RouterTarget} target */
  getIdealBaseName(target) {
    const page = pageOf.get(target)
    return page === undefined ? super.getIdealBaseName(target) : `pages/${basename(page.path, '.md').toLowerCase()}`
  }
}

const pages = contents()
const sources = entries()
/** @type {Map<unknown, Page>} */
const pageOf = new Map()

const app = await Application.bootstrap({
  name: 'zmq-rpc',
  entryPoints: [...sources.keys()],
  tsconfig: join(ROOT, 'tsconfig.build.json'),
  readme: join(ROOT, 'docs/README.md'),
  projectDocuments: pages.map(({ path }) => path),
  customCss: fileURLToPath(new URL('style.css', import.meta.url)),
  router: 'pages',
  sort: ['kind', 'instance-first', 'alphabetical-ignoring-documents'],
  navigation: { includeCategories: true },
  defaultCategory: 'API',
  categoryOrder: [...new Set(pages.map(({ category }) => category)), 'API'],
  // A file's name such as README.md is no address, though .md is a country.
  markdownItOptions: { html: true, linkify: false },
  searchInDocuments: true,
  searchInComments: true,
  highlightLanguages: ['typescript', 'javascript', 'json', 'jsonc', 'shellscript', 'python', 'ini', 'yaml', 'console'],
  ignoredHighlightLanguages: ['hex', 'values', 'text'],
  // Defaults are said in words.
  jsDocCompatibility: { defaultTag: false },
  excludeInternal: true,
  excludeProtected: true,
  excludePrivate: true,
  disableGit: true,
  disableSources: true,
  hideGenerator: true,
  includeHierarchySummary: false,
  treatWarningsAsErrors: true,
  // What only the types of others are written with: there is nothing to be known about them.
  intentionallyNotExported: [
    'Answer',
    'Appended',
    'DROPS',
    'FieldOutputs',
    'FileSystem',
    'OfEndpoint',
    'OfFailure',
    'PEERS',
    'PlainCommandClass',
    'Schemas',
    'Simplify',
    'SOCKET_ERRORS',
    'StateArguments',
    'ValidateOptions',
    'Verdict',
  ],
  validation: { notExported: true, invalidLink: true, invalidPath: true, rewrittenLink: true },
})
app.renderer.defineRouter('pages', Router)
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
  const { project } = context
  for (const [index, document] of (project.documents ?? []).entries()) {
    const page = pages[index]
    if (page === undefined) throw new Error(`${document.name} is in no table of contents`)
    pageOf.set(document, page)
    document.name = page.title
    document.frontmatter['category'] = page.category
  }
  for (const module of project.children ?? []) {
    const source = context.getSymbolFromReflection(module)?.declarations?.[0]?.getSourceFile().fileName
    module.name = sources.get(source ?? '') ?? module.name
  }
})

// A link to a folder finds its page only where there is a server.
app.renderer.on(PageEvent.END, (page) => {
  page.contents = page.contents?.replace(/href="((?:\.\.?\/)+)(?=["#])/g, 'href="$1index.html')
})

const project = await app.convert()
if (project === undefined) process.exit(1)
app.validate(project)
for (const name of undocumented(project)) app.logger.error(`${name} has no comment`)
const listed = new Set(pages.map(({ path }) => basename(path)))
for (const name of readdirSync(join(ROOT, 'docs'))) {
  if (name.endsWith('.md') && name !== 'README.md' && !listed.has(name)) app.logger.error(`docs/README.md does not list ${name}`)
}

rmSync(OUT, { recursive: true, force: true })
await app.generateDocs(project, OUT)
for (const fault of checkSite(OUT)) app.logger.error(fault)
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1)
