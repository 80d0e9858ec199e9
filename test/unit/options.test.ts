/** Options as somebody writes them who has no types to tell of a mistake: none is ignored, and none becomes a TypeError. */

import { afterEach, describe, expect, it } from 'vitest'
import { Command, command, logEvents, Receiver, RpcClient, RpcProxy, RpcServer, Sender, type ZmqRpcError } from '../../src/index.ts'
import { simulate, TestNetwork, virtualTime } from '../../src/testing/index.ts'

class Greet extends Command<string> {
  name = ''
}

const NOWHERE = 'tcp://127.0.0.1:1'
const TCP = 'tcp://127.0.0.1:0'

/** As in JavaScript. */
// biome-ignore lint/suspicious/noExplicitAny: what is tested is what types would refuse
type Anything = any

const open: { close?(): unknown; stop?(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await (one.close?.() ?? one.stop?.())
})

function client(): Anything {
  const made = new RpcClient({ req: NOWHERE })
  open.push(made)
  return made
}

function server(): Anything {
  const made = new RpcServer({ rep: TCP })
  open.push(made)
  return made
}

const make = (type: Anything, ...options: unknown[]) => {
  const made = new type(...options)
  open.push(made)
  return made
}

async function refusalOf(call: () => unknown): Promise<string> {
  try {
    await call()
  } catch (error) {
    expect((error as ZmqRpcError).code, String((error as Error).stack)).toBe('BAD_OPTION')
    return (error as Error).message.replace(/^\[BAD_OPTION\] /, '')
  }
  return 'nothing was refused'
}

describe('a misspelt option', () => {
  it.each<[string, () => unknown]>([
    ['RpcClient has no option timeOutMs: is timeoutMs meant?', () => make(RpcClient, { req: NOWHERE, timeOutMs: 1 })],
    ['RpcClient has no option retrys: is retry meant?', () => make(RpcClient, { req: NOWHERE, retrys: false })],
    ['RpcServer has no option maxConcurentCalls: is maxConcurrentCalls meant?', () => make(RpcServer, { rep: TCP, maxConcurentCalls: 1 })],
    ['RpcServer has no option alowShutdown: is allowShutdown meant?', () => make(RpcServer, { rep: TCP, alowShutdown: true })],
    ['RpcProxy has no option timeoutMS: is timeoutMs meant?', () => make(RpcProxy, { rep: TCP, req: NOWHERE, timeoutMS: 1 })],
    [
      'buffer has no option maxAge: is maxAgeMs meant?',
      () => make(RpcProxy, { rep: TCP, req: NOWHERE, buffer: { path: '/tmp/none', maxAge: 1 } }),
    ],
    [
      'buffer.drain.commands.Reading has no option ordr: is order meant?',
      () => make(RpcClient, { req: NOWHERE, buffer: { path: '/tmp/none', drain: { commands: { Reading: { ordr: 'newestFirst' } } } } }),
    ],
    [
      'threads has no option counts: is count meant?',
      () => make(RpcServer, { rep: TCP, services: 'file:///none.js', threads: { counts: 1 } }),
    ],
    ['Sender has no option timeout: is timeoutMs meant?', () => make(Sender, { req: NOWHERE, timeout: 1 })],
    [
      'Receiver has no option heartbeatTimeoutMS: is heartbeatTimeoutMs meant?',
      () => make(Receiver, { sub: NOWHERE, heartbeatTimeoutMS: 1 }),
    ],
    ['sub has no option endPoint: is endpoint meant?', () => make(RpcServer, { sub: { endPoint: NOWHERE } })],
    ['register has no option maxConcurent: is maxConcurrent meant?', () => server().register(Greet, () => '', { maxConcurent: 1 })],
    ['command "X" has no option results: is result meant?', () => (command as Anything)('X', { results: {} })],
    ['command "X" has no option idempotnt: is idempotent meant?', () => (command as Anything)('X', { idempotnt: true })],
    ['execute has no option timeOutMs: is timeoutMs meant?', () => client().execute(new Greet(), { timeOutMs: 1 })],
    ['executeAll has no option signall: is signal meant?', () => client().executeAll(new Greet(), { signall: 1 })],
    ['send has no option timeOut: is timeoutMs meant?', () => make(Sender, { req: NOWHERE }).send('text', { timeOut: 1 })],
    ['retry has no option maxAttemps: is maxAttempts meant?', () => client().execute(new Greet(), { retry: { maxAttemps: 1 } })],
    ['hedge has no option delay: is delayMs meant?', () => make(RpcClient, { req: NOWHERE, hedge: { delay: 1 } })],
    ['retryBudget has no option ration: is ratio meant?', () => make(RpcClient, { req: NOWHERE, retryBudget: { ration: 1 } })],
    ['ready has no option server: is servers meant?', () => client().ready({ server: 1 })],
    ['stop has no option drainMS: is drainMs meant?', () => server().stop({ drainMS: 1 })],
    [
      'credentials has no option user: there are username, password, curve',
      () => make(RpcClient, { req: NOWHERE, credentials: { user: '' } }),
    ],
    ['auth has no option user: is users meant?', () => make(RpcServer, { rep: TCP, auth: { user: {} } })],
    [
      'the entry of ada has no option role: is roles meant?',
      () => make(RpcServer, { rep: TCP, auth: { users: { ada: { password: '', role: ['admin'] } } } }),
    ],
    ['auth.curve has no option secretkey: is secretKey meant?', () => make(RpcServer, { rep: TCP, auth: { curve: { secretkey: '' } } })],
    [
      'credentials.curve has no option serverkey: is serverKey meant?',
      () => make(RpcClient, { req: NOWHERE, credentials: { curve: { serverkey: '' } } }),
    ],
    ['logEvents has no option level: is levels meant?', () => logEvents(console, { level: {} } as Anything)],
    [
      'there is no event "zmq-rpc:conected" to log: is zmq-rpc:connected meant?',
      () => logEvents(console, { events: ['zmq-rpc:conected'] } as Anything),
    ],
    ['simulate has no option latency: is latencyMs meant?', () => simulate(() => {}, { latency: 1 } as Anything)],
    ['TestNetwork has no option sead: is seed meant?', () => new TestNetwork({ sead: 1 } as Anything)],
    ['virtualTime has no option startsAt: is startAt meant?', () => virtualTime({ startsAt: new Date() } as Anything)],
  ])('is refused: %s', async (text, call) => {
    expect(await refusalOf(call)).toBe(text)
  })

  it('that is like none is told all there are', async () => {
    expect(await refusalOf(() => server().register(Greet, () => '', { priority: 1 }))).toBe(
      'register has no option priority: there are allow, maxConcurrent',
    )
  })

  it('does no harm when it is undefined, or inherited', async () => {
    make(RpcServer, { rep: TCP, timeoutMs: undefined })
    make(RpcServer, Object.create({ nothing: 1 }, { rep: { value: TCP, enumerable: true } }))
  })

  it('leaves nothing open', async () => {
    expect(await refusalOf(() => simulate(() => make(RpcServer, { rep: TCP, port: 1 })))).toMatch(/^RpcServer has no option port/)
    await simulate(async (network) => {
      await refusalOf(() => make(RpcClient, { pub: 'tcp://*:1', port: 1 }))
      await network.settle()
      expect(network.boundEndpoints).toEqual([])
    })
  })
})

