/** Makes inputs for one target and runs them; what reaches something new is kept and mutated further. */

import { mutate } from './mutate.ts'
import { Random } from './random.ts'
import type { Pieces, Target } from './target.ts'

/** Inputs kept for each target; then a new one takes the place of an old one. */
const MAX_KEPT = 500
/** Larger ones are not kept: they say little more, and take the time of many. */
const MAX_KEPT_BYTES = 800

export class Fuzzer {
  readonly target: Target
  readonly #random: Random
  readonly #reached = new Set<string>()
  readonly #kept: Pieces[] = []

  constructor(target: Target, seed: number) {
    this.target = target
    this.#random = new Random(seed)
  }

  /** Different things that were reached. */
  get reached(): number {
    return this.#reached.size
  }

  next(): Pieces {
    const random = this.#random
    const some = (): Pieces => (this.#kept.length > 0 && random.oneIn(2) ? random.pick(this.#kept) : this.target.generate(random))
    return mutate(some(), random, this.target, some)
  }

  /** @throws whatever is wrong. */
  run(input: Pieces): void {
    const reached = this.target.run(input)
    if (this.#reached.has(reached)) return
    // Texts of a peer may stand in what was reached: no reason to grow without end.
    if (this.#reached.size < 10_000) this.#reached.add(reached)
    if (input.reduce((bytes, piece) => bytes + piece.length, 0) > MAX_KEPT_BYTES) return
    const copy = input.map(apart)
    if (this.#kept.length < MAX_KEPT) this.#kept.push(copy)
    else this.#kept[this.#random.below(MAX_KEPT)] = copy
  }
}

/** In memory of its own: a view keeps all that it is a view of. */
function apart(piece: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(piece.length)
  piece.copy(copy)
  return copy
}
