/** Endpoints as the RPC layer takes them. */

import { toError, ZmqRpcError } from '../errors.ts'
import { publish } from '../observability/events.ts'
import { checkList } from '../options.ts'
import type { Event } from '../socket/observer.ts'
import { parseEndpoint } from '../transport/endpoint.ts'

/** A ZeroMQ address: `tcp://*:30000`, `tcp://[::1]:0`, `ipc:///run/a.sock`, `inproc://a`. */
export type Endpoint = string

/** One or several endpoints, checked. @throws ZmqRpcError BAD_OPTION naming the option. */
export function resolveEndpoints(option: string, given: Endpoint | readonly Endpoint[] | undefined, use: 'bind' | 'connect'): Endpoint[] {
  if (typeof given !== 'string') checkList(option, given)
  const endpoints = given === undefined ? [] : typeof given === 'string' ? [given] : [...given]
  for (const endpoint of endpoints) {
    try {
      parseEndpoint(endpoint, use)
    } catch (cause) {
      throw new ZmqRpcError('BAD_OPTION', `${option}: ${toError(cause).message}`, { endpoint, cause })
    }
  }
  return endpoints
}

/** Whether `dialled` is `bound` itself, as far as the two texts tell: names and addresses that mean this machine are one. */
export function leadsBack(dialled: Endpoint, bound: Endpoint): boolean {
  const [to, at] = [parseEndpoint(dialled, 'connect'), parseEndpoint(bound, 'bind')]
  if (to.transport === 'tcp' && at.transport === 'tcp') return to.port === at.port && hostOf(to.host) === hostOf(at.host)
  if (to.transport === 'ipc' && at.transport === 'ipc') return to.path === at.path
  return to.transport === 'inproc' && at.transport === 'inproc' && to.name === at.name
}

const LOOPBACK = '127.0.0.1'

function hostOf(host: string): string {
  return ['*', '0.0.0.0', 'localhost'].includes(host.toLowerCase()) ? LOOPBACK : host.toLowerCase()
}

/** A number of milliseconds (or of anything else), checked. @throws ZmqRpcError BAD_OPTION naming the option. */
export function resolveNumber(option: string, given: number | undefined, fallback: number, least = 0): number {
  const value = given ?? fallback
  if (typeof value === 'number' && value >= least) return value
  throw new ZmqRpcError('BAD_OPTION', `${option} is ${shown(given)}, not a number from ${least} up`)
}

/** A text in quotes: `'5000'` is no number, and looks like one. */
function shown(given: unknown): string {
  return typeof given === 'string' ? JSON.stringify(given) : String(given)
}

/** Tells the world what happens to the connections of the RPC layer. */
export function publishSocketEvent(event: Event): void {
  switch (event.type) {
    case 'handshake':
      return publish('zmq-rpc:connected', () => ({ endpoint: event.address, remoteAddress: event.remoteAddress }))
    case 'disconnect':
      return publish('zmq-rpc:disconnected', () => ({ endpoint: event.address, remoteAddress: event.remoteAddress, error: event.error }))
    case 'connect:retry':
      return publish('zmq-rpc:connect:failed', () => ({ endpoint: event.address, error: event.error, retryMs: event.interval }))
    case 'handshake:error:auth':
    case 'handshake:error:protocol':
    case 'handshake:error:other':
    case 'accept:error':
      return publish('zmq-rpc:handshake:failed', () => ({
        endpoint: event.address,
        remoteAddress: event.remoteAddress,
        error: event.error,
      }))
    default:
  }
}

/** What the connections of the RPC layer have in common. */
export const CONNECTION_OPTIONS = {
  /** Doubling from 100 ms to this: quick after a restart, quiet in a long outage. */
  reconnectMaxInterval: 5000,
  /** A host that is off answers nothing; the system alone would wait for minutes. */
  connectTimeout: 10_000,
  /** ZMTP heartbeats: a link that died without a word is found within 15 s, whatever the far end is doing. */
  heartbeatInterval: 5000,
  heartbeatTimeout: 10_000,
  tcpKeepalive: 1,
  ipv6: false,
}
