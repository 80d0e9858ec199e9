/** A machine of a test network: runs programs, crashes, comes back. */

import { checkOptions, type OptionNames } from '../options.ts'
import type { Machine } from './machine.ts'

/** How a host ends. */
export interface CrashOptions {
  /**
   * Nobody is told, as when the power fails: far ends go on waiting. Otherwise the connections are reset, as the operating
   * system does for a process that is killed. @default false
   */
  readonly silent?: boolean | undefined
}

const CRASH_OPTIONS: OptionNames<CrashOptions> = { silent: true }

/** A machine of the network: what `network.host` gives. */
export class Host {
  readonly #machine: Machine
  #program: (() => unknown) | undefined

  /** Made by {@link TestNetwork.host}. */
  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** As it was first asked for; endpoints may have it. */
  get name(): string {
    return this.#machine.name
  }

  /** Its address: the first host has `10.0.0.1`. Endpoints may have it, or the name. */
  get address(): string {
    return this.#machine.address
  }

  /** False from a crash to the restart. */
  get running(): boolean {
    return !this.#machine.life.ended
  }

  /** True while it stands still. */
  get frozen(): boolean {
    return this.#machine.life.frozen
  }

  /** Whether {@link restart} knows what to run. */
  get restartable(): boolean {
    return this.#program !== undefined
  }

  /**
   * Runs code on this host: what it binds is bound here, what it connects to is dialled from here, also later on, from its
   * timers, promises and services.
   *
   * @throws Error when the host has crashed.
   */
  run<T>(program: () => T): T {
    if (!this.running) throw new Error(`host "${this.name}" has crashed: restart it first`)
    return this.#machine.run(program)
  }

  /** As {@link run}; and {@link restart} will run it again. */
  start<T>(program: () => T): T {
    this.#program = program
    return this.run(program)
  }

  /**
   * All programs of the host end at once: their connections are gone, their endpoints refuse, their timers never fire, and
   * nothing that they still do is heard of. What waits for them waits for ever.
   */
  crash(options: CrashOptions = {}): void {
    checkOptions('crash', options, CRASH_OPTIONS)
    const { silent = false } = options
    if (!this.running) return
    this.#note(silent ? 'crashes silently' : 'crashes')
    this.#machine.crash(silent)
  }

  /**
   * Runs the program of {@link start}, or another one from now on, on a host without a past; one that runs crashes first. Gives
   * what the program returns.
   *
   * @throws Error when there is no program.
   */
  restart(): unknown
  restart<T>(program: () => T): T
  restart(program: (() => unknown) | undefined = this.#program): unknown {
    if (program === undefined) throw new Error(`host "${this.name}" has no program: start one, or give one`)
    this.crash()
    this.#note('restarts')
    this.#machine.comeBack()
    return this.start(program)
  }

  /** Its programs stand still, as when they are suspended or busy: connections stay, and fill up. */
  freeze(): void {
    if (!this.running || this.frozen) return
    this.#note('freezes')
    this.#machine.life.freeze()
  }

  /** Its programs go on; timers that were due fire now. */
  thaw(): void {
    if (!this.frozen) return
    this.#note('thaws')
    this.#machine.life.thaw()
  }

  #note(what: string): void {
    this.#machine.topology.note(`${this.name} ${what}`)
  }
}
