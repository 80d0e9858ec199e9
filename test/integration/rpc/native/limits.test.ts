/** How much a server has under way, what waits for it, and what it turns away. Which call is next: test/unit/rpc/server/admission.test.ts. */

import { describe, expect, it } from 'vitest'
import { Command, type RpcClient, type RpcServer, type RpcServerOptions, type ServiceOptions } from '../../../../src/index.ts'
import { Count, deferred, endpointOf, failureOf, Greet, TRANSPORTS, until, useRpc } from '../../../helpers/rpc.ts'

const rpc = useRpc()

const TCP = { rep: 'tcp://127.0.0.1:0' }

/** Needs something scarce. */
class Print extends Command<number> {
  static readonly commandName: string = 'Print'
  n = 0
  static of(n: number): Print {
    return Object.assign(new Print(), { n })
  }
}

/** A server whose Count and Print wait until they are let go, and the order in which they began. */
class Gate {
  readonly begun: string[] = []
  readonly #waiting: (() => void)[] = []
  #open = false

  constructor(server: RpcServer, options: ServiceOptions = {}) {
    const wait = (name: string) => async (command: { n: number }) => {
      this.begun.push(`${name} ${command.n}`)
      if (!this.#open) await new Promise<void>((resolve) => this.#waiting.push(resolve))
      return command.n
    }
    server.register(Count, wait('Count')).register(Print, wait('Print'), options)
  }

  /** The oldest ends. */
  next(): void {
    this.#waiting.shift()?.()
  }

  open(): void {
    this.#open = true
    for (const go of this.#waiting.splice(0)) go()
  }
}

async function gated(options: RpcServerOptions, service: ServiceOptions = {}): Promise<{ gate: Gate; server: RpcServer }> {
  let gate: Gate | undefined
  const server = await rpc.started(options, (server) => {
    gate = new Gate(server, service)
  })
  return { gate: gate as Gate, server }
}

async function ready(server: RpcServer, options: object = {}): Promise<RpcClient> {
  const client = rpc.client({ req: endpointOf(server), ...options })
  await client.ready()
  return client
}

const counts = (client: RpcClient, from: number, count: number): Promise<unknown>[] =>
  Array.from({ length: count }, (_, n) => client.execute(new Count(from + n)))

describe.each(TRANSPORTS)('over $name', ({ endpoint }) => {
  it('calls beyond maxConcurrentCalls wait, and run in order; one beyond maxQueuedCalls is OVERLOADED at once', async () => {
    const { gate, server } = await gated({ rep: endpoint(), maxConcurrentCalls: 2, maxQueuedCalls: 3 })
    const client = await ready(server)
    const calls = counts(client, 0, 5)
    await until(() => server.stats().waiting === 3, 'three wait')
    const refused = rpc.hear('zmq-rpc:command:refused')
    const error = await failureOf(client.execute(new Count(5)))
    expect(error).toMatchObject({ code: 'OVERLOADED', status: 429, command: 'Count', started: 'no', retrySafe: 'always' })
    expect(error.message).toContain('command "Count" was not carried out: 2 calls are under way here, and 3 wait already')
    expect(refused.events).toMatchObject([{ status: 429, command: 'Count' }])
    expect(gate.begun).toEqual(['Count 0', 'Count 1'])
    gate.next()
    await until(() => gate.begun.length === 3, 'the next begins')
    // There is room for one more.
    const sixth = client.execute(new Count(6))
    await until(() => server.stats().waiting === 3, 'three wait again')
    gate.open()
    expect(await Promise.all([...calls, sixth])).toEqual([0, 1, 2, 3, 4, 6])
    expect(gate.begun).toEqual(['Count 0', 'Count 1', 'Count 2', 'Count 3', 'Count 4', 'Count 6'])
    expect(server.stats()).toMatchObject({ running: 0, waiting: 0 })
  })
})

describe('maxQueuedCalls', () => {
  it('0 has none wait', async () => {
    const { gate, server } = await gated({ ...TCP, maxConcurrentCalls: 1, maxQueuedCalls: 0 })
    const client = await ready(server)
    const first = client.execute(new Count(1))
    await until(() => gate.begun.length === 1, 'it is under way')
    expect(await failureOf(client.execute(new Count(2)))).toMatchObject({ code: 'OVERLOADED' })
    gate.open()
    expect(await first).toBe(1)
    expect(await client.execute(new Count(3))).toBe(3)
  })

  it('does not count clients of the other dialect, which are never turned away: theirs wait with themselves', async () => {
    const { gate, server } = await gated({ ...TCP, maxConcurrentCalls: 1, maxQueuedCalls: 1 })
    const [native, plain] = [await ready(server), await ready(server, { dialect: 'pyzmqrpc3' })]
    const first = native.execute(new Count(0))
    await until(() => gate.begun.length === 1, 'it is under way')
    const many = counts(plain, 100, 50)
    await until(() => server.stats().waiting === 1, 'one of them is read, and waits')
    // The queue is as full as it may be for those who can be turned away.
    expect(await failureOf(native.execute(new Count(1)))).toMatchObject({ code: 'OVERLOADED' })
    gate.open()
    expect(await first).toBe(0)
    expect(await Promise.all(many)).toEqual(Array.from({ length: 50 }, (_, n) => 100 + n))
  })

  it('turned away by one server, a call goes to the next', async () => {
    const [one, two] = [await gated({ ...TCP, maxConcurrentCalls: 1, maxQueuedCalls: 0 }), await gated(TCP)]
    const client = rpc.client({ req: [endpointOf(one.server), endpointOf(two.server)] })
    await client.ready()
    const busy = (await ready(one.server)).execute(new Count(0))
    await until(() => one.gate.begun.length === 1, 'the first is busy')
    two.gate.open()
    expect(await Promise.all(counts(client, 1, 10))).toEqual(Array.from({ length: 10 }, (_, n) => n + 1))
    expect(one.gate.begun).toEqual(['Count 0'])
    one.gate.open()
    await busy
  })
})

describe('maxConcurrentCallsPerPeer', () => {
  it('leaves room for the others, who begin before what the greedy one has waiting', async () => {
    const { gate, server } = await gated({ ...TCP, maxConcurrentCalls: 10, maxConcurrentCallsPerPeer: 2 })
    const [greedy, modest] = [await ready(server), await ready(server)]
    const many = counts(greedy, 0, 20)
    await until(() => server.stats().waiting === 18, 'it has two under way, and the rest waits')
    const few = counts(modest, 100, 2)
    await until(() => gate.begun.length === 4, 'both of the modest one begin')
    expect(gate.begun).toEqual(['Count 0', 'Count 1', 'Count 100', 'Count 101'])
    gate.open()
    expect(await Promise.all([...many, ...few])).toHaveLength(22)
  })

  it('is given back when a client leaves', async () => {
    const { gate, server } = await gated({ ...TCP, maxConcurrentCallsPerPeer: 1 })
    const leaving = await ready(server)
    const gone = counts(leaving, 0, 3).map((call) => failureOf(call))
    await until(() => server.stats().waiting === 2, 'two wait')
    await leaving.close()
    await Promise.all(gone)
    await until(() => server.stats().waiting === 0, 'nothing waits for it')
    // Its service does not listen to its signal: until it ends it counts.
    expect(server.stats().running).toBe(1)
    const staying = await ready(server)
    const call = staying.execute(new Count(7))
    await until(() => gate.begun.includes('Count 7'), 'it begins at once')
    gate.open()
    expect(await call).toBe(7)
    expect(gate.begun).toEqual(['Count 0', 'Count 7'])
    await until(() => server.stats().running === 0, 'all is over')
  })
})

describe('a limit for one kind of command', () => {
  it('has only that kind wait; those that wait do not hold up others behind them', async () => {
    const { gate, server } = await gated({ ...TCP, maxConcurrentCalls: 3 }, { maxConcurrent: 1 })
    const client = await ready(server)
    const prints = [1, 2, 3].map((n) => client.execute(Print.of(n)))
    const others = counts(client, 10, 2)
    await until(() => gate.begun.length === 3, 'what may begin has begun')
    expect(gate.begun).toEqual(['Print 1', 'Count 10', 'Count 11'])
    gate.next()
    await until(() => gate.begun.length === 4, 'the next print begins')
    expect(gate.begun[3]).toBe('Print 2')
    gate.open()
    expect(await Promise.all([...prints, ...others])).toEqual([1, 2, 3, 10, 11])
  })
})

describe('fairness', () => {
  it('each client that waits has its turn before any has a second', async () => {
    const { gate, server } = await gated({ ...TCP, maxConcurrentCalls: 1 })
    const clients = await Promise.all(Array.from({ length: 4 }, () => ready(server)))
    const first = (clients[0] as RpcClient).execute(new Count(999))
    await until(() => gate.begun.length === 1, 'the first is under way')
    const calls = clients.flatMap((client, who) => counts(client, who * 100, who === 0 ? 30 : 5))
    await until(() => server.stats().waiting === 45, 'all wait')
    for (let turn = 1; turn <= 20; turn++) {
      gate.next()
      await until(() => gate.begun.length === turn + 1, 'the next begins')
    }
    const turns = gate.begun.slice(1).map((begun) => Math.floor(Number(begun.split(' ')[1]) / 100))
    for (let round = 0; round < 5; round++) expect(turns.slice(round * 4, round * 4 + 4).sort()).toEqual([0, 1, 2, 3])
    gate.open()
    await Promise.all([first, ...calls])
  })

  it('a service that answers at once does not let a flood keep others out', async () => {
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 1 })
    const [flood, modest] = [await ready(server, { maxQueued: 20_000 }), await ready(server)]
    const many = counts(flood, 0, 10_000)
    let ended = 0
    for (const call of many) void call.then(() => ended++)
    expect(await modest.execute(new Greet('Ada'))).toBe('Hello Ada')
    expect(ended).toBeLessThan(10_000)
    await Promise.all(many)
  })
})

