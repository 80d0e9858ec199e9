/**
 * Bundles `src` into `dist`: an import then reads a few files instead of a hundred, which is most of what it costs. Types are
 * emitted beside them by `tsc`, file by file.
 *
 * What `exports` and `bin` of package.json point to are the entries: `./dist/a/b.js` is made of `src/a/b.ts`. Those of `exports` share
 * what they have in common, so there is one of each class, whichever way it is imported; each of `bin` is one file, which imports the
 * library as others do. Dependencies stay imports.
 */

import { readFileSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * Files that are no entry for users but are started by their address, such as those of worker threads: `rpc/threads/worker`
 * for `src/rpc/threads/worker.ts`.
 * @type {string[]}
 */
const STARTED_BY_ADDRESS = ['rpc/threads/worker']

const { exports, bin = {}, dependencies, peerDependencies } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8'))
const library = Object.values(exports).map((target) => target.default ?? target)

rmSync(`${ROOT}/dist`, { recursive: true, force: true })
await build([...namesOf(library), ...STARTED_BY_ADDRESS])
for (const name of namesOf(Object.values(bin))) await build([name], [libraryFrom(name)])

/** @param {string[]} targets @returns {string[]} `a/b` of `./dist/a/b.js` */
function namesOf(targets) {
  return targets.flatMap((target) => /^\.\/dist\/(.*)\.js$/.exec(target)?.[1] ?? [])
}

/** @param {string[]} names @param {import('rolldown').Plugin[]} [plugins] */
async function build(names, plugins = []) {
  const bundle = await rolldown({
    input: Object.fromEntries(names.map((name) => [name, `${ROOT}/src/${name}.ts`])),
    cwd: ROOT,
    platform: 'node',
    external: Object.keys({ ...dependencies, ...peerDependencies }).map((name) => new RegExp(`^${name}(/|$)`)),
    plugins,
    transform: { target: 'es2022' },
  })
  await bundle.write({
    dir: `${ROOT}/dist`,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    // The types have them.
    comments: { jsdoc: false },
    // `src` is in the package, too.
    sourcemap: true,
    sourcemapExcludeSources: true,
  })
  await bundle.close()
}

/** A program uses the library as it is in `dist`: nothing of the one is in the files of the other. @param {string} program */
function libraryFrom(program) {
  const id = `${'../'.repeat(program.split('/').length - 1)}index.js`
  /** @param {string} source @param {string | undefined} importer */
  const resolveId = (source, importer) =>
    importer !== undefined && resolve(dirname(importer), source) === `${ROOT}src/index.ts` ? { id, external: true } : null
  return { name: 'library', resolveId }
}
