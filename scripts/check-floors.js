/**
 * Keeps the floors of `src`: a folder imports its own files and the floors named for it here, never upwards; and no two
 * files import each other in a cycle. Type imports count for the floors but not for cycles: they leave no code.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Everyone may also import these. */
const GROUND = ['errors', 'options', 'receipt']

/**
 * Folder (or file at the root of `src`) -> what it may import, bottom to top.
 * @type {Record<string, string[]>}
 */
const FLOORS = {
  errors: ['receipt'],
  options: ['errors'],
  receipt: [],
  observability: [],
  wire: [],
  transport: [],
  testing: ['transport', 'store'],
  session: ['transport', 'wire', 'observability'],
  socket: ['session', 'transport', 'wire', 'observability'],
  store: ['observability'],
  rpc: ['socket', 'session', 'transport', 'wire', 'store', 'observability'],
  proxy: ['rpc', 'socket', 'session', 'transport', 'wire', 'store', 'observability'],
  index: ['proxy', 'rpc', 'socket', 'session', 'transport', 'wire', 'store', 'observability'],
  cli: ['index'],
  dashboard: ['index'],
}

const STATEMENT = /^[ \t]*(?:import|export)\s+(type\s)?(?:[\w$*{][\w\s$*{},]*?from\s*)?['"](\.[^'"]*)['"]/gm
const EXPRESSION = /\bimport\(\s*['"](\.[^'"]*)['"]/g

/** @typedef {{ file: string, line: number, target: string, atLoad: boolean }} Import */

/**
 * @param {string} root the `src` folder
 * @returns {string[]} the faults, each as `file:line: what`
 */
export function checkFloors(root) {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const imports = new Map(files.sort().map((file) => [file, importsOf(root, file)]))
  return [...[...imports.values()].flat().flatMap(upward), ...cycles(imports)]
}

/** @param {string} root @param {string} file @returns {Import[]} */
function importsOf(root, file) {
  const text = readFileSync(join(root, file), 'utf8')
  /** @param {RegExpExecArray} match @param {string} specifier @param {boolean} atLoad */
  const found = (match, specifier, atLoad) => {
    const line = text.slice(0, match.index + match[0].length).split('\n').length
    return { file, line, target: join(dirname(file), specifier), atLoad }
  }
  return [
    ...[...text.matchAll(STATEMENT)].map((match) => found(match, match[2] ?? '', match[1] === undefined)),
    ...[...text.matchAll(EXPRESSION)].map((match) => found(match, match[1] ?? '', false)),
  ]
}

/** @param {Import} found @returns {string[]} */
function upward({ file, line, target }) {
  const [from, to] = [floorOf(file), floorOf(target)]
  const allowed = FLOORS[from]
  if (allowed === undefined) return [`${file}:${line}: '${from}' is on no floor; give it one in scripts/check-floors.js`]
  if (from === to || allowed.includes(to) || (GROUND.includes(to) && !GROUND.includes(from))) return []
  return [`${file}:${line}: '${from}' may not import '${to}' (${target})`]
}

/** The folder below `src`, or the name of a file that lies there itself. @param {string} path */
function floorOf(path) {
  return (path.split(sep)[0] ?? '').replace(/\.ts$/, '')
}

/** @param {Map<string, Import[]>} imports @returns {string[]} */
function cycles(imports) {
  /** @type {string[]} */
  const faults = []
  const done = new Set()
  /** @param {string} file @param {string[]} path */
  const visit = (file, path) => {
    if (done.has(file)) return
    for (const { line, target, atLoad } of imports.get(file) ?? []) {
      if (!atLoad) continue
      const start = [...path, file].indexOf(target)
      if (start >= 0) faults.push(`${file}:${line}: import cycle: ${[...path.slice(start), file, target].join(' -> ')}`)
      else visit(target, [...path, file])
    }
    done.add(file)
  }
  for (const file of imports.keys()) visit(file, [])
  return faults
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = resolve(dirname(process.argv[1]), '../src')
  const faults = checkFloors(root)
  for (const fault of faults) console.error(`src/${fault}`)
  if (faults.length > 0) process.exitCode = 1
}
