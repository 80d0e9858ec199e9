/** Calls that somebody has given up: TIMED_OUT, ABORTED, CLOSED. */

import { getEventListeners, getMaxListeners, setMaxListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { ZmqRpcError } from '../../../src/index.ts'
import { encodeCommand } from '../../../src/rpc/dialect/pyzmqrpc3.ts'
import { Router } from '../../../src/socket/index.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { RawServer } from '../../helpers/raw-peer.ts'
import { Count, DIALECTS, deferred, endpointOf, failureOf, Greet, useRpc } from '../../helpers/rpc.ts'
import { fakeServer } from './fake-server.ts'

const rpc = useRpc()
const NULL_ENDPOINT = { rep: 'tcp://127.0.0.1:0' }
const never = new Promise<never>(() => {})

describe.each(DIALECTS)('TIMED_OUT, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('is what a call ends with that was sent and not answered, within its time', () =>
    rpc.virtually(async () => {
      const server = await rpc.started(NULL_ENDPOINT, (server) => server.register(Count, () => never))
      const client = rpc.client({ req: endpointOf(server) })
      await client.ready()
      const start = performance.now()
      const error = await failureOf(client.execute(new Count(), { timeoutMs: 60 }))
      expect(performance.now() - start).toBeGreaterThanOrEqual(60)
      expect(performance.now() - start).toBeLessThan(80)
      expect(error).toBeInstanceOf(ZmqRpcError)
      expect(error).toMatchObject({ code: 'TIMED_OUT', endpoint: endpointOf(server), command: 'Count' })
      expect(error.message).toBe(
        `[TIMED_OUT] no reply from ${endpointOf(server)} to command "Count" within 60 ms; it may have been executed`,
      )
      await server.stop({ drainMs: 0 })
    }))

  it.each(['tcp://127.0.0.1:0', 'ipc://*', 'inproc://timed-out'])('leaves the client able to go on by itself: %s', async (rep) => {
    const server = await rpc.started({ rep }, (server) => server.register(Count, ({ n }) => (n === 0 ? never : n)))
    const client = rpc.client({ req: endpointOf(server) })
    await client.ready()
    for (let n = 1; n <= 3; n++) {
      expect(await failureOf(client.execute(new Count(0), { timeoutMs: 20 }))).toMatchObject({ code: 'TIMED_OUT' })
      expect(await client.execute(new Count(n))).toBe(n)
    }
    await server.stop({ drainMs: 0 })
  })

  it('does not touch the other calls of the connection, and a late reply is ignored', () =>
    rpc.virtually(async () => {
      const slow = deferred<number>()
      const givenUp = deferred()
      const other = deferred<number>()
      const server = await rpc.started(NULL_ENDPOINT, (server) =>
        server.register(Count, ({ n }, { signal }) => {
          if (n === 0) signal.addEventListener('abort', () => givenUp.resolve())
          return n === 0 ? slow.promise : n === 1 ? other.promise : n
        }),
      )
      const client = rpc.client({ req: endpointOf(server) })
      await client.ready()
      const dropped = rpc.hear('zmq-rpc:dropped')
      const waits = client.execute(new Count(1))
      expect(await failureOf(client.execute(new Count(0), { timeoutMs: 30 }))).toMatchObject({ code: 'TIMED_OUT' })
      if (dialect === 'native') await givenUp.promise
      slow.resolve(0)
      if (dialect === 'pyzmqrpc3') await dropped.atLeast(1)
      expect(await client.execute(new Count(3))).toBe(3)
      // A native server was told that nobody waits for it.
      const late = { endpoint: endpointOf(server), reason: 'a message to a call that has ended' }
      expect(dropped.events).toMatchObject(dialect === 'native' ? [] : [late])
      expect(await client.execute(new Count(2))).toBe(2)
      other.resolve(1)
      expect(await waits).toBe(1)
    }))

  it('of the only call makes the connection again when nothing was heard since', async () => {
    let requests = 0
    const endpoint = await fakeServer(rpc, (_body, envelope) => {
      requests++
      return requests < 2 ? undefined : [...envelope, Buffer.from('{"status_code": 200}')]
    })
    const gone = rpc.hear('zmq-rpc:disconnected', (event) => event.endpoint === endpoint)
    const client = rpc.client({ req: endpoint })
    await client.ready()
    expect(await failureOf(client.execute(new Greet(), { timeoutMs: 20 }))).toMatchObject({ code: 'TIMED_OUT' })
    await gone.atLeast(1)
    expect(await client.execute(new Greet())).toBeUndefined()
  })
})

