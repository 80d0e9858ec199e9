/** What a server answered to idempotency keys outlives it. */

import { spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type BufferStore,
  Command,
  RpcClient,
  RpcProxy,
  RpcServer,
  type RpcServerOptions,
  StoreError,
  ZmqRpcError,
} from '../../../src/index.ts'
import { MemoryStore } from '../../../src/testing/index.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { until } from '../../helpers/sockets.ts'

class Count extends Command<number> {
  n = 0
}

const count = (n: number): Count => Object.assign(new Count(), { n })

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof ZmqRpcError ? error.code : error),
  )
}

async function started(
  options: Partial<RpcServerOptions>,
  serve: (n: number, key: string | undefined) => number | Promise<number> = (n) => n,
): Promise<{ server: RpcServer; client: RpcClient; ran: number[] }> {
  const ran: number[] = []
  const server = new RpcServer({ rep: 'tcp://127.0.0.1:0', ...options })
  server.register(Count, ({ n }, { idempotencyKey }) => {
    ran.push(n)
    return serve(n, idempotencyKey)
  })
  onTestFinished(() => server.stop({ drainMs: 0 }))
  await server.start()
  const client = new RpcClient({ req: server.endpoints, retry: false })
  onTestFinished(() => client.close())
  return { server, client, ran }
}

/** A disk that does as it is told. */
class Disk extends MemoryStore {
  static failing: 'STORE_FULL' | 'STORE_FAILED' | undefined
  #failed = false

  override async append(...args: Parameters<BufferStore['append']>): ReturnType<BufferStore['append']> {
    // As a real one: nothing works any more before it is opened anew.
    if (this.#failed || Disk.failing !== undefined) {
      this.#failed ||= Disk.failing === 'STORE_FAILED'
      throw new StoreError(this.#failed ? 'STORE_FAILED' : 'STORE_FULL', 'the disk has failed', { written: false })
    }
    return super.append(...args)
  }

  override async open(): ReturnType<BufferStore['open']> {
    this.#failed = false
    return super.open()
  }
}

const KEY = { idempotencyKey: 'k1' }

describe('a server with idempotency on disk', () => {
  it('answers after a restart what it answered before, and its service does not run again', async () => {
    const store = new MemoryStore()
    const first = await started({ idempotency: { store } })
    expect(await first.client.execute(count(1), KEY)).toBe(1)
    expect(await codeOf(first.client.execute(count(1), { idempotencyKey: '' }))).toBe('BAD_OPTION')
    await first.server.stop()
    const second = await started({ idempotency: { store } })
    expect(await second.client.execute(count(2), KEY)).toBe(1)
    expect(second.ran).toEqual([])
    expect(await second.client.execute(count(3), { idempotencyKey: 'k2' })).toBe(3)
    class Other extends Command<number> {}
    second.server.register(Other, () => 1)
    expect(await codeOf(second.client.execute(new Other(), KEY))).toBe('CONFLICT')
  })

  it('remembers errors of the service, too, and forgets within its limits, on disk as in memory', async () => {
    const store = new MemoryStore()
    const options: Partial<RpcServerOptions> = { idempotency: { store }, maxIdempotencyKeys: 3 }
    const first = await started(options, (n) => {
      if (n === 1) throw new Error('one is not enough')
      return n
    })
    expect(await codeOf(first.client.execute(count(1), KEY))).toBe('SERVICE_FAILED')
    await first.server.stop()
    const second = await started(options)
    expect(await codeOf(second.client.execute(count(1), KEY))).toBe('SERVICE_FAILED')
    for (let n = 2; n < 8; n++) await second.client.execute(count(n), { idempotencyKey: `k${n}` })
    await second.server.stop()
    await store.open()
    expect(store.count()).toMatchObject({ live: 3, dead: 0 })
    await store.close()
    const third = await started(options)
    expect(await third.client.execute(count(1), KEY)).toBe(1)
    expect(await third.client.execute(count(99), { idempotencyKey: 'k7' })).toBe(7)
  })

  it('sends no answer before it is on disk', async () => {
    let write = (): void => {}
    const store = new MemoryStore()
    const append = store.append.bind(store)
    store.append = async (record) => {
      await new Promise<void>((resolve) => {
        write = resolve
      })
      return append(record)
    }
    const { client, ran } = await started({ idempotency: { store } })
    let answered = false
    const call = client.execute(count(1), KEY).then(() => {
      answered = true
    })
    // Calls without a key do not wait for it, and come behind it.
    expect(await client.execute(count(2))).toBe(2)
    expect([ran, answered]).toEqual([[1, 2], false])
    write()
    await call
  })

  it('has calls of a lane wait for the end of each other, and not for the disk', async () => {
    const writes: (() => void)[] = []
    const store = new MemoryStore()
    const append = store.append.bind(store)
    store.append = async (record) => {
      await new Promise<void>((resolve) => writes.push(resolve))
      return append(record)
    }
    let under = 0
    const {
      client: caller,
      server,
      ran,
    } = await started({ idempotency: { store } }, async (n) => {
      expect(++under).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 1))
      under--
      return n
    })
    // A buffer that hands commands over to a server.
    const proxy = new RpcProxy({
      rep: 'tcp://127.0.0.1:0',
      req: server.endpoints,
      buffer: { store: new MemoryStore(), outcomes: new MemoryStore() },
    })
    onTestFinished(() => proxy.stop({ drainMs: 0 }))
    await proxy.start()
    const client = new RpcClient({ req: proxy.endpoints })
    onTestFinished(() => client.close())
    const receipts = await Promise.all([1, 2, 3, 4, 5].map((n) => client.submit(count(n))))
    while (writes.length < 5) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(ran).toEqual([1, 2, 3, 4, 5])
    for (const write of writes) write()
    expect(await Promise.all(receipts.map((receipt) => client.result(receipt)))).toEqual([1, 2, 3, 4, 5])
    expect(caller.stats().inFlight).toBe(0)
  })

