/**
 * A buffer: takes commands, has them on disk before it says so, delivers them, and knows how they ended.
 *
 * - Accepted means durable: `accept` resolves when the store has said so, and nothing is delivered before.
 * - Each accepted command ends exactly once, with a name: see {@link EndState}. What is known of its end is durable before the command is
 *   forgotten.
 * - When the store fails nothing is accepted, nor delivered, until it is open again, which is tried with back-off; then everything that had
 *   not ended is delivered anew.
 */

import { toError, ZmqRpcError } from '../../errors.ts'
import { publish } from '../../observability/events.ts'
import type { BufferStore, DeadEntry, StoreRecord } from '../../store/buffer-store.ts'
import { timerMs } from '../deadlines.ts'
import { encodeError } from '../dialect/native/message.ts'
import type { Endpoint } from '../endpoint.ts'
import { STATUS } from '../error/status.ts'
import { BufferClock } from './buffer-clock.ts'
import { type BufferOptions, type BufferSettings, resolveBuffer } from './buffer-options.ts'
import { storesOf } from './buffer-stores.ts'
import { DeadLetters } from './dead-letters.ts'
import { Delivery, type End, FAILED } from './delivery.ts'
import type { FarEnd } from './far-end.ts'
import { type CommandToKeep, fromEntry, type KeptCommand, rerunKeyOf, toRecord, understood } from './kept-command.ts'
import { LaneRoom } from './lane-room.ts'
import { type EndState, type Outcome, Outcomes } from './outcomes.ts'
import { Overflow } from './overflow.ts'

/** A buffer in numbers. Sums are since it was made. */
export interface BufferStats {
  /** What receipts call it. */
  readonly name: string
  /** False while its store cannot be used. */
  readonly open: boolean
  /** Commands that wait or are on the way. */
  readonly waiting: number
  /** Of those: on the way. */
  readonly inFlight: number
  /** Among the dead letters. */
  readonly dead: number
  /** On disk, of dead letters, about. */
  readonly deadBytes: number
  /** On disk. */
  readonly bytes: number
  /** Of the oldest that waits, as far as it is in memory, ms. */
  readonly oldestAgeMs: number
  /** Callers that wait for a result. */
  readonly callers: number
  /** Commands that were accepted since it was made. */
  readonly accepted: number
  /** Of those, how they ended. */
  readonly ended: Readonly<Record<EndState, number>>
  /** Attempts that came to nothing. */
  readonly repeated: number
  /** Commands that were not accepted. */
  readonly refused: number
  /** Dead letters that had to go, since there were too many. */
  readonly forgotten: number
  /** Outcomes that could not be kept, since there was no room. */
  readonly outcomesLost: number
}

/** A command that was given up. */
export interface DeadLetter {
  /** By which it is named in `requeue` and `drop`. */
  readonly seq: number
  /** Undefined for a text. */
  readonly command: string | undefined
  /** Of its receipt, where it has one. */
  readonly id: string | undefined
  /** Who sent it; undefined where nobody was asked. */
  readonly user: string | undefined
  /** Since it was accepted, ms. */
  readonly ageMs: number
  /** Of its record on disk. */
  readonly bytes: number
  /** Why it was given up. */
  readonly reason: string
}

/** What an accepted command is known by. */
export interface Acceptance {
  /** Since it was accepted first, ms. */
  readonly ageMs: number
  /** It had been accepted before. */
  readonly duplicate: boolean
}

/** Where a command stands. */
export type Standing =
  | { readonly state: 'waiting'; readonly ageMs: number; readonly command: KeptCommand }
  | (Outcome & { readonly ageMs: number })

/** An open store, and all that works on it. */
interface Session {
  readonly store: BufferStore
  readonly outcomeStore: BufferStore
  readonly outcomes: Outcomes
  readonly deadLetters: DeadLetters
  readonly delivery: Delivery
  readonly overflow: Overflow
  readonly laneRoom: LaneRoom<Appended>
}

