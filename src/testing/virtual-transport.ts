/**
 * TCP and ipc between the hosts of a test network.
 *
 * A connection takes what it takes in TCP: one way to ask, one back to hear, one more until the far end has it. Names of
 * hosts, their addresses, `localhost`, loopback addresses and wildcards mean what they mean on a machine; ipc paths are of one host.
 */

import { AsyncResource } from 'node:async_hooks'
import { isIP, isIPv6 } from 'node:net'
import { toError } from '../errors.ts'
import { type IpcAddress, type TcpAddress, tcpEndpoint } from '../transport/endpoint.ts'
import type { Listener, ListenHandler, Pipe, Transport, TransportOptions } from '../transport/pipe.ts'
import type { Transports } from '../transport/transports.ts'
import { Flow } from './direction.ts'
import { QueuedEvent } from './event-queue.ts'
import { type Machine, type Place, placeIn, type VirtualListener } from './machine.ts'
import { systemError } from './system-error.ts'
import type { Topology } from './topology.ts'
import { VirtualPipe } from './virtual-pipe.ts'

/** As long as Linux goes on asking a host that says nothing. */
const CONNECT_LIMIT_MS = 127_000

/** Where a connection goes, and how its two ends see each other. */
interface Route {
  readonly from: Place
  readonly to: Machine
  /** By port or path. */
  readonly key: number | string
  /** Any of these that listens will do; none for ipc. */
  readonly addresses: readonly string[]
  /** For errors. */
  readonly where: string
  /** What nobody listening means. */
  readonly refusal: 'ECONNREFUSED' | 'ENOENT'
  remoteAddress(listener: VirtualListener | undefined): string
  /** Of the dialling end, as the listening one sees it. */
  ownAddress(listener: VirtualListener): string
}

export function virtualTransports(topology: Topology, localhost: Machine): Transports {
  const here = (): Place => placeIn(topology) ?? { machine: localhost, life: localhost.life }
  let unnamed = 0

  const tcp: Transport<TcpAddress> = {
    async listen(address, options, handler) {
      const place = here()
      const bound = bindAddress(topology, place.machine, address.host, options.ipv6)
      const port = address.port === 0 ? place.machine.freePort() : address.port
      const taken = place.machine.listeners.get(port) ?? []
      if (taken.some((other) => overlap(other.address ?? '', bound))) throw systemError('EADDRINUSE', 'listen', `${bound}:${port}`)
      return listen(place, port, bound, tcpEndpoint(bound, port), handler)
    },

    dial(address, options, signal) {
      const from = here()
      const found = lookUp(topology, from.machine, address.host)
      if (found === undefined) return Promise.reject(systemError('ENOTFOUND', 'getaddrinfo', address.host))
      const [to, addresses] = found
      const port = from.machine.freePort()
      const [first = ''] = addresses
      return dial(topology, options, signal, {
        from,
        to,
        key: address.port,
        addresses,
        where: `${first}:${address.port}`,
        refusal: 'ECONNREFUSED',
        remoteAddress: (listener) => tcpEndpoint(reached(addresses, listener), address.port),
        ownAddress: (listener) => tcpEndpoint(to === from.machine ? reached(addresses, listener) : from.machine.address, port),
      })
    },
  }

  const ipc: Transport<IpcAddress> = {
    async listen({ path }, _options, handler) {
      const place = here()
      const name = path === '*' ? `/tmp/zmq-rpc-${++unnamed}.sock` : path
      if (place.machine.listeners.has(name)) throw systemError('EADDRINUSE', 'listen', name)
      return listen(place, name, undefined, `ipc://${name}`, handler)
    },

    dial({ path }, options, signal) {
      const from = here()
      const address = (): string => `ipc://${path}`
      const route = { from, to: from.machine, key: path, addresses: [], where: path, remoteAddress: address, ownAddress: address }
      return dial(topology, options, signal, { ...route, refusal: 'ENOENT' })
    },
  }
  return { tcp, ipc }
}

function listen(
  { machine, life }: Place,
  key: number | string,
  address: string | undefined,
  endpoint: string,
  handler: ListenHandler,
): Listener | Promise<never> {
  // Code of a life that is over hears nothing any more.
  if (life.ended) return new Promise(() => {})
  const scope = new AsyncResource('VirtualListener', { requireManualDestroy: true })
  const listener: VirtualListener = { address, endpoint, life, scope, handler }
  const close = (): void => {
    life.holds.delete(held)
    machine.unlisten(key, listener)
  }
  const held = { vanish: close, wake: () => {} }
  life.holds.add(held)
  machine.listen(key, listener)
  machine.topology.note(`${machine.name} listens on ${endpoint}`)
  return { endpoint, close: async () => close() }
}

