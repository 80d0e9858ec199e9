/**
 * What goes on within a call besides its request and its reply, where nobody reads it here: the streams of a call that a proxy, or a
 * server with threads, passes on. Both ends of the call hand their messages to it instead of to `CallStreams`.
 */

import type { Message } from '../../wire/index.ts'
import type { Dialect } from '../dialect/announcement.ts'
import type { CallOutlet } from './stream-port.ts'

/** A call, as who passes it on sees it from the side that it came from. */
export interface NearCall extends CallOutlet {
  readonly endpoint: string
  readonly dialect: Dialect
  /** Nothing waits, and no stream is open any more. */
  idle(): void
}

/** The same call at the side that it goes to. */
export interface FarCall extends CallOutlet {
  /** The one that it was sent in. */
  readonly dialect: Dialect
  idle(): void
  /** Nobody waits for it any more: the far end is told. */
  giveUp(reason: unknown): void
}

export interface Relay {
  /** Streams of the result that have not ended, and messages that wait: 0 when nothing more is to come. */
  readonly open: number
  /** Messages besides the request have gone to the far end: it cannot be sent anew. */
  readonly begun: boolean
  /** The call to the far end, once there is one; anew for each attempt. */
  attach(call: FarCall): void
  /** The request is on its way: what belongs to it may follow. */
  started(): void
  /** It was taken back, and will be sent anew: what belongs to it waits. */
  takenBack(): void
  /** A buffer behind has it on disk. */
  accepted(body: Message): void
  fromServer(kind: number, body: Message): void
  fromCaller(kind: number, body: Message): void
  /** The reply is on its way to the caller: what belongs to it may follow. */
  answered(): void
  /** One of the two takes more. */
  writable(): void
  /** Nothing more comes from the far end. */
  serverGone(error: Error): void
  /** Nobody waits any more. */
  callerGone(reason: Error): void
}
