import { hasSubscribers } from 'node:diagnostics_channel'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { ZmqRpcError } from '../../../src/errors.ts'
import { publish, type RpcEvents } from '../../../src/observability/events.ts'
import { LOG_LINES, type Logger, logEvents, type RpcEventName } from '../../../src/observability/logger.ts'
import { declaredEvents } from '../../helpers/rpc-events.ts'

const ENDPOINT = 'tcp://127.0.0.1:1'
const DROPPED: RpcEvents['zmq-rpc:dropped'] = { endpoint: ENDPOINT, remoteAddress: undefined, reason: 'a reply whose client is gone' }

type Line = [level: string, fields: Record<string, unknown>, text: string]

/** A logger that keeps its lines. */
function memory(): Logger & { lines: Line[] } {
  const lines: Line[] = []
  const write =
    (level: string) =>
    (fields: object, text: string): void =>
      void lines.push([level, fields as Record<string, unknown>, text])
  return { lines, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** A real pino, and what it wrote. */
function realPino(level: string) {
  const written: string[] = []
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      written.push(String(chunk))
      done()
    },
  })
  return { logger: pino({ level, base: null, timestamp: false }, stream), written, lines: () => written.map((line) => JSON.parse(line)) }
}

const names = Object.keys(LOG_LINES) as RpcEventName[]

describe('the log of events', () => {
  it('has a level and a text of its own for each event there is', () => {
    expect(names).toEqual([...declaredEvents().keys()])
    expect(new Set(names.map((name) => LOG_LINES[name][1])).size).toBe(names.length)
  })

  it('writes one line for each, at its level', () => {
    const logger = memory()
    using _log = logEvents(logger)
    for (const name of names) publish(name, () => ({ endpoint: ENDPOINT }) as never)
    expect(logger.lines).toEqual(names.map((name) => [LOG_LINES[name][0], { event: name, endpoint: ENDPOINT }, LOG_LINES[name][1]]))
  })

  it('ends when it is told to, once or twice, or with its block; others go on', () => {
    const [one, two, three] = [memory(), memory(), memory()]
    const stop = logEvents(one)
    using _two = logEvents(two)
    {
      using _three = logEvents(three)
      publish('zmq-rpc:dropped', () => DROPPED)
    }
    stop()
    stop()
    publish('zmq-rpc:dropped', () => DROPPED)
    expect([one, two, three].map(({ lines }) => lines.length)).toEqual([1, 2, 1])
  })

  it('listens to nothing any more after its end', () => {
    logEvents(memory())()
    expect(names.filter((name) => hasSubscribers(name))).toEqual([])
  })

  it('is of the events that were chosen, at the levels that were chosen', () => {
    const logger = memory()
    using _log = logEvents(logger, {
      events: ['zmq-rpc:dropped', 'zmq-rpc:sub:silent', 'zmq-rpc:dropped'],
      levels: { 'zmq-rpc:dropped': 'error', 'zmq-rpc:sub:silent': 'off', 'zmq-rpc:connected': 'debug' },
    })
    expect(names.filter((name) => hasSubscribers(name))).toEqual(['zmq-rpc:dropped'])
    publish('zmq-rpc:dropped', () => DROPPED)
    expect(logger.lines).toEqual([
      ['error', { event: 'zmq-rpc:dropped', endpoint: ENDPOINT, reason: DROPPED.reason }, 'a message was dropped'],
    ])
  })

  it.each([
    ['an event', { events: ['zmq-rpc:drop' as never] }, 'there is no event "zmq-rpc:drop" to log'],
    ['the event of a level', { levels: { 'zmq-rpc:drop': 'info' } as never }, 'there is no event "zmq-rpc:drop" to log'],
    [
      'a level',
      { levels: { 'zmq-rpc:dropped': 'fatal' as never } },
      '"fatal", for "zmq-rpc:dropped", is no level: debug, info, warn, error, off',
    ],
    ['what every object has', { events: ['toString' as never] }, 'there is no event "toString" to log'],
  ])('refuses %s that there is not, and listens to nothing then', (_name, options, text) => {
    expect(() => logEvents(memory(), options)).toThrow(`[BAD_OPTION] ${text}`)
    expect(names.filter((name) => hasSubscribers(name))).toEqual([])
  })
})