type Appended = Awaited<ReturnType<BufferStore['append']>>
type Settle = (outcome: Outcome | ZmqRpcError) => void

const REOPEN = { firstMs: 500, mostMs: 30_000 }
/** The oldest that go at a time, when there has to be room. */
const DROP = { count: 64, bytes: 4 * 1024 * 1024 }
const DEAD = { count: 100, bytes: 4 * 1024 * 1024 }

export class CommandBuffer {
  readonly settings: BufferSettings
  #name: string
  readonly #isNamed: boolean
  readonly #makeStores: () => Promise<{ store: BufferStore; outcomes: BufferStore }>
  readonly #farEnds: () => readonly FarEnd[]
  readonly #clock = new BufferClock()
  readonly #waiters = new Map<string, Set<Settle>>()
  #callers = 0
  #session: Session | undefined
  #failure: Error | undefined
  #reopenTimer: NodeJS.Timeout | undefined
  #reopened = 0
  #closed = false
  /** The command before has been appended. */
  #turn: Promise<void> = Promise.resolve()
  /** Commands that wait for it. */
  #turns = 0
  #accepted = 0
  #refused = 0
  #repeated = 0
  #forgotten = 0
  readonly #ended: Record<EndState, number> = { executed: 0, failed: 0, delivered: 0, dead: 0, superseded: 0, dropped: 0 }

  /** @throws ZmqRpcError BAD_OPTION */
  constructor(options: BufferOptions, defaultName: string, farEnds: () => readonly FarEnd[]) {
    this.settings = resolveBuffer(options)
    this.#name = options.name ?? defaultName
    this.#isNamed = options.name !== undefined
    this.#makeStores = storesOf(options, this.settings)
    this.#farEnds = farEnds
  }

  /** What receipts call it. */
  get name(): string {
    return this.#name
  }

