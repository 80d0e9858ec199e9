import { randomBytes } from 'node:crypto'
import { deflateRawSync, deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Command } from '../../../src/index.ts'
import { encodeCommand } from '../../../src/rpc/dialect/pyzmqrpc3.ts'
import { Dealer, Publisher } from '../../../src/socket/index.ts'
import { RawConnection } from '../../helpers/raw-peer.ts'
import { Count, Echo, endpointOf, Greet, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

const TCP = { rep: 'tcp://127.0.0.1:0' }

const pack = (json: string | Buffer): Buffer => Buffer.from(deflateSync(json).toString('base64'))

/** A raw client that sends what it likes, and gets the status of each answer. */
class Stranger {
  readonly #dealer = new Dealer({ linger: 0, receiveTimeout: 10_000 })
  #number = 0

  constructor(endpoint: string) {
    rpc.defer(() => this.#dealer.close())
    this.#dealer.connect(endpoint)
  }

  async ask(...body: Buffer[]): Promise<{ status_code: number; status_message: string }> {
    const number = String(++this.#number)
    await this.#dealer.send([number, '', ...body])
    const [id, empty, reply, ...rest] = await this.#dealer.receive()
    expect(String(id)).toBe(number)
    expect(empty).toHaveLength(0)
    expect(rest).toEqual([])
    return JSON.parse(String(reply))
  }

  /** Sends frames as they are, and waits for the answer to a good request behind them. */
  async shout(frames: Buffer[], probe: Buffer): Promise<Buffer[][]> {
    await this.#dealer.send(frames)
    await this.#dealer.send(['probe', '', probe])
    const answers: Buffer[][] = []
    for (;;) {
      const answer = await this.#dealer.receive()
      if (String(answer[0]) === 'probe' && answer.length === 3) return answers
      answers.push(answer)
    }
  }
}

class Weird extends Command {
  static thrown: unknown
  static where: 'constructor' | 'setter' | 'nowhere' = 'nowhere'
  constructor() {
    super()
    if (Weird.where === 'constructor') throw Weird.thrown
  }
  override setCommandState(): void {
    if (Weird.where === 'setter') throw Weird.thrown
  }
}

describe('a body that is no command', () => {
  const bomb = (bytes: number): Buffer => pack(Buffer.alloc(bytes, ' '))
  const cases: [string, Buffer[], number][] = [
    ['nothing', [Buffer.alloc(0)], 400],
    ['no base64', [Buffer.from('\u0000\u0001\u0002')], 400],
    ['base64 of nothing zipped', [Buffer.from('aGVsbG8=')], 400],
    ['raw deflate', [Buffer.from(deflateRawSync('{}').toString('base64'))], 400],
    ['zipped, and cut short', [pack('{"_icmd_": ["Greet", {}]}').subarray(0, 20)], 400],
    ['zipped, and changed', [Buffer.from(pack('{"_icmd_": ["Greet", {}]}').toString('latin1').replace('e', 'f'))], 400],
    ['binary', [randomBytes(1000)], 400],
    ['zipped bytes that are no UTF-8', [pack(Buffer.from([0x22, 0xff, 0xfe, 0x22]))], 400],
    ['no JSON', [pack('{"_icmd_": ["Greet", {}')], 400],
    ['JSON that is no command', [pack('{"a": 1}')], 451],
    ['a text', [pack('"hello"')], 451],
    ['a list', [pack('[1, 2]')], 451],
    ['null', [pack('null')], 451],
    ['a command without a name', [pack('{"_icmd_": [7, {}]}')], 400],
    ['a command of three', [pack('{"_icmd_": ["Greet", {}, 1]}')], 400],
    ['a command that is no list', [pack('{"_icmd_": "Greet"}')], 400],
    ['an unknown command', [pack('{"_icmd_": ["Nobody", {}]}')], 451],
    ['__proto__ as its name', [pack('{"_icmd_": ["__proto__", {}]}')], 451],
    ['constructor as its name', [pack('{"_icmd_": ["constructor", {}]}')], 451],
    ['Command itself', [pack('{"_icmd_": ["Command", {}]}')], 451],
    ['a known command with a state that is none', [pack('{"_icmd_": ["Greet", 7]}')], 400],
    ['an unknown command inside a known one', [pack('{"_icmd_": ["Echo", {"value": {"_icmd_": ["Nobody", {}]}}]}')], 400],
    ['nested without end', [pack('['.repeat(500_000))], 400],
    ['arrays without end', [pack(`[${'[[]],'.repeat(400_000)}0]`)], 400],
    ['an integer without end', [pack(`{"_icmd_": ["Echo", {"value": ${'9'.repeat(100_000)}}]}`)], 400],
    ['two frames', [encodeCommand(new Greet('x')), Buffer.from('x')], 400],
    ['many frames', Array.from({ length: 1000 }, () => Buffer.from('x')), 400],
    ['empty frames', [Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0)], 400],
    ['a bomb of zlib just over the limit', [bomb(1_000_001)], 400],
    ['a bomb of zlib far over the limit', [bomb(200_000_000)], 400],
    ['a bomb of zlib within the limit', [bomb(900_000)], 400],
  ]

  it('is answered, and the server lives on', { timeout: 30_000 }, async () => {
    const server = await rpc.started({ ...TCP, maxInflatedBytes: 1_000_000 })
    const stranger = new Stranger(endpointOf(server))
    for (const [name, body, status] of cases) {
      const before = memory()
      const answer = await stranger.ask(...body)
      expect({ name, status: answer.status_code, text: answer.status_message }).toMatchObject({ name, status })
      expect(answer.status_message).toMatch(
        status === 400 ? /^Incorrectly marshalled command\./ : /^No service on the server is registered for command "/,
      )
      expect(memory() - before, name).toBeLessThan(100e6)
    }
    expect(await rpc.client({ req: endpointOf(server) }).execute(new Greet('Ada'))).toBe('Hello Ada')
  })

  it('pollutes nothing', async () => {
    let seen: unknown
    const server = rpc.server(TCP)
    server.register(Echo, ({ value }) => {
      seen = value
    })
    await server.start()
    const stranger = new Stranger(endpointOf(server))
    const state =
      '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "getCommandState": 1, "value": {"__proto__": {"polluted": 1}}}'
    expect(await stranger.ask(pack(`{"_icmd_": ["Echo", ${state}]}`))).toMatchObject({ status_code: 200 })
    expect(Object.getPrototypeOf(seen)).toBe(Object.prototype)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect(typeof Command.prototype.getCommandState).toBe('function')
  })

  it.each([
    ['nothing', undefined],
    ['an object that cannot be shown', Object.create(null)],
    [
      'an error that cannot be shown',
      Object.defineProperty(new Error('x'), 'message', {
        get: () => {
          throw new Error('no')
        },
      }),
    ],
    ['an error with a symbol', Object.assign(new Error('x'), { message: Symbol('x') })],
  ])('is answered with 400 when its class throws %s', async (_name, thrown) => {
    const server = await rpc.started(TCP, (server) => server.register(Weird, () => 0))
    const stranger = new Stranger(endpointOf(server))
    rpc.defer(() => {
      Weird.where = 'nowhere'
    })
    Weird.thrown = thrown
    for (const where of ['setter', 'constructor'] as const) {
      Weird.where = where
      expect(await stranger.ask(pack('{"_icmd_": ["Weird", {}]}'))).toMatchObject({ status_code: 400 })
    }
    Weird.where = 'nowhere'
    expect(await stranger.ask(pack('{"_icmd_": ["Weird", {}]}'))).toMatchObject({ status_code: 200 })
  })
})

/** Frames that are often nearly right. */
const frame = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.constant(Buffer.alloc(0)),
  fc.constant(Buffer.from('zmq_sub_heartbeat')),
  fc.constant(encodeCommand(new Greet('x'))),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => pack(Buffer.from(bytes))),
  fc.json().map((json) => pack(json)),
  fc
    .tuple(fc.constantFrom('Greet', 'Echo', 'ShutdownServer', 'Nobody', '__proto__', 'toString'), fc.json())
    .map(([name, state]) => pack(`{"_icmd_": [${JSON.stringify(name)}, ${state}]}`)),
  fc.tuple(fc.nat(60), fc.nat(255)).map(([at, byte]) => {
    const broken = Buffer.from(encodeCommand(new Echo({ deep: [new Greet('x')] })))
    broken[at % broken.length] = byte
    return broken
  }),
)

