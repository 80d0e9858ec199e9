/**
 * Reads durable records of a log, from any of them on, in order. It remembers where it stopped, and the piece of file that it has: whoever
 * reads on finds both.
 */

import { StoreError } from '../../errors.ts'
import type { DiskFile } from './file-system.ts'
import { isMissing, readAll } from './file-system.ts'
import { checkRecord, lengthAt, RECORD_OVERHEAD_BYTES, seqAt, spanAt } from './record.ts'
import type { Segment } from './segment.ts'

const WINDOW_BYTES = 256 * 1024
/** So many records are rather looked up than walked over. */
const FAR = 256

interface Place {
  readonly segment: Segment
  readonly index: number
  readonly offset: number
}

interface Window {
  readonly segment: Segment
  readonly start: number
  readonly buffer: Buffer
}

/** Which record is wanted next: this one's index, a later one's, or, with -1, none. */
export type Visit = (buffer: Buffer, at: number, index: number) => number

export class LogReader {
  readonly #seed: number
  #place: Place | undefined
  #window: Window | undefined

  constructor(seed: number) {
    this.#seed = seed
  }

  /**
   * Visits the record `index` of a segment, and those that `visit` asks for then, up to the last one that is durable. Bytes of the buffer
   * stay as they are.
   *
   * @param windowBytes how much to read at a time
   * @returns false if the segment is gone
   * @throws StoreError STORE_CORRUPT
   */
  async walk(segment: Segment, index: number, visit: Visit, windowBytes = WINDOW_BYTES): Promise<boolean> {
    let file: DiskFile
    try {
      file = await segment.acquire()
    } catch (error) {
      // All its records ended in the meantime.
      if (isMissing(error)) return false
      throw error
    }
    try {
      await this.#walk(file, segment, index, visit, windowBytes)
      return true
    } finally {
      segment.release()
    }
  }

  async #walk(file: DiskFile, segment: Segment, first: number, visit: Visit, windowBytes: number): Promise<void> {
    let wanted = first
    let { index, offset } = this.#nearest(segment, wanted)
    let window = this.#window?.segment === segment ? this.#window : undefined
    while (wanted >= 0 && wanted < segment.count) {
      if (wanted - index > FAR) ({ index, offset } = segment.markBefore(wanted))
      if (!holds(window, offset, RECORD_OVERHEAD_BYTES)) window = await load(file, segment, offset, RECORD_OVERHEAD_BYTES, windowBytes)
      const length = lengthAt(window.buffer, offset - window.start, window.buffer.length)
      const seq = segment.firstSeq + index
      if (length === 0 || seqAt(window.buffer, offset - window.start) !== seq || length > segment.end - offset) {
        throw damaged(segment, offset, seq)
      }
      if (index === wanted) {
        if (!holds(window, offset, length)) window = await load(file, segment, offset, length, windowBytes)
        const at = offset - window.start
        if (checkRecord(window.buffer, at, window.buffer.length, this.#seed, seq) !== length) throw damaged(segment, offset, seq)
        wanted = visit(window.buffer, at, index)
        if (wanted === index) wanted = index + 1
      }
      if (wanted >= 0) {
        index += spanAt(window.buffer, offset - window.start)
        offset += length
        if (index > wanted) wanted = index
      }
    }
    this.#place = { segment, index, offset }
    this.#window = window
  }

  #nearest(segment: Segment, index: number): { index: number; offset: number } {
    const mark = segment.markBefore(index)
    const place = this.#place
    return place?.segment === segment && place.index <= index && place.index > mark.index ? place : mark
  }
}

function holds(window: Window | undefined, offset: number, length: number): window is Window {
  return window !== undefined && offset >= window.start && offset + length <= window.start + window.buffer.length
}

async function load(file: DiskFile, segment: Segment, offset: number, length: number, windowBytes: number): Promise<Window> {
  const bytes = Math.min(Math.max(length, windowBytes), segment.end - offset)
  return { segment, start: offset, buffer: await readAll(file, bytes, offset) }
}

function damaged(segment: Segment, offset: number, seq: number): StoreError {
  return new StoreError('STORE_CORRUPT', `record ${seq} is damaged, at byte ${offset} of ${segment.path}`, {
    file: segment.path,
    offset,
    fromSeq: seq,
    toSeq: seq,
  })
}
