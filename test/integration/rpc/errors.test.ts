import { randomBytes } from 'node:crypto'
import { getEventListeners, getMaxListeners, setMaxListeners } from 'node:events'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { RemoteError, type RpcClient, type RpcEvents, ZmqRpcError } from '../../../src/index.ts'
import { encodeCommand } from '../../../src/rpc/dialect/pyzmqrpc3.ts'
import { Reply, Router } from '../../../src/socket/index.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { RawServer } from '../../helpers/raw-peer.ts'
import { Count, DIALECTS, deferred, Echo, endpointOf, failureOf, Greet, type Heard, toldBy, Unknown, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

const NULL_ENDPOINT = { rep: 'tcp://127.0.0.1:0' }
const never = new Promise<never>(() => {})

/** A server of our own words: `answer` makes the frames behind the envelope, or says nothing. */
async function fakeServer(answer: (body: Buffer[], envelope: Buffer[]) => Buffer[] | undefined): Promise<string> {
  const router = new Router({ linger: 0 })
  rpc.defer(() => router.close())
  await router.bind('tcp://127.0.0.1:0')
  void (async () => {
    for await (const [id, ...message] of router) {
      const empty = message.findIndex((frame) => frame.length === 0)
      const envelope = message.slice(0, empty + 1)
      const reply = answer(message.slice(empty + 1), envelope)
      if (reply !== undefined) await router.send([id as Buffer, ...reply])
    }
  })()
  return router.lastEndpoint as string
}

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
    const endpoint = await fakeServer((_body, envelope) => {
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

describe('NOT_CONNECTED', () => {
  it('says what is being tried and why it fails', async () => {
    const endpoint = await nowhere()
    const client = rpc.client({ req: endpoint })
    const error = await failureOf(client.execute(new Greet('Ada'), { timeoutMs: 500 }))
    expect(error).toMatchObject({ code: 'NOT_CONNECTED', endpoint, command: 'Greet' })
    const address = endpoint.slice('tcp://'.length)
    expect(error.message).toBe(
      `[NOT_CONNECTED] command "Greet" was not sent: no connection to ${endpoint} within 500 ms (last reason: connect ECONNREFUSED ${address})`,
    )
    const waiting = await failureOf(client.ready({ timeoutMs: 50 }))
    expect(waiting).toMatchObject({ code: 'NOT_CONNECTED', endpoint })
    expect(waiting.message).toContain(`no connection to ${endpoint} within 50 ms (last reason: connect ECONNREFUSED`)
  })

  it('says so for ipc, too, and for inproc, where there is nothing to say', async () => {
    const ipc = rpc.client({ req: 'ipc:///tmp/zmq-rpc-nobody-here.sock' })
    const error = await failureOf(ipc.execute(new Greet(), { timeoutMs: 500 }))
    expect(error).toMatchObject({ code: 'NOT_CONNECTED' })
    expect(error.message).toContain('ENOENT')
    const inproc = rpc.client({ req: 'inproc://nobody-here' })
    expect(await failureOf(inproc.execute(new Greet(), { timeoutMs: 50 }))).toMatchObject({
      code: 'NOT_CONNECTED',
      message: '[NOT_CONNECTED] command "Greet" was not sent: no connection to inproc://nobody-here within 50 ms',
    })
  })

  it('names both reasons where a name has two addresses', async () => {
    const endpoint = (await nowhere()).replace('127.0.0.1', 'localhost')
    const error = await failureOf(rpc.client({ req: endpoint }).execute(new Greet(), { timeoutMs: 500 }))
    expect(error.message).toMatch(/last reason: .*ECONNREFUSED/)
  })

  it('tells of a far end that speaks something else', async () => {
    const raw = await RawServer.listen()
    rpc.defer(() => raw.close())
    const client = rpc.client({ req: raw.endpoint })
    const failing = failureOf(client.execute(new Greet(), { timeoutMs: 1500 }))
    const connection = await raw.accept()
    connection.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(4)))
    const error = await failing
    expect(error).toMatchObject({ code: 'NOT_CONNECTED', endpoint: raw.endpoint })
    expect(error.message).toMatch(/last reason: .+/)
  })

  it('of a sender says the same of its message', async () => {
    const endpoint = await nowhere()
    const error = await failureOf(rpc.sender({ req: endpoint }).send('text', { timeoutMs: 40 }))
    expect(error).toMatchObject({ code: 'NOT_CONNECTED', endpoint, command: undefined })
    expect(error.message).toContain('the message was not sent')
  })
})

describe('AUTH_REFUSED', () => {
  const auth = { users: { pi: 'secret' } }
  const cases = [
    ['a wrong password', auth, { username: 'pi', password: 'hunter2' }, 'does not let us in as user "pi"'],
    ['an unknown user', auth, { username: 'eve', password: 'hunter2' }, 'does not let us in as user "eve"'],
    ['no password', auth, undefined, 'does not let us in without credentials'],
    ['a password where none is asked', undefined, { username: 'pi', password: 'hunter2' }, 'does not let us in as user "pi"'],
  ] as const

  it.each(cases)('comes at once, not as a time-out: %s', async (_name, auth, credentials, text) => {
    const server = await rpc.started({ ...NULL_ENDPOINT, auth })
    const client = rpc.client({ req: endpointOf(server), credentials, timeoutMs: 1e9 })
    const [first, ready] = await Promise.all([failureOf(client.execute(new Greet())), failureOf(client.ready())])
    const second = await failureOf(client.execute(new Greet()))
    for (const error of [first, second]) {
      expect(error).toMatchObject({ code: 'AUTH_REFUSED', endpoint: endpointOf(server), command: 'Greet' })
      expect(error.message).toContain(`${endpointOf(server)} ${text}`)
      expect(error.message).toContain('command "Greet" was not executed')
    }
    expect(ready).toMatchObject({ code: 'AUTH_REFUSED', endpoint: endpointOf(server) })
    for (const error of [first, second, ready]) expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('hunter2')
  })

  it('ends when the far end lets us in: the next try, with no help', { timeout: 30_000 }, async () => {
    let open = false
    const server = await rpc.started({ ...NULL_ENDPOINT, auth: { authenticate: ({ username }) => (open ? { username } : undefined) } })
    const connected = rpc.hear('zmq-rpc:connected')
    const client = rpc.client({ req: endpointOf(server), credentials: { username: 'pi', password: 'secret' } })
    expect(await failureOf(client.execute(new Greet()))).toMatchObject({ code: 'AUTH_REFUSED' })
    open = true
    await connected.atLeast(2)
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })
})

describe('the stack of an error', () => {
  async function readThermometer(call: () => Promise<unknown>): Promise<unknown> {
    return await call()
  }

  class Again extends Count {
    static override readonly commandName = 'Again'
    static readonly idempotent = true
  }

  it.each<[string, (client: RpcClient, away: RpcClient) => Promise<unknown>]>([
    ['that failed at the server', (client) => client.execute(new Count())],
    ['whose server is away', (_client, away) => away.execute(new Count())],
    ['of several attempts', (_client, away) => away.execute(new Again())],
  ])('shows who made the call, one %s', async (_what, call) => {
    const server = await rpc.started(NULL_ENDPOINT, (server) =>
      server.register(Count, () => {
        throw new Error('out of numbers')
      }),
    )
    const client = rpc.client({ req: endpointOf(server), interceptors: [(call, next) => next(call)] })
    const away = rpc.client({ req: await nowhere(), timeoutMs: 50 })
    const { stack } = await failureOf(readThermometer(() => call(client, away)))
    expect(stack).toMatch(/at (async )?readThermometer /)
    expect(stack).not.toContain('callFailed')
  })
})

describe.each(DIALECTS)('a RemoteError, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('has the status and the text of the far end', async () => {
    const server = await rpc.started(NULL_ENDPOINT, (server) =>
      server.register(Count, () => {
        throw new Error('out of numbers')
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const endpoint = endpointOf(server)
    const text = toldBy(dialect, 'CountService', 'out of numbers')
    expect(await failureOf(client.execute(new Count()))).toMatchObject({
      code: 'SERVICE_FAILED',
      status: 463,
      statusText: text,
      message: `[SERVICE_FAILED] ${text} (status 463, from ${endpoint})`,
      endpoint,
      command: 'Count',
    })
    const unknown = await failureOf(client.execute(new Unknown()))
    expect(unknown).toBeInstanceOf(RemoteError)
    expect(unknown).toMatchObject({
      code: 'NO_SERVICE',
      status: 451,
      statusText: 'No service on the server is registered for command "Unknown".',
    })
  })

  it('names a service that has no name of its own for the command, as its caller knows it', async () => {
    const anonymous = (): never => {
      throw new Error('out of numbers')
    }
    class MinifiedName extends Count {
      static override readonly commandName = 'CountWith'
    }
    for (const service of [() => anonymous(), { execute: () => anonymous() }]) {
      const server = await rpc.started(NULL_ENDPOINT)
      server.register(MinifiedName, service)
      const error = await failureOf(rpc.client({ req: endpointOf(server) }).execute(new MinifiedName()))
      expect(error).toMatchObject({ statusText: toldBy(dialect, 'CountWithService', 'out of numbers') })
    }
  })

  it('is 400 when the setter of a command refuses its state', async () => {
    class Strict extends Greet {
      static override readonly commandName = 'Strict'
      override setCommandState(): void {
        throw new Error('no such name')
      }
    }
    const refused = rpc.hear('zmq-rpc:command:refused')
    const server = await rpc.started(NULL_ENDPOINT, (server) => server.register(Strict, () => ''))
    const error = await failureOf(rpc.client({ req: endpointOf(server) }).execute(new Strict('x')))
    expect(error).toMatchObject({ code: 'BAD_COMMAND', status: 400, command: 'Strict' })
    expect(refused.events[0]).toMatchObject({ status: 400, endpoint: endpointOf(server) })
    expect(refused.events[0]?.detail).toContain('no such name')
  })

  it('has any status that the far end gives, with its text', async () => {
    const endpoint = await fakeServer((_body, envelope) => [
      ...envelope,
      Buffer.from('{"status_code": 482, "status_message": "Error", "response_message": "not forwarded"}'),
    ])
    expect(await failureOf(rpc.client({ req: endpoint }).execute(new Greet()))).toMatchObject({ status: 482, statusText: 'not forwarded' })
  })
})

describe('BAD_REPLY', () => {
  it.each([
    ['no JSON', [Buffer.from('OK')], 'is no JSON text'],
    ['an empty frame', [Buffer.alloc(0)], 'is no JSON text'],
    ['no UTF-8', [Buffer.from([0x22, 0xff, 0x22])], 'is no JSON text'],
    ['no object', [Buffer.from('[200]')], 'no object with a status_code'],
    ['no status', [Buffer.from('{"status_message": "OK"}')], 'no status_code that is a number'],
    ['several frames', [Buffer.from('{"status_code": 200}'), Buffer.from('more')], 'has 2 frames, not one'],
    ['nested too deep', [Buffer.from(`{"status_code": 200, "response_message": ${'['.repeat(2000)}${']'.repeat(2000)}}`)], 'nested deeper'],
  ])('is what a call ends with when the answer is %s', async (_name, reply, text) => {
    const endpoint = await fakeServer((_body, envelope) => [...envelope, ...reply])
    const client = rpc.client({ req: endpoint })
    const error = await failureOf(client.execute(new Greet('Ada')))
    expect(error).toMatchObject({ code: 'BAD_REPLY', endpoint, command: 'Greet' })
    expect(error.message).toContain(text)
    expect(await failureOf(client.execute(new Greet('Ada')))).toMatchObject({ code: 'BAD_REPLY' })
  })

  it('comes from a REP server, too', async () => {
    const reply = new Reply({ linger: 0 })
    rpc.defer(() => reply.close())
    await reply.bind('tcp://127.0.0.1:0')
    void (async () => {
      for await (const _request of reply) await reply.send('not JSON')
    })()
    const client = rpc.client({ req: reply.lastEndpoint as string })
    expect(await failureOf(client.execute(new Greet()))).toMatchObject({ code: 'BAD_REPLY', command: 'Greet' })
    expect(await failureOf(rpc.sender({ req: reply.lastEndpoint as string }).send('x'))).toMatchObject({ code: 'BAD_REPLY' })
  })

  it('is not what a reply to nobody does: it is dropped, and the call goes on', async () => {
    const dropped = rpc.hear('zmq-rpc:dropped')
    const router = new Router({ linger: 0 })
    rpc.defer(() => router.close())
    await router.bind('tcp://127.0.0.1:0')
    const client = rpc.client({ req: router.lastEndpoint as string })
    const call = client.execute(new Greet())
    const [id, correlation] = (await router.receive()) as [Buffer, Buffer]
    const reply = Buffer.from('{"status_code": 200, "response_message": "right"}')
    await router.send([id, 'no envelope'])
    await router.send([id, '', reply])
    await router.send([id, Buffer.from([9, 9, 9, 9]), '', reply])
    await router.send([id, Buffer.from([1, 2, 3]), '', reply])
    await router.send([id, correlation, ''])
    await router.send([id, correlation, 'x', reply])
    await dropped.atLeast(6)
    await router.send([id, correlation, '', reply])
    expect(await call).toBe('right')
  })
})

describe.each(DIALECTS)('QUEUE_FULL, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('comes at once, and what waits already is sent in order when the far end is there', async () => {
    const endpoint = await nowhere()
    const client = rpc.client({ req: endpoint, maxQueued: 3, timeoutMs: 1e9 })
    const waiting = [0, 1, 2].map((n) => client.execute(new Count(n)))
    const error = await failureOf(client.execute(new Count(3)))
    expect(error).toMatchObject({ code: 'QUEUE_FULL', endpoint, command: 'Count' })
    expect(error.message).toContain(`command "Count" was not sent: 3 calls wait for ${endpoint} already; it is not connected`)
    const order: number[] = []
    await rpc.started({ rep: endpoint }, (server) =>
      server.register(Count, ({ n }) => {
        order.push(n)
        return n
      }),
    )
    expect(await Promise.all(waiting)).toEqual([0, 1, 2])
    expect(order).toEqual([0, 1, 2])
    expect(await client.execute(new Count(4))).toBe(4)
  })

  it('comes when a far end that is there does not read, and never loses what was taken', async () => {
    const raw = await RawServer.listen()
    rpc.defer(() => raw.close())
    const client = rpc.client({ req: raw.endpoint, maxQueued: 20, timeoutMs: 60_000 })
    const connection = await raw.accept()
    await connection.handshake('ROUTER')
    connection.socket.pause()
    await client.ready()
    const outcomes: Promise<unknown>[] = []
    let error: (Error & { code?: string }) | undefined
    for (let n = 0; n < 2000 && error === undefined; n++) {
      // Random, so that zlib does not make it small.
      const outcome = client.execute(new Echo(randomBytes(200_000).toString('base64'))).catch((reason: Error) => (error = reason))
      outcomes.push(outcome)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(error).toMatchObject({ code: 'QUEUE_FULL' })
    expect(error?.message).toContain('the far end does not keep up')
    await client.close()
    for (const outcome of await Promise.all(outcomes)) expect(['CLOSED', 'QUEUE_FULL']).toContain((outcome as { code?: string }).code)
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

describe.each(DIALECTS)('CONNECTION_LOST, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('is what calls end with that were sent, at once; those that come later wait for the next connection', async () => {
    const begun = deferred()
    const server = await rpc.started(NULL_ENDPOINT, (server) =>
      server.register(Count, () => {
        begun.resolve()
        return never
      }),
    )
    const endpoint = endpointOf(server)
    const client = rpc.client({ req: endpoint })
    const call = failureOf(client.execute(new Count()))
    await begun.promise
    await server.stop({ drainMs: 0 })
    const error = await call
    expect(error).toMatchObject({ code: 'CONNECTION_LOST', endpoint, command: 'Count' })
    expect(error.message).toContain(`the connection to ${endpoint} was lost while command "Count" was under way`)
    const next = client.execute(new Greet('Ada'))
    await rpc.started({ rep: endpoint })
    expect(await next).toBe('Hello Ada')
  })
})

