/** `sendMany` and `receiveMany`: many messages for one promise, under the rules that hold for one message. */

import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  type BatchReadable,
  type BatchWritable,
  Dealer,
  type Message,
  Pair,
  type Publisher,
  Pull,
  Push,
  Reply,
  Request,
  Router,
  type SocketError,
  Subscriber,
  XPublisher,
  type XSubscriber,
} from '../../../src/socket/index.ts'
import { event, link, outcome, TRANSPORTS, texts, useSockets } from '../../helpers/sockets.ts'

const numbers = (count: number, first = 0): string[] => Array.from({ length: count }, (_, index) => String(first + index))
const bodies = (messages: readonly Message[]): string[] => messages.map((message) => String(message.at(-1)))
const errorOf = (call: Promise<unknown>): Promise<SocketError> => call.then(Promise.reject, (error) => error)

async function receiveAll(socket: BatchReadable, total: number, maxCount?: number): Promise<string[]> {
  const all: string[] = []
  while (all.length < total) all.push(...bodies(await socket.receiveMany(maxCount)))
  return all
}

describe.each(TRANSPORTS)('batches over $name', ({ endpoint }) => {
  const use = useSockets()

  it('thousands of messages arrive in order, through high-water marks far below', async () => {
    const [push, pull] = [use.open(Push, { sendHighWaterMark: 7 }), use.open(Pull, { receiveHighWaterMark: 5 })]
    await link(pull, push, endpoint())
    const [received] = await Promise.all([
      receiveAll(pull, 6000),
      push.sendMany(numbers(3000)),
      push.send('3000'),
      push.sendMany(numbers(2999, 3001)),
    ])
    expect(received).toEqual(numbers(6000))
  })

  it('one call gets all that was sent together', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push, endpoint())
    const waiting = pull.receiveMany()
    await push.sendMany(numbers(100))
    expect(bodies(await waiting)).toEqual(numbers(100))
  })

  it('a ROUTER answers a batch with itself, and peers take turns in it', async () => {
    const router = use.open(Router)
    await router.bind(endpoint())
    const dealers = [use.open(Dealer), use.open(Dealer)]
    for (const dealer of dealers) {
      const there = event(router, 'handshake')
      dealer.connect(router.lastEndpoint as string)
      await there
    }
    for (const [index, dealer] of dealers.entries()) await dealer.sendMany(numbers(50, index * 50))
    for (let answered = 0; answered < 100; ) {
      const requests = await router.receiveMany()
      await router.sendMany(requests)
      answered += requests.length
    }
    for (const [index, dealer] of dealers.entries()) expect(await receiveAll(dealer, 50)).toEqual(numbers(50, index * 50))
  })
})

describe('receiveMany', () => {
  const use = useSockets()

  it('takes no more than it was told to, and leaves the rest in order', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push)
    const first = pull.receiveMany(3)
    await push.sendMany(numbers(10))
    expect(bodies(await first)).toEqual(['0', '1', '2'])
    expect(bodies([await pull.receive()])).toEqual(['3'])
    expect(await receiveAll(pull, 6, 4)).toEqual(numbers(6, 4))
  })

  it('waits in one line with receive', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push)
    const calls = [pull.receive(), pull.receiveMany(2), pull.receive(), pull.receiveMany()]
    await push.sendMany(numbers(6))
    const got = await Promise.all(calls)
    expect(got.map((answer) => (Array.isArray(answer[0]) ? bodies(answer as Message[]) : texts(answer as Message)))).toEqual([
      ['0'],
      ['1', '2'],
      ['3'],
      ['4', '5'],
    ])
  })

  it('a peer that is paused at the mark is read on while its messages are taken', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull, { receiveHighWaterMark: 2 })]
    await link(pull, push)
    const body = Buffer.alloc(10_000, 'x')
    const sending = push.sendMany(Array.from({ length: 500 }, () => body))
    expect((await receiveAll(pull, 500)).every((text) => text === body.toString())).toBe(true)
    await sending
  })

  it('ends with the timeout, with the socket, and not without need', async () => {
    const pull = use.open(Pull, { receiveTimeout: 0 })
    expect(await outcome(pull.receiveMany())).toBe('EAGAIN')
    pull.receiveTimeout = 20
    expect(await outcome(pull.receiveMany())).toBe('EAGAIN')
    for (const wrong of [0, -1, Number.NaN]) expect(await outcome(pull.receiveMany(wrong))).toBe('EINVAL')
    pull.receiveTimeout = -1
    const waiting = outcome(pull.receiveMany())
    await pull.close()
    expect(await waiting).toBe('EAGAIN')
    expect(await outcome(pull.receiveMany())).toBe('EBADF')
  })

  it('a call whose turn comes when another has taken everything waits on', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push)
    const [first, second] = [pull.receiveMany(), pull.receiveMany()]
    await push.sendMany(['a', 'b'])
    expect(bodies(await first)).toEqual(['a', 'b'])
    await push.send('c')
    expect(bodies(await second)).toEqual(['c'])
  })

  it('is there for subscribers, too', async () => {
    const [publisher, subscriber] = [use.open(XPublisher), use.open(Subscriber)]
    await link(publisher, subscriber)
    subscriber.subscribe('a')
    expect((await publisher.receiveMany()).map(([news]) => news?.toString('latin1'))).toEqual(['\x01a'])
    const waiting = subscriber.receiveMany()
    await publisher.sendMany(['a1', 'b1', ['a2', 'x']])
    expect((await waiting).map(texts)).toEqual([['a1'], ['a2', 'x']])
  })
})

