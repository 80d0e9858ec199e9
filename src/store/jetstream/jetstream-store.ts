/**
 * A buffer's store in NATS JetStream, for those who outgrow one machine: records lie with several servers, and survive the loss of some.
 *
 * Four streams, named after the store:
 *
 * - `NAME` has the live records: one message each. Its subject holds the id, hashed, and there is one message for a subject at most:
 *   the server itself refuses an id that is live.
 * - `NAME_dead` has those that were given up.
 * - `NAME_journal` says what is about to be done with records: acknowledged, given up, put back. It is written before that is done, so
 *   that whoever opens the store after a crash can finish it; and it is the memory of ids that ended (`dedupeWindow`).
 * - `NAME_lease`: see {@link Lease}.
 *
 * Everything is read from the leader of a stream, never from a replica that may lag behind.
 */

import type { JetStreamClient, JetStreamManager, StoredMsg } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { StoreError, toError, ZmqRpcError } from '../../errors.ts'
import type { BufferStore, DeadEntry, Durability, ReadLimit, StoreCounts, StoreEntry, StoreOpening, StoreRecord } from '../buffer-store.ts'
import { type ResolvedLimits, refusalOf, resolveLimits } from '../store-limits.ts'
import { isTaken, toStoreError } from './errors.ts'
import { Journal, MAX_RECORDS } from './journal.ts'
import { Lease } from './lease.ts'
import { decodeDead, decodeRecord, encodeDead, encodeRecord, Subjects, type Token, tokenOf } from './message.ts'
import { DEFAULTS, durabilityOf, type JetStreamStoreOptions, resolveOptions } from './options.ts'
import { requireDurability, requireVersion } from './proof.ts'
import { makeStreams } from './streams.ts'

/** Questions to a server at a time. */
const WIDTH = 64

/** Messages that are remembered, so that their acknowledgement need not ask for them. */
const MAX_KNOWN = 100_000

interface Appended {
  readonly seq: number
  readonly duplicate: boolean
}

interface DeadPlace {
  readonly seq: number
  readonly bytes: number
}

/** Everything that is there while it is open. */
interface Open {
  readonly connection: NatsConnection
  readonly client: JetStreamClient
  readonly manager: JetStreamManager
  readonly lease: Lease
  readonly journal: Journal
}

/** A store in NATS JetStream: replicated, and refused unless the servers promise what `durability` says. */
export class JetStreamStore implements BufferStore {
  readonly durability: Durability
  readonly #options: JetStreamStoreOptions
  readonly #subjects: Subjects
  #open: Open | undefined
  #state: 'new' | 'open' | 'closed' = 'new'
  /** Why nothing works any more. */
  #failure: StoreError | undefined
  readonly #limits: ResolvedLimits
  #live = 0
  #appending = 0
  #bytes = 0
  /** Those that were given up: their seq, and where they lie in their own stream. About 100 bytes of memory each. */
  readonly #dead = new Map<number, DeadPlace>()
  #deadBytes = 0
  /** Live as far as the server knows, but about to be given up. */
  readonly #leaving = new Set<number>()
  readonly #known = new Map<number, { token: Token; bytes: number }>()
  /** Giving up and putting back: one at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  /** @throws ZmqRpcError BAD_OPTION */
  constructor(options: JetStreamStoreOptions) {
    resolveOptions(options)
    this.#options = options
    this.#limits = resolveLimits({ ...DEFAULTS, ...options })
    this.durability = durabilityOf(options)
    this.#subjects = new Subjects(options.name)
  }

