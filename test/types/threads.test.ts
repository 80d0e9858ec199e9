/** What the compiler must know about modules of services. `tsc` checks it; at run time little is left to see. */

import { describe, expectTypeOf, it } from 'vitest'
import {
  Command,
  giveAway,
  type RegisterServices,
  type RpcServer,
  type RpcServerOptions,
  type RunningThread,
  type ServiceRegistrar,
  type startThread,
} from '../../src/index.ts'

class Greet extends Command<string> {
  name = ''
}

describe('the types of threads', () => {
  it('check services as register does', () => {
    const good: RegisterServices<{ port: number }> = (services, { data, index }) => {
      expectTypeOf(data).toEqualTypeOf<{ port: number }>()
      expectTypeOf(index).toBeNumber()
      services.register(Greet, ({ name }) => name.toUpperCase(), { allow: 'authenticated' }).register(Greet, { execute: () => 'x' })
      // @ts-expect-error: it answers a string
      services.register(Greet, () => 1)
      // @ts-expect-error: there is no such option
      services.register(Greet, () => '', { alow: 'nobody' })
    }
    expectTypeOf(good).toBeFunction()
    const returns: RegisterServices[] = [() => {}, () => ({ close: () => {} }), async () => [{ stop: async () => {} }]]
    expectTypeOf(returns).toBeArray()
    // @ts-expect-error: it can be neither stopped nor closed
    const bad: RegisterServices = () => ({ end: () => {} })
    expectTypeOf(bad).toBeFunction()
  })

  it('have a server be where services are registered, too', () => {
    expectTypeOf<RpcServer>().toExtend<ServiceRegistrar>()
    expectTypeOf<RpcServerOptions['threads']>().extract<number>().toEqualTypeOf<number>()
    expectTypeOf(giveAway<Buffer>).returns.toEqualTypeOf<Buffer>()
    expectTypeOf<ReturnType<typeof startThread>>().toEqualTypeOf<Promise<RunningThread>>()
  })
})
