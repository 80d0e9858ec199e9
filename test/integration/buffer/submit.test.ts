/** `submit`, `result` and `track` of a client, against a buffer that is as simple as can be. */

import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  Command,
  ERROR_CODES,
  type Receipt,
  RpcClient,
  type RpcClientOptions,
  RpcServer,
  ServiceError,
  ZmqRpcError,
} from '../../../src/index.ts'
import { encodeError, encodeReply } from '../../../src/rpc/dialect/native/message.ts'
import { simulate, type TestNetwork } from '../../../src/testing/index.ts'
import { type Disk, type KeepingOptions, KeepingServer } from '../../helpers/keeping-server.ts'

class Measure extends Command<number> {
  value = 0
}
class Jam extends ServiceError<{ tray: number }> {}

const measure = (value: number): Measure => Object.assign(new Measure(), { value })
const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function withServer(
  options: Omit<KeepingOptions, 'rep'>,
  test: (client: RpcClient, server: KeepingServer, network: TestNetwork) => Promise<void>,
  clientOptions: Partial<RpcClientOptions> = {},
): Promise<void> {
  await simulate(async (network) => {
    const server = await network.host('server').run(async () => {
      const made = new KeepingServer({ rep: 'tcp://*:30000', ...options })
      await made.start()
      return made
    })
    const client = network.host('client').run(() => new RpcClient({ req: 'tcp://server:30000', ...clientOptions }))
    await test(client, server, network)
    await client.close()
    await server.stop({ drainMs: 0 })
  })
}

const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof ZmqRpcError ? error.code : error),
  )

