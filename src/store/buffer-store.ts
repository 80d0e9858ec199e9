/**
 * Where a buffer keeps its records: the one interface of the embedded log, of JetStream, and of whatever else may come. A store
 * knows no command and no socket: a record is bytes with an id.
 *
 * The rules, which `test/conformance/store` holds every store to:
 *
 * - **Order.** `seq` grows in the order in which `append` was called. Without gaps in the log; ascending only in remote stores.
 * - **Durable.** `append` resolves when the record survives what `durability` says. Appends made together share the cost of that.
 *   Nobody reads a record before it is durable.
 * - **Once.** The same id again, while its record is live or among those that ended last (`dedupeWindow`), makes no second record: the
 *   answer is the first one's `seq`, and `duplicate`, once the first one is durable. The window survives a crash.
 * - **Delivery is at least once.** A record is read again after a crash, until its `ack` or `deadLetter` was durable.
 * - **Bounded.** Memory does not grow with the number of records.
 *
 * Every method rejects with {@link StoreError}: `STORE_FULL` (the disk, or `maxBytes` or `maxRecords`: the record was surely not written, everything else
 * goes on working, and so does `append` once there is room again), `STORE_FAILED` (the disk failed: whether pending records were written is
 * not known; nothing but `close` works any more), `STORE_CORRUPT`, `STORE_LOCKED`, `RECORD_TOO_LARGE`, `STORE_UNAVAILABLE` (a remote one: try again, with the
 * same id), `DURABILITY_TOO_WEAK`, `CLOSED`.
 */

/**
 * What an acknowledged record survives. `fsync`: power loss of this machine. `quorum+fsync`: power loss of all, and the loss of a minority
 * of them. `os-cache`: the end of the process, but not of the machine; never without being asked for by name.
 */
export type Durability = 'fsync' | 'quorum+fsync' | 'os-cache'

/** What is to be kept. */
export interface StoreRecord {
  /** 1 to 255 bytes of UTF-8. */
  readonly id: string
  /** The record's content; not changed as long as it is being written. */
  readonly data: Uint8Array
  /** Small, and read by whoever wrote it. */
  readonly meta?: Uint8Array | undefined
}

/** What is kept. */
export interface StoreEntry {
  /** Its place: grows in the order of `append`. */
  readonly seq: number
  /** As it was given. */
  readonly id: string
  /** As it was given. */
  readonly data: Uint8Array
  /** As it was given; undefined without any. */
  readonly meta: Uint8Array | undefined
}

/** What was given up, and why. */
export interface DeadEntry extends StoreEntry {
  /** As `deadLetter` was told, cut at 4096 bytes. */
  readonly reason: string
}

/** How much a store holds. */
export interface StoreCounts {
  /** Records that wait. */
  readonly live: number
  /** Records that were given up. */
  readonly dead: number
  /** On disk, of live and dead records and of what is not cleared away yet. */
  readonly bytes: number
  /** Of that, what dead records take, about. */
  readonly deadBytes: number
}

/** What `open` found. */
export interface StoreOpening {
  /** Records that wait. */
  readonly live: number
  /** Records that were given up. */
  readonly dead: number
  /** What the next record gets. */
  readonly nextSeq: number
  /** Cut off at the end: a record that was being written when the power went, and that nobody was told of. */
  readonly tornBytes: number
  /** Records that were damaged, and put aside; only with `onDamage: 'quarantine'`. */
  readonly damaged: readonly { readonly fromSeq: number; readonly toSeq: number; readonly file: string }[]
}

/** As much as is asked for at a time; one record is given even if it is larger than `bytes`. */
export interface ReadLimit {
  /** Records. */
  readonly count: number
  /** Bytes of their data. */
  readonly bytes: number
}

/**
 * A place where records are kept until they are done. A record is durable once `append` has resolved; the same id makes no second one; and
 * it is read again after a crash, until `ack` or `deadLetter` was durable. Every method rejects with `StoreError`.
 */
export interface BufferStore {
  /** What a record survives for which `append` has resolved. */
  readonly durability: Durability

  /** Takes the lock, and finds out what is there. Once. */
  open(): Promise<StoreOpening>

  /** Keeps a record: durable when it resolves. `duplicate`: its id was known already, and `seq` is that record's. */
  append(record: StoreRecord): Promise<{ readonly seq: number; readonly duplicate: boolean }>

  /** Live records behind `afterSeq` (0: from the first), ascending. Takes nothing away. */
  read(afterSeq: number, limit: ReadLimit): Promise<StoreEntry[]>

  /** The record of an id, where it is live or dead. */
  find(id: string): Promise<{ readonly state: 'live' | 'dead'; readonly entry: StoreEntry } | undefined>

  /** They are done: durable when it resolves. In any order, more than once, and of records that are not there. */
  ack(seqs: readonly number[] | { readonly upTo: number }): Promise<void>

  /** It is given up: dead and not live any more, in one step. `reason` is cut at 4096 bytes. Nothing happens if it is not live. */
  deadLetter(seq: number, reason: string): Promise<void>

  /** As `read`, of those that were given up. */
  readDead(afterSeq: number, limit: ReadLimit): Promise<DeadEntry[]>

  /** One that was given up is live again, as the newest one; its new `seq`. Undefined if it is not dead. */
  requeue(seq: number): Promise<number | undefined>

  /** Those that were given up are forgotten. */
  dropDead(seqs: readonly number[]): Promise<void>

  /** At once, and without a look at the disk. */
  count(): StoreCounts

  /** Settles what is under way, and gives the lock back. More than once is fine. Never rejects. */
  close(): Promise<void>
}
