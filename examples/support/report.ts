/** What the demo prints; coloured on a terminal. */

const coloured = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined

function paint(code: number): (text: string) => string {
  return (text) => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text)
}

const [bold, dim, red, green, yellow] = [paint(1), paint(2), paint(31), paint(32), paint(33)]

export const report = {
  title: (text: string): void => console.log(`\n${bold(text)}`),
  /** Something that works: who, and what it said or did. */
  good: (who: string, text: string): void => console.log(`  ${green('ok')}  ${dim(who.padEnd(36))}${text}`),
  left: (text: string): void => console.log(`  ${yellow('--')}  ${text}`),
  note: (text: string): void => console.log(`      ${dim(text)}`),
  failed: (text: string): void => console.error(`\n${red('The demo failed:')} ${text}`),
}
