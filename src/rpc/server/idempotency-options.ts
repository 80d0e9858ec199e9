/** Where a server keeps what it answered to idempotency keys, beyond its own end. */

import { ZmqRpcError } from '../../errors.ts'
import { checkOptions, type OptionNames } from '../../options.ts'
import { MANY_RECORDS, MAX_KEPT_BYTES, type StoreMaker, type StoreSource, segmentLogMaker, storeMaker } from '../store-source.ts'
import { AnswerJournal } from './answer-journal.ts'
import type { IdempotencyLimits } from './idempotency.ts'

/**
 * What is promised: a command with an idempotency key that was **answered** is not carried out again within `idempotencyTtlMs`, whatever ends the
 * server, kill -9 and power cuts included: its answer is on disk before the reply is sent, and who calls again gets that. Calls that end at a time share one
 * write. Within the limits of `maxIdempotencyKeys` and `maxIdempotencyBytes`, and counted in the time that the machine runs.
 *
 * What is not: a command whose service **was running**, or whose answer was on its way to the disk, when the server ended. `interrupted` says what becomes of it.
 * With `again` these can be as many as a sender has on their way, also of one lane: calls of a lane wait for each other's services, not for the disk.
 *
 * When the disk cannot be written to, the answer that was to be kept is sent nevertheless (event `zmq-rpc:idempotency:failed`), and calls with keys that
 * come after it are refused before they begin (STORE_FULL), until it can.
 */
export interface IdempotencyOptions {
  /** A folder for this server alone; made if it is not there. Either this or `store`. */
  readonly path?: string | undefined
  /** A store of one's own, or what makes one: only that can be opened again after it has failed. */
  readonly store?: StoreSource | undefined
  /**
   * A call whose key's service had begun, and whose answer was not on disk yet, when the server ended. `again`: it runs again: at least once. Let the service write its effect and
   * `context.idempotencyKey` in one transaction where that must not be twice. `refuse`: the key is on disk before the service begins, which is a second
   * write for each call, and such a call is refused with INTERRUPTED: at most once.
   *
   * @default 'again'
   */
  readonly interrupted?: 'again' | 'refuse' | undefined
}

const IDEMPOTENCY_OPTIONS: OptionNames<IdempotencyOptions> = { path: true, store: true, interrupted: true }

/** On disk, for each byte in memory: what is forgotten goes by whole files. */
const DISK_PER_BYTE = 4
const DISK_PER_KEY = 2048
const MOST_DISK_BYTES = 2 ** 40
const LEAST_DISK_BYTES = 1024 * 1024

export interface ResolvedIdempotency {
  readonly journal: AnswerJournal
  readonly refuseInterrupted: boolean
}

/** @throws ZmqRpcError BAD_OPTION */
export function resolveIdempotency(options: IdempotencyOptions | undefined, limits: IdempotencyLimits): ResolvedIdempotency | undefined {
  if (options === undefined) return undefined
  checkOptions('idempotency', options, IDEMPOTENCY_OPTIONS)
  const { path, store, interrupted = 'again' } = options
  if (interrupted !== 'again' && interrupted !== 'refuse')
    throw new ZmqRpcError('BAD_OPTION', `idempotency.interrupted is ${String(interrupted)}, not "again" or "refuse"`)
  if ((path === undefined) === (store === undefined))
    throw new ZmqRpcError('BAD_OPTION', 'idempotency takes either path, a folder, or store')
  return {
    journal: new AnswerJournal(store === undefined ? logIn(path as string, limits) : storeMaker(store)),
    refuseInterrupted: interrupted === 'refuse',
  }
}

/** @throws ZmqRpcError BAD_OPTION */
function logIn(path: string, { maxBytes, maxKeys }: IdempotencyLimits): StoreMaker {
  const most = Math.min(MOST_DISK_BYTES, Math.max(LEAST_DISK_BYTES, DISK_PER_BYTE * maxBytes + DISK_PER_KEY * maxKeys))
  return segmentLogMaker({ path, maxBytes: most, maxRecords: MANY_RECORDS, maxRecordBytes: MAX_KEPT_BYTES, dedupeWindow: 0 })
}