describe('calls that are under way', () => {
  it('are counted right, whatever ends them', async () => {
    const go = deferred()
    const server = await rpc.started({ ...TCP, maxConcurrentCalls: 4, maxQueuedCalls: 50 }, (server) =>
      server.register(Count, async ({ n }) => {
        if (n % 5 === 0) throw new Error('at once')
        await go.promise
        if (n % 5 === 1) throw new Error('later')
        if (n % 5 === 2) return Symbol('x') as unknown as number
        return n
      }),
    )
    const client = await ready(server)
    const controller = new AbortController()
    const calls = Array.from({ length: 40 }, (_, n) =>
      client.execute(new Count(n), n % 7 === 3 ? { signal: controller.signal } : {}).then(
        () => 'ok',
        ({ code }) => code as string,
      ),
    )
    await until(() => server.stats().waiting > 20, 'many wait')
    controller.abort()
    go.resolve()
    const ends = await Promise.all(calls)
    const expected = ends.map((_, n) =>
      n % 7 === 3 && n % 5 !== 0 ? 'ABORTED' : ['SERVICE_FAILED', 'SERVICE_FAILED', 'BAD_RESULT', 'ok', 'ok'][n % 5],
    )
    // One that fails at once may have failed before it was given up.
    for (const [n, end] of ends.entries()) expect(n % 35 === 10 ? ['ABORTED', 'SERVICE_FAILED'] : [expected[n]]).toContain(end)
    await until(() => server.stats().running === 0, 'all is over')
    expect(server.stats()).toMatchObject({ running: 0, waiting: 0, streams: 0, connections: 1 })
  })
})
