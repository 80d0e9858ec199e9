/** What is published reaches each listener in the dialect that it reads. With Python among them: test/interop/pyzmqrpc3/mixed-fleet.test.ts. */

import { describe, expect, it } from 'vitest'
import type { RpcClient, RpcServer, ServiceContext } from '../../../../src/index.ts'
import { ANNOUNCEMENT } from '../../../../src/rpc/dialect/announcement.ts'
import { FLAG, KIND, kindOf, numberOf } from '../../../../src/rpc/dialect/native/header.ts'
import { encodeCommand } from '../../../../src/rpc/dialect/pyzmqrpc3.ts'
import { Subscriber } from '../../../../src/socket/index.ts'
import { Count, DIALECTS, type Dialect, Echo, failureOf, TRANSPORTS, until, useRpc } from '../../../helpers/rpc.ts'
import { Source } from './source.ts'

const rpc = useRpc()

async function publisher(endpoint = 'tcp://127.0.0.1:0'): Promise<{ client: RpcClient; sub: string }> {
  const client = rpc.client({ pub: endpoint })
  await client.ready()
  return { client, sub: client.publishEndpoint as string }
}

/** A server that hears what is published in this dialect; `seen` gets all values of Echo. */
async function listener(sub: string, dialect: Dialect, seen: unknown[], contexts: ServiceContext[] = []): Promise<RpcServer> {
  const server = rpc.server({ sub, dialect: dialect === 'native' ? 'auto' : dialect })
  server.register(Echo, ({ value }, context) => {
    seen.push(value)
    contexts.push(context)
    if (value === 'throw') throw new Error('as you wish')
    return 'nobody hears this'
  })
  await server.start()
  return server
}

describe.each(TRANSPORTS)('over $name', ({ endpoint }) => {
  it('listeners of both dialects hear all, in order', async () => {
    const { client, sub } = await publisher(endpoint())
    const heard: unknown[][] = [[], [], [], []]
    for (const [index, seen] of heard.entries()) await listener(sub, DIALECTS[index % 2] as Dialect, seen)
    await client.ready({ subscribers: 4 })
    for (let n = 0; n < 300; n++) await client.publish(new Echo({ n, text: 'é'.repeat(n) }))
    await until(() => heard.every((seen) => seen.length === 300), 'all have heard all')
    for (const seen of heard) expect(seen).toEqual(Array.from({ length: 300 }, (_, n) => ({ n, text: 'é'.repeat(n) })))
  })
})

describe('a listener', () => {
  it('that announces the native dialect gets one frame of it, others get the text of pyzmqrpc3', async () => {
    const { client, sub } = await publisher()
    const [native, plain] = [{ handshakeProperties: ANNOUNCEMENT }, {}].map((options) => {
      const subscriber = new Subscriber({ linger: 0, receiveTimeout: 10_000, ...options })
      rpc.defer(() => subscriber.close())
      subscriber.connect(sub)
      subscriber.subscribe()
      return subscriber
    }) as [Subscriber, Subscriber]
    await client.ready({ subscribers: 2 })
    await client.publish(new Count(7))
    const [frame, ...more] = await native.receive()
    expect(more).toEqual([])
    expect(kindOf(frame as Buffer)).toBe(KIND.call)
    expect(numberOf(frame as Buffer)).toBe(FLAG.noReply)
    expect(await plain.receive()).toEqual([encodeCommand(new Count(7))])
    await client.sendHeartbeat()
    for (const subscriber of [native, plain]) expect(String(await subscriber.receive())).toBe('zmq_sub_heartbeat')
  })

  it('is told where it came from, and that there is no hurry; what its service says or throws goes nowhere', async () => {
    const { client, sub } = await publisher()
    const [seen, contexts]: [unknown[], ServiceContext[]] = [[], []]
    const server = await listener(sub, 'native', seen, contexts)
    const failed = rpc.hear('zmq-rpc:service:failed')
    await client.ready({ subscribers: 1 })
    await client.publish(new Echo(1))
    await client.publish(new Echo('throw'))
    await client.publish(new Echo(3))
    await until(() => seen.length === 3, 'all is heard')
    expect(contexts[0]).toMatchObject({ remainingMs: Number.POSITIVE_INFINITY, metadata: {}, principal: undefined })
    expect(contexts[0]?.peer).toMatchObject({ endpoint: sub, kind: 'pub' })
    expect(contexts[0]?.signal.aborted).toBe(false)
    expect(failed.events).toMatchObject([{ command: 'Echo' }])
    expect(server.stats()).toMatchObject({ received: 3, ended: 3, running: 0, waiting: 0, failed: { SERVICE_FAILED: 1 } })
  })
})

describe('a command that pyzmqrpc3 cannot hold', () => {
  const value = new Map([[1n, Buffer.alloc(10_000, 'x')]])

  it('reaches listeners who all read the native dialect', async () => {
    const { client, sub } = await publisher()
    const heard: unknown[][] = [[], []]
    for (const seen of heard) await listener(sub, 'native', seen)
    await client.ready({ subscribers: 2 })
    await client.publish(new Echo(value))
    await until(() => heard.every((seen) => seen.length === 1), 'both have heard it')
    expect(heard).toEqual([[value], [value]])
  })

  it('reaches nobody while one listens who cannot be told, and the publisher is told so', async () => {
    const { client, sub } = await publisher()
    const [native, plain]: unknown[][] = [[], []]
    await listener(sub, 'native', native as unknown[])
    const leaving = await listener(sub, 'pyzmqrpc3', plain as unknown[])
    await client.ready({ subscribers: 2 })
    expect(await failureOf(client.publish(new Echo(value)))).toMatchObject({ code: 'BAD_COMMAND', command: 'Echo' })
    await client.publish(new Echo('next'))
    await until(() => native?.length === 1 && plain?.length === 1, 'the next is heard')
    await leaving.stop()
    await until(() => client.stats().subscribers === 1, 'it is gone')
    await client.publish(new Echo(value))
    await until(() => native?.length === 2, 'it is heard')
    expect([native, plain]).toEqual([['next', value], ['next']])
  })

  it('but with a stream in it is refused always: each of many would get a part', async () => {
    const { client, sub } = await publisher()
    const seen: unknown[] = []
    await listener(sub, 'native', seen)
    await client.ready({ subscribers: 1 })
    const source = new Source(3)
    expect(await failureOf(client.publish(new Echo(source)))).toMatchObject({ code: 'BAD_COMMAND' })
    expect(source.given).toBe(0)
    await client.publish(new Echo('next'))
    await until(() => seen.length === 1, 'the next is heard')
    expect(seen).toEqual(['next'])
  })
})
