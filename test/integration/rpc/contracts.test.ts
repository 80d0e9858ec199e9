/** Commands with schemas, through real calls. */

import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  type Allow,
  type CommandClass,
  type ContractMismatch,
  command,
  Health,
  ListServices,
  RpcClient,
  RpcServer,
  type RpcServerOptions,
  streamOf,
} from '../../../src/index.ts'
import { ANNOUNCEMENT } from '../../../src/rpc/dialect/announcement.ts'
import { decodeHello, type Hello } from '../../../src/rpc/dialect/native/message.ts'
import { Dealer } from '../../../src/socket/index.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
})

const SetTemperature = command('SetTemperature', {
  state: z.object({ celsius: z.number().min(5).max(30), room: z.string().default('lab') }),
  result: z.object({ reached: z.boolean(), at: z.coerce.date() }),
})
const Readings = command('Readings', { state: z.object({ count: z.number().int() }), result: streamOf(z.number()) })

async function serve(configure: (server: RpcServer) => void): Promise<RpcClient> {
  const server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
  configure(server)
  await server.start()
  const client = new RpcClient({ req: server.endpoints })
  open.push({ [Symbol.asyncDispose]: () => server.stop({ drainMs: 0 }) }, client)
  return client
}

it('a state is read through its schema, and so is a result', async () => {
  const client = await serve((server) =>
    server.register(SetTemperature, ({ celsius, room }) => ({ reached: celsius === 20 && room === 'lab', at: new Date(1000) })),
  )
  expect(await client.execute(new SetTemperature({ celsius: 20 }))).toEqual({ reached: true, at: new Date(1000) })
})

it('a state that does not fit is refused where it is made, and by the server, by the name of its field', async () => {
  expect(() => new SetTemperature({ celsius: 100 })).toThrow(/celsius/)
  const client = await serve((server) => server.register(SetTemperature, () => ({ reached: true, at: new Date() })))
  const Unchecked = command('SetTemperature', { state: z.object({ celsius: z.number() }) })
  await expect(client.execute(new Unchecked({ celsius: 100 }))).rejects.toMatchObject({
    code: 'BAD_COMMAND',
    status: 400,
    message: expect.stringContaining('celsius'),
  })
})

it('a result that breaks its contract is the fault of the service', async () => {
  const client = await serve((server) => server.register(SetTemperature, () => ({ reached: 'yes' }) as never))
  await expect(client.execute(new SetTemperature({ celsius: 20 }))).rejects.toMatchObject({
    code: 'BAD_RESULT',
    status: 500,
    message: expect.stringContaining('reached'),
  })
})

it('each item of a stream is checked', async () => {
  const client = await serve((server) =>
    server.register(Readings, async function* ({ count }) {
      for (let n = 1; n <= count; n++) yield n
      yield 'no number' as never
    }),
  )
  const seen: number[] = []
  const reading = (async () => {
    for await (const value of await client.execute(new Readings({ count: 3 }))) seen.push(value)
  })()
  await expect(reading).rejects.toThrow(/item 3/)
  expect(seen).toEqual([1, 2, 3])
})

describe('a server that means a command otherwise', () => {
  const Old = command('SetTemperature', { state: z.object({ celsius: z.number() }) })
  const New = command('SetTemperature', { state: z.object({ celsius: z.number(), room: z.string() }) })
  const Same = command('SetTemperature', { state: z.object({ celsius: z.number() }) })

  async function mismatchOf(theirs: CommandClass, ours: CommandClass, use: (client: RpcClient) => Promise<unknown>) {
    const server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
    server.register(theirs, () => undefined)
    await server.start()
    const told: ContractMismatch[] = []
    const heard = new Promise<void>((resolve) => {
      const client = new RpcClient({
        req: server.endpoints,
        commands: [ours],
        onContractMismatch: (mismatch) => {
          told.push(mismatch)
          resolve()
        },
      })
      open.push({ [Symbol.asyncDispose]: () => server.stop({ drainMs: 0 }) }, client)
      void use(client).then(() => resolve())
    })
    await heard
    return { told, endpoint: server.endpoints[0] }
  }

  it('is told of by name as soon as it is connected, before any call', async () => {
    const { told, endpoint } = await mismatchOf(New, Old, () => new Promise(() => {}))
    expect(told).toEqual([{ endpoint, command: 'SetTemperature', differences: [expect.stringContaining('room')] }])
  })

  it('is not told of when it means the same', async () => {
    const { told } = await mismatchOf(Same, Old, async (client) => {
      await client.execute(new Old({ celsius: 1 }))
      await client.execute(new ListServices())
    })
    expect(told).toEqual([])
  })
})

