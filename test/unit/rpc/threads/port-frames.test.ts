/** Which memory goes to another thread, and which stays. */

import { describe, expect, it } from 'vitest'
import { fromPort, giveAway, isHandedOver, toPort } from '../../../../src/rpc/threads/port-frames.ts'

const LARGE = 64 * 1024

/** As a port does it: what is in the list has no memory here any more. */
function send(frames: Buffer[], received: boolean): { arrived: Buffer[]; transfer: ArrayBuffer[] } {
  const transfer: ArrayBuffer[] = []
  const sent = toPort(frames, transfer, received)
  return { arrived: fromPort(structuredClone(sent, { transfer })), transfer }
}

const own = (size: number): Buffer => Buffer.from(new Uint8Array(size).fill(7).buffer)

describe('frames for another thread', () => {
  it('arrive as they were, whatever they are views of', () => {
    const block = Buffer.alloc(200_000, 'abcdefg')
    const frames = [Buffer.alloc(0), block.subarray(3, 10), block.subarray(5, 5 + LARGE), own(LARGE), Buffer.from('short')]
    const before = frames.map((frame) => Buffer.from(frame))
    for (const received of [true, false]) {
      const { arrived } = send(
        frames.map((frame) => (frame.buffer === block.buffer ? frame : Buffer.from(frame))),
        received,
      )
      expect(arrived.map((frame, index) => frame.equals(before[index] as Buffer))).toEqual(before.map(() => true))
    }
    expect(block.length).toBe(200_000)
  })

  it('take their memory along where it is large, all theirs, and came from the wire', () => {
    const [large, small] = [own(LARGE), own(100)]
    expect(isHandedOver([small])).toBe(false)
    expect(isHandedOver([small, large])).toBe(true)
    send([large, small], true)
    expect([large.length, small.length]).toEqual([0, 100])
  })

  it('leave a service what is its own, unless it gives it away', () => {
    const [kept, given] = [own(LARGE), giveAway(own(LARGE))]
    const { transfer } = send([kept, given], false)
    expect(transfer.length).toBe(2)
    expect([kept.length, given.length]).toEqual([LARGE, 0])
  })

  it('share no memory that is given away and only a part of another', () => {
    const block = own(2 * LARGE)
    const part = giveAway(block.subarray(0, LARGE))
    send([part], false)
    expect([block.length, part.length]).toEqual([2 * LARGE, LARGE])
  })

  it('may be the same twice', () => {
    const frame = giveAway(own(LARGE))
    const { arrived } = send([frame, frame], false)
    expect(arrived.map((one) => [one.length, one[0]])).toEqual([
      [LARGE, 7],
      [LARGE, 7],
    ])
  })
})
