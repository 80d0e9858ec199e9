import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RemoteError, ZmqRpcError } from '../../../../src/errors.ts'
import { decodeError, encodeError, type WireError } from '../../../../src/rpc/dialect/native/message.ts'
import { ErrorRegistry, fromWireError, ServiceError, toWireError } from '../../../../src/rpc/error/service-error.ts'

class OutOfPaper extends ServiceError<{ tray: number }> {}
class Busy extends ServiceError {
  static readonly errorName = 'printer.Busy'
}
/** With a constructor of its own, as applications like them. */
class NoSuchTray extends ServiceError<{ tray: number }> {
  constructor(tray: number) {
    super(`there is no tray ${tray}`, { details: { tray }, code: 'E_TRAY' })
  }
  get tray(): number {
    return this.details.tray
  }
}

const registry = new ErrorRegistry([OutOfPaper, Busy, NoSuchTray])
const about = { endpoint: 'tcp://a:1', command: 'Print' }

/** There and back. */
function carried(thrown: unknown, known = registry): RemoteError {
  return fromWireError(decodeError(encodeError(toWireError(thrown))).error, known, about)
}

describe('a ServiceError', () => {
  it('says its text, its class and that a service failed', () => {
    const error = new OutOfPaper('tray 2 is empty', { details: { tray: 2 }, code: 17, cause: 'no paper' })
    expect(error).toMatchObject({ name: 'OutOfPaper', message: 'tray 2 is empty', code: 'SERVICE_FAILED', details: { tray: 2 } })
    expect(error).toMatchObject({ remoteCode: 17, cause: 'no paper' })
    expect(error).toBeInstanceOf(ZmqRpcError)
    expect(error.stack).toMatch(/^OutOfPaper: tray 2 is empty\n\s+at .*service-error\.test/)
    expect(new Busy('wait').name).toBe('printer.Busy')
  })

  it('comes to a caller who knows its class as one of it, with text, details, code, cause, endpoint and command', () => {
    const error = carried(new OutOfPaper('tray 2 is empty', { details: { tray: 2 }, code: 'E17', cause: new TypeError('no paper') }))
    expect(error).toBeInstanceOf(OutOfPaper)
    expect(error).toMatchObject({
      name: 'OutOfPaper',
      message: 'tray 2 is empty',
      code: 'SERVICE_FAILED',
      remoteCode: 'E17',
      details: { tray: 2 },
      ...about,
    })
    expect(error.cause).toMatchObject({ name: 'RemoteError', statusText: 'no paper', remoteName: 'TypeError' })
  })

  it('may have any constructor: on the side of the caller it is not run', () => {
    const error = carried(new NoSuchTray(9))
    expect(error).toBeInstanceOf(NoSuchTray)
    expect((error as NoSuchTray).tray).toBe(9)
  })

  it('comes to others as a RemoteError that tells the same', () => {
    const error = carried(new OutOfPaper('tray 2 is empty', { details: { tray: 2 }, code: 'E17' }), new ErrorRegistry())
    expect(error).not.toBeInstanceOf(ServiceError)
    expect(error).toMatchObject({
      name: 'RemoteError',
      status: 463,
      statusText: 'tray 2 is empty',
      remoteName: 'OutOfPaper',
      remoteCode: 'E17',
      details: { tray: 2 },
      ...about,
    })
  })

  it('is none when a far end says so with another status, or the class is in its way', () => {
    expect(fromWireError({ status: 403, text: 'no', name: 'OutOfPaper' }, registry)).not.toBeInstanceOf(OutOfPaper)
    class Odd extends ServiceError {
      // @ts-expect-error: JavaScript would let it pass
      get details(): string {
        return 'mine'
      }
    }
    const error = fromWireError({ status: 463, text: 'no', name: 'Odd', details: 1 }, new ErrorRegistry([Odd]))
    expect(error).not.toBeInstanceOf(Odd)
    expect(error.details).toBe(1)
  })

  it('keeps its class over a server in between that does not know it', () => {
    const between = carried(new OutOfPaper('tray 2 is empty', { details: { tray: 2 } }), new ErrorRegistry())
    expect(carried(between)).toBeInstanceOf(OutOfPaper)
  })

  it('known as a cause is of its class, too', () => {
    const error = carried(new Error('not printed', { cause: new OutOfPaper('tray 2 is empty', { details: { tray: 2 } }) }))
    expect(error.cause).toBeInstanceOf(OutOfPaper)
  })
})

describe('a registry of errors', () => {
  it.each([
    ['what is no class', 'OutOfPaper' as never, /"?OutOfPaper"? is no class that extends ServiceError/],
    ['another class of errors', TypeError as never, /"TypeError" is no class that extends ServiceError/],
    ['ServiceError itself', ServiceError, /"ServiceError" is no class/],
    ['a class without a name', class extends ServiceError {} as never, /needs a name/],
  ])('refuses %s', (_what, errorClass, text) => {
    // A class expression in an array has no name of its own.
    expect(() => new ErrorRegistry([errorClass])).toThrow(text)
  })

  it('refuses a second class of the same name, and takes the same class twice', () => {
    const other = { OutOfPaper: class OutOfPaper extends ServiceError {} }.OutOfPaper
    expect(() => new ErrorRegistry([OutOfPaper, OutOfPaper])).not.toThrow()
    expect(() => new ErrorRegistry([OutOfPaper, other])).toThrow(/another class is registered as error "OutOfPaper"/)
  })

  it('does not take a name over from a base', () => {
    class VeryBusy extends Busy {}
    expect(new VeryBusy('').name).toBe('VeryBusy')
    expect(new ErrorRegistry([Busy, VeryBusy]).get('VeryBusy')).toBe(VeryBusy)
  })
})

