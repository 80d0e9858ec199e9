/**
 * All pairs of socket types that may talk, and how a message goes from one to the other and, where it can, back. Written
 * against what our sockets and those of the `zeromq` package have in common, so that either may be at either end.
 */

import { expect } from 'vitest'
import {
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
} from '../../src/socket/index.ts'
import { until } from './sockets.ts'

/** What both packages' sockets have, as far as these tests need it. */
export interface AnySocket {
  readonly lastEndpoint: string | null
  bind(address: string): Promise<void>
  connect(address: string): void
}

export interface AnyDuplex extends AnySocket {
  send(message: Frame | Frame[]): Promise<void>
  receive(): Promise<Buffer[]>
}

type Frame = string | Buffer

const OURS = { Dealer, Pair, Publisher, Pull, Push, Reply, Request, Router, Subscriber, XPublisher, XSubscriber }

export type TypeName = keyof typeof OURS

/** What the types are called on the wire. */
export const ZMTP_NAMES: Readonly<Record<TypeName, string>> = {
  Request: 'REQ',
  Reply: 'REP',
  Dealer: 'DEALER',
  Router: 'ROUTER',
  Publisher: 'PUB',
  Subscriber: 'SUB',
  XPublisher: 'XPUB',
  XSubscriber: 'XSUB',
  Push: 'PUSH',
  Pull: 'PULL',
  Pair: 'PAIR',
}

/** Our class of that name. */
export function ours(name: TypeName): new (options?: object) => Socket & AnyDuplex {
  return OURS[name] as never
}

export interface Pairing {
  name: string
  left: TypeName
  right: TypeName
  leftOptions?: object
  rightOptions?: object
  /** After both are there: what has to happen before messages arrive. */
  prepare?(left: AnyDuplex, right: AnyDuplex): Promise<void>
  /** Sends from left to right, and back where that can be; returns what came out at the end. */
  carry(left: AnyDuplex, right: AnyDuplex, frames: Frame[]): Promise<Buffer[]>
}

const ALL = Buffer.from([1])
const SYNC = 'are you there?'

async function oneWay(left: AnyDuplex, right: AnyDuplex, frames: Frame[]): Promise<Buffer[]> {
  await left.send(frames)
  return right.receive()
}

/** To and fro, behind as many frames of envelope as each side puts before the message. */
function roundTrip(sent: Frame[], leftSkips: number, rightSkips: number): Pairing['carry'] {
  return async (left, right, frames) => {
    await left.send([...sent, ...frames])
    const got = await right.receive()
    const body = got.slice(rightSkips)
    await right.send([...got.slice(0, rightSkips), ...body])
    return (await left.receive()).slice(leftSkips)
  }
}

/** A publisher without ears of its own says it until the subscriber hears it; gives what that has heard. */
export async function untilHeard(
  publisher: Pick<AnyDuplex, 'send'>,
  subscriber: Pick<AnyDuplex, 'receive'>,
  text = SYNC,
): Promise<Buffer[]> {
  let heard = false
  const hearing = subscriber.receive().finally(() => {
    heard = true
  })
  await until(async () => {
    await publisher.send(text)
    return heard
  }, 'the subscriber hears the publisher')
  return hearing
}

async function oneWaySkippingSync(left: AnyDuplex, right: AnyDuplex, frames: Frame[]): Promise<Buffer[]> {
  await left.send(frames)
  for (;;) {
    const message = await right.receive()
    if (String(message[0]) !== SYNC) return message
  }
}

const subscribeAll = (right: AnyDuplex): void => (right as unknown as { subscribe(): void }).subscribe()
/** Both wait at once: a SUB of libzmq that binds subscribes only while it is used. */
async function heardSubscription(left: AnyDuplex, right: AnyDuplex): Promise<void> {
  const hearing = right.receive()
  await left.receive()
  await left.send(SYNC)
  await hearing
}