function dial(topology: Topology, options: TransportOptions, signal: AbortSignal, route: Route): Promise<Pipe> {
  const { time } = topology
  const { from, to } = route
  const scope = new AsyncResource('VirtualConnection', { requireManualDestroy: true })
  const [there, back] = [topology.way(from.machine, to), topology.way(to, from.machine)]
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(toError(signal.reason))
    if (from.life.ended) return
    let settled = false
    const settle = (): boolean => {
      if (settled) return false
      settled = true
      time.cancel(limit)
      signal.removeEventListener('abort', aborted)
      return true
    }
    const fail = (error: Error): void => {
      if (settle()) reject(error)
    }
    const aborted = (): void => fail(toError(signal.reason))
    const { connectTimeoutMs } = options
    const limit = new QueuedEvent('connecting', from.life, () =>
      fail(
        connectTimeoutMs > 0 ? new Error(`no connection within ${connectTimeoutMs} ms`) : systemError('ETIMEDOUT', 'connect', route.where),
      ),
    )
    time.schedule(limit, connectTimeoutMs > 0 ? connectTimeoutMs : CONNECT_LIMIT_MS)
    signal.addEventListener('abort', aborted)

    /** What the far system answers comes with what the program does next: nothing, once it has crashed. */
    const hear = (what: () => void): void => time.schedule(new QueuedEvent('connecting', from.life, what), 0)
    const broken = (): boolean => {
      if (there.cut !== 'broken' && back.cut !== 'broken') return false
      hear(() => fail(systemError('EHOSTUNREACH', 'connect', route.where)))
      return true
    }
    there.send(new Flow(), 0, () => {
      if (broken()) return
      const listener = find(route)
      back.send(new Flow(), 0, () => {
        if (broken()) return
        hear(() => {
          if (listener === undefined) return fail(systemError(route.refusal, 'connect', route.where))
          if (settle()) resolve(establish(topology, route, scope))
        })
      })
    })
  })
}

/** The dialling end; the other one comes to be when this one's word of it arrives. */
function establish(topology: Topology, route: Route, scope: AsyncResource): VirtualPipe {
  const { from, to } = route
  const [there, back] = [topology.way(from.machine, to), topology.way(to, from.machine)]
  const remoteAddress = route.remoteAddress(find(route))
  const pipe = new VirtualPipe({ topology, life: from.life, scope, out: there, remoteAddress })
  there.send(pipe.flow, 0, () => {
    if (pipe.broken) return
    const accepting = find(route)
    if (accepting === undefined) return back.send(new Flow(), 0, () => pipe.reset(systemError('ECONNRESET', 'read')))
    const { life, handler } = accepting
    topology.note(`${from.machine.name} is connected to ${to.name}, ${accepting.endpoint}`)
    const accepted = new VirtualPipe({ topology, life, scope: accepting.scope, out: back, remoteAddress: route.ownAddress(accepting) })
    accepted.join(pipe)
    const tell = (): void => accepting.scope.runInAsyncScope(() => handler.accepted(accepted))
    topology.time.schedule(new QueuedEvent('accepting', life, tell), 0)
  })
  return pipe
}

function find({ to, key, addresses }: Route): VirtualListener | undefined {
  const listeners = to.listeners.get(key) ?? []
  if (addresses.length === 0) return listeners[0]
  for (const address of addresses) {
    const found = listeners.find((listener) => overlap(listener.address ?? '', address))
    if (found !== undefined) return found
  }
  return undefined
}

/** Which of the addresses that were tried a listener has. */
function reached(addresses: readonly string[], listener: VirtualListener | undefined): string {
  return addresses.find((one) => overlap(listener?.address ?? '', one)) ?? addresses[0] ?? ''
}

/** Whether what comes for one address comes to who has bound the other. */
function overlap(a: string, b: string): boolean {
  return a === b || a === '::' || b === '::' || (a === '0.0.0.0' && !isIPv6(b)) || (b === '0.0.0.0' && !isIPv6(a))
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

/** The host that a name or address means to another one, and the addresses to try there. */
function lookUp(topology: Topology, from: Machine, name: string): [Machine, string[]] | undefined {
  if (name === 'localhost') return [from, ['127.0.0.1', '::1']]
  // As Linux has it.
  if (name === '0.0.0.0') return [from, ['127.0.0.1']]
  if (name === '::') return [from, ['::1']]
  if (isLoopback(name) && isIP(name)) return [from, [name]]
  const machine = topology.machines.get(name) ?? [...topology.machines.values()].find(({ address }) => address === name)
  return machine === undefined ? undefined : [machine, [machine.address]]
}

/** @throws as the operating system does for what is no address of the host. */
function bindAddress(topology: Topology, machine: Machine, name: string, ipv6: boolean): string {
  if (name === '*') return ipv6 ? '::' : '0.0.0.0'
  if (name === '0.0.0.0' || name === '::') return name
  if (name === 'lo') return ipv6 ? '::1' : '127.0.0.1'
  if (name === 'eth0') return machine.address
  const found = lookUp(topology, machine, name)
  if (found === undefined && !isIP(name)) throw systemError('ENOTFOUND', 'getaddrinfo', name)
  const [owner, [address = name]] = found ?? [undefined, [name]]
  if (owner !== machine) throw systemError('EADDRNOTAVAIL', 'listen', address)
  return address
}
