/**
 * Bytes in, frames out.
 *
 * Rules it keeps:
 * - Frames may be kept, and keep little besides themselves alive: a frame that lies whole in the chunk is a view of it, or,
 *   where it is small beside what the chunk holds, a view of a block of {@link BLOCK_BYTES} copied out of the chunk.
 * - A frame in pieces is copied once, into a buffer that starts at no more than 1 MiB and grows as bytes arrive: a peer
 *   that announces much and sends little costs little.
 * - Sizes are judged as soon as the header is there, before any arithmetic or allocation on them.
 * - It loops, never recurses, and a decoder that failed stays failed.
 */

import { Buffer } from 'node:buffer' // the global of that name is a getter, which shows at every frame
import { ProtocolError } from '../errors.ts'
import { bufferOver } from './buffer-over.ts'
import { COMMAND, LONG, MORE, RESERVED } from './frame.ts'
import { type ConnectionLimit, LimitExceeded } from './limit-exceeded.ts'
import { NUMBER_BYTES } from './numbered.ts'

/** Receives the frames of a decoder, in order. May call {@link FrameDecoder.pause} or {@link FrameDecoder.stop}. */
export interface FrameSink {
  /** `flags` holds MORE and COMMAND only. `body` may be kept. */
  frame(flags: number, body: Buffer): void
  /** In place of the three frames of a short message that has a number, lies whole in a chunk, and is wanted so. */
  numbered?(number: number, body: Buffer): void
}

/** What a peer may make us hold. */
export interface FrameLimits {
  /** Largest body of a message frame, bytes. */
  maxFrameBytes: number
  /** Largest body of a command, bytes. */
  maxCommandBytes: number
  /**
   * Read an empty command as a frame whose LONG bit was forgotten: libzmq 4.3.3 and 4.3.4 send SUBSCRIBE with a topic of
   * 246 to 255 bytes so (fixed by libzmq PR 4564). Only for sockets that hear subscriptions.
   */
  repairLostLongBit: boolean
}

/** What is allocated at most for a frame of which nothing but the header came. */
const FIRST_ALLOCATION = 1024 * 1024

/**
 * Small frames are copied by blocks of the chunk of this size: one copy for many of them, and no small frame keeps more
 * alive. As large as what Node pools small buffers in.
 */
const BLOCK_BYTES = 8 * 1024

const EMPTY = Buffer.alloc(0)

export class FrameDecoder {
  readonly #sink: FrameSink
  /** May change between two frames. */
  limits: FrameLimits
  /** True during a handshake: a message is refused at its header, so a stranger can make us hold no more than a command. */
  commandsOnly = false
  /** True where numbered messages are wanted as such, as far as that is quick to see. */
  numbered = false
  #halted = false
  #stopped = false
  /** What came while paused. */
  #rest: Buffer = EMPTY

  // The header under way: it may be split between chunks.
  #header: Buffer | undefined
  #headerFilled = 0

  // The body under way, when it did not lie whole in a chunk.
  #body: Buffer | undefined
  #bodyFilled = 0
  #bodySize = 0
  #bodyFlags = 0
  /** Between two frames of one message. */
  #within = false

  constructor(sink: FrameSink, limits: FrameLimits) {
    this.#sink = sink
    this.limits = limits
  }

  /** Bytes that came and were not handed on yet. */
  get bufferedBytes(): number {
    return this.#rest.length + this.#headerFilled + this.#bodyFilled
  }

  /** Stops after the frame under way; the rest of the chunk is kept until {@link resume}. */
  pause(): void {
    this.#halted = true
  }