describe('an error in the log', () => {
  const logged = (event: 'zmq-rpc:service:failed' | 'zmq-rpc:command:refused', error: unknown): unknown => {
    const logger = memory()
    using _log = logEvents(logger)
    publish(event, () => ({ error }) as never)
    return logger.lines[0]?.[1]['error']
  }

  it('has its name, code and text, and those of its causes; nothing else that it holds', () => {
    const cause = Object.assign(new TypeError('no such file'), { code: 'ENOENT', path: '/secret' })
    const error = Object.assign(new ZmqRpcError('BAD_COMMAND', 'what', { cause }), { details: 'secret', state: { password: 'secret' } })
    const fields = logged('zmq-rpc:command:refused', error)
    expect(fields).toEqual({
      name: 'ZmqRpcError',
      code: 'BAD_COMMAND',
      text: '[BAD_COMMAND] what',
      cause: { name: 'TypeError', code: 'ENOENT', text: 'no such file' },
    })
  })

  it('says where it was thrown, if a service did it', () => {
    expect(logged('zmq-rpc:service:failed', new Error('x'))).toMatchObject({ text: 'x', stack: expect.stringContaining('logger.test.ts') })
  })

  it('may be anything', () => {
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('a trap')
        },
      },
    )
    const endless: { message: string; cause?: unknown } = { message: 'again' }
    endless.cause = endless
    expect(logged('zmq-rpc:service:failed', 'a text')).toEqual({ text: 'a text' })
    expect(logged('zmq-rpc:service:failed', null)).toEqual({ text: 'null' })
    expect(logged('zmq-rpc:service:failed', Symbol('s'))).toEqual({ text: 'Symbol(s)' })
    expect(logged('zmq-rpc:service:failed', hostile)).toEqual({ text: 'an error that cannot be shown' })
    expect(JSON.stringify(logged('zmq-rpc:service:failed', endless))).toMatch(/^({"text":"again","cause":){4}{"text":"again"}{4}}$/)
  })
})

describe('pino', () => {
  it('writes each line as JSON with the fields of its event', () => {
    const { logger, lines } = realPino('debug')
    using _log = logEvents(logger)
    publish('zmq-rpc:dropped', () => DROPPED)
    publish('zmq-rpc:service:failed', () => ({ endpoint: ENDPOINT, remoteAddress: undefined, command: 'Greet\n{}', error: new Error('x') }))
    expect(lines()).toEqual([
      { level: 40, event: 'zmq-rpc:dropped', endpoint: ENDPOINT, reason: DROPPED.reason, msg: 'a message was dropped' },
      {
        level: 50,
        event: 'zmq-rpc:service:failed',
        endpoint: ENDPOINT,
        command: 'Greet\n{}',
        error: { name: 'Error', text: 'x', stack: expect.any(String) },
        msg: 'a service failed',
      },
    ])
  })

  it('costs nothing where it does not write: events of a level that is off are not listened to', () => {
    const { logger } = realPino('warn')
    using _log = logEvents(logger)
    expect(hasSubscribers('zmq-rpc:call:ended')).toBe(false)
    expect(hasSubscribers('zmq-rpc:connected')).toBe(false)
    expect(hasSubscribers('zmq-rpc:dropped')).toBe(true)
  })

  it('may be a child, with fields of its own', () => {
    const { logger, lines } = realPino('info')
    using _log = logEvents(logger.child({ part: 'rpc' }))
    publish('zmq-rpc:dropped', () => DROPPED)
    expect(lines()).toMatchObject([{ part: 'rpc', event: 'zmq-rpc:dropped' }])
  })
})

it('console is a logger, too', () => {
  const logger: Logger = console
  logEvents(logger)()
})
