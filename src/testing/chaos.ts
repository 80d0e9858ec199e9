/** Faults at random, as the network's seed has them. */

import type { OptionNames } from '../options.ts'
import { QueuedEvent } from './event-queue.ts'
import type { Host } from './host.ts'
import type { Link } from './link.ts'
import type { Topology } from './topology.ts'

/** How often what happens, in the mean; and for how long. What is not given does not happen. */
export interface ChaosOptions {
  /** All connections of a link break; new ones succeed at once. @default 0 */
  readonly dropsPerMinute?: number | undefined
  /** A link is cut, and healed after the outage. @default 0 */
  readonly cutsPerMinute?: number | undefined
  /** As a cut, but nobody is told. @default 0 */
  readonly silentCutsPerMinute?: number | undefined
  /** A host that has a program (`start`) crashes, every other time silently, and restarts after the outage. @default 0 */
  readonly crashesPerMinute?: number | undefined
  /** A host that has a program stands still for as long as the outage. @default 0 */
  readonly freezesPerMinute?: number | undefined
  /** How long an outage lasts, ms: from the first to the second. @default [50, 5000] */
  readonly outageMs?: readonly [number, number] | undefined
}

export const CHAOS_OPTIONS: OptionNames<ChaosOptions> = {
  dropsPerMinute: true,
  cutsPerMinute: true,
  silentCutsPerMinute: true,
  crashesPerMinute: true,
  freezesPerMinute: true,
  outageMs: true,
}

/** Faults that come by themselves, until `stop`: what `network.chaos` gives. */
export class Chaos {
  /** What has happened so far. */
  readonly counts = { drops: 0, cuts: 0, silentCuts: 0, crashes: 0, freezes: 0 }
  readonly #topology: Topology
  readonly #links: () => Link[]
  readonly #hosts: () => Host[]
  readonly #outageMs: readonly [number, number]
  readonly #next = new Map<keyof Chaos['counts'], QueuedEvent>()
  /** Faults that are to end. */
  readonly #outages = new Map<Link | Host, { event: QueuedEvent; end: () => void }>()

  /** Made by {@link TestNetwork.chaos}. */
  constructor(topology: Topology, links: () => Link[], hosts: () => Host[], options: ChaosOptions) {
    this.#topology = topology
    this.#links = links
    this.#hosts = hosts
    this.#outageMs = options.outageMs ?? [50, 5000]
    this.#often('drops', options.dropsPerMinute, () => this.#link()?.drop())
    this.#often('cuts', options.cutsPerMinute, () => this.#cut(false))
    this.#often('silentCuts', options.silentCutsPerMinute, () => this.#cut(true))
    this.#often('crashes', options.crashesPerMinute, () => this.#crash())
    this.#often('freezes', options.freezesPerMinute, () => this.#freeze())
  }

  /** No more faults; those that are there end now. */
  stop(): void {
    for (const event of this.#next.values()) this.#topology.time.cancel(event)
    for (const { event, end } of [...this.#outages.values()]) {
      this.#topology.time.cancel(event)
      end()
    }
  }

  /** `fault` gives undefined when there was nothing to be done to. */
  #often(what: keyof Chaos['counts'], perMinute: number | undefined, fault: () => object | undefined): void {
    if (perMinute === undefined || perMinute <= 0) return
    const { time, random } = this.#topology
    // Independent of each other: the time between two is distributed exponentially.
    const again = (): void => time.schedule(event, (-Math.log(1 - random.fraction()) * 60_000) / perMinute)
    const event = new QueuedEvent('chaos', undefined, () => {
      again()
      if (fault() !== undefined) this.counts[what]++
    })
    this.#next.set(what, event)
    again()
  }

  #link(): Link | undefined {
    const links = this.#links().filter((link) => !link.isCut && link.inUse)
    return links.length === 0 ? undefined : this.#topology.random.pick(links)
  }

  #host(): Host | undefined {
    const hosts = this.#hosts().filter(({ restartable, running, frozen }) => restartable && running && !frozen)
    return hosts.length === 0 ? undefined : this.#topology.random.pick(hosts)
  }

  #cut(silent: boolean): Link | undefined {
    const link = this.#link()?.cut({ silent })
    if (link !== undefined) this.#outage(link, () => link.heal())
    return link
  }

  #crash(): Host | undefined {
    const host = this.#host()
    if (host === undefined) return undefined
    host.crash({ silent: this.#topology.random.oneIn(2) })
    this.#outage(host, () => {
      // A program that cannot start any more is the test's own failure.
      void Promise.resolve(host.restart()).catch((error: unknown) => this.#topology.time.failed(error))
    })
    return host
  }

  #freeze(): Host | undefined {
    const host = this.#host()
    if (host === undefined) return undefined
    host.freeze()
    this.#outage(host, () => host.thaw())
    return host
  }

  #outage(where: Link | Host, finish: () => void): void {
    const { time, random } = this.#topology
    const [shortest, longest] = this.#outageMs
    const end = (): void => {
      this.#outages.delete(where)
      finish()
    }
    const event = new QueuedEvent('chaos', undefined, end)
    this.#outages.set(where, { event, end })
    time.schedule(event, shortest + random.fraction() * (longest - shortest))
  }
}
