/** Subscriptions between ours and libzmq's, with topics around every boundary of their encoding. */

import { describe, expect, it } from 'vitest'
import { Subscriber, XPublisher } from '../../../src/socket/index.ts'
import { pattern } from '../../helpers/pairings.ts'
import { useSockets } from '../../helpers/sockets.ts'
import { libzmq, openLibzmq, zmq } from './libzmq.ts'

describe.skipIf(!libzmq.available).each([0, 1, 244, 245, 246, 248, 249, 250, 255, 256, 300])('a topic of %i bytes', (length) => {
  const use = useSockets()
  const topic = pattern(length)
  const subscribed = Buffer.concat([Buffer.from([1]), topic])
  const cancelled = Buffer.concat([Buffer.from([0]), topic])

  it.each(['ours', 'theirs'])('is heard and given up when the subscriber is %s', async (who) => {
    const [subscriber, publisher] =
      who === 'ours' ? [use.open(Subscriber), openLibzmq(use, zmq.XPublisher)] : [openLibzmq(use, zmq.Subscriber), use.open(XPublisher)]
    await publisher.bind('tcp://127.0.0.1:*')
    subscriber.connect(publisher.lastEndpoint as string)
    // Before and after the connection is there.
    subscriber.subscribe(topic)
    expect((await publisher.receive())[0]?.equals(subscribed)).toBe(true)
    await publisher.send([Buffer.concat([topic, Buffer.from('!')]), 'body'])
    expect((await subscriber.receive())[1]?.toString()).toBe('body')
    subscriber.unsubscribe(topic)
    expect((await publisher.receive())[0]?.equals(cancelled)).toBe(true)
    subscriber.subscribe(topic)
    expect((await publisher.receive())[0]?.equals(subscribed)).toBe(true)
  })
})

describe.skipIf(!libzmq.available)('repeated subscriptions', () => {
  const use = useSockets()

  it('of libzmq count once, as one cancel ends them', async () => {
    const [subscriber, publisher] = [openLibzmq(use, zmq.Subscriber), use.open(XPublisher)]
    await publisher.bind('tcp://127.0.0.1:*')
    subscriber.connect(publisher.lastEndpoint as string)
    subscriber.subscribe('a', 'a')
    expect(String((await publisher.receive())[0])).toBe('\x01a')
    subscriber.unsubscribe('a')
    subscriber.unsubscribe('a')
    subscriber.subscribe('b')
    expect([String((await publisher.receive())[0]), String((await publisher.receive())[0])]).toEqual(['\0a', '\x01b'])
  })
})