describe.each(DIALECTS)('CLOSED, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('is what calls end with that wait, are under way, or come later', async () => {
    const server = await rpc.started(NULL_ENDPOINT, (server) => server.register(Count, () => never))
    const away = await nowhere()
    const client = rpc.client({ req: [endpointOf(server)] })
    const waiting = rpc.client({ req: [away] })
    await client.ready()
    const underWay = failureOf(client.execute(new Count()))
    const queued = failureOf(waiting.execute(new Count()))
    const ready = failureOf(waiting.ready())
    await Promise.all([client.close(), waiting.close()])
    expect(await underWay).toMatchObject({ code: 'CLOSED', endpoint: endpointOf(server), command: 'Count' })
    expect((await underWay).message).toContain('was under way when the client was closed; it may have been executed')
    expect(await queued).toMatchObject({ code: 'CLOSED', endpoint: away, command: 'Count' })
    expect((await queued).message).toContain('was not sent: the client was closed')
    expect(await ready).toMatchObject({ code: 'CLOSED', endpoint: away })
    expect(await failureOf(client.execute(new Count()))).toMatchObject({ code: 'CLOSED', endpoint: endpointOf(server), command: 'Count' })
    expect(await failureOf(client.ready())).toMatchObject({ code: 'CLOSED' })
    expect(await client.executeAll(new Count())).toMatchObject([{ ok: false, error: { code: 'CLOSED' } }])
    await server.stop({ drainMs: 0 })
  })

  it('does no harm twice', async () => {
    const client = rpc.client({ req: 'tcp://127.0.0.1:1' })
    await Promise.all([client.close(), client.close()])
    await client.close()
  })

  it('is told to whoever waits for listeners, and to whoever publishes later', async () => {
    const client = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await client.ready()
    const ready = failureOf(client.ready({ subscribers: 1 }))
    await client.close()
    expect(await ready).toMatchObject({ code: 'CLOSED' })
    expect(await failureOf(client.ready())).toMatchObject({ code: 'CLOSED' })
    expect(await failureOf(client.publish(new Count()))).toMatchObject({ code: 'CLOSED' })
    expect(await failureOf(client.sendHeartbeat())).toMatchObject({ code: 'CLOSED' })
  })
})

describe('a call that ends before the connection took it', () => {
  // Some megabytes are under way before the connection takes no more.
  const big = 'x'.repeat(8 * 1024 * 1024)

  it.each(['timed out', 'aborted'])('is not sent afterwards: %s', async (end) => {
    const raw = await RawServer.listen()
    rpc.defer(() => raw.close())
    const sender = rpc.sender({ req: raw.endpoint })
    const connection = await raw.accept()
    await connection.handshake('ROUTER')
    await sender.ready()
    connection.socket.pause()
    for (let n = 0; n < 3; n++) void failureOf(sender.send(big))
    await new Promise((resolve) => setImmediate(resolve))
    const controller = new AbortController()
    const settings = end === 'aborted' ? { signal: controller.signal } : { timeoutMs: 20 }
    const late = failureOf(sender.send('too late', settings))
    const last = failureOf(sender.send('the last'))
    await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    expect(await late).toMatchObject(
      end === 'aborted'
        ? { code: 'ABORTED', message: expect.stringContaining('before it was sent') }
        : { code: 'TIMED_OUT', message: expect.stringContaining('was not sent') },
    )
    connection.socket.resume()
    const bodies: number[] = []
    for (let n = 0; n < 4; n++) {
      await connection.readFrame()
      await connection.readFrame()
      bodies.push((await connection.readFrame()).body.length)
    }
    expect(bodies).toEqual([big.length, big.length, big.length, 'the last'.length])
    await sender.close()
    await last
  })
})

