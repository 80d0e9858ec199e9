/** What a service throws, and what its caller catches. */

import { describe, expect, it } from 'vitest'
import { Command, RemoteError, RpcClient, RpcServer, type RpcServerOptions, ServiceError, ZmqRpcError } from '../../../src/index.ts'
import { Count, deferred, Echo, endpointOf, failureOf, Greet, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

class OutOfPaper extends ServiceError<{ tray: number; since: Date }> {
  static readonly errorName = 'OutOfPaper'
  get tray(): number {
    return this.details.tray
  }
}

/** Another class of that name, which means something else. */
class Jammed extends ServiceError {
  static readonly errorName: string = 'Jammed'
}

class Pages extends Command<AsyncIterable<number>> {}

const SINCE = new Date('2024-02-29T12:00:00Z')
const outOfPaper = (cause?: unknown): OutOfPaper =>
  new OutOfPaper('tray 2 is empty', { details: { tray: 2, since: SINCE }, code: 'EMPTY', cause })

/** What the call of a command whose service throws is rejected with. */
async function caught(thrown: () => unknown, errors: (typeof OutOfPaper | typeof Jammed)[], options: Partial<RpcServerOptions> = {}) {
  const server = await rpc.started({ rep: 'tcp://127.0.0.1:0', ...options }, (server) =>
    server.register(Count, () => {
      throw thrown()
    }),
  )
  const client = rpc.own(new RpcClient({ req: endpointOf(server), errors }))
  return { error: await failureOf(client.execute(new Count())), endpoint: endpointOf(server) }
}

describe('an error of a class that the client knows', () => {
  it('is caught as one of that class, with text, details, code, endpoint and command', async () => {
    const { error, endpoint } = await caught(outOfPaper, [Jammed, OutOfPaper])
    expect(error).toBeInstanceOf(OutOfPaper)
    expect(error).toBeInstanceOf(RemoteError)
    expect(error).toBeInstanceOf(ZmqRpcError)
    expect(error).toMatchObject({
      name: 'OutOfPaper',
      message: 'tray 2 is empty',
      details: { tray: 2, since: SINCE },
      tray: 2,
      remoteCode: 'EMPTY',
      code: 'SERVICE_FAILED',
      status: 463,
      endpoint,
      command: 'Count',
    })
    expect((error as RemoteError).remoteStack).toBeUndefined()
  })

  it('brings its causes along, each as what it is', async () => {
    const file = Object.assign(new TypeError('no such file'), { code: 'ENOENT', path: '/etc/secret' })
    const { error } = await caught(() => outOfPaper(new Jammed('roller', { cause: file })), [OutOfPaper, Jammed])
    const jammed = error.cause as Jammed
    expect(jammed).toBeInstanceOf(Jammed)
    expect(jammed.message).toBe('roller')
    expect(jammed.cause).toBeInstanceOf(RemoteError)
    expect(jammed.cause).toMatchObject({ remoteName: 'TypeError', remoteCode: 'ENOENT', statusText: 'no such file' })
    expect(JSON.stringify(jammed.cause)).not.toContain('secret')
  })

  it('thrown while streaming ends the stream as what it is', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Pages, async function* () {
        yield 1
        throw outOfPaper()
      }),
    )
    const client = rpc.own(new RpcClient({ req: endpointOf(server), errors: [OutOfPaper] }))
    const pages: number[] = []
    const error = await failureOf(
      (async () => {
        for await (const page of await client.execute(new Pages())) pages.push(page)
      })(),
    )
    expect(pages).toEqual([1])
    expect(error).toBeInstanceOf(OutOfPaper)
    expect(error).toMatchObject({ details: { tray: 2 } })
  })

  it('passes through a service that does not catch it, as what it was', async () => {
    const first = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, () => {
        throw outOfPaper()
      }),
    )
    for (const errors of [[], [OutOfPaper]]) {
      const between = rpc.own(new RpcClient({ req: endpointOf(first), errors }))
      const second = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) => server.register(Count, () => between.execute(new Count())))
      const error = await failureOf(rpc.own(new RpcClient({ req: endpointOf(second), errors: [OutOfPaper] })).execute(new Count()))
      expect(error).toBeInstanceOf(OutOfPaper)
      expect(error).toMatchObject({ message: 'tray 2 is empty', details: { tray: 2 }, endpoint: endpointOf(second) })
    }
  })

  it('is one of the answers of executeAll', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, () => {
        throw outOfPaper()
      }),
    )
    const client = rpc.own(new RpcClient({ req: endpointOf(server), errors: [OutOfPaper] }))
    expect(await client.executeAll(new Count())).toMatchObject([{ ok: false, error: expect.any(OutOfPaper) }])
  })
})

