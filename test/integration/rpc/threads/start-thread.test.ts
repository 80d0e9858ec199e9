/** Servers, proxies and receivers in threads of their own. */

import { describe, expect, it } from 'vitest'
import { type RunningThread, ShutdownServer, startThread, type ThreadOptions } from '../../../../src/index.ts'
import { failureOf, Greet, until, useRpc } from '../../../helpers/rpc.ts'
import { TYPESCRIPT } from '../../../helpers/typescript.ts'
import type { Orders } from './programs.ts'

const rpc = useRpc()
const PROGRAMS = new URL('./programs.ts', import.meta.url)

async function start(data: Orders, options: ThreadOptions = {}): Promise<RunningThread> {
  const thread = await startThread(PROGRAMS, { data, execArgv: TYPESCRIPT, ...options })
  rpc.defer(() => thread.stop({ graceMs: 0 }))
  return thread
}

describe('a thread', () => {
  it('runs a server, a proxy and a receiver, which answer until they are stopped', async () => {
    const server = await start({ what: 'server' })
    const proxy = await start({ what: 'proxy', req: server.endpoints[0] as string })
    const receiver = await start({ what: 'receiver' })
    const client = rpc.client({ req: proxy.endpoints })
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    expect(await rpc.sender({ req: receiver.endpoints }).send('text')).toBeUndefined()
    for (const thread of [proxy, server, receiver]) {
      await thread.stop()
      await thread.join()
    }
    expect((await failureOf(client.execute(new Greet('Ada'), { timeoutMs: 200 }))).code).toBe('NOT_CONNECTED')
  })

  it('ends by itself when what it runs has ended, or there is nothing to do', async () => {
    const server = await start({ what: 'server' })
    await rpc.client({ req: server.endpoints }).execute(new ShutdownServer())
    await server.join()
    await (await start({ what: 'nothing' })).join()
  })

  it('stops all that its module has returned', async () => {
    const thread = await start({ what: 'client and server' })
    expect(thread.endpoints.length).toBe(1)
    await thread.stop()
    await thread.join()
  })

  it.each(['never stops', 'blocks'] as const)('is ended by force when it %s', async (what) => {
    const blocked = new SharedArrayBuffer(4)
    const thread = await start({ what, blocked })
    const failed = rpc.hear('zmq-rpc:thread:failed')
    if (what === 'blocks') await until(() => Atomics.load(new Int32Array(blocked), 0) === 1, 'it blocks')
    await thread.stop({ graceMs: 200 })
    expect(await failureOf(thread.join())).toMatchObject({
      code: 'THREAD_FAILED',
      message: expect.stringContaining('had not stopped after 200 ms'),
    })
    expect(await failed.atLeast(1)).toMatchObject([{ module: PROGRAMS.href, retryMs: undefined }])
  })

  it.each([
    ['crashes', 'TypeError: boom'],
    ['exits', 'process.exit(3) in it'],
  ] as const)('that %s is heard of, and stopping it does nothing more', async (what, words) => {
    const failed = rpc.hear('zmq-rpc:thread:failed')
    const thread = await start({ what })
    expect(await failureOf(thread.join())).toMatchObject({ code: 'THREAD_FAILED', message: expect.stringContaining(words) })
    expect((await failed.atLeast(1))[0]?.error.message).toContain(words)
    await thread.stop()
  })

  it('does not start when its module does not, and says why', async () => {
    expect(await failureOf(start({ what: 'throws' }))).toMatchObject({
      code: 'THREAD_FAILED',
      message: expect.stringContaining("its module's function failed: too far"),
      cause: expect.objectContaining({ name: 'RangeError' }),
    })
    expect(await failureOf(startThread('./module.js'))).toMatchObject({ code: 'BAD_OPTION' })
    expect(await failureOf(startThread(PROGRAMS, { dta: 1 } as ThreadOptions))).toMatchObject({
      message: expect.stringContaining('no option dta'),
    })
    expect(await failureOf(startThread(PROGRAMS, { data: () => {} }))).toMatchObject({ code: 'BAD_OPTION' })
    expect(await failureOf(startThread(PROGRAMS, { execArgv: ['--no-such-option'] }))).toMatchObject({ code: 'BAD_OPTION' })
  })
})