describe('frames of any kind', () => {
  it('are answered by an RpcServer when they have an envelope, and dropped, with an event, when they have none', {
    timeout: 60_000,
  }, async () => {
    const server = await rpc.started({ ...TCP, dialect: 'pyzmqrpc3' })
    const dropped = rpc.hear('zmq-rpc:dropped')
    const stranger = new Stranger(endpointOf(server))
    let events = 0
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 6 }), async (frames) => {
        const answers = await stranger.shout(frames, encodeCommand(new Greet('Ada')))
        const empty = frames.findIndex((one) => one.length === 0)
        if (empty >= 0 && empty < frames.length - 1) {
          expect(answers).toHaveLength(1)
          const answer = answers[0] as Buffer[]
          expect(answer.slice(0, -1).map((one) => one.toString('hex'))).toEqual(
            frames.slice(0, empty + 1).map((one) => one.toString('hex')),
          )
          const { status_code } = JSON.parse(String(answer.at(-1)))
          expect([200, 400, 451, 463]).toContain(status_code)
        } else {
          expect(answers).toEqual([])
          expect(dropped.events).toHaveLength(++events)
        }
      }),
      { numRuns: 300 },
    )
    expect(server.running).toBe(true)
  })

  it('are answered by a Receiver, too', { timeout: 60_000 }, async () => {
    // Which speaks but one dialect: a message of the other would not be answered if it is no call.
    const receiver = rpc.receiver({ ...TCP, dialect: 'pyzmqrpc3' })
    await receiver.start()
    const stranger = new Stranger(endpointOf(receiver))
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 4 }), async (body) => {
        const { status_code } = await stranger.ask(...body)
        const text = body.length === 1 && Buffer.from(String(body[0])).equals(body[0] as Buffer)
        expect(status_code).toBe(text ? 200 : 400)
      }),
      { numRuns: 300 },
    )
  })

  it('from a publisher are dropped, with an event, and the good ones among them carried out', { timeout: 60_000 }, async () => {
    const publisher = new Publisher({ linger: 0 })
    rpc.defer(() => publisher.close())
    await publisher.bind('tcp://127.0.0.1:0')
    const seen: number[] = []
    await rpc.started({ sub: publisher.lastEndpoint as string }, (server) =>
      server.register(Count, ({ n }) => {
        seen.push(n)
        return n
      }),
    )
    await until(async () => {
      await publisher.send(encodeCommand(new Count(-1)))
      return seen.includes(-1)
    }, 'the publisher is heard')
    let n = 0
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 6 }), async (frames) => {
        await publisher.send(frames)
        await publisher.send(encodeCommand(new Count(++n)))
        await until(() => seen.at(-1) === n, 'the good one is carried out')
      }),
      { numRuns: 200 },
    )
    const refused = rpc.hear('zmq-rpc:command:refused')
    await publisher.send(['garbage', 'garbage'])
    await refused.atLeast(1)
  })
})

