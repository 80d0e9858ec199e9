/**
 * A network in memory for tests: hosts, links, faults and time of its own, in which the real servers, clients and sockets run.
 *
 * While it is installed, all `tcp://` and `ipc://` endpoints of this thread are on it, time is virtual, and `Math.random` gives
 * what the seed says: the same test takes the same course each time. `inproc://` has no network, and is as always.
 */

import { checkOptions, type OptionNames } from '../options.ts'
import { replaceTransports } from '../transport/transports.ts'
import { CHAOS_OPTIONS, Chaos, type ChaosOptions } from './chaos.ts'
import { LINK_CONDITIONS, type LinkConditions } from './direction.ts'
import { Host } from './host.ts'
import { type CutOptions, Link } from './link.ts'
import { Machine, placeIn } from './machine.ts'
import { Random } from './random.ts'
import { Scheduler } from './scheduler.ts'
import { type Chunking, Topology } from './topology.ts'
import { VirtualPipe } from './virtual-pipe.ts'
import { type RunOptions, VIRTUAL_TIME_OPTIONS, VirtualTime, type VirtualTimeOptions } from './virtual-time.ts'
import { virtualTransports } from './virtual-transport.ts'

/** A network as it begins; the conditions are those of all links that are not {@link Link.set | set}. */
export interface TestNetworkOptions extends VirtualTimeOptions, LinkConditions {
  /** Decides about jitter, chaos, chunks and `Math.random`. @default 1 */
  readonly seed?: number | undefined
  /**
   * How bytes arrive: as they were written, up to 64 KiB at once, or cut and joined `random`ly, as TCP may do it.
   *
   * @default 'whole'
   */
  readonly chunking?: Chunking | undefined
}

export const TEST_NETWORK_OPTIONS: OptionNames<TestNetworkOptions> = {
  ...VIRTUAL_TIME_OPTIONS,
  ...LINK_CONDITIONS,
  seed: true,
  chunking: true,
}

/** Lines of the log that are shown when nothing happens any more. */
const SHOWN_LINES = 5

/**
 * A network in memory with time of its own, for the whole process until `uninstall`: hosts, links between them, and faults.
 *
 * @example
 * ```ts
 * using network = new TestNetwork({ latencyMs: 20 })
 * await network.run(async () => {
 *   const server = network.host('server').run(() => new RpcServer({ rep: 'tcp://*:30000' }))
 *   // …
 * })
 * ```
 */
export class TestNetwork implements Disposable {
  /** Everything random follows from it. @default 1 */
  readonly seed: number
  /** Its clock and timers. */
  readonly time: VirtualTime
  readonly #topology: Topology
  readonly #hosts = new Map<string, Host>()
  readonly #links = new Map<string, Link>()
  readonly #random = Math.random
  #installed = true

  /** Installs it. @throws Error when another one, or virtual time, is installed; ZmqRpcError BAD_OPTION. */
  constructor(options: TestNetworkOptions = {}) {
    checkOptions('TestNetwork', options, TEST_NETWORK_OPTIONS)
    this.seed = options.seed ?? 1
    const scheduler: Scheduler = new Scheduler(
      () => placeIn(topology)?.life,
      () => lastOf(topology.log),
    )
    const topology: Topology = new Topology(scheduler, new Random(this.seed), options.chunking ?? 'whole', options)
    this.#topology = topology
    this.time = new VirtualTime(scheduler, options)
    const forPrograms = new Random(this.seed + 1)
    Math.random = () => forPrograms.fraction()
    replaceTransports(virtualTransports(topology, this.#machine('localhost')))
  }

  /** What has happened to hosts, links and connections: the last 1000 lines. */
  get log(): readonly string[] {
    return this.#topology.log
  }

  /** Ends of connections that are open: two for each of which both ends know. */
  get openEnds(): number {
    return this.#machines.flatMap(({ life }) => [...life.holds]).filter((held) => held instanceof VirtualPipe).length
  }

  /** Endpoints that are bound, on all hosts. */
  get boundEndpoints(): string[] {
    const listeners = this.#machines.flatMap((machine) => [...machine.listeners.values()].flat())
    return listeners.map(({ endpoint }) => endpoint)
  }

  /** A machine, made when its name is first used. Code that no host runs is on `localhost`, a machine like the others. */
  host(name: string): Host {
    let host = this.#hosts.get(name)
    if (host === undefined) {
      host = new Host(this.#machine(name))
      this.#hosts.set(name, host)
    }
    return host
  }

  /** What is between two hosts; between one and itself, too. */
  link(one: string, two: string): Link {
    const name = `${one} ${two}`
    let link = this.#links.get(name)
    if (link === undefined) {
      link = new Link(this.#topology, this.#machine(one), this.#machine(two))
      this.#links.set(name, link)
    }
    return link
  }

  /** Cuts all links between hosts of different groups. Hosts of no group are cut from none. */
  partition(groups: readonly (readonly string[])[], options: Pick<CutOptions, 'silent'> = {}): void {
    for (const [index, group] of groups.entries()) {
      const others = groups.slice(index + 1).flat()
      for (const one of group) for (const other of others) this.link(one, other).cut(options)
    }
  }

  /** Heals all links. */
  heal(): void {
    for (const link of this.#allLinks()) link.heal()
  }

  /** Faults at random, until it is stopped. */
  chaos(options: ChaosOptions): Chaos {
    checkOptions('chaos', options, CHAOS_OPTIONS)
    return new Chaos(
      this.#topology,
      () => this.#allLinks(),
      () => [...this.#hosts.values()],
      options,
    )
  }

  /** As {@link VirtualTime.run}. */
  run<T>(task: PromiseLike<T> | (() => T | PromiseLike<T>), options: RunOptions = {}): Promise<T> {
    return this.time.run(task, options)
  }

  /** As {@link VirtualTime.advance}. */
  advance(ms: number): Promise<void> {
    return this.time.advance(ms)
  }

  /** As {@link VirtualTime.settle}. */
  settle(): Promise<void> {
    return this.time.settle()
  }

  /** As {@link VirtualTime.runUntil}. */
  runUntil(condition: () => boolean, options: RunOptions = {}): Promise<void> {
    return this.time.runUntil(condition, options)
  }

  /**
   * The real network and time are back. Everything on this one has ended without a word; what is closed afterwards is
   * closed at once.
   */
  uninstall(): void {
    if (!this.#installed) return
    this.#installed = false
    for (const { life } of this.#machines) life.end(true)
    this.time.uninstall()
    Math.random = this.#random
    replaceTransports(undefined)
  }

  [Symbol.dispose](): void {
    this.uninstall()
  }

  /** Of all pairs of hosts. */
  #allLinks(): Link[] {
    const names = this.#machines.map(({ name }) => name)
    const pairs = names.flatMap((one, index) => names.slice(index + 1).map((two) => [one, two] as const))
    return pairs.map(([one, two]) => this.link(one, two))
  }

  get #machines(): Machine[] {
    return [...this.#topology.machines.values()]
  }

  #machine(name: string): Machine {
    let machine = this.#topology.machines.get(name)
    if (machine === undefined) {
      machine = new Machine(name, this.#topology)
      this.#topology.machines.set(name, machine)
    }
    return machine
  }
}

function lastOf(log: readonly string[]): string {
  return log.length === 0 ? '' : `\nWhat happened last:\n${log.slice(-SHOWN_LINES).join('\n')}`
}
