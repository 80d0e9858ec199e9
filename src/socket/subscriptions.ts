/**
 * Who wants to hear what: topics are prefixes of a message's first frame [RFC 29].
 *
 * Topics are kept by their length, so that the cost of a message depends on how many lengths there are, not on how many
 * topics. A holder counts once per topic: libzmq subscribers repeat SUBSCRIBE and cancel once.
 */

export class Subscriptions<H> {
  /** Holders by topic, by the length of the topic. Topics are bytes, written as latin1. */
  readonly #byLength = new Map<number, Map<string, Set<H>>>()
  /** The lengths, ascending. */
  #lengths: number[] = []

  /** True when nobody held the topic before. */
  add(topic: Buffer, holder: H): boolean {
    let topics = this.#byLength.get(topic.length)
    if (topics === undefined) {
      topics = new Map()
      this.#byLength.set(topic.length, topics)
      this.#lengths = [...this.#lengths, topic.length].sort((a, b) => a - b)
    }
    const key = topic.toString('latin1')
    const holders = topics.get(key)
    if (holders !== undefined) {
      holders.add(holder)
      return false
    }
    topics.set(key, new Set([holder]))
    return true
  }

  /** True when the holder was the last one. False also when it did not hold the topic. */
  remove(topic: Buffer, holder: H): boolean {
    const key = topic.toString('latin1')
    const topics = this.#byLength.get(topic.length)
    const holders = topics?.get(key)
    if (topics === undefined || holders === undefined || !holders.delete(holder) || holders.size > 0) return false
    topics.delete(key)
    if (topics.size === 0) {
      this.#byLength.delete(topic.length)
      this.#lengths = this.#lengths.filter((length) => length !== topic.length)
    }
    return true
  }

  /** Removes a holder everywhere; returns the topics that nobody else holds. */
  removeAll(holder: H): Buffer[] {
    const orphaned: Buffer[] = []
    for (const topics of this.#byLength.values()) {
      for (const [key, holders] of topics) if (holders.size === 1 && holders.has(holder)) orphaned.push(Buffer.from(key, 'latin1'))
      for (const holders of topics.values()) if (holders.size > 1) holders.delete(holder)
    }
    for (const topic of orphaned) this.remove(topic, holder)
    return orphaned
  }

  /** All topics, each once. */
  topics(): Buffer[] {
    return [...this.#byLength.values()].flatMap((topics) => [...topics.keys()].map((key) => Buffer.from(key, 'latin1')))
  }

  matches(frame: Buffer): boolean {
    for (const length of this.#lengths) {
      if (length > frame.length) return false
      if (this.#byLength.get(length)?.has(frame.toString('latin1', 0, length))) return true
    }
    return false
  }

  /** The holders that want the message, each once; to be read before the next change. */
  holdersFor(frame: Buffer): ReadonlySet<H> {
    let found: Set<H> | undefined
    let merged = false
    for (const length of this.#lengths) {
      if (length > frame.length) break
      const holders = this.#byLength.get(length)?.get(length === 0 ? '' : frame.toString('latin1', 0, length))
      if (holders === undefined) continue
      if (found === undefined) {
        found = holders
      } else {
        if (!merged) found = new Set(found)
        merged = true
        for (const holder of holders) found.add(holder)
      }
    }
    return found ?? (NOBODY as ReadonlySet<never>)
  }
}

const NOBODY: ReadonlySet<unknown> = new Set()
