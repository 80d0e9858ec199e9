/** Every pair of socket types, over every transport, whichever end binds, with messages of every shape. */

import { describe, expect, it } from 'vitest'
import { Pair, Pull, Push, type Socket } from '../../../src/socket/index.ts'
import { type AnyDuplex, carriesEveryShape, ours, PAIRINGS, type Pairing, pattern } from '../../helpers/pairings.ts'
import { link, type TestSockets, TRANSPORTS, useSockets, vacant } from '../../helpers/sockets.ts'

function openPair(
  use: TestSockets,
  { left, right, leftOptions, rightOptions }: Pairing,
): [left: Socket & AnyDuplex, right: Socket & AnyDuplex] {
  return [use.open(ours(left), leftOptions), use.open(ours(right), rightOptions)]
}

describe.each(TRANSPORTS)('over $name', ({ endpoint }) => {
  const use = useSockets()

  describe.each(PAIRINGS)('$name', (pairing) => {
    it.each(['first', 'second'])('carry every message when the %s one binds', async (binder) => {
      const [left, right] = openPair(use, pairing)
      await (binder === 'first' ? link(left, right, endpoint()) : link(right, left, endpoint()))
      await carriesEveryShape(pairing, left, right)
    })
  })

  it('16 MiB go to and fro', async () => {
    const [left, right] = [use.open(Pair), use.open(Pair)]
    await link(left, right, endpoint())
    const body = pattern(16 * 1024 * 1024)
    await left.send(['large', body])
    const got = await right.receive()
    expect([got.length, got[1]?.equals(body)]).toEqual([2, true])
    await right.send(got)
    expect((await left.receive())[1]?.equals(body)).toBe(true)
  })

  it('what is queued before anybody is bound arrives', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    const address = await vacant(use, endpoint())
    push.connect(address)
    for (let number = 0; number < 100; number++) await push.send(String(number))
    await pull.bind(address)
    for (let number = 0; number < 100; number++) expect(String((await pull.receive())[0])).toBe(String(number))
  })
})
