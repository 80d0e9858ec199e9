/**
 * What happens inside, for whoever wants to know: logs (see `logger.ts`), metrics, a dashboard. Published on
 * `node:diagnostics_channel`, at no cost while nobody listens. No payload ever holds a password or the content of a message, but for
 * what errors of the application say.
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
  /** A connection is gone, and not by `close` or `stop` of this side; it comes back by itself where this side connects. */
  'zmq-rpc:disconnected': { endpoint: string; remoteAddress: string | undefined; error: Error | undefined }
  /** The next attempt to connect comes in `retryMs`. `error`: why the last one failed; undefined after a connection that was lost. */
  'zmq-rpc:connect:failed': { endpoint: string; error: Error | undefined; retryMs: number }
  /** A handshake failed: wrong password, other mechanism, no ZeroMQ peer. */
  'zmq-rpc:handshake:failed': { endpoint: string; remoteAddress: string | undefined; error: Error }
  /**
   * A message was not carried out: `status` is one of those in `docs/errors.md`, `detail` what was wrong exactly, as far as the wire's
   * text does not say it.
   */
  'zmq-rpc:command:refused': {
    endpoint: string
    remoteAddress: string | undefined
    status: number
    command: string | undefined
    detail: string
    error: unknown
  }
  /** A client took a call on: each attempt of it. `queued`: calls that wait for this endpoint, `inFlight`: calls that it is to answer. */
  'zmq-rpc:call:started': { endpoint: string; command: string | undefined; queued: number; inFlight: number }
  /** It ended for its caller, with `error` or without; of streams nothing is said. */
  'zmq-rpc:call:ended': { endpoint: string; command: string | undefined; durationMs: number; error: Error | undefined }
  /** A buffer has a call on disk: `id` is that of its receipt, `by` the buffer's name. */
  'zmq-rpc:call:accepted': { endpoint: string; command: string | undefined; id: string; by: string | undefined }
  /** A call is made once more, at `endpoint`: a retry, or a hedge. `earlier`: its attempts before this one. */
  'zmq-rpc:call:repeated': { endpoint: string; command: string; earlier: number }
  /** A server means a command otherwise than this client does; `differences` are for people. */
  'zmq-rpc:contract:mismatch': { endpoint: string; command: string; differences: readonly string[] }
  /** A server is about to stop: new calls go to others, where there are any. */
  'zmq-rpc:server:draining': { endpoint: string; reason: string }
  /**
   * It is a call's turn: a rule that takes its time, and then interceptors and service. `waitedMs`: how long it had to wait; `running`
   * and `waiting`: calls of the server, this one among the first.
   */
  'zmq-rpc:service:started': {
    endpoint: string
    remoteAddress: string | undefined
    command: string
    waitedMs: number
    running: number
    waiting: number
  }
  /**
   * What was started has ended, once: `status` is what the caller is told (200 for a result), or 499 when nobody waited any more;
   * `durationMs` is counted from its start.
   */
  'zmq-rpc:service:ended': { endpoint: string; remoteAddress: string | undefined; command: string; durationMs: number; status: number }
  /**
   * A service threw, or answered with what cannot be sent or breaks its contract; or a stream of its result threw, also when it was
   * told to end.
   * `error` is what was thrown: the application's own.
   */
  'zmq-rpc:service:failed': { endpoint: string; remoteAddress: string | undefined; command: string; error: unknown }
  /** What was answered to an idempotency key could not be written down (`RpcServer` with `idempotency`): it is known in memory only. */
  'zmq-rpc:idempotency:failed': { command: string; error: Error }
  /**
   * A thread of a server, or of `startThread`, did not start, or has ended without being told to. `module`: what it ran; `retryMs`: a
   * new one takes its place then; undefined: none does. Its calls have failed.
   */
  'zmq-rpc:thread:failed': { module: string; error: Error; retryMs: number | undefined }
  /** A message or reply was let go. `stats().dropped` counts the same by reason. */
  'zmq-rpc:dropped': { endpoint: string; remoteAddress: string | undefined; reason: string }
  /** A buffer's store is open: what was found in it. `tornBytes`: cut off at its end, of a record that nobody was told of. */
  'zmq-rpc:buffer:opened': { buffer: string; waiting: number; dead: number; tornBytes: number; damaged: number }
  /** A command is on disk. `duplicate`: it was before. */
  'zmq-rpc:buffer:accepted': { buffer: string; command: string | undefined; id: string; duplicate: boolean }
  /** A command was not kept, and its sender was told so. */
  'zmq-rpc:buffer:refused': { buffer: string; command: string | undefined; error: Error }
  /** There is no room for another command. */
  'zmq-rpc:buffer:full': { buffer: string; waiting: number; bytes: number; whenFull: 'refuse' | 'dropOldest' }
  /** An attempt to deliver came to nothing; the next comes in `retryMs`. `attempts`: those that may have reached the service. */
  'zmq-rpc:buffer:repeated': {
    buffer: string
    endpoint: string
    command: string | undefined
    id: string
    attempts: number
    reason: string
    retryMs: number
  }
  /** A command has ended, and nothing is left to do about it: it was executed, or delivered to the next buffer, or a newer one stands for it. */
  'zmq-rpc:buffer:ended': { buffer: string; command: string | undefined; id: string; state: string; ageMs: number }
  /** A command was given up (`dead`, `dropped`), or its service `failed`; `reason` says why. */
  'zmq-rpc:buffer:dead': { buffer: string; command: string | undefined; id: string; state: string; reason: string; ageMs: number }
  /** There were too many dead letters: the `count` oldest are gone for good. `dead`, `deadBytes`: that are left. */
  'zmq-rpc:buffer:forgotten': { buffer: string; count: number; dead: number; deadBytes: number }
  /** A buffer's store failed, or could not be opened again: nothing is accepted before it is. */
  'zmq-rpc:buffer:failed': { buffer: string; error: Error }
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