describe('what else is thrown', () => {
  it('by the system tells its class, text and code', () => {
    const thrown = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    expect(toWireError(thrown)).toEqual({ status: 463, name: 'Error', text: 'connect ECONNREFUSED', code: 'ECONNREFUSED' })
  })

  it('tells no fields but those: they may be secrets', () => {
    const thrown = Object.assign(new Error('no'), { details: { password: 'secret' }, config: { token: 'secret' } })
    expect(JSON.stringify(toWireError(thrown))).not.toContain('secret')
  })

  it('tells its stack only when asked', () => {
    const thrown = new Error('no', { cause: new Error('why') })
    expect(toWireError(thrown)).toEqual({ status: 463, name: 'Error', text: 'no', cause: { status: 463, name: 'Error', text: 'why' } })
    const told = toWireError(thrown, { exposeStacks: true })
    expect(told.stack).toBe(thrown.stack)
    expect(told.cause?.stack).toMatch(/why/)
    expect(fromWireError(told, registry).remoteStack).toBe(thrown.stack)
  })

  it('by a call to another server is 463 here, and does not show where that was', () => {
    const told = toWireError(new RemoteError(403, 'not yours', { endpoint: 'tcp://inner:1' }))
    expect(told).toEqual({ status: 463, name: 'RemoteError', text: 'not yours', code: 'NOT_ALLOWED' })
    expect(fromWireError(told, registry)).toMatchObject({ code: 'SERVICE_FAILED', remoteCode: 'NOT_ALLOWED', retrySafe: 'never' })
  })

  it.each<[string, unknown, WireError]>([
    ['a string', 'no', { status: 463, text: 'no' }],
    ['null', null, { status: 463, text: 'null' }],
    ['undefined', undefined, { status: 463, text: 'undefined' }],
    ['a symbol', Symbol('s'), { status: 463, text: 'Symbol(s)' }],
    ['an object without a prototype', Object.create(null), { status: 463, text: 'an error that cannot be shown' }],
    ['an error with odd fields', Object.assign(new Error('no'), { name: 7, code: {} }), { status: 463, text: 'no' }],
  ])('is told: %s', (_what, thrown, expected) => {
    expect(toWireError(thrown)).toEqual(expected)
  })

  it('is told even when all of it throws', () => {
    const trap = () => {
      throw new Error('trap')
    }
    const hostile = new Proxy(new OutOfPaper('x', { details: { tray: 1 } }), { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap })
    expect(toWireError(hostile, { exposeStacks: true })).toEqual({ status: 463, text: 'an error that cannot be shown' })
    const getters = Object.defineProperties(new Error('x'), { message: { get: trap }, name: { get: trap }, cause: { get: trap } })
    expect(toWireError(getters)).toEqual({ status: 463, text: 'an error that cannot be shown' })
  })

  it('tells a chain of causes up to eight, and a cycle once', () => {
    let chain = new Error('0')
    for (let depth = 1; depth < 20; depth++) chain = new Error(String(depth), { cause: chain })
    let depth = 0
    for (let told = toWireError(chain).cause; told !== undefined; told = told.cause) depth++
    expect(depth).toBe(8)

    const first = new Error('first')
    const second = new Error('second', { cause: first })
    first.cause = second
    expect(toWireError(first)).toEqual({ status: 463, name: 'Error', text: 'first', cause: { status: 463, name: 'Error', text: 'second' } })
  })
})

describe('details that cannot be written', () => {
  const told = (details: unknown) => toWireError(new ServiceError('x', { details })).details

  it('are told as text, where they stand', () => {
    const cyclic: Record<string, unknown> = { tray: 2 }
    cyclic['self'] = cyclic
    expect(told(cyclic)).toEqual({ tray: 2, self: '(a cycle)' })
    expect(told({ at: new Date(Number.NaN), why: new Error('jam'), like: /a/, tag: Symbol('t'), huge: 1n << 5000n })).toEqual({
      at: 'Invalid Date',
      why: 'jam',
      like: '/a/',
      tag: 'Symbol(t)',
      huge: '(a bigint of more than 1024 bits)',
    })
    expect(told([1, { get bad(): never { throw new Error('no') } }])).toEqual([1, '(cannot be read)']) // biome-ignore format: one line
  })

  it('leave methods out, and what can be written as it is', () => {
    const bytes = Buffer.from('x')
    const given = { run: () => 1, bytes, at: new Date(0), map: new Map([['a', new Set([1n])]]), url: new URL('http://a/') }
    expect(told(given)).toEqual({ bytes, at: new Date(0), map: new Map([['a', new Set([1n])]]), url: 'http://a/' })
  })

  it('end somewhere', () => {
    let deep: unknown = 'end'
    for (let depth = 0; depth < 100; depth++) deep = [deep]
    expect(JSON.stringify(told(deep))).toContain('(nested too deeply)')
    expect((told(new Array(1_000_000).fill(0)) as unknown[]).length).toBeLessThanOrEqual(10_000)
    const endless = {
      *[Symbol.iterator]() {
        for (;;) yield 1
      },
    }
    expect(told(endless)).toEqual({})
  })

  it('never make it fail, whatever they are', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }), (value) => {
        encodeError(toWireError(new ServiceError('x', { details: value })))
        encodeError(toWireError(value))
      }),
    )
  })

  it('cannot pollute a prototype', () => {
    const copy = told(JSON.parse('{"__proto__": {"polluted": 1}}'))
    expect(Object.keys(copy as object)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})