  it('tells the service the key, so that it can write it with its effect', async () => {
    const keys: (string | undefined)[] = []
    const { client } = await started({}, (n, key) => {
      keys.push(key)
      return n
    })
    await client.execute(count(1), KEY)
    await client.execute(count(1))
    expect(keys).toEqual(['k1', undefined])
  })

  it.each(['STORE_FULL', 'STORE_FAILED'] as const)(
    'that cannot write (%s) says so, and begins nothing whose answer it could not keep',
    async (code) => {
      onTestFinished(() => {
        Disk.failing = undefined
      })
      const failures: unknown[] = []
      const note = (event: unknown): number => failures.push(event)
      subscribe('zmq-rpc:idempotency:failed', note)
      onTestFinished(() => void unsubscribe('zmq-rpc:idempotency:failed', note))
      const store = new Disk()
      const { server, client, ran } = await started({ idempotency: { store: () => store } })
      expect(await client.execute(count(1), KEY)).toBe(1)
      Disk.failing = code
      // It ran, and its caller must know.
      expect(await client.execute(count(2), { idempotencyKey: 'k2' })).toBe(2)
      expect(failures).toMatchObject([{ command: 'Count', error: { code } }])
      expect(await codeOf(client.execute(count(3), { idempotencyKey: 'k3' }))).toBe('STORE_FULL')
      expect(await client.execute(count(9), { idempotencyKey: 'k2' })).toBe(2)
      expect(await client.execute(count(4))).toBe(4)
      Disk.failing = undefined
      // It is opened again a second after it has failed.
      await until(async () => (await codeOf(client.execute(count(3), { idempotencyKey: 'k3' }))) === 'no error', 'it writes again')
      expect(ran).toEqual([1, 2, 4, 3])
      await server.stop()
      const second = await started({ idempotency: { store: () => store } })
      for (const n of code === 'STORE_FAILED' ? [1, 2, 3] : [1, 3]) {
        expect(await second.client.execute(count(99), { idempotencyKey: `k${n}` })).toBe(n)
      }
    },
  )

  it('refuses options that make no sense, and a folder that cannot be one', async () => {
    const bad = [{}, { path: '/a', store: new MemoryStore() }, { path: '' }, { path: '/a', interrupted: 'maybe' }, { folder: '/a' }]
    for (const idempotency of bad) expect(() => new RpcServer({ rep: 'tcp://127.0.0.1:0', idempotency } as never)).toThrow(ZmqRpcError)
    const server = new RpcServer({ rep: 'tcp://127.0.0.1:0', idempotency: { path: '/dev/null/a' } })
    await expect(server.start()).rejects.toThrow(StoreError)
  })
})

describe('a server that is killed', () => {
  const script = fileURLToPath(new URL('./children/idempotent-server.ts', import.meta.url))
  const spawned = async (path: string, endpoint: string, interrupted: 'again' | 'refuse') => {
    const args = ['--import', 'tsx', script, endpoint, join(path, 'keys'), join(path, 'runs'), interrupted]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [bound] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    return {
      bound,
      kill: async () => {
        child.kill('SIGKILL')
        await once(child, 'exit')
      },
    }
  }
  const runsOf = (path: string): Map<string, number> => {
    const keys = readFileSync(join(path, 'runs'), 'utf8').trim().split('\n')
    return new Map([...new Set(keys)].map((key) => [key, keys.filter((other) => other === key).length]))
  }

  it('while calls come carries out once what was answered, and what it was at as it is told to', { timeout: 60_000 }, async () => {
    for (const interrupted of ['again', 'refuse'] as const) {
      const path = temporaryFolder()
      let server = await spawned(path, 'tcp://127.0.0.1:0', interrupted)
      const client = new RpcClient({ req: server.bound, retry: { maxAttempts: 20 }, retryBudget: { ratio: 20 }, maxQueued: 100_000 })
      onTestFinished(() => client.close())
      const outcomes: Promise<unknown>[] = []
      let n = 0
      let going = true
      const load = (async () => {
        while (going) {
          const number = n++
          outcomes.push(
            client.execute(count(number), { idempotencyKey: `k${number}`, timeoutMs: 20_000 }).then(
              (value) => value === number,
              (error) => error.code,
            ),
          )
          await new Promise((resolve) => setTimeout(resolve, 3))
        }
      })()
      for (let kills = 0; kills < 2; kills++) {
        await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200))
        await server.kill()
        server = await spawned(path, server.bound, interrupted)
      }
      going = false
      await load
      const ended = await Promise.all(outcomes)
      const runs = runsOf(path)
      if (interrupted === 'again') expect(new Set(ended)).toEqual(new Set([true]))
      else {
        expect(ended.filter((end) => end !== true && end !== 'INTERRUPTED')).toEqual([])
        expect([...runs.values()].filter((times) => times > 1)).toEqual([])
      }
      // All again: nothing runs that was answered.
      const answered = ended.flatMap((end, index) => (end === true ? [index] : []))
      const again = await Promise.all(answered.map((index) => client.execute(count(-index), { idempotencyKey: `k${index}` })))
      expect(again).toEqual(answered)
      expect(runsOf(path)).toEqual(runs)
      await server.kill()
    }
  })
})
