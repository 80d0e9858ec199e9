/** Rounds in turn: every contender once in each, so that what disturbs the machine disturbs them all. */

import { Missing } from './peer.js'

/**
 * @typedef {{ count: number, seconds: number }} Run
 * @typedef {object} Contender one way to do the work, ready to run
 * @property {import('./peer.js').Peer[]} processes whose CPU time counts
 * @property {(seconds: number) => Promise<Run>} run
 * @typedef {{ name: string, start: () => Promise<Contender> }} Entrant
 * @typedef {{ rate: number, cpu: number, ratios: number[][] }} Figures `cpu`: seconds per 100,000; `ratios`: of the rate, to each reference, by round
 * @typedef {{ name: string, figures?: Figures, skipped?: string }} Standing
 * @typedef {{ warmup: number, rounds: number, seconds: number, only: RegExp | undefined }} Plan
 */

/**
 * @param {Entrant[]} entrants
 * @param {Plan} plan
 * @param {number} [references] so many of the first are what the others are measured against
 * @returns {Promise<Standing[]>}
 */
export async function compete(entrants, plan, references = 1) {
  /** @type {{ name: string, contender?: Contender, skipped?: string, rates: number[], cpus: number[] }[]} */
  const field = []
  try {
    for (const [index, { name, start }] of entrants.entries()) {
      if (index >= references && plan.only !== undefined && !plan.only.test(name)) continue
      const entry = { name, rates: [], cpus: [] }
      field.push(entry)
      try {
        Object.assign(entry, { contender: await start() })
      } catch (error) {
        if (!(error instanceof Missing)) throw error
        Object.assign(entry, { skipped: error.message })
      }
    }
    const present = field.filter((entry) => entry.contender !== undefined)
    for (const { contender } of present) await contender?.run(plan.warmup)
    for (let round = 0; round < plan.rounds; round++) {
      for (const { contender, rates, cpus } of present) {
        if (contender === undefined) continue
        const cpu = () => contender.processes.reduce((sum, peer) => sum + peer.cpuSeconds(), 0)
        const before = cpu()
        const { count, seconds } = await contender.run(plan.seconds)
        rates.push(count / seconds)
        cpus.push(((cpu() - before) / count) * 100_000)
      }
    }
  } finally {
    for (const { contender } of field) for (const peer of contender?.processes ?? []) peer.close()
  }
  return field.map(({ name, skipped, rates, cpus }) => {
    if (skipped !== undefined) return { name, skipped }
    const ratios = field.slice(0, references).map((reference) => rates.map((rate, round) => rate / (reference.rates[round] ?? Number.NaN)))
    return { name, figures: { rate: median(rates), cpu: median(cpus), ratios } }
  })
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? Number(sorted[middle]) : (Number(sorted[middle - 1]) + Number(sorted[middle])) / 2
}
