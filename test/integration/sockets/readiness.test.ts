/** `readable` and `writable`: what they say is what `receive` and `send` then do. */

import { describe, expect, it } from 'vitest'
import {
  curveKeyPair,
  Dealer,
  Pair,
  Publisher,
  Pull,
  Push,
  Reply,
  Request,
  Router,
  type Socket,
  Subscriber,
  XPublisher,
  XSubscriber,
} from '../../../src/socket/index.ts'
import { link, until, useSockets } from '../../helpers/sockets.ts'

const stateOf = ({ readable, writable }: Socket): string => `${readable ? 'r' : '-'}${writable ? 'w' : '-'}`

describe('a socket', () => {
  const use = useSockets()

  it.each([
    { kind: Request, expected: '--' },
    { kind: Reply, expected: '--' },
    { kind: Dealer, expected: '--' },
    { kind: Router, expected: '-w' },
    { kind: Publisher, expected: '-w' },
    { kind: Subscriber, expected: '--' },
    { kind: XPublisher, expected: '-w' },
    { kind: XSubscriber, expected: '-w' },
    { kind: Push, expected: '--' },
    { kind: Pull, expected: '--' },
    { kind: Pair, expected: '--' },
  ])('$kind.name without a peer is as in zeromq: $expected; closed, it is neither', ({ kind, expected }) => {
    const socket: Socket = use.open(kind as typeof Dealer)
    expect(stateOf(socket)).toBe(expected)
    void socket.close()
    expect(stateOf(socket)).toBe('--')
  })

  it('that connects is writable until its queue is full', async () => {
    const push = use.open(Push, { sendHighWaterMark: 2, linger: 0 })
    push.connect('tcp://127.0.0.1:1')
    const states = [stateOf(push)]
    for (const text of ['a', 'b']) {
      await push.send(text)
      states.push(stateOf(push))
    }
    expect(states).toEqual(['-w', '-w', '--'])
  })

  it('is readable while a message is there and nobody waits for it', async () => {
    const [pull, push] = [use.open(Pull), use.open(Push)]
    await link(pull, push)
    const waiting = pull.receive()
    await push.send('a')
    await waiting
    expect(pull.readable).toBe(false)
    await push.send('b')
    await until(() => pull.readable, 'b is there')
    pull.receiveTimeout = 0
    await pull.receive()
    expect(pull.readable).toBe(false)
  })

  it('that asks or answers is what its turn allows', async () => {
    const [reply, request] = [use.open(Reply), use.open(Request)]
    await link(reply, request)
    const states = [[stateOf(request), stateOf(reply)]]
    await request.send('?')
    await until(() => reply.readable, 'the request is there')
    states.push([stateOf(request), stateOf(reply)])
    await reply.receive()
    states.push([stateOf(request), stateOf(reply)])
    await reply.send('!')
    await until(() => request.readable, 'the reply is there')
    states.push([stateOf(request), stateOf(reply)])
    await request.receive()
    states.push([stateOf(request), stateOf(reply)])
    expect(states).toEqual([
      ['-w', '--'],
      ['--', 'r-'],
      ['--', '-w'],
      ['r-', '--'],
      ['-w', '--'],
    ])
  })

  it('is readable of each kind that receives', async () => {
    const [router, dealer, publisher, subscriber] = [use.open(Router), use.open(Dealer), use.open(XPublisher), use.open(Subscriber)]
    subscriber.subscribe('')
    await link(publisher, subscriber)
    await until(() => publisher.readable, 'the subscription is there')
    await publisher.send('news')
    await until(() => subscriber.readable, 'the news is there')
    await link(router, dealer)
    await dealer.send('x')
    await until(() => router.readable, 'x is there')
    await router.send(await router.receive())
    await until(() => dealer.readable, 'x is back')
  })
})

describe('the mechanism of a socket', () => {
  const use = useSockets()

  it('follows from its options', () => {
    const { publicKey, secretKey } = curveKeyPair()
    const names = [
      {},
      { plainServer: true },
      { plainUsername: 'a', plainPassword: 'b' },
      { curveServer: true, curveSecretKey: secretKey },
      { curveServerKey: publicKey, curveSecretKey: secretKey },
    ].map((options) => use.open(Dealer, options).securityMechanism)
    expect(names).toEqual([null, 'plain', 'plain', 'curve', 'curve'])
  })
})