  /** Where it takes commands, once that is known: its name, unless it was given one, or a port. */
  boundAt(endpoint: Endpoint): void {
    if (!this.#isNamed && /:[0*]$/.test(this.#name)) this.#name = endpoint
  }

  /** Opens the store, and begins to deliver. @throws StoreError */
  async open(): Promise<void> {
    const session = await this.#openStores()
    if (this.#closed) return this.#shut(session)
    this.#session = session
    session.delivery.changed()
  }

  /** A far end is there, or has gone. */
  changed(): void {
    this.#session?.delivery.changed()
  }

  /**
   * Resolves when the command is on disk.
   *
   * @throws ZmqRpcError STORE_FULL, RECORD_TOO_LARGE, STORE_FAILED, STORE_UNAVAILABLE, CLOSED; CONFLICT for an id that another command has.
   */
  async accept(command: CommandToKeep): Promise<Acceptance> {
    const session = this.#session
    try {
      const acceptance = await this.#accept(this.#mustBeOpen(), command)
      if (!acceptance.duplicate) this.#accepted++
      const { name, id } = command
      publish('zmq-rpc:buffer:accepted', () => ({ buffer: this.#name, command: name, id, duplicate: acceptance.duplicate }))
      return acceptance
    } catch (error) {
      this.#refused++
      if (session !== undefined && error instanceof ZmqRpcError && error.code === 'STORE_FAILED') this.#failed(session, error)
      publish('zmq-rpc:buffer:refused', () => ({ buffer: this.#name, command: command.name, error: toError(error) }))
      throw error
    }
  }

  /** How it ended, as soon as that is known. @throws ZmqRpcError UNKNOWN_RECEIPT, OVERLOADED, ABORTED, STORE_FAILED. */
  async result(id: string, signal: AbortSignal): Promise<Outcome> {
    if (this.#callers >= this.settings.maxWaiting)
      throw new ZmqRpcError('OVERLOADED', `${this.#callers} callers wait for results of ${this.#name} already`)
    this.#callers++
    let settle: Settle = () => {}
    const told = new Promise<Outcome | ZmqRpcError>((resolve) => {
      settle = resolve
    })
    const giveUp = (): void => settle(new ZmqRpcError('ABORTED', 'nobody waits any more'))
    try {
      // Before it is looked for: it may end meanwhile.
      this.#addWaiter(id, settle)
      signal.addEventListener('abort', giveUp, { once: true })
      if (signal.aborted) giveUp()
      const standing = await this.standing(id)
      if (standing !== undefined && standing.state !== 'waiting') return standing
      if (standing === undefined) settle(unknownReceipt(this.#name))
      const outcome = await told
      if (outcome instanceof ZmqRpcError) throw outcome
      return outcome
    } finally {
      this.#callers--
      signal.removeEventListener('abort', giveUp)
      this.#removeWaiter(id, settle)
    }
  }

  /** Where it stands; undefined where nothing is known of it. @throws StoreError */
  async standing(id: string): Promise<Standing | undefined> {
    const { store, outcomes } = this.#mustBeOpen()
    // In this order: one that ends meanwhile has an outcome before it goes.
    const found = await store.find(id)
    const ended = await outcomes.find(id)
    if (ended !== undefined) return { ...ended, ageMs: ended.acceptedAgoMs }
    if (found === undefined) return undefined
    const command = fromEntry(found.entry)
    const ageMs = this.#clock.ageMs(command.acceptedAt)
    if (found.state === 'live') return { state: 'waiting', ageMs, command }
    // How it ended is forgotten, or could not be written down.
    const reason = 'reason' in found.entry ? String(found.entry.reason) : 'given up'
    const body = errorBody({ state: 'dead', reason })
    return { state: 'dead', ageMs, body, reason, to: '', name: command.name, acceptedAgoMs: ageMs, endedAgoMs: 0 }
  }

  stats(): BufferStats {
    const session = this.#session
    const { live, dead, bytes, deadBytes } = session?.store.count() ?? { live: 0, dead: 0, bytes: 0, deadBytes: 0 }
    return {
      name: this.#name,
      open: session !== undefined,
      waiting: live,
      inFlight: session?.delivery.inFlight ?? 0,
      dead,
      deadBytes,
      bytes,
      oldestAgeMs: session?.delivery.oldestAgeMs ?? 0,
      callers: this.#callers,
      accepted: this.#accepted,
      ended: { ...this.#ended },
      repeated: this.#repeated,
      refused: this.#refused,
      forgotten: this.#forgotten,
      outcomesLost: session?.outcomes.lost ?? 0,
    }
  }

  /** Those that were given up, behind `afterSeq` (0: from the first), a hundred at a time. @throws StoreError */
  async deadLetters(afterSeq = 0): Promise<DeadLetter[]> {
    const entries = await this.#mustBeOpen().store.readDead(afterSeq, DEAD)
    return entries.map((entry) => this.#describe(entry))
  }

  /**
   * One that was given up is delivered once more, behind all that wait; where its service had failed, that runs anew. False if there is none.
   *
   * @throws StoreError
   */
  async requeue(seq: number): Promise<boolean> {
    const session = this.#mustBeOpen()
    return await session.deadLetters.change(() => this.#requeue(session, seq))
  }

  async #requeue({ store, outcomes, delivery }: Session, seq: number): Promise<boolean> {
    const [entry] = await store.readDead(seq - 1, { count: 1, bytes: 1 })
    if (entry?.seq !== seq) return false
    const command = understood(entry)
    if (command !== undefined) {
      // Its server would answer the same key with the failure that it remembers; with the new one nobody knows whether it ran.
      const rerunOf = entry.reason.startsWith(FAILED) ? seq : (await outcomes.recall(command.id)).rerunOf
      if (rerunOf !== undefined || command.key !== undefined) {
        await outcomes.requeued(command.id, rerunOf)
        delivery.requeuing(command.id)
      }
    }
    const again = await store.requeue(seq)
    if (again === undefined) return false
    delivery.appended(again)
    return true
  }

  /** Those that were given up are forgotten. @throws StoreError */
  async drop(seqs: readonly number[]): Promise<void> {
    const { store, deadLetters } = this.#mustBeOpen()
    await deadLetters.change(() => store.dropDead(seqs))
  }

  /** What is on the way has `drainMs` to end; what has not is delivered when the buffer is opened next. Never rejects. */
  async close(drainMs = 0): Promise<void> {
    this.#closed = true
    clearTimeout(this.#reopenTimer)
    const session = this.#session
    for (const waiters of [...this.#waiters.values()])
      for (const settle of waiters) settle(new ZmqRpcError('CLOSED', `the buffer ${this.#name} is closed`))
    if (session !== undefined) await this.#shut(session, drainMs)
    this.#session = undefined
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #mustBeOpen(): Session {
    if (this.#closed) throw new ZmqRpcError('CLOSED', `the buffer ${this.#name} is closed`)
    if (this.#session !== undefined) return this.#session
    const why = this.#failure === undefined ? 'it is not open yet' : this.#failure.message
    throw new ZmqRpcError('STORE_FAILED', `the buffer ${this.#name} keeps nothing now: ${why}`, { cause: this.#failure, started: 'no' })
  }

  async #accept(session: Session, command: CommandToKeep): Promise<Acceptance> {
    const { id, name } = command
    const { store, delivery } = session
    const ttlMs = Math.min(command.ttlMs, this.settings.maxAgeMs)
    const record = toRecord(command, ttlMs, this.#clock.stamp())
    const known = await this.#appendUnlessKnown(session, command, record)
    if ('state' in known) return { ageMs: sameCommand(known.name, name, known.acceptedAgoMs), duplicate: true }
    const { seq, duplicate } = known
    if (!duplicate) {
      delivery.appended(seq)
      return { ageMs: 0, duplicate }
    }
    const found = await store.find(id)
    if (found === undefined) return { ageMs: 0, duplicate }
    const kept = fromEntry(found.entry)
    return { ageMs: sameCommand(kept.name, name, this.#clock.ageMs(kept.acceptedAt)), duplicate }
  }

  /** One that has ended is not kept again. To find that out takes its time; commands are appended in the order in which they came all the same. */
  async #appendUnlessKnown(session: Session, command: CommandToKeep, record: StoreRecord): Promise<Appended | Outcome> {
    const { id, key, ordered } = command
    const { outcomes } = session
    const mayHaveEnded = key !== undefined && outcomes.count > 0
    if (!mayHaveEnded && (!ordered || this.#turns === 0)) return this.#appendInOrder(session, command, record)
    const before = this.#turn
    let done = (): void => {}
    if (ordered) {
      this.#turns++
      this.#turn = new Promise((resolve) => {
        done = resolve
      })
    }
    try {
      const known = mayHaveEnded ? await outcomes.find(id) : undefined
      if (ordered) await before
      return known ?? this.#appendInOrder(session, command, record)
    } finally {
      if (ordered) this.#turns--
      done()
    }
  }

  #appendInOrder(session: Session, { lane, ordered }: CommandToKeep, record: StoreRecord): Promise<Appended> {
    if (!ordered) return this.#append(session, record)
    return session.laneRoom.append(lane, record.data.length + (record.meta?.length ?? 0), () => this.#append(session, record))
  }

  async #append({ store, overflow }: Session, record: StoreRecord): Promise<Appended> {
    if (overflow.busy) return await overflow.append(record, this.#full())
    try {
      return await this.#appendIfRoom(store, record)
    } catch (error) {
      if (!(error instanceof ZmqRpcError) || error.code !== 'STORE_FULL') throw error
      this.#tellFull(store)
      if (this.settings.whenFull === 'refuse') throw error
      return await overflow.append(record, error)
    }
  }

  async #appendIfRoom(store: BufferStore, record: StoreRecord): Promise<Appended> {
    if (store.count().live >= this.settings.maxCommands) throw this.#full()
    return await store.append(record)
  }

  #full(): ZmqRpcError {
    return new ZmqRpcError('STORE_FULL', `${this.settings.maxCommands} commands wait in ${this.#name} already`)
  }

  /** Gives up the oldest, for so many that wait. How many records are gone. */
  async #dropOldest(store: BufferStore, delivery: Delivery, wanted: number): Promise<number> {
    const over = store.count().live + wanted - this.settings.maxCommands
    // Where there are too many bytes they come free by whole files.
    const oldest = await store.read(0, { ...DROP, count: over > 0 ? Math.min(over, DROP.count) : DROP.count })
    const commands = oldest.map(understood).filter((command) => command !== undefined)
    return delivery.giveUp(commands, { state: 'dropped', body: undefined, to: '', reason: 'it had to make room for newer ones' })
  }

  #tellFull(store: BufferStore): void {
    const { live: waiting, bytes } = store.count()
    publish('zmq-rpc:buffer:full', () => ({ buffer: this.#name, waiting, bytes, whenFull: this.settings.whenFull }))
  }

  #tellForgotten(store: BufferStore, count: number): void {
    this.#forgotten += count
    const { dead, deadBytes } = store.count()
    publish('zmq-rpc:buffer:forgotten', () => ({ buffer: this.#name, count, dead, deadBytes }))
  }

  async #end(command: KeptCommand, end: End): Promise<void> {
    const session = this.#session
    if (session === undefined) throw new ZmqRpcError('STORE_FAILED', `the buffer ${this.#name} is not open`)
    const { id, name, key } = command
    if (key !== undefined) await session.outcomes.put(id, { ...end, body: bodyOf(end), name }, this.#clock.ageMs(command.acceptedAt))
  }

  #tellEnd({ id, name, acceptedAt }: KeptCommand, end: End): void {
    const ageMs = this.#clock.ageMs(acceptedAt)
    this.#ended[end.state]++
    const { state, reason } = end
    if (state === 'dead' || state === 'failed' || state === 'dropped')
      publish('zmq-rpc:buffer:dead', () => ({ buffer: this.#name, command: name, id, state, reason, ageMs }))
    else publish('zmq-rpc:buffer:ended', () => ({ buffer: this.#name, command: name, id, state, ageMs }))
    for (const settle of this.#waiters.get(id) ?? []) settle({ ...end, body: bodyOf(end), name, acceptedAgoMs: ageMs, endedAgoMs: 0 })
  }

  #addWaiter(id: string, settle: Settle): void {
    const waiters = this.#waiters.get(id)
    if (waiters === undefined) this.#waiters.set(id, new Set([settle]))
    else waiters.add(settle)
  }

  #removeWaiter(id: string, settle: Settle): void {
    const waiters = this.#waiters.get(id)
    waiters?.delete(settle)
    if (waiters?.size === 0) this.#waiters.delete(id)
  }

  #describe(entry: DeadEntry): DeadLetter {
    const { seq, reason, data } = entry
    const command = understood(entry)
    if (command === undefined) return { seq, command, id: undefined, user: undefined, ageMs: 0, bytes: data.length, reason }
    const { name, key: id, user, acceptedAt, bytes } = command
    return { seq, command: name, id, user, ageMs: this.#clock.ageMs(acceptedAt), bytes, reason }
  }

  // ── The store ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #openStores(): Promise<Session> {
    const { store, outcomes: outcomeStore } = await this.#makeStores()
    const opening = await store.open()
    try {
      await outcomeStore.open()
    } catch (error) {
      await store.close()
      throw error
    }
    // The oldest of all tells best how much time has passed.
    for (const entry of await store.read(0, { count: 1, bytes: 1 })) {
      const oldest = understood(entry)
      if (oldest !== undefined) this.#clock.heard(oldest.acceptedAt)
    }
    const outcomes = new Outcomes(outcomeStore, this.#clock, this.settings.outcomes)
    const deadLetters = new DeadLetters(store, this.settings.deadLetters, (count) => this.#tellForgotten(store, count))
    await deadLetters.trim()
    const delivery: Delivery = new Delivery(store, opening.nextSeq, this.settings, this.#clock, this.#farEnds, {
      end: (command, end) => this.#end(command, end),
      ended: (command, end) => this.#tellEnd(command, end),
      bury: (seq, reason) => deadLetters.add(seq, reason),
      recall: async ({ id, key }) => {
        const { end, rerunOf } = await outcomes.recall(id)
        return {
          end: key === undefined ? undefined : end,
          rerunKey: rerunOf === undefined ? undefined : rerunKeyOf(id, rerunOf),
        }
      },
      again: (command, farEnd, attempts, reason, retryMs) => {
        this.#repeated++
        const { name, id } = command
        publish('zmq-rpc:buffer:repeated', () => ({
          buffer: this.#name,
          endpoint: farEnd.name,
          command: name,
          id,
          attempts,
          reason,
          retryMs,
        }))
      },
      failed: (error) => this.#failed(session, error),
    })
    const overflow = new Overflow({
      room: () => this.settings.maxCommands - store.count().live,
      append: (record) => this.#appendIfRoom(store, record),
      makeRoom: (wanted) => this.#dropOldest(store, delivery, wanted),
    })
    const laneRoom = new LaneRoom<Appended>(this.settings, () => store.count())
    const session: Session = { store, outcomeStore, outcomes, deadLetters, delivery, overflow, laneRoom }
    const { live, dead, tornBytes, damaged } = opening
    publish('zmq-rpc:buffer:opened', () => ({ buffer: this.#name, waiting: live, dead, tornBytes, damaged: damaged.length }))
    return session
  }

  #failed(session: Session, error: Error): void {
    if (this.#session !== session) return
    this.#session = undefined
    this.#failure = error
    session.delivery.abandon()
    publish('zmq-rpc:buffer:failed', () => ({ buffer: this.#name, error }))
    const closing = Promise.all([session.store.close(), session.outcomeStore.close()])
    this.#reopened = 0
    closing.then(() => this.#reopenLater()).catch(toError)
  }

  #reopenLater(): void {
    if (this.#closed) return
    const waitMs = Math.min(REOPEN.firstMs * 2 ** Math.min(this.#reopened++, 30), REOPEN.mostMs) * (0.5 + Math.random() / 2)
    this.#reopenTimer = setTimeout(() => {
      this.open().catch((error: unknown) => {
        this.#failure = toError(error)
        publish('zmq-rpc:buffer:failed', () => ({ buffer: this.#name, error: toError(error) }))
        this.#reopenLater()
      })
    }, timerMs(waitMs))
  }

  async #shut({ store, outcomeStore, outcomes, delivery }: Session, drainMs = 0): Promise<void> {
    await delivery.close(drainMs)
    await outcomes.settled()
    await Promise.all([store.close(), outcomeStore.close()])
  }
}

/** @throws ZmqRpcError CONFLICT */
function sameCommand(known: string | undefined, name: string | undefined, ageMs: number): number {
  if (known === name) return ageMs
  throw new ZmqRpcError('CONFLICT', `the idempotency key was used for ${known === undefined ? 'a text' : `command "${known}"`} before`)
}

function unknownReceipt(name: string): ZmqRpcError {
  return new ZmqRpcError('UNKNOWN_RECEIPT', `the buffer ${name} knows nothing of it, or not any more`)
}

/** What its caller is answered; of one that was handed over the next buffer knows. */
function bodyOf(end: End): End['body'] {
  return end.body ?? (end.state === 'delivered' ? undefined : errorBody(end))
}

/** What is told of a command that ended without an answer of the far end. */
function errorBody({ state, reason }: Pick<End, 'state' | 'reason'>): ReturnType<typeof encodeError> {
  const status = reason.startsWith('expired') ? STATUS.expired : state === 'dead' ? STATUS.proxyFailed : STATUS.aborted
  return encodeError({ status, text: `the command was given up by its buffer: ${reason}` })
}
