/** What a call hands on: metadata there and back; and to the calls that its service makes, its time and its trace. */

import { performance } from 'node:perf_hooks'
import { describe, expect, it } from 'vitest'
import { type CallOptions, Command, type Metadata, type RpcClient, type ServiceContext } from '../../../src/index.ts'
import { Count, deferred, endpointOf, failureOf, Greet, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

class Items extends Command<AsyncIterable<unknown>> {}

const TRACE = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=1', baggage: 'user=ada' }

describe('metadata', () => {
  it('goes along with the call, and with the reply, whichever way the service ends', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, ({ n }, { metadata, replyMetadata }) => {
        replyMetadata['heard'] = JSON.stringify(metadata)
        return n
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const told: Metadata[] = []
    const onMetadata = (one: Metadata): void => void told.push(one)
    const metadata = { user: 'Ada Łovelace', __proto__x: '1', ['__proto__']: 'a field', empty: '' }
    await client.execute(new Count(), { metadata, onMetadata })
    expect(JSON.parse(told[0]?.['heard'] as string)).toEqual(metadata)
    await client.execute(new Count(), { onMetadata })
    expect(told[1]).toEqual({ heard: '{}' })
    await client.execute(new Greet(), { onMetadata })
    expect(told.length).toBe(2)
  })

  it('does not travel in the dialect of Python, where the call is made all the same', async () => {
    const seen: Metadata[] = []
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, ({ n }, { metadata, replyMetadata }) => {
        seen.push(metadata)
        replyMetadata['x'] = 'y'
        return n
      }),
    )
    const told: Metadata[] = []
    const client = rpc.client({ req: endpointOf(server), dialect: 'pyzmqrpc3' })
    expect(await client.execute(new Count(3), { metadata: { a: 'b' }, onMetadata: (one) => void told.push(one) })).toBe(3)
    expect([seen, told]).toEqual([[{}], []])
  })

  it.each([
    ['a number', { a: 7 }, 'metadata.a is of type number, not a string'],
    ['null', { a: null }, 'metadata.a is of type null, not a string'],
    ['half a character', { a: '\ud800' }, 'metadata.a has a lone surrogate, which cannot be sent'],
  ])('that is no text is a mistake of the caller: %s', async (_name, metadata, text) => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' })
    const error = await failureOf(rpc.client({ req: endpointOf(server) }).execute(new Count(), { metadata: metadata as never }))
    expect(error.message).toBe(`[BAD_OPTION] ${text}`)
  })

  it.each([
    ['answers', false],
    ['throws', true],
  ])('that is no text is a mistake of the service that %s; its caller is told, and the server lives on', async (_name, throws) => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, async ({ n }, { replyMetadata }) => {
        Object.assign(replyMetadata, { a: 7 })
        if (throws) throw new Error('its own error')
        return n
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const error = await failureOf(client.execute(new Count()))
    if (throws) expect(error).toMatchObject({ code: 'SERVICE_FAILED', statusText: 'its own error' })
    else
      expect(error).toMatchObject({
        code: 'BAD_RESULT',
        statusText: 'The result of command "Count" cannot be written: replyMetadata.a is of type number, not a string',
      })
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })

  it('without a value is left out', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, (_command, { metadata, replyMetadata }) => {
        Object.assign(replyMetadata, { a: undefined, keys: Object.keys(metadata).join() })
        return 1
      }),
    )
    let told: Metadata | undefined
    const options = { metadata: { a: 'b', c: undefined } as unknown as Metadata, onMetadata: (one: Metadata) => (told = one) }
    await rpc.client({ req: endpointOf(server) }).execute(new Count(), options as CallOptions)
    expect(told).toEqual({ keys: 'a' })
  })
})

interface Inner {
  readonly metadata: Metadata
  readonly remainingMs: number
}

/** Two servers: the front one's Count does as told, with a client of the back one, whose Count tells what it was told. */
async function chained(front: (back: RpcClient, context: ServiceContext) => unknown): Promise<{ client: RpcClient; inner: Inner[] }> {
  const inner: Inner[] = []
  const behind = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
    server.register(Count, ({ n }, { metadata, remainingMs }) => {
      inner.push({ metadata, remainingMs })
      return n
    }),
  )
  const back = rpc.client({ req: endpointOf(behind), timeoutMs: 60_000 })
  const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) => {
    server.register(Count, (_command, context) => front(back, context) as Promise<number>)
    server.register(Items, (_command, context) => front(back, context) as AsyncIterable<unknown>)
  })
  return { client: rpc.client({ req: endpointOf(server) }), inner }
}

