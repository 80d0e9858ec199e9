/** PUSH and PULL, and with them what holds for every socket: high-water marks, timeouts, order. */

import { describe, expect, it } from 'vitest'
import { Dealer, Pull, Push, Router } from '../../../src/socket/index.ts'
import { RawConnection } from '../../helpers/raw-peer.ts'
import { event, link, outcome, STREAM_TRANSPORTS, TRANSPORTS, texts, useSockets, vacant } from '../../helpers/sockets.ts'

describe.each(TRANSPORTS)('PUSH and PULL over $name', ({ endpoint }) => {
  const use = useSockets()

  it('ten thousand messages arrive in order, sent and received as they come', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push, endpoint())
    const total = 10_000
    const sending = (async () => {
      for (let number = 0; number < total; number++) await push.send(String(number))
    })()
    for (let number = 0; number < total; number++) expect(String((await pull.receive())[0])).toBe(String(number))
    await sending
  })

  it('sends and receives that are all under way at once keep their order', async () => {
    const [push, pull] = [use.open(Push, { sendHighWaterMark: 5 }), use.open(Pull, { receiveHighWaterMark: 5 })]
    const receiving = Promise.all(Array.from({ length: 500 }, () => pull.receive()))
    const sending = Promise.all(Array.from({ length: 500 }, (_, number) => push.send(String(number))))
    await link(pull, push, endpoint())
    await sending
    expect((await receiving).map(([body]) => Number(body))).toEqual(Array.from({ length: 500 }, (_, number) => number))
  })

  it('a PUSH serves its PULLs in turn, a PULL hears its PUSHes in turn', async () => {
    const push = use.open(Push)
    await push.bind(endpoint())
    const pulls: Pull[] = []
    for (let count = 0; count < 3; count++) {
      const pull = use.open(Pull)
      const there = event(push, 'handshake')
      pull.connect(push.lastEndpoint as string)
      await there
      pulls.push(pull)
    }
    for (let number = 0; number < 6; number++) await push.send(String(number))
    for (const [index, pull] of pulls.entries()) {
      expect([texts(await pull.receive()), texts(await pull.receive())]).toEqual([[String(index)], [String(index + 3)]])
    }
  })

  it('a bound PUSH without a PULL waits, and sends once there is one', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await push.bind(endpoint())
    push.sendTimeout = 0
    expect(await outcome(push.send('x'))).toBe('EAGAIN')
    push.sendTimeout = 20
    expect(await outcome(push.send('y'))).toBe('EAGAIN')
    push.sendTimeout = -1
    const sending = push.send('z')
    pull.connect(push.lastEndpoint as string)
    await sending
    expect(texts(await pull.receive())).toEqual(['z'])
  })

  it('a PULL that does not receive makes the PUSH wait, and nothing is lost', async () => {
    const [push, pull] = [use.open(Push, { sendHighWaterMark: 10, sendTimeout: 0 }), use.open(Pull, { receiveHighWaterMark: 10 })]
    await link(pull, push, endpoint())
    const body = Buffer.alloc(32 * 1024)
    let sent = 0
    // Until it has been full twice, a moment apart: what is in between has filled up, too.
    for (let full = 0; full < 20; ) {
      if ((await outcome(push.send([String(sent), body]))) === 'fulfilled') {
        sent++
        full = 0
      } else {
        full++
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      expect(sent).toBeLessThan(2000)
    }
    expect(sent).toBeGreaterThanOrEqual(20)
    push.sendTimeout = -1
    const last = push.send([String(sent), body])
    for (let number = 0; number <= sent; number++) expect(String((await pull.receive())[0])).toBe(String(number))
    await last
  })

  it('bytes that wait are limited, too', async () => {
    const options = { sendHighWaterMark: 0, sendTimeout: 0, maxQueueBytes: 1024 * 1024 }
    const [push, pull] = [use.open(Push, options), use.open(Pull, { receiveHighWaterMark: 0, maxQueueBytes: 1024 * 1024 })]
    await link(pull, push, endpoint())
    const body = Buffer.alloc(64 * 1024)
    let sent = 0
    for (let full = 0; full < 20; ) {
      if ((await outcome(push.send(body))) === 'fulfilled') {
        sent++
        full = 0
      } else {
        full++
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      expect(sent).toBeLessThan(1000)
    }
    for (let number = 0; number < sent; number++) await pull.receive()
  })

  it('a message to and fro keeps what the sender does to its buffer afterwards to the sender', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push, endpoint())
    const small = Buffer.from('small')
    await push.send(small)
    const got = await pull.receive()
    small.fill('x')
    expect(texts(got)).toEqual(['small'])
  })
})

describe.each(STREAM_TRANSPORTS)('over $name', ({ endpoint }) => {
  const use = useSockets()

  it('a connecting PUSH queues for each endpoint, away or not; with immediate only for those that are there', async () => {
    const pull = use.open(Pull)
    const away = await vacant(use, endpoint())
    await pull.bind(endpoint())

    const eager = use.open(Push, { reconnectInterval: 10_000 })
    eager.connect(away)
    eager.connect(pull.lastEndpoint as string)
    for (let number = 0; number < 4; number++) await eager.send(String(number))
    expect([texts(await pull.receive()), texts(await pull.receive())]).toEqual([['1'], ['3']])

    const patient = use.open(Push, { immediate: true, reconnectInterval: 10_000, sendTimeout: 0 })
    patient.connect(away)
    expect(await outcome(patient.send('x'))).toBe('EAGAIN')
    const there = event(patient, 'handshake')
    patient.connect(pull.lastEndpoint as string)
    await there
    for (let number = 0; number < 3; number++) await patient.send(String(number))
    for (let number = 0; number < 3; number++) expect(texts(await pull.receive())).toEqual([String(number)])
  })

  it('with immediate a lost connection is no longer sent to', async () => {
    const [pull, push] = [use.open(Pull), use.open(Push, { immediate: true, sendTimeout: 0, reconnectInterval: 10_000 })]
    const there = event(push, 'handshake')
    await link(pull, push, endpoint())
    await there
    await push.send('1')
    await pull.receive()
    const lost = event(push, 'disconnect')
    await pull.close()
    await lost
    expect(await outcome(push.send('2'))).toBe('EAGAIN')
  })
})