describe.each(DIALECTS)('ABORTED, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('before: nothing is sent', async () => {
    let executed = 0
    const server = await rpc.started(NULL_ENDPOINT, (server) => server.register(Count, () => ++executed))
    const client = rpc.client({ req: endpointOf(server) })
    const error = await failureOf(client.execute(new Count(), { signal: AbortSignal.abort(new Error('changed my mind')) }))
    expect(error).toMatchObject({ code: 'ABORTED', endpoint: endpointOf(server), command: 'Count', cause: { message: 'changed my mind' } })
    await client.execute(new Greet())
    expect(executed).toBe(0)
  })

  it('while it waits: it is not sent when the far end comes', async () => {
    const endpoint = await nowhere()
    const client = rpc.client({ req: endpoint })
    const controller = new AbortController()
    const call = failureOf(client.execute(new Count(1), { signal: controller.signal }))
    const other = client.execute(new Count(2))
    controller.abort()
    expect(await call).toMatchObject({ code: 'ABORTED', endpoint, command: 'Count' })
    const seen: number[] = []
    await rpc.started({ rep: endpoint }, (server) =>
      server.register(Count, ({ n }) => {
        seen.push(n)
        return n
      }),
    )
    expect(await other).toBe(2)
    expect(seen).toEqual([2])
  })

  it('in flight: the reply is ignored', async () => {
    const begun = deferred()
    const givenUp = deferred()
    const go = deferred()
    const server = await rpc.started(NULL_ENDPOINT, (server) =>
      server.register(Count, async ({ n }, { signal }) => {
        signal.addEventListener('abort', () => givenUp.resolve())
        begun.resolve()
        await go.promise
        return n
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const controller = new AbortController()
    const call = failureOf(client.execute(new Count(), { signal: controller.signal }))
    await begun.promise
    const dropped = rpc.hear('zmq-rpc:dropped')
    controller.abort(new Error('too slow'))
    expect(await call).toMatchObject({
      code: 'ABORTED',
      endpoint: endpointOf(server),
      command: 'Count',
      message: '[ABORTED] command "Count" was given up by its caller: too slow',
    })
    if (dialect === 'native') await givenUp.promise
    go.resolve()
    if (dialect === 'pyzmqrpc3') await dropped.atLeast(1)
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    expect(dropped.events).toHaveLength(dialect === 'native' ? 0 : 1)
  })

  it.each([
    ['nothing', undefined],
    ['a text', 'stop'],
    ['an object', Object.create(null)],
    ['a symbol', Symbol('x')],
  ])('for whatever reason: %s', async (_name, reason) => {
    const client = rpc.client({ req: 'tcp://127.0.0.1:1' })
    const controller = new AbortController()
    const call = failureOf(client.execute(new Count(), { signal: controller.signal }))
    controller.abort(reason)
    expect(await call).toMatchObject({ code: 'ABORTED' })
  })

  it('by one signal for many calls, without a warning, and nothing stays on the signal', async () => {
    const warnings: Error[] = []
    const listener = (warning: Error): number => warnings.push(warning)
    process.on('warning', listener)
    rpc.defer(() => process.off('warning', listener))
    const server = await rpc.started(NULL_ENDPOINT)
    const client = rpc.client({ req: endpointOf(server) })
    const { signal } = new AbortController()
    setMaxListeners(2, signal)
    await Promise.all(Array.from({ length: 200 }, (_, n) => client.execute(new Count(n), { signal })))
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([])
    expect(getEventListeners(signal, 'abort')).toEqual([])
    expect(getMaxListeners(signal), 'as its owner has set it').toBe(2)
  })

  it('for more calls than may be in flight at a time: none of those that waited is sent', async () => {
    const router = new Router({ linger: 0 })
    rpc.defer(() => router.close())
    await router.bind('tcp://127.0.0.1:0')
    const client = rpc.client({ req: router.lastEndpoint as string })
    await client.ready()
    const controller = new AbortController()
    const calls = Array.from({ length: 1500 }, (_, n) => failureOf(client.execute(new Count(n), { signal: controller.signal })))
    for (let n = 0; n < 500; n++) await router.receive()
    controller.abort()
    const errors = await Promise.all(calls)
    expect(errors.filter(({ message }) => message.includes('before it was sent'))).toHaveLength(1000)
    void failureOf(client.execute(new Greet()))
    expect(String((await router.receive())[3])).toBe(String(encodeCommand(new Greet())))
  })

  it('of executeAll is an answer for each endpoint', async () => {
    const client = rpc.client({ req: ['tcp://127.0.0.1:1', 'tcp://127.0.0.1:2'] })
    const controller = new AbortController()
    const answers = client.executeAll(new Count(), { signal: controller.signal })
    controller.abort()
    expect(await answers).toMatchObject([
      { endpoint: 'tcp://127.0.0.1:1', ok: false, error: { code: 'ABORTED', endpoint: 'tcp://127.0.0.1:1' } },
      { endpoint: 'tcp://127.0.0.1:2', ok: false, error: { code: 'ABORTED', endpoint: 'tcp://127.0.0.1:2' } },
    ])
  })
})
