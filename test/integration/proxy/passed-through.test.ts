/** What a proxy passes on, byte for byte, and what it does not: questions, keys, and who may shut down what is behind it. */

import { deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  Command,
  Health,
  ListServices,
  type RpcClient,
  type RpcProxy,
  type RpcServer,
  type RpcServerOptions,
  ShutdownServer,
} from '../../../src/index.ts'
import { ANNOUNCEMENT } from '../../../src/rpc/dialect/announcement.ts'
import { FLAG, KIND, kindOf, NO_LIMIT } from '../../../src/rpc/dialect/native/header.ts'
import { encodeCall, encodeCredit, encodeEnd, encodeItem, encodeReply, encodeStop } from '../../../src/rpc/dialect/native/message.ts'
import { encodeCommand, mayAskFor } from '../../../src/rpc/dialect/pyzmqrpc3.ts'
import { Dealer, Router } from '../../../src/socket/index.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { failureOf, Greet, useRpc } from '../../helpers/rpc.ts'
import { idle } from './idle.ts'

const rpc = useRpc()
const LOCAL = 'tcp://127.0.0.1:0'

const clientOf = (proxy: RpcProxy): RpcClient => rpc.client({ req: proxy.endpoints })
const serving = (options: RpcServerOptions = {}): Promise<RpcServer> => rpc.started({ rep: LOCAL, ...options })