describe('submit', () => {
  it('resolves to a receipt when the command is on disk, and does not wait for its result', async () => {
    await withServer({}, async (client, { disk }) => {
      const receipt = await client.submit(measure(7), { idempotencyKey: 'measure-7', ttlMs: 60_000 })
      expect(receipt).toEqual({ id: 'measure-7', command: 'Measure', endpoint: 'tcp://server:30000', by: 'array' })
      expect(disk.kept).toMatchObject([{ id: 'measure-7', name: 'Measure', state: { value: 7 } }])
      expect(disk.kept[0]?.ttlMs).toBeGreaterThan(59_000)
    })
  })

  it('has all of a client in one lane, but for what has a key of its own, or none', async () => {
    await withServer({}, async (client, { disk }) => {
      await Promise.all([client.submit(measure(1)), client.submit(measure(2)), client.submit(measure(3), { orderingKey: 'valve' })])
      await client.submit(measure(4), { orderingKey: null })
      const [first, second, third, fourth] = disk.kept.map(({ lane }) => lane)
      expect(first).toMatch(/^[0-9a-f-]{36}$/)
      expect([second, third, fourth]).toEqual([first, 'valve', undefined])
    })
  })

  it('writes the command down at once: what it holds may change', async () => {
    await withServer({}, async (client, { disk }) => {
      const command = measure(1)
      const receipts = [client.submit(command)]
      command.value = 2
      receipts.push(client.submit(command))
      await Promise.all(receipts)
      expect(disk.kept.map(({ state }) => state)).toEqual([{ value: 1 }, { value: 2 }])
    })
  })

  it('is refused at once by a client whose servers have no buffer, and by none that is not there yet', async () => {
    await simulate(async (network) => {
      const client = network.host('client').run(() => new RpcClient({ req: 'tcp://server:30000' }))
      const submitted = codeOf(client.submit(measure(1), { timeoutMs: 5000 }))
      const early = codeOf(client.submit(measure(1), { timeoutMs: 50 }))
      expect(await early).toBe('NOT_CONNECTED')
      const server = await network.host('server').run(async () => {
        const made = new RpcServer({ rep: 'tcp://*:30000' })
        await made.start()
        return made
      })
      expect(await submitted).toBe('NO_BUFFER')
      expect(await codeOf(client.submit(measure(1), { timeoutMs: 5000 }))).toBe('NO_BUFFER')
      await client.close()
      await server.stop()
    })
  })

  it.each([
    [507, 'STORE_FULL'],
    [413, 'RECORD_TOO_LARGE'],
    [403, 'NOT_ALLOWED'],
  ])('fails with what the buffer says, status %d, and what is behind it is kept in order', async (status, code) => {
    const refuses = (_: string, state: unknown): number | undefined => ((state as Measure).value === 2 ? status : undefined)
    await withServer({ refuses, takesMs: () => 3 }, async (client, { disk }) => {
      const submitted = [1, 2, 3, 4].map((value) => codeOf(client.submit(measure(value))))
      expect(await Promise.all(submitted)).toEqual(['no error', code, 'no error', 'no error'])
      expect(disk.kept.map(({ state }) => (state as Measure).value)).toEqual([1, 3, 4])
    })
  })

  it('cannot take streams, nor what is no command, nor options that there are not', async () => {
    class Upload extends Command<void> {
      chunks: AsyncIterable<string> = (async function* () {})()
    }
    await withServer({}, async (client, { disk }) => {
      expect(await codeOf(client.submit(new Upload()))).toBe('BAD_COMMAND')
      expect(await codeOf(client.submit({} as never))).toBe('BAD_COMMAND')
      expect(await codeOf(client.submit(measure(1), { ttlMs: 0 }))).toBe('BAD_OPTION')
      expect(await codeOf(client.submit(measure(1), { orderingKey: '' }))).toBe('BAD_OPTION')
      expect(await codeOf(client.submit(measure(1), { orderingkey: 'a' } as never))).toBe('BAD_OPTION')
      expect(disk.kept).toEqual([])
    })
  })

  it('ends with the client, and when its caller gives it up', async () => {
    await simulate(async (network) => {
      const client = network.host('client').run(() => new RpcClient({ req: 'tcp://server:30000', maxQueued: 2 }))
      const giveUp = new AbortController()
      const given = codeOf(client.submit(measure(1), { signal: giveUp.signal }))
      const left = codeOf(client.submit(measure(2)))
      expect(await codeOf(client.submit(measure(3)))).toBe('QUEUE_FULL')
      expect(client.stats()).toMatchObject({ submitting: 2, queued: 0 })
      giveUp.abort()
      expect(await given).toBe('ABORTED')
      await client.close()
      expect(await left).toBe('CLOSED')
      expect(await codeOf(client.submit(measure(4)))).toBe('CLOSED')
    })
  })

  it('runs through interceptors, which may see that it is one', async () => {
    const seen: string[] = []
    const interceptors: RpcClientOptions['interceptors'] = [
      (call, next) => {
        seen.push(`${call.kind} ${call.name}`)
        return next({ ...call, options: { ...call.options, metadata: { site: 'north' } } })
      },
    ]
    await withServer({}, async (client) => void (await client.submit(measure(1))), { interceptors })
    expect(seen).toEqual(['submit Measure'])
  })
})

