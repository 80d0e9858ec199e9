/** Tables as Markdown. */

import { median } from './rounds.js'

/** @param {string} title @param {string[]} head @param {(string | number)[][]} rows */
export function printTable(title, head, rows) {
  const line = (/** @type {(string | number)[]} */ cells) => `| ${cells.join(' | ')} |`
  console.log([`\n### ${title}\n`, line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n'))
}

/**
 * The usual table of a competition. `rate` writes the rate in the unit of its column.
 *
 * @param {string} title
 * @param {string} unit
 * @param {import('./rounds.js').Standing[]} standings
 * @param {(rate: number) => string} [rate]
 */
export function printStandings(title, unit, standings, rate = count) {
  const references = standings.slice(0, standings[0]?.figures?.ratios.length ?? 1)
  const heads = references.flatMap(({ name }) => [`ratio to ${name}`, 'in the rounds'])
  const rows = standings.map(({ name, figures, skipped }) => {
    if (figures === undefined) return [name, `skipped: ${skipped}`, ...heads.map(() => ''), '']
    const ratios = figures.ratios.flatMap((rounds) => [
      ratio(median(rounds)),
      `${ratio(Math.min(...rounds))} to ${ratio(Math.max(...rounds))}`,
    ])
    return [name, rate(figures.rate), ...ratios, figures.cpu.toFixed(3)]
  })
  printTable(title, ['peer', unit, ...heads, 'CPU s per 100k, all processes'], rows)
}

/** @param {number} value */
function ratio(value) {
  return value < 0.1 ? value.toPrecision(2) : value.toFixed(2)
}

/** 1234567 -> 1.23M @param {number} value */
export function count(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  return value >= 1e4 ? `${Math.round(value / 1e3)}k` : `${(value / 1e3).toFixed(1)}k`
}