describe('what passes through it', () => {
  it('a call with an idempotency key is carried out once, however it comes', async () => {
    class Ring extends Command<void> {}
    let times = 0
    const server = await serving()
    server.register(Ring, () => void times++)
    const proxies = [await rpc.proxy({ req: server.endpoints }), await rpc.proxy({ req: server.endpoints })]
    for (const proxy of [...proxies, ...proxies]) await clientOf(proxy).execute(new Ring(), { idempotencyKey: 'once' })
    expect(times).toBe(1)
  })

  it('questions about the server are answered by the server', async () => {
    const server = await serving()
    const client = clientOf(await rpc.proxy({ req: server.endpoints }))
    const { services } = await client.execute(new ListServices())
    expect(services.map(({ name }) => name)).toEqual(expect.arrayContaining(['Greet', 'Echo']))
    expect(await client.execute(new Health())).toMatchObject({ status: 'serving' })
  })

  it('ShutdownServer stops the server, not the proxy, and only where the proxy itself may do so', async () => {
    const open = await serving()
    const toOpen = await rpc.proxy({ req: open.endpoints, allowShutdown: true })
    const refusal = await failureOf(clientOf(toOpen).execute(new ShutdownServer()))
    expect(refusal).toMatchObject({ code: 'NOT_ALLOWED', message: expect.stringContaining('this server does not let you') })
    expect(open.running).toBe(true)
    const guarded = await serving({ auth: { users: { inner: 'two' } } })
    const proxy = await rpc.proxy({
      req: guarded.endpoints,
      credentials: { username: 'inner', password: 'two' },
      allowShutdown: true,
    })
    await clientOf(proxy).execute(new ShutdownServer())
    await guarded.stopped
    expect(proxy.running).toBe(true)
  })

  describe.each(['auto', 'pyzmqrpc3'] as const)('ShutdownServer of a caller, in the dialect %s', (dialect) => {
    const inner = { username: 'inner', password: 'two' }
    const outer = { username: 'outer', password: 'one' }
    const guarded = () => serving({ auth: { users: { inner: 'two' } } })

    it('whom nobody asked for a password is refused, with all that is passed on otherwise', async () => {
      const server = await guarded()
      const proxy = await rpc.proxy({ req: server.endpoints, credentials: inner })
      const client = rpc.client({ req: proxy.endpoints, dialect })
      const refused = await failureOf(client.execute(new ShutdownServer()))
      expect(refused).toMatchObject({ code: dialect === 'auto' ? 'NOT_ALLOWED' : 'SERVICE_FAILED' })
      expect(refused.message).toContain('this proxy does not let you shut down what is behind it')
      expect(await client.execute(new Greet('ShutdownServer'))).toBe('Hello ShutdownServer')
      expect(server.running).toBe(true)
    })

    it('who showed a password is passed on, unless nobody is to', async () => {
      const auth = { users: { outer: 'one' } }
      const server = await guarded()
      const refusing = await rpc.proxy({ auth, req: server.endpoints, credentials: inner, allowShutdown: false })
      const passing = await rpc.proxy({ auth, req: server.endpoints, credentials: inner })
      const clients = [refusing, passing].map(({ endpoints }) => rpc.client({ req: endpoints, dialect, credentials: outer }))
      expect((await failureOf((clients[0] as RpcClient).execute(new ShutdownServer()))).message).toContain('this proxy')
      await (clients[1] as RpcClient).execute(new ShutdownServer())
      await server.stopped
    })

    it('who publishes it is refused, too', async () => {
      const server = await guarded()
      const publisher = rpc.client({ pub: LOCAL, dialect })
      await publisher.ready()
      const refused = rpc.hear('zmq-rpc:command:refused')
      await rpc.proxy({ sub: publisher.publishEndpoint as string, req: server.endpoints, credentials: inner })
      await publisher.ready({ subscribers: 1 })
      await publisher.publish(new ShutdownServer())
      expect(await refused.atLeast(1)).toMatchObject([{ command: 'ShutdownServer', status: 403 }])
      expect(server.running).toBe(true)
    })
  })

  it('however Python writes ShutdownServer, a proxy finds it; and nothing else is taken for it', () => {
    const frame = (json: string): Buffer => Buffer.from(deflateSync(json).toString('base64'))
    const asks = (bytes: Buffer): boolean => mayAskFor('ShutdownServer', bytes)
    expect(asks(encodeCommand(new ShutdownServer()))).toBe(true)
    expect(asks(frame('{"_icmd_": ["ShutdownServer", {}]}'))).toBe(true)
    expect(asks(frame('  {"x": 1, "_icmd_": ["Shutdown\\u0053erver", null]}'))).toBe(true)
    expect(asks(frame(`{"_icmd_": ["Greet", {}], "_icmd_": ["ShutdownServer", {"x": "${'y'.repeat(1e6)}"}]}`))).toBe(true)
    // Nobody knows what stands in there.
    expect(asks(frame(`{"_icmd_": ["ShutdownServer", {"x": "${'y'.repeat(9e6)}"}]}`))).toBe(true)
    expect(asks(encodeCommand(new Greet('ShutdownServer')))).toBe(false)
    expect(asks(frame('{"_icmd_": ["Outer", {"inner": {"_icmd_": ["ShutdownServer", {}]}}]}'))).toBe(false)
    expect(asks(frame('{"_icmd_": ["ShutdownServer", }'))).toBe(false)
    for (const text of ['ShutdownServer', '', 'zmq_sub_heartbeat', '[1, 2]']) expect(asks(Buffer.from(text))).toBe(false)
  })

  it('what a server says that it serves reaches clients that came before it', async () => {
    const endpoint = await nowhere()
    const proxy = await rpc.proxy({ req: endpoint })
    const dealer = new Dealer({ linger: 0, receiveTimeout: 10_000, handshakeProperties: ANNOUNCEMENT })
    rpc.defer(() => dealer.close())
    dealer.connect(proxy.endpoints[0] as string)
    const heard: number[] = []
    const hear = async (): Promise<Buffer> => {
      const body = (await dealer.receive()).at(-1) as Buffer
      heard.push(kindOf(body))
      return body
    }
    const before = await hear()
    await serving({ rep: endpoint })
    const after = await hear()
    expect(heard).toEqual([KIND.hello, KIND.hello])
    expect(String(before)).not.toContain('Greet')
    expect(String(after)).toContain('Greet')
  })
})

