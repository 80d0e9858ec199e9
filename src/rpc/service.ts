/** Who carries a command out. */

import type { Principal } from './auth.ts'
import type { Command, ResultOf } from './command.ts'

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
  readonly peer: PeerInfo
  /** Aborted when nobody waits any more: the caller's connection is gone, or the server stops and its drain time is over. */
  readonly signal: AbortSignal
}

/**
 * Carries one kind of command out. What it returns (or resolves to) is the caller's result; what it throws reaches the
 * caller as status 463 with the error's text.
 */
export interface Service<C extends Command> {
  execute(command: C, context: ServiceContext): ResultOf<C> | Promise<ResultOf<C>>
}

/** A service as a plain function. */
export type ServiceFunction<C extends Command> = (command: C, context: ServiceContext) => ResultOf<C> | Promise<ResultOf<C>>
