/**
 * Frames out, in as few buffers as possible: few writes to the transport in a turn are what make an engine in Node fast.
 *
 * - Small frames are copied into a slab; bodies from {@link BY_REFERENCE_BYTES} on go by reference, between two pieces of
 *   slab. Whoever sends such a body must not change it until it is written.
 * - A slab belongs to a writer only while it has something to write, and its written part is never used again; what is
 *   left of it goes to the next writer. An idle connection holds no slab.
 * - What is encoded already, for many or with room for its number, stays where it is, as long as it follows each other there;
 *   little of it that stands alone is copied like small frames, since each piece has its price.
 */

import type { EncodedMessage } from './encoded-message.ts'
import { headerLength, type Message, MORE, writeHeader } from './frame.ts'
import { type Body, NUMBER_BYTES, SHORT_BODY_ROOM, writeNumber } from './numbered.ts'

/** From this length on a body is not copied. Measured: below 1 KiB the copy wins, from 4 KiB on it loses. */
export const BY_REFERENCE_BYTES = 2048

const SLAB_BYTES = 64 * 1024
/** A slab with less left is not worth keeping. */
const MIN_SLAB_LEFT = 1024
const MAX_SPARE_SLABS = 16

interface Slab {
  readonly buffer: Buffer
  /** Everything before is written or about to be. */
  used: number
}

const spareSlabs: Slab[] = []

export class FrameWriter {
  /** Complete pieces, in order, before what stands in the slab. */
  #pieces: Buffer[] | undefined
  #pieceBytes = 0
  #slab: Slab | undefined
  /** Where the unfinished piece begins in the slab. */
  #pieceStart = 0
  /** Memory of encoded messages that follow each other there, to be written behind everything else. */
  #shared: Buffer | undefined
  #sharedStart = 0
  #sharedEnd = 0

  /** Bytes written and not taken. */
  get pendingBytes(): number {
    return this.#pieceBytes + (this.#slab === undefined ? 0 : this.#slab.used - this.#pieceStart) + this.#sharedEnd - this.#sharedStart
  }

  writeMessage(message: Message): void {
    const last = message.length - 1
    for (let index = 0; index < last; index++) this.writeFrame(MORE, message[index] as Buffer)
    this.writeFrame(0, message[last] as Buffer)
  }

  /** `flags`: MORE or COMMAND, or both left out. */
  writeFrame(flags: number, body: Buffer): void {
    if (this.#shared !== undefined) this.#settleShared()
    const length = body.length
    if (length >= BY_REFERENCE_BYTES) {
      const slab = this.#room(headerLength(length))
      slab.used = writeHeader(slab.buffer, slab.used, flags, length)
      this.#finishPiece()
      this.#push(body)
      return
    }
    const slab = this.#room(length + 9)
    const offset = writeHeader(slab.buffer, slab.used, flags, length)
    slab.buffer.set(body, offset)
    slab.used = offset + length
  }

  /** `[number][empty][body…]`; of a {@link ShortBody} nothing is copied, as long as they follow each other. */
  writeNumbered(number: number, body: Body): void {
    if (!Array.isArray(body)) {
      const { memory, start, end } = body
      writeHeader(memory, writeNumber(memory, start - SHORT_BODY_ROOM, number), 0, end - start)
      return this.#share(memory, start - SHORT_BODY_ROOM, end)
    }
    if (this.#shared !== undefined) this.#settleShared()
    const slab = this.#room(NUMBER_BYTES)
    slab.used = writeNumber(slab.buffer, slab.used, number)
    this.writeMessage(body)
  }

  writeEncoded({ memory, start, end }: EncodedMessage): void {
    this.#share(memory, start, end)
  }

  /** What lies somewhere else already stays there. */
  #share(memory: Buffer, start: number, end: number): void {
    if (this.#shared === memory && this.#sharedEnd === start) {
      this.#sharedEnd = end
      return
    }
    if (this.#shared !== undefined) this.#settleShared()
    this.#shared = memory
    this.#sharedStart = start
    this.#sharedEnd = end
  }

  /** At most {@link BY_REFERENCE_BYTES}, as they are: the greeting. */
  writeBytes(bytes: Buffer): void {
    if (this.#shared !== undefined) this.#settleShared()
    this.#copy(bytes, 0, bytes.length)
  }

  /** Everything written since the last call, to be put on the wire in this order. */
  take(): Buffer[] {
    if (this.#shared !== undefined) this.#settleShared()
    this.#finishPiece()
    const slab = this.#slab
    if (slab !== undefined) {
      this.#slab = undefined
      if (slab.buffer.length - slab.used >= MIN_SLAB_LEFT && spareSlabs.length < MAX_SPARE_SLABS) spareSlabs.push(slab)
    }
    const pieces = this.#pieces ?? []
    this.#pieces = undefined
    this.#pieceBytes = 0
    return pieces
  }

  /** The slab, with room for `length` bytes (at most {@link BY_REFERENCE_BYTES} and a header). */
  #room(length: number): Slab {
    let slab = this.#slab
    if (slab !== undefined) {
      if (slab.buffer.length - slab.used >= length) return slab
      this.#finishPiece()
    }
    slab = spareSlabs.pop()
    if (slab === undefined || slab.buffer.length - slab.used < length) slab = { buffer: Buffer.allocUnsafeSlow(SLAB_BYTES), used: 0 }
    this.#slab = slab
    this.#pieceStart = slab.used
    return slab
  }

  /** What was encoded elsewhere becomes a piece of its own, or, where it is small, part of the slab. */
  #settleShared(): void {
    const memory = this.#shared as Buffer
    const [start, end] = [this.#sharedStart, this.#sharedEnd]
    this.#shared = undefined
    this.#sharedStart = this.#sharedEnd = 0
    if (end - start < BY_REFERENCE_BYTES) return this.#copy(memory, start, end)
    this.#finishPiece()
    this.#push(memory.subarray(start, end))
  }

  #copy(bytes: Buffer, start: number, end: number): void {
    const slab = this.#room(end - start)
    slab.used += bytes.copy(slab.buffer, slab.used, start, end)
  }

  #finishPiece(): void {
    const slab = this.#slab
    if (slab === undefined || slab.used === this.#pieceStart) return
    this.#push(slab.buffer.subarray(this.#pieceStart, slab.used))
    this.#pieceStart = slab.used
  }

  #push(piece: Buffer): void {
    this.#pieces ??= []
    this.#pieces.push(piece)
    this.#pieceBytes += piece.length
  }
}
