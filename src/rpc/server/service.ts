/** Who carries a command out. */

import type { Principal } from '../auth.ts'
import type { AnswerOf, Command } from '../command/command.ts'

/** Text by name that goes along with a call or a reply. Names and values are the application's own. */
export type Metadata = Readonly<Record<string, string>>

/** Where a call came from. */
export interface PeerInfo {
  /** The server's endpoint it came in on. */
  readonly endpoint: string
  /** The far end, as an endpoint: of its connection, or of the last one. */
  readonly remoteAddress: string | undefined
  /** `req`: somebody waits for the answer. `pub`: nobody does. */
  readonly kind: 'req' | 'pub'
}

/** What a service is told besides the command. */
export interface ServiceContext {
  /** Who sent the command, where the server asks for passwords or keys. */
  readonly principal: Principal | undefined
  /** Where the call came from. */
  readonly peer: PeerInfo
  /**
   * Aborted when nobody waits any more: the caller gave the call up, its time is over, its connection is gone, it has stopped reading the
   * last stream of it, or the server stops and its drain time is over. What the service answers then goes nowhere.
   */
  readonly signal: AbortSignal
  /** The time that the caller still waits, ms, as far as it said so; Infinity for a caller without a limit, or of the pyzmqrpc3 dialect. */
  readonly remainingMs: number
  /** What came along with the call. */
  readonly metadata: Metadata
  /**
   * The name that its caller, or a buffer on the way, has given this very call; the same for each attempt. A service that writes it down together with
   * its effect, in one transaction, carries the command out once, whatever crashes. Undefined where it has none.
   */
  readonly idempotencyKey: string | undefined
  /** To be filled: goes along with the reply, to the caller's `onMetadata`. Not to callers of the pyzmqrpc3 dialect. */
  readonly replyMetadata: Record<string, string>
}

/**
 * Carries one kind of command out. What it returns (or resolves to) is the caller's result; what it throws reaches the
 * caller as status 463 with the error's text.
 *
 * A result may hold streams: an `AsyncIterable`, such as an async generator gives, is read by the caller item by item.
 */
export interface Service<C extends Command> {
  /** Called once for each call. Where `context.signal` aborts, what it returns goes nowhere. */
  execute(command: C, context: ServiceContext): AnswerOf<C> | Promise<AnswerOf<C>>
}

/** A service as a plain function. */
export type ServiceFunction<C extends Command> = (command: C, context: ServiceContext) => AnswerOf<C> | Promise<AnswerOf<C>>
