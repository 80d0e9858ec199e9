/**
 * One end of a connection in memory, as `node:net` would have it.
 *
 * What is written is copied and travels to the other end; up to {@link WINDOW_BYTES} that the other end has not read are under
 * way, what is more waits here, and `write` says so. An end that closes says good-bye behind its last bytes; one with bytes
 * that nobody has read resets the connection, as TCP does.
 */

import type { AsyncResource } from 'node:async_hooks'
import type { Pipe, PipeHandler } from '../transport/pipe.ts'
import { STREAM_HIGH_WATER_MARK } from '../transport/stream-pipe.ts'
import { type Direction, Flow } from './direction.ts'
import { QueuedEvent } from './event-queue.ts'
import type { Life } from './life.ts'
import { systemError } from './system-error.ts'
import type { Topology } from './topology.ts'

/** What the buffers of both systems hold together. */
const WINDOW_BYTES = 256 * 1024
/** Most bytes that are read, or travel, at once. */
const CHUNK_BYTES = 64 * 1024

/** Random chunks: mostly short ones, so that they end in the middle of headers. */
const SHORT_CHUNK_BYTES = 64

export interface VirtualPipeOptions {
  readonly topology: Topology
  readonly life: Life
  /** In which code hears from it. */
  readonly scope: AsyncResource
  readonly out: Direction
  readonly remoteAddress: string
}

export class VirtualPipe implements Pipe {
  readonly remoteAddress: string
  readonly out: Direction
  bytesReceived = 0
  bytesSent = 0
  /** In order: what becomes of the connection, and its bytes. */
  readonly flow = new Flow()
  readonly #topology: Topology
  readonly #life: Life
  readonly #scope: AsyncResource
  readonly #readEvent: QueuedEvent
  readonly #drainEvent: QueuedEvent
  #other: VirtualPipe | undefined
  #handler: PipeHandler | undefined

  #waiting: Buffer[] = []
  #waitingBytes = 0
  /** Sent, and not read by the other end. */
  #underWay = 0
  #full = false
  #ending = false

  #arrived: Buffer[] = []
  #arrivedBytes = 0
  #reading = false
  /** The other end has closed, or the connection broke; heard of once all that came before was read. */
  #farEnd: { error: Error | undefined } | undefined
  #closed = false
  #error: Error | undefined
  #told = false

  constructor({ topology, life, scope, out, remoteAddress }: VirtualPipeOptions) {
    this.#topology = topology
    this.#life = life
    this.#scope = scope
    this.out = out
    this.remoteAddress = remoteAddress
    this.#readEvent = new QueuedEvent('reading', life, () => this.#read())
    this.#drainEvent = new QueuedEvent('writing', life, () => this.#tell((handler) => handler.onDrained()))
    life.holds.add(this)
  }

  /** The network has ended it, whether its program has heard of that or not. */
  get broken(): boolean {
    return this.#farEnd?.error !== undefined
  }

  join(other: VirtualPipe): void {
    this.#other = other
    other.#other = this
  }

