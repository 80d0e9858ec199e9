/** Every pair of socket types with libzmq at either end, whichever end binds, with messages of every shape. */

import { describe, expect, it } from 'vitest'
import { Dealer, Pair, Pull, Push, Router } from '../../../src/socket/index.ts'
import { type AnyDuplex, carriesEveryShape, exchange, ours, PAIRINGS, pattern } from '../../helpers/pairings.ts'
import { STREAM_TRANSPORTS, useSockets } from '../../helpers/sockets.ts'
import { libzmq, openLibzmq, zmq } from './libzmq.ts'

/** Its own `ipc://*` ends in a name that only libzmq can read. */
const CASES = STREAM_TRANSPORTS.flatMap((transport) => ['the first', 'the second'].map((ourEnd) => ({ transport, ourEnd })))

describe.skipIf(!libzmq.available).each(CASES)('over $transport.name, where $ourEnd is ours', ({ transport, ourEnd }) => {
  const use = useSockets()
  const oursIsLeft = ourEnd === 'the first'

  describe.each(PAIRINGS)('$name', (pairing) => {
    const { left, right, leftOptions, rightOptions } = pairing
    it.each(['first', 'second'])('carry every message when the %s one binds', async (binder) => {
      const open = (type: typeof left, isOurs: boolean, options = {}): AnyDuplex => {
        const heartbeats = { heartbeatInterval: 100, heartbeatTimeout: 5000 }
        const socket = isOurs
          ? use.open(ours(type), { ...heartbeats, ...options })
          : openLibzmq(use, zmq[type], { ...heartbeats, ...options })
        return socket as unknown as AnyDuplex
      }
      const one = open(left, oursIsLeft, leftOptions)
      const two = open(right, !oursIsLeft, rightOptions)
      const [bound, connecting] = binder === 'first' ? [one, two] : [two, one]
      // libzmq knows no way but "*" to have an ipc file named, and no "0" for a port.
      await bound.bind(transport.endpoint().replace(/:0$/, ':*'))
      connecting.connect(bound.lastEndpoint as string)
      await carriesEveryShape(pairing, one, two)
    })
  })
})

describe.skipIf(!libzmq.available)('with libzmq', () => {
  const use = useSockets()

  it('16 MiB go to and fro', async () => {
    const [mine, theirs] = [use.open(Pair), openLibzmq(use, zmq.Pair)]
    await mine.bind('tcp://127.0.0.1:0')
    theirs.connect(mine.lastEndpoint as string)
    const body = pattern(16 * 1024 * 1024)
    await mine.send(['large', body])
    const got = await theirs.receive()
    expect(got[1]?.equals(body)).toBe(true)
    await theirs.send(got)
    expect((await mine.receive())[1]?.equals(body)).toBe(true)
  })

  it('batches are messages like any other', async () => {
    const [mine, theirs] = [use.open(Router), openLibzmq(use, zmq.Dealer)]
    await mine.bind('tcp://127.0.0.1:0')
    theirs.connect(mine.lastEndpoint as string)
    const total = 5000
    const sending = (async () => {
      for (let number = 0; number < total; number++) await theirs.send([String(number), 'x'])
    })()
    const answering = (async () => {
      for (let answered = 0; answered < total; ) {
        const messages = await mine.receiveMany()
        await mine.sendMany(messages)
        answered += messages.length
      }
    })()
    for (let number = 0; number < total; number++) expect((await theirs.receive()).map(String)).toEqual([String(number), 'x'])
    await Promise.all([sending, answering])
  })

  it('twenty thousand messages each way arrive in order', async () => {
    const [mine, theirs] = [use.open(Dealer), openLibzmq(use, zmq.Dealer)]
    await theirs.bind('tcp://127.0.0.1:*')
    mine.connect(theirs.lastEndpoint as string)
    await exchange(mine, theirs, 20_000)
  })

  it('a slow PULL stops our PUSH, a slow PULL of ours stops libzmq, and nothing is lost', async () => {
    for (const oursPulls of [true, false]) {
      const pull = oursPulls ? use.open(Pull, { receiveHighWaterMark: 5 }) : openLibzmq(use, zmq.Pull, { receiveHighWaterMark: 5 })
      const push = oursPulls ? openLibzmq(use, zmq.Push, { sendHighWaterMark: 5 }) : use.open(Push, { sendHighWaterMark: 5 })
      await pull.bind('tcp://127.0.0.1:*')
      push.connect(pull.lastEndpoint as string)
      const total = 300
      let sent = 0
      const sending = (async () => {
        for (; sent < total; sent++) await push.send([String(sent), Buffer.alloc(100_000)])
      })()
      for (let number = 0; number < total; number++) {
        // What is under way is bounded by both marks and the buffers between.
        expect(sent - number).toBeLessThan(250)
        expect(String((await pull.receive())[0])).toBe(String(number))
      }
      await sending
    }
  })
})
