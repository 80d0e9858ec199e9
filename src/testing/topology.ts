/** Hosts and the ways between them: what the parts of a test network share. */

import { Direction, type LinkConditions } from './direction.ts'
import type { Machine } from './machine.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'

/** How bytes are cut into chunks: as they were written (up to 64 KiB), or at random, as TCP may. */
export type Chunking = 'whole' | 'random'

const BETWEEN_HOSTS = { latencyMs: 1, jitterMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY }
/** Not zero: time would stand still while two programs of a host talk. */
const WITHIN_HOST = { latencyMs: 0.05, jitterMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY }

/** Most lines that are kept. */
const LOG_LINES = 1000

export class Topology {
  readonly time: Scheduler
  readonly random: Random
  readonly chunking: Chunking
  readonly machines = new Map<string, Machine>()
  /** What has happened to hosts, links and connections. */
  readonly log: string[] = []
  readonly #directions = new Map<Machine, Map<Machine, Direction>>()
  readonly #conditions: LinkConditions

  constructor(time: Scheduler, random: Random, chunking: Chunking, conditions: LinkConditions) {
    this.time = time
    this.random = random
    this.chunking = chunking
    this.#conditions = conditions
  }

  note(text: string): void {
    if (this.log.length >= LOG_LINES) this.log.shift()
    this.log.push(`${this.time.now.toFixed(3)} ms: ${text}`)
  }

  /** The way from a host to another, or to itself. */
  way(from: Machine, to: Machine): Direction {
    const ways = this.#directions.get(from) ?? new Map<Machine, Direction>()
    this.#directions.set(from, ways)
    let way = ways.get(to)
    if (way === undefined) {
      way = new Direction(this.time, this.random, `${from.name} -> ${to.name}`, () => to.on)
      way.set(from === to ? WITHIN_HOST : BETWEEN_HOSTS)
      if (from !== to) way.set(this.#conditions)
      ways.set(to, way)
    }
    return way
  }

  /** All ways to a host. */
  *waysTo(host: Machine): Iterable<Direction> {
    for (const ways of this.#directions.values()) {
      const way = ways.get(host)
      if (way !== undefined) yield way
    }
  }
}