describe('no secret', () => {
  it('stands in an error, an event, or what inspect shows', async () => {
    const names = [
      'zmq-rpc:connected',
      'zmq-rpc:disconnected',
      'zmq-rpc:connect:failed',
      'zmq-rpc:handshake:failed',
      'zmq-rpc:command:refused',
      'zmq-rpc:service:failed',
      'zmq-rpc:dropped',
    ] as const
    const heard = names.map((name) => rpc.hear(name as keyof RpcEvents) as Heard<keyof RpcEvents>)
    const auth = { users: { pi: 'hunter2-right' } }
    const server = await rpc.started({
      ...NULL_ENDPOINT,
      auth,
      sub: { endpoint: 'tcp://127.0.0.1:1', credentials: { username: 'pi', password: 'hunter2-sub' } },
    })
    const right = rpc.client({
      req: endpointOf(server),
      pub: 'tcp://127.0.0.1:0',
      credentials: { username: 'pi', password: 'hunter2-right' },
    })
    const wrong = rpc.client({ req: endpointOf(server), credentials: { username: 'pi', password: 'hunter2-wrong' } })
    await right.execute(new Greet('Ada'))
    const errors = [
      await failureOf(wrong.execute(new Greet())),
      await failureOf(wrong.ready()),
      await failureOf(right.execute(new Unknown())),
    ]
    await Promise.all([right.close(), wrong.close(), server.stop()])
    const events = heard.flatMap((channel) => channel.events)
    expect(events.length).toBeGreaterThan(3)
    const shown = inspect([server, right, wrong, errors, events], { depth: 30, showHidden: true, getters: true })
    expect(shown).not.toContain('hunter2')
    expect(JSON.stringify(errors)).not.toContain('hunter2')
  })
})

