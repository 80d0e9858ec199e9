/**
 * Durations, counted in buckets that grow with them: each is a 64th of an octave wide, so what is told is right within about one percent,
 * and a million calls take no more memory than one.
 */

const PER_OCTAVE = 64
const OCTAVES = 40
/** Nothing is quicker than that: 1 µs. */
const LEAST_MS = 0.001

/** A row of a chart. */
export interface Bar {
  readonly fromMs: number
  readonly toMs: number
  readonly count: number
}

export class Latencies {
  readonly #counts = new Uint32Array(PER_OCTAVE * OCTAVES)
  #count = 0
  #sum = 0
  #least = Number.POSITIVE_INFINITY
  #most = 0

  get count(): number {
    return this.#count
  }

  get meanMs(): number {
    return this.#sum / this.#count
  }

  get leastMs(): number {
    return this.#least
  }

  get mostMs(): number {
    return this.#most
  }

  add(ms: number): void {
    this.#count++
    this.#sum += ms
    if (ms < this.#least) this.#least = ms
    if (ms > this.#most) this.#most = ms
    const bucket = bucketOf(ms)
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
  }

  /** What this part of them did not exceed, 0 to 1. */
  percentileMs(part: number): number {
    let left = Math.ceil(part * this.#count)
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0 && count > 0) return Math.min(Math.max(msOf(bucket + 0.5), this.#least), this.#most)
    }
    return this.#most
  }

  /** At most so many rows, of which each is as many times longer than the one before; what is above the 99.9th percentile is one row. */
  bars(most: number): Bar[] {
    if (this.#count === 0) return []
    const first = bucketOf(this.#least)
    const end = bucketOf(this.percentileMs(0.999)) + 1
    const step = Math.max(1, Math.ceil((end - first) / (most - 1)))
    const bars: Bar[] = []
    for (let from = first; from < end; from += step) bars.push(this.#bar(from, Math.min(from + step, end)))
    const tail = this.#bar(end, this.#counts.length)
    return tail.count === 0 ? bars : [...bars, { ...tail, toMs: this.#most }]
  }

  #bar(from: number, to: number): Bar {
    let count = 0
    for (let bucket = from; bucket < to; bucket++) count += this.#counts[bucket] as number
    return { fromMs: msOf(from), toMs: msOf(to), count }
  }
}

function bucketOf(ms: number): number {
  const bucket = Math.floor(Math.log2(Math.max(ms, LEAST_MS) / LEAST_MS) * PER_OCTAVE)
  return Math.min(bucket, PER_OCTAVE * OCTAVES - 1)
}

function msOf(bucket: number): number {
  return LEAST_MS * 2 ** (bucket / PER_OCTAVE)
}
