/** Clients and servers in numbers: what they hold now, and what came of all that they did. Plain counters, which are always on. */

import { type ErrorCode, ZmqRpcError } from '../errors.ts'
import type { Dialect } from './dialect/announcement.ts'
import type { RpcDropReason } from './drops.ts'
import type { Endpoint } from './endpoint.ts'

/** Calls that failed, by the code of the error; those that are 0 are left out. */
export type FailureCounts = Readonly<Partial<Record<ErrorCode, number>>>

/** Messages that were let go. */
export type RpcDropCounts = Readonly<Record<RpcDropReason, number>>

/** What `RpcServer.stats()` and `Receiver.stats()` tell. Sums are since it was made. */
export interface ServerStats {
  /** Calls and published messages that came in, but for heartbeats: `ended` + `running` + `waiting`. */
  readonly received: number
  /** Of those received: whose turn came. */
  readonly started: number
  /** Of those received: answered, refused, or given up before they began. */
  readonly ended: number
  /**
   * Of those ended: which went wrong, by the code of what their callers were told (`SERVICE_FAILED`, `NO_SERVICE`, `OVERLOADED`, …);
   * of those that were given up, why nobody waited any more (`ABORTED`, `TIMED_OUT`, `CONNECTION_LOST`, `CLOSED`).
   */
  readonly failed: FailureCounts
  /** Calls in services now; those that were given up, too, as long as their services go on. */
  readonly running: number
  /** Calls that wait for their turn now. */
  readonly waiting: number
  /** Streams of calls that are open now, in both directions. */
  readonly streams: number
  /** Connections of clients on `rep` that are there now. */
  readonly connections: number
  /** Messages and replies that were let go, by reason. */
  readonly dropped: RpcDropCounts
}

/** One server of a client, now. */
export interface ServerLinkStats {
  /** As in `req`. */
  readonly endpoint: Endpoint
  /** The handshake is over, and messages travel. */
  readonly connected: boolean
  /** Connected, and not about to stop: it gets new calls. */
  readonly available: boolean
  /** What it is spoken to in; undefined while it is not connected. */
  readonly dialect: Dialect | undefined
  /** Calls that wait for it. */
  readonly queued: number
  /** Calls that it has to answer. */
  readonly inFlight: number
}

/**
 * What `RpcClient.stats()` and `Sender.stats()` tell. Sums are since it was made. Each attempt of a call that is tried again counts;
 * so do the few questions that a client asks by itself, about contracts. Published messages are no calls.
 */
export interface ClientStats {
  /** Calls that were taken on, not those that had a wrong option or could never have been written: `ended` + `queued` + `inFlight`. */
  readonly started: number
  /** Of those started: over for their callers. */
  readonly ended: number
  /** Of those ended: which failed, by the code of the error. */
  readonly failed: FailureCounts
  /** Calls that wait for a server that is away, or has enough to do, now. */
  readonly queued: number
  /** Calls that were sent and are not answered yet, now. */
  readonly inFlight: number
  /** Commands that were submitted, and that no buffer has on disk yet, now: those that are sent are also among the calls. Of an `RpcClient`. */
  readonly submitting: number
  /** Streams of calls that are open now, in both directions. */
  readonly streams: number
  /** Those who listen to `pub` now. */
  readonly subscribers: number
  /** Each of `req`, in that order. */
  readonly servers: readonly ServerLinkStats[]
  /** Messages that were let go, by reason. */
  readonly dropped: RpcDropCounts
}

/** Calls of one client or server. */
export class CallCounters {
  /** Taken on. */
  taken = 0
  /** Run, where that is something else. */
  started = 0
  ended = 0
  readonly #failed = new Map<ErrorCode, number>()

  /** A call is over: well, without a code. */
  end(code: ErrorCode | undefined): void {
    this.ended++
    if (code !== undefined) this.#failed.set(code, (this.#failed.get(code) ?? 0) + 1)
  }

  get failed(): FailureCounts {
    return Object.fromEntries(this.#failed)
  }
}

/** Under which code an error is counted: one that is not of this package was thrown by the caller's own `onMetadata`. */
export function codeOf(error: Error): ErrorCode {
  return error instanceof ZmqRpcError ? error.code : 'BAD_REPLY'
}