describe('bytes of any kind', () => {
  it('cost the sender its connection, and nobody else anything', async () => {
    const server = await rpc.started({ ...TCP, maxMessageBytes: 10_000 })
    const client = rpc.client({ req: endpointOf(server) })
    await client.ready()
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 200 }), async (shake, bytes) => {
        const raw = await RawConnection.connect(endpointOf(server))
        if (shake) await raw.handshake('DEALER')
        raw.write(Buffer.from(bytes))
        expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
        raw.close()
      }),
      { numRuns: 60 },
    )
    const raw = await RawConnection.connect(endpointOf(server))
    await raw.handshake('DEALER')
    raw.write(Buffer.from('0200000000ffffffff', 'hex'))
    await raw.closed
  })

  it('a request over maxMessageBytes costs its sender the connection, which comes back', async () => {
    const server = await rpc.started({ ...TCP, maxMessageBytes: 10_000 })
    const client = rpc.client({ req: endpointOf(server) })
    await expect(client.execute(new Echo(randomBytes(20_000).toString('hex')))).rejects.toMatchObject({ code: 'CONNECTION_LOST' })
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })

  it('a reply over maxMessageBytes costs the client its connection, which comes back', async () => {
    const server = await rpc.started(TCP)
    const client = rpc.client({ req: endpointOf(server), maxMessageBytes: 10_000 })
    await expect(client.execute(new Echo('x'.repeat(20_000)))).rejects.toMatchObject({ code: 'CONNECTION_LOST' })
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })
})

function memory(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe('a server with a limit of connections', () => {
  it.each(['maxConnections', 'maxConnectionsPerAddress'])('turns away what is over %s, and says so, until there is room', async (limit) => {
    const server = await rpc.started({ ...TCP, [limit]: 1 })
    const first = rpc.client({ req: endpointOf(server) })
    await first.ready()
    const told = rpc.hear('zmq-rpc:handshake:failed')
    const second = rpc.client({ req: endpointOf(server) })
    const greeting = second.execute(new Greet('Ada'))
    const [event] = await told.atLeast(1)
    expect(event?.error.message).toContain(`(${limit})`)
    expect(await first.execute(new Greet('Bob'))).toBe('Hello Bob')
    await first.close()
    expect(await greeting).toBe('Hello Ada')
  })
})