describe('something else in the place of options', () => {
  const controller = new AbortController()
  it.each<[string, () => unknown]>([
    ['RpcClient takes an object of options, and was given undefined', () => make(RpcClient)],
    ['RpcServer takes an object of options, and was given a string', () => make(RpcServer, TCP)],
    ['RpcProxy takes an object of options, and was given undefined', () => make(RpcProxy)],
    ['Sender takes an object of options, and was given null', () => make(Sender, null)],
    ['Receiver takes an object of options, and was given an array', () => make(Receiver, [TCP])],
    ['buffer takes an object of options, and was given a string', () => make(RpcClient, { req: NOWHERE, buffer: '/tmp/none' })],
    ['register takes an object of options, and was given a number', () => server().register(Greet, () => '', 5)],
    ['execute takes an object of options, and was given a number', () => client().execute(new Greet(), 3000)],
    ['execute takes an object of options, and was given null', () => client().execute(new Greet(), null)],
    ['executeAll takes an object of options, and was given a number', () => client().executeAll(new Greet(), 3000)],
    ['ready takes an object of options, and was given a number', () => client().ready(3000)],
    ['stop takes an object of options, and was given a number', () => server().stop(3000)],
    ['retry takes an object of options, and was given a boolean', () => client().execute(new Greet(), { retry: true })],
    ['auth takes an object of options, and was given a string', () => make(RpcServer, { rep: TCP, auth: 'secret' })],
    ['credentials takes an object of options, and was given null', () => make(RpcClient, { req: NOWHERE, credentials: null })],
    ['auth.users is no object of passwords by username', () => make(RpcServer, { rep: TCP, auth: { users: 'ada' } })],
    ['auth.authenticate has to be a function, and is a boolean', () => make(RpcServer, { rep: TCP, auth: { authenticate: true } })],
    ['allowShutdown is of type string: it is true or false', () => make(RpcServer, { rep: TCP, allowShutdown: 'false' })],
    ['req has to be an array, and is a number', () => make(RpcClient, { req: 30000 })],
    ['interceptors has to be an array, and is a function', () => make(RpcServer, { rep: TCP, interceptors: () => {} })],
    ['commands has to be an array, and is a function', () => make(RpcClient, { req: NOWHERE, commands: Greet })],
    [
      'signal is no AbortSignal: an AbortController has one as its property signal',
      () => client().execute(new Greet(), { signal: controller }),
    ],
    ['signal is no AbortSignal', () => client().execute(new Greet(), { signal: 3000 })],
    ['onMetadata has to be a function, and is an object', () => client().execute(new Greet(), { onMetadata: {} })],
    ['logEvents needs a logger with debug, info, warn, error, as pino and console are: it was given none', () => (logEvents as Anything)()],
    [
      'logEvents needs a logger with debug, info, warn, error, as pino and console are: what was given has no debug',
      () => logEvents({ log() {} } as Anything),
    ],
    ['simulate takes an object of options, and was given a number', () => simulate(() => {}, 5 as Anything)],
  ])('is refused: %s', async (text, call) => {
    expect(await refusalOf(call)).toBe(text)
  })
})
