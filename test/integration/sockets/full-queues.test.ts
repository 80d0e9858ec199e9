/** Queues that are full, and peers that send more than fits. */

import { describe, expect, it } from 'vitest'
import { Publisher, Pull, Push, type Socket } from '../../../src/socket/index.ts'
import { type RawConnection, strangerAt } from '../../helpers/raw-peer.ts'
import { link, TRANSPORTS, until, useSockets } from '../../helpers/sockets.ts'
import { command, greeting, naiveMessage, ready } from '../../unit/wire/helpers.ts'

const use = useSockets()
const ANY = 'tcp://127.0.0.1:0'

const stranger = (socket: Socket): Promise<RawConnection> => strangerAt(use, socket)

describe.each(['tcp://127.0.0.1:0', 'inproc://full'])('a queue at its mark, over %s', (address) => {
  it('is told and counted once, until half of it is free again', async () => {
    const [push, pull] = [use.open(Push, { sendHighWaterMark: 4, sendTimeout: 0 }), use.open(Pull, { receiveHighWaterMark: 4 })]
    const told: string[] = []
    for (const socket of [push, pull])
      socket.events.on('queue:full', ({ queue, address }) => told.push(`${socket.type} ${queue} ${address}`))
    const at = await link(pull, push, address)
    const body = Buffer.alloc(256 * 1024)
    const fill = async (): Promise<number> => {
      let sent = 0
      const before = push.stats().full.send
      await until(async () => {
        await push.send(body).then(
          () => sent++,
          () => {},
        )
        return push.stats().full.send > before
      }, 'the queue is full')
      for (let more = 0; more < 3; more++)
        await push.send(body).then(
          () => sent++,
          () => {},
        )
      return sent
    }
    let sent = await fill()
    expect(told.sort()).toEqual([`PULL receive ${at}`, `PUSH send ${at}`])
    for (let round = 0; round < sent; round++) await pull.receive()
    sent = await fill()
    expect(told.filter((text) => text.startsWith('PUSH'))).toHaveLength(2)
    expect(push.stats().full.send).toBe(2)
    expect(pull.stats().full.receive).toBe(told.length - 2)
  })
})

describe('a subscriber that does not keep up', () => {
  it('is told of once, and each message that it misses is counted', async () => {
    const publisher = use.open(Publisher, { sendHighWaterMark: 3 })
    await publisher.bind(ANY)
    const raw = await stranger(publisher)
    await raw.handshake('SUB')
    raw.socket.pause()
    raw.write(command('09"SUBSCRIBE"'))
    const told: unknown[] = []
    publisher.events.on('queue:full', ({ queue, remoteAddress }) => told.push([queue, remoteAddress]))
    await until(async () => {
      await publisher.send(Buffer.alloc(256 * 1024))
      return publisher.stats().dropped.highWaterMark === 10
    }, 'ten are missed')
    expect(told).toEqual([['send', `tcp://127.0.0.1:${raw.socket.localPort}`]])
  })
})

describe('peers that come, send, and go', () => {
  it('leave no more than a bounded number of messages to an application that does not take them, and none is lost', async () => {
    const pull = use.open(Pull, { receiveHighWaterMark: 10 })
    await pull.bind(ANY)
    const visit = async (name: string): Promise<RawConnection> => {
      const raw = await stranger(pull)
      await raw.handshake('PUSH')
      raw.write(...Array.from({ length: 6 }, (_, index) => naiveMessage([Buffer.from(name + index)])))
      raw.socket.end()
      return raw
    }
    for (const name of ['a', 'b']) await (await visit(name)).closed
    const late = await Promise.all(['c', 'd', 'e'].map(visit))
    await until(() => pull.stats().connections === 3, 'the late ones are in')
    // What they have sent, their end included, stays with the system: what was sent later to others has arrived.
    const [from, to] = [use.open(Push), use.open(Pull)]
    await link(from, to)
    await from.send('later')
    await to.receive()
    expect(pull.stats().connections).toBe(3)
    const got: string[] = []
    for (let count = 0; count < 30; count++) got.push(String((await pull.receive())[0]))
    const sent = ['a', 'b', 'c', 'd', 'e'].flatMap((name) => Array.from({ length: 6 }, (_, index) => name + index))
    expect(got.sort()).toEqual(sent)
    await Promise.all(late.map((raw) => raw.closed))
  })
})

describe('a peer that sends more than fits, and goes', () => {
  it.each(TRANSPORTS)('over $name: all that it has sent is received', async ({ endpoint }) => {
    const pull = use.open(Pull, { receiveHighWaterMark: 5, receiveTimeout: 2000 })
    const push = use.open(Push)
    await link(pull, push, endpoint())
    const sent = Array.from({ length: 500 }, (_, number) => String(number))
    await push.sendMany(sent)
    const closing = push.close()
    // Over inproc it waits until there is room: nothing stands between the two.
    if (!endpoint().startsWith('inproc')) await closing.then(() => until(() => pull.stats().connections === 0, 'it is gone'))
    const got: string[] = []
    while (got.length < sent.length) got.push(String((await pull.receive())[0]))
    expect(got).toEqual(sent)
    expect(pull.stats().dropped.lost).toBe(0)
  })

  it('again and again, before it is read from, leaves nothing, and what it sent is counted', async () => {
    const pull = use.open(Pull, { receiveHighWaterMark: 10 })
    await pull.bind(ANY)
    const visit = async (name: string): Promise<void> => {
      const raw = await stranger(pull)
      const messages = Array.from({ length: 8 }, (_, index) => naiveMessage([Buffer.from(name + index)]))
      raw.write(greeting('NULL'), ready('PUSH'), ...messages)
      raw.socket.end()
      await raw.closed
    }
    for (const name of ['a', 'b', 'c', 'd']) await visit(name)
    await until(() => pull.stats().dropped.lost === 16, 'what c and d sent is counted')
    const got = await pull.receiveMany()
    expect(got.map(String)).toHaveLength(16)
  })
})