  /** Goes on with what was kept; may pause again. */
  resume(): void {
    if (this.#stopped) return
    this.#halted = false
    const rest = this.#rest
    this.#rest = EMPTY
    if (rest.length > 0) this.decode(rest)
  }

  /** Nothing is handed on any more, and what was kept is let go. */
  stop(): void {
    this.#halted = true
    this.#stopped = true
    this.#rest = EMPTY
    this.#body = undefined
    this.#headerFilled = this.#bodyFilled = 0
  }

  /**
   * Decodes what the chunk completes.
   *
   * @throws ProtocolError for lost framing or a size over a limit.
   */
  decode(chunk: Buffer): void {
    if (this.#halted) {
      if (!this.#stopped) this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
      return
    }
    let offset = 0
    if (this.#body !== undefined) offset = this.#continueBody(chunk, 0)
    else if (this.#headerFilled > 0) offset = this.#continueHeader(chunk)
    const end = chunk.length
    const held = chunk.buffer.byteLength
    /** Shorter bodies than this are no views of the chunk. */
    const small = held > BLOCK_BYTES ? held >> 2 : 0
    const { buffer: memory, byteOffset: memoryStart } = chunk
    /** Memory of the current block, and which part of the chunk it is a copy of. */
    let block = memory
    let blockOffset = 0
    let blockEnd = 0
    while (offset < end) {
      if (this.#halted) {
        if (!this.#stopped) this.#rest = chunk.subarray(offset)
        return
      }
      let number = -1
      if (this.numbered && !this.#within) {
        number = numberAt(chunk, offset, end)
        if (number >= 0) offset += NUMBER_BYTES
      }
      const flags = chunk[offset] as number
      const length = this.#headerLengthOf(flags, chunk, offset)
      if (end - offset < length) {
        this.#header ??= Buffer.allocUnsafe(9)
        this.#headerFilled = chunk.copy(this.#header, 0, offset)
        return
      }
      const size = length === 2 ? (chunk[offset + 1] as number) : this.#readLongSize(chunk, offset + 1)
      this.#check(flags, size, length)
      const start = offset + length
      const stop = start + size
      if (stop <= end) {
        offset = stop
        let body: Buffer = EMPTY
        if (size >= small) {
          body = bufferOver(memory, memoryStart + start, size)
        } else if (size > 0) {
          if (stop > blockEnd) {
            blockEnd = Math.min(end, start + Math.max(size, BLOCK_BYTES))
            const copy = Buffer.allocUnsafe(blockEnd - start)
            chunk.copy(copy, 0, start, blockEnd)
            block = copy.buffer
            blockOffset = copy.byteOffset - start
          }
          body = bufferOver(block, blockOffset + start, size)
        }
        if (number >= 0) {
          this.#sink.numbered?.(number, body)
        } else {
          if ((flags & COMMAND) === 0) this.#within = (flags & MORE) !== 0
          this.#sink.frame(flags & (MORE | COMMAND), body)
        }
      } else {
        this.#beginBody(flags, size)
        offset = this.#continueBody(chunk, start)
      }
    }
  }

  /** 2 or 9; an empty command is taken for a lost LONG bit where those are repaired. */
  #headerLengthOf(flags: number, bytes: Buffer, offset: number): 2 | 9 {
    if ((flags & LONG) !== 0) return 9
    if (this.limits.repairLostLongBit && flags === COMMAND && bytes[offset + 1] === 0 && !this.commandsOnly) return 9
    return 2
  }

  #check(flags: number, size: number, length: 2 | 9): void {
    if ((flags & RESERVED) !== 0) throw this.#fault('a frame has reserved flag bits set: framing is lost')
    if ((flags & COMMAND) === 0) {
      if (this.commandsOnly) throw this.#fault('a message before the handshake was over')
      if (size > this.limits.maxFrameBytes) {
        throw this.#excess('maxMessageSize', `a frame of ${size} bytes is over the limit of ${this.limits.maxFrameBytes} bytes`)
      }
      return
    }
    if ((flags & MORE) !== 0) throw this.#fault('a command has the MORE flag set: framing is lost')
    if (size > this.limits.maxCommandBytes) {
      const limit = this.commandsOnly ? 'maxHandshakeBytes' : 'maxMessageSize'
      throw this.#excess(limit, `a command of ${size} bytes is over the limit of ${this.limits.maxCommandBytes} bytes`)
    }
    // The repaired frames are 256 (SUBSCRIBE of 246, CANCEL of 249 bytes) to 265 bytes long (SUBSCRIBE of 255).
    const repaired = length === 9 && (flags & LONG) === 0
    if (size === 0 || (repaired && (size < 256 || size > 265))) throw this.#fault('a command is empty')
  }

  /** [RFC 37, Framing] 8 bytes, most significant first; from 2^53 on no number of ours is exact, so it is refused here. */
  #readLongSize(bytes: Buffer, offset: number): number {
    const high = bytes.readUInt32BE(offset)
    if (high >= 0x20_0000) throw this.#fault('a frame announces 2^53 bytes or more: framing is lost')
    return high * 0x1_0000_0000 + bytes.readUInt32BE(offset + 4)
  }

  #fault(reason: string): ProtocolError {
    this.stop()
    return new ProtocolError(reason)
  }

  #excess(limit: ConnectionLimit, reason: string): LimitExceeded {
    this.stop()
    return new LimitExceeded(limit, reason)
  }