describe('an error of a class that the client does not know', () => {
  it('is a RemoteError that tells the same', async () => {
    const { error, endpoint } = await caught(outOfPaper, [Jammed])
    expect(error.constructor).toBe(RemoteError)
    expect(error).toMatchObject({
      remoteName: 'OutOfPaper',
      remoteCode: 'EMPTY',
      details: { tray: 2, since: SINCE },
      statusText: 'tray 2 is empty',
      message: `[SERVICE_FAILED] tray 2 is empty (status 463, from ${endpoint})`,
      command: 'Count',
    })
  })

  it.each([
    ['a text', 'paper', 'paper'],
    ['nothing', undefined, 'undefined'],
    ['a symbol', Symbol('paper'), 'Symbol(paper)'],
    [
      'an error whose text cannot be had',
      Object.defineProperty(new Error(), 'message', { get: () => fail() }),
      'an error that cannot be shown',
    ],
  ])('may be anything: %s', async (_name, thrown, statusText) => {
    expect((await caught(() => thrown, [])).error).toMatchObject({ code: 'SERVICE_FAILED', statusText })
  })
})

describe('where in the code it was thrown', () => {
  it('only callers of a server with exposeStacks are told', async () => {
    const { error } = await caught(outOfPaper, [], { exposeStacks: true })
    expect((error as RemoteError).remoteStack).toContain('service-errors.test.ts')
    expect(JSON.stringify((await caught(outOfPaper, [])).error)).not.toContain('service-errors.test.ts')
  })
})

describe('a result that cannot be written', () => {
  it('is an error of the server, and the streams in it are told to return', async () => {
    const returned = deferred()
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, () => {
        const stream = {
          [Symbol.asyncIterator]: () => ({
            next: () => new Promise(() => {}),
            return: () => {
              returned.resolve()
              return Promise.resolve({ done: true, value: undefined })
            },
          }),
        }
        return { stream, weak: new WeakMap() } as never
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    expect(await failureOf(client.execute(new Count()))).toMatchObject({
      code: 'BAD_RESULT',
      status: 500,
      statusText: expect.stringContaining('result.weak'),
    })
    await returned.promise
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })
})

describe('errors of clients', () => {
  it('are known to a server that has their classes, in the streams that they send', async () => {
    const seen = deferred<unknown>()
    class Print extends Command<void> {
      pages: AsyncIterable<number> = (async function* () {})()
    }
    const server = rpc.own(new RpcServer({ rep: 'tcp://127.0.0.1:0', errors: [OutOfPaper] }))
    server.register(Echo, ({ value }) => value)
    server.register(Print, async ({ pages }) => {
      try {
        for await (const _page of pages);
      } catch (error) {
        seen.resolve(error)
      }
    })
    await server.start()
    const command = Object.assign(new Print(), {
      pages: (async function* () {
        yield 1
        throw outOfPaper()
      })(),
    })
    await rpc.client({ req: endpointOf(server) }).execute(command)
    expect(await seen.promise).toBeInstanceOf(OutOfPaper)
  })
})

function fail(): never {
  throw new Error('a trap')
}
