/** Calls that nobody waits for any more: their services are told, and those that have not begun never do. */

import { describe, expect, it } from 'vitest'
import type { RpcServer, ServiceContext } from '../../../../src/index.ts'
import { FLAG } from '../../../../src/rpc/dialect/native/header.ts'
import { encodeCall } from '../../../../src/rpc/dialect/native/message.ts'
import { Count, type Deferred, deferred, endpointOf, failureOf, Greet, TRANSPORTS, until, useRpc } from '../../../helpers/rpc.ts'
import { outcomeOf, Stranger } from './stranger.ts'

const rpc = useRpc()

const TCP = { rep: 'tcp://127.0.0.1:0' }

/** Count waits for `go`, whatever its signal says; what it was told, and why its signals were aborted. */
class Watched {
  readonly begun: number[] = []
  readonly reasons = new Map<number, unknown>()
  readonly contexts = new Map<number, ServiceContext>()
  readonly go: Deferred<void> = deferred()

  register = (server: RpcServer): void => {
    server.register(Count, async ({ n }, context) => {
      this.begun.push(n)
      this.contexts.set(n, context)
      context.signal.addEventListener('abort', () => this.reasons.set(n, context.signal.reason))
      await this.go.promise
      return n
    })
  }
}

describe.each(TRANSPORTS)('over $name, the signal of a service', ({ endpoint }) => {
  it('is aborted when its caller gives the call up; no other is, and the connection stays', async () => {
    const watched = new Watched()
    const server = await rpc.started({ rep: endpoint() }, watched.register)
    const client = rpc.client({ req: endpointOf(server) })
    await client.ready()
    const lost = rpc.hear('zmq-rpc:disconnected')
    const controller = new AbortController()
    const other = client.execute(new Count(1))
    const given = failureOf(client.execute(new Count(2), { signal: controller.signal }))
    await until(() => watched.begun.length === 2, 'both are under way')
    controller.abort(new Error('changed my mind'))
    expect(await given).toMatchObject({ code: 'ABORTED' })
    await until(() => watched.reasons.size > 0, 'the service is told')
    expect([...watched.reasons.keys()]).toEqual([2])
    expect(watched.reasons.get(2)).toMatchObject({
      code: 'ABORTED',
      message: '[ABORTED] the call was given up by its caller: its caller gave it up',
    })
    watched.go.resolve()
    expect(await other).toBe(1)
    expect(lost.events).toEqual([])
  })

  it('is aborted when the time of the call is over', () =>
    rpc.virtually(async () => {
      const watched = new Watched()
      const server = await rpc.started({ rep: endpoint() }, watched.register)
      const client = rpc.client({ req: endpointOf(server) })
      await client.ready()
      expect(await failureOf(client.execute(new Count(1), { timeoutMs: 50 }))).toMatchObject({ code: 'TIMED_OUT' })
      await until(() => watched.reasons.size > 0, 'the service is told')
      // By the client, or by the server's own clock: whichever is first.
      expect(['ABORTED', 'TIMED_OUT']).toContain((watched.reasons.get(1) as { code: string }).code)
      expect(watched.contexts.get(1)?.remainingMs).toBeLessThan(50)
    }))

  it('is aborted when the client is closed, or its connection cut', async () => {
    const watched = new Watched()
    const server = await rpc.started({ rep: endpoint() }, watched.register)
    const client = rpc.client({ req: endpointOf(server) })
    const call = failureOf(client.execute(new Count(1)))
    await until(() => watched.begun.length === 1, 'it is under way')
    await client.close()
    expect(await call).toMatchObject({ code: 'CLOSED' })
    await until(() => watched.reasons.size > 0, 'the service is told')
    expect(watched.reasons.get(1)).toMatchObject({ code: 'CONNECTION_LOST', endpoint: endpointOf(server) })
  })
})