describe('a client that is refused by its options', () => {
  it.each([
    ['no way out', {}, 'it sends nowhere: give it req, pub or both'],
    ['a bad endpoint', { req: 'tcp://nowhere' }, 'req: '],
    ['a transport that is none', { req: 'http://localhost:80' }, 'req: '],
    ['a bad number', { req: 'tcp://127.0.0.1:1', timeoutMs: -1 }, 'timeoutMs is -1, not a number from 0 up'],
    ['a number that is none', { req: 'tcp://127.0.0.1:1', timeoutMs: Number.NaN }, 'timeoutMs is NaN'],
    ['no room', { req: 'tcp://127.0.0.1:1', maxQueued: 0 }, 'maxQueued is 0, not a number from 1 up'],
    [
      'a password that is too long',
      { req: 'tcp://127.0.0.1:1', credentials: { username: 'pi', password: 'x'.repeat(256) } },
      'over 255 bytes',
    ],
    [
      'passwords that say nothing',
      { req: 'tcp://127.0.0.1:1', pub: 'tcp://127.0.0.1:0', auth: {} },
      'auth needs either users or authenticate',
    ],
  ])('leaves nothing open: %s', (_name, options, text) => {
    expect(() => rpc.client(options)).toThrow(`[BAD_OPTION] ${text}`.slice(0, 13))
    expect(() => rpc.client(options)).toThrow(text)
    expect(() => rpc.sender(options)).toThrow(text)
  })

  it('is told what it lacks when it is used', async () => {
    const publisher = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    expect(await failureOf(publisher.execute(new Greet()))).toMatchObject({ code: 'BAD_OPTION' })
    const caller = rpc.client({ req: 'tcp://127.0.0.1:1' })
    expect(await failureOf(caller.publish(new Greet()))).toMatchObject({ code: 'BAD_OPTION' })
    expect(await failureOf(caller.sendHeartbeat())).toMatchObject({ code: 'BAD_OPTION' })
    expect(await failureOf(caller.execute(new Greet(), { timeoutMs: Number.NaN }))).toMatchObject({ code: 'BAD_OPTION' })
  })
})

