/** Which of several endpoints a call goes to. */

import { ZmqRpcError } from '../../errors.ts'

/** What is to be known of a link to choose it. */
export interface Choice {
  readonly endpoint: string
  /** It takes calls: connected, and its server is not about to stop. */
  readonly available: boolean
  /** The far end does not let us in. */
  readonly refused: boolean
  /** Calls that wait or are in flight. */
  readonly callCount: number
}

/**
 * Among the links that are equally fit to take a call: `roundRobin` takes each in turn, `leastOutstanding` the one with the
 * fewest calls under way, `firstHealthy` the first, so that the others stand by.
 */
export type BalancePolicy = 'roundRobin' | 'leastOutstanding' | 'firstHealthy'

const POLICIES: readonly unknown[] = ['roundRobin', 'leastOutstanding', 'firstHealthy'] satisfies BalancePolicy[]

/** @throws ZmqRpcError BAD_OPTION for what is no policy. */
export function resolveBalance(given: unknown): BalancePolicy {
  if (given === undefined) return 'roundRobin'
  if (POLICIES.includes(given)) return given as BalancePolicy
  throw new ZmqRpcError('BAD_OPTION', `balance is ${JSON.stringify(given)}, not one of ${POLICIES.join(', ')}`)
}

const NONE: ReadonlySet<never> = new Set()

export class Balancer {
  readonly #policy: BalancePolicy
  /** Where to begin to look, so that equals take turns. */
  #next = 0

  constructor(policy: BalancePolicy) {
    this.#policy = policy
  }

  /** The link to call, better one that was not `tried`; undefined only without links. */
  pick<L extends Choice>(links: readonly L[], tried: ReadonlySet<L> = NONE): L | undefined {
    const count = links.length
    const first = this.#policy === 'firstHealthy' || this.#next >= count ? 0 : this.#next
    let best: L | undefined
    let bestRank = Number.POSITIVE_INFINITY
    let bestIndex = first
    for (let offset = 0; offset < count; offset++) {
      const index = first + offset < count ? first + offset : first + offset - count
      const link = links[index] as L
      const rank = rankOf(link, tried)
      if (rank > bestRank || (rank === bestRank && !this.#isBetter(link, best as L))) continue
      best = link
      bestRank = rank
      bestIndex = index
      if (rank === 0 && this.#policy !== 'leastOutstanding') break
    }
    this.#next = bestIndex + 1
    return best
  }

  /** Of two that are equally fit, the first is taken unless this says otherwise. */
  #isBetter(link: Choice, than: Choice): boolean {
    return this.#policy === 'leastOutstanding' && link.callCount < than.callCount
  }
}

/** The lower the better. A link that may yet connect is a better hope than one that refuses us, which fails calls at once. */
function rankOf<L extends Choice>(link: L, tried: ReadonlySet<L>): number {
  const rank = link.available ? 0 : link.refused ? 4 : 2
  return tried.has(link) ? rank + 1 : rank
}