describe('the signal of a service', () => {
  it('tells also whoever asks for it afterwards', async () => {
    let context: ServiceContext | undefined
    const begun = deferred()
    const server = await rpc.started(TCP, (server) =>
      server.register(Count, (_command, given) => {
        context = given
        begun.resolve()
        return new Promise<number>(() => {})
      }),
    )
    const controller = new AbortController()
    const client = rpc.client({ req: endpointOf(server) })
    const call = failureOf(client.execute(new Count(), { signal: controller.signal }))
    await begun.promise
    controller.abort()
    await call
    await client.execute(new Greet())
    expect(context?.signal.aborted).toBe(true)
    expect(context?.signal.reason).toMatchObject({ code: 'ABORTED' })
  })

  it('is aborted by the clock of the server where nobody says a word', () =>
    rpc.virtually(async () => {
      const watched = new Watched()
      const server = await rpc.started(TCP, watched.register)
      const stranger = new Stranger(rpc, endpointOf(server))
      const start = performance.now()
      await stranger.call(1, 'Count', { n: 1 }, 80)
      await until(() => watched.reasons.size > 0, 'the service is told')
      expect(performance.now() - start).toBeGreaterThanOrEqual(80)
      expect(performance.now() - start).toBeLessThan(100)
      expect(watched.reasons.get(1)).toMatchObject({ code: 'TIMED_OUT', message: '[TIMED_OUT] the time of command "Count" is over' })
      watched.go.resolve()
      expect(await stranger.probe(), 'answers to who does not wait').toEqual([])
    }))

  it('is not aborted by the end of the call itself', async () => {
    const contexts: ServiceContext[] = []
    const server = await rpc.started(TCP, (server) =>
      server.register(Count, async ({ n }, context) => {
        contexts.push(context)
        expect(context.signal.aborted).toBe(false)
        return n
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    for (let n = 0; n < 3; n++) await client.execute(new Count(n))
    await client.close()
    await server.stop()
    expect(contexts.map(({ signal }) => signal.aborted)).toEqual([false, false, false])
  })
})

describe('a call that waits for its turn', () => {
  const busy = async (): Promise<{ watched: Watched; server: RpcServer; first: Promise<unknown> }> => {
    const watched = new Watched()
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 1 }, watched.register)
    const first = rpc.client({ req: endpointOf(server) }).execute(new Count(0))
    await until(() => watched.begun.length === 1, 'the first is under way')
    return { watched, server, first }
  }
  const waiting = (server: RpcServer, count: number): Promise<void> => until(() => server.stats().waiting === count, `${count} wait`)

  it('and is given up, never runs', async () => {
    const { watched, server, first } = await busy()
    const client = rpc.client({ req: endpointOf(server) })
    const controller = new AbortController()
    const given = [1, 2, 3].map((n) => failureOf(client.execute(new Count(n), { signal: controller.signal })))
    const kept = client.execute(new Count(4))
    await waiting(server, 4)
    controller.abort()
    await Promise.all(given)
    await waiting(server, 1)
    watched.go.resolve()
    expect(await Promise.all([first, kept])).toEqual([0, 4])
    expect(watched.begun).toEqual([0, 4])
  })

  it('longer than its time, never runs', () =>
    rpc.virtually(async () => {
      const { watched, server, first } = await busy()
      const client = rpc.client({ req: endpointOf(server) })
      await client.ready()
      const late = failureOf(client.execute(new Count(1), { timeoutMs: 60 }))
      await waiting(server, 1)
      expect(await late).toMatchObject({ code: 'TIMED_OUT' })
      await waiting(server, 0)
      watched.go.resolve()
      await first
      expect(await client.execute(new Count(2))).toBe(2)
      expect(watched.begun).toEqual([0, 2])
    }))

  it('longer than the time that it said it had, never runs: the server has a clock of its own', () =>
    rpc.virtually(async () => {
      const { watched, server, first } = await busy()
      const stranger = new Stranger(rpc, endpointOf(server))
      await stranger.call(1, 'Count', { n: 1 }, 60)
      await waiting(server, 1)
      await waiting(server, 0)
      watched.go.resolve()
      await first
      expect(await stranger.probe()).toEqual([])
      expect(watched.begun).toEqual([0])
      expect(server.stats()).toMatchObject({ running: 0, waiting: 0 })
    }))

  it('longer than its time, does not keep its client from being read on, where nobody waits for an answer', () =>
    rpc.virtually(async () => {
      const { watched, server, first } = await busy()
      const stranger = new Stranger(rpc, endpointOf(server))
      await stranger.say(1, encodeCall({ name: 'Count', state: { n: 1 }, timeLeftMs: 60, flags: FLAG.noReply }))
      await waiting(server, 1)
      await waiting(server, 0)
      watched.go.resolve()
      await first
      expect(await stranger.probe()).toEqual([])
      expect(watched.begun).toEqual([0])
    }))

  it('of a client that has gone, never runs', async () => {
    const { watched, server, first } = await busy()
    const client = rpc.client({ req: endpointOf(server) })
    const calls = [1, 2].map((n) => failureOf(client.execute(new Count(n))))
    await waiting(server, 2)
    await client.close()
    await Promise.all(calls)
    await waiting(server, 0)
    watched.go.resolve()
    await first
    expect(watched.begun).toEqual([0])
  })
})

describe('a call whose time is over when it comes', () => {
  it('is not begun, and told so', async () => {
    const watched = new Watched()
    const server = await rpc.started(TCP, watched.register)
    const refused = rpc.hear('zmq-rpc:command:refused')
    const stranger = new Stranger(rpc, endpointOf(server))
    await stranger.call(1, 'Count', { n: 1 }, 0)
    expect(outcomeOf(await stranger.hear())).toBe(408)
    expect(watched.begun).toEqual([])
    expect(refused.events).toMatchObject([{ status: 408, command: 'Count' }])
  })
})