  /**
   * Connects, makes the streams that are not there yet, asks the servers what they promise, and finishes what a crash interrupted.
   *
   * @throws StoreError DURABILITY_TOO_WEAK, STORE_LOCKED, STORE_UNAVAILABLE; ZmqRpcError BAD_OPTION when the packages of NATS are not installed.
   */
  async open(): Promise<StoreOpening> {
    if (this.#state !== 'new') throw new StoreError('CLOSED', 'this store was opened before: make a new one')
    this.#state = 'open'
    const { connect, jetstream, jetstreamManager } = await loadNats()
    const { nats, timeoutMs = DEFAULTS.timeoutMs, leaseMs = DEFAULTS.leaseMs } = this.#options
    let connection: NatsConnection | undefined
    try {
      connection = await connect({ maxReconnectAttempts: -1, timeout: timeoutMs, ...nats })
      requireVersion(connection.info?.version ?? '')
      const client = jetstream(connection, { timeout: timeoutMs })
      const manager = await jetstreamManager(connection, { timeout: timeoutMs })
      const { name } = this.#options
      await makeStreams(manager, this.#options, this.#subjects)
      await requireDurability(this.#options, { connection, manager, connect })
      const lease = new Lease({ client, manager }, { stream: `${name}_lease`, subject: this.#subjects.lease }, (error) => {
        this.#failure ??= error
      })
      await lease.take(leaseMs)
      const { dedupeWindow: window } = this.#limits
      const journal = new Journal({ client, manager }, { stream: `${name}_journal`, subject: this.#subjects.journal, window })
      this.#open = { connection, client, manager, lease, journal }
      await this.#finishWhatWasBegun()
      return await this.#takeStock()
    } catch (error) {
      await this.#open?.lease.release()
      this.#open = undefined
      await connection?.close()
      this.#state = 'closed'
      throw error instanceof ZmqRpcError ? error : toStoreError(error, 'be opened')
    }
  }

  async append(record: StoreRecord): Promise<Appended> {
    const { connection, journal } = this.#use()
    const message = encodeRecord(record)
    const overhead = message.length - record.data.length
    const refusal = refusalOf(record, this.#limits)
    if (refusal !== undefined) throw refusal
    const most = connection.info?.max_payload ?? Number.POSITIVE_INFINITY
    if (message.length > most) {
      const text = `a record of ${record.data.length} bytes and ${overhead} around them is more than the NATS server takes (max_payload: ${most})`
      throw new StoreError('RECORD_TOO_LARGE', text, { written: false })
    }
    const token = tokenOf(record.id)
    const ended = journal.ended(token)
    if (ended !== undefined) return { seq: ended, duplicate: true }
    try {
      return await this.#publish(token, message)
    } catch (error) {
      if (toStoreError(error, 'append a record').code !== 'STORE_FULL') throw toStoreError(error, 'append a record')
      return this.#inTurn('append a record', () => this.#appendWhereFull(token, message, error))
    }
  }

  /** @throws errors of NATS; StoreError STORE_FULL */
  async #publish(token: Token, message: Buffer): Promise<Appended> {
    const { client } = this.#use()
    const { maxRecords } = this.#limits
    // The server limits the live ones alone.
    const taken = this.#live + this.#dead.size + this.#appending
    if (taken >= maxRecords) throw new StoreError('STORE_FULL', `${taken} records are kept already (maxRecords)`, { written: false })
    this.#appending++
    try {
      const { seq } = await client.publish(this.#subjects.live(token), message)
      this.#added(seq, token, message.length)
      return { seq, duplicate: false }
    } finally {
      this.#appending--
    }
  }

  /** There is a record of this id, or there is no room. */
  async #appendWhereFull(token: Token, message: Buffer, why: unknown): Promise<Appended> {
    for (let refusal = why; ; ) {
      const first = await this.#message('', { last_by_subj: this.#subjects.live(token) })
      const seq = first?.seq ?? this.#use().journal.ended(token)
      if (seq !== undefined) return { seq, duplicate: true }
      // If it was taken, that record has ended and is forgotten since.
      if (!isTaken(refusal)) {
        if (this.#limits.whenFull === 'refuse') throw refusal
        await this.#dropOldest(refusal)
      }
      try {
        return await this.#publish(token, message)
      } catch (error) {
        if (toStoreError(error, 'append a record').code !== 'STORE_FULL') throw error
        refusal = error
      }
    }
  }

  async #dropOldest(full: unknown): Promise<void> {
    const [oldest] = await this.read(0, { count: 1, bytes: 1 })
    if (oldest === undefined) throw full
    await this.ack([oldest.seq])
    this.#limits.onDropped?.({ count: 1, fromSeq: oldest.seq, toSeq: oldest.seq })
  }

  async read(afterSeq: number, limit: ReadLimit): Promise<StoreEntry[]> {
    this.#use()
    const entries: StoreEntry[] = []
    const filter = this.#subjects.live('*')
    let bytes = 0
    let next = afterSeq + 1
    // The first question tells where the next record is; those behind it follow mostly without a gap, and can be asked for together.
    let width = 1
    while (entries.length < limit.count) {
      const questions = Array.from({ length: width }, (_, index) => this.#message('', { seq: next + index, next_by_subj: filter }))
      let last = false
      for (const message of await Promise.all(questions)) {
        if (message === undefined) last = true
        // Behind a gap, several questions have the same answer.
        if (message === undefined || message.seq < next) continue
        next = message.seq + 1
        if (this.#leaving.has(message.seq)) continue
        bytes += message.data.length
        if (entries.length > 0 && bytes > limit.bytes) return entries
        this.#remember(message.seq, Subjects.token(message.subject), message.data.length)
        entries.push(decodeRecord(message.seq, message.data))
        if (entries.length >= limit.count || bytes >= limit.bytes) return entries
      }
      if (last) break
      const each = Math.max(1, bytes / Math.max(1, entries.length))
      width = Math.max(1, Math.min(WIDTH, limit.count - entries.length, Math.ceil((limit.bytes - bytes) / each)))
    }
    return entries
  }

  async find(id: string): Promise<{ state: 'live' | 'dead'; entry: StoreEntry } | undefined> {
    const token = tokenOf(id)
    const live = await this.#message('', { last_by_subj: this.#subjects.live(token) })
    if (live !== undefined && !this.#leaving.has(live.seq)) return { state: 'live', entry: decodeRecord(live.seq, live.data) }
    const dead = await this.#message('_dead', { last_by_subj: this.#subjects.dead(token, '*') })
    return dead === undefined ? undefined : { state: 'dead', entry: decodeDead(dead.data).entry }
  }

  async ack(seqs: readonly number[] | { readonly upTo: number }): Promise<void> {
    const { journal } = this.#use()
    if ('upTo' in seqs) return this.#ackUpTo(seqs.upTo)
    const possible = [...new Set(seqs)].filter((seq) => Number.isSafeInteger(seq) && seq > 0)
    const known = await inGroups(possible, async (seq) => {
      const token = this.#known.get(seq)?.token ?? (await this.#tokenOfLive(seq))
      return token === undefined || this.#leaving.has(seq) ? undefined : { seq, token }
    })
    const ended = known.filter((one) => one !== undefined)
    if (ended.length === 0) return
    await this.#asStoreErrors('acknowledge records', async () => {
      for (let at = 0; at < ended.length; at += MAX_RECORDS) {
        const records = ended.slice(at, at + MAX_RECORDS)
        await journal.take({ kind: 'ended', records }, async () => {
          await inGroups(records, ({ seq }) => this.#delete(seq))
        })
      }
    })
  }

  deadLetter(seq: number, reason: string): Promise<void> {
    return this.#inTurn('give a record up', async ({ client, journal }) => {
      const message = await this.#message('', { seq })
      if (message === undefined) return
      const token = Subjects.token(message.subject)
      this.#leaving.add(seq)
      try {
        await journal.take({ kind: 'dead', records: [{ seq, token }] }, async () => {
          const dead = encodeDead(seq, reason, message.data)
          const { seq: deadSeq } = await client.publish(this.#subjects.dead(token, seq), dead)
          this.#addDead(seq, { seq: deadSeq, bytes: dead.length })
          await this.#delete(seq)
        })
      } finally {
        this.#leaving.delete(seq)
      }
    })
  }

  async readDead(afterSeq: number, limit: ReadLimit): Promise<DeadEntry[]> {
    this.#use()
    const seqs = [...this.#dead.keys()].filter((seq) => seq > afterSeq).sort((a, b) => a - b)
    const entries: DeadEntry[] = []
    let bytes = 0
    for (let at = 0; at < seqs.length && entries.length < limit.count; at += WIDTH) {
      const some = seqs.slice(at, at + WIDTH)
      for (const message of await Promise.all(some.map((seq) => this.#message('_dead', { seq: (this.#dead.get(seq) as DeadPlace).seq })))) {
        if (message === undefined) continue
        bytes += message.data.length
        if (entries.length >= limit.count || (entries.length > 0 && bytes > limit.bytes)) return entries
        entries.push(decodeDead(message.data).entry)
      }
    }
    return entries
  }

  requeue(seq: number): Promise<number | undefined> {
    return this.#inTurn('put a record back', async ({ client, manager, journal }) => {
      const deadSeq = this.#dead.get(seq)?.seq
      const message = deadSeq === undefined ? undefined : await this.#message('_dead', { seq: deadSeq })
      if (deadSeq === undefined || message === undefined) return undefined
      const { record } = decodeDead(message.data)
      const { token } = Subjects.dead(message.subject)
      let newSeq: number | undefined
      await journal.take({ kind: 'requeued', records: [{ seq, token }] }, async () => {
        newSeq = (await client.publish(this.#subjects.live(token), record)).seq
        this.#added(newSeq, token, record.length)
        await this.#deleteMessage(manager, this.#stream('_dead'), deadSeq)
        this.#removeDead(seq)
      })
      return newSeq
    })
  }

  async dropDead(seqs: readonly number[]): Promise<void> {
    const { manager } = this.#use()
    await this.#asStoreErrors('drop records', () =>
      inGroups(seqs, async (seq) => {
        const place = this.#dead.get(seq)
        if (place === undefined) return
        await this.#deleteMessage(manager, this.#stream('_dead'), place.seq)
        this.#removeDead(seq)
      }),
    )
  }

  count(): StoreCounts {
    return { live: this.#live, dead: this.#dead.size, bytes: this.#bytes + this.#deadBytes, deadBytes: this.#deadBytes }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#state = 'closed'
    const open = this.#open
    this.#open = undefined
    if (open === undefined) return
    await this.#turn.catch(() => {})
    // What is under way is answered, within the time that NATS gives it; who cannot be reached does not keep us.
    await open.lease.release()
    if (!open.connection.isClosed()) await open.connection.drain().catch(() => open.connection.close().catch(() => {}))
  }

  // ── Opening ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The last entries of the journal tell what a crash may have interrupted; to do it twice does no harm. */
  async #finishWhatWasBegun(): Promise<void> {
    const { manager, journal } = this.#use()
    for (const { kind, records } of await journal.load()) {
      for (const { seq, token } of records) {
        if (kind === 'ended') await this.#deleteMessage(manager, this.#stream(), seq)
        const dead = await this.#message('_dead', { last_by_subj: this.#subjects.dead(token, seq) })
        if (kind === 'dead' && dead !== undefined) await this.#deleteMessage(manager, this.#stream(), seq)
        if (kind !== 'requeued' || dead === undefined) continue
        const live = await this.#message('', { last_by_subj: this.#subjects.live(token) })
        if (live !== undefined) await this.#deleteMessage(manager, this.#stream('_dead'), dead.seq)
      }
    }
  }

  async #takeStock(): Promise<StoreOpening> {
    const { manager } = this.#use()
    const live = await manager.streams.info(this.#stream())
    const dead = await manager.streams.info(this.#stream('_dead'), { subjects_filter: '>' })
    this.#live = live.state.messages
    this.#bytes = live.state.bytes
    const subjects = Object.keys(dead.state.subjects ?? {})
    await inGroups(subjects, async (subject) => {
      const message = await this.#message('_dead', { last_by_subj: subject })
      if (message !== undefined) this.#addDead(Subjects.dead(subject).seq, { seq: message.seq, bytes: message.data.length })
    })
    return { live: this.#live, dead: this.#dead.size, nextSeq: live.state.last_seq + 1, tornBytes: 0, damaged: [] }
  }

  // ── While it is open ────────────────────────────────────────────────────────────────────────────────────────────────

  #use(): Open {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#open === undefined) throw new StoreError('CLOSED', 'the store is not open')
    return this.#open
  }

  #stream(suffix: '' | '_dead' | '_journal' | '_lease' = ''): string {
    return `${this.#options.name}${suffix}`
  }

  async #message(
    suffix: '' | '_dead',
    query: { seq: number } | { last_by_subj: string } | { seq: number; next_by_subj: string },
  ): Promise<StoredMsg | undefined> {
    const { manager } = this.#use()
    try {
      return (await manager.streams.getMessage(this.#stream(suffix), query)) ?? undefined
    } catch (error) {
      throw toStoreError(error, 'read a record')
    }
  }

  async #tokenOfLive(seq: number): Promise<Token | undefined> {
    const message = await this.#message('', { seq })
    if (message === undefined) return undefined
    this.#remember(seq, Subjects.token(message.subject), message.data.length)
    return Subjects.token(message.subject)
  }

  #added(seq: number, token: Token, bytes: number): void {
    this.#live++
    this.#bytes += bytes
    this.#remember(seq, token, bytes)
  }

  #addDead(seq: number, place: DeadPlace): void {
    this.#removeDead(seq)
    this.#dead.set(seq, place)
    this.#deadBytes += place.bytes
  }

  #removeDead(seq: number): void {
    this.#deadBytes -= this.#dead.get(seq)?.bytes ?? 0
    this.#dead.delete(seq)
  }

  #remember(seq: number, token: Token, bytes: number): void {
    this.#known.set(seq, { token, bytes })
    if (this.#known.size <= MAX_KNOWN) return
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest)
      return
    }
  }

  /** In one step for the server, but in several for the journal, which has to hold their ids. */
  async #ackUpTo(upTo: number): Promise<void> {
    let after = 0
    while (after < upTo) {
      const entries = await this.read(after, { count: 1000, bytes: 1024 * 1024 })
      const seqs = entries.map(({ seq }) => seq).filter((seq) => seq <= upTo)
      if (seqs.length === 0) return
      await this.ack(seqs)
      after = seqs.at(-1) as number
    }
  }

  async #delete(seq: number): Promise<void> {
    if (!(await this.#deleteMessage(this.#use().manager, this.#stream(), seq))) return
    this.#live--
    this.#bytes -= this.#known.get(seq)?.bytes ?? 0
    this.#known.delete(seq)
  }

  /** False when it was not there. */
  async #deleteMessage(manager: JetStreamManager, stream: string, seq: number): Promise<boolean> {
    try {
      return await manager.streams.deleteMessage(stream, seq, false)
    } catch (error) {
      // There is no number of its own for this refusal; whether it is gone can be asked.
      if ((await manager.streams.getMessage(stream, { seq })) === null) return false
      throw error
    }
  }

  #inTurn<T>(doing: string, work: (open: Open) => Promise<T>): Promise<T> {
    const mine = this.#turn.then(() => this.#asStoreErrors(doing, () => work(this.#use())))
    this.#turn = mine.catch(() => {})
    return mine
  }

  async #asStoreErrors<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw toStoreError(error, doing)
    }
  }
}

async function loadNats() {
  try {
    const [{ connect }, { jetstream, jetstreamManager }] = await Promise.all([
      import('@nats-io/transport-node'),
      import('@nats-io/jetstream'),
    ])
    return { connect, jetstream, jetstreamManager }
  } catch (cause) {
    const text = `JetStreamStore needs two packages: npm install @nats-io/transport-node @nats-io/jetstream (${toError(cause).message})`
    throw new ZmqRpcError('BAD_OPTION', text, { cause })
  }
}

/** Not all at once: each is a question to the server. */
async function inGroups<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let at = 0; at < items.length; at += WIDTH) results.push(...(await Promise.all(items.slice(at, at + WIDTH).map(work))))
  return results
}
