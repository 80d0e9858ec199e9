import { describe, expect, it } from 'vitest'
import { parseCommandLine } from '../../../src/cli/command-line.ts'
import { COMMANDS } from '../../../src/cli/commands.ts'
import { EXIT, exitCodeOf } from '../../../src/cli/exit-codes.ts'
import { helpOf, overview } from '../../../src/cli/help.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'
import { readCount, readDuration, readEndpoint, readOwnEndpoint, readPairs, showAge, showMs } from '../../../src/cli/values.ts'
import { ERROR_CODES, type ErrorCode, RemoteError, SocketError, ZmqRpcError } from '../../../src/index.ts'

const TABLE = {
  timeout: { type: 'string', short: 't', value: 'TIME', text: '' },
  json: { type: 'boolean', text: '' },
  allow: { type: 'string', multiple: true, text: '' },
} as const

describe('a command line', () => {
  it('is read into options and the rest, in any order', () => {
    expect(parseCommandLine(['a', '-t', '5s', '--json', 'b', '--allow=x', '--allow', 'y', '--', '--c'], TABLE)).toEqual({
      options: { timeout: '5s', json: true, allow: ['x', 'y'] },
      positionals: ['a', 'b', '--c'],
    })
  })

  it.each([
    [['--tiemout', '1'], 'there is no option --tiemout; did you mean --timeout?'],
    [['--colour=red'], 'there is no option --colour'],
    [['-x'], 'there is no option -x'],
    [['--timeout'], '--timeout needs a value (TIME)'],
    [['--timeout', '-5'], '--timeout needs a value (TIME); a value that begins with "-" is written --timeout=-5'],
    [['--json=yes'], '--json takes no value'],
    [['--password=hunter2'], 'a secret does not belong on the command line: ZMQ_RPC_PASSWORD, or --password-file FILE'],
  ])('%j is refused in words', (args, text) => {
    expect(() => parseCommandLine(args, TABLE)).toThrow(new UsageError(text))
  })
})

describe('values', () => {
  it.each([
    ['500ms', 500],
    ['5s', 5000],
    ['1.5', 1500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['0', 0],
  ])('the time %s is %d ms', (given, ms) => {
    expect(readDuration('timeout', given)).toBe(ms)
  })

  it.each(['', 'soon', '-1', '5 s', '1d', '1e3', '.5'])('%j is no time', (given) => {
    expect(() => readDuration('timeout', given)).toThrow(UsageError)
  })

  it('are checked', () => {
    expect(readCount('count', '3')).toBe(3)
    for (const wrong of ['0', '-1', '1.5', 'x', '']) expect(() => readCount('count', wrong)).toThrow(UsageError)
    expect(readPairs('metadata', ['a=1', 'b=x=y', 'c='])).toEqual({ a: '1', b: 'x=y', c: '' })
    expect(() => readPairs('metadata', ['=x'])).toThrow(UsageError)
  })

  it.each([
    ['localhost:30000', 'tcp://localhost:30000', 'tcp://localhost:30000'],
    [':30000', 'tcp://localhost:30000', 'tcp://*:30000'],
    ['[::1]:1', 'tcp://[::1]:1', 'tcp://[::1]:1'],
    ['*:1', 'tcp://*:1', 'tcp://*:1'],
    ['tcp://lab:1', 'tcp://lab:1', 'tcp://lab:1'],
    ['ipc:///run/a:1', 'ipc:///run/a:1', 'ipc:///run/a:1'],
  ])('the endpoint %s is %s to connect to, and %s to bind', (given, theirs, own) => {
    expect(readEndpoint(given)).toBe(theirs)
    expect(readOwnEndpoint(given)).toBe(own)
  })

  it.each([
    ['lab', '"lab" is no endpoint: write HOST:PORT'],
    ['30000', '"30000" is a port: did you mean :30000?'],
  ])('%s is no endpoint, and how one is written is told', (given, text) => {
    expect(() => readEndpoint(given)).toThrow(text)
    expect(() => readOwnEndpoint(given)).toThrow(UsageError)
  })

  it.each([
    [0.0421, '42 µs'],
    [1.234, '1.23 ms'],
    [12.34, '12.3 ms'],
    [1234, '1234 ms'],
    [12_345, '12.3 s'],
  ])('%d ms is shown as %s', (ms, shown) => {
    expect(showMs(ms)).toBe(shown)
  })

  it.each([
    [999, '0 seconds'],
    [1999, '1 second'],
    [119_000, '119 seconds'],
    [120_000, '2 minutes'],
    [7_200_000, '2 hours'],
  ])('%d ms ago are %s', (ms, shown) => {
    expect(showAge(ms)).toBe(shown)
  })
})

describe('exit codes', () => {
  it('tell apart what a script must tell apart', () => {
    const codes: Partial<Record<ErrorCode, number>> = {
      NOT_CONNECTED: EXIT.notConnected,
      QUEUE_FULL: EXIT.notConnected,
      AUTH_REFUSED: EXIT.refused,
      TIMED_OUT: EXIT.timedOut,
      CONNECTION_LOST: EXIT.connectionLost,
      BAD_COMMAND: EXIT.usage,
      BAD_OPTION: EXIT.usage,
      CLOSED: EXIT.failed,
      BAD_REPLY: EXIT.remoteError,
    }
    for (const [code, expected] of Object.entries(codes)) expect(exitCodeOf(new ZmqRpcError(code as ErrorCode, 'x')), code).toBe(expected)
    for (const [code, traits] of Object.entries(ERROR_CODES)) {
      if (!('status' in traits)) continue
      const { status } = traits
      const special: Partial<Record<string, number>> = {
        NOT_ALLOWED: EXIT.refused,
        EXPIRED: EXIT.timedOut,
        NOT_YET_EXECUTED: EXIT.timedOut,
        ABORTED: EXIT.interrupted,
      }
      expect(exitCodeOf(new RemoteError(status, 'x')), code).toBe(special[code] ?? EXIT.remoteError)
    }
    expect(exitCodeOf(new SocketError('EADDRINUSE'))).toBe(EXIT.failed)
    expect(exitCodeOf(new UsageError('x'))).toBe(EXIT.usage)
    expect(exitCodeOf('anything')).toBe(EXIT.failed)
  })
})

describe('help', () => {
  const plain = Object.fromEntries(['bold', 'dim', 'red', 'green', 'yellow', 'cyan'].map((name) => [name, (text: string) => text])) as never

  it.each(Object.entries(COMMANDS))('of %s has its options, examples that are its own, and lines that fit', (name, command) => {
    const text = helpOf(name, command, plain)
    for (const [option, { text: what }] of Object.entries(command.options)) if (what !== undefined) expect(text).toContain(`--${option}`)
    expect(command.examples.length).toBeGreaterThan(0)
    for (const [line] of command.examples) expect(line).toMatch(/zmq-rpc [a-z]+/)
    expect(command.examples[0]?.[0]).toContain(`zmq-rpc ${name}`)
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(105)
    const columns = [...text.matchAll(/^ {2}(?:-\w,| {3}) --.*? {2,}/gm)].map(([left]) => left.length)
    expect(columns.length).toBeGreaterThan(2)
    expect(new Set(columns).size).toBe(1)
  })

  it('of all names each', () => {
    const text = overview(
      Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary]),
      plain,
    )
    for (const name of Object.keys(COMMANDS)) expect(text).toContain(`\n  ${name} `)
  })
})