describe('byte for byte', () => {
  /** A bare client and a bare server of the native dialect, and a proxy between. */
  async function bare(): Promise<{ dealer: Dealer; router: Router; proxy: RpcProxy }> {
    const router = new Router({ linger: 0, receiveTimeout: 10_000, sendTimeout: 10_000, handshakeProperties: ANNOUNCEMENT })
    rpc.defer(() => router.close())
    await router.bind(LOCAL)
    const proxy = await rpc.proxy({ req: router.lastEndpoint as string })
    const dealer = new Dealer({ linger: 0, receiveTimeout: 10_000, handshakeProperties: ANNOUNCEMENT })
    rpc.defer(() => dealer.close())
    dealer.connect(proxy.endpoints[0] as string)
    // HELLO
    await dealer.receive()
    return { dealer, router, proxy }
  }

  const id = Buffer.from([0, 0, 0, 9])
  const withoutTime = (body: readonly Buffer[]): string[] =>
    body.map((frame, index) => (index === 0 ? Buffer.concat([frame.subarray(0, 4), frame.subarray(8)]) : frame).toString('hex'))
  const hex = (body: readonly Buffer[]): string[] => body.map((frame) => frame.toString('hex'))

  it('calls are those that came but for the time, replies and items those that came', async () => {
    const { dealer, router, proxy } = await bare()
    const state = { text: 'é', binary: Buffer.alloc(10_000, 7), list: [1, 2n ** 70n, new Date(0), new Map([[1, 2]])] }
    const extras = { metadata: { site: 'north' }, idempotencyKey: 'once' }
    const call = encodeCall({ name: 'Anything', state, timeLeftMs: 5000, flags: FLAG.repeatable, extras })
    expect(call.length).toBe(2)
    await dealer.send([id, '', ...call])
    const [routing, number, empty, ...arrived] = (await router.receive()) as [Buffer, Buffer, Buffer, ...Buffer[]]
    expect(withoutTime(arrived)).toEqual(withoutTime(call))
    const left = (arrived[0] as Buffer).readUInt32BE(4)
    expect(left).toBeGreaterThan(4000)
    expect(left).toBeLessThanOrEqual(5000)

    const reply = encodeReply(state, { metadata: { 'served-by': 'lab' } })
    ;(reply[0] as Buffer).writeUInt32BE(1, 4)
    const item = encodeItem(0, 0, state)
    const end = encodeEnd(0, 1)
    for (const body of [reply, item, encodeCredit(3, 17), end]) await router.send([routing, number, empty, ...body])
    for (const body of [reply, item, encodeCredit(3, 17), end]) {
      const [echoed, , ...heard] = (await dealer.receive()) as [Buffer, Buffer, ...Buffer[]]
      expect(echoed).toEqual(id)
      expect(hex(heard)).toEqual(hex(body))
    }
    await idle(proxy)
  })

  it('a reply that claims more streams than there may be is none, and costs nothing', async () => {
    const { dealer, router, proxy } = await bare()
    await dealer.send([id, '', ...encodeCall({ name: 'Anything', state: {}, timeLeftMs: NO_LIMIT, flags: 0 })])
    const [routing, number, empty] = (await router.receive()) as [Buffer, Buffer, Buffer]
    const [reply] = encodeReply('x') as [Buffer]
    reply.writeUInt32BE(0xffffffff, 4)
    await router.send([routing, number, empty, reply])
    const heard = await dealer.receive()
    expect(kindOf(heard[2] as Buffer)).toBe(KIND.error)
    expect(String(heard[2])).toContain('4294967295 streams')
    await idle(proxy)
  })

  it('a caller that says what belongs to no call, or does not stop, is not passed on for ever', async () => {
    const { dealer, router, proxy } = await bare()
    for (const body of [encodeItem(0, 0, 'x'), encodeStop(1), encodeCredit(2, 1)]) await dealer.send([id, '', ...body])
    await dealer.send([id, '', ...encodeCall({ name: 'Anything', state: {}, timeLeftMs: 500, flags: 0 })])
    // The far end hears the call first of all, and what belongs to it.
    expect(kindOf((await router.receive())[3] as Buffer)).toBe(KIND.call)
    await dealer.send([id, '', ...encodeItem(0, 0, 'x')])
    expect(kindOf((await router.receive())[3] as Buffer)).toBe(KIND.item)
    expect(kindOf((await router.receive())[3] as Buffer)).toBe(KIND.cancel)
    await idle(proxy)
    await dealer.send([id, '', ...encodeItem(0, 1, 'late')])
    await idle(proxy)
  })
})
