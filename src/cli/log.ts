/** What happens inside, on stderr: `--verbose`. */

import { type EventLog, type LogLevel, logEvents } from '../index.ts'
import { wordsOf } from './failure.ts'
import { printable, writeJson } from './json.ts'
import type { Session } from './session.ts'

export const VERBOSE_OPTION = { verbose: { type: 'boolean', short: 'v', text: 'tell on stderr what happens, line by line' } } as const

/** Nothing without `--verbose`, but what went wrong in a service. */
export function startLog(session: Session, verbose: boolean | undefined): EventLog {
  const { dim, red, yellow } = session.paintNote
  const paints: Readonly<Record<LogLevel, (text: string) => string>> = { debug: dim, info: (text) => text, warn: yellow, error: red }
  const at = (level: LogLevel) => (fields: object, text: string) => {
    const time = new Date().toISOString()
    if (session.json) return session.note(writeJson({ time, level, text, ...fields }))
    const shown = Object.entries(fields).filter(([key]) => key !== 'event')
    session.note(`${dim(time.slice(11, 23))} ${paints[level](text)}${shown.map(([key, value]) => ` ${key}=${show(value)}`).join('')}`)
  }
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  return verbose ? logEvents(logger) : logEvents(logger, { events: ['zmq-rpc:service:failed'] })
}

function show(value: unknown): string {
  if (typeof value === 'string') return printable(value)
  if (typeof value === 'number') return String(Math.round(value * 1000) / 1000)
  if (typeof value === 'object' && value !== null && 'text' in value) return JSON.stringify(wordsOf(value.text))
  return writeJson(value)
}
