/** docs/sockets.md has every name of the `zeromq` package, and tells the truth about each. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as ours from '../../src/socket/index.ts'
import { loadLibzmq, peer } from '../helpers/peers.ts'
import { ROOT } from './project.ts'

const CLASSES = [
  ...['Request', 'Reply', 'Dealer', 'Router', 'Publisher', 'Subscriber', 'XPublisher', 'XSubscriber', 'Push', 'Pull', 'Pair', 'Stream'],
  ...['Context', 'Observer', 'Proxy'],
]

/** Of `zeromq`, and for its subclasses only; or of the draft sockets. */
const INTERNAL = /^((get|set)\w+Option|constructor|emitter|join|leave)$/

type Package = Readonly<Record<string, unknown>>

/** The table rows: name -> same, differs or no. */
const rows = new Map(
  [...readFileSync(join(ROOT, 'docs/sockets.md'), 'utf8').matchAll(/^\| (`.*?`) \| (same|differs|no) \| /gm)].flatMap(
    ([, names = '', status = '']) => [...names.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => [name, status] as const),
  ),
)

function membersOf(type: unknown): Set<string> {
  const names = new Set<string>()
  for (
    let prototype = (type as { prototype?: object })?.prototype;
    prototype && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    for (const name of Object.getOwnPropertyNames(prototype)) names.add(name)
  }
  // Fields of ours, which no prototype has.
  if (membersAreSockets(type)) for (const name of ['events', 'context']) names.add(name)
  if (type === ours.Proxy) for (const name of ['frontEnd', 'backEnd']) names.add(name)
  return names
}

function membersAreSockets(type: unknown): boolean {
  return typeof type === 'function' && type.prototype instanceof ours.Socket
}

/** Every name of a package, as the page writes it. */
function namesOf(all: Package): Set<string> {
  const names = new Set(Object.keys(all).filter((name) => name !== 'default' && name !== '__esModule'))
  for (const type of CLASSES) {
    const qualified = ['Context', 'Observer', 'Proxy'].includes(type) ? `${type}.` : ''
    for (const name of membersOf(all[type])) if (!INTERNAL.test(name)) names.add(qualified + name)
  }
  return names
}

describe.skipIf(!peer('libzmq').available)('the page about sockets', () => {
  it('has every name of zeromq', async () => {
    const names = namesOf((await loadLibzmq()) as Package)
    expect([...names].filter((name) => !rows.has(name))).toEqual([])
  })

  it('calls nothing missing that is there, and nothing there that is missing', () => {
    const names = namesOf(ours as Package)
    const claimed = [...rows].map(([name, status]) => `${name}: ${status === 'no' ? 'no' : 'there'}`)
    const found = [...rows].map(([name]) => `${name}: ${names.has(name) ? 'there' : 'no'}`)
    expect(claimed).toEqual(found)
  })

  it('has each option at the same kinds of sockets as zeromq', async () => {
    const theirs = (await loadLibzmq()) as Package
    const missing = CLASSES.filter((type) => type in ours).flatMap((type) => {
      const qualified = ['Context', 'Observer', 'Proxy'].includes(type) ? `${type}.` : ''
      const mine = membersOf((ours as Package)[type])
      // Sockets that cannot send (or receive) have the method in zeromq at run time, though not in its types.
      const there = [...membersOf(theirs[type])].filter((name) => !INTERNAL.test(name) && name !== 'send' && name !== 'receive')
      return there.filter((name) => rows.get(qualified + name) !== 'no' && !mine.has(name)).map((name) => `${type}.${name}`)
    })
    expect(missing).toEqual([])
  })
})