it('a server tells what it serves to those who may call it, and how it is doing', async () => {
  const client = await serve((server) => {
    server.register(SetTemperature, () => ({ reached: true, at: new Date() }), { maxConcurrent: 3 })
    server.register(Readings, async function* () {}, { allow: 'nobody' })
  })
  const { services, limits } = await client.execute(new ListServices())
  expect(services.map(({ name, maxConcurrent }) => ({ name, maxConcurrent }))).toEqual([{ name: 'SetTemperature', maxConcurrent: 3 }])
  expect(services[0]?.state).toMatchObject({ type: 'object', properties: { celsius: { minimum: 5, maximum: 30 } } })
  expect(limits).toMatchObject({ maxConcurrentCalls: 1000, maxQueuedCalls: 1000 })
  expect(await client.execute(new Health())).toMatchObject({ status: 'serving', running: 1, waiting: 0, clients: 1 })
})

it.each<[string, RpcServerOptions, string[]]>([
  ['who showed a password', { auth: { users: { ada: 'secret' } } }, ['ShutdownServer']],
  ['everybody, where everybody may', { allowShutdown: true }, ['ShutdownServer']],
  ['nobody, where nobody may', { auth: { users: { ada: 'secret' } }, allowShutdown: false }, []],
])('ShutdownServer is listed to %s', async (_who, options, listed) => {
  const server = new RpcServer({ rep: 'tcp://127.0.0.1:0', ...options })
  await server.start()
  const credentials = options.auth && { username: 'ada', password: 'secret' }
  const client = new RpcClient({ req: server.endpoints, credentials })
  open.push({ [Symbol.asyncDispose]: () => server.stop({ drainMs: 0 }) }, client)
  const { services } = await client.execute(new ListServices())
  expect(services.map(({ name }) => name)).toEqual(listed)
})

it('a server that does not tell about itself refuses to', async () => {
  const server = new RpcServer({ rep: 'tcp://127.0.0.1:0', introspection: 'authenticated' })
  await server.start()
  const client = new RpcClient({ req: server.endpoints })
  open.push({ [Symbol.asyncDispose]: () => server.stop({ drainMs: 0 }) }, client)
  await expect(client.execute(new ListServices())).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
  await expect(client.execute(new Health())).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
})

it.each<[string, Allow]>([
  ['says no', () => false],
  [
    'throws',
    () => {
      throw new Error('no database')
    },
  ],
  ['rejects', () => Promise.reject(new Error('no database'))],
])('of a command, or of all, a stranger hears nothing when he comes where a rule %s', async (_name, rule) => {
  const server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
  const closed = new RpcServer({ rep: 'tcp://127.0.0.1:0', introspection: rule })
  for (const one of [server, closed]) {
    one.register(Readings, async function* () {}, { allow: one === server ? rule : 'everyone' })
    await one.start()
    open.push({ [Symbol.asyncDispose]: () => one.stop({ drainMs: 0 }) })
  }
  expect((await helloOf(server)).contracts).toEqual([])
  expect((await helloOf(closed)).contracts).toBeUndefined()
})

/** What a server says to whoever comes. */
async function helloOf(server: RpcServer): Promise<Hello> {
  const dealer = new Dealer({ linger: 0, receiveTimeout: 10_000, handshakeProperties: ANNOUNCEMENT })
  open.push({ [Symbol.asyncDispose]: async () => dealer.close() })
  dealer.connect(server.endpoints[0] as string)
  const [, , ...body] = await dealer.receive()
  return decodeHello(body)
}
