/**
 * What happens inside, for whoever wants to know: logs, metrics, a dashboard. Published on `node:diagnostics_channel`, at no
 * cost while nobody listens. No payload ever holds a password or the content of a message.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * subscribe('zmq-rpc:command:refused', (event) => console.warn(event))
 * ```
 */

import { channel } from 'node:diagnostics_channel'

/** Payloads by channel. */
export interface RpcEvents {
  /** A connection of a client, server, sender or receiver is ready. */
  'zmq-rpc:connected': { endpoint: string; remoteAddress: string | undefined }
  /** A connection is gone; it comes back by itself where this side connects. */
  'zmq-rpc:disconnected': { endpoint: string; remoteAddress: string | undefined; error: Error | undefined }
  /** An attempt to connect failed; the next one comes in `retryMs`. */
  'zmq-rpc:connect:failed': { endpoint: string; error: Error | undefined; retryMs: number }
  /** A handshake failed: wrong password, other mechanism, no ZeroMQ peer. */
  'zmq-rpc:handshake:failed': { endpoint: string; remoteAddress: string | undefined; error: Error }
  /** A message was answered with 400 or 451: what was wrong exactly, as far as the wire's text does not say it. */
  'zmq-rpc:command:refused': {
    endpoint: string
    remoteAddress: string | undefined
    status: number
    command: string | undefined
    detail: string
    error: unknown
  }
  /** A client took a call on. `queued`: calls that wait for this endpoint, `inFlight`: calls that it is to answer. */
  'zmq-rpc:call:started': { endpoint: string; command: string | undefined; queued: number; inFlight: number }
  /** It ended for its caller, with `error` or without; of streams nothing is said. */
  'zmq-rpc:call:ended': { endpoint: string; command: string | undefined; durationMs: number; error: Error | undefined }
  /** A call is made once more, at `endpoint`: a retry, or a hedge. `earlier`: its attempts before this one. */
  'zmq-rpc:call:repeated': { endpoint: string; command: string; earlier: number }
  /** A server means a command otherwise than this client does; `differences` are for people. */
  'zmq-rpc:contract:mismatch': { endpoint: string; command: string; differences: readonly string[] }
  /** A server is about to stop: new calls go to others, where there are any. */
  'zmq-rpc:server:draining': { endpoint: string; reason: string }
  /** A service begins. `waitedMs`: how long the call had to wait for its turn; `running` and `waiting`: calls of the server, this one among the first. */
  'zmq-rpc:service:started': {
    endpoint: string
    remoteAddress: string | undefined
    command: string
    waitedMs: number
    running: number
    waiting: number
  }
  /** A service has ended, well or not (see `zmq-rpc:service:failed`); `status` is what the caller is told. */
  'zmq-rpc:service:ended': { endpoint: string; remoteAddress: string | undefined; command: string; durationMs: number; status: number }
  /** A service threw, or its result could not be written. */
  'zmq-rpc:service:failed': { endpoint: string; remoteAddress: string | undefined; command: string; error: unknown }
  /** A message or reply was dropped. */
  'zmq-rpc:dropped': { endpoint: string; remoteAddress: string | undefined; reason: string }
  /** Nothing was heard on a SUB endpoint for longer than its heartbeat time-out; it is made again. */
  'zmq-rpc:sub:silent': { endpoint: string; heartbeatTimeoutMs: number }
}

const channels = new Map<string, ReturnType<typeof channel>>()

/** Publishes an event. `payload` is only called when somebody listens. */
export function publish<N extends keyof RpcEvents>(name: N, payload: () => RpcEvents[N]): void {
  const target = channelOf(name)
  if (target.hasSubscribers) target.publish(payload())
}

/** True when somebody listens: for what is costly to know, such as when something began. */
export function isHeard(name: keyof RpcEvents): boolean {
  return channelOf(name).hasSubscribers
}

function channelOf(name: keyof RpcEvents): ReturnType<typeof channel> {
  let target = channels.get(name)
  if (target === undefined) {
    target = channel(name)
    channels.set(name, target)
  }
  return target
}
