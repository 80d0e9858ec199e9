/**
 * What a server and its threads say to each other over a message port. Items go in batches: those of one turn of the event loop
 * together, in order. A thread says with whatever it sends next how many batches it has taken.
 *
 * Bodies are the frames of the call's own dialect; of a native one they begin with their header, as on the wire.
 */

import type { MessagePort } from 'node:worker_threads'
import type { JsonSchema } from '../command/json-schema.ts'
import type { Dialect } from '../dialect/announcement.ts'
import type { WireError } from '../dialect/native/message.ts'
import type { Allow, AllowRequest } from '../server/allow.ts'

/** What a thread is started with. */
export interface ThreadTask {
  readonly kind: 'services' | 'program'
  /** The address of the module. */
  readonly module: string
  readonly index: number
  readonly port: MessagePort
  readonly data: unknown
  /** Of a server's thread. */
  readonly server?: ThreadServerSettings | undefined
}

/** What a server's thread knows of its server. */
export interface ThreadServerSettings {
  readonly exposeStacks: boolean
  readonly maxInflatedBytes: number
  /** The id of the call that was begun last, in memory that both see: nothing is said any more by a thread that has crashed. */
  readonly begun: Int32Array
}

/** Frames in memory of their own: a port sends all the memory that a view belongs to. */
export type PortFrames = readonly Uint8Array[]

export interface Batch<Item> {
  /** Batches of the other side that were taken since the last one. */
  readonly taken: number
  /** Of a thread: what the longest of their items has kept it, ms. */
  readonly longestMs: number
  readonly items: readonly Item[]
}

/** To a thread. */
export type ToThread =
  | {
      readonly kind: 'call'
      /** 32 bits; in the order in which calls are to begin. */
      readonly id: number
      readonly dialect: Dialect
      /** Whether somebody waits for the answer. */
      readonly answered: boolean
      /** Whether the answer is kept for an idempotency key. */
      readonly keyed: boolean
      readonly from: { readonly endpoint: string; readonly remoteAddress: string | undefined; readonly info: { readonly user: unknown } }
      /** On the {@link sharedNow} clock; Infinity for none. */
      readonly deadline: number
      readonly body: PortFrames
    }
  /** What belongs to one of its streams. */
  | { readonly kind: 'message'; readonly id: number; readonly body: PortFrames }
  | { readonly kind: 'cancel'; readonly id: number; readonly error: WireError }
  /** What does a rule say that is a function, and so lives there? */
  | { readonly kind: 'ask'; readonly id: number; readonly request: AllowRequest }
  | { readonly kind: 'stop' }

/** From a thread. */
export type FromThread =
  | { readonly kind: 'ready'; readonly services: readonly DescribedService[]; readonly endpoints: readonly string[] }
  /** It cannot do what it is for. */
  | { readonly kind: 'failed'; readonly what: string; readonly error: WireError }
  | {
      readonly kind: 'answered'
      readonly id: number
      readonly status: number
      /** Undefined where nobody waits for it any more. */
      readonly body: PortFrames | undefined
      /** The body is the answer to the call's idempotency key. */
      readonly remembered: boolean
    }
  | { readonly kind: 'message'; readonly id: number; readonly body: PortFrames }
  | { readonly kind: 'allowed'; readonly id: number; readonly answer: boolean | WireError }
  /** Events of {@link ThreadEventName}, for whoever listens in the main thread. */
  | {
      readonly kind: 'event'
      readonly name: ThreadEventName
      readonly payload: { readonly error: unknown }
      readonly error: WireError | undefined
    }

/** What is known only in the thread. */
export const THREAD_EVENTS = ['zmq-rpc:service:failed', 'zmq-rpc:command:refused'] as const
export type ThreadEventName = (typeof THREAD_EVENTS)[number]

/** One command that a thread serves, as its server needs to know it. */
export interface DescribedService {
  readonly name: string
  readonly serviceName: string
  readonly maxConcurrent: number
  /** Undefined: the server's own rule. */
  readonly allow: Exclude<Allow, (request: AllowRequest) => unknown> | 'ask' | undefined
  readonly idempotent: boolean
  readonly timeoutMs: number | undefined
  readonly description: string | undefined
  readonly version: string | undefined
  readonly deprecated: boolean | string
  readonly hasSchemas: boolean
  readonly state: JsonSchema
  readonly result: JsonSchema | undefined
}

/** Milliseconds on a clock that all threads of a process share: `performance.now()` begins anew in each. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
