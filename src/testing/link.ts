/** What is between two hosts, both ways. */

import { checkOptions, type OptionNames } from '../options.ts'
import { type Direction, LINK_CONDITIONS, type LinkConditions } from './direction.ts'
import type { Machine } from './machine.ts'
import { systemError } from './system-error.ts'
import type { Topology } from './topology.ts'
import { VirtualPipe } from './virtual-pipe.ts'

/** How a link ends. */
export interface CutOptions {
  /** Nothing arrives any more, and nobody is told. Otherwise connections break at once, and new ones fail. @default false */
  readonly silent?: boolean | undefined
  /** Only from the first host to the second; needs `silent`. @default false */
  readonly oneWay?: boolean | undefined
}

const CUT_OPTIONS: OptionNames<CutOptions> = { silent: true, oneWay: true }

/** The way between two hosts, in both directions: what `network.link` gives. */
export class Link {
  readonly #topology: Topology
  readonly #machines: readonly [Machine, Machine]
  readonly #there: Direction
  readonly #back: Direction

  /** Made by {@link TestNetwork.link}. */
  constructor(topology: Topology, one: Machine, two: Machine) {
    this.#topology = topology
    this.#machines = [one, two]
    this.#there = topology.way(one, two)
    this.#back = topology.way(two, one)
  }

  /** True when something is cut, one way or both. */
  get isCut(): boolean {
    return this.#there.cut !== 'none' || this.#back.cut !== 'none'
  }

  /** Whether there are connections over it. */
  get inUse(): boolean {
    return this.#pipes().length > 0
  }

  /** Changes what is given, both ways, from now on. */
  set(conditions: LinkConditions): this {
    checkOptions('set', conditions, LINK_CONDITIONS)
    for (const way of this.#ways) way.set(conditions)
    return this
  }

  /**
   * Cuts it. Broken, connections end with ECONNRESET, and new ones fail with EHOSTUNREACH. Silent, what is sent waits: it arrives
   * once the link is healed, for ends that have not given up.
   */
  cut(options: CutOptions = {}): this {
    checkOptions('cut', options, CUT_OPTIONS)
    const { silent = false, oneWay = false } = options
    if (oneWay && !silent) throw new Error('a link that is cut one way only is silent: set silent, too')
    this.#topology.note(`${this.#name} is cut${silent ? ' silently' : ''}${oneWay ? ', one way' : ''}`)
    for (const way of oneWay ? [this.#there] : this.#ways) way.cut = silent ? 'silent' : 'broken'
    if (!silent) this.drop()
    return this
  }

  /** Its connections break, and new ones succeed. */
  drop(): this {
    for (const pipe of this.#pipes()) pipe.reset(systemError('ECONNRESET', 'read'))
    return this
  }

  /** It carries again, and what waited goes on. */
  heal(): this {
    if (!this.isCut) return this
    this.#topology.note(`${this.#name} is healed`)
    for (const way of this.#ways) {
      way.cut = 'none'
      way.release()
    }
    return this
  }

  /** The ends of its connections. */
  #pipes(): VirtualPipe[] {
    const ends = this.#machines.flatMap(({ life }) => [...life.holds])
    const mine = (held: unknown): held is VirtualPipe => held instanceof VirtualPipe && this.#ways.includes(held.out)
    return [...new Set(ends.filter(mine))]
  }

  get #ways(): Direction[] {
    return this.#there === this.#back ? [this.#there] : [this.#there, this.#back]
  }

  get #name(): string {
    return this.#machines.map(({ name }) => name).join(' - ')
  }
}