describe('what came of it', () => {
  it('is told as execute tells it: values, and errors of classes that the client knows', async () => {
    await withServer(
      {},
      async (client, { disk }) => {
        const good = await client.submit(measure(7))
        const bad = await client.submit(measure(8))
        const result = client.result(good)
        await later(100)
        disk.outcomes.set(good.id, encodeReply(49))
        disk.outcomes.set(bad.id, encodeError({ status: 463, text: 'no paper', name: 'Jam', details: { tray: 2 } }))
        expect(await result).toBe(49)
        await expect(client.result(bad)).rejects.toSatisfy(
          (error) => error instanceof Jam && error.details.tray === 2 && error.command === 'Measure',
        )
      },
      { errors: [Jam] },
    )
  })

  it('is told to another process, which has the receipt from a file', async () => {
    await withServer({}, async (client, { disk }, network) => {
      const text = JSON.stringify(await client.submit(measure(7)))
      await client.close()
      const other = network.host('other').run(() => new RpcClient({ req: 'tcp://server:30000' }))
      const receipt = JSON.parse(text) as Receipt<number>
      expect(await codeOf(other.result(receipt, { timeoutMs: 100 }))).toBe('NOT_YET_EXECUTED')
      expect(await other.track(receipt)).toMatchObject({ state: 'waiting', hops: [{ by: 'array' }] })
      disk.outcomes.set(receipt.id, encodeReply(49))
      expect(await other.result(receipt)).toBe(49)
      expect(await other.track(receipt)).toMatchObject({ state: 'executed' })
      await other.close()
    })
  })

  it('is not known to a buffer that never had it, nor to a server without one', async () => {
    await withServer({}, async (client) => {
      expect(await codeOf(client.result({ id: 'x', command: 'Measure' }))).toBe('UNKNOWN_RECEIPT')
      expect(await codeOf(client.track({ id: 'x', command: 'Measure' }))).toBe('UNKNOWN_RECEIPT')
      expect(await codeOf(client.result('{"id":"x"}' as never))).toBe('BAD_OPTION')
    })
    const server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
    onTestFinished(() => server.stop())
    await server.start()
    const client = new RpcClient({ req: server.endpoints })
    onTestFinished(() => client.close())
    expect(await codeOf(client.result({ id: 'x', command: 'Measure' }))).toBe('UNKNOWN_RECEIPT')
  })

  it('is waited for across a connection that breaks', async () => {
    await withServer({}, async (client, { disk }, network) => {
      const receipt = await client.submit(measure(7))
      const result = client.result(receipt)
      await later(50)
      network.link('client', 'server').drop()
      await later(50)
      disk.outcomes.set(receipt.id, encodeReply(49))
      expect(await result).toBe(49)
    })
  })
})

describe('execute, where the far end has a buffer', () => {
  it('waits for the real result', async () => {
    await withServer({}, async (client, { disk }) => {
      const result = client.execute(measure(7))
      await later(50)
      disk.outcomes.set('made-1', encodeReply(49))
      expect(await result).toBe(49)
    })
  })

  it('says that it is kept, and with which receipt, when its time is over', async () => {
    await withServer({}, async (client, { disk }) => {
      const error = await client.execute(measure(7), { timeoutMs: 100 }).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'NOT_YET_EXECUTED', command: 'Measure' })
      const { receipt } = error as ZmqRpcError
      expect(receipt).toEqual({ id: 'made-1', command: 'Measure', endpoint: 'tcp://server:30000', by: 'array' })
      disk.outcomes.set('made-1', encodeReply(49))
      expect(await client.result(receipt as Receipt<number>)).toBe(49)
    })
  })

  it('asks by itself for the result when the connection is lost after that', async () => {
    await withServer({}, async (client, { disk }, network) => {
      const results = [client.execute(measure(7)), client.execute(measure(8), { timeoutMs: 400 }), client.execute(measure(9))]
      const codes = results.map(codeOf)
      await later(50)
      network.link('client', 'server').drop()
      await later(50)
      disk.outcomes.set('made-1', encodeReply(49))
      disk.outcomes.set('made-3', encodeError({ status: 463, text: 'no' }))
      expect(await results[0]).toBe(49)
      expect(await Promise.all(codes)).toEqual(['no error', 'NOT_YET_EXECUTED', 'SERVICE_FAILED'])
      expect(disk.kept).toHaveLength(3)
      expect(client.stats()).toMatchObject({ queued: 0, inFlight: 0 })
    })
  })

  it('names the receipt also when it is given up, or the client closed', async () => {
    await withServer({}, async (client) => {
      const giveUp = new AbortController()
      const errors = [client.execute(measure(7), { signal: giveUp.signal }), client.execute(measure(8))].map((call) =>
        call.catch((thrown: unknown) => thrown),
      )
      await later(50)
      giveUp.abort()
      await client.close()
      expect(await Promise.all(errors)).toMatchObject([
        { code: 'ABORTED', receipt: { id: 'made-1' } },
        { code: 'CLOSED', receipt: { id: 'made-2' } },
      ])
    })
  })
})

