import { describe, expect, it } from 'vitest'
import type { RpcServer } from '../../../src/index.ts'
import { encodeCommand } from '../../../src/rpc/dialect/pyzmqrpc3.ts'
import { Dealer, Publisher } from '../../../src/socket/index.ts'
import { Count, type Deferred, DIALECTS, deferred, Echo, endpointOf, Greet, until, useRpc, WAYS } from '../../helpers/rpc.ts'

const rpc = useRpc()

/** A service that is slow until the test lets it go; it keeps count of how many are under way. */
class Gate {
  underWay = 0
  most = 0
  readonly begun: number[] = []
  readonly #waiting: { n: number; go: Deferred<void> }[] = []
  #open = false

  register = (server: RpcServer): void => {
    server.register(Count, async ({ n }) => {
      this.begun.push(n)
      this.underWay++
      this.most = Math.max(this.most, this.underWay)
      if (!this.#open) {
        const go = deferred()
        this.#waiting.push({ n, go })
        await go.promise
      }
      this.underWay--
      return n
    })
  }

  /** Lets the oldest go. */
  next(): void {
    this.#waiting.shift()?.go.resolve()
  }

  open(): void {
    this.#open = true
    for (const { go } of this.#waiting.splice(0)) go.resolve()
  }
}

describe.each(WAYS)('over $name, in the $dialect dialect', ({ endpoint, dialect }) => {
  rpc.speak(dialect)

  it('no more calls are under way than maxConcurrentCalls, whoever sends them; none is lost', async () => {
    const gate = new Gate()
    const server = await rpc.started({ rep: endpoint(), maxConcurrentCalls: 3 }, gate.register)
    const clients = Array.from({ length: 5 }, () => rpc.client({ req: endpointOf(server) }))
    await Promise.all(clients.map((client) => client.ready()))
    const calls = clients.flatMap((client, who) => Array.from({ length: 20 }, (_, n) => client.execute(new Count(who * 100 + n))))
    await until(() => gate.underWay === 3, 'as many as may be are under way')
    // One at a time: each end lets others in, and must not let in too many.
    for (let ended = 0; ended < 60; ended++) {
      gate.next()
      await until(() => gate.begun.length >= Math.min(ended + 4, 100), 'the next one begins')
    }
    expect(gate.most).toBe(3)
    gate.open()
    expect(await Promise.all(calls)).toEqual(clients.flatMap((_, who) => Array.from({ length: 20 }, (_, n) => who * 100 + n)))
    expect(gate.most).toBe(3)
  })

  it('a client with much to do does not keep the others waiting', async () => {
    const gate = new Gate()
    const server = await rpc.started({ rep: endpoint(), maxConcurrentCalls: 1 }, gate.register)
    const [greedy, modest] = [rpc.client({ req: endpointOf(server) }), rpc.client({ req: endpointOf(server) })]
    await Promise.all([greedy.ready(), modest.ready()])
    const many = Array.from({ length: 200 }, (_, n) => greedy.execute(new Count(n)))
    await until(() => gate.underWay === 1, 'the first is under way')
    const one = modest.execute(new Count(1000))
    let turns = 0
    while (!gate.begun.includes(1000)) {
      expect(turns++, 'turns that the greedy one had first').toBeLessThan(60)
      const before = gate.begun.length
      gate.next()
      await until(() => gate.begun.length > before, 'the next one begins')
    }
    gate.open()
    expect(await one).toBe(1000)
    await Promise.all(many)
  })
})

describe.each(DIALECTS)('a publisher, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('is not read either while too many calls are under way, and nothing it says is lost', async () => {
    const gate = new Gate()
    const publisher = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    await publisher.ready()
    const server = await rpc.started(
      { rep: 'tcp://127.0.0.1:0', sub: publisher.publishEndpoint as string, maxConcurrentCalls: 2 },
      gate.register,
    )
    const caller = rpc.client({ req: endpointOf(server) })
    await Promise.all([publisher.ready({ subscribers: 1 }), caller.ready()])
    const calls = Array.from({ length: 20 }, (_, n) => caller.execute(new Count(n)))
    for (let n = 100; n < 120; n++) await publisher.publish(new Count(n))
    for (let ended = 0; ended < 30; ended++) {
      await until(() => gate.underWay === 2, 'as many as may be are under way')
      gate.next()
      await until(() => gate.begun.length >= ended + 3, 'the next one begins')
    }
    gate.open()
    await Promise.all(calls)
    await until(() => gate.begun.length === 40, 'all were carried out')
    expect(gate.most).toBe(2)
    expect(gate.begun.filter((n) => n >= 100)).toEqual(Array.from({ length: 20 }, (_, n) => 100 + n))
  })

  it('is not taken for silent while it is not read', () =>
    rpc.virtually(async () => {
      const gate = new Gate()
      const raw = new Publisher({ linger: 0 })
      rpc.defer(() => raw.close())
      await raw.bind('tcp://127.0.0.1:0')
      const connected = rpc.hear('zmq-rpc:connected')
      const silent = rpc.hear('zmq-rpc:sub:silent')
      const lost = rpc.hear('zmq-rpc:disconnected')
      await rpc.started({ sub: { endpoint: raw.lastEndpoint as string, heartbeatTimeoutMs: 60 }, maxConcurrentCalls: 1 }, gate.register)
      await connected.atLeast(1)
      await until(async () => {
        await raw.send(encodeCommand(new Count(0)))
        return gate.underWay === 1
      }, 'the publisher is heard')
      for (let n = 1; n <= 5; n++) await raw.send(encodeCommand(new Count(n)))
      const before = silent.events.length
      await new Promise((resolve) => setTimeout(resolve, 60_000))
      expect(silent.events.length - before).toBe(0)
      expect(lost.events).toEqual([])
      gate.open()
      await until(() => gate.begun.includes(5), 'what was said meanwhile is heard')
      expect(gate.begun.filter((n) => n > 0)).toEqual([1, 2, 3, 4, 5])
      // From now on it is read, says nothing, and is silent indeed.
      await silent.atLeast(before + 1)
    }))
})