  open(handler: PipeHandler): void {
    this.#handler = handler
    this.#reading = true
    if (this.#closed) process.nextTick(() => this.#tellClosed())
    else this.#readSoon()
  }

  write(buffers: readonly Buffer[]): boolean {
    if (this.#closed || this.#life.ended) return true
    const broken = this.#farEnd?.error
    if (broken !== undefined) this.#finishSoon(broken)
    // Copied: the two ends are as far apart as two machines.
    const bytes = Buffer.concat(buffers)
    this.bytesSent += bytes.length
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    this.#transmit()
    if (this.#waitingBytes >= STREAM_HIGH_WATER_MARK) this.#full = true
    return !this.#full
  }

  pause(): void {
    this.#reading = false
  }

  resume(): void {
    this.#reading = true
    this.#readSoon()
  }

  end(): void {
    if (this.#closed || this.#waitingBytes === 0) this.#close()
    else this.#ending = true
  }

  destroy(): void {
    this.#close()
  }

  // ── Its life ────────────────────────────────────────────────────────────────────────────────────────────────────────

  vanish(silent: boolean): void {
    this.#shut(undefined)
    if (!silent) this.#sayGoodBye(systemError('ECONNRESET', 'read'))
  }

  wake(): void {
    this.#readSoon()
  }

  // ── From the network ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The connection is no more; the other end has to be told by itself. */
  reset(error: Error): void {
    if (this.#closed) return
    this.#farEnd = { error: this.#farEnd?.error ?? error }
    // Reading is over anyway; who still has something to write hears of it even if it does not read.
    if (this.#waitingBytes > 0) this.#finishSoon(error)
    else this.#read()
  }

  #receive(bytes: Buffer): void {
    // Nobody is there to read it. (After a silent crash it is the first that the other end hears.)
    if (this.#closed) return this.#sayGoodBye(systemError('ECONNRESET', 'read'))
    this.#arrived.push(bytes)
    this.#arrivedBytes += bytes.length
    if (this.#topology.chunking === 'random') this.#readSoon(this.#topology.random.fraction() * 0.1)
    else this.#read()
  }

  #closedByOther(error: Error | undefined): void {
    if (error !== undefined) return this.reset(error)
    this.#farEnd ??= { error: undefined }
    this.#read()
  }

  /** The other end has read so many bytes. */
  #taken(bytes: number): void {
    this.#underWay -= bytes
    if (this.#closed) return
    this.#transmit()
    if (this.#waitingBytes > 0) return
    if (this.#ending) return this.#close()
    if (!this.#full) return
    this.#full = false
    this.#topology.time.schedule(this.#drainEvent, 0)
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #transmit(): void {
    while (this.#waiting.length > 0 && this.#underWay < WINDOW_BYTES) {
      const first = this.#waiting[0] as Buffer
      const piece = first.subarray(0, Math.min(CHUNK_BYTES, WINDOW_BYTES - this.#underWay))
      if (piece.length === first.length) this.#waiting.shift()
      else this.#waiting[0] = first.subarray(piece.length)
      this.#waitingBytes -= piece.length
      this.#underWay += piece.length
      this.#sendOther(piece.length, (other) => other.#receive(piece))
    }
  }

  #readSoon(ms = 0): void {
    if (!this.#readEvent.queued) this.#topology.time.schedule(this.#readEvent, ms)
  }

  /** One chunk at a time: promises are settled before the next. */
  #read(): void {
    if (!this.#reading || this.#closed || this.#life.frozen) return
    if (this.#arrivedBytes > 0) {
      const chunk = this.#takeChunk()
      this.bytesReceived += chunk.length
      const other = this.#other
      if (other !== undefined) other.#taken(chunk.length)
      this.#tell((handler) => handler.onData(chunk))
      if (this.#arrivedBytes > 0 || this.#farEnd !== undefined) this.#readSoon()
    } else if (this.#farEnd !== undefined) {
      this.#finish(this.#farEnd.error)
    }
  }

  #takeChunk(): Buffer {
    const { chunking, random } = this.#topology
    const bytes = this.#arrived.length === 1 ? (this.#arrived[0] as Buffer) : Buffer.concat(this.#arrived)
    const most = chunking === 'random' ? 1 + random.below(random.oneIn(2) ? SHORT_CHUNK_BYTES : CHUNK_BYTES) : CHUNK_BYTES
    const chunk = bytes.subarray(0, most)
    this.#arrived = chunk.length === bytes.length ? [] : [bytes.subarray(chunk.length)]
    this.#arrivedBytes -= chunk.length
    return chunk
  }

  /** The program closes it. */
  #close(): void {
    if (!this.#closed) {
      const unread = this.#arrivedBytes > 0
      this.#shut(undefined)
      this.#sayGoodBye(unread ? systemError('ECONNRESET', 'read') : undefined)
    }
    process.nextTick(() => this.#tellClosed())
  }

  #finishSoon(error: Error): void {
    this.#topology.time.schedule(new QueuedEvent('closing', this.#life, () => this.#finish(error)), 0)
  }

  /** The network ended it. */
  #finish(error: Error | undefined): void {
    if (this.#closed) return
    this.#shut(error)
    // Whoever hears of an orderly end ends it as well; the other end has gone already.
    this.#tellClosed()
  }

  #shut(error: Error | undefined): void {
    this.#closed = true
    this.#error = error
    this.#waiting = []
    this.#waitingBytes = 0
    this.#arrived = []
    this.#arrivedBytes = 0
    this.#topology.time.cancel(this.#readEvent)
    this.#topology.time.cancel(this.#drainEvent)
    this.#life.holds.delete(this)
  }

  #sayGoodBye(error: Error | undefined): void {
    this.#sendOther(0, (other) => other.#closedByOther(error))
  }

  /** The other end may yet come to be when this arrives. */
  #sendOther(bytes: number, what: (other: VirtualPipe) => void): void {
    this.out.send(this.flow, bytes, () => {
      const other = this.#other
      if (other !== undefined) what(other)
    })
  }

  #tellClosed(): void {
    if (this.#told || this.#handler === undefined) return
    this.#told = true
    this.#tell((handler) => handler.onClosed(this.#error))
  }

  #tell(what: (handler: PipeHandler) => void): void {
    const handler = this.#handler
    if (handler !== undefined) this.#scope.runInAsyncScope(what, undefined, handler)
  }
}
