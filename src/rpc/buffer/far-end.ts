/** Where a buffer delivers to, and what may come of an attempt. */

import type { Message } from '../../wire/index.ts'
import type { KeptCommand } from './kept-command.ts'

/** What an attempt to deliver a command has come to. */
export type Verdict =
  /** The far end answered: it is done. */
  | { readonly kind: 'executed' | 'failed' | 'refused'; readonly body: Message; readonly reason: string }
  /** Another buffer has it on disk. */
  | { readonly kind: 'delivered' }
  /** Not this time. `counts`: it may have reached the service. `slowly`: it will hardly be better soon. */
  | { readonly kind: 'again'; readonly reason: string; readonly counts: boolean; readonly slowly?: boolean }

export interface Attempt {
  /** For the answer, ms. */
  readonly timeoutMs: number
  /** How long the command is still of use, ms; Infinity: for ever. */
  readonly ttlMs: number
  /** In the order of its lane; else whenever there is room. */
  readonly inOrder: boolean
  /** Others of its lane were sent before, and what came of them is not known here yet. */
  readonly behind: boolean
  readonly signal: AbortSignal
}

export interface FarEnd {
  /** For people. */
  readonly name: string
  /** It takes commands now. */
  readonly available: boolean
  /** Commands that may be on the way to it at a time. */
  readonly capacity: number
  /** It keeps the order of commands of a lane that are on the way together. */
  readonly keepsOrder: boolean
  /** Never rejects. */
  send(command: KeptCommand, attempt: Attempt): Promise<Verdict>
}
