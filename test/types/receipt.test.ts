/** What the compiler must know about receipts. `tsc` checks it; at run time little is left to see. */

import { describe, expectTypeOf, it } from 'vitest'
import { Command, type Receipt, type ReceiptReport, type RpcClient } from '../../src/index.ts'

class Greet extends Command<string> {
  name = ''
}
class Untyped extends Command {}

describe('the type of a receipt', () => {
  it('carries the type of the result, from submit to result, and through JSON', () => {
    const typed = async (client: RpcClient) => {
      const receipt = await client.submit(new Greet(), { ttlMs: 1000, orderingKey: null })
      expectTypeOf(receipt).toEqualTypeOf<Receipt<string>>()
      expectTypeOf(await client.result(receipt)).toEqualTypeOf<string>()
      const read = JSON.parse(JSON.stringify(receipt)) as Receipt<string>
      expectTypeOf(await client.result(read, { timeoutMs: 10 })).toEqualTypeOf<string>()
      expectTypeOf(await client.submit(new Untyped())).toEqualTypeOf<Receipt<unknown>>()
      expectTypeOf(await client.track(receipt)).toEqualTypeOf<ReceiptReport>()
      expectTypeOf(await client.result({ id: 'a', command: 'Greet' })).toEqualTypeOf<unknown>()
    }
    expectTypeOf(typed).toBeFunction()
  })

  it('does not mistake the receipt of one command for that of another', () => {
    const typed = (client: RpcClient, receipt: Receipt<string>) => {
      // @ts-expect-error: a string comes of it
      const wrong: Promise<number> = client.result(receipt)
      // @ts-expect-error: its state has no such order
      void client.submit(new Greet(), { orderingKey: 7 })
      // @ts-expect-error: no command
      void client.submit({})
      return wrong
    }
    expectTypeOf(typed).toBeFunction()
  })
})
