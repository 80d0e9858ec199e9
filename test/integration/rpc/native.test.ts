/** Calls in the native dialect: what the other one has no words for. */

import { expect, test } from 'vitest'
import { Command, RpcClient, RpcServer } from '../../../src/index.ts'

class Greet extends Command<string> {
  greeting = ''
  name = ''
  static of(greeting: string, name: string): Greet {
    return Object.assign(new Greet(), { greeting, name })
  }
}

class Count extends Command<AsyncIterable<number>> {
  to = 0
}

class Sum extends Command<number> {
  numbers: AsyncIterable<number> = (async function* () {})()
}

async function serve(configure: (server: RpcServer) => void): Promise<{ server: RpcServer; client: RpcClient } & AsyncDisposable> {
  const server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
  configure(server)
  await server.start()
  const client = new RpcClient({ req: server.endpoints[0] as string })
  return {
    server,
    client,
    [Symbol.asyncDispose]: async () => {
      await client.close()
      await server.stop({ drainMs: 0 })
    },
  }
}

test('a call is answered', async () => {
  await using ends = await serve((server) => server.register(Greet, ({ greeting, name }) => `${greeting} ${name}`))
  expect(await ends.client.execute(Greet.of('Hello', 'Ada'))).toBe('Hello Ada')
})

test('a result streams', async () => {
  await using ends = await serve((server) =>
    server.register(Count, async function* ({ to }) {
      for (let n = 1; n <= to; n++) yield n
    }),
  )
  const seen: number[] = []
  for await (const n of await ends.client.execute(Object.assign(new Count(), { to: 1000 }))) seen.push(n)
  expect(seen.length).toBe(1000)
  expect(seen[999]).toBe(1000)
})

test('a command streams', async () => {
  await using ends = await serve((server) =>
    server.register(Sum, async ({ numbers }) => {
      let sum = 0
      for await (const n of numbers) sum += n
      return sum
    }),
  )
  async function* numbers(): AsyncGenerator<number> {
    for (let n = 1; n <= 100; n++) yield n
  }
  expect(await ends.client.execute(Object.assign(new Sum(), { numbers: numbers() }))).toBe(5050)
})

test('a call that is given up aborts the signal of its service', async () => {
  const aborted = deferred<string>()
  await using ends = await serve((server) =>
    server.register(Greet, (_command, { signal }) => {
      signal.addEventListener('abort', () => aborted.resolve(String(signal.reason)))
      return new Promise<string>(() => {})
    }),
  )
  const controller = new AbortController()
  const call = ends.client.execute(Greet.of('a', 'b'), { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('no longer wanted')), 50)
  await expect(call).rejects.toMatchObject({ code: 'ABORTED' })
  expect(await aborted.promise).toContain('given up')
})

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

test('what a command streams is not lost while its call waits for its turn', async () => {
  const server = new RpcServer({ rep: 'tcp://127.0.0.1:0', maxConcurrentCalls: 1 })
  let release = (): void => {}
  server.register(Greet, () => new Promise<string>((resolve) => (release = () => resolve('done'))))
  server.register(Sum, async ({ numbers }) => {
    let sum = 0
    for await (const n of numbers) sum += n
    return sum
  })
  await server.start()
  await using client = new RpcClient({ req: server.endpoints })
  const first = client.execute(Greet.of('a', 'b'))
  let pulled = 0
  async function* numbers(): AsyncGenerator<number> {
    for (let n = 1; n <= 100; n++) {
      pulled = n
      yield n
    }
  }
  const sum = client.execute(Object.assign(new Sum(), { numbers: numbers() }))
  await expect.poll(() => pulled).toBe(100)
  release()
  expect(await first).toBe('done')
  expect(await sum).toBe(5050)
  await server.stop()
})