describe('whatever breaks', () => {
  const submission = fc.record({
    atMs: fc.nat(400),
    lane: fc.constantFrom(undefined, 'a', null),
    timeoutMs: fc.integer({ min: 1, max: 2000 }),
    abortAfterMs: fc.option(fc.nat(300), { nil: undefined }),
  })
  const disturbance = fc.record({
    atMs: fc.nat(450),
    what: fc.constantFrom('drop' as const, 'cut' as const, 'silence' as const, 'crash' as const),
    forMs: fc.integer({ min: 1, max: 150 }),
  })
  const plan = fc.record({
    seed: fc.nat(),
    latencyMs: fc.nat(20),
    submissions: fc.array(submission, { minLength: 1, maxLength: 25 }),
    disturbances: fc.array(disturbance, { maxLength: 3 }),
    refusals: fc.array(fc.constantFrom(undefined, undefined, undefined, 429, 507, 503, 482), { minLength: 1, maxLength: 30 }),
    tookMs: fc.array(fc.nat(30), { minLength: 1, maxLength: 10 }),
    closeAtMs: fc.option(fc.nat(500), { nil: undefined }),
  })

  it('each submission ends once; what was accepted is on disk, once, and in order', { timeout: 120_000 }, async () => {
    const property = fc.asyncProperty(plan, async ({ seed, latencyMs, submissions, disturbances, refusals, tookMs, closeAtMs }) => {
      await simulate(
        async (network) => {
          const disk: Disk = { kept: [], outcomes: new Map() }
          const host = network.host('server')
          let calls = 0
          const start = async (): Promise<KeepingServer> => {
            const server = new KeepingServer({
              rep: 'tcp://*:30000',
              disk,
              refuses: () => refusals[calls++ % refusals.length],
              takesMs: () => tookMs[calls % tookMs.length] ?? 0,
              maxConcurrentCalls: 5,
              maxQueuedCalls: 5,
            })
            await server.start()
            return server
          }
          let server = await host.run(start)
          const client = network.host('client').run(() => new RpcClient({ req: 'tcp://server:30000' }))
          const disturb = async ({ atMs, what, forMs }: (typeof disturbances)[number]): Promise<void> => {
            await later(atMs)
            const link = network.link('client', 'server')
            if (what === 'drop') return void link.drop()
            if (what === 'crash') {
              host.crash()
              await later(forMs)
              try {
                server = await host.restart(start)
              } catch {
                // Two crashes at a time: the other one has started it.
              }
              return
            }
            link.cut({ silent: what === 'silence' })
            await later(forMs)
            link.heal()
          }
          const order: string[] = []
          const submit = async ({ atMs, lane, timeoutMs, abortAfterMs }: (typeof submissions)[number], index: number): Promise<void> => {
            await later(atMs)
            const idempotencyKey = `id-${index}`
            order.push(idempotencyKey)
            const signal = abortAfterMs === undefined ? undefined : AbortSignal.timeout(abortAfterMs)
            try {
              const receipt = await client.submit(measure(index), { idempotencyKey, timeoutMs, orderingKey: lane, signal })
              expect(receipt.id).toBe(idempotencyKey)
              expect(disk.kept.filter(({ id }) => id === receipt.id)).toHaveLength(1)
            } catch (error) {
              if (!(error instanceof ZmqRpcError)) throw error
              expect(Object.keys(ERROR_CODES)).toContain(error.code)
              await later(0)
              if (error.started === 'no') expect(disk.kept.filter(({ id }) => id === idempotencyKey)).toEqual([])
            }
          }
          const closing = closeAtMs === undefined ? undefined : later(closeAtMs).then(() => client.close())
          await Promise.all([...submissions.map(submit), ...disturbances.map(disturb), closing])
          const ids = disk.kept.map(({ id }) => id)
          expect(new Set(ids).size).toBe(ids.length)
          for (const lane of new Set(disk.kept.map((kept) => kept.lane))) {
            if (lane === undefined) continue
            const numbers = disk.kept.filter((kept) => kept.lane === lane).map(({ id }) => order.indexOf(id))
            expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
          }
          await later(20_000)
          expect(client.stats()).toMatchObject({ queued: 0, inFlight: 0, submitting: 0 })
          await client.close()
          await server.stop({ drainMs: 0 })
        },
        { seed, latencyMs },
      )
    })
    await fc.assert(property, { numRuns: 200, interruptAfterTimeLimit: 100_000 })
  })
})
