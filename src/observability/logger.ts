/**
 * Events as lines of a log: one level, one short text and a few fields each.
 *
 * Nothing that a peer chooses stands in a text, so that nobody can forge lines; fields are the logger's to escape. Of errors name,
 * code and text are logged, never what else they hold (`details` may be content of a message).
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { ZmqRpcError } from '../errors.ts'
import { checkOptions, nearestName, type OptionNames } from '../options.ts'
import type { RpcEvents } from './events.ts'

/** What pino, bunyan, `console` and many others have: fields first, then the text. */
export interface Logger {
  /** What happens all the time, as each call. */
  debug(fields: object, message: string): void
  /** What happens now and then, and is well. */
  info(fields: object, message: string): void
  /** What somebody may have to look after. */
  warn(fields: object, message: string): void
  /** A service failed. */
  error(fields: object, message: string): void
  /** As pino has it. Asked once, by {@link logEvents}: what it does not write costs nothing. */
  isLevelEnabled?(level: string): boolean
}

/** The methods of a {@link Logger}. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** The name of an event: see {@link RpcEvents}. */
export type RpcEventName = keyof RpcEvents

/** Options of {@link logEvents}. */
export interface LogEventsOptions {
  /** Only these. @default all */
  readonly events?: readonly RpcEventName[] | undefined
  /** Other levels than the usual ones; `off` leaves an event out. @default as in `docs/events.md` */
  readonly levels?: Readonly<Partial<Record<RpcEventName, LogLevel | 'off'>>> | undefined
}

const LOG_EVENTS_OPTIONS: OptionNames<LogEventsOptions> = { events: true, levels: true }

/** Ends the log: call it, or have `using` do so. */
export interface EventLog extends Disposable {
  (): void
}

/** The level and the text of each. */
export const LOG_LINES: { readonly [N in RpcEventName]: readonly [level: LogLevel, text: string] } = {
  'zmq-rpc:connected': ['info', 'a connection is ready'],
  'zmq-rpc:disconnected': ['info', 'a connection is gone'],
  'zmq-rpc:connect:failed': ['warn', 'not connected'],
  'zmq-rpc:handshake:failed': ['warn', 'a handshake failed'],
  'zmq-rpc:command:refused': ['warn', 'a command was refused'],
  'zmq-rpc:call:started': ['debug', 'a call begins'],
  'zmq-rpc:call:ended': ['debug', 'a call has ended'],
  'zmq-rpc:call:accepted': ['debug', 'a buffer has taken a command on'],
  'zmq-rpc:call:repeated': ['info', 'a call is made again'],
  'zmq-rpc:contract:mismatch': ['warn', 'a server means a command otherwise'],
  'zmq-rpc:server:draining': ['info', 'a server is about to stop'],
  'zmq-rpc:service:started': ['debug', 'a service begins'],
  'zmq-rpc:service:ended': ['debug', 'a service has ended'],
  'zmq-rpc:service:failed': ['error', 'a service failed'],
  'zmq-rpc:idempotency:failed': ['error', 'an answer could not be kept'],
  'zmq-rpc:thread:failed': ['error', 'a thread has ended'],
  'zmq-rpc:dropped': ['warn', 'a message was dropped'],
  'zmq-rpc:buffer:opened': ['info', 'a buffer is open'],
  'zmq-rpc:buffer:accepted': ['debug', 'a command is kept'],
  'zmq-rpc:buffer:refused': ['warn', 'a command was not kept'],
  'zmq-rpc:buffer:full': ['warn', 'a buffer is full'],
  'zmq-rpc:buffer:repeated': ['info', 'a kept command is to be sent again'],
  'zmq-rpc:buffer:ended': ['debug', 'a kept command has ended'],
  'zmq-rpc:buffer:dead': ['warn', 'a kept command was given up, or failed'],
  'zmq-rpc:buffer:forgotten': ['warn', 'dead letters had to make room for newer ones'],
  'zmq-rpc:buffer:failed': ['error', "a buffer's store failed"],
  'zmq-rpc:sub:silent': ['warn', 'a publisher is silent'],
}

