/** A host as the network sees it: an address, what listens there, and whose life it is. */

import { AsyncLocalStorage, type AsyncResource } from 'node:async_hooks'
import type { ListenHandler } from '../transport/pipe.ts'
import { Life } from './life.ts'
import type { Topology } from './topology.ts'

/** An endpoint that somebody has bound. */
export interface VirtualListener {
  /** Undefined for ipc. */
  readonly address: string | undefined
  readonly endpoint: string
  readonly life: Life
  /** In which code hears of connections. */
  readonly scope: AsyncResource
  readonly handler: ListenHandler
}

/** Where code runs. */
export interface Place {
  readonly machine: Machine
  readonly life: Life
}

const FIRST_EPHEMERAL_PORT = 49152

const current = new AsyncLocalStorage<Place>()

/** Where the code that runs now is; undefined for code that no host of this network runs. */
export function placeIn(topology: Topology): Place | undefined {
  const place = current.getStore()
  return place?.machine.topology === topology ? place : undefined
}

export class Machine {
  readonly name: string
  readonly address: string
  readonly topology: Topology
  /** By port, or by path for ipc. */
  readonly listeners = new Map<number | string, VirtualListener[]>()
  life: Life
  /** False after a silent crash: nobody is there to refuse connections. */
  on = true
  #nextPort = FIRST_EPHEMERAL_PORT

  constructor(name: string, topology: Topology) {
    const number = topology.machines.size + 1
    this.name = name
    this.address = `10.0.${number >> 8}.${number & 255}`
    this.topology = topology
    this.life = new Life(topology.time)
  }

  run<T>(program: () => T): T {
    return current.run({ machine: this, life: this.life }, program)
  }

  crash(silent: boolean): void {
    this.on = !silent
    this.life.end(silent)
  }

  /** A new life; what has waited for it arrives, and finds nobody it knows. */
  comeBack(): void {
    this.life = new Life(this.topology.time)
    this.on = true
    for (const way of this.topology.waysTo(this)) way.release()
  }

  listen(key: number | string, listener: VirtualListener): void {
    this.listeners.set(key, [...(this.listeners.get(key) ?? []), listener])
  }

  unlisten(key: number | string, listener: VirtualListener): void {
    const left = (this.listeners.get(key) ?? []).filter((other) => other !== listener)
    if (left.length > 0) this.listeners.set(key, left)
    else this.listeners.delete(key)
  }

  /** A port that nobody has bound. */
  freePort(): number {
    for (;;) {
      const port = this.#nextPort
      this.#nextPort = port >= 65535 ? FIRST_EPHEMERAL_PORT : port + 1
      if (!this.listeners.has(port)) return port
    }
  }
}
