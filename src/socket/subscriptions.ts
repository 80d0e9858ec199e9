/**
 * Who wants to hear what: topics are prefixes of a message's first frame [RFC 29].
 *
 * Topics are kept by their length, so that the cost of a message depends on how many lengths there are, not on how many
 * topics. A holder counts once per topic: libzmq subscribers repeat SUBSCRIBE and cancel once. Losing a holder costs as much
 * as it held.
 */

/** What a topic costs besides its bytes, roughly. */
const TOPIC_OVERHEAD_BYTES = 128

const NOBODY: ReadonlySet<never> = new Set()

/** What one holder holds: topics as latin1, and what they cost. */
interface Holdings {
  readonly topics: Set<string>
  bytes: number
}

export class Subscriptions<H> {
  /** Holders by topic, by the length of the topic. Topics are bytes, written as latin1. */
  readonly #byLength = new Map<number, Map<string, Set<H>>>()
  readonly #byHolder = new Map<H, Holdings>()
  /** The lengths, ascending. */
  #lengths: number[] = []

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
    const topics = this.#topicsOfLength(key.length)
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
    return [...this.#byLength.values()].flatMap((topics) => [...topics.keys()].map((key) => Buffer.from(key, 'latin1')))
  }

  matches(frame: Buffer): boolean {
    for (const length of this.#lengths) {
      // A length is here as long as a topic has it: the topic of no bytes stands for all messages.
      if (length === 0) return true
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
    return found ?? NOBODY
  }

  #topicsOfLength(length: number): Map<string, Set<H>> {
    let topics = this.#byLength.get(length)
    if (topics === undefined) {
      topics = new Map()
      this.#byLength.set(length, topics)
      this.#lengths = [...this.#lengths, length].sort((a, b) => a - b)
    }
    return topics
  }

  /** Takes a holder from a topic that it holds; true when nobody is left. */
  #drop(key: string, holder: H): boolean {
    const topics = this.#byLength.get(key.length)
    const holders = topics?.get(key)
    if (topics === undefined || holders === undefined) return false
    holders.delete(holder)
    if (holders.size > 0) return false
    topics.delete(key)
    if (topics.size === 0) {
      this.#byLength.delete(key.length)
      this.#lengths = this.#lengths.filter((length) => length !== key.length)
    }
    return true
  }
}
