import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RoundRobin } from '../../../src/socket/round-robin.ts'
import { FakePeer, frame } from './fake-peer.ts'

function joined(...peers: FakePeer[]): RoundRobin {
  const turns = new RoundRobin()
  for (const peer of peers) turns.attached(peer)
  return turns
}

const received = (peer: FakePeer): string[] => peer.sent.map(([body]) => String(body))

describe('sending in turn', () => {
  it('goes to each peer in the order they came', () => {
    const [a, b, c] = [new FakePeer('a'), new FakePeer('b'), new FakePeer('c')]
    const turns = joined(a, b, c)
    for (const text of ['1', '2', '3', '4']) turns.send(frame(text))
    expect([a, b, c].map(received)).toEqual([['1', '4'], ['2'], ['3']])
  })

  it('says who took the message', () => {
    const [a, b] = [new FakePeer('a'), new FakePeer('b')]
    const turns = joined(a, b)
    expect([turns.send(frame('1')), turns.send(frame('2'))]).toEqual([a, b])
  })

  it('passes over those without room', () => {
    const [a, b] = [new FakePeer('a', { room: 1 }), new FakePeer('b')]
    const turns = joined(a, b)
    for (const text of ['1', '2', '3', '4']) turns.send(frame(text))
    expect([a, b].map(received)).toEqual([['1'], ['2', '3', '4']])
  })

  it('says so when nobody has room, and when nobody is there', () => {
    expect(new RoundRobin().send(frame('1'))).toBeUndefined()
    expect(joined(new FakePeer('a', { room: 0 }), new FakePeer('b', { room: 0 })).send(frame('1'))).toBeUndefined()
  })

  it('skips nobody when a peer leaves, whoever it is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 3 }), (sent, leaving) => {
        const peers = ['a', 'b', 'c', 'd'].map((name) => new FakePeer(name))
        const turns = joined(...peers)
        for (let count = 0; count < sent; count++) turns.send(frame('x'))
        turns.detached(peers[leaving] as FakePeer)
        turns.detached(peers[leaving] as FakePeer)
        const left = peers.filter((_, index) => index !== leaving)
        expect(turns.size).toBe(3)
        // Whoever is next, three messages go to the three that are left.
        expect(new Set([1, 2, 3].map(() => turns.send(frame('y'))))).toEqual(new Set(left))
      }),
    )
  })
})