describe('a client that does not read its replies', () => {
  const CALLS = 3000
  const REPLY_BYTES = 100_000

  it('costs the server little, keeps nobody waiting, and loses nothing', { timeout: 60_000 }, async () => {
    const text = 'x'.repeat(REPLY_BYTES)
    const executed = { count: 0 }
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' }, (server) =>
      server.register(Count, ({ n }) => {
        executed.count++
        return `${n} ${text}` as unknown as number
      }),
    )
    const deaf = new Dealer({ linger: 0, receiveHighWaterMark: 10, sendHighWaterMark: CALLS })
    rpc.defer(() => deaf.close())
    deaf.connect(endpointOf(server))
    const before = memory()
    for (let n = 0; n < CALLS; n++) await deaf.send([String(n), '', encodeCommand(new Count(n))])
    // It goes on until the queue of the deaf one is full, and then stands still.
    let last = -1
    await until(async () => {
      const same = executed.count === last && executed.count > 0
      last = executed.count
      const client = rpc.client({ req: endpointOf(server) })
      expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
      await client.close()
      await new Promise((resolve) => setTimeout(resolve, 20))
      return same
    }, 'the server stops reading the deaf one')
    expect(executed.count).toBeLessThan(CALLS)
    expect(memory() - before).toBeLessThan(80e6)
    const seen = new Set<number>()
    for (let n = 0; n < CALLS; n++) {
      const [id, empty, reply] = (await deaf.receive()) as [Buffer, Buffer, Buffer]
      expect(empty.length).toBe(0)
      expect(reply.includes(`"response_message": "${String(id)} xxx`)).toBe(true)
      seen.add(Number(id))
    }
    expect(seen.size).toBe(CALLS)
    expect(executed.count).toBe(CALLS)
  })

  it('takes what it cost with it when it leaves', async () => {
    const server = await rpc.started({ rep: 'tcp://127.0.0.1:0' })
    const lost = rpc.hear('zmq-rpc:disconnected')
    const deaf = new Dealer({ linger: 0, receiveHighWaterMark: 1, sendHighWaterMark: 0 })
    rpc.defer(() => deaf.close())
    deaf.connect(endpointOf(server))
    const frame = encodeCommand(new Echo('y'.repeat(200_000)))
    for (let n = 0; n < 200; n++) await deaf.send(['', frame])
    const client = rpc.client({ req: endpointOf(server) })
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    await deaf.close()
    await lost.atLeast(1)
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })
})

function memory(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
