/** When a session gives what was sent to its pipe: the pipe here only notes what it was given. */

import { describe, expect, it } from 'vitest'
import { Session } from '../../../src/session/session.ts'
import type { Pipe } from '../../../src/transport/pipe.ts'
import { NullMechanism } from '../../../src/wire/index.ts'
import { greeting, ready } from '../wire/helpers.ts'

class NotingPipe implements Pipe {
  readonly remoteAddress = 'tcp://192.0.2.1:5555'
  readonly bytesReceived = 0
  readonly bytesSent = 0
  /** Bytes of each write. */
  readonly writes: number[] = []

  open(): void {}
  write(buffers: readonly Buffer[]): boolean {
    this.writes.push(buffers.reduce((sum, { length }) => sum + length, 0))
    return true
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

/** Behind its handshake. */
function connected(): { session: Session; pipe: NotingPipe } {
  const none = (): void => {}
  const session = new Session(
    'tcp://192.0.2.1:5555',
    true,
    {
      socketType: 'DEALER',
      mechanism: (metadata) => new NullMechanism(metadata),
      routingId: Buffer.alloc(0),
      properties: [],
      limits: { maxFrameBytes: 1e6, maxMessageBytes: 1e6, maxMessageFrames: 100, maxCommandBytes: 1e5, maxHandshakeBytes: 1e5 },
      heartbeat: { intervalMs: 0, timeoutMs: 0, ttlMs: 0 },
      handshakeTimeoutMs: 0,
      authenticate: () => {
        throw new Error('nobody is asked')
      },
      sendHighWaterMark: 1000,
      receiveHighWaterMark: 1000,
      maxQueueBytes: 1e9,
      conflate: false,
    },
    { ready: none, message: none, subscription: none, writable: none, lost: none },
    { opened: none, closed: none },
  )
  const pipe = new NotingPipe()
  session.open(pipe)
  session.onData(Buffer.concat([greeting('NULL'), ready('ROUTER')]))
  pipe.writes.length = 0
  return { session, pipe }
}

const FRAME_BYTES = 66
const message = [Buffer.alloc(64, 'm')]

async function endOfTurn(): Promise<void> {
  await new Promise(setImmediate)
}

describe('What is sent in one turn', () => {
  it('is one write where it is little', async () => {
    const { session, pipe } = connected()
    for (let count = 0; count < 20; count++) session.send(message)
    expect(pipe.writes).toEqual([])
    await endOfTurn()
    expect(pipe.writes).toEqual([20 * FRAME_BYTES])
  })

  it('goes out in part before the turn is over where it is much, each time twice as much', async () => {
    const { session, pipe } = connected()
    for (let count = 0; count < 1500; count++) session.send(message)
    const [first = 0, second = 0, third = 0] = pipe.writes
    expect(first).toBeLessThan(2048)
    expect(second / first).toBeCloseTo(2, 0)
    expect(third / second).toBeCloseTo(2, 0)
    expect(Math.max(...pipe.writes)).toBeLessThanOrEqual(32 * 1024)
    await endOfTurn()
    expect(pipe.writes.reduce((sum, bytes) => sum + bytes)).toBe(1500 * FRAME_BYTES)
  })

  it('starts anew in the next one', async () => {
    const { session, pipe } = connected()
    for (let count = 0; count < 1500; count++) session.send(message)
    const [first] = pipe.writes
    await endOfTurn()
    pipe.writes.length = 0
    for (let count = 0; count < 1500; count++) session.send(message)
    expect(pipe.writes[0]).toBe(first)
  })
})
