/** docs/events.md is right: every event with its level and fields, every counter, every reason to drop a message. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Receiver, RpcClient } from '../../src/index.ts'
import { LOG_LINES, type RpcEventName } from '../../src/observability/logger.ts'
import { declaredEvents } from '../helpers/rpc-events.ts'
import { ROOT } from './project.ts'

const page = readFileSync(join(ROOT, 'docs/events.md'), 'utf8')

/** The rows of the table with this head, by the names in their first cells. */
function table(head: string): Map<string, string[]> {
  const lines = page.split('\n')
  const start = lines.findIndex((line, index) => line.startsWith(`| ${head} |`) && lines[index + 1]?.startsWith('|---'))
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'))
  const rows = lines.slice(start + 2, end).map((line) => line.slice(2, -2).split(' | '))
  return new Map(rows.flatMap(([names = '', ...cells]) => codeIn(names).map((name) => [name, cells])))
}

function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
}

describe('the events', () => {
  const documented = table('event')
  const declared = declaredEvents()

  it('are all there, in the order of the code', () => {
    expect(declared.size).toBeGreaterThan(10)
    expect([...documented.keys()]).toEqual([...declared.keys()])
  })

  it.each([...declared])('%s has its level and its fields', (name, fields) => {
    const [level, , named = ''] = documented.get(name) ?? []
    expect([level, ...codeIn(named)]).toEqual([LOG_LINES[name as RpcEventName][0], ...fields])
  })

  it('have no field that is not explained, and no other is', () => {
    expect([...table('field').keys()].sort()).toEqual([...new Set([...declared.values()].flat())].sort())
  })

  it('name no event elsewhere that there is not', () => {
    const named = codeIn(page).flatMap((code) => code.match(/zmq-rpc:[\w:]+/g) ?? [])
    expect(named.filter((name) => !declared.has(name))).toEqual([])
  })
})

describe('the numbers', () => {
  it('of clients and servers are all there', async () => {
    await using client = new RpcClient({ req: 'inproc://nobody-is-here' })
    await using server = new Receiver({ rep: 'inproc://nobody-comes-here' })
    expect([...table('`client.stats()`, `sender.stats()`').keys()].sort()).toEqual(Object.keys(client.stats()).sort())
    expect([...table('`server.stats()`, `receiver.stats()`').keys()].sort()).toEqual(Object.keys(server.stats()).sort())
    expect([...table('`dropped`').keys()]).toEqual(Object.keys(server.stats().dropped))
    const [, servers = ''] = /^\| `servers` \| (.*) \|$/m.exec(page) ?? []
    expect(codeIn(servers)).toEqual(expect.arrayContaining(Object.keys(client.stats().servers[0] ?? {})))
  })
})
