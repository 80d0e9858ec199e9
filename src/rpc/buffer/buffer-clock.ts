/**
 * How old what a buffer keeps is, on machines whose wall clock may be wrong, or not there at all.
 *
 * The machine's own clock (monotonic, from its start on) is exact within one boot, whatever programs start and end. From one boot to
 * the next only the wall clock can tell how long the machine was off: it is believed where both readings may be true and it did not go back;
 * else that time counts as nothing, and things are at least as old as the machine has run since.
 *
 * Nothing is written for it: each record has a {@link Stamp}, and each stamp that is read may show that more time has passed than was
 * known. So the buffer's time never goes back, and is the better the more was read.
 */

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** When something was written down. */
export interface Stamp {
  /** Names the run of the machine: 16 hexadecimal digits. */
  readonly boot: string
  /** The buffer's time, ms. */
  readonly bufferMs: number
  /** The machine's clock, ms since it was started. */
  readonly machineMs: number
  /** The wall clock, ms since 1970. */
  readonly wallMs: number
}

/** What it reads. */
export interface Clocks {
  boot(): string
  machineMs(): number
  wallMs(): number
}

/** Before it, a wall clock has not been set: this code did not exist. */
const FIRST_PLAUSIBLE_MS = Date.UTC(2026, 0, 1)

export class BufferClock {
  readonly #clocks: Clocks
  readonly #boot: string
  /** The buffer's time at the start of the machine. */
  #base = 0
  #doubts = 0

  constructor(clocks: Clocks = MACHINE) {
    this.#clocks = clocks
    this.#boot = clocks.boot()
  }

  /** The buffer's time, ms. */
  now(): number {
    return this.#base + this.#clocks.machineMs()
  }

  stamp(): Stamp {
    const machineMs = this.#clocks.machineMs()
    return { boot: this.#boot, bufferMs: this.#base + machineMs, machineMs, wallMs: this.#clocks.wallMs() }
  }

  /** Records of another boot whose age the wall clock could not tell. */
  get doubts(): number {
    return this.#doubts
  }

  /** Of what was written down then, ms. */
  ageMs(stamp: Stamp): number {
    this.heard(stamp)
    if (stamp.boot === this.#boot) return Math.max(0, this.#clocks.machineMs() - stamp.machineMs)
    return Math.max(0, this.now() - stamp.bufferMs)
  }

  /** A stamp was read: at least as much time has passed as it shows. */
  heard(stamp: Stamp): void {
    const machineMs = this.#clocks.machineMs()
    const base = stamp.bufferMs + this.#passedSince(stamp, machineMs) - machineMs
    if (base > this.#base) this.#base = base
  }

  #passedSince({ boot, machineMs: then, wallMs }: Stamp, machineMs: number): number {
    if (boot === this.#boot) return machineMs - then
    const wall = this.#clocks.wallMs()
    if (wallMs >= FIRST_PLAUSIBLE_MS && wall >= wallMs + machineMs) return wall - wallMs
    this.#doubts++
    return machineMs
  }
}

/** The clocks of this machine. Where its boots have no names each process is taken for one. */
export const MACHINE: Clocks = {
  boot: () => {
    try {
      return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').replaceAll('-', '').slice(0, 16)
    } catch {
      return randomBytes(8).toString('hex')
    }
  },
  machineMs: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  wallMs: () => Date.now(),
}