export const PAIRINGS: readonly Pairing[] = [
  { name: 'REQ and REP', left: 'Request', right: 'Reply', carry: roundTrip([], 0, 0) },
  { name: 'REQ and ROUTER', left: 'Request', right: 'Router', carry: roundTrip([], 0, 2) },
  { name: 'DEALER and REP', left: 'Dealer', right: 'Reply', carry: roundTrip(['number', ''], 2, 0) },
  { name: 'DEALER and ROUTER', left: 'Dealer', right: 'Router', carry: roundTrip([], 0, 1) },
  { name: 'DEALER and DEALER', left: 'Dealer', right: 'Dealer', carry: roundTrip([], 0, 0) },
  {
    name: 'ROUTER and ROUTER',
    left: 'Router',
    right: 'Router',
    leftOptions: { routingId: 'left', mandatory: true },
    rightOptions: { routingId: 'right', mandatory: true },
    prepare: async (left, right) => {
      await until(
        () =>
          left.send(['right', 'first']).then(
            () => true,
            () => false,
          ),
        'the left knows the right',
      )
      await right.receive()
    },
    carry: roundTrip(['right'], 1, 1),
  },
  { name: 'PUSH and PULL', left: 'Push', right: 'Pull', carry: oneWay },
  { name: 'PAIR and PAIR', left: 'Pair', right: 'Pair', carry: roundTrip([], 0, 0) },
  {
    name: 'PUB and SUB',
    left: 'Publisher',
    right: 'Subscriber',
    prepare: async (left, right) => {
      subscribeAll(right)
      await untilHeard(left, right)
    },
    carry: oneWaySkippingSync,
  },
  {
    name: 'PUB and XSUB',
    left: 'Publisher',
    right: 'XSubscriber',
    prepare: async (left, right) => {
      await right.send(ALL)
      await untilHeard(left, right)
    },
    carry: oneWaySkippingSync,
  },
  {
    name: 'XPUB and SUB',
    left: 'XPublisher',
    right: 'Subscriber',
    prepare: async (left, right) => {
      subscribeAll(right)
      await heardSubscription(left, right)
    },
    carry: oneWay,
  },
  {
    name: 'XPUB and XSUB',
    left: 'XPublisher',
    right: 'XSubscriber',
    prepare: async (left, right) => {
      await right.send(ALL)
      await heardSubscription(left, right)
    },
    carry: oneWay,
  },
]

/** A body that shows when bytes are lost, doubled or moved. */
export function pattern(length: number): Buffer {
  const buffer = Buffer.alloc(length)
  for (let offset = 0; offset + 4 <= length; offset += 4096) buffer.writeUInt32LE(offset, offset)
  if (length > 0) buffer[length - 1] = 0xa5
  return buffer
}

/** So many messages each way at the same time, in order. */
export async function exchange(left: AnyDuplex, right: AnyDuplex, total: number): Promise<void> {
  const send = async (socket: AnyDuplex): Promise<void> => {
    for (let number = 0; number < total; number++) await socket.send(String(number))
  }
  const receive = async (socket: AnyDuplex): Promise<void> => {
    for (let number = 0; number < total; number++) {
      const [body] = await socket.receive()
      // An `expect` for each would take longer than all the rest.
      if (String(body) !== String(number)) expect.fail(`${body} came instead of ${number}`)
    }
  }
  await Promise.all([send(left), send(right), receive(left), receive(right)])
}

const KiB = 1024

/** Messages of every shape that a frame or a message may have. */
export const SHAPES: Readonly<Record<string, Buffer[]>> = {
  'one frame': [Buffer.from('hello')],
  'one empty frame': [Buffer.alloc(0)],
  'several frames': [Buffer.from('a'), Buffer.from('bc'), Buffer.from('def')],
  'empty frames around and between': [
    Buffer.alloc(0),
    Buffer.from('a'),
    Buffer.alloc(0),
    Buffer.alloc(0),
    Buffer.from('b'),
    Buffer.alloc(0),
  ],
  'frames at the edge of the short form': [pattern(254), pattern(255), pattern(256), pattern(257)],
  'frames at the edge of being copied': [pattern(2047), pattern(2048), pattern(2049)],
  '65,536 bytes and one less': [pattern(64 * KiB - 1), pattern(64 * KiB)],
  '500 frames': Array.from({ length: 500 }, (_, index) => Buffer.from(String(index))),
  '1 MiB between small frames': [Buffer.from('head'), pattern(KiB * KiB), Buffer.from('tail')],
}

/** Of a pair that is joined: what goes in on the left comes out at the end as it was. */
export async function carriesEveryShape({ prepare, carry }: Pairing, left: AnyDuplex, right: AnyDuplex): Promise<void> {
  await prepare?.(left, right)
  for (const [shape, frames] of Object.entries(SHAPES)) {
    const got = await carry(left, right, frames)
    expect(got.length, shape).toBe(frames.length)
    for (const [index, frame] of frames.entries()) expect(got[index]?.equals(frame), `${shape}, frame ${index}`).toBe(true)
  }
}
