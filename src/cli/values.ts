/** Values of options and arguments: times, numbers, endpoints. What cannot be read is a UsageError that says how it is written. */

import { quoted } from './command-line.ts'
import { UsageError } from './usage-error.ts'

const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** `5s`, `500ms`, `2m`, or a number of seconds; `0` for what may be turned off. In ms; undefined stays so. @throws UsageError */
export function readDuration(option: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined
  const [, number, unit] = /^(\d+(?:\.\d+)?)(us|ms|s|m|h)?$/.exec(given) ?? []
  if (number === undefined) throw new UsageError(`--${option} is ${quoted(given)}, not a time: write 500ms, 5s, 2m, or a number of seconds`)
  return Number(number) * (UNITS[unit ?? 's'] as number)
}

/** A whole number from `least` up. @throws UsageError */
export function readCount(option: string, given: string | undefined, least = 1): number | undefined {
  if (given === undefined) return undefined
  const value = Number(given)
  if (!/^\d+$/.test(given) || value < least || !Number.isSafeInteger(value)) {
    throw new UsageError(`--${option} is ${quoted(given)}, not a whole number from ${least} up`)
  }
  return value
}

/** `NAME=VALUE`, several times. @throws UsageError */
export function readPairs(option: string, given: readonly string[] | undefined): Record<string, string> {
  return Object.fromEntries(
    (given ?? []).map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new UsageError(`--${option} is ${quoted(pair)}, not NAME=VALUE`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

/** `localhost:30000` is short for `tcp://localhost:30000`, and `:30000` for that. @throws UsageError for a host or port alone */
export function readEndpoint(given: string): string {
  if (given.includes('://')) return given
  const [, host, port] = /^([^/\s]*):(\d+|\*)$/.exec(given) ?? []
  if (port !== undefined) return `tcp://${host === '' ? 'localhost' : host}:${port}`
  const what = /^\d+$/.test(given) ? `a port: did you mean :${given}?` : `no endpoint: write HOST:PORT, as localhost:30000, or ipc:///PATH`
  throw new UsageError(`${quoted(given)} is ${what}`)
}

/** Likewise, where one binds: `:30000` is on all addresses of this machine. */
export function readOwnEndpoint(given: string): string {
  return given.startsWith(':') ? `tcp://*${given}` : readEndpoint(given)
}

/** How long ago, for people. */
export function showAge(ms: number): string {
  const [unit, name] = AGES.find(([least]) => ms >= 2 * least) ?? [1000, 'seconds']
  const count = Math.floor(ms / unit)
  return `${count} ${count === 1 ? name.slice(0, -1) : name}`
}

const AGES: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, 'days'],
  [3_600_000, 'hours'],
  [60_000, 'minutes'],
]

/** A time for people. */
export function showMs(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`
  if (ms < 100) return `${ms.toFixed(ms < 10 ? 2 : 1)} ms`
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
