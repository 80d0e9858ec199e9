/** Every numbered case of the conformance brief, 1 to 72, has a test in this folder that carries its number. */

import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const FOLDER = new URL('./', import.meta.url)
const CASES = 72

/** Numbers in the names of tests and groups: `case 61: …`, or `42. …`. */
function numbersIn(file: string): number[] {
  const source = readFileSync(new URL(file, FOLDER), 'utf8')
  return [...source.matchAll(/['"`](?:case (\d+):|(\d+)\. )/g)].map(([, one, two]) => Number(one ?? two))
}

it('all numbered cases have a test', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.test.ts') && !import.meta.url.endsWith(name))
  const found = new Set(files.flatMap(numbersIn))
  const missing = Array.from({ length: CASES }, (_, index) => index + 1).filter((number) => !found.has(number))
  expect(missing).toEqual([])
})
