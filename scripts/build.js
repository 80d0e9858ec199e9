/**
 * Bundles `src` into `dist`: an import then reads a few files instead of a hundred, which is most of what it costs. Types are
 * emitted beside them by `tsc`, file by file.
 *
 * What `exports` and `bin` of package.json point to are the entries: `./dist/a/b.js` is made of `src/a/b.ts`. Entries share
 * what they have in common, so there is one of each class, whichever way it is imported. Dependencies stay imports.
 */

import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * Files that are no entry for users but are started by their address, such as those of worker threads: `rpc/worker` for
 * `src/rpc/worker.ts`.
 * @type {string[]}
 */
const STARTED_BY_ADDRESS = []

const { exports, bin = {}, dependencies, peerDependencies } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8'))

/** @type {string[]} */
const targets = [...Object.values(exports).map((target) => target.default ?? target), ...Object.values(bin)]
const names = targets.flatMap((target) => /^\.\/dist\/(.*)\.js$/.exec(target)?.[1] ?? [])
const input = Object.fromEntries([...names, ...STARTED_BY_ADDRESS].map((name) => [name, `${ROOT}/src/${name}.ts`]))

rmSync(`${ROOT}/dist`, { recursive: true, force: true })
const bundle = await rolldown({
  input,
  cwd: ROOT,
  platform: 'node',
  external: Object.keys({ ...dependencies, ...peerDependencies }).map((name) => new RegExp(`^${name}(/|$)`)),
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