const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
const LEVELS: readonly string[] = [...LOG_LEVELS, 'off']

/**
 * Has the events of all clients, servers, senders and receivers of the process written to a log, until the function that it returns
 * is called. Each line has the fields of its event ({@link RpcEvents}) and its name as `event`; an error becomes
 * `{ name, code, text, cause }`, with a `stack` where a service threw it.
 *
 * Error texts of the application (its services, its schemas) are logged as they are.
 *
 * @example
 * ```ts
 * const stop = logEvents(pino(), { levels: { 'zmq-rpc:connected': 'debug', 'zmq-rpc:dropped': 'off' } })
 * ```
 * @throws ZmqRpcError BAD_OPTION for what is no logger, and for an event or a level that there is not.
 */
export function logEvents(logger: Logger, options: LogEventsOptions = {}): EventLog {
  checkLogger(logger)
  checkOptions('logEvents', options, LOG_EVENTS_OPTIONS)
  const listeners: [RpcEventName, (event: unknown) => void][] = []
  for (const [name, level, text] of chosen(options)) {
    if (logger.isLevelEnabled?.(level) === false) continue
    listeners.push([name, (event) => logger[level](fieldsOf(name, event as object), text)])
  }
  // All are known to be right before the first is heard.
  for (const [name, listener] of listeners) subscribe(name, listener)
  const stop = (): void => {
    for (const [name, listener] of listeners.splice(0)) unsubscribe(name, listener)
  }
  return Object.assign(stop, { [Symbol.dispose]: stop })
}

function checkLogger(logger: unknown): void {
  const missing = LOG_LEVELS.find((level) => typeof Object(logger)[level] !== 'function')
  if (missing === undefined) return
  const lacks = logger === undefined || logger === null ? 'it was given none' : `what was given has no ${missing}`
  throw new ZmqRpcError('BAD_OPTION', `logEvents needs a logger with ${LOG_LEVELS.join(', ')}, as pino and console are: ${lacks}`)
}

function chosen({ events, levels = {} }: LogEventsOptions): [RpcEventName, LogLevel, string][] {
  for (const name of [...(events ?? []), ...Object.keys(levels)]) {
    if (Object.hasOwn(LOG_LINES, name)) continue
    const meant = nearestName(name, Object.keys(LOG_LINES))
    throw new ZmqRpcError('BAD_OPTION', `there is no event "${name}" to log${meant === undefined ? '' : `: is ${meant} meant?`}`)
  }
  for (const [name, level] of Object.entries(levels)) {
    if (!LEVELS.includes(level)) throw new ZmqRpcError('BAD_OPTION', `"${level}", for "${name}", is no level: ${LEVELS.join(', ')}`)
  }
  const names = [...new Set(events ?? (Object.keys(LOG_LINES) as RpcEventName[]))]
  return names.flatMap((name): [RpcEventName, LogLevel, string][] => {
    const [usual, text] = LOG_LINES[name]
    const level = levels[name] ?? usual
    return level === 'off' ? [] : [[name, level, text]]
  })
}

function fieldsOf(event: RpcEventName, payload: object): object {
  const fields: Record<string, unknown> = { event }
  for (const [key, value] of Object.entries(payload)) {
    if (value === undefined) continue
    fields[key] = key === 'error' ? describe(value, event === 'zmq-rpc:service:failed') : value
  }
  return fields
}

/** Causes of causes, so many. */
const MAX_CAUSES = 4

/** Anything may have been thrown. Never throws. */
function describe(thrown: unknown, withStack: boolean, causes = MAX_CAUSES): object {
  if (!(typeof thrown === 'object' && thrown !== null)) return { text: String(thrown) }
  const [name, code, text, stack, cause] = ['name', 'code', 'message', 'stack', 'cause'].map((key) => property(thrown, key))
  return {
    ...(typeof name === 'string' && { name }),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    text: typeof text === 'string' ? text : 'an error that cannot be shown',
    ...(withStack && typeof stack === 'string' && { stack }),
    ...(cause !== undefined && causes > 0 && { cause: describe(cause, false, causes - 1) }),
  }
}

function property(owner: object, key: string): unknown {
  try {
    return (owner as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}