describe('waiting', () => {
  const use = useSockets()

  it('receive fails with EAGAIN after receiveTimeout, or at once', async () => {
    const pull = use.open(Pull, { receiveTimeout: 0 })
    expect(await outcome(pull.receive())).toBe('EAGAIN')
    pull.receiveTimeout = 30
    const started = performance.now()
    expect(await outcome(pull.receive())).toBe('EAGAIN')
    expect(performance.now() - started).toBeGreaterThanOrEqual(28)
  })

  it('a receive that timed out takes no message', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull, { receiveTimeout: 1 })]
    await pull.bind('inproc://timed-out')
    expect(await outcome(pull.receive())).toBe('EAGAIN')
    push.connect('inproc://timed-out')
    pull.receiveTimeout = 10_000
    await push.send('kept')
    expect(texts(await pull.receive())).toEqual(['kept'])
  })

  it('a send that timed out sends nothing', async () => {
    const [push, pull] = [use.open(Push, { sendTimeout: 1 }), use.open(Pull)]
    await push.bind('inproc://timed-out')
    expect(await outcome(push.send('given up'))).toBe('EAGAIN')
    push.sendTimeout = 10_000
    const sending = push.send('sent')
    pull.connect('inproc://timed-out')
    await sending
    expect(texts(await pull.receive())).toEqual(['sent'])
  })

  it('more than 1000 sends at once are refused with EBUSY', async () => {
    const push = use.open(Push)
    const sends = Array.from({ length: 1001 }, () => outcome(push.send('x')))
    expect(await sends[1000]).toBe('EBUSY')
    await push.close()
    expect(await Promise.all(sends.slice(0, 1000))).toEqual(Array(1000).fill('EAGAIN'))
  })

  it('closing ends what waits with EAGAIN and what comes after with EBADF', async () => {
    const dealer = use.open(Dealer)
    const [receiving, sending] = [outcome(dealer.receive()), outcome(dealer.send('x'))]
    const closing = dealer.close()
    expect([await receiving, await sending]).toEqual(['EAGAIN', 'EAGAIN'])
    expect([await outcome(dealer.receive()), await outcome(dealer.send('x')), await outcome(dealer.bind('inproc://a'))]).toEqual([
      'EBADF',
      'EBADF',
      'EBADF',
    ])
    expect(() => dealer.connect('inproc://a')).toThrow(expect.objectContaining({ code: 'EBADF' }))
    await closing
  })

  it('for await takes every message and ends when the socket closes', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push)
    const got: string[] = []
    const reading = (async () => {
      for await (const [body] of pull) {
        got.push(String(body))
        if (got.length === 3) void pull.close()
      }
    })()
    for (const text of ['a', 'b', 'c']) await push.send(text)
    await reading
    expect(got).toEqual(['a', 'b', 'c'])
  })

  it('leaving a for await leaves the socket open', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push)
    await push.send('a')
    await push.send('b')
    for await (const [body] of pull) {
      expect(String(body)).toBe('a')
      break
    }
    expect(texts(await pull.receive())).toEqual(['b'])
  })

  it('for await tells of a timeout', async () => {
    const pull = use.open(Pull, { receiveTimeout: 1 })
    const reading = (async () => {
      for await (const _ of pull);
    })()
    expect(await outcome(reading)).toBe('EAGAIN')
  })
})

describe('a message over maxMessageSize', () => {
  const use = useSockets()

  it('costs the sender its connection; one at the limit does not', async () => {
    const router = use.open(Router, { maxMessageSize: 1000 })
    await router.bind('tcp://127.0.0.1:0')
    const dealer = use.open(Dealer, { reconnectInterval: -1, routingId: 'd' })
    dealer.connect(router.lastEndpoint as string)
    await dealer.send(Buffer.alloc(1000))
    expect((await router.receive())[1]?.length).toBe(1000)
    const lost = event(router, 'disconnect')
    await dealer.send([Buffer.alloc(600), Buffer.alloc(401)])
    expect((await lost).error).toMatchObject({ code: 'PROTOCOL_ERROR' })
  })

  it('takes no memory by being announced', async () => {
    const pull = use.open(Pull)
    await pull.bind('tcp://127.0.0.1:0')
    const before = process.memoryUsage().arrayBuffers
    const raws = await Promise.all(Array.from({ length: 10 }, () => RawConnection.connect(pull.lastEndpoint as string)))
    for (const raw of raws) {
      use.defer(() => raw.close())
      await raw.handshake('PUSH')
      const header = Buffer.alloc(9)
      header[0] = 2
      header.writeBigUInt64BE(200n * 1024n * 1024n, 1)
      raw.write(header, Buffer.alloc(10))
      // A second connection is heard behind it: the first has been read.
    }
    const push = use.open(Push)
    push.connect(pull.lastEndpoint as string)
    await push.send('x')
    await pull.receive()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 1024 * 1024)
  })
})
