/**
 * Publishers under subscriptions of strangers, against a model that is a set of topics for each: the same ones get each
 * message, once, and nothing is kept for those that left.
 */

import type { Peer } from '../../src/session/peer.ts'
import { PublishingPattern, type PublishOptions } from '../../src/socket/xpublisher.ts'
import { FakePeer } from '../../test/unit/socket/fake-peer.ts'
import type { Random } from '../random.ts'
import { must, type Target } from '../target.ts'

/** A piece is one deed: what, by whom, with which topic. */
const DEEDS = ['subscribe', 'subscribe', 'cancel', 'as message', 'other message', 'send', 'send', 'leave'] as const
const PEERS = 5

class SubscribingPeer extends FakePeer {
  heard = 0
  turnedAway = false

  override sendShared(): boolean {
    this.heard++
    return true
  }

  override disconnect(): void {
    this.turnedAway = true
  }
}

class Publishing extends PublishingPattern {
  readonly changes: string[] = []

  keptTopics(): number {
    return this.subscriptions.topics().length
  }

  bytesOf(peer: Peer): number {
    return this.subscriptions.bytesOf(peer)
  }

  protected override changed(_peer: Peer, subscribe: boolean, topic: Buffer): void {
    this.changes.push(`${subscribe ? '+' : '-'}${topic.toString('latin1')}`)
  }
}

function somePiece(random: Random): Buffer {
  const topic = random.oneIn(5) ? random.bytes(random.below(6)) : Buffer.from('aabbaba'.slice(0, random.below(8)))
  const deep = random.oneIn(20) ? Buffer.alloc(random.pick([255, 256, 2000]), 'a') : topic
  return Buffer.concat([Buffer.from([random.below(DEEDS.length), random.below(PEERS)]), deep])
}

export const subscriptionsTarget: Target = {
  name: 'subscriptions',

  generate: (random) => [random.bytes(2), ...Array.from({ length: 2 + random.below(20) }, () => somePiece(random))],
  piece: somePiece,

  run(input) {
    const setting = input[0]
    const options: PublishOptions = {
      noDrop: (setting?.[0] ?? 0) % 4 === 3,
      invertMatching: (setting?.[0] ?? 0) % 8 === 1,
      maxSubscriptionBytes: (setting?.[1] ?? 0) % 8 === 0 ? 600 : 1e9,
    }
    const pattern = new Publishing({ readable: () => {}, writable: () => {}, dropped: () => {} }, options)
    const peers = Array.from({ length: PEERS }, (_, index) => new SubscribingPeer(String(index)))
    const model = new Map(peers.map((peer) => [peer, new Set<string>()]))
    for (const peer of peers) pattern.ready(peer)
    for (const piece of input.slice(1)) perform(pattern, peers, model, options, piece)
    const most = Math.max(...[...model.values()].map(({ size }) => size))
    for (const peer of peers) pattern.lost(peer)
    must(pattern.keptTopics() === 0 && peers.every((peer) => pattern.bytesOf(peer) === 0), 'nothing is kept for those that left')
    const sum = pattern.changes.reduce((total, change) => total + (change.startsWith('+') ? 1 : -1), 0)
    must(sum === 0, 'each first holder has its last', () => pattern.changes.join(' '))
    return `${Math.min(most, 4)} ${peers.some((peer) => peer.turnedAway)} ${options.noDrop} ${options.invertMatching}`
  },
}

function perform(
  pattern: Publishing,
  peers: SubscribingPeer[],
  model: Map<SubscribingPeer, Set<string>>,
  options: PublishOptions,
  piece: Buffer,
): void {
  const peer = peers[(piece[1] ?? 0) % PEERS] as SubscribingPeer
  const topics = model.get(peer) as Set<string>
  const topic = Buffer.from(piece.subarray(2))
  const key = topic.toString('latin1')
  switch (DEEDS[(piece[0] ?? 0) % DEEDS.length]) {
    case 'subscribe':
      pattern.subscription(peer, true, topic)
      topics.add(key)
      break
    case 'cancel':
      pattern.subscription(peer, false, topic)
      topics.delete(key)
      break
    case 'as message':
      // Its first byte says what it is.
      pattern.message(peer, [topic, Buffer.from('more')])
      if (topic[0] === 1) topics.add(key.slice(1))
      else if (topic[0] === 0) topics.delete(key.slice(1))
      break
    case 'other message':
      pattern.message(peer, [Buffer.concat([Buffer.from([2]), topic])])
      break
    case 'leave':
      pattern.lost(peer)
      topics.clear()
      pattern.ready(peer)
      break
    default:
      for (const each of peers) each.heard = 0
      must(pattern.send([topic, Buffer.from('body')]), 'a publisher does not wait for those that have room')
      for (const [each, wanted] of model) {
        const matches = [...wanted].some((prefix) => key.startsWith(prefix))
        must(
          each.heard === (matches !== options.invertMatching ? 1 : 0),
          'those that want a message get it, once',
          () => `${each.heard} of ${key}`,
        )
      }
  }
  const bytes = [...topics].reduce((sum, { length }) => sum + length, 0)
  must(pattern.bytesOf(peer) >= bytes, 'what topics cost is counted')
  if (bytes > options.maxSubscriptionBytes) must(peer.turnedAway, 'who holds too much is turned away')
}