describe('sendMany', () => {
  const use = useSockets()

  it('tells how many went when there is no room, and those arrive', async () => {
    const push = use.open(Push, { sendHighWaterMark: 4, sendTimeout: 0 })
    // Nobody listens there yet: the peer's queue is all the room there is.
    const pull = use.open(Pull)
    await pull.bind('ipc://*')
    const address = pull.lastEndpoint as string
    await pull.unbind(address)
    push.connect(address)
    const error = await errorOf(push.sendMany(numbers(10)))
    expect([error.code, error.sent]).toEqual(['EAGAIN', 4])
    push.sendTimeout = 20
    const waited = await errorOf(push.sendMany(['more']))
    expect([waited.code, waited.sent]).toEqual(['EAGAIN', 0])
    push.sendTimeout = 10_000
    const sending = push.sendMany(numbers(10, 4))
    await pull.bind(address)
    expect(await receiveAll(pull, 14)).toEqual(numbers(14))
    await sending
  })

  it('tells how many went when the socket closes, and after that', async () => {
    const push = use.open(Push, { linger: 0, sendHighWaterMark: 2 })
    push.connect('tcp://127.0.0.1:1')
    const waiting = errorOf(push.sendMany(numbers(5)))
    await push.close()
    expect([(await waiting).code, (await waiting).sent]).toEqual(['EAGAIN', 2])
    const closed = await errorOf(push.sendMany(numbers(5)))
    expect([closed.code, closed.sent]).toEqual(['EBADF', 0])
  })

  it('stops at a message that its socket refuses', async () => {
    const [router, dealer] = [use.open(Router, { mandatory: true }), use.open(Dealer, { routingId: 'there' })]
    const there = event(router, 'handshake')
    await link(router, dealer)
    await there
    const error = await errorOf(
      router.sendMany([
        ['there', '1'],
        ['there', '2'],
        ['away', '3'],
        ['there', '4'],
      ]),
    )
    expect([error.code, error.sent]).toEqual(['EHOSTUNREACH', 2])
    expect(await receiveAll(dealer, 2)).toEqual(['1', '2'])
    expect(await outcome(router.sendMany([['there', '5']]))).toBe('fulfilled')
    expect(await receiveAll(dealer, 1)).toEqual(['5'])
  })

  it('sends nothing when one of the messages is none', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push)
    const error = await errorOf(push.sendMany(['a', []]))
    expect([error.code, error.sent]).toEqual(['EINVAL', 0])
    await push.sendMany([])
    await push.sendMany(['b'])
    expect(await receiveAll(pull, 1)).toEqual(['b'])
  })

  it('lists may be used again at once, whether their messages went or wait', async () => {
    const [push, pull] = [use.open(Push, { sendHighWaterMark: 2 }), use.open(Pull)]
    await pull.bind('ipc://*')
    const list = [Buffer.from('a'), Buffer.from('b')]
    push.connect(pull.lastEndpoint as string)
    const sending = [push.send(list), push.send(list), push.send(list), push.sendMany([list, list])]
    list.reverse()
    list.pop()
    await Promise.all(sending)
    await push.send(list)
    const got: Message[] = []
    while (got.length < 6) got.push(...(await pull.receiveMany()))
    expect(got.map(texts)).toEqual([...Array.from({ length: 5 }, () => ['a', 'b']), ['b']])
  })

  it('the strings of a list are messages of their own, the strings of a list in it are frames', async () => {
    const [one, two] = [use.open(Pair), use.open(Pair)]
    await link(one, two)
    const waiting = two.receiveMany()
    await one.sendMany(['a', ['b', 'c'], Buffer.from('d'), null, 5])
    expect((await waiting).map(texts)).toEqual([['a'], ['b', 'c'], ['d'], [''], ['5']])
  })
})

describe('the types', () => {
  it('give batches to all sockets but REQ and REP, whose messages go in turn', () => {
    expectTypeOf<Dealer & Router & Pair & XPublisher & XSubscriber>().toExtend<BatchReadable & BatchWritable>()
    expectTypeOf<Pull & Subscriber>().toExtend<BatchReadable>()
    expectTypeOf<Push & Publisher>().toExtend<BatchWritable>()
    expectTypeOf<Request | Reply>().not.toHaveProperty('sendMany')
    for (const type of [Request, Reply]) expect('sendMany' in type.prototype || 'receiveMany' in type.prototype).toBe(false)
  })
})
