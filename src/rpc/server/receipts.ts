/**
 * What a buffer answers about the commands that it keeps: two built-in commands, served by whoever has a buffer. Only the user who had the
 * command kept may ask; everybody else is told what is told of receipts that there are not: UNKNOWN_RECEIPT.
 */

import { Command } from '../command/command.ts'
import { BUILT_IN_PREFIX } from './introspection.ts'

/** Asks a buffer for what came of a command: answered, as soon as that is known, with the very reply or error of the command itself. */
export class ReceiptResult extends Command<unknown> {
  static readonly commandName: string = `${BUILT_IN_PREFIX}receipt.result`
  static readonly idempotent: boolean = true
  static readonly description: string = 'What came of a command that was kept'
  /** Of the receipt. */
  id: string

  constructor(id = '') {
    super()
    this.id = id
  }
}

/** Asks a buffer where a command is; answered at once. */
export class TrackReceipt extends Command<ReceiptReport> {
  static readonly commandName: string = `${BUILT_IN_PREFIX}receipt.track`
  static readonly idempotent: boolean = true
  static readonly description: string = 'Where a command is that was kept'
  /** Of the receipt. */
  id: string

  constructor(id = '') {
    super()
    this.id = id
  }
}

/**
 * Where a command stands. `waiting`: on disk, and to be carried out; it may be under way. `delivered`: the next buffer has it, and cannot be
 * asked now. `executed`: the service ran, and there is its result. `failed`: the service ran, and threw, or its result could not be sent.
 * `dead`: it was given up, and lies among the dead letters; `reason` says why.
 */
export type ReceiptState = 'waiting' | 'delivered' | 'executed' | 'failed' | 'dead'

/** What {@link TrackReceipt} is answered: how far a command has come. */
export interface ReceiptReport {
  /** Of the last hop that is known. */
  readonly state: ReceiptState
  /** Since the first of the hops accepted it, ms. */
  readonly ageMs: number
  /** Why it failed, was given up, or why no more is known; of one that waits: why nothing can be delivered now, if so. */
  readonly reason?: string
  /** The buffers that it came through, in their order. */
  readonly hops: readonly ReceiptHop[]
}

/** One buffer on a command's way. */
export interface ReceiptHop {
  /** The buffer's name. */
  readonly by: string
  /** As far as this buffer knows. */
  readonly state: ReceiptState
  /** Since it was accepted here, ms. */
  readonly ageMs: number
  /** How often this buffer has sent it on, so far. */
  readonly attempts?: number
  /** The endpoint that has taken it over, or carried it out. */
  readonly deliveredTo?: string
  /** Since then, ms. */
  readonly deliveredMs?: number
  /** Why it was given up, or refused; or why nothing can be delivered now. */
  readonly reason?: string
}
