/** Real nats-servers with JetStream, alone or as a cluster of three, that can be killed and started again. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePorts } from './free-ports.ts'

interface Ports {
  client: number
  route: number
  monitor: number
}

export interface NatsOptions {
  /** The program. */
  command: readonly string[]
  /** `sync_interval: always` */
  sync: boolean
  servers?: 1 | 3
}

/** Who may use JetStream, and who may ask the servers about themselves. */
const ACCOUNTS = `
accounts {
  SYS { users: [{ user: sys, password: sys }] }
  APP { jetstream: enabled, users: [{ user: app, password: app }] }
}
system_account: SYS
`

export class NatsServers {
  readonly #options: NatsOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'zmq-rpc-nats-'))
  readonly #ports: Ports[] = []
  readonly #running: (ChildProcess | undefined)[] = []

  private constructor(options: NatsOptions) {
    this.#options = options
  }

  static async start(options: NatsOptions): Promise<NatsServers> {
    const servers = new NatsServers(options)
    const count = options.servers ?? 1
    const free = await freePorts(3 * count)
    for (let index = 0; index < count; index++) {
      const [client = 0, route = 0, monitor = 0] = free.slice(3 * index)
      servers.#ports.push({ client, route, monitor })
    }
    await Promise.all(servers.#ports.map((_, index) => servers.startServer(index)))
    return servers
  }

  /** How to connect as the application. */
  get nats(): { servers: string[]; user: string; pass: string } {
    return { servers: this.#ports.map(({ client }) => `127.0.0.1:${client}`), user: 'app', pass: 'app' }
  }

  get system(): { servers: string[]; user: string; pass: string } {
    return { ...this.nats, user: 'sys', pass: 'sys' }
  }

  get monitors(): string[] {
    return this.#ports.map(({ monitor }) => `http://127.0.0.1:${monitor}`)
  }

  /** Starts one, with what it had on disk; resolves when JetStream answers there. */
  async startServer(index: number): Promise<void> {
    const { client, route, monitor } = this.#ports[index] as Ports
    const { sync, command } = this.#options
    const [program = '', ...args] = command
    const routes = this.#ports.map(({ route: other }) => `nats://127.0.0.1:${other}`).join(', ')
    const cluster = this.#ports.length > 1 ? `cluster { name: test, listen: "127.0.0.1:${route}", routes: [${routes}] }` : ''
    const always = sync ? 'sync_interval: always' : ''
    const file = join(this.#folder, `${index}.conf`)
    writeFileSync(
      file,
      `server_name: n${index}\nlisten: "127.0.0.1:${client}"\nhttp: "127.0.0.1:${monitor}"\n${cluster}
       jetstream { store_dir: "${this.#folder}/${index}", ${always} }\n${ACCOUNTS}`,
    )
    this.#running[index] = spawn(program, [...args, '-c', file], { stdio: 'ignore' })
    await answers(`http://127.0.0.1:${monitor}/healthz${this.#ports.length > 1 ? '?js-server-only=true' : ''}`)
  }

  /** As a power cut of the machine, but for what the disk has not got yet. */
  async kill(index: number): Promise<void> {
    const child = this.#running[index]
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  async killAll(): Promise<void> {
    await Promise.all(this.#ports.map((_, index) => this.kill(index)))
  }

  async stop(): Promise<void> {
    await this.killAll()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function answers(url: string): Promise<void> {
  const giveUpAt = Date.now() + 20_000
  for (;;) {
    try {
      const { ok } = await fetch(url)
      if (ok) return
    } catch (error) {
      if (Date.now() > giveUpAt) throw error
    }
    await delay(20)
  }
}