  /** Completes a header that an earlier chunk began, and its body as far as the chunk goes. Returns the bytes taken. */
  #continueHeader(chunk: Buffer): number {
    const header = this.#header as Buffer
    let offset = 0
    for (;;) {
      const flags = header[0] as number
      // With one byte there, even a forgotten LONG bit is still unknown: ask for the second first.
      const length = this.#headerFilled === 1 && (flags & LONG) === 0 ? 2 : this.#headerLengthOf(flags, header, 0)
      const taken = chunk.copy(header, this.#headerFilled, offset, offset + (length - this.#headerFilled))
      this.#headerFilled += taken
      offset += taken
      if (this.#headerFilled < length) return offset
      if (length === 2 && this.#headerLengthOf(flags, header, 0) === 9) continue
      this.#headerFilled = 0
      const size = length === 2 ? (header[1] as number) : this.#readLongSize(header, 1)
      this.#check(flags, size, length)
      this.#beginBody(flags, size)
      return this.#continueBody(chunk, offset)
    }
  }

  #beginBody(flags: number, size: number): void {
    if ((flags & COMMAND) === 0) this.#within = (flags & MORE) !== 0
    this.#bodyFlags = flags & (MORE | COMMAND)
    this.#bodySize = size
    this.#bodyFilled = 0
    this.#body = size === 0 ? EMPTY : Buffer.allocUnsafe(Math.min(size, FIRST_ALLOCATION))
  }

  /** Returns the offset behind what was taken; hands the frame over when it is whole. */
  #continueBody(chunk: Buffer, offset: number): number {
    const taken = Math.min(this.#bodySize - this.#bodyFilled, chunk.length - offset)
    const filled = this.#bodyFilled + taken
    let body = this.#body as Buffer
    if (filled > body.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.#bodySize, Math.max(body.length * 2, filled)))
      body.copy(grown, 0, 0, this.#bodyFilled)
      this.#body = body = grown
    }
    chunk.copy(body, this.#bodyFilled, offset, offset + taken)
    this.#bodyFilled = filled
    if (filled === this.#bodySize) {
      this.#body = undefined
      this.#bodyFilled = 0
      this.#sink.frame(this.#bodyFlags, body)
    }
    return offset + taken
  }
}

/** The number of a numbered message with one short frame of body, which begins at `offset` and lies whole in the chunk; else -1. */
function numberAt(chunk: Buffer, offset: number, end: number): number {
  const body = offset + NUMBER_BYTES
  if (body + 2 > end || chunk[offset] !== MORE || chunk[offset + 1] !== 4 || chunk[offset + 6] !== MORE || chunk[offset + 7] !== 0)
    return -1
  if (chunk[body] !== 0 || body + 2 + (chunk[body + 1] as number) > end) return -1
  const high = ((chunk[offset + 2] as number) << 24) | ((chunk[offset + 3] as number) << 16)
  return (high | ((chunk[offset + 4] as number) << 8) | (chunk[offset + 5] as number)) >>> 0
}