describe('a server that is refused by its options', () => {
  it.each([
    ['nowhere', {}, 'it listens nowhere: give it rep, sub or both'],
    ['a bad rep', { rep: 'tcp://127.0.0.1' }, 'rep: '],
    ['a bad sub', { rep: 'tcp://127.0.0.1:0', sub: ['tcp://127.0.0.1:1', 'tcp://*:1'] }, 'sub: '],
    ['a bad heartbeat', { sub: { endpoint: 'tcp://127.0.0.1:1', heartbeatTimeoutMs: -1 } }, 'sub.heartbeatTimeoutMs is -1'],
    ['a bad limit', { rep: 'tcp://127.0.0.1:0', maxConcurrentCalls: 0 }, 'maxConcurrentCalls is 0, not a number from 1 up'],
    ['a bad size', { rep: 'tcp://127.0.0.1:0', maxInflatedBytes: 0 }, 'maxInflatedBytes is 0'],
    ['a bad auth', { rep: 'tcp://127.0.0.1:0', auth: {} }, 'auth needs either'],
    [
      'a bad password',
      { sub: ['tcp://127.0.0.1:1', { endpoint: 'tcp://127.0.0.1:1', credentials: { username: 'pi', password: 'x'.repeat(256) } }] },
      'over 255',
    ],
  ])('leaves nothing open: %s', (_name, options, text) => {
    expect(() => rpc.server(options)).toThrow(text)
    expect(() => rpc.server(options)).toThrow('[BAD_OPTION]')
  })
})

describe('errors of two copies of the package', () => {
  it('know each other', () => {
    const foreign = Object.defineProperty(new Error('x'), Symbol.for('zmq-rpc.error'), { value: true })
    expect(foreign).toBeInstanceOf(ZmqRpcError)
    expect(foreign).not.toBeInstanceOf(RemoteError)
  })
})
