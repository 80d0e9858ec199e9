/** The defaults of the options, as their documentation states them. Those that are times or sizes are shown by what they do. */

import { readFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'
import { describe, expect, it, vi } from 'vitest'
import { RpcClient } from '../../../src/index.ts'
import { Deadlines } from '../../../src/rpc/deadlines.ts'
import { Dealer } from '../../../src/socket/index.ts'
import { Count, deferred, Echo, endpointOf, failureOf, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

const TCP = { rep: 'tcp://127.0.0.1:0' }

/** `@default` of each option in a file's interfaces. */
function documented(file: string): Record<string, string> {
  const source = readFileSync(new URL(`../../../src/rpc/${file}.ts`, import.meta.url), 'utf8')
  const found: Record<string, string> = {}
  for (const [, comment, name] of source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*readonly (\w+)\?:/g)) {
    const text = /@default ([\s\S]*)/.exec(comment as string)?.[1]
    if (text !== undefined) found[name as string] = text.replace(/\s+\*?\s*/g, ' ').trim()
  }
  return found
}

describe('the documentation of the options', () => {
  it('states these defaults for clients and senders', () => {
    expect(documented('client/client-options')).toMatchObject({
      timeoutMs: "the client's `timeoutMs`",
      maxQueued: '1000',
      maxPublished: '100000, as pyzmqrpc3',
      heartbeatIntervalMs: '0',
      maxMessageBytes: '67108864 (64 MiB)',
    })
  })

  it('states these defaults for servers and receivers', () => {
    expect(documented('server/message-server')).toMatchObject({
      heartbeatTimeoutMs: '600000, as pyzmqrpc3',
      maxConcurrentCalls: '1000',
      maxMessageBytes: '67108864 (64 MiB)',
      drainMs: '5000',
    })
    expect(documented('server/server')).toMatchObject({
      commands: '[]',
      allowShutdown: 'those who have a principal, by a password or a key (see `auth`)',
      maxInflatedBytes: '8388608 (8 MiB)',
    })
  })
})

describe('a client without options', () => {
  it('waits 60 s for an answer', async () => {
    const add = vi.spyOn(Deadlines.prototype, 'add')
    rpc.defer(() => add.mockRestore())
    const client = rpc.own(new RpcClient({ req: 'tcp://127.0.0.1:1' }))
    const call = failureOf(client.execute(new Count()))
    expect(add.mock.calls.map(([, ms]) => ms)).toEqual([60_000])
    const forever = failureOf(client.execute(new Count(), { timeoutMs: Number.POSITIVE_INFINITY }))
    expect(add.mock.calls.map(([, ms]) => ms)).toEqual([60_000, Number.POSITIVE_INFINITY])
    await client.close()
    expect(await call).toMatchObject({ code: 'CLOSED' })
    expect(await forever).toMatchObject({ code: 'CLOSED' })
  })

  it('lets 1000 calls wait', async () => {
    const client = rpc.own(new RpcClient({ req: 'tcp://127.0.0.1:1' }))
    const calls = Array.from({ length: 1001 }, () => failureOf(client.execute(new Count())))
    expect(await calls[1000]).toMatchObject({ code: 'QUEUE_FULL' })
    await client.close()
    for (const error of await Promise.all(calls.slice(0, 1000))) expect(error).toMatchObject({ code: 'CLOSED' })
  })

  it('treats undefined as not given', async () => {
    const server = await rpc.started({ ...TCP, auth: undefined, maxConcurrentCalls: undefined, sub: undefined, credentials: undefined })
    const client = rpc.own(
      new RpcClient({ req: endpointOf(server), timeoutMs: undefined, credentials: undefined, maxQueued: undefined, pub: undefined }),
    )
    expect(await client.execute(new Count(1), { timeoutMs: undefined, signal: undefined })).toBe(1)
  })

  it('takes a reply of just under 64 MiB in', { timeout: 30_000 }, async () => {
    const server = rpc.server(TCP)
    server.register(Echo, () => 'x'.repeat(64 * 1024 * 1024 - 100))
    await server.start()
    const client = rpc.own(new RpcClient({ req: endpointOf(server) }))
    expect(String(await client.execute(new Echo())).length).toBe(64 * 1024 * 1024 - 100)
  })
})

describe('a server without options', () => {
  it('has 1000 calls under way at a time', async () => {
    let underWay = 0
    const go = deferred()
    const server = await rpc.started(TCP, (server) =>
      server.register(Count, async ({ n }) => {
        underWay++
        await go.promise
        return n
      }),
    )
    // Of two clients: one alone has no more than 1000 in flight.
    const clients = [rpc.client({ req: endpointOf(server) }), rpc.client({ req: endpointOf(server) })]
    const calls = clients.flatMap((client) => Array.from({ length: 750 }, (_, n) => client.execute(new Count(n))))
    await until(() => server.stats().waiting === 500, 'the others wait')
    expect(underWay).toBe(1000)
    go.resolve()
    await Promise.all(calls)
  })

  it('takes a command of 8 MiB once it is unpacked, and not of more', { timeout: 30_000 }, async () => {
    const server = await rpc.started(TCP)
    const dealer = new Dealer({ linger: 0 })
    rpc.defer(() => dealer.close())
    dealer.connect(endpointOf(server))
    const limit = 8 * 1024 * 1024
    const ask = async (bytes: number): Promise<number> => {
      const json = Buffer.alloc(bytes, ' ')
      json.write('"text"')
      await dealer.send(['', deflateSync(json).toString('base64')])
      return JSON.parse(String((await dealer.receive())[1])).status_code
    }
    expect(await ask(limit)).toBe(451)
    expect(await ask(limit + 1)).toBe(400)
  })

  it('listens to silent publishers for 600 s, and drains for 5 s', () => {
    const source = readFileSync(new URL('../../../src/rpc/server/message-server.ts', import.meta.url), 'utf8')
    expect(source).toMatch(/heartbeatTimeoutMs: 600_000,[^}]*maxMessageBytes: 64 \* 1024 \* 1024,[^}]*drainMs: 5000/)
  })
})
