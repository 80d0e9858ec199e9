/** What the compiler must know about errors of an application. `tsc` checks it. */

import { describe, expectTypeOf, it } from 'vitest'
import { RemoteError, ZmqRpcError } from '../../src/errors.ts'
import { ErrorRegistry, ServiceError } from '../../src/rpc/error/service-error.ts'

class OutOfPaper extends ServiceError<{ tray: number }> {}
class Busy extends ServiceError {}
class Own extends ServiceError<{ tray: number }> {
  constructor(tray: number) {
    super('', { details: { tray } })
  }
}

describe('the type of a ServiceError', () => {
  it('has its details, and asks for them', () => {
    const made = () => {
      expectTypeOf(new OutOfPaper('x', { details: { tray: 1 } }).details).toEqualTypeOf<{ tray: number }>()
      expectTypeOf(new Busy('x').details).toEqualTypeOf<unknown>()
      // @ts-expect-error: it has details
      new OutOfPaper('x')
      // @ts-expect-error: they are a number
      new OutOfPaper('x', { details: { tray: '1' } })
    }
    expectTypeOf(made).toBeFunction()
  })

  it('is told apart in a catch', () => {
    const caught = (error: unknown) => {
      if (error instanceof OutOfPaper) expectTypeOf(error.details.tray).toEqualTypeOf<number>()
      else if (error instanceof RemoteError) expectTypeOf(error.remoteName).toEqualTypeOf<string | undefined>()
      else if (error instanceof ZmqRpcError && error.code === 'NOT_ALLOWED')
        expectTypeOf(error.retrySafe).toEqualTypeOf<'always' | 'repeatable' | 'never'>()
    }
    expectTypeOf(caught).toBeFunction()
  })

  it('lets only such classes into a registry, with whatever constructor', () => {
    const registered = () => {
      new ErrorRegistry([OutOfPaper, Busy, Own])
      // @ts-expect-error: it has to extend ServiceError
      new ErrorRegistry([TypeError])
    }
    expectTypeOf(registered).toBeFunction()
  })
})
