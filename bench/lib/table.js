/** Tables as Markdown. */

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
  const first = standings[0]?.name ?? ''
  const rows = standings.map(({ name, figures, skipped }) => {
    if (figures === undefined) return [name, `skipped: ${skipped}`, '', '', '']
    const [least, most] = [Math.min(...figures.ratios), Math.max(...figures.ratios)]
    return [name, rate(figures.rate), figures.ratio.toFixed(2), `${least.toFixed(2)} to ${most.toFixed(2)}`, figures.cpu.toFixed(3)]
  })
  printTable(title, ['peer', unit, `ratio to ${first}`, 'in the rounds', 'CPU s per 100k, both sides'], rows)
}

/** 1234567 -> 1.23M @param {number} value */
export function count(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  return value >= 1e4 ? `${Math.round(value / 1e3)}k` : `${(value / 1e3).toFixed(1)}k`
}
