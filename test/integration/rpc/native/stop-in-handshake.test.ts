/** A server that stops while clients are about to come in: none of their calls is left in doubt. On the virtual network. */

import { expect, it } from 'vitest'
import { Command, RpcClient, RpcServer, type ZmqRpcError } from '../../../../src/index.ts'
import { simulate } from '../../../../src/testing/index.ts'

class Count extends Command<number> {
  n = 0
}

/** What becomes of the first call of a client when its server stops so many ms after the client was made. */
function outcome(stopAfterMs: number): Promise<string> {
  return simulate(
    async (network) => {
      let ran = 0
      const server = network.host('server').run(() => new RpcServer({ rep: 'tcp://*:30000' }))
      server.register(Count, ({ n }) => {
        ran++
        return n
      })
      await network.host('server').run(() => server.start())
      const client = network.host('client').run(() => new RpcClient({ req: 'tcp://server:30000', timeoutMs: 2000 }))
      const call = network.host('client').run(() => client.execute(Object.assign(new Count(), { n: 7 })))
      const settled = call.then(
        () => 'answered',
        (error: ZmqRpcError) => `${error.code}, started: ${error.started}`,
      )
      await network.advance(stopAfterMs)
      await network.host('server').run(() => server.stop())
      const said = await settled
      await client.close()
      return `${said}, ran: ${ran}`
    },
    { latencyMs: 10 },
  )
}

it('whenever a server stops, the first call of a client was carried out and answered, or surely not carried out', async () => {
  const outcomes = new Set<string>()
  for (let ms = 0; ms <= 120; ms += 1) outcomes.add(await outcome(ms))
  expect([...outcomes].sort()).toEqual(['NOT_CONNECTED, started: no, ran: 0', 'SHUTTING_DOWN, started: no, ran: 0', 'answered, ran: 1'])
})
