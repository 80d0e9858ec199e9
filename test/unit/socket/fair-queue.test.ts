import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FairQueue } from '../../../src/socket/fair-queue.ts'
import { FakePeer, frame } from './fake-peer.ts'

function drain(queue: FairQueue): string[] {
  const got: string[] = []
  for (let message = queue.shift(); message !== undefined; message = queue.shift()) got.push(String(message[0]))
  return got
}

describe('a fair queue', () => {
  it('takes from each peer in turn, however much one has', () => {
    const queue = new FairQueue()
    const [a, b, c] = [new FakePeer('a'), new FakePeer('b'), new FakePeer('c')]
    for (const text of ['a1', 'a2', 'a3', 'a4']) queue.push(a, frame(text))
    queue.push(b, frame('b1'))
    for (const text of ['c1', 'c2']) queue.push(c, frame(text))
    expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', 'a4'])
    expect(queue.shift()).toBeUndefined()
  })

  it('may take in the order of arrival, however it is filled and emptied', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(3))), (steps) => {
        const queue = new FairQueue('arrival')
        const peers = [new FakePeer('a'), new FakePeer('b'), new FakePeer('c')]
        const [expected, got]: [string[], string[]] = [[], []]
        for (const [index, [peer, takes]] of steps.entries()) {
          queue.push(peers[peer] as FakePeer, frame(String(index)))
          expected.push(String(index))
          for (let count = takes - 1; count > 0; count--) {
            const message = queue.shift()
            if (message !== undefined) got.push(String(message[0]))
          }
        }
        expect([...got, ...drain(queue)]).toEqual(expected)
      }),
    )
  })

  it('says whose message it gave', () => {
    const queue = new FairQueue()
    const [a, b] = [new FakePeer('a'), new FakePeer('b')]
    queue.push(a, frame('1'))
    queue.push(b, frame('2'))
    queue.shift()
    expect(queue.lastPeer).toBe(a)
    queue.shift()
    expect(queue.lastPeer).toBe(b)
  })

  it('pauses a peer at its mark and reads on at half of it', () => {
    const queue = new FairQueue()
    const peer = new FakePeer('a', { receiveHighWaterMark: 4 })
    for (let count = 0; count < 3; count++) queue.push(peer, frame('x'))
    expect(peer.paused).toBe(false)
    queue.push(peer, frame('x'))
    expect(peer.paused).toBe(true)
    queue.shift()
    expect(peer.paused).toBe(true)
    queue.shift()
    expect(peer.paused).toBe(false)
  })

  it('pauses a peer at its mark of bytes', () => {
    const queue = new FairQueue()
    const peer = new FakePeer('a', { maxQueueBytes: 100 })
    queue.push(peer, [Buffer.alloc(60)])
    expect(peer.paused).toBe(false)
    queue.push(peer, [Buffer.alloc(60)])
    expect(peer.paused).toBe(true)
    queue.shift()
    expect(peer.paused).toBe(true)
    queue.shift()
    expect(peer.paused).toBe(false)
  })

  it('pauses a peer again that came back with its inbox still full', () => {
    const queue = new FairQueue()
    const peer = new FakePeer('a', { receiveHighWaterMark: 2 })
    for (let count = 0; count < 2; count++) queue.push(peer, frame('x'))
    // A new connection reads.
    peer.paused = false
    queue.push(peer, frame('x'))
    expect(peer.paused).toBe(true)
  })

  it('forgets that it paused a peer that is gone: it may come back', () => {
    const queue = new FairQueue()
    const peer = new FakePeer('a', { receiveHighWaterMark: 1 })
    queue.push(peer, frame('x'))
    expect(peer.paused).toBe(true)
    queue.detached(peer)
    queue.shift()
    expect(peer.paused).toBe(false)
  })

  it('in the order of arrival takes no turns', () => {
    const queue = new FairQueue('arrival')
    const [a, b] = [new FakePeer('a', { receiveHighWaterMark: 3 }), new FakePeer('b')]
    for (const [peer, text] of [
      [a, 'a1'],
      [a, 'a2'],
      [b, 'b1'],
      [a, 'a3'],
      [b, 'b2'],
    ] as const) {
      queue.push(peer, frame(text))
    }
    expect(a.paused).toBe(true)
    expect(drain(queue)).toEqual(['a1', 'a2', 'b1', 'a3', 'b2'])
    expect(a.paused).toBe(false)
  })

  it('gives out what a peer sent that is gone', () => {
    const queue = new FairQueue()
    const peer = new FakePeer('a', { receiveHighWaterMark: 1 })
    queue.push(peer, frame('last words'))
    queue.detached(peer)
    expect(drain(queue)).toEqual(['last words'])
  })

  it('reads from no new peer while those that are gone have left more than one may have waiting', () => {
    const queue = new FairQueue()
    const limits = { receiveHighWaterMark: 4 }
    for (const name of ['a', 'b']) {
      const peer = new FakePeer(name, limits)
      queue.attached(peer)
      expect(peer.paused).toBe(false)
      for (const text of ['1', '2', '3']) queue.push(peer, frame(name + text))
      queue.detached(peer)
    }
    const [late, later] = [new FakePeer('late', limits), new FakePeer('later', limits)]
    queue.attached(late)
    queue.attached(later)
    for (let count = 0; count < 3; count++) queue.shift()
    expect([late.paused, later.paused]).toEqual([true, true])
    queue.detached(later)
    expect(later.paused).toBe(false)
    queue.shift()
    expect(late.paused).toBe(false)
    expect(drain(queue)).toEqual(['a3', 'b3'])
  })

  it('counts the bytes of those that are gone, too, and no longer what one left that has come back', () => {
    const queue = new FairQueue()
    const [leaving, other] = [new FakePeer('a', { maxQueueBytes: 100 }), new FakePeer('b', { maxQueueBytes: 100 })]
    queue.attached(leaving)
    queue.push(leaving, [Buffer.alloc(101)])
    queue.detached(leaving)
    queue.attached(other)
    expect(other.paused).toBe(true)
    queue.detached(other)
    queue.attached(leaving)
    queue.attached(other)
    expect(other.paused).toBe(false)
    expect(queue.shift()).toHaveLength(1)
    expect(queue.shift()).toBeUndefined()
  })

  it('keeps the order of each peer and loses nothing', () => {
    const step = fc.oneof({ weight: 2, arbitrary: fc.constantFrom(0, 1, 2, 3, 4) }, { weight: 1, arbitrary: fc.constant('shift' as const) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new FairQueue()
        const peers = Array.from({ length: 5 }, (_, index) => new FakePeer(String(index), { receiveHighWaterMark: 3 }))
        const pushed = [0, 0, 0, 0, 0]
        const taken: number[][] = [[], [], [], [], []]
        const take = (): boolean => {
          const message = queue.shift()
          if (message === undefined) return false
          const [peer, number] = String(message[0]).split(':').map(Number) as [number, number]
          expect(queue.lastPeer).toBe(peers[peer])
          taken[peer]?.push(number)
          return true
        }
        for (const each of steps) {
          if (each === 'shift') take()
          else {
            const number = pushed[each] as number
            pushed[each] = number + 1
            queue.push(peers[each] as FakePeer, frame(`${each}:${number}`))
          }
        }
        while (take());
        expect(taken.map(({ length }) => length)).toEqual(pushed)
        for (const numbers of taken) expect(numbers).toEqual(numbers.map((_, index) => index))
        for (const peer of peers) expect(peer.paused).toBe(false)
      }),
    )
  })
})
