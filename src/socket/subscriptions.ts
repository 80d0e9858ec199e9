/**
 * Who wants to hear what: topics are prefixes of a message's first frame [RFC 29].
 *
 * The cost of a message depends on its first frame and on who gets it, not on how many topics there are. A holder counts once per topic: libzmq subscribers repeat SUBSCRIBE and cancel once. Losing a holder costs as much
 * as it held.
 */

import { PrefixTree } from './prefix-tree.ts'

/** What a topic costs besides its bytes, roughly. */
const TOPIC_OVERHEAD_BYTES = 256

const NOBODY: ReadonlySet<never> = new Set()

/** What one holder holds: topics as latin1, and what they cost. */
interface Holdings {
  readonly topics: Set<string>
  bytes: number
}

export class Subscriptions<H> {
  /** Holders by topic. Topics are bytes, written as latin1. */
  readonly #byTopic = new PrefixTree<Set<H>>()
  readonly #byHolder = new Map<H, Holdings>()
  /** What a search finds; kept at its length, since there are many searches. */
  readonly #found: (Set<H> | undefined)[] = []

  /** Memory that a holder's topics take, bytes, roughly. */
  bytesOf(holder: H): number {
    return this.#byHolder.get(holder)?.bytes ?? 0
  }

  /** True when nobody held the topic before. */
  add(topic: Buffer, holder: H): boolean {
    const key = topic.toString('latin1')
    let holdings = this.#byHolder.get(holder)
    if (holdings === undefined) {
      holdings = { topics: new Set(), bytes: 0 }
      this.#byHolder.set(holder, holdings)
    }
    if (holdings.topics.has(key)) return false
    holdings.topics.add(key)
    holdings.bytes += key.length + TOPIC_OVERHEAD_BYTES
    const holders = this.#byTopic.get(key)
    if (holders === undefined) this.#byTopic.add(key, new Set([holder]))
    else holders.add(holder)
    return holders === undefined
  }

  /** True when the holder was the last one. False also when it did not hold the topic. */
  remove(topic: Buffer, holder: H): boolean {
    const key = topic.toString('latin1')
    const holdings = this.#byHolder.get(holder)
    if (holdings === undefined || !holdings.topics.delete(key)) return false
    holdings.bytes -= key.length + TOPIC_OVERHEAD_BYTES
    if (holdings.topics.size === 0) this.#byHolder.delete(holder)
    return this.#drop(key, holder)
  }

  /** Removes a holder everywhere; returns the topics that nobody else holds. */
  removeAll(holder: H): Buffer[] {
    const holdings = this.#byHolder.get(holder)
    if (holdings === undefined) return []
    this.#byHolder.delete(holder)
    return [...holdings.topics].filter((key) => this.#drop(key, holder)).map((key) => Buffer.from(key, 'latin1'))
  }

  /** All topics, each once. */
  topics(): Buffer[] {
    const keys = new Set<string>()
    for (const { topics } of this.#byHolder.values()) for (const key of topics) keys.add(key)
    return [...keys].map((key) => Buffer.from(key, 'latin1'))
  }

  matches(frame: Buffer): boolean {
    return this.#byTopic.matches(frame)
  }

  /** The holders that want the message, each once; to be read before the next change. */
  holdersFor(frame: Buffer): ReadonlySet<H> {
    const found = this.#found
    const count = this.#byTopic.collect(frame, found)
    if (count === 0) return NOBODY
    const all = count === 1 ? (found[0] as Set<H>) : merged(found as Set<H>[], count)
    for (let index = 0; index < count; index++) found[index] = undefined
    return all
  }

  /** Takes a holder from a topic that it holds; true when nobody is left. */
  #drop(key: string, holder: H): boolean {
    const holders = this.#byTopic.get(key)
    if (holders === undefined) return false
    holders.delete(holder)
    if (holders.size > 0) return false
    this.#byTopic.delete(key)
    return true
  }
}

function merged<H>(sets: readonly ReadonlySet<H>[], count: number): Set<H> {
  const all = new Set<H>(sets[0])
  for (let index = 1; index < count; index++) for (const holder of sets[index] as ReadonlySet<H>) all.add(holder)
  return all
}
