/** What errors tell, and what they do not. */

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { RemoteError, type RpcClient, type RpcEvents, ZmqRpcError } from '../../../src/index.ts'
import { Reply, Router } from '../../../src/socket/index.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { Count, DIALECTS, endpointOf, failureOf, Greet, type Heard, toldBy, Unknown, useRpc } from '../../helpers/rpc.ts'
import { fakeServer } from './fake-server.ts'

const rpc = useRpc()
const NULL_ENDPOINT = { rep: 'tcp://127.0.0.1:0' }

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
    const endpoint = await fakeServer(rpc, (_body, envelope) => [
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
    const endpoint = await fakeServer(rpc, (_body, envelope) => [...envelope, ...reply])
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

describe('errors of two copies of the package', () => {
  it('know each other', () => {
    const foreign = Object.defineProperty(new Error('x'), Symbol.for('zmq-rpc.error'), { value: true })
    expect(foreign).toBeInstanceOf(ZmqRpcError)
    expect(foreign).not.toBeInstanceOf(RemoteError)
  })
})