describe('a call that a service makes', () => {
  it('goes on with the trace of the call it is made for, and has no more time than that has left', async () => {
    const { client, inner } = await chained((back) => back.execute(new Count()))
    await client.execute(new Count(), { timeoutMs: 5000, metadata: { ...TRACE, token: 'is not handed on' } })
    expect(inner).toEqual([{ metadata: TRACE, remainingMs: expect.any(Number) }])
    expect(inner[0]?.remainingMs).toBeLessThanOrEqual(5000)
  })

  it('does so after awaits, timers and callbacks', async () => {
    const { client, inner } = await chained(async (back) => {
      await Promise.resolve()
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setTimeout(resolve, 5))
      await new Promise<void>((resolve) => queueMicrotask(() => setTimeout(() => resolve(back.execute(new Count()).then(() => {})), 1)))
      return Promise.all([back.execute(new Count()), back.execute(new Count())]).then(() => 0)
    })
    await client.execute(new Count(), { timeoutMs: 5000, metadata: TRACE })
    expect(inner.map(({ metadata, remainingMs }) => [metadata, remainingMs <= 5000])).toEqual(Array(3).fill([TRACE, true]))
  })

  it('may have less time, and metadata of its own, which goes before', async () => {
    const { client, inner } = await chained((back) =>
      back.execute(new Count(), { timeoutMs: 1000, metadata: { baggage: 'user=bob', token: 't' } }),
    )
    await client.execute(new Count(), { timeoutMs: 5000, metadata: TRACE })
    expect(inner[0]?.metadata).toEqual({ ...TRACE, baggage: 'user=bob', token: 't' })
    expect(inner[0]?.remainingMs).toBeLessThanOrEqual(1000)
  })

  it('with a traceparent of its own has nothing of the other trace', async () => {
    const { client, inner } = await chained((back) => back.execute(new Count(), { metadata: { traceparent: '00-1-2-01' } }))
    await client.execute(new Count(), { metadata: TRACE })
    expect(inner[0]?.metadata).toEqual({ traceparent: '00-1-2-01', baggage: 'user=ada' })
  })

  it('is not sent once the time of its call is over', () =>
    rpc.virtually(async () => {
      const done = deferred<Error & { code?: string }>()
      const { client, inner } = await chained(async (back, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        done.resolve(await failureOf(back.execute(new Count())))
        return 0
      })
      expect(await failureOf(client.execute(new Count(), { timeoutMs: 60 }))).toMatchObject({ code: 'TIMED_OUT' })
      expect(await done.promise).toMatchObject({
        code: 'TIMED_OUT',
        started: 'no',
        message: '[TIMED_OUT] a call was not sent: the time of the call that it was made for is over',
      })
      expect(inner).toEqual([])
    }))

  it('does not outlive it: it ends with the time of its call', () =>
    rpc.virtually(async () => {
      const never = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) => server.register(Count, () => new Promise<number>(() => {})))
      const back = rpc.client({ req: endpointOf(never), timeoutMs: 60_000 })
      const ended = deferred<number>()
      const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
        server.register(Count, async () => {
          await failureOf(back.execute(new Count()))
          ended.resolve(performance.now())
          // An answer now may still be in time.
          return new Promise<number>(() => {})
        }),
      )
      const begun = performance.now()
      const error = failureOf(rpc.client({ req: endpointOf(server) }).execute(new Count(), { timeoutMs: 200 }))
      expect((await ended.promise) - begun).toBeLessThan(220)
      expect(await error).toMatchObject({ code: 'TIMED_OUT' })
    }))

  it('for a stream goes on with the trace, and has time of its own: the answer was in time', () =>
    rpc.virtually(async () => {
      const go = deferred()
      const { client, inner } = await chained(async function* (back) {
        yield await back.execute(new Count(1))
        await go.promise
        yield await back.execute(new Count(2))
      })
      const items: unknown[] = []
      const begun = performance.now()
      for await (const item of await client.execute(new Items(), { timeoutMs: 300, metadata: TRACE })) {
        items.push(item)
        if (items.length > 1) continue
        await until(() => performance.now() - begun > 320, 'the time for the answer is over')
        go.resolve()
      }
      expect(items).toEqual([1, 2])
      expect(inner.map(({ metadata }) => metadata)).toEqual([TRACE, TRACE])
      expect(inner[1]?.remainingMs).toBeGreaterThan(50_000)
    }))

  it('after its answer, in the background, has time of its own', () =>
    rpc.virtually(async () => {
      const finished = deferred()
      const { client, inner } = await chained((back, context) => {
        setTimeout(() => void back.execute(new Count()).then(() => finished.resolve()), 100)
        return context.remainingMs
      })
      expect(await client.execute(new Count(), { timeoutMs: 80 })).toBeLessThanOrEqual(80)
      await finished.promise
      expect(inner[0]?.remainingMs).toBeGreaterThan(50_000)
    }))
})

describe('a call that no service makes', () => {
  it('has nothing of the calls beside it', async () => {
    const { client, inner } = await chained(async (back) => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return back.execute(new Count())
    })
    const within = client.execute(new Count(), { timeoutMs: 5000, metadata: TRACE })
    const other = await chained((back) => back.execute(new Count()))
    await other.client.execute(new Count())
    await within
    expect(other.inner[0]?.metadata).toEqual({})
    expect(other.inner[0]?.remainingMs).toBeGreaterThan(5000)
    expect(inner[0]?.metadata).toEqual(TRACE)
  })

  it('has nothing of a call whose answer woke it up', () =>
    rpc.virtually(async () => {
      const { client, inner } = await chained((back) => back.execute(new Count()))
      await client.execute(new Count(), { metadata: TRACE, timeoutMs: 100 })
      await client.execute(new Count(), { timeoutMs: 10_000 })
      expect(inner[1]?.metadata).toEqual({})
      expect(inner[1]?.remainingMs).toBeGreaterThan(5000)
    }))
})
