/** Calls in the native dialect: what the other one has no words for. */

import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Command, type Metadata } from '../../../../src/index.ts'
import { OpaqueCommand } from '../../../../src/rpc/command/command.ts'
import { NumberedStream } from '../../../helpers/native-json.ts'
import { Count, deferred, Echo, endpointOf, failureOf, Greet, TRANSPORTS, useRpc } from '../../../helpers/rpc.ts'
import { arriving, nativeValue } from '../../../unit/rpc/dialect/native/native-values.ts'

const rpc = useRpc()

const TCP = { rep: 'tcp://127.0.0.1:0' }

class Point extends Command {
  x = 0
  y = 0
  static of(x: number, y: number): Point {
    return Object.assign(new Point(), { x, y })
  }
}

const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, at) => (at * 7) & 255))

describe('a value', () => {
  const nothing: unknown[] = []
  const values: Record<string, unknown> = {
    undefined: undefined,
    null: null,
    true: true,
    'minus zero': -0,
    NaN: Number.NaN,
    'a large integer': Number.MAX_SAFE_INTEGER,
    'a float beyond it': 2 ** 70,
    'a small bigint': 7n,
    'a bigint of 64 bits': 2n ** 63n,
    'a large bigint': -(2n ** 300n),
    'a lone surrogate': 'a\ud800b',
    'a Date': new Date(1234567890123),
    'a Date before 1970': new Date(-1),
    'an Int16Array': new Int16Array([-1, 2]),
    'a Float64Array': new Float64Array([0.1, -0, Number.NaN]),
    'a BigInt64Array': new BigInt64Array([-1n, 2n ** 62n]),
    'a large Float64Array': new Float64Array(10_000).fill(0.5),
    'a Map': new Map<unknown, unknown>([
      ['a', 1],
      [{ b: 2 }, new Map([[Number.NaN, null]])],
    ]),
    'a Set': new Set(['a', 1, null]),
    'holes, which come as undefined': nothing,
    'null and undefined in a list': [null, undefined, [undefined]],
    'an object that is deep': { a: [{ b: new Map([['c', [new Set([1n])]]]) }] },
  }

  it.each(Object.keys(values))('comes to the service, and back: %s', async (name) => {
    let seen: unknown
    const server = rpc.server(TCP).register(Echo, ({ value }) => {
      seen = value
      return value
    })
    await server.start()
    const value = values[name]
    const back = await rpc.client({ req: endpointOf(server) }).execute(new Echo(value))
    const expected = value === nothing ? [] : value
    expect(seen).toStrictEqual(expected === undefined ? null : expected)
    // Left out of the state, as every field that is undefined: the command keeps what its constructor made.
    expect(back).toStrictEqual(expected === undefined ? null : expected)
  })

  it('that is a Buffer comes as one', async () => {
    const server = await rpc.started(TCP)
    const back = await rpc.client({ req: endpointOf(server) }).execute(new Echo(bytes(100)))
    expect(Buffer.isBuffer(back)).toBe(true)
    expect(back).toStrictEqual(bytes(100))
  })

  it('of any kind and shape comes back as it went', async () => {
    const server = await rpc.started(TCP)
    const client = rpc.client({ req: endpointOf(server) })
    await fc.assert(
      fc.asyncProperty(nativeValue, async (value) => {
        fc.pre(!isSpecial(value))
        const [back] = (await client.execute(new Echo([value]))) as [unknown]
        expect(isDeepStrictEqual(back, arriving(value))).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('that nobody can write is refused where it is, with the path to it', async () => {
    const server = await rpc.started(TCP, (server) => server.register(Count, () => ({ deep: [Symbol('x')] }) as unknown as number))
    const client = rpc.client({ req: endpointOf(server) })
    expect((await failureOf(client.execute(new Echo({ deep: [Symbol('x')] })))).message).toContain('state.value.deep[0] is a symbol')
    const error = await failureOf(client.execute(new Count()))
    expect(error).toMatchObject({ code: 'BAD_RESULT', status: 500, command: 'Count' })
    expect(error.message).toContain('result.deep[0] is a symbol')
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })
})

/** Streams, and commands of classes that nobody here knows. */
function isSpecial(value: unknown): boolean {
  if (value instanceof NumberedStream || value instanceof OpaqueCommand) return true
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  const inner = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : Object.values(value)
  return inner.some(isSpecial)
}

describe('a command inside another, or inside a result', () => {
  it('comes as an instance of its class, on either side that knows it', async () => {
    let seen: unknown
    const server = rpc.server({ ...TCP, commands: [Point] })
    server.register(Echo, ({ value }) => {
      seen = value
      return { from: value, more: new Map([['p', Point.of(3, 4)]]) }
    })
    await server.start()
    const client = rpc.client({ req: endpointOf(server), commands: [Point] })
    const result = (await client.execute(new Echo([Point.of(1, 2)]))) as { from: Point[]; more: Map<string, Point> }
    expect((seen as Point[])[0]).toBeInstanceOf(Point)
    expect(seen).toEqual([Point.of(1, 2)])
    expect(result.from[0]).toBeInstanceOf(Point)
    expect(result).toEqual({ from: [Point.of(1, 2)], more: new Map([['p', Point.of(3, 4)]]) })
  })

  it('is refused by a side that does not know it: the server with 400, the client with BAD_REPLY', async () => {
    const server = rpc.server(TCP)
    server.register(Echo, () => Point.of(1, 2))
    await server.start()
    const client = rpc.client({ req: endpointOf(server) })
    expect(await failureOf(client.execute(new Echo(Point.of(1, 2))))).toMatchObject({
      code: 'BAD_COMMAND',
      status: 400,
      message: expect.stringContaining('no command "Point" is registered'),
    })
    expect(await failureOf(client.execute(new Echo()))).toMatchObject({
      code: 'BAD_REPLY',
      message: expect.stringContaining('no command "Point" is registered'),
    })
  })
})

describe('a large binary', () => {
  const MIB = 1024 * 1024

  it.each(TRANSPORTS)('arrives whole beside others, over $name', async ({ endpoint }) => {
    const server = await rpc.started({ rep: endpoint() })
    const client = rpc.client({ req: endpointOf(server) })
    const value = { one: bytes(MIB), small: bytes(10), list: [bytes(MIB + 1), new Float32Array(MIB).fill(1.5)], text: 'x' }
    const back = (await client.execute(new Echo(value))) as typeof value
    expect(back.one.equals(value.one)).toBe(true)
    expect(back.small.equals(value.small)).toBe(true)
    expect((back.list[0] as Buffer).equals(value.list[0] as Buffer)).toBe(true)
    expect(back.list[1]).toBeInstanceOf(Float32Array)
    expect((back.list[1] as Float32Array).every((one) => one === 1.5)).toBe(true)
  })

  it('over maxMessageBytes costs the connection, as any large message', async () => {
    const server = await rpc.started({ ...TCP, maxMessageBytes: MIB })
    const client = rpc.client({ req: endpointOf(server) })
    expect(await failureOf(client.execute(new Echo(bytes(MIB))))).toMatchObject({ code: 'CONNECTION_LOST' })
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })
})

describe('the state of a call that waits', () => {
  it('is that of the moment of the call, whatever the caller does with the command meanwhile', async () => {
    const endpoint = 'ipc:///tmp/zmq-rpc-test-snapshot.sock'
    const client = rpc.client({ req: endpoint })
    const value = { list: [1], bytes: Buffer.from('abc') }
    const command = new Echo(value)
    const call = client.execute(command)
    value.list.push(2)
    value.bytes[0] = 0
    command.value = 'changed'
    await rpc.started({ rep: endpoint })
    expect(await call).toEqual({ list: [1], bytes: Buffer.from('abc') })
  })

  it.each(['native', 'pyzmqrpc3'] as const)('is written for whom it goes to, which is not known before: %s', async (dialect) => {
    const endpoint = `ipc:///tmp/zmq-rpc-test-whom-${dialect}.sock`
    const client = rpc.client({ req: endpoint })
    const call = client.execute(new Echo({ a: [1, null, 'x'], point: Point.of(1, 2) }))
    const server = rpc.server({ rep: endpoint, dialect: dialect === 'native' ? 'auto' : dialect, commands: [Point] })
    server.register(Echo, ({ value }) => JSON.stringify(value))
    await server.start()
    expect(await call).toBe('{"a":[1,null,"x"],"point":{"x":1,"y":2}}')
  })

  it('that the other dialect cannot hold fails when it turns out that the server has no other', async () => {
    const endpoint = 'ipc:///tmp/zmq-rpc-test-cannot.sock'
    const client = rpc.client({ req: endpoint })
    const call = failureOf(client.execute(new Echo(new Map())))
    const streams = failureOf(client.execute(new Echo((async function* () {})())))
    await rpc.started({ rep: endpoint, dialect: 'pyzmqrpc3' })
    expect(await call).toMatchObject({ code: 'BAD_COMMAND', command: 'Echo', message: expect.stringContaining('is a Map') })
    expect(await streams).toMatchObject({ code: 'BAD_COMMAND', command: 'Echo' })
    expect((await failureOf(client.execute(new Echo((async function* () {})())))).message).toContain('stream')
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })
})

describe('metadata', () => {
  it('of many calls at once does not get mixed up', async () => {
    const go = deferred()
    const server = await rpc.started(TCP, (server) =>
      server.register(Count, async ({ n }, { metadata, replyMetadata }) => {
        await go.promise
        replyMetadata['back'] = `${metadata['n']} ${n}`
        return n
      }),
    )
    const client = rpc.client({ req: endpointOf(server) })
    const told: string[] = []
    const onMetadata = (metadata: Metadata): number => told.push(metadata['back'] as string)
    const calls = Array.from({ length: 50 }, (_, n) => client.execute(new Count(n), { metadata: { n: String(n) }, onMetadata }))
    go.resolve()
    await Promise.all(calls)
    expect(told).toEqual(Array.from({ length: 50 }, (_, n) => `${n} ${n}`))
  })
})
