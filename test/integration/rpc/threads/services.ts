/** Services for the tests, as a module of services is written. */

import { threadId } from 'node:worker_threads'
import { giveAway, type RegisterServices, type ServicesModuleOptions } from '../../../../src/index.ts'
import {
  Binary,
  Block,
  Crash,
  Double,
  Fail,
  ForKeepers,
  ForNight,
  ForNobody,
  Log,
  Note,
  Numbers,
  OutOfPaper,
  Spin,
  Sum,
  Wait,
  WhoAmI,
} from './commands.ts'
import { Gate } from './gate.ts'
import { Echo, Greet } from './more-commands.ts'

const log: string[] = []

const spin = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end; );
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export const options: ServicesModuleOptions = {
  interceptors: [
    ({ name, context }, next) => {
      if (context.metadata['noted'] !== undefined) log.push(`noted ${name}`)
      return next()
    },
  ],
  errors: [OutOfPaper],
}

const registerAll: RegisterServices = (services, { data, index }) => {
  services.register(Greet, ({ name }) => `Hello ${name}`)
  services.register(Echo, ({ value }) => value)
  services.register(WhoAmI, (_, { principal, peer, metadata, replyMetadata }) => {
    replyMetadata['thread'] = String(index)
    const { username, roles } = principal ?? {}
    return { thread: threadId, index, data, username, roles, endpoint: peer.endpoint, kind: peer.kind, metadata: { ...metadata } }
  })
  services.register(Spin, ({ ms }) => {
    spin(ms)
    return threadId
  })
  services.register(Block, () => {
    Gate.pass(data)
    return threadId
  })
  services.register(Crash, async ({ how, afterMs }) => {
    if (how.startsWith('exits')) {
      spin(afterMs)
      process.exit(how === 'exits' ? 3 : 0)
    }
    await pause(afterMs)
    if (how === 'throws') setImmediate(() => throwBoom())
    if (how === 'rejects') void Promise.reject(new TypeError('boom'))
    if (how === 'runs out of memory') for (const hoard: number[][] = []; ; ) hoard.push(new Array(100_000).fill(0.5))
    await new Promise(() => {})
  })
  services.register(Wait, async ({ name, goOnMs }, { signal, remainingMs }) => {
    log.push(`${name} began, ${remainingMs === Number.POSITIVE_INFINITY ? 'no limit' : remainingMs <= 60_000 ? 'limited' : 'strange'}`)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    log.push(`${name} ended: ${(signal.reason as { code: string }).code}`)
    await pause(goOnMs)
    return `${name} went on`
  })
  services.register(Log, () => log)
  services.register(Note, ({ text }) => log.push(text))
  services.register(Numbers, async function* ({ count, end }) {
    try {
      for (let n = 0; n < count; n++) yield n
      if (end === 'throws') throw new OutOfPaper('no more numbers', { details: { tray: 2 } })
      if (end === 'exits') {
        // What was sent is on its way.
        await pause(100)
        process.exit(5)
      }
    } finally {
      log.push('numbers ended')
    }
  })
  services.register(Double, async function* ({ items }) {
    for await (const item of items) yield item instanceof Uint8Array ? Buffer.concat([item, item]) : 2 * (item as number)
  })
  services.register(Sum, async ({ items }) => {
    let sum = 0
    for await (const item of items) sum += item
    return sum
  })
  const kept = Buffer.alloc(100_000, 7)
  services.register(Binary, ({ bytes, how }) => {
    if (how === 'kept') return kept
    if (how === 'as it came') return bytes
    const own = giveAway(new Uint8Array(bytes))
    setTimeout(() => log.push(`${own.byteLength} bytes are left`), 50)
    return own
  })
  services.register(Fail, ({ how }) => {
    if (how === 'of our own') throw new OutOfPaper('tray 2 is empty', { details: { tray: 2 } })
    if (how === 'result') return (() => {}) as never
    throw Object.assign(new RangeError('too far'), { code: 'EFAR', more: () => {} })
  })
  services.register(ForKeepers, () => 'kept', { allow: { roles: ['keepers'] } })
  services.register(ForNight, () => 'dark', { allow: ({ principal }) => principal?.username === 'owl' })
  services.register(ForNobody, () => 'never', { allow: 'nobody' })
  return { close: () => log.push('closed') }
}

function throwBoom(): never {
  throw new TypeError('boom')
}

export default registerAll
